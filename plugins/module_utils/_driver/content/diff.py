# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The diff between a layer and another layer. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t

from ..._archive.collected import Counted, First, Ordered
from ..._archive.native_diff import tree_size, upper_changes
from ..._errors import NotSupported
from ..._linux.subject import about
from ..._store.layout import DIFF, MERGED
from ..state import LayerState


class Content(t.NamedTuple):
    """The result of a comparison.

    size:    bytes, as Docker's DiffSize.
    native:  the changes were read from the layer's own directory, without a comparison of trees.
    changes: the changes that were collected: at least their numbers.
    """

    size: int
    native: bool
    changes: Counted


class Difference:
    """The diff between *layer* and its parent (or another layer), as a list of changes or as a tar.

    other:        the other layer; None for an empty tree.
    options:      the options of all our mounts.
    userxattr:    our mounts keep their marks in ``user.overlay.*``.
    own:          *other* is the layer's own parent, and the kernel's marks in the layer's directory show the changes.
    marker_files: fuse-overlayfs may have written to the store's layers.
    listed:       how many changes to list; None for no list.
    written:      the diff is to be written as a tar.

    The diff is native if possible: it is read from the layer's own directory. Otherwise both layers are mounted, and
    the mounts are compared. This is also necessary for a directory with redirects, or with files whose metadata alone
    was copied up: mounts by other tools make such files if the kernel's defaults differ from our options.
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
        """The result of the comparison. Raises LayerInUse, NotSupported, StoreCorrupt, OSError."""
        if self._own:
            if not all(map(os.path.isdir, self._layer.lent.values())):
                raise _lent(self._layer)
            lowers = [self._layer.lent.get(lower, f"{self._home}/{lower}/{DIFF}") for lower in self._layer.lowers]
            changes = self._collector()
            try:
                with about(self.upper):
                    upper_changes(self.upper, lowers, changes, userxattr=self.userxattr, marker_files=self.marker_files)
            except NotSupported:  # redirects or the like; merged_view raises if they cannot be followed
                if self.userxattr or not self._layer.lowers:
                    raise
                self._options = [*(name for name in self._options if not name.startswith(_MARKING)), *_FOLLOWING]
            else:
                with about(self.upper):
                    return Content(tree_size(self.upper, self.marker_files), True, changes)
        from ..._archive.naive_diff import tree_changes  # most diffs are native, and each import is compiled

        changes = Ordered() if self._written else self._collector()
        with self.views() as (new, old):
            return Content(tree_changes(new, old, changes, marker_files=self.marker_files), False, changes)

    def _collector(self) -> Counted:
        return Counted() if self._listed is None else First(self._listed)

    def listed(self) -> tuple[list[dict[str, str]], bool]:
        """Return the list of changes, and whether the list is truncated. Raises as content."""
        changes = t.cast("First", self.content.changes)
        return changes.listed(), changes.truncated

    @property
    def upper(self) -> str:
        """The path of the layer's own directory."""
        return f"{self._home}/{self._layer.id}/{DIFF}"

    @contextlib.contextmanager
    def views(self) -> t.Iterator[tuple[int, int | None]]:
        """Yield the fds of private mounts of both layers; None for an empty tree. Raises as merged_view."""
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
    """Return the error for a layer with a lower in another store: it cannot be mounted without that store."""
    return NotSupported(
        f"cannot mount layer {layer.id} to compare it: its lower {next(iter(layer.lent))} lies in another store",
        hint="use the engine, for example podman diff; or add the other store to additionalimagestores in storage.conf",
        id=layer.id,
    )
