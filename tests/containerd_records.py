# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the databases of a containerd by hand, as containerd's sources describe them."""

from __future__ import annotations

import struct
import typing as t
from pathlib import Path

from .bolt import Tree, written

META = "io.containerd.metadata.v1.bolt/meta.db"
OVERLAYFS = "io.containerd.snapshotter.v1.overlayfs"
NOW = 1_700_000_000  # seconds since 1970; the tests of the whole use the real time, which is later
OLD = NOW - 100_000
EXPIRE, FLAT, ROOT = (f"containerd.io/gc.{name}" for name in ("expire", "flat", "root"))
PAST, FUTURE = "2023-01-02T03:04:05Z", "2099-01-02T03:04:05Z"  # of NOW


def unsigned(value: int) -> bytes:
    data = b""
    while value >= 0x80:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def signed(value: int) -> bytes:
    return unsigned(value * 2 if value >= 0 else -value * 2 - 1)


def moment(seconds: int) -> bytes:
    return struct.pack(">BqiH", 1, seconds + 62135596800, 0, 0xFFFF)


def texts(values: t.Mapping[str, str]) -> Tree:
    return {key.encode(): value.encode() for key, value in values.items()}


def image(target: str, created: int = OLD, **labels: str) -> Tree:
    return {b"target": texts({"digest": target}), b"labels": texts(labels), b"createdat": moment(created)}


def container(image: str = "", snapshot: str = "", labels: t.Mapping[str, str] | None = None) -> Tree:
    values = {"image": image, "snapshotter": "overlayfs" if snapshot else "", "snapshotKey": snapshot}
    return {**texts(values), b"labels": texts(labels or {})}


def snapshot(name: str, parent: str = "", labels: t.Mapping[str, str] | None = None, created: int = OLD) -> Tree:
    values = texts({"name": name, "parent": parent} if parent else {"name": name})
    return {**values, b"labels": texts(labels or {}), b"createdat": moment(created)}


def blob(size: int, labels: t.Mapping[str, str] | None = None, created: int = OLD) -> Tree:
    return {b"size": signed(size), b"labels": texts(labels or {}), b"createdat": moment(created)}


def lease(
    labels: t.Mapping[str, str] | None = None,
    snapshots: t.Iterable[str] = (),
    content: t.Iterable[str] = (),
    created: int = OLD,
) -> Tree:
    return {
        b"labels": texts(labels or {}),
        b"snapshots": {b"overlayfs": {key.encode(): b"" for key in snapshots}},
        b"content": {key.encode(): b"" for key in content},
        b"createdat": moment(created),
    }


def namespace(**parts: t.Mapping[str, Tree]) -> Tree:
    """Return a namespace. snapshots are overlayfs's; blobs and ingests are content."""
    trees = {kind: {key.encode(): tree for key, tree in part.items()} for kind, part in parts.items()}
    content = {b"blob": trees.pop("blobs", {}), b"ingests": trees.pop("ingests", {})}
    trees["snapshots"] = {b"overlayfs": trees.pop("snapshots", {})}
    return {**{kind.encode(): tree for kind, tree in trees.items()}, b"content": content}


def metadata(version: int = 3, **namespaces: Tree) -> Tree:
    return {b"v1": {b"version": signed(version), **{name.encode(): tree for name, tree in namespaces.items()}}}


def record(id: int, kind: int = 3, parent: str = "", size: int | None = 4096, created: int = OLD) -> Tree:
    tree = {b"id": unsigned(id), b"kind": bytes([kind]), b"parent": parent.encode(), b"createdat": moment(created)}
    return tree if size is None else {**tree, b"size": signed(size), b"inodes": signed(3)}


def make_root(root: Path, meta: Tree, records: t.Mapping[str, Tree], directories: t.Iterable[str] = ()) -> Path:
    """Make the data root of a containerd that has the snapshotter overlayfs."""
    snapshots = {name.encode(): tree for name, tree in records.items()}
    for path, tree in ((META, meta), (f"{OVERLAYFS}/metadata.db", {b"v1": {b"snapshots": snapshots}})):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(written(tree))
    for name in directories:
        (root / OVERLAYFS / "snapshots" / name).mkdir(parents=True, exist_ok=True)
    return root
