# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a layer has other than another one: told, and written as a tar. PRIVATE to the collection."""

from __future__ import annotations

import collections
import contextlib
import functools
import os
import typing as t

from .._archive.changes import upper_changes
from .._archive.compare import TreeChanges, tree_changes
from .._archive.digests import Digest
from .._archive.export import Write, export_layer, tree_size
from .._archive.export_changes import export_changes
from .._archive.xattr_ids import MapIds
from .._errors import NotSupported, printable
from .._linux.subject import about
from .._store.layout import DIFF, MERGED
from .state import LayerState
from .views import merged_view


class Content(t.NamedTuple):
    """What a layer has other than another one. size: bytes, as Docker's DiffSize; changes: (kind, path), by path."""

    size: int
    changes: list[tuple[str, str]]

    @property
    def summary(self) -> dict[str, int]:
        """How many paths were added, modified, deleted."""
        counted = collections.Counter(kind for kind, _path in self.changes)
        return {kind: counted[kind] for kind in ("added", "modified", "deleted")}


class Difference:
    """What *layer* has other than *other*.

    other:   None for an empty tree.
    options: of every mount of ours; userxattr: whether they keep their marks in ``user.overlay.*``.
    own:     *other* is the layer's own parent, and the kernel's marks in its directory tell the difference.
    map_ids: (uid, gid) on disk to those in the tar. xattrs: the tar has those of users, too.

    Native where it can be: the layer's own directory then tells all. Otherwise both are compared as mounts show them.
    That is so, too, for a directory with redirects or with files of which only the metadata was copied up: mounts by
    others leave them, where the kernel's defaults are not ours.
    """

    def __init__(
        self,
        home: str,
        layer: LayerState,
        other: LayerState | None,
        *,
        own: bool,
        options: t.Sequence[str] = (),
        userxattr: bool = False,
        map_ids: MapIds | None = None,
        xattrs: bool = False,
    ) -> None:
        self._home = home
        self._layer = layer
        self._other = other
        self._own = own
        self._options = options
        self._userxattr = userxattr
        self._map_ids = map_ids
        self._xattrs = xattrs

    @property
    def native(self) -> bool:
        """Whether the layer's own directory alone tells what it changes. Raises as content does."""
        return self._found[1]

    @functools.cached_property
    def content(self) -> Content:
        """What differs. Raises LayerInUse, NotSupported, StoreCorrupt, OSError."""
        found = self._found[0]
        return Content(found.size, [(change.kind, printable(change.path)) for change in found.changes])

    def write(self, write: Write) -> None:
        """Write it as a tar, to *write* as export_layer has it. Raises as content does; incomplete then."""
        if self.native:
            with about(self._upper):
                self._write_all(self._upper, write)
            return
        with self._views() as (new, old):
            if old is None:
                self._write_all(new, write)
            else:
                export_changes(new, self._found[0].changes, write, map_ids=self._map_ids, xattrs=self._xattrs)

    def _write_all(self, root: str | int, write: Write) -> None:
        export_layer(root, write, map_ids=self._map_ids, userxattr=self._userxattr, xattrs=self._xattrs)

    def diff_id(self) -> str:
        """Return the diff id of the tar. Raises as content does."""
        digest = Digest()
        self.write(digest.update)
        return str(digest)

    @property
    def _upper(self) -> str:
        return f"{self._home}/{self._layer.id}/{DIFF}"

    @functools.cached_property
    def _found(self) -> tuple[TreeChanges, bool]:
        """The changes, and whether they are native."""
        if self._own:
            if not all(map(os.path.isdir, self._layer.lent.values())):
                raise _lent(self._layer)
            lowers = [self._layer.lent.get(lower, f"{self._home}/{lower}/{DIFF}") for lower in self._layer.lowers]
            try:
                with about(self._upper):
                    changes = upper_changes(self._upper, lowers, userxattr=self._userxattr)
            except NotSupported:  # it has redirects or the like; where they cannot be followed, the view raises
                if self._userxattr or not self._layer.lowers:
                    raise
                self._options = [*(name for name in self._options if not name.startswith(_MARKING)), *_FOLLOWING]
            else:
                with about(self._upper):
                    return TreeChanges(changes, tree_size(self._upper)), True
        with self._views() as (new, old):
            return tree_changes(new, old), False

    @contextlib.contextmanager
    def _views(self) -> t.Iterator[tuple[int, int | None]]:
        if self._layer.lent:
            raise _lent(self._layer)
        with about(f"{self._home}/{self._layer.id}/{MERGED}"), contextlib.ExitStack() as stack:
            new = stack.enter_context(merged_view(self._home, self._layer, self._options))
            old = stack.enter_context(merged_view(self._home, self._other, self._options)) if self._other else None
            yield new, old


_MARKING = ("redirect_dir=", "metacopy=")
_FOLLOWING = ("redirect_dir=follow", "metacopy=on")


def _lent(layer: LayerState) -> NotSupported:
    """Return the error for a layer that cannot be seen without the store that lends what it is built on."""
    return NotSupported(
        f"layer {layer.id} is built on {next(iter(layer.lent))}, which lies in another store, so it cannot be seen here"
        " as a mount shows it",
        hint="ask the engine, as with podman diff; or name the other store in storage.conf, in additionalimagestores",
        id=layer.id,
    )
