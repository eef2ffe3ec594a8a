# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpack the layers of an image into staging, several at once. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t

from ..._archive.apply import apply_layer
from ..._archive.tar import SIZE_HINT
from ..._errors import ArchiveRejected, Overlay2Error, StoreCorrupt
from ..._image.layer_file import open_layer
from ..._image.source import open_files
from ..._linux.subject import about
from ..._store import staging
from ..._store.delete import delete_tree
from ..._store.json_file import read_file
from ..._store.json_writer import stage_file
from ..._store.layout import COMMITTED, DIFF, MANIFEST, OWN_FILE
from ..._store.leftovers import staging_of_chain
from ..content.exact_file import new_exact
from ..content.manifest_file import new_manifest
from ..plan import Overtaken
from ..store import Store
from .below import Below, NotYet
from .workers import Workers, processors

if t.TYPE_CHECKING:
    from ..._image.files import Files
    from ..._image.image import ImageLayer
    from ..._store.settings import Settings
    from ..run import Run
    from ..state import LayerState
    from .state import ImageSource


_SMALL = 64 << 10  # bytes of a layer's file: a process costs as much as unpacking it


class Unpacking:
    """Unpacks new layers, and publishes them one by one.

    archive: where they come from.
    new:     the layers to make, base first, each with its place in the archive.
    base:    the layer that they are built on; empty for none.

    Layers are unpacked in any order, several at once if the archive is not compressed as a whole. They are published
    base first. If a layer cannot be unpacked, the layers below it are published all the same: they are verified, their
    names say what they hold, and the next run need not read them again.
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
        self._sizes: dict[str, int] = {}  # bytes unpacked, by the id of the layer
        self._failed: tuple[int, Exception] | None = None  # the lowest layer that failed, by its place in new
        self._todo: list[int] | None = None  # places of layers to unpack, the next one last; None before the first
        self._later: list[int] = []  # places of layers that need those below
        self._published = 0  # layers
        self._checked = -1  # the group of layers for which _check() was called

    def reserve(self, run: Run) -> None:
        """Stage all layers, still empty, once. The caller holds the store's lock.

        raises: Overtaken if another run unpacks one of the layers: the engine waits, and then uses what is there.
        """
        if run.made.keys() >= {layer.id for layer, _source in self._new}:
            return
        chains = [source.chain_id for _layer, source in self._new]
        other = staging_of_chain(run.home, chains)
        if other:
            raise Overtaken(other)
        for layer, _source in self._new:
            self._stage(run, layer)
        for chain in chains:
            staging.mark_chain(run.staging(), chain)

    def prepare(self, run: Run, layer: LayerState) -> None:
        """Unpack until *layer* is whole, or failed. Raises the lowest layer's error, if nothing can be published."""
        if self._todo is None:
            self._start(run)
        place = next(place for place, (new, _source) in enumerate(self._new) if new.id == layer.id)
        while layer.id not in self._sizes and not self._is_lost(place):
            self._step(run)
        if self._failed and not self._failed[0]:
            raise self._failed[1]
        run.note_prepared(self._sizes.get(layer.id, 0))

    def publish(self, run: Run, layer: LayerState) -> None:
        """Publish a layer. Raises its error if it, or a layer below, could not be unpacked; Overtaken; OSError."""
        self._check(run)
        if self._failed and self._is_lost(self._published):
            run.sync()  # what was published stays
            raise self._failed[1]
        staging.publish_layer(run.home, run.staging(), run.made[layer.id])
        self._published += 1

    def _stage(self, run: Run, layer: LayerState) -> None:
        lowers = run.links_of(layer.parent)
        new = staging.NewLayer(layer.id, staging.new_link(), lowers, False, *run.root, layer.parent)
        staging.stage_layer(run.staging(), new)
        run.made[layer.id] = new

    def _start(self, run: Run) -> None:
        """Open the archive, and decide in which order the layers are unpacked, and by how many processes."""
        self._files = run.stack.enter_context(open_files(self._archive.path))
        sizes = [source.file.size if source.file else 0 for _layer, source in self._new]
        most = min(self._archive.workers, processors(), len([size for size in sizes if size > _SMALL]))
        if self._files.in_order:  # going back costs as much as reading all again, in each process
            most = 1
        self._workers = Workers(
            most,
            lambda place: f"layer {self._new[place][0].id}",
            lambda place: os.path.join(run.staging(), self._new[place][0].id),
        )
        run.stack.callback(self._workers.stop)
        self._is_parallel = most > 1
        self._todo = list(range(len(self._new)))
        if self._files.in_order:
            self._todo.sort(key=lambda place: self._new[place][1].file or ())
        elif self._is_parallel:
            self._todo.sort(key=lambda place: (-sizes[place], place))
        self._todo.reverse()

    def _step(self, run: Run) -> None:
        """Start to unpack the next layer, or wait for one that is unpacked."""
        todo = t.cast("list[int]", self._todo)
        if todo and not self._is_small(todo[-1]) and not self._workers.are_all_busy:
            place = todo.pop()
            work = functools.partial(self._unpack_at, run, place)
            if not self._is_lost(place) and not self._workers.try_start(place, work):
                self._take(place, work)
        elif todo and self._is_small(todo[-1]):
            place = todo.pop()
            self._take(place, functools.partial(self._unpack_at, run, place))
        elif self._workers.are_at_work:
            self._take(*self._workers.wait())
        else:
            place = min(self._later)
            self._later.remove(place)
            self._take(place, functools.partial(self._unpack_at, run, place))

    def _is_small(self, place: int) -> bool:
        """Tell whether this process unpacks the layer itself."""
        file = self._new[place][1].file
        return not self._is_parallel or file is None or file.size <= _SMALL

    def _take(self, place: int, answer: t.Callable[[], int | None]) -> None:
        """Note the answer for a layer: its size; None if it must be unpacked after those below; or an error."""
        if self._is_lost(place):
            return
        try:
            size = answer()
        except (Overlay2Error, OSError) as error:
            self._fail(place, error)
            return
        if size is None:
            self._later.append(place)
            return
        self._sizes[self._new[place][0].id] = size
        self._check_total()

    def _check_total(self) -> None:
        """Let the first layer fail with which the layers have more than max_size together."""
        most, total = self._archive.max_size, 0
        for place, (layer, source) in enumerate(self._new):
            total += self._sizes.get(layer.id, 0)
            if most is not None and total > most and not self._is_lost(place):
                cause = f"with this layer, the layers have more than the {most} bytes allowed"
                self._fail(place, ArchiveRejected(f"{source.subject}: {cause}", hint=SIZE_HINT))
                return

    def _fail(self, place: int, error: Exception) -> None:
        """Note that a layer failed: it and those above are not made. Those below are still unpacked."""
        self._failed = place, error
        self._workers.stop(place)
        self._later = [later for later in self._later if later < place]

    def _is_lost(self, place: int) -> bool:
        """Tell whether a layer, or one below it, has failed."""
        return self._failed is not None and self._failed[0] <= place

    def _unpack_at(self, run: Run, place: int) -> int | None:
        """Unpack a layer. Return its size in bytes; None if a layer below must be unpacked first."""
        layer, source = self._new[place]
        try:
            return self._unpack(run, self._files, layer, source)
        except NotYet:
            os.unlink(os.path.join(run.staging(), layer.id, MANIFEST))
            diff = os.path.join(run.staging(), layer.id, DIFF)
            found = os.stat(diff)
            delete_tree(diff)
            os.mkdir(diff, found.st_mode & 0o7777)
            os.chmod(diff, found.st_mode & 0o7777)
            os.chown(diff, found.st_uid, found.st_gid)
            return None

    def _unpack(self, run: Run, files: Files, layer: LayerState, source: ImageLayer) -> int:
        directory = os.path.join(run.staging(), layer.id)
        new = os.path.join(directory, DIFF)
        most = self._archive.max_size
        with contextlib.ExitStack() as stack:
            stack.enter_context(about(new))
            reader = stack.enter_context(open_layer(files, source, not self._is_parallel))
            manifest = stack.enter_context(new_manifest(directory))
            exact = stack.enter_context(new_exact(directory, self._archive.keep_exact))
            size = 0

            def read(wanted: int) -> bytes:
                nonlocal size
                piece = reader.read(wanted)
                size += len(piece)
                return piece

            apply_layer(
                read,
                new,
                lowers=Below(run.home, run.staging(), layer.lowers, run.made, self._sizes),
                map_ids=self._settings.host_ids,
                userxattr=self._userxattr,
                max_size=None if most is None else most - sum(self._sizes.get(lower, 0) for lower in layer.lowers),
                expected=True,
                may_be_image=True,
                manifest=manifest,
                exact=exact,
            )
            manifest.finish(reader.diff_id)
            if exact:
                exact.finish(reader.diff_id)
        path = os.path.join(directory, OWN_FILE)
        own = read_file(path) or {}
        os.unlink(path)
        stage_file(path, {**own, COMMITTED: True, "diff_id": reader.diff_id, "digest": reader.digest})
        staging.seal_layer(run.staging(), layer.id)
        return size

    def _check(self, run: Run) -> None:
        """Raise Overtaken if another run has changed the store so that a group of layers cannot be published."""
        if self._checked == run.group:
            return
        self._checked = run.group
        now = Store(run.home)
        if not os.path.isdir(run.staging()) or not now.exists:
            raise Overtaken()
        if any(os.path.lexists(now.path(layer.id)) for layer, _source in self._new[self._published :]):
            raise Overtaken()
        below = self._base
        if self._published:
            layer = self._new[self._published - 1][0]
            below = [layer._replace(link=run.made[layer.id].link)]
        for layer in below:
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
