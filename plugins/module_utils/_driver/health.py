# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong in a store: damage, litter, and the rest. Nothing here repairs. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import stat
import time
import typing as t

from .._errors import StoreCorrupt, printable
from .._store.damage import CONTENT_CURE, LINK_CURE, LOWER_CURE, WORK_CURE, unresolved
from .._store.foreign import SOMEBODY, managed_by, store_foreign
from .._store.layer import Layer, Store, examine, misnamed
from .._store.layout import (
    COMMITTED,
    DIFF,
    HOME_MODE,
    LAYER_MODE,
    LINK,
    LINKS,
    LINKS_MODE,
    LOWER,
    OWN_FILE,
    WORK,
    has_content,
    is_directory,
    is_store,
    layer_ids,
)
from .._store.lent import Lenders
from .._store.links import all_links
from .._store.owner import owner, strangers
from .._store.records import orphans, references
from .hidden import hidden_mounts
from .litter import find_litter
from .mount_actions import MARKER
from .observe import Observer
from .settings import read_settings

_PAUSE = 0.1  # seconds: a run at work is past the same place by then
# By code: what a finding says of it, and the cure.
_LITTER = {
    "dangling_link": (
        "{path} leads to no layer",
        "strata.overlay2.overlay2_prune sweeps it, unless a layer needs the name: then see that layer",
    ),
    "staging_leftover": (
        "a killed run has left {path}",
        "strata.overlay2.overlay2_prune sweeps it, and so does the next run that makes, fills or removes a layer",
    ),
    "dead_holder": (
        "the holders of layer {subject} are of another boot, or unreadable",
        "it means nothing: the next mount of the layer writes it anew, and strata.overlay2.overlay2_prune sweeps it",
    ),
    "leaked_project": (
        "the project {subject} has limits, and no file: of a layer that is gone",
        "strata.overlay2.overlay2_prune takes them off",
    ),
}


class Finding(t.NamedTuple):
    """subject: a layer's id, or a name in the store; "" for the store itself. path: where it was found."""

    code: str
    subject: str
    path: str
    message: str
    hint: str


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


class _Examination:
    def __init__(self, home: str) -> None:
        self.home = home
        self.links = all_links(home)
        self.layers: dict[str, Layer] = {}
        self.unread: set[str] = set()  # whose record cannot be read
        self.broken: set[str] = set()  # whose link or lower cannot
        self._content: dict[str | None, bool] = {}
        self._mount = Observer(home).mount
        self._lenders = Lenders(home)

    def findings(self) -> list[Finding]:
        damage = list(self._of_files())
        for kind in (self._of_links, self._of_lowers):
            damage += kind()
        unreadable, orphans = self._of_records()
        damage += unreadable
        litter = [*self._of_litter()]
        rest = [*self._of_access(), *self._of_layers(), *self._of_mounts(), *orphans, *self._of_strangers()]
        order = sorted(damage, key=_by_subject), sorted(litter, key=_by_subject), sorted(rest, key=_by_subject)
        return [finding for findings in order for finding in findings]

    def _found(self, code: str, subject: str, path: str, message: str, hint: str) -> Finding:
        where = os.path.join(self.home, path) if path else self.home
        return Finding(code, printable(subject), printable(where), message, hint)

    def _of_files(self) -> t.Iterator[Finding]:
        """Read the layers, and yield what is damaged in each by itself."""
        try:
            read_settings(self.home)
        except StoreCorrupt as error:
            yield self._found("store_file_unreadable", OWN_FILE, OWN_FILE, str(error), error.hint)
        if owner(self.home) == SOMEBODY:
            lost = store_foreign(self.home, SOMEBODY, "change the store")
            yield self._found("store_file_unreadable", OWN_FILE, OWN_FILE, str(lost), lost.hint)
        for id in layer_ids(self.home):
            try:
                layer, damage = examine(self.home, id)
            except StoreCorrupt as error:
                self.unread.add(id)
                yield self._found("store_file_unreadable", id, f"{id}/{OWN_FILE}", str(error), error.hint)
                continue
            if layer is None:
                continue
            self.layers[id] = layer
            if damage:
                self.broken.add(id)
            for found in damage:
                yield self._found(found.code, id, found.path, f"layer {id} is damaged: {found.message}", found.hint)
            if not has_content(self.home, id):
                yield self._found("diff_missing", id, f"{id}/{DIFF}", f"layer {id} has lost its content", CONTENT_CURE)
            if layer.lowers and not is_directory(f"{self.home}/{id}/{WORK}"):
                message = f"layer {id} has no work directory, so it can be mounted read-only at most"
                yield self._found("work_missing", id, f"{id}/{WORK}", message, WORK_CURE)

    def _of_links(self) -> t.Iterator[Finding]:
        """Yield where the layers' names in l/ and their link files contradict each other."""
        owners: dict[str, list[str]] = {}
        for layer in self.layers.values():
            if layer.link:
                owners.setdefault(layer.link, []).append(layer.id)
        for link, ids in owners.items():
            path = f"{LINKS}/{link}"
            for id in ids if len(ids) > 1 else ():
                message = f"the layers {', '.join(sorted(ids))} have the same name {path}"
                yield self._found("link_doubled", id, f"{id}/{LINK}", message, LINK_CURE)
            for found in misnamed(self.home, self.layers[ids[0]], self.links.get(link)) if len(ids) == 1 else ():
                message = f"layer {ids[0]} is damaged: {found.message}"
                yield self._found(found.code, ids[0], found.path, message, found.hint)
        for link, target in self.links.items():
            if target in self.layers and link not in owners and self.layers[target].link:
                message = f"{LINKS}/{link} leads to layer {target}, whose name it is not"
                yield self._found(
                    "link_astray", link, f"{LINKS}/{link}", message, "remove it, if no lower file holds it"
                )

    def _of_lowers(self) -> t.Iterator[Finding]:
        """Yield the chains that lead nowhere, or not on as the parent's does."""
        for layer in self.layers.values():
            path = f"{layer.id}/{LOWER}"
            ids = [self._lower(layer.id, place, link) for place, link in enumerate(layer.lowers)]
            lost = next((link for link, id in zip(layer.lowers, ids) if id is None), None)
            if lost is not None:
                found = unresolved(self.home, lost, self.links.get(lost))
                message = f"layer {layer.id} is damaged: {found.message}"
                yield self._found(found.code, layer.id, found.path, message, found.hint)
                continue
            if len({layer.id, *ids}) <= len(ids):
                message = f"layer {layer.id} is damaged: its lower names a layer twice, or itself"
                yield self._found("lower_malformed", layer.id, path, message, LOWER_CURE)
                continue
            parent = self.layers.get(ids[0] or "") if ids else None
            if parent is not None and parent.id not in self.broken and parent.lowers != layer.lowers[1:]:
                message = f"layer {layer.id} is damaged: its lower does not go on as that of its parent {parent.id}"
                yield self._found("lower_malformed", layer.id, path, message, LOWER_CURE)

    def _lower(self, layer_id: str, place: int, link: str) -> str | None:
        """Return the id of a lower, which may be another store's; None where there is no content."""
        if self._leads_to_content(link):
            return self.links[link]
        lent = self._lenders.lower(layer_id, place, link)
        return lent and lent.id

    def _leads_to_content(self, link: str) -> bool:
        target = self.links.get(link)
        if target not in self._content:
            self._content[target] = target is not None and has_content(self.home, target)
        return self._content[target]

    def _of_litter(self) -> t.Iterator[Finding]:
        for found in find_litter(self.home, {*self.layers, *self.unread}, self.links, needed=()):
            message, hint = _LITTER[found.code]
            message = message.format(path=printable(found.path), subject=printable(found.subject))
            yield self._found(found.code, found.subject, found.path, message, hint)

    def _of_each(self, look: t.Callable[[str], t.Iterator[Finding]]) -> t.Iterator[Finding]:
        """Yield what *look* finds in each layer. One that another run has just removed has nothing."""
        for id in self.layers:
            with contextlib.suppress(FileNotFoundError):
                yield from look(id)

    def _of_access(self) -> t.Iterator[Finding]:
        for name, wanted in (("", HOME_MODE), (LINKS, LINKS_MODE)):
            path = os.path.join(self.home, name)
            mode = stat.S_IMODE(os.lstat(path).st_mode)
            if mode & ~wanted:
                message = f"{printable(path)} has mode {mode:04o}: others can run, or change, what lies in layers"
                hint = "strata.overlay2.overlay2_init corrects it"
                yield self._found("loose_mode", name or os.path.basename(self.home), name, message, hint)
        yield from self._of_each(self._loose_layer)

    def _loose_layer(self, id: str) -> t.Iterator[Finding]:
        mode = stat.S_IMODE(os.lstat(f"{self.home}/{id}").st_mode)
        if mode & ~LAYER_MODE:
            message = f"layer {id} has mode {mode:04o}: who can enter the store can run, or change, what lies in it"
            hint = f"chmod {LAYER_MODE:04o} {printable(self.home)}/{id}"
            yield self._found("loose_mode", id, id, message, hint)

    def _of_layers(self) -> t.Iterator[Finding]:
        parents = {layer.lowers[0] for layer in self.layers.values() if layer.lowers}
        for layer in self.layers.values():
            if layer.link in parents and not layer.marked:
                message = f"layer {layer.id} has children and no mark that it is sealed"
                hint = f"make {COMMITTED} in its directory, an empty file; until then its children stand for it"
                yield self._found("unsealed_parent", layer.id, f"{layer.id}/{COMMITTED}", message, hint)
            path = f"{layer.id}/{MARKER}"
            mount = self._mount(layer.id)
            if mount is None and os.path.lexists(f"{self.home}/{path}"):
                message = f"layer {layer.id} was mounted volatile and not unmounted in order: content may be lost"
                hint = "check its content, then mount it with strata.overlay2.overlay2_mount and force: true"
                yield self._found("stale_volatile", layer.id, path, message, hint)

    def _of_strangers(self) -> t.Iterator[Finding]:
        for name in strangers(self.home):
            message = f"{printable(self.home)}/{printable(name)} is no layer, and nothing else that belongs in a store"
            hint = "no module changes it: see what it is, and move it out of the store"
            yield self._found("stranger", name, name, message, hint)

    def _of_mounts(self) -> t.Iterator[Finding]:
        for found in hidden_mounts(self.home):
            yield self._found("hidden_mount", found.name, found.path, found.message, found.hint)

    def _of_records(self) -> tuple[list[Finding], list[Finding]]:
        """Return which record of another engine cannot be read, or else which layers none of its records knows."""
        engine = managed_by(self.home)
        if engine is None:
            return [], []
        store = Store(self.home)
        try:
            needed = references(store, engine)
        except StoreCorrupt as error:
            path = error.details["path"]
            return [Finding("store_file_unreadable", os.path.basename(path), path, str(error), error.hint)], []
        hint = (
            f"stop {engine} and look again: then strata.overlay2.overlay2_prune removes it,"
            " with orphans_only: true and foreign: remove"
        )
        return [], [
            self._found("orphan", id, id, f"layer {id} is in none of {engine}'s records", hint)
            for id in orphans(store, needed)
        ]


def _by_subject(finding: Finding) -> tuple[str, str, str]:
    return finding.subject, finding.code, finding.path
