# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what is wrong in a store: damage, litter, and the rest. Repairs nothing. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from ..._errors import StoreCorrupt
from ..._store import holders
from ..._store.engine import CONTAINERS_STORAGE, SOMEBODY, store_foreign_error
from ..._store.layout import COMMITTED, HOLDERS, IMAGES, MERGED, OWN_FILE, STAGING, VOLATILE_MARKER
from ..._store.listing import names_in
from ..._store.owner import strangers
from ..._store.recognition import has_volatile_marker, is_directory, is_store
from ..._store.repaired import repaired
from ..._store.repairs import repairs_of, shown_by
from ..._store.settings import Settings
from ..._store.survey import survey
from ..._store.witnesses import RECORDING, allowed
from ..layers.litter import find_litter
from ..store import Store
from .access import find_access
from .finding import AS_TOLD, IN_THE_WAY, OF_ACCESS, OF_NO_USE, Finding, Reported, Reporter, may_end, of_damage
from .hidden_mounts import hidden_mounts

if t.TYPE_CHECKING:
    from ..._store.damage import Damage
    from ..._store.repairs import Repair

_DAY = 86400  # seconds
_LONG = 7 * _DAY
_PAUSE = 0.1  # seconds: another run finishes its current step in this time


def examine_store(home: str, known: Store | None = None) -> list[Reported]:
    """Return what is wrong at *home*, in words: damage first, then litter, then the rest; each by subject.

    No lock is taken, so a run at work looks for a moment like a fault: only what a second look finds again counts.
    known: the store as the caller has read it, for the first look. Raises OSError.
    """
    store, findings = _examine(known or Store(home))
    if not findings:
        return []
    time.sleep(_PAUSE)
    _unused, second = _examine(Store(home))
    again = {finding.key for finding in second}
    findings = [finding for finding in findings if finding.key in again]
    reporter = Reporter(store.files, findings, staying(store, findings))
    try:
        return [reporter.report(finding) for finding in findings]
    except FileNotFoundError:
        if is_store(home):
            raise
        return []  # another run has just removed the store


def left_after(
    store: Store, repairs: t.Sequence[Repair], access: t.Container[str], markers: t.Container[str] = ()
) -> list[Finding]:
    """Return what will be wrong once repairs are done, in order. Raises OSError.

    access: the paths of the directories whose mode and owner are set. markers: the layers whose stale marker goes.
    """
    after = Store(store.home)
    after.__dict__.update(files=repaired(store.files, repairs), exists=True, all_mounts=store.all_mounts)
    on_disk = {
        "work_missing": {repair.layer for repair in repairs if repair.kind == "work"},
        "unsealed_parent": {repair.layer for repair in repairs if repair.kind == "seal"},
        "store_file_unreadable": {repair.layer for repair in repairs if repair.kind == "record"},
        "stale_volatile": markers,
    }
    return [
        finding
        for finding in look(after)
        if finding.subject not in on_disk.get(finding.code, ())
        and not (finding.code in OF_ACCESS and finding.path in access)
    ]


def staying(store: Store, findings: t.Sequence[Finding]) -> frozenset[tuple[str, str]]:
    """Return the keys of the findings that overlay2_repair does not end by itself. Raises OSError.

    In another engine's store, overlay2_repair ends the others with foreign: repair.
    """
    engine = store.files.mending.engine
    if engine not in (None, *RECORDING) or not any(may_end(finding) for finding in findings):
        return frozenset(finding.key for finding in findings)
    if any(finding.cause == AS_TOLD for finding in findings):  # nothing else is known of a store without l/
        return frozenset(finding.key for finding in findings if os.path.lexists(finding.path))
    access = {finding.path for finding in findings if finding.code in OF_ACCESS and engine is None}
    repairs = allowed(store.files.solution.repairs, engine)
    return frozenset(finding.key for finding in left_after(store, repairs, access))


def _examine(store: Store) -> tuple[Store, list[Finding]]:
    """Return what is wrong in a store as it is read, in order, and the store."""
    try:
        store.exists  # noqa: B018 - raises if l/ is lost
    except StoreCorrupt as error:  # without l/ each layer would be damaged; the next health finds the rest
        path = str(error.details["path"])
        return store, [Finding(error.details["damage"], os.path.basename(path), path, AS_TOLD, about=error)]
    try:
        return store, look(store)
    except FileNotFoundError:
        if is_store(store.home):
            raise
        return store, []  # another run has just removed the store


def look(store: Store) -> list[Finding]:
    """Return what is wrong in a store that has its l/, or whose names are known, in order. Raises OSError."""
    return sorted(_Examination(store).findings(), key=lambda finding: finding.order)


class _Examination:
    def __init__(self, store: Store) -> None:
        self._store = store
        self.files = store.files
        self.home = store.home
        self.engine = store.owner  # the engine of the store, None for ours
        self._settings: Settings | None = None

    def findings(self) -> t.Iterator[Finding]:
        """Yield what is wrong in the store, in no order."""
        yield from self._of_store_file()
        yield from self._of_images()
        found = survey(self.files)
        self.layers, self.unread = found.layers, found.unread
        for id, error in found.unread.items():
            yield Finding("store_file_unreadable", id, f"{self.home}/{id}/{OWN_FILE}", about=error)
        yield from map(of_damage, found.damage)
        yield from map(of_damage, self._shown_by_records(found.damage))
        yield from self._of_records()
        yield from self._of_litter()
        yield from find_access(self.home, self.layers, self._settings if self.engine is None else None, self.engine)
        if self.engine is None and self._store.has_quota:
            from .projects import find_projects  # most stores have no quota; each import is compiled

            yield from find_projects(self.home, self.layers, self._store.home_project)
        yield from self._of_layers()
        yield from self._of_each(self._stray_files)
        yield from self._held_long()
        yield from hidden_mounts(self._store)
        for name in strangers(self.home, self._store.managed_by, self.layers):
            if name != STAGING:
                yield Finding("stranger", name, f"{self.home}/{name}")
        yield from self._blocked_staging("")
        yield from self._of_each(self._blocked_staging)

    def _of_store_file(self) -> t.Iterator[Finding]:
        path = f"{self.home}/{OWN_FILE}"
        try:
            self._settings = self._store.settings
        except StoreCorrupt as error:
            theirs = self.engine not in (None, SOMEBODY)
            yield Finding("store_file_unreadable", OWN_FILE, path, OF_NO_USE if theirs else "", about=error)
        if self.engine == SOMEBODY:
            lost = store_foreign_error(self.home, SOMEBODY, "change the store")
            yield Finding("store_file_unreadable", OWN_FILE, path, AS_TOLD, about=lost)

    def _of_images(self) -> t.Iterator[Finding]:
        if self.engine is not None or not os.path.lexists(f"{self.home}/{IMAGES}"):
            return
        from ..._store.images import read_records  # most stores have no images; each import is compiled

        for error in read_records(self.home).unread:
            path = str(error.details["path"])
            yield Finding("store_file_unreadable", os.path.basename(path), path, IN_THE_WAY, about=error)

    def _of_litter(self) -> t.Iterator[Finding]:
        for found in find_litter(self.home, {*self.layers, *self.unread}, self.files.links, needed=()):
            yield Finding(found.code, found.subject, f"{self.home}/{found.path}" if found.path else self.home)

    def _of_each(self, look: t.Callable[[str], t.Iterator[Finding]]) -> t.Iterator[Finding]:
        """Yield what *look* finds in each layer; nothing for a layer that another run has just removed."""
        for id in self.layers:
            with contextlib.suppress(FileNotFoundError):
                yield from look(id)

    def _of_layers(self) -> t.Iterator[Finding]:
        """Yield the layers without a mark that they need, and those with a mark of a lost mount."""
        if self.engine == CONTAINERS_STORAGE:  # it has no such mark, and does not remove the kernel's markers
            return
        parents = {layer.lowers[0] for layer in self.layers.values() if layer.lowers}
        repairs = self.files.solution.repairs if self.engine in RECORDING else ()
        sealed = {repair.layer for repair in repairs if repair.kind == "seal"}
        for layer in self.layers.values():
            if (layer.link in parents or layer.id in sealed) and not layer.marked:
                yield Finding("unsealed_parent", layer.id, f"{self.home}/{layer.id}/{COMMITTED}")
            path = f"{self.home}/{layer.id}/{VOLATILE_MARKER}"
            # A held layer was mounted since the last boot: the next mount removes the marker.
            in_use = self._store.mount(layer.id) is not None or self._is_held(layer.id)
            if not in_use and has_volatile_marker(self.home, layer.id):
                yield Finding("stale_volatile", layer.id, path)

    def _is_held(self, id: str) -> bool:
        """Tell whether a layer has holders, or may have: its holders file cannot be read."""
        try:
            return bool(holders.read(self.home, id))
        except OSError:
            return True

    def _stray_files(self, id: str) -> t.Iterator[Finding]:
        """Yield what a mount would hide in a layer's merged, and what is in the place of merged."""
        path = f"{self.home}/{id}/{MERGED}"
        if self.engine == CONTAINERS_STORAGE or self._store.mount(id) is not None:
            return
        if is_directory(path):
            count = len(names_in(path))
            if count:
                yield Finding("stray_files", id, path, found=f"{count} name{'s' * (count > 1)}")
        elif os.path.lexists(path):
            from ..._store.unusable import blocked_merged  # few layers have it, and each import is compiled

            yield Finding("stray_files", id, path, IN_THE_WAY, about=blocked_merged(self.home, id))

    def _blocked_staging(self, id: str) -> t.Iterator[Finding]:
        """Yield what is in the place of a layer's staging directory; of that of the store, if *id* is ""."""
        path = os.path.join(self.home, id, STAGING)
        with contextlib.suppress(OSError):  # find_litter tells what cannot be read
            if os.path.lexists(path) and not is_directory(path):
                from ..._store.unusable import blocked_staging  # as above

                yield Finding("stranger", id or STAGING, path, IN_THE_WAY, about=blocked_staging(path))

    def _held_long(self) -> t.Iterator[Finding]:
        """Yield the layers that a holder holds for long, although no process uses them."""
        if self.engine is not None:
            return
        oldest: dict[str, tuple[float, str]] = {}
        for id in self.layers:
            try:
                ages = holders.ages(self.home, id)
            except OSError:  # the facts about mounts tell this problem
                continue
            known = [(age, name) for name, age in ages.items() if age is not None]
            if known and max(known)[0] >= _LONG:
                oldest[id] = max(known)
        if not oldest:
            return
        from ..in_use.users import users_of_layers  # a scan of /proc, which few stores need

        users = users_of_layers(self.home, oldest, known=self._store.all_mounts)
        for id, (age, name) in oldest.items():
            if not users.get(id):
                path = f"{self.home}/{id}/{HOLDERS}"
                yield Finding("held_long", id, path, found=f"{int(age // _DAY)} days", target=name)

    def _shown_by_records(self, known: t.Iterable[Damage]) -> t.Iterator[Damage]:
        """Yield the damage that only the records of another engine show: a lower or a work directory that is lost."""
        if self.engine not in RECORDING:
            return
        by_layer: dict[str, list[Damage]] = {}
        for damage in known:
            for id in sorted({damage.layer, damage.target}):
                by_layer.setdefault(id, []).append(damage)
        for repair in self.files.solution.repairs:
            shown = shown_by(self.home, repair, has_lower=bool(self.files.lower(repair.layer).names))
            if shown and not any(repairs_of(damage, [repair]) for damage in by_layer.get(repair.layer, ())):
                yield shown

    def _of_records(self) -> t.Iterator[Finding]:
        """Yield which record of another engine cannot be read; else what its records or its layers lack."""
        engine = self.engine
        if engine is None or engine == SOMEBODY:
            return
        from ..._store.engine_records import orphans, references  # most stores are ours; each import is compiled
        from ..._store.gone import gone_layers

        try:
            needed = references(self.files, engine)
            gone = list(gone_layers(self.files, engine))
        except StoreCorrupt as error:
            path = str(error.details["path"])
            yield Finding("store_file_unreadable", os.path.basename(path), path, about=error)
            return
        for id in orphans(self.files, needed):
            yield Finding("orphan", id, f"{self.home}/{id}", detail=engine)
        for found in gone:
            yield Finding("layer_gone", found.layer, found.path, about=found)
