# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks of overlay2_diff: apply a tar to a layer, or export a layer as a tar. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from .._driver.content.free import check_not_below_mounts
from .._driver.content.observe import difference_of
from .._driver.content.output_file import NEW, WantedAccess, difference, stat_file
from .._driver.content.place import Place
from .._driver.content.source import Source, check_source
from .._driver.content.state import DiffState, OutputState, reported
from .._driver.layers.observe import mounted_in
from .._driver.layers.unused import check_empty_of_mounts, check_unused
from .._driver.plan import Plan
from .._driver.store import Store
from .._driver.task import Outcome, Sides
from .._errors import InvalidInput, LayerInUse, printable
from .._store.engine import store_foreign_error
from .._store.layout import DIFF, check_path
from .content import ContentTask


class Export(t.NamedTuple):
    """How to write the tar of a layer to a file. xattrs: also write the ``user.*`` xattrs."""

    dest: str | None
    compression: str
    level: int | None
    xattrs: bool
    access: WantedAccess


class ExportTask(ContentTask):
    """Have the tar of the layer in a file."""

    def __init__(self, home: str, layer_id: str, parent: str | None, wanted: Export) -> None:
        super().__init__(home, layer_id, parent)
        if not wanted.dest:
            raise InvalidInput("state exported needs dest", hint="say where the tar is to be written")
        from .._driver.content.archive_file import check_compression  # only an export needs it

        check_compression(wanted.compression, wanted.level)
        self._place = Place(os.path.abspath(check_path(wanted.dest, "dest")))
        self._wanted = wanted

    def inspect(self, store: Store, have: DiffState, predicting: bool) -> DiffState:
        """Read the file; compute the tar's digest if the file may already hold the tar, and always in check mode."""
        changes = difference_of(store, have, self.parent, written=True)
        from .._driver.content.archive_file import is_tar  # as above
        from .._driver.content.layer_tar import LayerTar

        tar = LayerTar(changes, have.settings.container_ids, self._wanted.xattrs)
        wanted = self._wanted
        with self._place.opened() as file:
            there = stat_file(file) if file else None
            if there and not wanted.access.allows(there.access, self._place):
                there = None  # another user could change the file: replace it unread
            digest = tar.digest() if there or predicting else None
            current = is_tar(file, digest, wanted.compression) if file and there and digest else None
        output = OutputState(there, current, there.access if there else NEW)
        diff_id = str(digest) if digest else None
        return have._replace(difference=changes, tar=tar, output=output, diff_id=diff_id, digest=None)

    def plan(self, have: DiffState, predicting: bool) -> Plan[DiffState]:
        """See Task."""
        output, tar, wanted = have.output, have.tar, self._wanted
        if output is None or tar is None:
            raise ValueError("the file was not inspected")
        access = wanted.access.of(output.access)
        if output.there and output.current:
            after = have._replace(
                output=output._replace(access=access), diff_id=output.current.diff_id, digest=output.current.digest
            )
            if access == output.there.access:
                return Plan((), after)
            from .._driver.content.output_actions import (
                GiveAccess,  # imported late: an empty plan does not need it, and each host compiles each import
            )

            return Plan((GiveAccess(self._place, output.there, access),), after)
        from .._driver.content.output_actions import WriteArchive  # as above

        action = WriteArchive(have.layer, self._place, wanted.compression, wanted.level, access, tar)
        after = have._replace(output=output._replace(access=access, written=True))
        return Plan((action,), after, prepares_unlocked=True)

    def observe_after(self, store: Store, plan: Plan[DiffState]) -> DiffState:
        """Return the planned state: an export changes nothing in the store."""
        return plan.after

    def difference(self, before: DiffState, after: DiffState) -> Sides:
        """Return the changes of the file: its content, owner and mode."""
        if before.output is None or after.output is None:
            return {}, {}
        old, new = difference(before.output.there and before.output.there.access, after.output.access)
        if after.output.written:
            old, new = {"content": "not the layer's", **old}, {"content": "the layer's", **new}
        place = printable(self._place.path)
        return ({place: old}, {place: new}) if new else ({}, {})

    def report(self, outcome: Outcome[DiffState]) -> dict[str, t.Any]:
        """See Task."""
        have, after = outcome.have, outcome.after
        changes = have.difference or difference_of(outcome.store, have, self.parent)
        digests = (outcome.told.get("diff_id", after.diff_id), outcome.told.get("digest", after.digest))
        return reported(changes, *digests)


class ApplyTask(ContentTask):
    """Have the content of a tar in the layer."""

    shares_locks = False

    def __init__(self, home: str, layer_id: str, source: Source) -> None:
        super().__init__(home, layer_id, None)
        check_source(source)
        self._source = source

    def inspect(self, store: Store, have: DiffState, predicting: bool) -> DiffState:
        """Read whether the tar is already applied, and what prevents its application."""
        source = self._source
        if source.diff_id is None and source.digest is None and self._recorded(have)[1] is not None:
            from .._driver.content.archive_file import file_digest  # as above

            have = have._replace(digest=file_digest(source.path))
        if self._is_applied(have):
            return have._replace(applied=True)
        if have.layers.engine:
            return have
        inside = mounted_in(self.home, [self.id])  # the digests may have taken long, so it reads our mounts again
        filled = have.layer.committed and bool(os.listdir(store.path(self.id, DIFF)))
        return have._replace(inside=inside, filled=filled)

    def plan(self, have: DiffState, predicting: bool) -> Plan[DiffState]:
        """See Task. Raises LayerInUse, StoreForeign for a layer whose content must not change now."""
        layer, source = have.layer, self._source
        if have.applied:
            diff_id, digest = self._recorded(have)
            return Plan((), have._replace(diff_id=diff_id, digest=digest))
        if have.layers.engine:
            raise store_foreign_error(self.home, have.layers.engine, f"change the content of layer {self.id}")
        _check_free(have, self._wanted(have))
        from .._driver.content.actions import ApplyArchive  # as above

        action = ApplyArchive(layer, source, have.settings, bool(have.features.userxattr))
        diff_id = None if source.merge else source.diff_id
        after = layer.with_unknown_content()._replace(diff_id=diff_id)
        return Plan((action,), have._replace(layer=after, diff_id=diff_id, digest=None), prepares_unlocked=True)

    def _wanted(self, have: DiffState) -> tuple[str, str | None, str | None]:
        """Return the name of a digest, the wanted one and the recorded one."""
        source, layer = self._source, have.layer
        if source.diff_id is not None:
            return "diff id", source.diff_id, layer.diff_id
        return "digest", source.digest or have.digest, layer.digest

    def difference(self, before: DiffState, after: DiffState) -> Sides:
        """Return the content of the layer before and after, as the recorded and the wanted digest."""
        if before.applied:
            return {}, {}
        wanted = self._source.diff_id or self._source.digest or "the archive's"
        return {self.id: {"content": before.diff_id}}, {self.id: {"content": wanted}}

    def report(self, outcome: Outcome[DiffState]) -> dict[str, t.Any]:
        """See Task."""
        after = outcome.after
        if outcome.plan.actions and outcome.predicted:
            diff_id = outcome.told.get("diff_id") or self._source.diff_id
            digest = outcome.told.get("digest") or self._source.digest
            return {"diff_id": diff_id, "digest": digest, "size": None, "native": True}
        digests = (outcome.told.get("diff_id", after.diff_id), outcome.told.get("digest", after.digest))
        return reported(difference_of(outcome.store, after, None), *digests)

    def _recorded(self, have: DiffState) -> tuple[str | None, str | None]:
        """Return the recorded diff id and digest of the last tar that was merged or applied, as the task does."""
        layer = have.layer
        return (layer.merged_diff_id, layer.merged_digest) if self._source.merge else (layer.diff_id, layer.digest)

    def _is_applied(self, have: DiffState) -> bool:
        """Tell whether the layer's record names the wanted tar."""
        source = self._source
        diff_id, digest = self._recorded(have)
        if source.diff_id is None and source.digest is None:
            return digest is not None and have.digest == digest
        wanted = ((source.diff_id, diff_id), (source.digest, digest))
        return all(want is None or want == recorded for want, recorded in wanted)


def _check_free(have: DiffState, digests: tuple[str, str | None, str | None]) -> None:
    """Raise LayerInUse for a layer whose content must not change now.

    digests: the name of a digest, that of the wanted content, and that of the layer's content, if it is recorded.
    """
    layer = have.layer
    check_empty_of_mounts(layer.id, have.inside, "change the content of")
    check_unused(layer, have.layers, "change the content of")
    if not layer.committed:
        return
    if have.filled:
        what, wanted, recorded = digests
        other = f": the {what} of that tar is {recorded}, of this one {wanted}" if recorded and wanted else ""
        raise LayerInUse(
            f"layer {layer.id} is sealed and has {'the content of another tar' if other else 'content'}{other}",
            hint="apply the tar to a new layer, which has another id",
            id=layer.id,
        )
    check_not_below_mounts(layer.id, have.layers.layers)
