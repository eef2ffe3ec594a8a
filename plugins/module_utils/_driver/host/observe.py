# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every layer store of this host, of any engine. Only reads. PRIVATE to the collection."""

from __future__ import annotations

import os
import shlex
import time
import typing as t

from ..._containerd.unneeded import ORPHAN_DIRECTORY
from ..._errors import printable
from ..._linux import mountinfo
from ..._linux.nofollow import open_below
from ..layers.disk_usage import Moved
from ..layers.disk_usage import measure as walk
from . import containerd_contents
from .candidates import candidates
from .cases import case_of, ctr_command, holder_of, name_of
from .contents import contents_of, lost_with
from .evidence import Evidence, gather_evidence
from .judge import judge
from .orphans import with_orphans
from .places import Place, slow_mount_points
from .recognize import MOVED, link_target
from .roots import Root, Roots, Unseen, open_roots
from .state import ABANDONED, CONTAINERD, DOCKER, NO, STORAGE, UNKNOWN, WALK, Contents, Found, State

if t.TYPE_CHECKING:
    from ..._containerd.unneeded import Unneeded

    Seen = list[Unneeded]

_ROOT = "root"
MOST = 50  # stores that are returned
_PAUSE = 2  # seconds between two looks at a containerd store
_WALK_SECONDS = 60  # for all stores


class Stores(t.NamedTuple):
    """stores: as the module returns them, the largest first. left_out: the number of smaller ones, first of users."""

    stores: list[dict[str, t.Any]]
    left_out: int


def stores_of_host(asked: t.Sequence[str], measure: str) -> Stores:
    """Return the stores. asked: further data roots, or stores. measure: RECORDS, WALK or NO. Raises OSError."""
    slow = slow_mount_points()
    evidence = gather_evidence()
    roots: Roots = {}
    try:
        told = [_unseen(one) for one in open_roots(candidates(evidence, asked, slow), slow, roots)]
        told += _describe(list(roots.values()), evidence, measure)
    finally:
        for root in roots.values():
            os.close(root.place.fd)
    told.sort(key=lambda store: (-(store["bytes"] or -1), store["home"]))
    kept = sorted(told, key=lambda store: bool(store["owner"] != _ROOT))[:MOST]  # users can make up sizes
    return Stores([store for store in told if store in kept], len(told) - len(kept))


def _describe(roots: list[Root], evidence: Evidence, measure: str) -> t.Iterator[dict[str, t.Any]]:
    now = time.time()
    of_containerd = _look_at_containerds(roots, evidence, now)
    deadline = time.monotonic() + _WALK_SECONDS
    for root in roots:
        for found in root.stores:
            if _has_metadata(found):
                contents = of_containerd[root.place.fd][found.kind]
            elif found.kind == MOVED:
                contents = containerd_contents.moved_contents(root.place)
            else:
                contents = contents_of(root.place, found)
            yield _store(root, found, contents, evidence, measure, now, deadline)


def _look_at_containerds(roots: list[Root], evidence: Evidence, now: float) -> dict[int, dict[str, Contents]]:
    """Return what lies in the stores of containerd, by fd of the data root and by kind.

    One look is in memory at a time, since users can make up many data roots.
    """

    def told(root: Root, before: Seen, look: containerd_contents.FirstLook) -> dict[str, Contents]:
        ctr = ctr_command(root.place, evidence)
        stores = filter(_has_metadata, root.stores)
        return {one.kind: containerd_contents.contents_of(root.place, one, before, look, now, ctr) for one in stores}

    contents: dict[int, dict[str, Contents]] = {}
    waiting: list[tuple[Root, Seen]] = []
    for root in roots:
        if any(map(_has_metadata, root.stores)):
            first = containerd_contents.first_look(root.place, now)
            running = evidence.blind or holder_of(root.place, CONTAINERD, evidence)
            if running and containerd_contents.needs_second_look(first):
                waiting.append((root, first.found))
            else:
                contents[root.place.fd] = told(root, first.found, first)
    if waiting:
        time.sleep(_PAUSE)  # containerd may have been at work
    for root, before in waiting:
        contents[root.place.fd] = told(root, before, containerd_contents.first_look(root.place, now))
    return contents


def _has_metadata(found: Found) -> bool:
    """Tell whether a store lies in the data root of a containerd."""
    return found.engine == CONTAINERD and found.kind != MOVED


def _store(
    root: Root, found: Found, contents: Contents, evidence: Evidence, measure: str, now: float, deadline: float
) -> dict[str, t.Any]:
    place = root.place
    home = place.path if found.below == "." else os.path.join(place.path, found.below)
    case = case_of(place, found, home, evidence)
    state = judge(case)
    target = link_target(place.fd, found.below)
    if found.kind == MOVED and not case.mounted:
        state = State(UNKNOWN, "no layer is mounted, and its containerd has its data root elsewhere")
    if target:
        why = (
            f"{printable(home)} is a symlink to {printable(target)}, and is not followed: ask for the directory itself"
        )
        contents = Contents(problems=[why])
    elif state.state == ABANDONED:
        contents = contents._replace(unneeded=[_whole_store(root, found, home, contents)], orphans=())
    else:
        contents = with_orphans(contents, found, home, place.owner, now)
    if measure == WALK and not target:
        contents = _with_sizes_of_orphans(place.fd, _walked(place.fd, found, contents, deadline), deadline)
    elif measure == NO:
        contents = contents._replace(bytes=None)
    return _told(found, home, place, root.found_by, state, case.mounted, contents)


def _told(
    found: Found, home: str, place: Place, found_by: set[str], state: State, mounted: int, contents: Contents
) -> dict[str, t.Any]:
    return {
        "engine": found.engine,
        "kind": found.kind,
        "home": printable(home),
        "root": printable(place.path),
        "owner": printable(name_of(place.owner) or str(place.owner)),
        "state": state.state,
        "why": state.why,
        "process": {"pid": state.pid, "command": state.command} if state.pid else None,
        "found_by": sorted(found_by),
        "mount_point": printable(_mount_point(home)),
        "mounted": mounted,
        **{key: value for key, value in contents._asdict().items() if key != "orphans"},
        "namespaces": dict(contents.namespaces),
        "problems": list(contents.problems),
    }


def _unseen(one: Unseen) -> dict[str, t.Any]:
    """Return the entry of a path that holds no store, or cannot be looked at."""
    path, found_by, uid = one.candidate
    told = f"{printable(path)} cannot be looked at: {one.why}"
    place = Place(-1, path, uid or 0)
    return _told(Found(None, "", "."), path, place, {found_by}, State(UNKNOWN, told), 0, Contents(problems=[told]))


def _whole_store(root: Root, found: Found, home: str, contents: Contents) -> dict[str, t.Any]:
    loses = lost_with(root.place.fd, found) if found.engine == DOCKER else []
    path, driver = shlex.quote(printable(root.place.path)), shlex.quote(printable(home))
    run = f"podman --root {path} image prune --all"
    if found.engine == DOCKER:
        aside = f"{path}/abandoned"
        run = f"mkdir {aside} && mv {driver} {aside}/ && mv {path}/image/{found.kind} {aside}/image"
    return {
        "code": "whole_store",
        "namespace": None,
        "count": contents.layers,
        "bytes": contents.bytes,
        "by": "user",
        "run": run if found.engine in (DOCKER, STORAGE) else None,
        "policy": True,
        "loses": loses,
    }


def _walked(root: int, found: Found, contents: Contents, deadline: float) -> Contents:
    size, why = _size_of(root, found.below, deadline)
    problems = [*contents.problems, f"not measured: {why}"] if why else contents.problems
    return contents._replace(bytes=size, problems=problems)


def _with_sizes_of_orphans(root: int, contents: Contents, deadline: float) -> Contents:
    """Return *contents* with the bytes of the orphans, None if one of them cannot be measured."""
    if not contents.orphans:
        return contents
    sizes = [_size_of(root, path, deadline)[0] for path in contents.orphans]
    told = None if None in sizes else sum(size or 0 for size in sizes)
    unneeded = [{**one, "bytes": told} if one["code"] == ORPHAN_DIRECTORY else one for one in contents.unneeded or ()]
    return contents._replace(unneeded=unneeded)


def _size_of(root: int, path: str, deadline: float) -> tuple[int | None, str]:
    """Return the bytes of the directory at *path* below *root*, or None and why it cannot be measured."""
    try:
        fd = open_below(root, path, os.O_DIRECTORY)
        try:
            usage, tree = walk(f"/proc/self/fd/{fd}/.", deadline)
        finally:
            os.close(fd)
    except (OSError, Moved) as error:
        return None, getattr(error, "strerror", None) or "directories in it are being moved"
    return (None, tree.unread) if tree.unread else (usage.bytes, "")


def _mount_point(path: str) -> str:
    points = (mount.mount_point for mount in mountinfo.read() if mountinfo.is_below(path, mount.mount_point))
    return max(points, key=len, default="/")
