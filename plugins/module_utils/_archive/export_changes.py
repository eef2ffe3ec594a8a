# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a list of changes as a tar stream: the naive diff. PRIVATE to the collection.

Source: moby/go-archive ExportChanges. In moby a whiteout has the time of the export; here it has the time of its
directory, so that the same trees give the same diff id.
"""

from __future__ import annotations

import os
import stat
import typing as t

from .collected import DELETED, Change
from .export import Exporter
from .tar import REGULAR, Entry, Write
from .walk import Trail, enter, lstat
from .whiteouts import tar_name
from .xattr_ids import MapIds


def export_changes(
    new: str | int,
    changes: t.Iterable[Change],
    write: Write,
    *,
    map_ids: MapIds | None = None,
    xattrs: bool = False,
) -> None:
    """Write the tar of *changes* that tree_changes found in the tree *new*.

    new:      the directory, by path or fd.
    changes:  sorted by the paths' bytes, which is not the order of a walk: ``/a-b`` comes before ``/a/b``.
    write, map_ids, xattrs: see export_layer.
    raises:   LayerInUse if a process changes the tree meanwhile; OSError. The stream is then incomplete.
    """
    with Trail(new) as trail:
        exporter = Exporter(trail, write, map_ids, xattrs=xattrs)
        place: list[bytes] = []
        for kind, absolute in changes:
            path = absolute[1:]
            *above, name = path.split(b"/")
            _go(trail, place, above)
            if kind == DELETED:
                time = os.fstat(trail.fd).st_mtime_ns
                exporter.put(Entry(tar_name(path), REGULAR, 0, 0, 0, 0, time))
                continue
            mode = lstat(name, path, trail.fd).st_mode
            if stat.S_ISDIR(mode):
                _go(trail, place, [*above, name])
                exporter.directory(path)
            elif stat.S_ISREG(mode):
                exporter.file(path, name)
            else:
                exporter.special(path, name)
        exporter.finish()


def _go(trail: Trail, place: list[bytes], wanted: list[bytes]) -> None:
    """Move *trail* from the directory *place* to *wanted* (names from the root), and set *place* to *wanted*."""
    common = 0
    while common < min(len(place), len(wanted)) and place[common] == wanted[common]:
        common += 1
    while len(place) > common:
        trail.up()
        place.pop()
    for name in wanted[common:]:
        enter(trail, name, b"/".join([*place, name]))
        place.append(name)
