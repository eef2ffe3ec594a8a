# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a layer, and how results show the layer. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._store.layout import DIFF, MERGED, WORK

if t.TYPE_CHECKING:
    from .._linux.mountinfo import Mount


class LayerState(t.NamedTuple):
    """A layer as observed, or as it is after a plan.

    link:            the layer's name in l/; None for a layer that is only planned.
    lowers:          ids, nearest first.
    committed:       the layer is marked, or has children.
    marked:          the file "committed" exists.
    read_write:      a container's layer; None without a record of ours (a layer of dockerd).
    mounted:         there is an overlay on merged.
    writable:        the overlay on merged has an upperdir, or another mount namespace has an overlay that writes here.
    size_limit:      bytes; 0 for no limit. inodes_limit: files and directories; 0 for no limit.
    project_id:      None for no project.
    diff_id, digest: of the tar last applied as the whole content; None if not known.
    chain_id:        of the layer and all layers below; None unless all their diff ids are known.
    merged_*:        the diff id and the digest of the tar last merged into the content.
    lent:            by id, the path of the content of each lower that lies in another store.
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
        """Whether a digest of the content is recorded."""
        return any((self.diff_id, self.digest, self.merged_diff_id, self.merged_digest))

    def with_unknown_content(self) -> LayerState:
        """Return the layer without the digests of its content."""
        return self._replace(diff_id=None, digest=None, chain_id=None, merged_diff_id=None, merged_digest=None)

    @property
    def parent(self) -> str:
        """The id of the layer right below; "" if there is none."""
        return self.lowers[0] if self.lowers else ""


def mounted_layer(home: str, mount: Mount) -> str:
    """Return the id of the layer if *mount* is an overlay on its merged; "" for any other mount."""
    if mount.fstype != "overlay" or not mount.mount_point.startswith(home + "/"):
        return ""
    layer_id, _slash, rest = mount.mount_point[len(home) + 1 :].partition("/")
    return layer_id if rest == MERGED else ""


def reported(home: str, layer: LayerState) -> dict[str, t.Any]:
    """Return a layer as results show it. The paths are always there, as in Docker's GetMetadata."""
    path = f"{home}/{layer.id}"
    return {
        "id": layer.id,
        "parent": layer.parent,
        "depth": len(layer.lowers),
        "link": layer.link,
        "lower_dirs": [layer.lent.get(lower) or f"{home}/{lower}/{DIFF}" for lower in layer.lowers]
        if layer.lent
        else [f"{home}/{lower}/{DIFF}" for lower in layer.lowers],
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
    """Return the predictable part of a layer's state, for a diff: without link and project id.

    Values that most layers lack are left out if empty: people read a diff of 1,000 layers, and the host sends it.
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
