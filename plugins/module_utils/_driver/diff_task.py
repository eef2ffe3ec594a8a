# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks of overlay2_diff: a layer's content goes in, comes out, or is looked at. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from .._errors import InvalidInput, LayerInUse, printable
from .._store.foreign import store_foreign
from .._store.layout import DIFF, check_home, check_id, check_path, require_store
from .._store.lock import layer_not_found
from . import content, destination, probe
from .difference import Difference
from .look import look, mounted_in
from .removal import check_empty_of_mounts, check_unused
from .settings import Settings, read_settings
from .state import LayerState, Plan, StoreState


class DiffState(t.NamedTuple):
    """A layer's store, and what is known of its content."""

    store: StoreState
    settings: Settings
    features: probe.Features
    diff_id: str | None = None
    digest: str | None = None


class _DiffTask:
    """What the three states share. Reading is long, so it is done without the store's lock."""

    lengthy = True
    reading = True
    again = False

    def __init__(self, home: str, layer_id: str, parent: str | None) -> None:
        self.home = check_home(home)
        self.id = check_id(layer_id)
        self.layers = sorted({layer_id, check_id(parent, "parent") if parent else layer_id})
        self.parent = parent

    def observe(self) -> DiffState:
        """Read the layers and all that is built on them."""
        require_store(self.home)
        store = look(self.home, self.layers, above=True)
        for layer_id in self.layers:
            if layer_id not in store.layers:
                raise layer_not_found(self.home, layer_id)
        layer = store.layers[self.id]
        return DiffState(
            store, read_settings(self.home), probe.probe(self.home), diff_id=layer.diff_id, digest=layer.digest
        )

    def root(self, have: DiffState) -> tuple[int, int]:
        """See Task."""
        return have.store.root

    def layer(self, have: DiffState) -> LayerState:
        """Return the layer the task is about."""
        return have.store.layers[self.id]

    def difference_of(self, have: DiffState, *, xattrs: bool = False) -> Difference:
        """Return what the layer has other than the one it is compared with; xattrs: its tar has those of users.

        raises: the refusal of a mount that it needs.
        """
        layer, features = self.layer(have), have.features
        parent = layer.parent if self.parent is None else self.parent
        own = parent == layer.parent and features.native_overlay_diff is not False
        other = None
        if parent and parent == layer.parent:  # sealed, so it does not matter whether it is mounted
            other = LayerState(parent, None, layer.lowers[1:])
        elif parent:
            other = have.store.layers[parent]
        if (layer.lowers or other) and not own and (refusal := probe.refusal(features)):
            raise refusal
        return Difference(
            self.home,
            layer,
            other,
            own=own,
            options=probe.mount_options(features),
            userxattr=bool(features.userxattr),
            map_ids=have.settings.container_ids,
            xattrs=xattrs,
        )


class Export(t.NamedTuple):
    """How a layer's tar is to lie in a file. xattrs: with those of users."""

    dest: str | None
    compression: str
    level: int | None
    xattrs: bool
    access: destination.WantedAccess


class ExportTask(_DiffTask):
    """The layer's tar is in a file."""

    def __init__(self, home: str, layer_id: str, parent: str | None, wanted: Export) -> None:
        super().__init__(home, layer_id, parent)
        if not wanted.dest:
            raise InvalidInput("state exported needs dest", hint="say where the tar is to be written")
        content.check_compression(wanted.compression, wanted.level)
        self.dest = os.path.abspath(check_path(wanted.dest, "dest"))
        if os.path.isdir(self.dest) or not os.path.isdir(os.path.dirname(self.dest)):
            message = f"dest {printable(wanted.dest)} is a directory, or in none"
            raise InvalidInput(message, hint="give a file in a directory that exists")
        self._wanted = wanted
        self._there: destination.Access | None = None
        self._access = destination.NEW
        self._current: content.Digests | None = None
        self._action: content.WriteArchive | None = None
        self._found: Difference | None = None

    def plan(self, have: DiffState, predicting: bool) -> Plan:
        """See Task; the tar is computed in check mode too."""
        found = self._found = self.difference_of(have, xattrs=self._wanted.xattrs)
        there, current = self._look()
        self._there = there and there.access
        self._access = access = self._wanted.access.of(self._there or destination.NEW)
        diff_id = found.diff_id() if current is not None or predicting else None
        if there is not None and current is not None and current[1:] == (diff_id, self._wanted.compression):
            self._current = current
            return Plan(() if access == self._there else (destination.GiveAccess(self.dest, there, access),), have)
        self._action = content.WriteArchive(
            self.layer(have), self.dest, self._wanted.compression, self._wanted.level, access, found
        )
        return Plan((self._action,), have._replace(diff_id=diff_id, digest=None), long=True)

    def difference(self, before: DiffState, after: DiffState) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Return whether the file holds the layer's content, and whose it is."""
        old, new = destination.difference(self._there, self._access)
        if self._action is not None:
            old, new = {"content": "not the layer's", **old}, {"content": "the layer's", **new}
        place = printable(self.dest)
        return ({place: old}, {place: new}) if new else ({}, {})

    def report(self, have: DiffState, after: DiffState, predicting: bool) -> dict[str, t.Any]:
        """See Task."""
        diff_id, digest = after.diff_id, after.digest
        if self._current is not None:
            diff_id, digest = self._current.diff_id, self._current.digest
        elif self._action is not None and not predicting:
            diff_id, digest = self._action.diff_id, self._action.digest
        found = self._found or self.difference_of(have)
        return _reported(found, diff_id, digest)

    def _look(self) -> tuple[destination.Found | None, content.Digests | None]:
        """Return the file that is there, and the tar in it."""
        with destination.opened(self.dest) as file:
            return (None, None) if file is None else (destination.found(file), content.digests_of(file))


class ApplyTask(_DiffTask):
    """The layer's content is that of a tar."""

    reading = False
    again = False

    def __init__(self, home: str, layer_id: str, source: content.Source) -> None:
        super().__init__(home, layer_id, None)
        content.check_source(source)
        self._source = source
        self._action: content.ApplyArchive | None = None

    def plan(self, have: DiffState, predicting: bool) -> Plan:
        """See Task. Raises LayerInUse, StoreForeign for a layer whose content must not change now."""
        layer, source = self.layer(have), self._source
        recorded = (layer.merged_diff_id, layer.merged_digest) if source.merge else (layer.diff_id, layer.digest)
        if self._is_applied(*recorded):
            return Plan((), have._replace(diff_id=recorded[0], digest=recorded[1]))
        if have.store.engine:
            raise store_foreign(self.home, have.store.engine, f"change the content of layer {self.id}")
        self._check_free(layer, have.store)
        self._action = content.ApplyArchive(layer, source, have.settings, bool(have.features.userxattr))
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
        return _reported(self.difference_of(after), *digests)

    def _is_applied(self, diff_id: str | None, digest: str | None) -> bool:
        """Tell whether the tar is that of which these are recorded."""
        source = self._source
        if source.diff_id is None and source.digest is None:
            return digest is not None and content.file_digest(source.path) == digest
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


class InspectTask(_DiffTask):
    """What a layer has other than another one, and nothing else."""

    def plan(self, have: DiffState, predicting: bool) -> Plan:
        """See Task."""
        return Plan((), have)

    def difference(self, before: DiffState, after: DiffState) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Nothing changes."""
        return {}, {}

    def report(self, have: DiffState, after: DiffState, predicting: bool) -> dict[str, t.Any]:
        """See Task."""
        found = self.difference_of(have)
        changes = [{"kind": kind, "path": path} for kind, path in found.content.changes]
        return {**_reported(found, have.diff_id, have.digest), "changes": changes}


def _reported(found: Difference, diff_id: str | None, digest: str | None) -> dict[str, t.Any]:
    """Return the results that all states have."""
    return {
        "diff_id": diff_id,
        "digest": digest,
        "size": found.content.size,
        "native": found.native,
        "summary": found.content.summary,
    }
