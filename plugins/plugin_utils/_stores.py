# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of all layer stores of a host: a few numbers of the largest. Pure. PRIVATE to the collection.

{"rows": [{"engine": "docker", "kind": "overlay2", "home": "/var/lib/docker/overlay2", "state": "idle", "layers": 9,
           "bytes": 5000, "unneeded": {"user": [3, 4096]}}],
 "left_out": 0}

unneeded: by who removes it, the number of things and their bytes, null if unknown; null as a whole if it is not known.
"""

from __future__ import annotations

import typing as t

from ._values import count, mapping, rows, text

STORES = 6
HOME = 120  # characters
WORD = 20
SUM = 2**100  # greater than any sum over the stores of a host
_STATES = ("active", "idle", "abandoned", "unknown")
_WAYS = ("overlay2_prune", "engine", "user")


def stores_of(facts: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """Return what is kept of the subset ``stores`` of overlay2_facts, None if it was not gathered."""
    if "stores" not in facts:
        return None
    found = [mapping(row) for row in rows(facts["stores"])]
    # A user can make up the sizes of stores, so those of root are kept before them; the order stays.
    places = sorted(range(len(found)), key=lambda place: (found[place].get("owner") != "root", place))[:STORES]
    chosen = [found[place] for place in sorted(places)]
    kept = [{**_plain(row), "unneeded": _unneeded(row.get("unneeded"))} for row in chosen]
    return {"rows": kept, "left_out": count(facts.get("stores_left_out")) + len(found) - len(kept)}


def restore_stores(value: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return *value*, any JSON object, in the form of stores_of()."""
    given = [mapping(row) for row in rows(value.get("rows"))[:STORES]]
    kept = [{**_plain(row), "unneeded": _restored(row.get("unneeded"))} for row in given]
    return {"rows": kept, "left_out": count(value.get("left_out"), SUM)}


def _plain(row: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    state = row.get("state")
    return {
        "engine": text(row.get("engine"), WORD),
        "kind": text(row.get("kind"), WORD),
        "home": text(row.get("home"), HOME),
        "state": state if state in _STATES else _STATES[-1],
        "layers": _number(row.get("layers")),
        "bytes": _number(row.get("bytes")),
    }


def _unneeded(value: t.Any) -> dict[str, t.Any] | None:
    if not isinstance(value, list):
        return None
    found: dict[str, t.Any] = {}
    for row in map(mapping, value):
        way = row.get("by")
        if way in _WAYS:
            number, size = found.get(way, (0, 0))
            more = _number(row.get("bytes"))
            found[way] = [number + count(row.get("count")), None if size is None or more is None else size + more]
    return found


def _restored(value: t.Any) -> dict[str, t.Any] | None:
    if not isinstance(value, dict):
        return None
    pairs = {way: rows(value[way]) for way in _WAYS if way in value}
    return {way: [count(pair[0], SUM), _number(pair[1])] for way, pair in pairs.items() if len(pair) == 2}


def _number(value: t.Any) -> int | None:
    return None if value is None else count(value, SUM)
