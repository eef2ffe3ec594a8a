# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the record of a host that the controller keeps: of limited size, whatever the host sends. Pure. PRIVATE.

A host may be hostile: each value is converted to its type, and each text is cut to its limit.

{"format": 1, "host": "...", "time": 1700000000.0, "state": "ok", "message": "", "hint": "", "store": {...},
 "problems": [{"code": "...", "level": 2, "message": "...", "hint": "...", "repair": "...", "certain": false}],
 "problem_count": 1,
 "lineages": [...], "plan": {...} or null, "cleanup": {...} or null, "tree": {...} or null, "stores": {...} or null}

state: ok, absent (no store), failed, unreachable, or stopped (the run would remove too many layers).
level: 3 damages or stops a store, 2 needs a decision of a person, 1 is good to know.
repair: what overlay2_repair would do, "" for nothing; certain: it does so without being told more.
"""

from __future__ import annotations

import typing as t

from ._stores import stores_of
from ._tree import bound, nodes_of
from ._values import count, mapping, rows, text

FORMAT = 1
PROBLEMS = 20
LINEAGES = 8
MESSAGE = 400  # characters
NAME = 255

# By code of a finding or problem: its level. A code that stands nowhere here has level 2.
LEVELS = {
    code: level
    for level, codes in (
        (
            3,
            (
                *("link_missing", "link_empty", "link_doubled", "link_astray", "lower_missing", "lower_malformed"),
                *("lower_unresolved", "diff_missing", "work_missing", "committed_missing", "store_file_unreadable"),
                "damaged_layers",
                *("damaged_store", "unreachable", "nested_overlay", "network_filesystem", "unsuitable_filesystem"),
                *("read_only", "no_d_type", "no_xattrs", "no_overlay", "not_root"),
            ),
        ),
        (
            2,
            (
                *("nearly_full", "orphan", "layer_gone", "stale_volatile", "loose_mode", "owner_wrong", "stray_files"),
                *("hidden_mount", "other_layout", "unclaimed_store", "unread_layer", "project_doubled", "project_lost"),
                *("held_long",),
            ),
        ),
        (
            1,
            (
                *("no_native_diff", "no_project_quota", "not_persistent", "needs_userxattr", "not_probed"),
                *("dangling_link", "staging_leftover", "dead_holder", "leaked_project", "unsealed_parent"),
                *("stranger",),
            ),
        ),
    )
    for code in codes
}
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
    """Return the record of a host that answered.

    facts: of overlay2_facts, with the subsets summary and health. plan: the result of overlay2_prune in check mode;
    None if the run did not ask for a plan. done: the result of overlay2_prune, failed or not; check: it ran in check
    mode.
    """
    facts, plan = mapping(facts), mapping(plan)
    # Of the same level, findings first: each names what is wrong, where a problem only says that something is.
    problems = _problems([*rows(facts.get("health")), *rows(facts.get("problems"))])
    nodes = nodes_of(rows(plan.get("layers")))
    has_store = facts.get("exists") is not False or facts.get("managed_by") == "containerd"
    record = _empty(host, time, "ok" if has_store else "absent")
    record.update(
        store=_store(facts, nodes),
        problems=problems[:PROBLEMS],
        problem_count=len(problems),
        lineages=[_lineage(row) for row in rows(mapping(facts.get("summary")).get("lineages"))[:LINEAGES]],
        plan=_plan(plan) if plan else None,
        tree=bound(nodes, max_layers) if nodes else None,
        stores=stores_of(facts),
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
    """Return the record of a host whose task failed. result: of this task; done, check: as in make_record."""
    record = _empty(host, time, "failed")
    _add_cleanup(record, mapping(done), check)
    # Last: the state is of the task that failed now, whatever overlay2_prune did before.
    add_failure(record, {**mapping(result), **({"unreachable": True} if unreachable else {})})
    return record


def add_failure(record: dict[str, t.Any], result: t.Any) -> None:
    """Add a failed task to a record, as the first of its problems. result: of this task."""
    result = mapping(result)
    state = "unreachable" if result.get("unreachable") is True else "failed"
    if result.get("error") == "too_many_layers":
        state = "stopped"
    message = text(result.get("msg"), MESSAGE) or "the task failed without a message"
    hint = text(result.get("hint"), MESSAGE)
    if state == "unreachable" and not hint:
        hint = "check that the host is up, and that Ansible can log in"
    code = text(result.get("error"), NAME) or f"host_{state}"
    record.update(state=state, message=message, hint=hint)
    problem = {"code": code, "level": 3, "message": message, "hint": hint, "repair": "", "certain": False}
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
        "stores": None,
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
        texts = {key: text(finding.get(key), MESSAGE) for key in ("message", "hint", "repair")}
        certain = finding.get("certain") is True
        found.append({"code": code, "level": LEVELS.get(code, 2), **texts, "certain": certain})
    return sorted(found, key=lambda problem: -t.cast("int", problem["level"]))


def _lineage(row: t.Any) -> dict[str, t.Any]:
    row = mapping(row)
    numbers = {key: count(row.get(key)) for key in ("layers", "depth", "mounted", "held")}
    return {"base": text(row.get("base"), NAME), **numbers}


def _plan(plan: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    layers = [mapping(layer) for layer in rows(plan.get("layers"))]
    going = sum(layer.get("decision") == "remove" for layer in layers)
    return {
        "layers": len(layers),
        "remove": going,
        "remove_bytes": count(plan.get("remove_bytes")),
        "litter": len(rows(plan.get("litter"))),
        "orphans": sum(str(layer.get("reason")).startswith("orphan") for layer in layers),
        "orphan_bytes": count(plan.get("orphan_bytes")),
    }


def _add_cleanup(record: dict[str, t.Any], done: t.Mapping[str, t.Any], check: bool) -> None:
    """Add what a run of overlay2_prune did, or why it did nothing."""
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
