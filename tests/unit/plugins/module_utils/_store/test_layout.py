# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import (
    InvalidInput,
    StoreCorrupt,
    StoreForeign,
)
from ansible_collections.strata.overlay2.plugins.module_utils._store import layout
from ansible_collections.strata.overlay2.plugins.module_utils._store.recognition import (
    is_layer,
    is_store,
    layer_ids,
)

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
    assert "cannot start with" in error.value.hint
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
    with pytest.raises(InvalidInput, match=r"home .* is not a path") as error:
        layout.check_home(bad)
    str(error.value).encode("utf-8")


def test_no_symlink_hides_whose_store_it_is(tmp_path):
    (tmp_path / "docker/image/overlay2/layerdb").mkdir(parents=True)
    (tmp_path / "disk/overlay2").mkdir(parents=True)
    (tmp_path / "docker/overlay2").symlink_to("../disk/overlay2")
    (tmp_path / "var").symlink_to("docker")
    with pytest.raises(InvalidInput, match="docker's records lie beside the symlink"):
        layout.check_home(str(tmp_path / "docker/overlay2"))
    assert layout.check_home(str(tmp_path / "var/store")) == str(tmp_path / "docker/store")
    assert layout.check_home(str(tmp_path / "disk/overlay2")) == str(tmp_path / "disk/overlay2")


def test_missing_and_empty_directories_can_become_stores(tmp_path):
    assert not is_store(str(tmp_path / "missing"))
    (tmp_path / "lost+found").mkdir()
    assert not is_store(str(tmp_path))


def test_what_a_killed_run_left_can_become_a_store(tmp_path):
    (tmp_path / ".staging" / "0123").mkdir(parents=True)
    (tmp_path / ".strata.json.new").touch()
    assert not is_store(str(tmp_path))


def test_a_directory_with_links_is_a_store(tmp_path):
    (tmp_path / "l").mkdir()
    (tmp_path / "l" / LINK).symlink_to("../gone/diff")
    (tmp_path / "base").mkdir()
    assert is_store(str(tmp_path))


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
    with pytest.raises(InvalidInput, match="is not an overlay2 store"):
        is_store(str(tmp_path / "home"))


def test_only_layer_directories_are_layers(tmp_path):
    for name in ("base", "l", ".staging", "lost+found", "opaque-bug-check123", "backingFsBlockDev"):
        (tmp_path / name / "diff").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    assert list(layer_ids(str(tmp_path))) == ["base"]


@pytest.mark.parametrize("part", ["diff/", "link", "lower", ".strata.json"])
def test_a_directory_with_a_part_of_a_layer_is_one(tmp_path, part):
    (tmp_path / "odd/work").mkdir(parents=True)
    assert list(layer_ids(str(tmp_path))) == []
    assert not is_layer(f"{tmp_path}/odd")
    if part.endswith("/"):
        (tmp_path / "odd" / part).mkdir()
    else:
        (tmp_path / "odd" / part).touch()
    assert list(layer_ids(str(tmp_path))) == ["odd"]
    assert is_layer(f"{tmp_path}/odd")


def put_store(directory):
    for name in ("l", "diff/diff", "base/diff"):  # a layer may be called diff
        (directory / name).mkdir(parents=True)
    (directory / ".strata.json").touch()


def put_store_without_links(directory):
    (directory / "base/diff").mkdir(parents=True)
    (directory / ".strata.json").touch()


def put_tree(directory):
    (directory / "precious/diff").mkdir(parents=True)


def put_link_to_a_layer(directory):
    directory.symlink_to("real")


@pytest.mark.parametrize("put", [put_store, put_store_without_links, put_tree, put_link_to_a_layer, put_file])
def test_a_stranger_is_no_layer(tmp_path, put):
    (tmp_path / "real/diff").mkdir(parents=True)
    put(tmp_path / "odd")
    assert list(layer_ids(str(tmp_path))) == ["real"]
    assert not is_layer(f"{tmp_path}/odd")


def put_layer(home):
    (home / "base/diff").mkdir(parents=True)
    (home / "base/link").write_text(LINK)


def put_own_file(home):
    home.mkdir()
    (home / ".strata.json").write_text('{"format": 1}')
    (home / "notes").touch()


@pytest.mark.parametrize("put", [put_layer, put_own_file])
@pytest.mark.parametrize(
    ("links", "damage", "words"),
    [
        (None, "link_missing", "and no l/ directory"),
        ("file", "link_missing", "its l is not a directory"),
        ("symlink", "link_missing", "its l is not a directory"),
        ("file in it", "stranger", "l/notes is not the link of a layer"),
    ],
)
def test_a_store_that_lost_its_links_is_damaged(tmp_path, put, links, damage, words):
    home = tmp_path / "store"
    put(home)
    if links == "file":
        (home / "l").touch()
    elif links == "symlink":
        (home / "l").symlink_to("/etc")
    elif links:
        (home / "l").mkdir()
        (home / "l/notes").touch()
    with pytest.raises(StoreCorrupt, match=words) as caught:
        is_store(str(home))
    assert caught.value.details["damage"] == damage
    ours = (home / ".strata.json").exists()
    way = "overlay2_repair, which makes l again" if ours else "make the directory l"
    assert (way in caught.value.hint) is (damage == "link_missing")
    if links:
        (home / "l").rename(tmp_path / "away")  # as the hint says
    (home / "l").mkdir()
    assert is_store(str(home))


@pytest.mark.parametrize("home", ["overlayfs", "overlayfs/snapshots"])
def test_a_directory_of_containerds_is_told(tmp_path, home):
    (tmp_path / "overlayfs/snapshots/1/fs").mkdir(parents=True)
    (tmp_path / "overlayfs/metadata.db").write_bytes(b"\0" * 4096)
    with pytest.raises(StoreForeign, match="belongs to containerd, whose snapshotter"):
        is_store(str(tmp_path / home))
