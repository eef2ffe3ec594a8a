# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The diff between a layer and another layer, as a tar. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._archive.digests import Digest
from ..._archive.export import export_layer
from ..._archive.export_changes import export_changes
from ..._archive.tar import Write
from ..._archive.xattr_ids import MapIds
from ..._linux.subject import about

if t.TYPE_CHECKING:
    from ..._archive.collected import Change
    from .diff import Difference


class LayerTar:
    """The tar of the diff *found*, which was made with written=True.

    map_ids: maps (uid, gid) on disk to the ids in the tar.
    xattrs:  the tar also holds the ``user.*`` xattrs.
    """

    def __init__(self, found: Difference, map_ids: MapIds | None = None, xattrs: bool = False) -> None:
        self.found = found
        self._map_ids = map_ids
        self._xattrs = xattrs

    def write(self, write: Write) -> None:
        """Write the tar to *write*, as export_layer does. Raises as Difference.content; the tar is incomplete then."""
        content = self.found.content
        if content.native:
            with about(self.found.upper):
                self._write_all(self.found.upper, write, merged=False)
            return
        with self.found.views() as (new, old):
            if old is None:
                self._write_all(new, write, merged=True)
            else:
                changes = t.cast("t.Iterable[Change]", content.changes)
                export_changes(new, changes, write, map_ids=self._map_ids, xattrs=self._xattrs)

    def digest(self) -> Digest:
        """Return the diff id and the size of the tar. Raises as write()."""
        digest = Digest()
        self.write(digest.update)
        return digest

    def _write_all(self, root: str | int, write: Write, *, merged: bool) -> None:
        found = self.found
        export_layer(
            root,
            write,
            map_ids=self._map_ids,
            userxattr=found.userxattr,
            xattrs=self._xattrs,
            marker_files=found.marker_files,
            merged=merged,
        )
