# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Summaries of the records of all hosts. Only one record is in memory at a time. PRIVATE to the collection."""

from __future__ import annotations

import collections
import json
import typing as t

from ._metrics import metrics
from ._record import make_failure
from ._records import read_record
from ._tree import trim
from ._verdict import DAMAGE, NOTHING, PROBLEMS, WITHOUT_ANSWER, describe_worst, grade

NODES = 100_000  # of all trees on a page together: some 15 MB
LEAST = 8  # nodes of a tree, however many hosts there are
SHOWN = 20  # greatest number of hosts in a text
SUMS = (
    *("layers", "remove", "remove_bytes", "removed", "removed_bytes", "pending_bytes"),
    *("orphan_bytes", "foreign", "damaged", "with_problems"),
)
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
NOT_REACHED = {
    "msg": "the run did not reach this host",
    "hint": "read what the run printed about this host: an earlier task may have failed there",
}
# Characters that JSON within a script element of HTML must not contain.
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


Warn = t.Callable[[str], object]


def records(
    directory: str, hosts: t.Collection[str], since: float, warn: Warn, others: t.Iterable[str] = ()
) -> t.Iterator[dict[str, t.Any]]:
    """Yield a record for each of *hosts*, in their order. A host without a record since *since* was not reached.

    Then yield the last record of each of *others* that has one, with "earlier": True.
    warn: called with a text for each file that is not a record, at most SHOWN times.
    """
    refused: list[str] = []
    for host in hosts:
        record = read_record(directory, host, since, refused.append)
        yield {**(record or make_failure(host, since, NOT_REACHED, unreachable=True)), "earlier": False}
    for host in sorted({*others}.difference(hosts)):
        record = read_record(directory, host, 0, refused.append)
        if record:
            yield {**record, "earlier": True}
    for text in refused[:SHOWN]:
        warn(text)
    if len(refused) > SHOWN:
        warn(f"{len(refused) - SHOWN} more files in {directory} are left out, because they are not records")


def page_data(directory: str, hosts: t.Sequence[str], since: float, warn: Warn, others: t.Collection[str] = ()) -> str:
    """Return the records as JSON for a script element, with the trees cut so that all fit on one page."""
    limit = max(LEAST, NODES // max(1, len({*hosts, *others})))
    parts = []
    for record in records(directory, hosts, since, warn, others):
        if record["tree"] and len(record["tree"]["nodes"]) > limit:
            record["tree"] = trim(record["tree"], limit)
        parts.append(json.dumps(record, separators=(",", ":")).translate(_ESCAPES))
    return "[" + ",\n".join(parts) + "]"


def prometheus(directory: str, hosts: t.Sequence[str], since: float, warn: Warn, others: t.Collection[str] = ()) -> str:
    """Return the numbers of all hosts as text for Prometheus."""
    return metrics(records(directory, hosts, since, warn, others))


def summary(
    directory: str, hosts: t.Sequence[str], since: float, warn: Warn, _others: t.Collection[str] = ()
) -> dict[str, t.Any]:
    """Return the sums over *hosts*, and at most SHOWN lines for people, hosts with a failure first."""
    states: collections.Counter[str] = collections.Counter()
    sums: collections.Counter[str] = collections.Counter()
    lines: list[tuple[int, str]] = []
    for record in records(directory, hosts, since, warn):
        states[record["state"]] += 1
        _sum_up(record, sums)
        lines.append(_line(record))
    lines.sort(key=lambda line: line[0])
    texts = [line for _unused, line in lines[:SHOWN]]
    if len(lines) > SHOWN:
        texts.append(f"and {len(lines) - SHOWN} more hosts")
    found = {**dict.fromkeys(SUMS, 0), **sums}
    by_state = ", ".join(f"{number} {state}" for state, number in states.items())
    text = f"{_hosts(len(hosts))}: {by_state}; "
    text += f"{_number(found['layers'], 'layer')}, "
    text += f"{found['removed']} removed in this run ({human(found['removed_bytes'])}), "
    text += f"{found['remove']} more may go ({human(found['remove_bytes'])})"
    if found["orphan_bytes"]:
        text += f"; orphans of other engines take {human(found['orphan_bytes'])}"
    for key, word in (("damaged", "damage"), ("with_problems", "problems")):
        text += f"; {word} on {_hosts(found[key])}" if found[key] else ""
    return {"hosts": len(hosts), "states": dict(states), **found, "text": text, "lines": texts}


def _number(number: int, of: str) -> str:
    return f"{number} {of}{'s' if number != 1 else ''}"


def _hosts(number: int) -> str:
    return _number(number, "host")


def _sum_up(record: t.Mapping[str, t.Any], sums: collections.Counter[str]) -> None:
    store, plan, done = (record[key] or {} for key in ("store", "plan", "cleanup"))
    worst, answered = grade(record), record["state"] not in WITHOUT_ANSWER
    sums.update(
        layers=done.get("layers") or store.get("layers", 0),
        remove=plan.get("remove", 0),
        remove_bytes=plan.get("remove_bytes", 0),
        removed=done["remove"] if done and not done["check"] else 0,
        removed_bytes=done["remove_bytes"] if done and not done["check"] else 0,
        pending_bytes=done.get("pending_bytes", 0),
        orphan_bytes=0 if plan.get("remove") else plan.get("orphan_bytes", 0),
        foreign=int(bool(store.get("managed_by"))),
        damaged=int(answered and worst == DAMAGE),
        with_problems=int(answered and worst == PROBLEMS),
    )


def _line(record: t.Mapping[str, t.Any]) -> tuple[int, str]:
    """Return the rank of a host in the list, the worst first, and its line."""
    host, done, worst = record["host"], record["cleanup"], describe_worst(record)
    if record["state"] in WITHOUT_ANSWER:
        return 0, f"{host}: {worst}{_went_before(done)}"
    if record["state"] == "absent":
        return 2, f"{host}: {worst}"
    owner = f"of {record['store']['managed_by']}, " if record["store"]["managed_by"] else ""
    if done and record["plan"]:
        gone = _gone(done)
    else:
        plan = record["plan"] or {"remove": 0, "remove_bytes": 0}
        gone = f"{plan['remove']} of {record['store']['layers']} layers may go, {human(plan['remove_bytes'])}"
    rank = {DAMAGE: 1, PROBLEMS: 2, NOTHING: 3}[grade(record)]
    return rank, f"{host}: {owner}{gone}{_orphans(record)}{'; ' if worst else ''}{worst}"


def _orphans(record: t.Mapping[str, t.Any]) -> str:
    """Return what the orphans take that stay in the store of another engine, to follow a host's line; "" if none."""
    plan = record["plan"]
    if not plan or not plan["orphan_bytes"] or plan["remove"]:
        return ""
    engine, number = record["store"]["managed_by"], plan["orphans"]
    what = f"{_number(number, 'orphan')}, {human(plan['orphan_bytes'])}"
    return f"; {what}, may go with {engine} stopped and foreign: remove"


def _gone(done: t.Mapping[str, t.Any]) -> str:
    would = "would remove" if done["check"] else "removed"
    what = f"{done['remove']} of {done['layers']} layers"
    if not done["remove"] and done.get("litter"):
        what = f"no layer of {done['layers']}, but litter"
    return f"{would} {what}, {human(done['remove_bytes'])}"


def _went_before(done: t.Mapping[str, t.Any] | None) -> str:
    """Return what the cleanup did before the host failed, to follow the failure's message; "" if nothing."""
    return f"; before that {_gone(done)}" if done and (done["remove"] or done["remove_bytes"]) else ""


def human(size: int) -> str:
    """Return bytes as people read them: 1536 -> "1.5 KiB"."""
    number, unit = float(size), 0
    while number >= 1024 and unit < len(UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:.0f} {UNITS[unit]}" if unit == 0 or number >= 100 else f"{number:.1f} {UNITS[unit]}"
