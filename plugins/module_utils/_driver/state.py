# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a layer, and what results tell of it. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._store.layout import DIFF, MERGED, WORK


class LayerState(t.NamedTuple):
    """A layer as it is, or as a plan says it will be.

    link:            name in l/; None for one that is only planned.
    lowers:          ids, nearest first.
    committed:       marked, or with children; marked: the file that says so is there.
    read_write:      a container's layer; None where we have no record (dockerd's).
    mounted:         there is an overlay on its merged.
    writable:        that has an upperdir, or one in another mount namespace does.
    size_limit:      bytes; inodes_limit: files and directories; 0 means none.
    project_id:      None if it has none.
    diff_id, digest: of the tar last applied as its whole content; chain_id: of it with all below, if all are known.
    merged_*:        digests of the tar last merged into its content.
    lent:            the paths of the content of lowers that lie in another store, by id.
    """

    id: str
    link: str | None
    lowers: tuple[str, ...]
    committed: bool = False
    read_write: bool | None = None
    mounted: bool = False
    writable: bool = False
    holders: tuple[str, ...] = ()
    size_limit: int = 0
    inodes_limit: int = 0
    project_id: int | None = None
    diff_id: str | None = None
    digest: str | None = None
    chain_id: str | None = None
    merged_diff_id: str | None = None
    merged_digest: str | None = None
    marked: bool = False
    lent: t.Mapping[str, str] = {}

    @property
    def knows_content(self) -> bool:
        """Whether something is recorded of its content."""
        return any((self.diff_id, self.digest, self.merged_diff_id, self.merged_digest))

    def with_unknown_content(self) -> LayerState:
        """Return it with nothing recorded of its content."""
        return self._replace(diff_id=None, digest=None, chain_id=None, merged_diff_id=None, merged_digest=None)

    @property
    def parent(self) -> str:
        """The id of the layer right below; "" if there is none."""
        return self.lowers[0] if self.lowers else ""


def reported(home: str, layer: LayerState) -> dict[str, t.Any]:
    """Return a layer as results show it; paths always, as Docker's GetMetadata does."""
    path = f"{home}/{layer.id}"
    return {
        "id": layer.id,
        "parent": layer.parent,
        "depth": len(layer.lowers),
        "link": layer.link,
        "lower_dirs": [layer.lent.get(lower, f"{home}/{lower}/{DIFF}") for lower in layer.lowers],
        "upper_dir": f"{path}/{DIFF}",
        "work_dir": f"{path}/{WORK}",
        "merged_dir": f"{path}/{MERGED}",
        "committed": layer.committed,
        "read_write": layer.read_write,
        "mounted": layer.mounted,
        "holders": list(layer.holders),
        "size_limit": layer.size_limit,
        "inodes_limit": layer.inodes_limit,
        "project_id": layer.project_id,
        "diff_id": layer.diff_id,
        "digest": layer.digest,
        "chain_id": layer.chain_id,
    }


def predictable(layer: LayerState | None) -> dict[str, t.Any] | None:
    """Return the part of a layer's state that a diff may show: neither link nor project id.

    What most layers have not is left out of those: a diff of 1,000 layers is to be read, and sent.
    """
    if layer is None:
        return None
    seldom = {
        "mounted": layer.mounted,
        "holders": list(layer.holders),
        "size_limit": layer.size_limit,
        "inodes_limit": layer.inodes_limit,
        "diff_id": layer.diff_id,
    }
    always = {"parent": layer.parent, "committed": layer.committed, "read_write": layer.read_write}
    return {**always, **{name: value for name, value in seldom.items() if value}}
