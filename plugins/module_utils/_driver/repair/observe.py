# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what is wrong with a store, and what is certain to repair it. PRIVATE to the collection."""

from __future__ import annotations

import os
import stat
import typing as t

from ..._errors import ParentMismatch, StoreCorrupt
from ..._linux.overlayfs import overlay_options
from ..._store import holders
from ..._store.damage import Damage
from ..._store.layout import LINKS
from ..._store.repaired import repaired
from ..._store.repairs import Repair
from ..._store.solve import Solution, recorded, solve
from ..._store.witnesses import RECORDING, allowed, read_witnesses
from ..facts.check import left_after, look, staying
from ..facts.finding import AS_TOLD, OF_ACCESS, Finding, Reporter
from ..in_use.engine import EngineUse, engine_users
from ..store import Store
from ..stores.state import DirectoryAccess
from .state import Asked, RepairState


def observe_repair(store: Store, asked: Asked) -> RepairState:
    """Return what is wrong with a store, and what overlay2_repair does about it. Raises Overlay2Error, OSError."""
    have = RepairState(store.home, True)
    try:
        exists = store.exists
    except StoreCorrupt as error:
        path = str(error.details["path"])
        if error.details["damage"] != "link_missing" or os.path.lexists(path):
            return _told(store, Finding(error.details["damage"], os.path.basename(path), path, AS_TOLD, about=error))
        store.files.__dict__["links"] = {}  # as if l/ was there, and empty
        store.__dict__["exists"] = True
        lost = Finding("link_missing", LINKS, path, AS_TOLD, about=error)
        return _observe(store, asked, have._replace(lacks_links=True), [lost])
    return _observe(store, asked, have, []) if exists else have._replace(exists=False)


def _told(store: Store, finding: Finding) -> RepairState:
    """Return the state of a store that cannot be looked at before a person has mended it."""
    found = (Reporter(store.files, [finding]).report(finding),)
    return RepairState(store.home, True, found, (None,), found, engine=store.files.mending.engine)


def _observe(store: Store, asked: Asked, have: RepairState, before: list[Finding]) -> RepairState:
    files = store.files
    findings = [*before, *look(store)]
    have = have._replace(engine=files.mending.engine)
    solution = _solution(store, asked)
    among = _among(asked.ids, solution)
    may = have.engine is None or (asked.foreign and have.engine in RECORDING)
    have = have._replace(lacks_links=have.lacks_links and may)
    repairs = _wanted(store, asked, findings, solution, among) if may else []
    repairs = allowed(repairs, have.engine)
    findings = [finding for finding in findings if _is_about(store, finding, among)]
    access, of_path = _access(store, findings) if have.engine is None else ({}, {})
    markers = tuple(
        finding.subject
        for finding in findings
        if finding.code == "stale_volatile" and finding.code in asked.accept and have.engine is None
    )
    have = have._replace(
        repairs=tuple(repairs),
        access=access,
        of_path=of_path,
        markers=markers,
        writable={id: _holders(store.home, id) for id in files.ids if _is_written(store, id)},
        mounted=_mounted_above(store, solution, repairs),
    )
    if have.engine and (repairs or have.lacks_links):
        have = have._replace(use=_use(store.home, have.engine))
    return _in_words(store, have, findings, among)


def _in_words(
    store: Store, have: RepairState, findings: t.Sequence[Finding], among: frozenset[str] | None
) -> RepairState:
    """Return *have* with the findings of now, and those that the run leaves. Raises OSError."""
    if not (have.repairs or have.access or have.markers or have.lacks_links):
        reporter = Reporter(store.files, findings, staying(store, findings) if have.engine else None)
        found = tuple(map(reporter.report, findings))
        return have._replace(found=found, fixes=tuple(map(reporter.fix, findings)), left=found)
    after = left_after(store, have.repairs, have.access, have.markers)
    later = [finding for finding in after if _is_about(store, finding, among)]
    reporter = Reporter(store.files, findings, frozenset(finding.key for finding in later), have.repairs)
    again = Reporter(repaired(store.files, have.repairs), later)
    return have._replace(
        found=tuple(map(reporter.report, findings)),
        fixes=tuple(map(reporter.fix, findings)),
        left=tuple(map(again.report, later)),
    )


def _use(home: str, engine: str) -> EngineUse | None:
    """Return why nothing in the store of another engine may change now; None for no reason. Raises OSError."""
    user = os.stat(home).st_uid
    if user:
        return EngineUse(
            f"which runs as user {user}, who could exchange directories meanwhile",
            "as this user, run the commands that the hints of the findings have",
        )
    return engine_users(home, engine)


def _solution(store: Store, asked: Asked) -> Solution:
    """Return what is certain in the store. Raises ParentMismatch, OSError."""
    read = read_witnesses(store.files)
    solution = solve(read, *recorded(read), told=asked.parents, accept_astray="link_astray" in asked.accept)
    for id, parent in asked.parents.items():
        chain, above = solution.chains.get(id), solution.chains.get(parent, ())
        if chain is None:
            continue
        after = solution.after.layers
        wanted = () if not parent else (after[parent].link, *(above or ())) if parent in after else None
        if chain != wanted:
            owners = {layer.link: layer.id for layer in after.values()}
            raise ParentMismatch(
                f"layer {id} is built on {owners.get(chain[0], '') if chain else 'no layer'}, not on"
                f" {parent or 'no layer'}",
                hint="leave the layer out of parents: its files say what it is built on",
                id=id,
            )
    return solution


def layers_among(store: Store, asked: Asked) -> list[str]:
    """Return the ids of the layers that *asked* is about, sorted: all, or some and those below. Raises OSError."""
    among = _among(asked.ids, store.files.solution) if asked.ids is not None else None
    return sorted(id for id in store.files.ids if among is None or id in among)


def _among(ids: t.Sequence[str] | None, solution: Solution) -> frozenset[str] | None:
    """Return *ids* and the layers below them; None for all layers."""
    if ids is None:
        return None
    owners = {layer.link: layer.id for layer in solution.after.layers.values() if layer.link}
    below = {owners[name] for id in ids for name in solution.chains.get(id) or () if name in owners}
    return frozenset((*ids, *below))


def _wanted(
    store: Store, asked: Asked, findings: t.Iterable[Finding], solution: Solution, among: frozenset[str] | None
) -> list[Repair]:
    """Return the repairs, in order, of the layers *among*."""
    repairs = list(solution.repairs)
    for finding in findings:
        about = finding.about
        if finding.code not in asked.accept:
            continue
        if isinstance(about, Damage) and about.cause == "second_name" and not about.others:
            repairs.append(Repair("unname", about.target, about.link, evidence=("no lower file holds the name",)))
        elif finding.code == "store_file_unreadable" and _is_our_record(store, finding):
            repairs.append(Repair("record", finding.subject, evidence=("the record is not as we write it",)))
    return [repair for repair in repairs if among is None or repair.layer in among]


def _is_our_record(store: Store, finding: Finding) -> bool:
    """Tell whether a finding is about the content of a layer's record: the kernel can read it, and it is not newer."""
    error = finding.about
    if finding.subject not in store.files.ids or not isinstance(error, StoreCorrupt):
        return False
    return error.details.get("damage") == finding.code


def _is_about(store: Store, finding: Finding, among: frozenset[str] | None) -> bool:
    if among is None or finding.subject in among:
        return True
    return isinstance(finding.about, Damage) and finding.about.layer in among


def _access(store: Store, findings: t.Iterable[Finding]) -> tuple[dict[str, DirectoryAccess], dict[str, str]]:
    """Return the mode and owner that directories get, by path, and the layer of each. Raises OSError."""
    access: dict[str, DirectoryAccess] = {}
    of_path: dict[str, str] = {}
    for finding in findings:
        if finding.code not in OF_ACCESS:
            continue
        path = finding.path
        if path not in access:
            found = os.lstat(path)
            access[path] = DirectoryAccess(stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
            of_path[path] = finding.subject if finding.subject in store.files.ids else ""
        if finding.code == "loose_mode":
            access[path] = access[path]._replace(mode=int(finding.wanted, 8))
        else:
            uid, gid = map(int, finding.wanted.split(":"))
            access[path] = access[path]._replace(uid=uid, gid=gid)
    return access, of_path


def _is_written(store: Store, layer_id: str) -> bool:
    mount = store.mount(layer_id)
    return mount is not None and overlay_options(mount).upper is not None


def _holders(home: str, layer_id: str) -> tuple[str, ...]:
    """Return the holders of a layer, for a hint; none if they cannot be read."""
    try:
        return holders.read(home, layer_id)
    except OSError:
        return ()


def _mounted_above(store: Store, solution: Solution, repairs: t.Iterable[Repair]) -> tuple[str, ...]:
    """Return the mounted layers that are built on a layer whose name or lower file is repaired, sorted."""
    changed = {repair.layer for repair in repairs if repair.kind in ("name", "new_name", "lower")}
    names = {solution.after.layers[id].link for id in changed}
    above = (id for id, chain in solution.chains.items() if id in changed or names & set(chain or ()))
    return tuple(sorted(id for id in above if store.mount(id) is not None))
