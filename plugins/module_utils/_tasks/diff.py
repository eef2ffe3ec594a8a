# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks of overlay2_diff: a layer's content goes in, or comes out. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from .._driver.content import actions, output_file
from .._driver.content.actions import GiveAccess
from .._driver.content.archive_file import Source, Written, check_compression, check_source, file_digest, is_tar
from .._driver.content.layer_tar import LayerTar
from .._driver.content.place import Place
from .._driver.content.state import DiffState, DiffTask, reported
from .._driver.layers.observe import mounted_in
from .._driver.layers.removal import check_empty_of_mounts, check_unused
from .._driver.layers.state import StoreState
from .._driver.plan import Plan
from .._driver.state import LayerState
from .._errors import InvalidInput, LayerInUse, printable
from .._store.engine import store_foreign_error
from .._store.layout import DIFF, check_path


class Export(t.NamedTuple):
    """How a layer's tar is to lie in a file. xattrs: with those of users."""

    dest: str | None
    compression: str
    level: int | None
    xattrs: bool
    access: output_file.WantedAccess


class ExportTask(DiffTask):
    """The layer's tar is in a file."""

    def __init__(self, home: str, layer_id: str, parent: str | None, wanted: Export) -> None:
        super().__init__(home, layer_id, parent)
        if not wanted.dest:
            raise InvalidInput("state exported needs dest", hint="say where the tar is to be written")
        check_compression(wanted.compression, wanted.level)
        self._place = Place(os.path.abspath(check_path(wanted.dest, "dest")))
        self._wanted = wanted
        self._there: output_file.FileAccess | None = None
        self._access = output_file.NEW
        self._current: Written | None = None
        self._action: actions.WriteArchive | None = None
        self._tar: LayerTar | None = None

    def plan(self, have: DiffState, predicting: bool) -> Plan:
        """See Task; the tar is computed in check mode too."""
        tar = self._tar = LayerTar(
            self.difference_of(have, written=True), have.settings.container_ids, self._wanted.xattrs
        )
        wanted = self._wanted
        with self._place.opened() as file:
            there = output_file.stat_file(file) if file else None
            if there and not wanted.access.allows(there.access, self._place):
                there = None  # somebody else's: it is replaced, as if it were not there
            ours = tar.digest() if there or predicting else None
            self._current = is_tar(file, ours, wanted.compression) if file and there and ours else None
        self._there = there and there.access
        self._access = access = wanted.access.of(self._there or output_file.NEW)
        if there and self._current:
            same = access == there.access
            return Plan(() if same else (GiveAccess(self._place, there, access),), have)
        layer = self.layer(have)
        self._action = actions.WriteArchive(layer, self._place, wanted.compression, wanted.level, access, tar)
        diff_id = str(ours) if ours else None
        return Plan((self._action,), have._replace(diff_id=diff_id, digest=None), long=True)

    def difference(self, before: DiffState, after: DiffState) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Return whether the file holds the layer's content, and whose it is."""
        old, new = output_file.difference(self._there, self._access)
        if self._action is not None:
            old, new = {"content": "not the layer's", **old}, {"content": "the layer's", **new}
        place = printable(self._place.path)
        return ({place: old}, {place: new}) if new else ({}, {})

    def report(self, have: DiffState, after: DiffState, predicting: bool) -> dict[str, t.Any]:
        """See Task."""
        diff_id, digest = after.diff_id, after.digest
        if self._current is not None:
            diff_id, digest = self._current.diff_id, self._current.digest
        elif self._action is not None and not predicting:
            diff_id, digest = self._action.diff_id, self._action.digest
        found = self._tar.found if self._tar else self.difference_of(have)
        return reported(found, diff_id, digest)


class ApplyTask(DiffTask):
    """The layer's content is that of a tar."""

    reading = False

    def __init__(self, home: str, layer_id: str, source: Source) -> None:
        super().__init__(home, layer_id, None)
        check_source(source)
        self._source = source
        self._action: actions.ApplyArchive | None = None

    def plan(self, have: DiffState, predicting: bool) -> Plan:
        """See Task. Raises LayerInUse, StoreForeign for a layer whose content must not change now."""
        layer, source = self.layer(have), self._source
        recorded = (layer.merged_diff_id, layer.merged_digest) if source.merge else (layer.diff_id, layer.digest)
        if self._is_applied(*recorded):
            return Plan((), have._replace(diff_id=recorded[0], digest=recorded[1]))
        if have.store.engine:
            raise store_foreign_error(self.home, have.store.engine, f"change the content of layer {self.id}")
        self._check_free(layer, have.store)
        self._action = actions.ApplyArchive(layer, source, have.settings, bool(have.features.userxattr))
        diff_id = None if source.merge else source.diff_id
        after = have.store._replace(
            layers={**have.store.layers, self.id: layer.with_unknown_content()._replace(diff_id=diff_id)}
        )
        return Plan((self._action,), have._replace(store=after, diff_id=diff_id, digest=None), long=True)

    def difference(self, before: DiffState, after: DiffState) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Return the content by the digest that is asked for, where there is one."""
        if self._action is None:
            return {}, {}
        wanted = self._source.diff_id or self._source.digest or "the archive's"
        return {self.id: {"content": before.diff_id}}, {self.id: {"content": wanted}}

    def report(self, have: DiffState, after: DiffState, predicting: bool) -> dict[str, t.Any]:
        """See Task."""
        if self._action is not None and predicting:
            diff_id, digest = self._action.diff_id or self._source.diff_id, self._action.digest or self._source.digest
            return {"diff_id": diff_id, "digest": digest, "size": None, "native": True}
        digests = (self._action.diff_id, self._action.digest) if self._action else (after.diff_id, after.digest)
        return reported(self.difference_of(after), *digests)

    def _is_applied(self, diff_id: str | None, digest: str | None) -> bool:
        """Tell whether the tar is that of which these are recorded."""
        source = self._source
        if source.diff_id is None and source.digest is None:
            return digest is not None and file_digest(source.path) == digest
        wanted = ((source.diff_id, diff_id), (source.digest, digest))
        return all(want is None or want == found for want, found in wanted)

    def _check_free(self, layer: LayerState, store: StoreState) -> None:
        check_empty_of_mounts(layer.id, mounted_in(self.home, [layer.id]), "change the content of")
        check_unused(layer, store, "change the content of")
        if not layer.committed:
            return
        if os.listdir(os.path.join(self.home, layer.id, DIFF)):
            raise LayerInUse(
                f"layer {layer.id} is sealed and has content",
                hint="apply the tar to a new layer",
                id=layer.id,
            )
        above = [other.id for other in store.layers.values() if layer.id in other.lowers and other.mounted]
        if above:
            raise LayerInUse(
                f"layer {layer.id} is a lower of mounted layers: {', '.join(sorted(above))}",
                hint="unmount them first",
                id=layer.id,
                mounted=sorted(above),
            )
