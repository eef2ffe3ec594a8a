# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts about layers that overlay2_facts returns on request. PRIVATE to the collection.

The code of a subset is imported when the subset is asked for: each import is compiled on every host.
"""

from __future__ import annotations

import typing as t

from ..._errors import printable
from ..probe.problems import Problem
from ..state import reported
from .details import Details

if t.TYPE_CHECKING:
    from .finding import Reported


def gather(details: Details, subsets: t.Collection[str]) -> dict[str, t.Any]:
    """Return the fact of each of *subsets*; None if only root can read it. Raises OSError."""
    if details.features["exists"] is None:
        return {name: None for name in _WAYS if name in subsets}
    return {name: way(details) for name, way in _WAYS.items() if name in subsets}


def _layers(details: Details) -> dict[str, t.Any]:
    """Return the layers as overlay2_layer does, with the names of the images whose top layers they are.

    A damaged layer is left out, and becomes a problem. So does a record of an image that cannot be read.
    """
    from ..layers.images import Images, by_chain, read_images

    images = read_images(details.home) if details.layers else Images()
    if images.error:
        why = f"a record of an image cannot be read, so layers may be of more images than are told: {images.error}"
        details.problems.append(Problem("not_probed", why, "see the message of overlay2_image_info"))
    tops = by_chain(images.records, tops_only=True)
    return {
        layer.id: {
            **reported(details.home, layer),
            "images": [printable(name) for record in tops.get(layer.chain_id or "", ()) for name in record.names],
        }
        for layer in details.layers
    }


def _mounts(details: Details) -> dict[str, t.Any]:
    from .mounts import mounts_of

    return mounts_of(details)


def _usage(details: Details) -> dict[str, t.Any]:
    from .usage import usage_of

    return usage_of(details)


def _quotas(details: Details) -> dict[str, t.Any]:
    from .quotas import quotas_of

    return quotas_of(details)


def _summary(details: Details) -> dict[str, t.Any]:
    """Return the lineages: the largest ones one by one, and the sum of the others."""
    from .lineages import summarize

    return summarize(details.layers, details.trees)


def _health(details: Details) -> list[dict[str, t.Any]]:
    """Return the findings; only those of the layers that are told, if not all are."""
    if details.features["exists"]:
        from .check import examine_store

        findings = examine_store(details.home, details.store)
    else:
        findings = _gone_snapshots(details)
    told = (finding._asdict() for finding in findings)
    return [finding for finding in told if details.tells(finding["subject"])]


def _gone_snapshots(details: Details) -> list[Reported]:
    """Return the snapshots of containerd that are gone. That they cannot be told becomes a problem."""
    from ..._store.engine import CONTAINERD, find_engine

    engine = find_engine(details.home)
    if engine is None or engine.name != CONTAINERD:
        return []
    from .gone_snapshots import find_gone
    from .owners import Untold

    try:
        return find_gone(engine)
    except (Untold, OSError) as error:
        why = f"whether layers are gone cannot be told: {error}"
        details.problems.append(Problem("not_probed", why, "see the message"))
        return []


def _owners(details: Details) -> dict[str, list[dict[str, str | None]]] | None:
    """Return what the engine uses each layer for; None if that cannot be told, which becomes a problem."""
    from .owners import Untold, owners_of

    try:
        found = owners_of(details.store, *details.all_layers())
    except (Untold, OSError) as error:
        why = f"the owners of the layers cannot be told: {error}"
        details.problems.append(
            Problem("not_probed", why, "see the findings of health, and have the engine repair them")
        )
        return None
    return {id: uses for id, uses in found.items() if details.tells(id)}


_WAYS: dict[str, t.Callable[[Details], t.Any]] = {
    "layers": _layers,
    "mounts": _mounts,
    "usage": _usage,
    "quotas": _quotas,
    "health": _health,
    "owners": _owners,
    "summary": _summary,  # after usage: the summary needs its sizes
}
