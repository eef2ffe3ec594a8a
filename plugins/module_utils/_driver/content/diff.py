# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a layer has other than another one. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t

from ..._archive.collected import Counted, First, Ordered
from ..._archive.naive_diff import tree_changes
from ..._archive.native_diff import tree_size, upper_changes
from ..._errors import NotSupported
from ..._linux.subject import about
from ..._store.layout import DIFF, MERGED
from ..state import LayerState


class Content(t.NamedTuple):
    """What a layer has other than another one.

    size:    bytes, as Docker's DiffSize.
    native:  the layer's own directory alone told it.
    changes: what is known of the changes: their numbers in any case.
    """

    size: int
    native: bool
    changes: Counted


class Difference:
    """What *layer* has other than *other*.

    other:   None for an empty tree.
    options: of every mount of ours; userxattr: whether they keep their marks in ``user.overlay.*``.
    own:     *other* is the layer's own parent, and the kernel's marks in its directory tell the difference.
    marker_files: fuse-overlayfs may have written to the store's layers.
    listed:  how many changes are told one by one, None for none of them; written: it is to be written as a tar.

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
        marker_files: bool = False,
        listed: int | None = None,
        written: bool = False,
    ) -> None:
        self._home = home
        self._layer = layer
        self._other = other
        self._own = own
        self._options = options
        self.userxattr = userxattr
        self.marker_files = marker_files
        self._listed = listed
        self._written = written

    @functools.cached_property
    def content(self) -> Content:
        """What differs. Raises LayerInUse, NotSupported, StoreCorrupt, OSError."""
        if self._own:
            if not all(map(os.path.isdir, self._layer.lent.values())):
                raise _lent(self._layer)
            lowers = [self._layer.lent.get(lower, f"{self._home}/{lower}/{DIFF}") for lower in self._layer.lowers]
            changes = self._collector()
            try:
                with about(self.upper):
                    upper_changes(self.upper, lowers, changes, userxattr=self.userxattr, marker_files=self.marker_files)
            except NotSupported:  # it has redirects or the like; where they cannot be followed, the view raises
                if self.userxattr or not self._layer.lowers:
                    raise
                self._options = [*(name for name in self._options if not name.startswith(_MARKING)), *_FOLLOWING]
            else:
                with about(self.upper):
                    return Content(tree_size(self.upper, self.marker_files), True, changes)
        changes = Ordered() if self._written else self._collector()
        with self.views() as (new, old):
            return Content(tree_changes(new, old, changes, marker_files=self.marker_files), False, changes)

    def _collector(self) -> Counted:
        return Counted() if self._listed is None else First(self._listed)

    def listed(self) -> tuple[list[dict[str, str]], bool]:
        """Return as many of the changes as were to be listed, and whether there are more. Raises as content does."""
        changes = t.cast("First", self.content.changes)
        return changes.listed(), changes.truncated

    @property
    def upper(self) -> str:
        """The layer's own directory."""
        return f"{self._home}/{self._layer.id}/{DIFF}"

    @contextlib.contextmanager
    def views(self) -> t.Iterator[tuple[int, int | None]]:
        """Give the fds of both as mounts show them, None for an empty tree. Raises as merged_view."""
        if self._layer.lent:
            raise _lent(self._layer)
        from ..mounts.private import merged_view  # a native diff does not need it

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
