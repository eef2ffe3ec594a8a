# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells by names alone which stores a data root holds. Only reads. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import typing as t

from ..._containerd.look import SNAPSHOTTER, snapshotters_in
from ..._linux.nofollow import open_below
from ..._store.layout import OWN_FILE
from .state import BUILDKIT, CONTAINERD, DOCKER, STORAGE, STRATA, Found

MOVED = "unknown"  # the kind of a snapshotter that lies outside its containerd's data root (root_path)
GRAPH_DRIVERS = ("overlay2", "fuse-overlayfs", "btrfs", "zfs", "vfs", "devicemapper", "aufs")
_RUNC = re.compile(r"runc-([a-z0-9-]+)")
_REMAPPED = re.compile(r"\d+\.\d+")
_MOST = 4096  # names in a data root; an engine makes few


def recognize(root: int) -> list[Found]:
    """Return the stores in the data root *root*, an open directory. Raises OSError."""
    names = _names(root)
    found = [*_of_docker(root, names), *_of_storage(root, names), *_of_buildkit(root, names)]
    if any(name.startswith(SNAPSHOTTER) for name in names):
        found += [Found(CONTAINERD, name, f"{SNAPSHOTTER}{name}") for name in snapshotters_in(root)]
    if not found and "metadata.db" in names and _is_directory(root, "snapshots"):
        found.append(Found(CONTAINERD, MOVED, "."))
    if not found and "l" in names and _is_directory(root, "l"):
        found.append(Found(STRATA if OWN_FILE in names else None, "overlay2", "."))
    return found


def inner_roots(root: int) -> list[str]:
    """Return the directories in dockerd's data root that are data roots, too. Raises OSError."""
    remapped = [name for name in _names(root) if _REMAPPED.fullmatch(name)]
    return [*remapped, "containerd/daemon"]


def link_target(root: int, path: str) -> str:
    """Return where the symlink at *path* below *root* leads, "" if it is not a symlink. Nothing follows it."""
    with contextlib.suppress(OSError):
        return os.readlink(path, dir_fd=root)
    return ""


def count_directories(root: int, below: str, without: t.Container[str] = ()) -> int:
    """Return the number of directories in a directory. Raises OSError."""
    fd = open_below(root, below, os.O_DIRECTORY)
    try:
        with os.scandir(fd) as entries:
            return sum(entry.is_dir(follow_symlinks=False) and entry.name not in without for entry in entries)
    finally:
        os.close(fd)


def _names(root: int) -> list[str]:
    with os.scandir(root) as entries:
        return [entry.name for _number, entry in zip(range(_MOST), entries)]


def _of_docker(root: int, names: list[str]) -> t.Iterator[Found]:
    """Yield the stores of graph drivers. dockerd 24 and newer has an engine-id, even if a driver has no records."""
    for driver in GRAPH_DRIVERS:
        recorded = "engine-id" in names or _is_directory(root, f"image/{driver}/layerdb")
        if driver in names and recorded and (_is_directory(root, driver) or link_target(root, driver)):
            yield Found(DOCKER, driver, driver)


def _of_storage(root: int, names: list[str]) -> t.Iterator[Found]:
    for kind in ("overlay", "vfs", "btrfs", "zfs"):
        if f"{kind}-layers" in names and _is_directory(root, f"{kind}-layers"):
            yield Found(STORAGE, kind, kind)


def _of_buildkit(root: int, names: list[str]) -> t.Iterator[Found]:
    for name in names:
        match = _RUNC.fullmatch(name)
        if match and _is_directory(root, f"{name}/snapshots/snapshots"):
            yield Found(BUILDKIT, match[1], f"{name}/snapshots")


def _is_directory(root: int, path: str) -> bool:
    """Tell whether a directory lies at *path*, with no symlink on the way."""
    with contextlib.suppress(OSError):
        fd = open_below(root, path, os.O_DIRECTORY)
        try:
            return stat.S_ISDIR(os.fstat(fd).st_mode)
        finally:
            os.close(fd)
    return False
