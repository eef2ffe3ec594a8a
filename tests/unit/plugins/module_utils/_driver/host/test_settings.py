# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host import settings


@pytest.fixture
def write(tmp_path):
    """Give a function that writes a file and returns its path."""

    def write(content):
        (tmp_path / "file").write_text(content)
        return str(tmp_path / "file")

    return write


def test_the_settings_of_docker_are_read(write):
    found = {"data-root": "/data", "features": {"containerd-snapshotter": True}, "storage-driver": "overlay2"}
    assert settings.docker_settings(write(json.dumps(found))) == ("/data", True, "overlay2", True)
    assert settings.docker_settings(write('{"graph": "/old"}')) == ("/old", None, "", True)
    assert settings.docker_settings("/nowhere/daemon.json") == ("", None, "", True)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000])
def test_settings_of_docker_that_cannot_be_read_are_told_as_such(write, text):
    assert settings.docker_settings(write(text)) == ("", None, "", False)


def test_values_of_a_wrong_type_count_as_missing(write):
    found = {"data-root": 1, "features": {"containerd-snapshotter": "yes"}, "storage-driver": []}
    assert settings.docker_settings(write(json.dumps(found))) == ("", None, "", True)
    assert settings.docker_settings(write('{"features": 1}')) == ("", None, "", True)


def test_the_roots_of_containerd_are_read(write):
    path = write(
        """
version = 2 # root = "/no"
root = "/data/containerd"
# root = "/comment"
[plugins."io.containerd.snapshotter.v1.overlayfs"]
  root_path = '/fast/overlayfs' # there
[plugins."io.containerd.grpc.v1.cri".registry]
  root_path = "/no"
"""
    )
    assert settings.containerd_roots(path) == ["/data/containerd", "/fast/overlayfs"]


def test_the_stores_of_containers_storage_are_read(write):
    path = write(
        """
[storage]
graphroot = "/data/storage"
rootless_storage_path = "/data/users/$USER"
[storage.options]
additionalimagestores = [ # a list
  "/lent/one",
  '/lent/two', "relative",
]
"""
    )
    assert settings.storage_roots(path) == ["/data/storage", "/lent/one", "/lent/two"]
    assert settings.graph_roots(path) == ["/data/storage"]
    assert settings.rootless_storage_path(path) == "/data/users/$USER"


def test_the_directory_of_k3s_is_read(write):
    assert settings.data_dirs(write('token: x\ndata-dir: "/data/k3s" # here\n#data-dir: /no\n')) == ["/data/k3s"]


def test_what_is_not_there_or_not_a_file_says_nothing(tmp_path):
    for path in (str(tmp_path), "/nowhere/file"):
        assert settings.containerd_roots(path) == []
        assert settings.storage_roots(path) == []
        assert settings.data_dirs(path) == []
        assert settings.rootless_storage_path(path) == ""


@pytest.mark.parametrize("text", ["a = [", "[x", 'a = "', "a = \x00\xff", "= 1", "[[table]]\na = [[1]]", 'a = "\\n"'])
def test_what_is_not_plain_says_nothing(write, text):
    assert not any(any(values) for values in settings.read_toml(write(text)).values())
