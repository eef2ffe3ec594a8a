# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record read back from a file that somebody else may have written. Pure. PRIVATE to the collection.

Each value is made anew as _record.py makes it, so the result always has the types, bounds and references of a record.
If a value changes by that, this collection did not write the file.
"""

from __future__ import annotations

import math
import typing as t

from ._record import FORMAT, LINEAGES, MESSAGE, NAME, PROBLEMS, STATES
from ._stores import restore_stores
from ._tree import ID, MOST, REASON
from ._values import count, mapping, rows, text

SUM = 2**100  # greater than any sum over the layers of a store

_STORE_TEXTS = {"home": MESSAGE, "managed_by": NAME, "backing_fs": NAME, "kernel": NAME, "mount_point": MESSAGE}
_STORE_COUNTS = ("size", "free", "inodes", "inodes_free", "layers", "mounts")
_PLAN_COUNTS = ("layers", "remove", "remove_bytes", "litter", "orphans", "orphan_bytes")
_LINEAGE_COUNTS = ("layers", "depth", "mounted", "held")
_HIDDEN = 3  # numbers about the nodes left out


def restore(value: t.Any, host: str) -> dict[str, t.Any] | None:
    """Return *value*, any JSON, as the record of *host*; None if it is not one."""
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
        "stores": _optional(restore_stores, given.get("stores")),
    }
    is_told = record["store"] is not None or record["state"] != "ok"
    return record if record == given and is_told else None


def _optional(make: t.Callable[[t.Mapping[str, t.Any]], dict[str, t.Any]], value: t.Any) -> dict[str, t.Any] | None:
    return make(value) if isinstance(value, dict) else None


def _seconds(value: t.Any) -> float:
    """Return *value* as seconds since the epoch; 0.0 if it is not a finite float."""
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
    texts = {"code": NAME, "message": MESSAGE, "hint": MESSAGE, "repair": MESSAGE}
    level = min(max(1, count(value.get("level"))), 3)
    certain = value.get("certain") is True
    return {**{key: text(value.get(key), length) for key, length in texts.items()}, "level": level, "certain": certain}


def _lineage(value: t.Any) -> dict[str, t.Any]:
    value = mapping(value)
    return {"base": text(value.get("base"), NAME), **_counts(value, _LINEAGE_COUNTS)}


def _plan(value: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return _counts(value, _PLAN_COUNTS)


def _cleanup(value: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {**_counts(value, (*_PLAN_COUNTS, "pending_bytes")), "check": value.get("check") is True}


def _tree(value: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return *value* as a tree of bound(), with each id once and parents before children; {} if it is not one."""
    reasons, nodes = rows(value.get("reasons")), rows(value.get("nodes"))
    hidden = [count(number, SUM) for number in rows(value.get("hidden"))[:_HIDDEN]]
    told = all(text(reason, REASON) == reason for reason in reasons)
    told = told and all(_is_node(row, place, len(reasons)) for place, row in enumerate(nodes))
    if not told or len(hidden) != _HIDDEN or len(nodes) > MOST or len({row[0] for row in nodes}) != len(nodes):
        return {}
    return {"reasons": reasons, "nodes": nodes, "hidden": hidden}


def _is_node(row: t.Any, place: int, reasons: int) -> bool:
    """Tell whether *row* can be node number *place* of a tree. Only checks: making 60 nodes a host anew is slow."""
    if not isinstance(row, list) or len(row) != 6 + _HIDDEN:
        return False
    id, parent, *numbers = row
    if not isinstance(id, str) or not 0 < len(id) <= ID or not id.isprintable():
        return False
    if not _is_number(parent) or not -1 <= parent < place:
        return False
    return all(_is_number(number) and 0 <= number <= SUM for number in numbers) and row[2] < 2 and row[3] < reasons


def _is_number(value: t.Any) -> bool:
    """Tell whether a value read from JSON is a whole number; true is not."""
    return isinstance(value, int) and not isinstance(value, bool)
