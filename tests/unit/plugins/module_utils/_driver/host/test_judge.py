# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host.evidence import Holder
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host.judge import Case, judge
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host.settings import DockerSettings

ENGINES = ["docker", "containerd", "containers-storage", "buildkit", "strata", None]
DOCKERD = Holder(812, "dockerd", 0, "docker", "/var/lib/docker", 1, 2)
PLAIN = DockerSettings("", None, "", True)
CHOSEN = DockerSettings("", True, "", True)


def case(engine="docker", holder=None, mounted=0, settings=PLAIN, **more):
    return Case(engine, "overlay2", holder, mounted, settings, **more)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_store_with_a_mounted_layer_is_active(engine):
    found = judge(case(engine, mounted=2, settings=CHOSEN, knows_containerd=True, moved="/x", owner_known=False))
    assert (found.state, found.why) == ("active", "2 of its overlays are mounted")


@pytest.mark.parametrize("engine", ["containerd", "buildkit", "docker"])
def test_a_store_whose_engine_runs_is_active(engine):
    found = judge(case(engine, DOCKERD))
    assert (found.state, found.pid, found.command) == ("active", 812, "dockerd")


@pytest.mark.parametrize("engine", ENGINES[:-1])
def test_a_store_that_nobody_uses_is_idle(engine):
    assert judge(case(engine)).state == "idle"


@pytest.mark.parametrize("engine", ENGINES)
def test_where_proc_does_not_show_all_processes_nothing_is_idle_or_abandoned(engine):
    assert judge(case(engine, blind=True)).state == "unknown"
    assert judge(case(engine, blind=True, moved="/data")).state == "unknown"
    if engine == "docker":
        assert judge(case(blind=True, settings=CHOSEN, knows_containerd=True)).state == "unknown"


def test_a_store_that_nothing_tells_the_engine_of_is_unknown():
    assert judge(case(None)).state == "unknown"


@pytest.mark.parametrize("holder", [None, DOCKERD])
def test_the_store_of_a_graph_driver_is_abandoned_if_docker_chooses_containerds_store(holder):
    found = judge(case(holder=holder, settings=CHOSEN, knows_containerd=True))
    assert found.state == "abandoned"
    assert "features.containerd-snapshotter" in found.why
    assert found.pid == (812 if holder else 0)


def test_an_old_docker_may_not_know_the_choice():
    assert judge(case(holder=DOCKERD, settings=CHOSEN)).state == "unknown"
    assert judge(case(settings=CHOSEN)).state == "idle"


@pytest.mark.parametrize("settings", [None, DockerSettings("", None, "", False)])
def test_without_the_settings_of_docker_its_store_is_unknown(settings):
    assert judge(case(settings=settings, holder=DOCKERD)).state == "unknown"
    assert judge(case(settings=settings)).state == "unknown"


@pytest.mark.parametrize("engine", ["docker", "containers-storage"])
def test_the_default_store_is_abandoned_if_the_configuration_names_another(engine):
    found = judge(case(engine, moved="/data"))
    assert found.state == "abandoned"
    assert "/data instead" in found.why


def test_the_store_of_a_user_who_is_gone_is_unknown():
    assert judge(case("containers-storage", owner_known=False)).state == "unknown"
