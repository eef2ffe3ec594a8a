# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong in a store: damage, litter, and the rest. Nothing here repairs. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from ..._errors import StoreCorrupt, printable
from ..._store import holders
from ..._store.cures import cure
from ..._store.damage import Damage
from ..._store.engine import CONTAINERS_STORAGE, SOMEBODY, store_foreign_error
from ..._store.engine_records import orphans, references
from ..._store.gone import gone_layers
from ..._store.layer import Layer
from ..._store.layout import COMMITTED, DIFF, MERGED, OWN_FILE, VOLATILE_MARKER, WORK
from ..._store.owner import strangers
from ..._store.recognition import has_content, is_directory, is_store, layer_ids, names_in
from ..._store.settings import Settings, read_settings
from ..layers.litter import find_litter
from ..store import Store
from .access import find_access
from .chains import Chains
from .finding import Finding, Teller
from .hidden_mounts import hidden_mounts

_PAUSE = 0.1  # seconds: a run at work is past the same place by then
# By code: what a finding says of it.
_LITTER = {
    "dangling_link": "{path} leads to no layer",
    "staging_leftover": "a killed run has left {path}",
    "dead_holder": "the holders of layer {subject} are of another boot, or unreadable",
    "leaked_project": "the project {subject} has limits, and no file: of a layer that is gone",
}


def examine_store(home: str) -> list[Finding]:
    """Return what is wrong at *home*: damage first, then litter, then the rest; each by subject. Raises OSError.

    Nothing is locked, so a run at work makes it look for a moment as if something were wrong. What is wrong is there at
    a second look, too.
    """
    findings = _examine(home)
    if findings:
        time.sleep(_PAUSE)
        again = {(found.code, found.path) for found in _examine(home)}
        findings = [found for found in findings if (found.code, found.path) in again]
    return findings


def _examine(home: str) -> list[Finding]:
    try:
        is_store(home)
    except StoreCorrupt as error:  # with l/ each layer is damaged; what is wrong with these is seen once that is mended
        path = str(error.details["path"])
        return [Finding(str(error.details["damage"]), os.path.basename(path), path, str(error), error.hint)]
    try:
        return _Examination(home).findings()
    except FileNotFoundError:
        if is_store(home):
            raise
        return []  # it has just been removed


class _Examination(Teller):
    def __init__(self, home: str) -> None:
        self._observer = Store(home)
        super().__init__(self._observer.files)
        self._settings: Settings | None = None
        self.layers: dict[str, Layer] = {}
        self.unread: set[str] = set()  # whose record cannot be read
        self.broken: set[str] = set()  # whose link or lower cannot

    def findings(self) -> list[Finding]:
        damage = [*self._of_store_file(), *self._of_files(), *self._of_children()]
        chains = Chains(self.store, self.layers, self.broken)
        damage += [*chains.of_links(), *chains.of_lowers()]
        unreadable, known = self._of_records()
        damage += unreadable
        litter = [*self._of_litter()]
        rest = [
            *self._of_access(),
            *self._of_layers(),
            *self._of_each(self._stray_files),
            *self._of_mounts(),
            *known,
            *self._of_strangers(),
        ]
        order = sorted(damage, key=_by_subject), sorted(litter, key=_by_subject), sorted(rest, key=_by_subject)
        return [finding for findings in order for finding in findings]

    def _of_store_file(self) -> t.Iterator[Finding]:
        try:
            self._settings = read_settings(self.home)
        except StoreCorrupt as error:
            theirs = self.engine not in (None, SOMEBODY)
            why = f"it means nothing to {self.engine}: run `rm {self.at(OWN_FILE)}`" if theirs else error.hint
            yield self.cured("store_file_unreadable", OWN_FILE, OWN_FILE, str(error), why=why)
        if self.engine == SOMEBODY:
            lost = store_foreign_error(self.home, SOMEBODY, "change the store")
            yield self.found("store_file_unreadable", OWN_FILE, OWN_FILE, str(lost), lost.hint)

    def _of_files(self) -> t.Iterator[Finding]:
        """Read the layers, and yield what is damaged in each by itself."""
        for id in layer_ids(self.home):
            try:
                layer, damage = self.store.examine(id)
            except StoreCorrupt as error:
                self.unread.add(id)
                yield self.cured("store_file_unreadable", id, f"{id}/{OWN_FILE}", str(error), why=error.hint)
                continue
            if layer is None:
                continue
            self.layers[id] = layer
            if damage:
                self.broken.add(id)
            if not has_content(self.home, id):
                damage.append(Damage("diff_missing", f"{self.home}/{id}/{DIFF}", "it has lost its content"))
            if layer.lowers and not is_directory(f"{self.home}/{id}/{WORK}"):
                why = "it has no work directory, so it can be mounted read-only at most"
                damage.append(Damage("work_missing", f"{self.home}/{id}/{WORK}", why))
            yield from [self.damaged(id, found) for found in damage]

    def _of_children(self) -> t.Iterator[Finding]:
        """Yield the layers that have lost their lower, as only their children tell."""
        for id, layer in self.layers.items():
            for found in self.store.lost_lower(layer) if id not in self.broken else ():
                self.broken.add(id)
                yield self.damaged(id, found)

    def _of_litter(self) -> t.Iterator[Finding]:
        for found in find_litter(self.home, {*self.layers, *self.unread}, self.store.links, needed=()):
            message = _LITTER[found.code].format(path=printable(found.path), subject=printable(found.subject))
            yield self.cured(found.code, found.subject, found.path, message)

    def _of_each(self, look: t.Callable[[str], t.Iterator[Finding]]) -> t.Iterator[Finding]:
        """Yield what *look* finds in each layer. One that another run has just removed has nothing."""
        for id in self.layers:
            with contextlib.suppress(FileNotFoundError):
                yield from look(id)

    def _of_access(self) -> t.Iterator[Finding]:
        root = self._settings if self.engine is None else None
        for found in find_access(self.home, self.layers, root, self.engine):
            subject = found.subject or os.path.basename(self.home)
            command = f"{found.command} {self.at(found.path)}"
            yield self.cured(found.code, subject, found.path, found.message, command)

    def _of_layers(self) -> t.Iterator[Finding]:
        if self.engine == CONTAINERS_STORAGE:  # it knows no such mark, and leaves the kernel's markers
            return
        parents = {layer.lowers[0] for layer in self.layers.values() if layer.lowers}
        for layer in self.layers.values():
            path = f"{layer.id}/{COMMITTED}"
            if layer.link in parents and not layer.marked:
                message = f"layer {layer.id} has children and no mark that it is sealed"
                yield self.cured("unsealed_parent", layer.id, path, message, f"touch {self.at(path)}")
            path = f"{layer.id}/{VOLATILE_MARKER}"
            # One that is held was mounted since the boot: the next mount makes up for it.
            in_use = self._observer.mount(layer.id) is not None or self._is_held(layer.id)
            if not in_use and os.path.lexists(f"{self.home}/{path}"):
                message = f"layer {layer.id} was mounted volatile and not unmounted in order: content may be lost"
                yield self.cured("stale_volatile", layer.id, path, message, f"rm -r {self.at(path)}")

    def _is_held(self, id: str) -> bool:
        """Tell whether somebody holds a layer, or may: its holders cannot be read."""
        try:
            return bool(holders.read(self.home, id))
        except OSError:
            return True

    def _stray_files(self, id: str) -> t.Iterator[Finding]:
        """Yield what lies in a layer's merged while nothing is mounted there: a mount would hide it."""
        path = f"{id}/{MERGED}"
        if self.engine == CONTAINERS_STORAGE or self._observer.mount(id) is not None:
            return
        if is_directory(f"{self.home}/{path}"):
            count = len(names_in(f"{self.home}/{path}"))
            if count:
                message = f"{count} name{'s' * (count > 1)} in {printable(path)}, where nothing is mounted: in no layer"
                command = f"find {self.at(path)} -xdev -mindepth 1 -delete"
                yield self.cured("stray_files", id, path, message, command)

    def _of_strangers(self) -> t.Iterator[Finding]:
        for name in strangers(self.home):
            message = f"{printable(self.home)}/{printable(name)} is no layer, and nothing else that belongs in a store"
            yield self.cured("stranger", name, name, message)

    def _of_mounts(self) -> t.Iterator[Finding]:
        for found in hidden_mounts(self.home):
            yield self.cured("hidden_mount", found.name, found.path, found.message, why=found.hint)

    def _of_records(self) -> tuple[list[Finding], list[Finding]]:
        """Return which record of another engine cannot be read, or else what its records and its layers lack."""
        engine = self.engine
        if engine is None or engine == SOMEBODY:
            return [], []
        store = self.store
        try:
            needed = references(store, engine)
            gone = list(gone_layers(store, engine))
        except StoreCorrupt as error:
            path = error.details["path"]
            hint = cure(engine, "store_file_unreadable", why=error.hint)
            return [Finding("store_file_unreadable", os.path.basename(path), path, str(error), hint)], []
        known = [
            self.cured("orphan", id, id, f"layer {id} is in none of {engine}'s records")
            for id in orphans(store, needed)
        ]
        for found in gone:
            message = f"{found.record} names layer {found.layer}, which is gone{found.needed_by}"
            hint = cure(engine, "layer_gone", found.command, stopped=found.stopped)
            known.append(Finding("layer_gone", printable(found.layer), printable(found.path), message, hint))
        return [], known


def _by_subject(finding: Finding) -> tuple[str, str, str]:
    return finding.subject, finding.code, finding.path
