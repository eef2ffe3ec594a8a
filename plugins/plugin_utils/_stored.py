# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record that was read back from a file, which others may have written. Pure. PRIVATE to the collection.

Each value is made anew as _record.py makes it, so what comes out has the types, bounds and references of a record
whatever went in. A file whose values change by that was not written by this collection.
"""

from __future__ import annotations

import math
import typing as t

from ._record import FORMAT, LINEAGES, MESSAGE, NAME, PROBLEMS, STATES
from ._tree import ID, MOST, REASON
from ._values import count, mapping, rows, text

SUM = 2**100  # greater than any sum of what layers have

_STORE_TEXTS = {"home": MESSAGE, "managed_by": NAME, "backing_fs": NAME, "kernel": NAME, "mount_point": MESSAGE}
_STORE_COUNTS = ("size", "free", "inodes", "inodes_free", "layers", "mounts")
_PLAN_COUNTS = ("layers", "remove", "remove_bytes", "litter")
_LINEAGE_COUNTS = ("layers", "depth", "mounted", "held")
_HIDDEN = 3  # numbers that tell of what is left out


def restore(value: t.Any, host: str) -> dict[str, t.Any] | None:
    """Return the record of *host* that *value*, which is JSON of any kind, holds; None if it is not one."""
    given = mapping(value)
    record: dict[str, t.Any] = {
        "format": FORMAT,
        "host": text(host, NAME),
        "time": _seconds(given.get("time")),
        "state": given.get("state") if given.get("state") in STATES else STATES[0],
        "message": text(given.get("message"), MESSAGE),
        "hint": text(given.get("hint"), MESSAGE),
        "store": _optional(_store, given.get("store")),
        "problems": [_problem(row) for row in rows(given.get("problems"))[:PROBLEMS]],
        "problem_count": count(given.get("problem_count")),
        "lineages": [_lineage(row) for row in rows(given.get("lineages"))[:LINEAGES]],
        "plan": _optional(_plan, given.get("plan")),
        "cleanup": _optional(_cleanup, given.get("cleanup")),
        "tree": _optional(_tree, given.get("tree")),
    }
    is_told = record["store"] is not None or record["state"] != "ok"
    return record if record == given and is_told else None


def _optional(make: t.Callable[[t.Mapping[str, t.Any]], dict[str, t.Any]], value: t.Any) -> dict[str, t.Any] | None:
    return make(value) if isinstance(value, dict) else None


def _seconds(value: t.Any) -> float:
    """Return a time since the epoch; 0.0 for what is none."""
    return value if isinstance(value, float) and math.isfinite(value) else 0.0


def _counts(value: t.Mapping[str, t.Any], keys: t.Iterable[str], greatest: int = SUM) -> dict[str, t.Any]:
    return {key: count(value.get(key), greatest) for key in keys}


def _store(value: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    size = value.get("bytes")
    return {
        **{key: text(value.get(key), length) for key, length in _STORE_TEXTS.items()},
        **_counts(value, _STORE_COUNTS),
        "supported": value.get("supported") is True,
        "bytes": None if size is None else count(size, SUM),
    }


def _problem(value: t.Any) -> dict[str, t.Any]:
    value = mapping(value)
    texts = {"code": NAME, "message": MESSAGE, "hint": MESSAGE}
    level = min(max(1, count(value.get("level"))), 3)
    return {**{key: text(value.get(key), length) for key, length in texts.items()}, "level": level}


def _lineage(value: t.Any) -> dict[str, t.Any]:
    value = mapping(value)
    return {"base": text(value.get("base"), NAME), **_counts(value, _LINEAGE_COUNTS)}


def _plan(value: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return _counts(value, _PLAN_COUNTS)


def _cleanup(value: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {**_counts(value, (*_PLAN_COUNTS, "pending_bytes")), "check": value.get("check") is True}


def _tree(value: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return a tree as bound() makes it: each id once, parents before what is built on them."""
    reasons = [text(reason, REASON) for reason in rows(value.get("reasons"))[:MOST]]
    nodes: dict[str, list[t.Any]] = {}
    for row in rows(value.get("nodes"))[:MOST]:
        node = _node(rows(row), len(nodes), len(reasons))
        if node:
            nodes[node[0]] = node
    return {"reasons": reasons, "nodes": list(nodes.values()), "hidden": _hidden(rows(value.get("hidden")))}


def _node(row: t.Sequence[t.Any], place: int, reasons: int) -> list[t.Any] | None:
    """Return a row of a tree, the first or one that others stand before; None for what is none."""
    if len(row) != 6 + _HIDDEN:
        return None
    id, parent, goes, reason, *numbers = row
    parent = count(parent, place - 1) if parent != -1 else -1
    sums = [count(number, SUM) for number in numbers]
    if not text(id, ID) or count(reason) >= reasons:
        return None
    return [text(id, ID), parent, min(count(goes), 1), count(reason), *sums]


def _hidden(row: t.Sequence[t.Any]) -> list[int]:
    return [count(number, SUM) for number in (*row, 0, 0, 0)[:_HIDDEN]]
