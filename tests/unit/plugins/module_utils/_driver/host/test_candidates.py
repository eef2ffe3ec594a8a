# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host import candidates, homes
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host.evidence import (
    Daemon,
    Evidence,
    Holder,
    Overlay,
)
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host.state import Candidate

NOTHING = Evidence([], [], [], False)
USER = 12345


@pytest.fixture
def etc(tmp_path, monkeypatch):
    """Give a directory in place of /etc and /home."""
    (tmp_path / "home").mkdir()
    (tmp_path / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nnobody:x:1:1::/:/bin/false\nbad\nann:x:12345:1::/data/ann:\n"
    )
    for name, place in (
        ("DAEMON_JSON", "daemon.json"),
        ("_DAEMON_JSON_OF_SNAP", "snap.json"),
        ("_BUILDKIT_CONFIG", "buildkitd.toml"),
    ):
        monkeypatch.setattr(candidates, name, str(tmp_path.resolve() / place))
    for name, place in (("_PASSWD", "passwd"), ("_HOME", "home")):
        monkeypatch.setattr(homes, name, str(tmp_path.resolve() / place))
    monkeypatch.setattr(candidates, "CRIO_CONFIG", (str(tmp_path / "crio.conf"),))
    k3s = (str(tmp_path / "rancher/*/config.yaml"), str(tmp_path / "rancher/*/config.yaml.d/*.yaml"))
    monkeypatch.setattr(candidates, "_K3S_CONFIG", k3s)
    monkeypatch.setattr(candidates, "_STORAGE_PARTS", (str(tmp_path / "storage.conf.d/*.conf"),))
    monkeypatch.setattr(candidates, "_CONTAINERD_CONFIG", (str(tmp_path / "containerd.toml"),))
    monkeypatch.setattr(candidates, "STORAGE_CONFIG", (str(tmp_path / "storage.conf"),))
    return tmp_path.resolve()


def found(evidence=NOTHING, asked=(), slow=()):
    return [one for one in candidates.candidates(evidence, asked, slow) if one.path and one.found_by != "default"]


def test_what_is_asked_for_comes_first_then_the_usual_places(etc):
    every = list(candidates.candidates(NOTHING, ["/mnt/old"], ()))
    assert every[0] == Candidate("/mnt/old", "asked", None)
    assert every[1] == Candidate("/var/lib/docker", "default", None)


def test_configuration_files_name_data_roots(etc):
    (etc / "daemon.json").write_text('{"data-root": "/data/docker"}')
    (etc / "containerd.toml").write_text('root = "/data/containerd"')
    (etc / "buildkitd.toml").write_text('root = "/data/buildkit"')
    (etc / "storage.conf").write_text(
        '[storage]\ngraphroot = "/data/podman"\nrootless_storage_path = "/u/$USER/${UID}"'
    )
    (etc / "snap.json").write_text('{"data-root": "/data/snap"}')
    (etc / "crio.conf").write_text('[crio]\nroot = "/data/crio"')
    (etc / "rancher/k3s").mkdir(parents=True)
    (etc / "rancher/k3s/config.yaml").write_text("data-dir: /data/k3s")
    named = [one.path for one in found() if one.found_by == "config"]
    assert named == [
        "/data/docker",
        "/data/snap",
        "/data/containerd",
        "/data/buildkit",
        "/data/podman",
        "/data/crio",
        "/data/k3s/agent/containerd",
        "/u/root/0",
        "/u/nobody/1",
        f"/u/ann/{USER}",
    ]


def test_homes_of_users_and_of_those_who_are_gone_are_looked_at(etc):
    (etc / "home/gone").mkdir()
    homes = {one.path for one in found() if one.found_by == "home"}
    assert {path.rpartition("/.")[0] for path in homes} == {"/root", "/data/ann", f"{etc}/home/gone"}
    assert "/data/ann/.rancher/k3s/agent/containerd" in homes
    assert "/data/ann/.local/share/containers/storage" in homes


def test_homes_that_a_server_holds_are_not_listed(etc):
    (etc / "home/gone").mkdir()
    homes = {one.path for one in found(slow={f"{etc}/home"}) if one.found_by == "home"}
    assert {path.rpartition("/.")[0] for path in homes} == {"/root", "/data/ann"}


def test_what_runs_names_data_roots_and_whose_word_it_is(etc):
    (etc / "other.json").write_text('{"data-root": "/data/other"}')
    evidence = Evidence(
        [Holder(1, "containerd", 0, "containerd", "/a", 1, 1), Holder(2, "x", USER, "containerd", "/b", 1, 1)],
        [
            Daemon(3, "dockerd", 0, "/c", str(etc / "other.json"), "", False, 0.0),
            Daemon(4, "dockerd", USER, "/d", str(etc / "other.json"), "", False, 0.0),
        ],
        [],
        False,
    )
    assert [one for one in found(evidence) if one.found_by != "home"] == [
        Candidate("/data/other", "config", None),
        Candidate("/a", "lock", None),
        Candidate("/b", "lock", USER),
        Candidate("/c", "argument", None),
        Candidate("/c/agent/containerd", "argument", None),
        Candidate("/d", "argument", USER),
        Candidate("/d/agent/containerd", "argument", USER),
    ]


@pytest.mark.parametrize(
    ("overlay", "roots"),
    [
        (Overlay("/d/overlay2/a/diff", ("l/X",), "/d/overlay2/a/merged", None), ["/d", "/d/overlay2"]),
        (Overlay("", ("l/X",), "/d/overlay2/a/merged", None), ["/d", "/d/overlay2"]),
        (
            Overlay("/c/io.containerd.snapshotter.v1.overlayfs/snapshots/7/fs", (), "/run/x/rootfs", USER),
            ["/c"],
        ),
        (Overlay("", ("/c/io.containerd.snapshotter.v1.overlayfs/snapshots/7/fs",), "/mnt", None), ["/c"]),
        (Overlay("/upper", ("/lower",), "/mnt", None), []),
    ],
)
def test_mounts_name_data_roots(etc, overlay, roots):
    evidence = Evidence([], [], [overlay], False)
    assert [one for one in found(evidence) if one.found_by == "mount"] == [
        Candidate(root, "mount", overlay.uid) for root in roots
    ]


def test_parts_of_configuration_files_name_data_roots(etc, monkeypatch):
    for path, content in (
        ("storage.conf.d/10.conf", '[storage]\ngraphroot = "/data/part"'),
        ("elsewhere.conf", '[storage]\ngraphroot = "/data/elsewhere"'),
        ("rancher/k3s/config.yaml.d/10.yaml", "data-dir: /data/k3s"),
        ("k3s.yaml", "data-dir: '/data/asked'"),
    ):
        (etc / path).parent.mkdir(parents=True, exist_ok=True)
        (etc / path).write_text(content)
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(etc / "elsewhere.conf"))
    named = [one.path for one in found() if one.found_by == "config"]
    assert named == ["/data/part", "/data/elsewhere", "/data/k3s/agent/containerd"]
    monkeypatch.delenv("CONTAINERS_STORAGE_CONF")
    daemons = [
        Daemon(1, "k3s", 0, "", str(etc / "k3s.yaml"), "", False, 0.0),
        Daemon(2, "conmon", 0, "", str(etc / "elsewhere.conf"), "", False, 0.0),
        Daemon(3, "conmon", USER, "", str(etc / "elsewhere.conf"), "", False, 0.0),
    ]
    named = [one.path for one in found(Evidence([], daemons, [], False)) if one.found_by == "config"]
    assert sorted(named) == sorted(
        ["/data/part", "/data/k3s/agent/containerd", "/data/asked/agent/containerd", "/data/elsewhere"]
    )


def test_mounts_that_a_user_makes_up_hide_none_of_root(etc, monkeypatch):
    monkeypatch.setattr(candidates, "_MOST", 4)
    made_up = [Overlay(f"/a{n}/overlay2/x/diff", (), "/m", USER) for n in range(99)]
    evidence = Evidence([], [], [*made_up, Overlay("/z/overlay2/x/diff", (), "/m", None)], False)
    mounted = [one.path for one in found(evidence) if one.found_by == "mount"]
    assert len(mounted) == 4
    assert mounted[:2] == ["/z", "/z/overlay2"]
