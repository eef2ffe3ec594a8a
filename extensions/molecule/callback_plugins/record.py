# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record what each play really did, for dev.d/molecule.py: a play that does nothing looks like one that works."""

from __future__ import annotations

import collections
import importlib
import json
import os
import typing as t

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: record
type: aggregate
short_description: Write the outcomes of plays to the file that STRATA_RECORD names
description:
  - Writes one line of JSON for each play and machine, with the playbook, the path of our collection, and the
    outcomes of the tasks. A play without machines has a line too.
"""

OURS = "ansible_collections.strata.overlay2"


class CallbackModule(CallbackBase):
    """Counts outcomes by play."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._playbook = ""
        self._plays: list[tuple[str, dict[str, collections.Counter[str]]]] = []

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        self._playbook = os.path.splitext(os.path.basename(playbook._file_name))[0]

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        self._plays.append((play.get_name().strip(), collections.defaultdict(collections.Counter)))

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._count("ok", result)

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        self._count("skipped", result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        self._count("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._count("unreachable", result)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        common = {"playbook": self._playbook, "collection": str(importlib.import_module(OURS).__path__[0])}
        with open(os.environ["STRATA_RECORD"], "a", encoding="utf-8") as file:
            for play, by_host in self._plays:
                for host, outcomes in by_host.items() or [("", {})]:
                    print(json.dumps({**common, "play": play, "host": host, **outcomes}), file=file)

    def _count(self, outcome: str, result: t.Any) -> None:
        outcomes = self._plays[-1][1][result._host.get_name()]
        outcomes[outcome] += 1
        if outcome == "ok" and result._task.action.rpartition(".")[2] == "assert":
            outcomes["asserted"] += 1
