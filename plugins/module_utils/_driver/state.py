# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users ask for and what we report, and the plan that leads from one to the other. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._errors import Overlay2Error
from .._store.layout import DIFF, MERGED, WORK

if t.TYPE_CHECKING:
    from .._store.lost import Lost
    from .run import Run


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


class StoreState(t.NamedTuple):
    """The part of a store that a plan is about.

    exists:   there is a store at home.
    layers:   by id: those asked about, and all that lie below (for a removal: above) them; a missing one has no key.
    children: ids right above, by id; known for those asked about.
    users:    who has a layer busy, in words, by id; looked for only where a plan may need it.
    inside:   what is mounted in a layer's directory, not on merged, by id; looked for where layers may go.
    lost:     damaged layers that may be built on any of them, and the command that mends each, "" for none that is
              sure to; looked for where layers may go.
    refusal:  why no layer can be made or mounted here; None if it can.
    quota:    why there can be no limits here; None if there can.
    defaults: limits of a new read-write layer, bytes and inodes; block: in how many bytes the filesystem counts.
    engine:   whose store it is, if not ours, as owner() says; needed: by id, why a layer must not be removed from it.
    strangers: those asked about whose name something else has that is no layer.
    root:     uid and gid of the remapped root.
    """

    home: str
    exists: bool
    layers: t.Mapping[str, LayerState]
    children: t.Mapping[str, tuple[str, ...]]
    users: t.Mapping[str, str]
    refusal: Overlay2Error | None = None
    quota: Overlay2Error | None = None
    defaults: tuple[int, int] = (0, 0)
    block: int = 512
    root: tuple[int, int] = (0, 0)
    engine: str | None = None
    needed: t.Mapping[str, Overlay2Error] = {}
    inside: t.Mapping[str, str] = {}
    strangers: frozenset[str] = frozenset()
    lost: tuple[tuple[Lost, str], ...] = ()


class Overtaken(Exception):
    """Another run was faster, or is still at work: look again once it is done, and plan anew. Nothing was done yet.

    layer: whose lock it holds; "" if there is nothing to wait for.
    """

    def __init__(self, layer: str = "") -> None:
        super().__init__(layer)
        self.layer = layer


class Action:
    """One step of a plan. All steps are prepared before the first is committed, so that what can fail fails early.

    writes: it changes something on the store's filesystem.
    """

    writes = True

    def describe(self) -> str:
        """Return what it does, in words that hold only what can be predicted."""
        return type(self).__name__

    def prepare(self, run: Run) -> None:
        """Do what takes long or may fail, out of sight: interrupted, it leaves litter at most. May raise Overtaken."""

    def commit(self, run: Run) -> None:
        """Make it so."""


class Plan(t.NamedTuple):
    """Steps from the state that was observed to *after*.

    after:    the state once they are done; what observing then tells.
    touches:  ids of layers that another run must not be working on meanwhile.
    long:     preparing takes long: the store's lock is given back before (the layer's own is held).
    """

    actions: tuple[Action, ...]
    after: t.Any
    warnings: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()
    long: bool = False

    @property
    def writes(self) -> bool:
        """Whether a step changes something on the store's filesystem."""
        return any(action.writes for action in self.actions)


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
