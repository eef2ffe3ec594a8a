# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shlex

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host import cases
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host.evidence import Daemon, Evidence
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host.places import Place
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host.state import Found

NOTHING = Evidence([], [], [], False)
PODMAN = Found("containers-storage", "overlay", "overlay")


@pytest.fixture
def etc(tmp_path, monkeypatch):
    """Give a directory in place of /etc and of the usual data roots."""
    etc = tmp_path.resolve()
    monkeypatch.setattr(cases, "_CONTAINERD_CONFIG", str(etc / "containerd.toml"))
    monkeypatch.setattr(cases, "STORAGE_CONFIG", (str(etc / "storage.conf"), str(etc / "usr.conf")))
    monkeypatch.setattr(cases, "CRIO_CONFIG", (str(etc / "crio.conf.d/*.conf"),))
    monkeypatch.setattr(cases, "_STORAGE_ROOT", str(etc / "storage"))
    return etc


def daemon(root="", config="", address="", uid=0, command="containerd"):
    return Daemon(1, command, uid, root, config, address, False, 0.0)


def ctr(path, *daemons):
    return cases.ctr_command(Place(-1, path, 0), Evidence([], list(daemons), [], False))


def test_of_several_containerds_the_one_of_the_data_root_is_talked_to(etc):
    (etc / "docker.toml").write_text('root = "/data/docker/containerd/daemon"\n[grpc]\naddress = "/run/d/c.sock"')
    (etc / "other.toml").write_text('root = "/data/x"\n[grpc]\naddress = "/run/no.sock"')
    daemons = (
        daemon(config=str(etc / "docker.toml")),
        daemon(root="/data/y", address="/run/y z.sock"),
        daemon(config=str(etc / "other.toml"), address="/run/x.sock"),
        daemon(root="/data/theirs", address="/run/theirs.sock", uid=12345),
        daemon(root="/data/docker", address="/run/no.sock", command="dockerd"),
    )
    assert ctr("/data/docker/containerd/daemon", *daemons) == "ctr --address /run/d/c.sock"
    assert shlex.split(ctr("/data/y", *daemons)) == ["ctr", "--address", "/run/y z.sock"]
    assert ctr("/data/x", *daemons) == "ctr --address /run/x.sock"
    assert ctr("/data/theirs", *daemons) == ctr("/data/docker", *daemons) == "ctr --address ADDRESS"
    assert ctr("/var/lib/containerd", *daemons) == "ctr"


def test_a_distribution_of_kubernetes_has_its_own_command(etc):
    root = "/var/lib/k0s/containerd"
    assert ctr(root, daemon(root=root, address="/run/k0s/containerd.sock")) == "k0s ctr"


def test_a_containerd_at_the_usual_place_may_have_another_socket(etc):
    assert ctr("/var/lib/containerd", daemon()) == "ctr"
    assert ctr("/var/lib/containerd", daemon(address="/run/other.sock")) == "ctr --address /run/other.sock"
    (etc / "containerd.toml").write_text('[grpc]\naddress = "/run/containerd/containerd.sock"')
    assert ctr("/var/lib/containerd", daemon()) == "ctr"
    (etc / "containerd.toml").write_text('[grpc]\naddress = "/run/set.sock"')
    assert ctr("/var/lib/containerd", daemon()) == "ctr --address /run/set.sock"


def moved(etc):
    return cases.case_of(Place(-1, str(etc / "storage"), 0), PODMAN, str(etc / "storage/overlay"), NOTHING).moved


def test_the_usual_store_of_podman_is_left_if_the_one_storage_conf_that_counts_names_another(etc):
    (etc / "usr.conf").write_text('[storage]\ngraphroot = "/data/podman"')
    assert moved(etc) == "/data/podman"
    (etc / "storage.conf").write_text('[storage]\ndriver = "overlay"')
    assert moved(etc) == ""
    (etc / "storage.conf").write_text('[storage]\ngraphroot = "/data/podman"')
    assert moved(etc) == "/data/podman"
    (etc / "crio.conf.d").mkdir()
    (etc / "crio.conf.d/10.conf").write_text(f'[crio]\nroot = "{etc}/storage"')
    assert moved(etc) == ""
