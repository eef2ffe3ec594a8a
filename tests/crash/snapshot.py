# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot of a store, file by file; two stores made by the same runs have equal snapshots."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.plugins.module_utils._archive.exact_replay import replay
from ansible_collections.strata.overlay2.plugins.module_utils._archive.manifest_reader import Manifest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.content.verify import verify_layer
from ansible_collections.strata.overlay2.plugins.module_utils._linux import mountinfo
from ansible_collections.strata.overlay2.plugins.module_utils._store.layout import (
    COMMITTED,
    DIFF,
    EXACT,
    HOLDERS,
    IMAGES,
    LINK,
    LINKS,
    MANIFEST,
    MERGED,
    OWN_FILE,
    STAGING,
    VOLATILE_MARKER,
    WORK,
)
from ansible_collections.strata.overlay2.plugins.module_utils._store.recognition import layer_ids

_LINK = re.compile(r"(?<![A-Z2-7])[A-Z2-7]{26}(?![A-Z2-7])")
_OF_MOUNTING = "trusted.overlay.uuid"  # random, and given to each upper that is mounted, where there is space for it
_UUID = ",uuid=on"  # shown then
_OF_EACH_MOUNT = (f"{WORK}/work", os.path.dirname(VOLATILE_MARKER))  # directories below a layer
_TOLD = {"diff_id", "digest", "merged_diff_id", "merged_digest"}  # of a layer's content, by its record
_SINCE = re.compile(r'"since": \{[^}]*\}')  # of the holders of a layer: the time when each began
_ENTERED = ("/", f"{LINKS}/")


class Snapshot(t.NamedTuple):
    """entries: the file at a path from home; "mount ID": the mount there. litter: leftovers of killed runs.

    Random names in l/ are shown as the ids of their layers.
    """

    entries: dict[str, t.Any]
    litter: list[str]

    @property
    def layers(self) -> set[str]:
        """The ids of the layers, half or whole."""
        return {path.partition("/")[0] for path in self.entries if path.endswith("/")} - {LINKS}

    def units(self, both: set[str]) -> dict[str, t.Any]:
        """Return the entries by what may only be there, or change, as a whole.

        both: layers that are there before and after; of these the content, and each file beside it. Others as a whole.
        """
        units: dict[str, t.Any] = {}
        for path, entry in self.entries.items():
            first, _slash, rest = path.partition("/")
            if first == LINKS and rest:
                unit = path if rest in both else rest
            elif not rest or first in both or first == IMAGES or rest == HOLDERS:
                unit = f"{first}/{DIFF}" if rest.startswith(f"{DIFF}/") else path
            else:
                unit = first
            units.setdefault(unit, {})[path] = entry
        return units


def take(home: Path) -> Snapshot:
    """Look at *home*: without l/ it is no store, and all that is there is litter."""
    if not (home / LINKS).exists():
        return Snapshot({}, ["/"] if home.exists() else [])
    owners = {(home / id / LINK).read_text(): id for id in layer_ids(str(home))}
    entries: dict[str, t.Any] = {"/": _entry(home, owners)}
    litter: list[str] = []
    todo = [home]
    while todo:
        directory = todo.pop()
        for found in os.scandir(directory):
            path = os.path.relpath(found.path, home)
            is_directory = found.is_dir(follow_symlinks=False)
            if _is_litter(path, owners):
                litter.append(path)
                continue
            if found.name == MERGED and directory.parent == home:
                continue  # told by the mount; without one it may stay as well as go
            if is_directory and path.partition("/")[2] in _OF_EACH_MOUNT:
                todo.append(Path(found.path))
                continue  # the kernel makes it with each mount, also with one that fails then
            name = f"{LINKS}/{owners[found.name]}" if directory == home / LINKS else path
            entry = _entry(Path(found.path), owners)
            if found.name == MANIFEST:
                assert_manifest_true(directory)
            if found.name == EXACT:
                assert_exact_record_true(directory)
            if found.name == OWN_FILE:
                entry = (*entry[:3], _record(Path(found.path), owners), entry[4])
            entries[name + "/" * is_directory] = entry
            if is_directory:
                todo.append(Path(found.path))
    for mount in mountinfo.read():
        if mount.mount_point.startswith(f"{home}/"):
            id = mount.mount_point.split("/")[-2]
            shown = _named(f"{mount.options} {mount.super_options}".replace(str(home), ""), owners).replace(_UUID, "")
            entries.setdefault(f"mount {id}", []).append(shown)
    return Snapshot(entries, sorted(litter))


def assert_same(found: Snapshot, wanted: Snapshot) -> None:
    """Fail unless everything is as *wanted*."""
    paths = sorted(found.entries.keys() | wanted.entries.keys())
    differences = [
        f"{path} is {found.entries.get(path)}, not {wanted.entries.get(path)}"
        for path in paths
        if found.entries.get(path) != wanted.entries.get(path)
    ]
    assert not differences, "; ".join(differences)
    assert found.litter == wanted.litter


def assert_between(found: Snapshot, old: Snapshot, new: Snapshot) -> None:
    """Fail unless each part is the old or the new one; the record of a layer's content may be erased."""
    both = old.layers & new.layers
    units, olds, news = (snapshot.units(both) for snapshot in (found, old, new))
    for unit in units.keys() | olds.keys() | news.keys():
        one, before, after = units.get(unit), olds.get(unit), news.get(unit)
        if unit.endswith(f"/{OWN_FILE}") and one is not None and unit.partition("/")[0] in both:
            one, before, after = (_erased(unit, entry) for entry in (one, before, after))
        if one is None and unit.endswith((f"/{MANIFEST}", f"/{EXACT}")):
            continue  # they are moved aside before the content changes; a killed run leaves them there
        if unit in _ENTERED and one is not None and one[unit][0] == "drwx------":
            continue  # no other user may enter while mode and owner are set
        assert one in (before, after), f"{unit} is neither as it was nor as it shall be: {one}"


def assert_records_true(found: Snapshot, *known: Snapshot) -> None:
    """Fail if a layer's record is about other content, or content that may change. known: true records."""
    for id in found.layers:
        told = _content(found, id)
        assert told is None or told in [_content(snapshot, id) for snapshot in known], f"the record of {id} is not true"


def assert_manifest_true(layer: Path) -> None:
    """Fail if the manifest of a layer is not about its content."""
    with open(layer / MANIFEST, "rb") as file, Manifest(file.read) as manifest:
        found = verify_layer(str(layer / DIFF), manifest.expected())
    assert not found.differences, f"the manifest of {layer.name} is not true: {found}"


def assert_exact_record_true(layer: Path) -> None:
    """Fail if the exact record of a layer does not give the tar that it names."""
    with open(layer / EXACT, "rb") as file:
        replay(file.read, str(layer / DIFF), len)


def _content(snapshot: Snapshot, id: str) -> t.Any:
    """Return the record of a layer's content, with the content and its mount; None if there is no record."""
    record = snapshot.entries.get(f"{id}/{OWN_FILE}")
    told = record and {key: value for key, value in record[3].items() if key in _TOLD}
    if not told:
        return None
    content = {path: entry for path, entry in snapshot.entries.items() if path.startswith(f"{id}/{DIFF}/")}
    return told, content, snapshot.entries.get(f"mount {id}")


def _is_litter(path: str, owners: dict[str, str]) -> bool:
    name = os.path.basename(path)
    depth = path.count("/")
    return (
        (name == STAGING and depth <= 1)
        or (path.startswith(f"{LINKS}/") and name not in owners)
        or (path.startswith(f"{IMAGES}/") and name.endswith(".new"))
        or (name.startswith(".strata") and name.endswith(".new") and depth <= 1)
    )


def _entry(path: Path, owners: dict[str, str]) -> tuple[t.Any, ...]:
    found = path.lstat()
    names = set(os.listxattr(path, follow_symlinks=False)) - {_OF_MOUNTING}
    attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in sorted(names)}
    what: t.Any = None
    if stat.S_ISLNK(found.st_mode):
        what = os.readlink(path)
    elif stat.S_ISREG(found.st_mode):
        data = path.read_bytes()
        what = (
            _named(data.decode(), owners) if len(data) < 4096 and data.isascii() else hashlib.sha256(data).hexdigest()
        )
    elif not stat.S_ISDIR(found.st_mode):
        what = found.st_rdev
    return stat.filemode(found.st_mode), found.st_uid, found.st_gid, what, attributes


def _named(text: str, owners: dict[str, str]) -> str:
    text = _SINCE.sub('"since": {}', text)
    return _LINK.sub(lambda match: owners.get(match.group(), match.group()), text)


def _erased(unit: str, entry: dict[str, t.Any] | None) -> t.Any:
    """Return the record without its part about the layer's content."""
    if entry is None:
        return None
    *access, record, attributes = entry[unit]
    return access, {key: value for key, value in record.items() if key not in _TOLD}, attributes


def _record(path: Path, owners: dict[str, str]) -> dict[str, t.Any]:
    """Return the content of one of our own files, with ids for names; None is equal to an empty record.

    The seal is left out: the file ``committed`` tells it, and a record without it says less, but nothing wrong.
    """
    found = json.loads(path.read_bytes())
    found.pop(COMMITTED, None)
    return {
        key: owners.get(value, value) if key == LINK else value for key, value in found.items() if value is not None
    }
