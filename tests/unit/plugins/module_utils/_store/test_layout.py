# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput, StoreNotFound
from ansible_collections.strata.overlay2.plugins.module_utils._store import layout

LINK = "ABCDEFGHIJKLMNOPQRSTUVWX23"


@pytest.mark.parametrize("good", ["a", "0", "sha256_ab", "A.b-c_d", "x" * 255, "l2"])
def test_an_id_is_taken(good):
    assert layout.check_id(good) == good


@pytest.mark.parametrize(
    "bad", ["", "l", ".", "..", "a/b", ".staging", "-a", "a\n", "é", "x" * 256, "backingFsBlockDev", "a b", "\udcff"]
)
def test_a_hostile_id_is_refused_in_valid_text(bad):
    with pytest.raises(InvalidInput, match="invalid layer id") as error:
        layout.check_id(bad)
    str(error.value).encode("utf-8")


@pytest.mark.parametrize(
    "name", ["metacopy-check", "metacopy-check2", "check-overlayfs-support-x", "opaque-bug-check1", "userxattr-check."]
)
def test_no_id_looks_like_a_trial_of_dockerd(name):
    with pytest.raises(InvalidInput, match="invalid layer id") as error:
        layout.check_id(name)
    assert "begins with none of" in error.value.hint
    assert layout.check_id(f"a-{name}") == f"a-{name}"


def test_home_is_absolute_and_not_the_root(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    assert layout.check_home(str(tmp_path / "link" / "home")) == str(tmp_path / "home")
    assert layout.check_home(f"{tmp_path}/\udcff") == f"{tmp_path}/\udcff"  # a byte that is not UTF-8
    for bad in ("store", "/", "/../"):
        with pytest.raises(InvalidInput):
            layout.check_home(bad)


@pytest.mark.parametrize("bad", ["/a\0b", "\0", "/\ud800", "/a\udfff"])
def test_a_home_that_no_system_call_takes_is_refused_in_valid_text(bad):
    with pytest.raises(InvalidInput, match=r"home .* is no path") as error:
        layout.check_home(bad)
    str(error.value).encode("utf-8")


def test_no_symlink_hides_whose_store_it_is(tmp_path):
    (tmp_path / "docker/image/overlay2/layerdb").mkdir(parents=True)
    (tmp_path / "disk/overlay2").mkdir(parents=True)
    (tmp_path / "docker/overlay2").symlink_to("../disk/overlay2")
    (tmp_path / "var").symlink_to("docker")
    with pytest.raises(InvalidInput, match="away from docker's records"):
        layout.check_home(str(tmp_path / "docker/overlay2"))
    assert layout.check_home(str(tmp_path / "var/store")) == str(tmp_path / "docker/store")
    assert layout.check_home(str(tmp_path / "disk/overlay2")) == str(tmp_path / "disk/overlay2")


def test_missing_and_empty_directories_can_become_stores(tmp_path):
    assert not layout.is_store(str(tmp_path / "missing"))
    (tmp_path / "lost+found").mkdir()
    assert not layout.is_store(str(tmp_path))
    with pytest.raises(StoreNotFound, match="there is no store"):
        layout.require_store(str(tmp_path))


def test_what_a_killed_run_left_can_become_a_store(tmp_path):
    (tmp_path / ".staging" / "0123").mkdir(parents=True)
    (tmp_path / ".strata.json.new").touch()
    assert not layout.is_store(str(tmp_path))


def test_a_directory_with_links_is_a_store(tmp_path):
    (tmp_path / "l").mkdir()
    (tmp_path / "l" / LINK).symlink_to("../gone/diff")
    (tmp_path / "base").mkdir()
    assert layout.is_store(str(tmp_path))
    layout.require_store(str(tmp_path))


def put_file(home):
    home.write_text("")


def put_other_content(home):
    (home / "etc").mkdir(parents=True)


def put_file_as_links(home):
    home.mkdir()
    (home / "l").write_text("")


def put_file_in_links(home):
    (home / "l").mkdir(parents=True)
    (home / "l" / LINK).write_text("")


def put_strange_link(home):
    (home / "l").mkdir(parents=True)
    (home / "l" / "short").symlink_to("../a/diff")


def put_symlinked_links(home):
    home.mkdir()
    (home / "l").symlink_to("/etc")


@pytest.mark.parametrize(
    "put",
    [put_file, put_other_content, put_file_as_links, put_file_in_links, put_strange_link, put_symlinked_links],
)
def test_anything_else_is_refused(tmp_path, put):
    put(tmp_path / "home")
    with pytest.raises(InvalidInput, match="is no overlay2 store"):
        layout.is_store(str(tmp_path / "home"))


def test_only_layer_directories_are_layers(tmp_path):
    for name in ("base", "l", ".staging", "lost+found", "opaque-bug-check123", "backingFsBlockDev"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").write_text("")
    assert list(layout.layer_ids(str(tmp_path))) == ["base"]


@pytest.mark.parametrize("engine", [True, False])
def test_what_another_engine_keeps_beside_its_layers_is_none(tmp_path, engine):
    home = tmp_path / "overlay"
    for name in ("staging/1", "tempdirs/temp-dir-1", "empty", "base/diff", "no-diff"):
        (home / name).mkdir(parents=True)
    (home / "no-diff/link").touch()
    if engine:
        (tmp_path / "overlay-layers").mkdir()
    theirs = set() if engine else {"staging", "tempdirs", "empty"}  # in our store they are damaged layers
    assert set(layout.layer_ids(str(home))) == {"base", "no-diff"} | theirs
