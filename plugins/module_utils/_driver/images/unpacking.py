# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpack the layers of an image into staging, in one pass over the archive. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from ..._archive.apply import apply_layer
from ..._errors import Overlay2Error, StoreCorrupt
from ..._image.layer_file import open_layer
from ..._image.source import open_files
from ..._linux.subject import about
from ..._store import staging
from ..._store.delete import delete_tree
from ..._store.json_file import read_file, stage_file
from ..._store.layout import COMMITTED, DIFF, MANIFEST, OWN_FILE
from ..content.manifest_file import new_manifest
from ..plan import Overtaken
from ..store import Store

if t.TYPE_CHECKING:
    from ..._image.files import Files
    from ..._image.image import ImageLayer
    from ..._store.settings import Settings
    from ..run import Run
    from ..state import LayerState
    from .state import ImageSource


class _NotYet(Exception):
    """A layer needs to know the names in a layer below that is not unpacked yet."""


class Unpacking:
    """Unpacks new layers, and publishes them one by one.

    archive: where they come from.
    new:     the layers to make, base first, each with its place in the archive.
    base:    the layer that they are built on; empty for none.

    If a layer cannot be unpacked, the layers below it are published all the same: they are verified, their names say
    what they hold, and the next run need not read them again.
    """

    def __init__(
        self,
        archive: ImageSource,
        new: t.Sequence[tuple[LayerState, ImageLayer]],
        base: t.Sequence[LayerState],
        settings: Settings,
        userxattr: bool,
    ) -> None:
        self._archive = archive
        self._new = new
        self._base = base
        self._settings = settings
        self._userxattr = userxattr
        self._size = 0  # bytes unpacked so far
        self._whole: set[str] = set()  # ids of the layers that are unpacked
        self._failed: tuple[int, Exception] | None = None  # the lowest layer that failed, by its place in new
        self._is_prepared = self._is_checked = False

    def prepare(self, run: Run) -> None:
        """Unpack all layers, once. Raises the error of the lowest layer, if nothing at all can be published."""
        if self._is_prepared:
            return
        self._is_prepared = True
        for layer, _source in self._new:
            self._stage(run, layer)
        with open_files(self._archive.path) as files:
            order = list(range(len(self._new)))
            if files.in_order:
                order.sort(key=lambda place: self._new[place][1].file or ())
            later = [place for place in order if not self._try(run, files, place, last=False)]
            for place in sorted(later):
                self._try(run, files, place, last=True)
        if self._failed and not self._failed[0]:
            raise self._failed[1]

    def publish(self, run: Run, layer: LayerState) -> None:
        """Publish a layer. Raises its error if it, or a layer below, could not be unpacked; Overtaken; OSError."""
        self._check(run)
        if layer.id not in self._whole and self._failed:
            run.sync()  # what was published stays
            raise self._failed[1]
        staging.publish_layer(run.home, run.staging(), run.made[layer.id])

    def _stage(self, run: Run, layer: LayerState) -> None:
        lowers = run.links_of(layer.parent)
        new = staging.NewLayer(layer.id, staging.new_link(), lowers, False, *run.root, layer.parent)
        staging.stage_layer(run.staging(), new)
        run.made[layer.id] = new

    def _try(self, run: Run, files: Files, place: int, *, last: bool) -> bool:
        """Unpack a layer, unless a layer below it failed. Return whether it need not be tried again."""
        if self._failed and self._failed[0] < place:
            return True
        layer, source = self._new[place]
        try:
            self._unpack(run, files, layer, source)
        except _NotYet:
            if last:
                raise
            os.unlink(os.path.join(run.staging(), layer.id, MANIFEST))
            diff = os.path.join(run.staging(), layer.id, DIFF)
            found = os.stat(diff)
            delete_tree(diff)
            os.mkdir(diff, found.st_mode & 0o7777)
            os.chmod(diff, found.st_mode & 0o7777)
            os.chown(diff, found.st_uid, found.st_gid)
            return False
        except (Overlay2Error, OSError) as error:
            self._failed = place, error
        return True

    def _unpack(self, run: Run, files: Files, layer: LayerState, source: ImageLayer) -> None:
        directory = os.path.join(run.staging(), layer.id)
        new = os.path.join(directory, DIFF)
        most = self._archive.max_size
        with about(new), open_layer(files, source) as reader, new_manifest(directory) as manifest:
            size = 0

            def read(wanted: int) -> bytes:
                nonlocal size
                piece = reader.read(wanted)
                size += len(piece)
                return piece

            apply_layer(
                read,
                new,
                lowers=_Below(run.home, run.staging(), layer.lowers, run.made, self._whole),
                map_ids=self._settings.host_ids,
                userxattr=self._userxattr,
                max_size=None if most is None else most - self._size,
                expected=True,
                may_be_image=True,
                manifest=manifest,
            )
            manifest.finish(reader.diff_id)
        self._size += size
        path = os.path.join(directory, OWN_FILE)
        own = read_file(path) or {}
        os.unlink(path)
        stage_file(path, {**own, COMMITTED: True, "diff_id": reader.diff_id, "digest": reader.digest})
        staging.seal_layer(run.staging(), layer.id)
        self._whole.add(layer.id)

    def _check(self, run: Run) -> None:
        """Raise Overtaken if another run has changed the store so that the layers cannot be published, once."""
        if self._is_checked:
            return
        self._is_checked = True
        now = Store(run.home)
        if not os.path.isdir(run.staging()) or not now.exists:
            raise Overtaken()
        if any(os.path.lexists(now.path(layer.id)) for layer, _source in self._new):
            raise Overtaken()
        for layer in self._base:
            found = _reread(now, layer.id)
            if found is None or (found.link, found.lowers, found.chain_id) != (
                layer.link,
                layer.lowers,
                layer.chain_id,
            ):
                raise Overtaken()


def _reread(store: Store, layer_id: str) -> LayerState | None:
    """Return a layer that was sound when the run began. Raises StoreCorrupt, OSError if it cannot be read any more."""
    try:
        return store.layer(layer_id)
    except StoreCorrupt as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        raise


class _Below(t.Sequence[str]):
    """The paths of the content of a layer's *lowers*, nearest first. They are asked for only if the tar needs them.

    made:  the layers that this run makes. whole: those of them that are unpacked. raises: _NotYet for another.
    """

    def __init__(
        self, home: str, staged: str, lowers: t.Sequence[str], made: t.Container[str], whole: t.Container[str]
    ) -> None:
        self._home = home
        self._staged = staged
        self._lowers = lowers
        self._made = made
        self._whole = whole

    def __len__(self) -> int:
        return len(self._lowers)

    def __getitem__(self, place: t.Any) -> t.Any:
        layer_id = self._lowers[place]
        if layer_id in self._made and layer_id not in self._whole:
            raise _NotYet
        return f"{self._staged if layer_id in self._made else self._home}/{layer_id}/{DIFF}"
