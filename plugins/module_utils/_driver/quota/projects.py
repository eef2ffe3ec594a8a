# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of layers by project quota: choose, limit and release project ids. PRIVATE to the collection.

If project quota is on, every new read-write layer gets a project id, with or without limits, so that a later limit
needs no walk through the layer. The directory's attribute is the only record of the id.
Source: moby daemon/graphdriver/quota/projectquota.go, which takes ids from a counter and never releases them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import typing as t

from ..._errors import NoSpace, NotPermitted, printable
from ..._linux import fsxattr, quotactl
from ..._store.layout import is_id
from ..._store.lock import Deadline, locked
from ..._store.run_directory import RUN_DIRECTORY, make_private
from .project_id import opened, project_of, project_of_fd
from .support import project_quota_is_on, rounded

if t.TYPE_CHECKING:
    from ..._linux.mountinfo import Snapshot

FIRST_ID = 1 << 20  # dockerd counts up from the id of its home, usually 0, and ignores ids of others
FULL = (errno.ENOSPC, errno.EDQUOT)

_PROJECTS = "/etc/projid"
_WAIT = 60  # seconds; another run picks an id in much less
_APART = 64  # after a collision, try one of so many next ids
_SPARE = 1 << 20  # bytes; a filesystem with less free space is full itself; >> 16 for inodes


class Use(t.NamedTuple):
    """Limits and use of a project: bytes, and inodes of files and directories; a limit of 0 means no limit."""

    project_id: int
    size_limit: int
    inodes_limit: int
    size_used: int
    inodes_used: int

    def __str__(self) -> str:
        parts = []
        if self.size_limit:
            parts.append(f"{self.size_used} of {self.size_limit} bytes")
        if self.inodes_limit:
            parts.append(f"{self.inodes_used} of {self.inodes_limit} inodes")
        return " and ".join(parts)


def use_of(directory: str, home_id: int = 0, known: Snapshot | None = None) -> Use | None:
    """Return limits and use of the project of *directory*; None without its own project. Raises OSError.

    home_id: the project id of the store's home, which layers may have inherited.
    known:   the mounts; None to read them if needed.
    """
    with opened(directory) as fd:
        project_id = project_of_fd(fd)
        if project_id in (0, home_id):
            return None
        return _use(quotactl.query(fd, quotactl.get, project_id, known=known))


def assign(directory: str, above: int = 0) -> int:
    """Make the empty *directory* a project of its own, and return the id, which was free on the filesystem.

    New files in the directory belong to the project from now on. above: search for a free id above this one.
    raises: NotPermitted, StoreBusy, OSError.
    """
    with opened(directory) as fd, _picking(os.fstat(fd).st_dev):
        project_id = _free_id(fd, max(FIRST_ID, above + 1))
        while not _take(fd, project_id):
            project_id = _free_id(fd, project_id + random.randint(1, _APART))
        return project_id


def free_id(home: str, first: int = 0) -> int:
    """Return an id from *first* on that nothing on the filesystem of *home* uses now. Raises OSError."""
    with opened(home) as fd:
        return _free_id(fd, max(FIRST_ID, first))


def limit(directory: str, size: int, inodes: int) -> None:
    """Limit the project of *directory*. size: bytes; inodes: files and directories; 0 for no limit.

    Raises OSError, also without a project: the id 0 belongs to all files without a project.
    """
    with opened(directory) as fd:
        project_id = project_of_fd(fd)
        if not project_id:
            raise OSError(errno.ESRCH, "it has no project id", directory)
        _limit(fd, project_id, size, inodes)


def release(place: str, project_id: int) -> None:
    """Remove the limits of a project on the filesystem of *place*, so that its id is free again. Raises OSError."""
    with opened(place) as fd:
        _limit(fd, project_id, 0, 0)


def leaked(home: str) -> list[Use]:
    """Return the projects on the filesystem of *home* that have limits but no file: their layers are gone.

    Only return projects that we may have made: the id is from our range and has no name in /etc/projid, and the limits
    are as limit() sets them. Raises OSError.
    """
    named = _named_ids()
    with opened(home) as fd:
        return [
            _use(found)
            for found in _projects(fd, FIRST_ID)
            if (found.blocks_limit or found.inodes_limit)
            and found.soft_too
            and not found.inodes_used
            and found.project_id not in named
        ]


def release_leaked(home: str, project_ids: t.Iterable[int]) -> None:
    """Remove the limits of the projects that still have no file. Raises NotPermitted, StoreBusy, OSError."""
    with opened(home) as fd, _picking(os.fstat(fd).st_dev):
        for project_id in project_ids:
            if not quotactl.query(fd, quotactl.get, project_id).inodes_used:
                _limit(fd, project_id, 0, 0)


def no_space_error(home: str, layer_id: str) -> NoSpace | None:
    """Return the error for a layer that its own limit makes full; None if the limit is not the reason. Raises OSError.

    Call it while the files that fill the layer still exist.
    """
    directory = os.path.join(home, layer_id)
    if not project_quota_is_on(home):
        return None
    found = use_of(directory, project_of(home))
    space = os.statvfs(home)
    if found is None or not (found.size_limit or found.inodes_limit):
        return None
    if space.f_bavail * space.f_frsize < _SPARE or (space.f_files and space.f_favail < _SPARE >> 16):
        return None
    return NoSpace(
        f"layer {layer_id} is full: it has {found}",
        hint="raise its limits with strata.overlay2.overlay2_layer, or remove files from it; while content is replaced,"
        " old and new content count together",
        id=layer_id,
        size_limit=found.size_limit,
        size_used=found.size_used,
        inodes_limit=found.inodes_limit,
        inodes_used=found.inodes_used,
    )


def limit_reached_error(home: str, filename: t.Any) -> NoSpace | None:
    """Return the error for the layer that holds *filename*, if the layer's limit makes it full; else None."""
    home = os.path.realpath(home)
    if not isinstance(filename, str) or not filename.startswith(home + "/"):
        return None
    layer_id = filename[len(home) + 1 :].partition("/")[0]
    with contextlib.suppress(OSError):
        return no_space_error(home, layer_id) if is_id(layer_id) else None
    return None


def _limit(fd: int, project_id: int, size: int, inodes: int) -> None:
    blocks = rounded(size, quotactl.BASIC_BLOCK) // quotactl.BASIC_BLOCK
    quotactl.query(fd, quotactl.set_limits, project_id, blocks, inodes)


def _use(found: quotactl.DiskQuota) -> Use:
    size, used = found.blocks_limit * quotactl.BASIC_BLOCK, found.blocks_used * quotactl.BASIC_BLOCK
    return Use(found.project_id, size, found.inodes_limit, used, found.inodes_used)


def _projects(fd: int, first: int) -> t.Iterator[quotactl.DiskQuota]:
    """Yield the projects with limits or use, in the order of their ids, from *first* on."""
    while first <= quotactl.MAX_ID:
        found = quotactl.query(fd, quotactl.following, first)
        if found is None:
            return
        yield found
        first = found.project_id + 1


def _free_id(fd: int, candidate: int) -> int:
    """Return the first id from *candidate* on that no file, limit or name in /etc/projid uses."""
    named = _named_ids()
    while True:
        while candidate in named:
            candidate += 1
        found = quotactl.query(fd, quotactl.following, candidate)
        if found is None or found.project_id > candidate or not _counts(found):
            return candidate
        candidate += 1


def _take(fd: int, project_id: int) -> bool:
    """Give the empty directory *fd* a project id, and tell whether no other file has the id. Raises OSError.

    Another run may have taken the same id, because it cannot see our lock: its container has its own /run.
    """
    had = fsxattr.get(fd)
    fsxattr.put(fd, had._replace(project_id=project_id, xflags=had.xflags | fsxattr.FS_XFLAG_PROJINHERIT))
    return quotactl.query(fd, quotactl.get, project_id).inodes_used <= 1


def _counts(found: quotactl.DiskQuota) -> bool:
    """Tell whether a project has limits or files: ext4 still lists a project without them for a while."""
    return bool(found.blocks_limit or found.inodes_limit or found.blocks_used or found.inodes_used)


def _named_ids() -> set[int]:
    """Return the ids that /etc/projid names, in the format of projid(5): "name:id"."""
    found = set()
    with contextlib.suppress(FileNotFoundError), open(_PROJECTS, encoding="utf-8", errors="replace") as file:
        for line in file:
            number = line.partition("#")[0].strip().rpartition(":")[2]
            if number.isdecimal():
                found.add(int(number))
    return found


@contextlib.contextmanager
def _picking(device: int) -> t.Iterator[None]:
    """Hold the lock of the runs that pick an id on the filesystem *device*, which several stores may share.

    raises: NotPermitted where another user may hold the lock, StoreBusy, OSError.
    """
    directory = os.path.join(RUN_DIRECTORY, f"projects-{os.major(device)}:{os.minor(device)}")
    for path in (RUN_DIRECTORY, directory):
        if not make_private(path):
            raise NotPermitted(
                f"{printable(path)} is not a directory that only root can enter, so it cannot be used as a lock",
                hint="remove it, and run the task again",
                path=printable(path),
            )
    with locked(directory, Deadline(_WAIT)):
        yield
