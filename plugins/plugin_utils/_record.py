# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a host on the controller: bounded in size, whatever the host says. Pure. PRIVATE to the collection.

A host may be hostile, so every value is made to be of its type, and no text is longer than it may be.

{"format": 1, "host": "...", "time": 1700000000.0, "state": "ok", "message": "", "hint": "", "store": {...},
 "problems": [{"code": "...", "level": 2, "message": "...", "hint": "..."}], "problem_count": 1,
 "lineages": [...], "plan": {...} or null, "cleanup": {...} or null, "tree": {...} or null}

state: ok, absent (no store there), failed, unreachable, or stopped (too many layers would have gone).
level: 3 what damages or stops a store, 2 what needs somebody, 1 what is good to know.
"""

from __future__ import annotations

import typing as t

from ._tree import bound, nodes_of
from ._values import count, mapping, rows, text

FORMAT = 1
PROBLEMS = 20
LINEAGES = 8
MESSAGE = 400  # characters
NAME = 255

_DAMAGE = (
    *("link_missing", "link_empty", "link_doubled", "link_astray", "lower_missing", "lower_malformed"),
    *("lower_unresolved", "diff_missing", "work_missing", "store_file_unreadable", "damaged_layers"),
    *("damaged_store",),
)
_IN_THE_WAY = (
    *("unreachable", "nested_overlay", "network_filesystem", "unsuitable_filesystem", "read_only"),
    *("no_d_type", "no_xattrs", "no_overlay", "not_root"),
)
_SOMEBODY = (
    *("nearly_full", "orphan", "layer_gone", "stale_volatile"),
    *("loose_mode", "owner_wrong", "stray_files", "hidden_mount"),
    *("other_layout", "unclaimed_store", "unread_layer"),
)
_GOOD_TO_KNOW = (
    *("no_native_diff", "no_project_quota", "not_persistent", "needs_userxattr", "not_probed"),
    *("dangling_link", "staging_leftover", "dead_holder", "leaked_project", "unsealed_parent"),
    *("stranger",),
)
STATES = ("ok", "absent", "failed", "unreachable", "stopped")


def make_record(
    host: str,
    time: float,
    facts: t.Any,
    plan: t.Any = None,
    done: t.Any = None,
    *,
    max_layers: int,
    check: bool = False,
) -> dict[str, t.Any]:
    """Return what is kept of a host that answered.

    facts: as overlay2_facts tells them, with summary and health. plan: what overlay2_prune tells in check mode; None
    where it was not asked. done: what it told when it ran, or failed with; check: it only told what it would do.
    """
    facts, plan = mapping(facts), mapping(plan)
    problems = _problems([*rows(facts.get("problems")), *rows(facts.get("health"))])
    nodes = nodes_of(rows(plan.get("layers")))
    record = _empty(host, time, "absent" if facts.get("exists") is False else "ok")
    record.update(
        store=_store(facts, nodes),
        problems=problems[:PROBLEMS],
        problem_count=len(problems),
        lineages=[_lineage(row) for row in rows(mapping(facts.get("summary")).get("lineages"))[:LINEAGES]],
        plan=_plan(plan) if plan else None,
        tree=bound(nodes, max_layers) if nodes else None,
    )
    _add_cleanup(record, mapping(done), check)
    return record


def make_failure(
    host: str,
    time: float,
    result: t.Any,
    done: t.Any = None,
    *,
    unreachable: bool = False,
    check: bool = False,
) -> dict[str, t.Any]:
    """Return what is kept of a host that could not tell. result: of the task that failed; done, check: as above."""
    record = _empty(host, time, "failed")
    _add_cleanup(record, mapping(done), check)
    # Last: the state is that of what failed now, whatever the run before did.
    add_failure(record, {**mapping(result), **({"unreachable": True} if unreachable else {})})
    return record


def add_failure(record: dict[str, t.Any], result: t.Any) -> None:
    """Tell in a record that a task failed, as the first of its problems. result: of that task."""
    result = mapping(result)
    state = "unreachable" if result.get("unreachable") is True else "failed"
    if result.get("error") == "too_many_layers":
        state = "stopped"
    message = text(result.get("msg"), MESSAGE) or "it failed without saying why"
    hint = text(result.get("hint"), MESSAGE)
    if state == "unreachable" and not hint:
        hint = "see whether the host is up, and what Ansible needs to log in"
    code = text(result.get("error"), NAME) or f"host_{state}"
    record.update(state=state, message=message, hint=hint)
    problem = {"code": code, "level": 3, "message": message, "hint": hint}
    record["problems"] = [problem, *record["problems"]][:PROBLEMS]
    record["problem_count"] += 1


def _empty(host: str, time: float, state: str) -> dict[str, t.Any]:
    return {
        "format": FORMAT,
        "host": text(host, NAME),
        "time": time,
        "state": state,
        "message": "",
        "hint": "",
        "store": None,
        "problems": [],
        "problem_count": 0,
        "lineages": [],
        "plan": None,
        "cleanup": None,
        "tree": None,
    }


def _store(facts: t.Mapping[str, t.Any], nodes: t.Sequence[t.Any]) -> dict[str, t.Any]:
    filesystem = mapping(facts.get("filesystem"))
    return {
        "home": text(facts.get("home"), MESSAGE),
        "managed_by": text(facts.get("managed_by"), NAME),
        "supported": facts.get("supported") is True,
        "backing_fs": text(facts.get("backing_fs"), NAME),
        "kernel": text(facts.get("kernel"), NAME),
        "mount_point": text(filesystem.get("mount_point"), MESSAGE),
        "size": count(filesystem.get("size")),
        "free": count(filesystem.get("free")),
        "inodes": count(filesystem.get("inodes")),
        "inodes_free": count(filesystem.get("inodes_free")),
        "layers": count(facts.get("layer_count")),
        "mounts": count(facts.get("mount_count")),
        "bytes": sum(node.bytes for node in nodes) if nodes else None,
    }


def _problems(findings: t.Iterable[t.Any]) -> list[dict[str, t.Any]]:
    """Return the problems, the worst first."""
    found = []
    for finding in map(mapping, findings):
        code = text(finding.get("code"), NAME)
        level = 3 if code in (*_DAMAGE, *_IN_THE_WAY) else 1 if code in _GOOD_TO_KNOW else 2  # _SOMEBODY, or unknown
        message, hint = (text(finding.get(key), MESSAGE) for key in ("message", "hint"))
        found.append({"code": code, "level": level, "message": message, "hint": hint})
    return sorted(found, key=lambda problem: -t.cast("int", problem["level"]))


def _lineage(row: t.Any) -> dict[str, t.Any]:
    row = mapping(row)
    numbers = {key: count(row.get(key)) for key in ("layers", "depth", "mounted", "held")}
    return {"base": text(row.get("base"), NAME), **numbers}


def _plan(plan: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    going = sum(mapping(layer).get("decision") == "remove" for layer in rows(plan.get("layers")))
    return {
        "layers": len(rows(plan.get("layers"))),
        "remove": going,
        "remove_bytes": count(plan.get("remove_bytes")),
        "litter": len(rows(plan.get("litter"))),
    }


def _add_cleanup(record: dict[str, t.Any], done: t.Mapping[str, t.Any], check: bool) -> None:
    """Tell what a run of overlay2_prune did, or why it did nothing."""
    if not done:
        return
    failed = done.get("failed") is True or done.get("unreachable") is True
    record["cleanup"] = {
        **_plan({} if failed else done),
        "pending_bytes": count(done.get("pending_bytes")),
        "check": check,
    }
    if failed:
        add_failure(record, done)
