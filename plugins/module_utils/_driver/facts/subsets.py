# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts about layers that overlay2_facts returns on request. PRIVATE to the collection."""

from __future__ import annotations

import functools
import typing as t

from ..._errors import StoreCorrupt, printable
from ..._store import holders
from ..._store.engine import CONTAINERD, find_engine
from ..._store.layout import DIFF, VANISHED
from ..probe.filesystem import merged_options
from ..probe.problems import Problem, damaged_layers, unread_layer
from ..state import LayerState, mounted_layer, reported
from ..store import Store

if t.TYPE_CHECKING:
    from ..layers.disk_usage import Tree
    from ..quota.projects import Use
    from .finding import Reported


class Details:
    """The facts about layers. ids: only these layers; None for all. problems: what gathering found."""

    def __init__(self, store: Store, features: t.Mapping[str, t.Any], ids: t.Sequence[str] | None) -> None:
        self.home = store.home
        self._store = store
        self._features = features
        self._only = ids
        self._trees: dict[str, Tree] | None = None  # the trees that usage() measured
        self.problems: list[Problem] = []

    def gather(self, subsets: t.Collection[str]) -> dict[str, t.Any]:
        """Return the fact of each of *subsets*; None if only root can read it. Raises OSError."""
        ways = {
            "layers": self.layers,
            "mounts": self.mounts,
            "usage": self.usage,
            "quotas": self.quotas,
            "health": self.health,
            "owners": self.owners,
            "summary": self.summary,  # after usage: the summary needs its sizes
        }
        if self._features["exists"] is None:
            return {name: None for name in ways if name in subsets}
        return {name: gather() for name, gather in ways.items() if name in subsets}

    def layers(self) -> dict[str, t.Any]:
        """Return the layers as overlay2_layer does, with the names of the images whose top layers they are.

        A damaged layer is left out, and becomes a problem. So does a record of an image that cannot be read.
        """
        from ..layers.images import Images, by_chain, read_images

        images = read_images(self.home) if self._layers else Images()
        if images.error:
            why = f"a record of an image cannot be read, so no layer has its images: {images.error}"
            self.problems.append(Problem("not_probed", why, "see the message of overlay2_image_info"))
        tops = by_chain(images.records, tops_only=True)
        return {
            layer.id: {
                **reported(self.home, layer),
                "images": [printable(name) for record in tops.get(layer.chain_id or "", ()) for name in record.names],
            }
            for layer in self._layers
        }

    def summary(self) -> dict[str, t.Any]:
        """Return the lineages: the largest ones one by one, and the sum of the others."""
        from .lineages import summarize

        return summarize(self._layers, self._trees)

    def mounts(self) -> dict[str, t.Any]:
        """Return the mount and the holders of each layer that is mounted or held."""
        from ..._linux.overlayfs import is_read_only  # only for this subset

        mounted = {mounted_layer(self.home, mount): mount for mount in self._store.mounts.values()}
        found = {}
        for id in self._ids:
            mount = mounted.get(id)
            try:
                ages = holders.ages(self.home, id)
            except OSError as error:
                self._miss(id, error)
                continue
            if mount is None and not ages:
                continue
            options = merged_options(mount) if mount else ""
            found[id] = {
                "path": printable(mount.mount_point) if mount else None,
                "mounted": mount is not None,
                "read_only": is_read_only(mount) if mount else None,
                "options": printable(options) if mount else None,
                "holders": list(ages),
                "held_seconds": [None if age is None else int(age) for age in ages.values()],
            }
        return found

    def usage(self) -> dict[str, t.Any]:
        """Return the sizes of the layers' own files. A layer without ``diff`` is left out.

        A layer that cannot be read has no sizes, and becomes a problem; the summary counts its readable files.
        """
        from ..layers.disk_usage import Moved, measure

        found: dict[str, dict[str, int | None]] = {}
        self._trees = {}
        for id in self._ids:
            try:
                used, tree = measure(f"{self.home}/{id}/{DIFF}")
            except (Moved, *VANISHED):
                continue
            self._trees[id] = tree
            found[id] = dict.fromkeys(used._fields) if tree.unread else used._asdict()
            if tree.unread:
                self._unread(id, tree.unread)
        return found

    def quotas(self) -> dict[str, t.Any]:
        """Return the limits and use of each layer, and the leaked limits; empty without project quota."""
        if not self._features["project_quota"]:
            return {"layers": {}, "leaked": []}
        from ..quota import projects

        found = {}
        for id in self._ids:
            try:
                found[id] = _limits_and_use(self._store.quota(id))
            except VANISHED:
                continue
            except OSError as error:
                self._miss(id, error)
        return {"layers": found, "leaked": [use._asdict() for use in projects.leaked(self.home)]}

    def health(self) -> list[dict[str, t.Any]]:
        """Return the findings; only those of the layers in *ids*, if given."""
        if self._features["exists"]:
            from .check import examine_store

            findings = examine_store(self.home, self._store)
        else:
            findings = self._gone_snapshots()
        told = (finding._asdict() for finding in findings)
        return [finding for finding in told if self._only is None or finding["subject"] in self._only]

    def _gone_snapshots(self) -> list[Reported]:
        """Return the snapshots of containerd that are gone. That they cannot be told becomes a problem."""
        engine = find_engine(self.home)
        if engine is None or engine.name != CONTAINERD:
            return []
        from .gone_snapshots import find_gone
        from .owners import Untold

        try:
            return find_gone(engine)
        except (Untold, OSError) as error:
            why = f"whether layers are gone cannot be told: {error}"
            self.problems.append(Problem("not_probed", why, "see the message"))
            return []

    def owners(self) -> dict[str, list[dict[str, str | None]]] | None:
        """Return what the engine uses each layer for; None if that cannot be told, which becomes a problem."""
        from .owners import Untold, owners_of

        try:
            found = owners_of(self._store, *self._all_layers())
        except (Untold, OSError) as error:
            why = f"the owners of the layers cannot be told: {error}"
            self.problems.append(
                Problem("not_probed", why, "see the findings of health, and have the engine repair them")
            )
            return None
        return {id: uses for id, uses in found.items() if self._only is None or id in self._only}

    def _all_layers(self) -> tuple[list[str], list[LayerState]]:
        """Return the ids of all layers, and those layers that can be read. A container needs layers beside *ids*."""
        details = self if self._only is None else Details(self._store, self._features, None)
        return details._ids, details._layers

    def _miss(self, id: str, error: OSError) -> None:
        """Note *error* as the problem of a layer."""
        from ..layers.disk_usage import why_unread

        self._unread(id, why_unread(error, f"{self.home}/{id}"))

    def _unread(self, id: str, why: str) -> None:
        """Note that a layer cannot be read. Several subsets may find the same problem: keep it once."""
        problem = unread_layer(id, why)
        if problem not in self.problems:
            self.problems.append(problem)

    @functools.cached_property
    def _layers(self) -> list[LayerState]:
        """The layers. A damaged layer is left out, and becomes a problem."""
        found = []
        damaged = []
        self._store.files.read_ahead(self._ids)
        for id in self._ids:
            try:
                layer = self._store.layer(id)
            except StoreCorrupt:
                damaged.append(id)
                continue
            except VANISHED:
                continue
            except OSError as error:
                self._miss(id, error)
                continue
            if layer is not None:
                found.append(layer)
        self.problems += damaged_layers(damaged)
        return found

    @functools.cached_property
    def _ids(self) -> list[str]:
        if not self._features["exists"]:
            return []
        try:
            there = self._store.files.ids
        except VANISHED:
            return []
        return sorted(there) if self._only is None else [id for id in dict.fromkeys(self._only) if id in there]


def _limits_and_use(use: Use | None) -> dict[str, int | None]:
    """Return the facts about a project. Without a project, the kernel does not count the use of a layer."""
    if use:
        return use._asdict()
    return {"project_id": None, "size_limit": 0, "inodes_limit": 0, "size_used": None, "inodes_used": None}
