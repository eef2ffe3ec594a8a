# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

from ansible_collections.strata.overlay2.plugins.plugin_utils._metrics import metrics
from ansible_collections.strata.overlay2.plugins.plugin_utils._record import make_failure, make_record

from .test__record import FACTS, PLAN

LINE = re.compile(r'strata_overlay2_[a-z_]+\{host="(?:[^"\\\n]|\\[\\"n])*",home="(?:[^"\\\n]|\\[\\"n])*"\} [0-9.]+')


def test_each_host_has_its_numbers():
    told = metrics([make_record("a", 9.0, FACTS, PLAN, max_layers=9)]).splitlines()
    labels = f'{{host="a",home="{FACTS["home"]}"}}'
    assert f"strata_overlay2_layers{labels} {FACTS['layer_count']}" in told
    assert f"strata_overlay2_reclaimable_bytes{labels} {PLAN['remove_bytes']}" in told
    assert f"strata_overlay2_damaged{labels} 1" in told and f"strata_overlay2_up{labels} 1" in told


def test_a_host_without_an_answer_has_no_numbers_of_a_store():
    told = metrics([make_failure("a", 9.0, {"msg": "no route"}, unreachable=True)])
    assert 'strata_overlay2_up{host="a",home=""} 0' in told
    assert "damaged" not in told and "layers" not in told


def test_no_name_breaks_a_line():
    hosts = ['a"} 1\nx', "back\\slash", "plain"]
    told = metrics([make_record(host, 9.0, {**FACTS, "home": host}, PLAN, max_layers=9) for host in hosts])
    lines = [line for line in told.splitlines() if not line.startswith("# ")]
    assert len(lines) == 3 * 11 and all(LINE.fullmatch(line) for line in lines)


def test_each_metric_is_declared_once_and_its_values_stand_together():
    told = metrics([make_record(host, 9.0, FACTS, PLAN, max_layers=9) for host in "ab"]).splitlines()
    names = [line.split()[2] for line in told if line.startswith("# TYPE ")]
    assert len(names) == len(set(names)) == 11
    assert [line.partition("{")[0] for line in told if not line.startswith("# ")] == [
        name for name in names for _host in "ab"
    ]
