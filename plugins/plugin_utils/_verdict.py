# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says of a record how bad the host's problems are, and the worst one in a line for people. Pure. PRIVATE."""

from __future__ import annotations

import typing as t

DAMAGE = "damage"  # something damages or stops the store
PROBLEMS = "problems"  # a person has to decide something, or the path has no store
NOTHING = "nothing"
GRADES = (DAMAGE, PROBLEMS, NOTHING)  # the worst first
WITHOUT_ANSWER = ("failed", "unreachable", "stopped")

_DAMAGES = 3  # the levels of problems, as in _record.py
_NEEDS_A_DECISION = 2


def grade(record: t.Mapping[str, t.Any]) -> str:
    """Return how bad the problems of a host are: one of GRADES. What is wrong where no store is damages none."""
    worst = max((problem["level"] for problem in record["problems"]), default=0)
    if record["state"] == "absent":
        return PROBLEMS
    if worst >= _DAMAGES:
        return DAMAGE
    return PROBLEMS if worst >= _NEEDS_A_DECISION else NOTHING


def describe_worst(record: t.Mapping[str, t.Any]) -> str:
    """Return the worst problem of a host with its remedy, in one line without the host's name; "" for none."""
    more = record["problem_count"] - 1
    rest = f"; and {more} more problem{'s' if more != 1 else ''}" if more > 0 else ""
    if record["state"] in WITHOUT_ANSWER:
        return f"{record['state']}: {record['message']}{_remedy(record)}{rest}"
    if record["state"] == "absent":
        return f"there is no store at {(record['store'] or {}).get('home') or 'the path'}"
    worst = grade(record)
    if worst == NOTHING:
        return ""
    first = record["problems"][0]
    return f"{'damage' if worst == DAMAGE else 'problem'}: {first['message']}{_remedy(first)}{rest}"


def _remedy(said: t.Mapping[str, t.Any]) -> str:
    """Return the remedy of a problem, or of a host without an answer, to follow its message."""
    if said.get("certain") and said.get("repair"):
        return "; remedy: run the playbook strata.overlay2.repair"
    return f"; remedy: {said['hint']}" if said["hint"] else ""
