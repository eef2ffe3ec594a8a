# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a layer has other than another one, as a tar. PRIVATE to the collection."""

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
    """The tar of *found*, which is made to be written.

    map_ids: (uid, gid) on disk to those in the tar. xattrs: the tar has those of users, too.
    """

    def __init__(self, found: Difference, map_ids: MapIds | None = None, xattrs: bool = False) -> None:
        self.found = found
        self._map_ids = map_ids
        self._xattrs = xattrs

    def write(self, write: Write) -> None:
        """Write it to *write*, as export_layer has it. Raises as the difference does; incomplete then."""
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
        """Return its diff id, and with it its size. Raises as write does."""
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
