# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

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
    assert settings.graph_root(["/nowhere/file", path]) == "/data/storage"
    assert settings.rootless_storage_path(path) == "/data/users/$USER"


def test_the_directory_of_k3s_is_read(write):
    assert settings.data_dirs(write('token: x\ndata-dir: "/data/k3s" # here\n#data-dir: /no\n')) == ["/data/k3s"]


def test_what_is_not_there_or_not_a_file_says_nothing(tmp_path):
    for path in (str(tmp_path), "/nowhere/file"):
        assert settings.containerd_roots(path) == []
        assert settings.storage_roots(path) == []
        assert settings.data_dirs(path) == []
        assert settings.rootless_storage_path(path) == ""


@pytest.mark.parametrize("text", ["a = [", "[x", 'a = "', "a = \x00\xff", "= 1", "[[table]]\na = [[1]]"])
def test_what_is_not_plain_says_nothing(write, text):
    assert not any(any(values) for values in settings.read_toml(write(text)).values())


def test_a_path_that_no_system_call_takes_says_nothing(write):
    assert settings.docker_settings(write('{"data-root": "/a\\u0000b"}')).root == ""
    assert settings.docker_settings(write('{"data-root": "/a\\ud800"}')).root == ""
    assert settings.containerd_roots(write('root = "/a\\u0000b"')) == []
    assert settings.data_dirs(write("data-dir: /a\0b")) == []


@pytest.mark.parametrize(
    "text",
    [
        'plugins."io.containerd.snapshotter.v1.overlayfs".root_path = "/moved"',
        '[plugins]\n"io.containerd.snapshotter.v1.overlayfs" = { root_path = "/moved" }',
        "[plugins.'io.containerd.snapshotter.v1.overlayfs']\nroot_path = '/moved'",
        '[ plugins . "io.containerd.snapshotter.v1.overlayfs" ]\nroot_path = """\n/moved"""',
        '[plugins.overlayfs]\n  root_path = "/moved"',
    ],
)
def test_a_moved_snapshotter_is_found_in_each_form_of_toml(write, text):
    assert settings.containerd_roots(write(text)) == ["/moved"]


def test_text_in_a_string_of_several_lines_is_no_key(write):
    assert settings.containerd_roots(write('note = """\nroot = "/no"\n"""\nroot = "/data"')) == ["/data"]


def test_imports_are_read_once_each(tmp_path):
    for path, text in (
        ("config.toml", 'root = "/one"\nimports = ["conf.d/*.toml", "lone", "/nowhere/x", "conf.d/../config.toml"]'),
        ("conf.d/a.toml", 'root = "/two"\nimports = ["../config.toml", "b.toml"]'),
        ("conf.d/b.toml", 'root = "/three"'),
        ("conf.d/c.conf", 'root = "/no"'),
        ("lone", 'root = "/four"'),
    ):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    assert sorted(settings.containerd_roots(str(tmp_path / "config.toml"))) == ["/four", "/one", "/three", "/two"]


def test_the_number_of_imports_is_limited(tmp_path):
    for number in range(500):
        (tmp_path / f"{number}.toml").write_text('root = "/x"\nimports = ["*.toml"]')
    assert len(settings.containerd_roots(str(tmp_path / "0.toml"))) == 100


def test_a_symlink_of_root_leads_to_a_file_and_one_of_a_user_does_not(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/daemon.json").write_text('{"data-root": "/data"}')
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/daemon.json").symlink_to("../there/daemon.json")
    link = str(tmp_path / "etc/daemon.json")
    assert settings.docker_settings(link).root == "/data"
    os.chown(link, 12345, 12345, follow_symlinks=False)
    assert settings.docker_settings(link) == ("", None, "", False)


@pytest.mark.parametrize("harm", ["owner", "mode", "fifo", "directory", "device", "huge"])
def test_a_file_that_a_user_can_change_or_that_is_not_a_file_says_nothing(tmp_path, harm):
    path = tmp_path / "config.toml"
    if harm == "fifo":
        os.mkfifo(path)
    elif harm == "directory":
        path.mkdir()
    elif harm == "device":
        os.mknod(path, 0o20644, os.makedev(1, 5))
    else:
        path.write_text('root = "/data"\n' + "#" * (2 << 20 if harm == "huge" else 0) + '\na = "cut"')
        assert settings.containerd_roots(str(path)) == ["/data"]  # what is read of a huge one is still whole lines
        if harm == "huge":
            return
    if harm == "owner":
        os.chown(path, 12345, 12345)
    if harm == "mode":
        path.chmod(0o646)
    assert settings.containerd_roots(str(path)) == []
    assert settings.docker_settings(str(path)).readable is False
    assert settings.data_dirs(str(path)) == []


@pytest.mark.parametrize(
    "line", ["data-dir: /a b", "'data-dir': '/a b'", '"data-dir":   "/a b"  # x', "data-dir: /a b #"]
)
def test_forms_of_the_directory_of_k3s(write, line):
    assert settings.data_dirs(write(line)) == ["/a b"]


def test_only_the_first_storage_conf_that_exists_names_the_data_root(tmp_path):
    for name, text in (("first", "[storage]\ndriver = 'overlay'"), ("second", "[storage]\ngraphroot = '/no'")):
        (tmp_path / name).write_text(text)
    assert settings.graph_root([str(tmp_path / "first"), str(tmp_path / "second")]) == ""
    assert settings.graph_root([]) == ""


def test_the_socket_of_a_containerd_is_read(write):
    path = write('root = "/data"\n[grpc]\naddress = "/run/x.sock"\n[debug]\naddress = "/no"')
    assert settings.containerd_place(path) == ("/data", "/run/x.sock")
    assert settings.containerd_place("/nowhere/file") == ("", "")
