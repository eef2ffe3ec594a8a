# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at the data root of a containerd, while it runs or not, without its locks. PRIVATE to the collection.

    io.containerd.metadata.v1.bolt/meta.db
    io.containerd.snapshotter.v1.<snapshotter>/{metadata.db,snapshots/<id>}
    io.containerd.content.v1.content/blobs/<algorithm>/<digest>

containerd makes a directory before its record in metadata.db, and this record before the one in meta.db; it removes
them the other way round. So a look at the directories first, and meta.db last, takes nothing for an orphan that
containerd had made before the look.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import typing as t

from .._bolt.live import LIMIT, Busy, Database, read_live
from .._bolt.meta import Unreadable
from .._errors import printable
from .._linux.nofollow import open_below
from .metadata import Metadata, read_metadata
from .snapshotter import MOST, Record, read_records

META = "io.containerd.metadata.v1.bolt/meta.db"
SNAPSHOTTER = "io.containerd.snapshotter.v1."
_DATABASE = "metadata.db"
_SNAPSHOTS = "snapshots"
_BLOBS = "io.containerd.content.v1.content/blobs"


class Snapshotter(t.NamedTuple):
    """directories: the names in snapshots/. records: by the snapshotter's name of a snapshot."""

    directories: frozenset[str]
    records: dict[str, Record]


class Look(t.NamedTuple):
    """What lay on disk. snapshotters: by name; those without a database of this form are left out."""

    snapshotters: dict[str, Snapshotter]
    metadata: Metadata
    blobs: frozenset[str]  # digests


def look_at(root: int, limit: int = LIMIT) -> Look:
    """Return what lies in the data root *root*, an open directory. limit: bytes of a database, here and below.

    raises: Unreadable, Busy, each with the path of the database; OSError.
    """
    blobs = frozenset(_blobs_on_disk(root))
    snapshotters = {name: look_at_snapshotter(root, name, limit) for name in snapshotters_in(root)}
    return Look(snapshotters, read_metadata_at(root, limit), blobs)


def snapshotters_in(root: int) -> list[str]:
    """Return the snapshotters that have a database in the data root *root*, sorted. Raises OSError."""
    found = []
    for name in _names(root, "."):
        if name.startswith(SNAPSHOTTER):
            with contextlib.suppress(FileNotFoundError):
                os.stat(f"{name}/{_DATABASE}", dir_fd=root, follow_symlinks=False)
                found.append(name[len(SNAPSHOTTER) :])
    return sorted(found)


def snapshotter_database(name: str) -> str:
    """Return the path of a snapshotter's database, below the data root."""
    return f"{SNAPSHOTTER}{name}/{_DATABASE}"


def look_at_snapshotter(root: int, name: str, limit: int = LIMIT) -> Snapshotter:
    """Return what one snapshotter has. Raises as look_at."""
    place = f"{SNAPSHOTTER}{name}"
    try:
        directories = frozenset(_names(root, f"{place}/{_SNAPSHOTS}"))
    except FileNotFoundError:
        directories = frozenset()
    path = snapshotter_database(name)
    with _naming(path):
        return Snapshotter(directories, read_records(read_database(root, path, limit).root))


def gone_layers(root: int, name: str, seen: Snapshotter, limit: int = LIMIT) -> dict[str, Record]:
    """Return the records of a snapshotter whose directories are gone, by the snapshotter's name of the snapshot.

    seen: what a look showed. containerd may be at work: it makes a directory before the record, and removes the record
    first. So a directory is gone if its record is still there after the directory is missed. Raises as look_at.
    """
    missed = {
        key: record for key, record in seen.records.items() if not _lies_there(root, name, record, seen.directories)
    }
    if not missed:
        return {}
    again = look_at_snapshotter(root, name, limit).records
    return {key: record for key, record in missed.items() if again.get(key) == record}


def _lies_there(root: int, name: str, record: Record, directories: t.Container[str]) -> bool:
    """Tell whether a record has its directory: it was listed, or was made since."""
    if str(record.id) in directories:
        return True
    try:
        os.stat(f"{SNAPSHOTTER}{name}/{_SNAPSHOTS}/{record.id}", dir_fd=root, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def read_metadata_at(root: int, limit: int = LIMIT) -> Metadata:
    """Return the content of containerd's own database. Raises as look_at."""
    with _naming(META):
        return read_metadata(read_database(root, META, limit).root)


def read_database(root: int, path: str, limit: int = LIMIT) -> Database:
    """Return a copy of the database at *path* below *root*. Raises Unreadable, Busy, OSError."""
    fd = open_below(root, path)
    try:
        database = read_live(fd, limit)
        there = os.stat(path, dir_fd=root, follow_symlinks=False)
        if not os.path.samestat(there, os.fstat(fd)):
            raise Busy("another file took its place while it was read")
        return database
    finally:
        os.close(fd)


@contextlib.contextmanager
def _naming(path: str) -> t.Iterator[None]:
    """Name the database in the errors of the block."""
    try:
        yield
    except (Unreadable, Busy) as error:
        raise type(error)(f"{printable(path)} cannot be read: {error}") from error


def _blobs_on_disk(root: int) -> t.Iterator[str]:
    with contextlib.suppress(FileNotFoundError):
        for algorithm in _names(root, _BLOBS):
            path = f"{_BLOBS}/{algorithm}"
            if stat.S_ISDIR(os.stat(path, dir_fd=root, follow_symlinks=False).st_mode):
                yield from (f"{algorithm}:{name}" for name in _names(root, path))


def _names(root: int, path: str) -> list[str]:
    """Return the names in a directory. Raises Unreadable if they are more than records can be; OSError."""
    fd = open_below(root, path, os.O_DIRECTORY)
    try:
        with os.scandir(fd) as entries:
            found = [entry.name for entry in itertools.islice(entries, MOST + 1)]
    finally:
        os.close(fd)
    if len(found) > MOST:
        raise Unreadable(f"{printable(path)} has more than {MOST} names")
    return found
