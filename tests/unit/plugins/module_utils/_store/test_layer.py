# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import StoreCorrupt
from ansible_collections.strata.overlay2.plugins.module_utils._store import staging
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import (
    Record,
    Store,
    all_links,
    examine,
    link_target,
    record_content,
)


@pytest.fixture
def home(tmp_path):
    """A store with the chain base <- mid <- top."""
    (tmp_path / "l").mkdir()
    lowers = ()
    for layer_id in ("base", "mid", "top"):
        new = staging.NewLayer(layer_id, staging.new_link(), lowers, layer_id == "top")
        room = staging.Staging(str(tmp_path))
        staging.stage_layer(room.path, new)
        staging.publish_layer(str(tmp_path), room.path, new)
        room.close()
        lowers = (new.link, *lowers)
    return tmp_path


def test_a_chain_is_read(home):
    store = Store(str(home))
    assert store.ids == {"base", "mid", "top"}
    top = store.layer("top")
    assert store.lowers(top) == ("mid", "base")
    assert top.record == Record(read_write=True)
    assert not top.marked
    assert store.children[store.layer("base").link] == ("mid",)
    assert store.children.get(top.link, ()) == ()
    assert store.layer("none") is None
    assert all_links(str(home)) == {store.layer(id).link: id for id in ("base", "mid", "top")}


def test_dockers_layer_has_no_record_and_its_seal_is_seen(home):
    os.unlink(home / "mid" / ".strata.json")
    (home / "mid" / "committed").touch()
    mid = Store(str(home)).layer("mid")
    assert mid.record == Record()
    assert mid.marked


def empty_link(home):
    (home / "top" / "link").write_text("")


def no_link(home):
    (home / "top" / "link").unlink()


def bad_link(home):
    (home / "top" / "link").write_text("..")


def empty_lower(home):
    (home / "top" / "lower").write_text("")


def bare_l(home):
    (home / "top" / "lower").write_text("l")


def newline(home):
    (home / "top" / "lower").write_text((home / "top" / "lower").read_text() + "\n")


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (empty_link, "link_empty"),
        (no_link, "link_missing"),
        (bad_link, "link_astray"),
        (empty_lower, "lower_malformed"),
        (bare_l, "lower_malformed"),
        (newline, "lower_malformed"),
    ],
)
def test_damage_is_told(home, damage, code):
    damage(home)
    assert [found.code for found in examine(str(home), "top")[1]] == [code]
    with pytest.raises(StoreCorrupt, match="layer top is damaged") as error:
        Store(str(home)).layer("top")
    assert error.value.details["damage"] == code
    assert Store(str(home)).layer("mid") is not None


def test_a_lower_that_leads_nowhere_is_damage(home):
    store = Store(str(home))
    os.unlink(home / "l" / store.layer("base").link)
    with pytest.raises(StoreCorrupt, match="leads to no layer"):
        store.lowers(store.layer("top"))


def test_a_layer_twice_in_a_chain_is_damage(home):
    link = (home / "mid" / "link").read_text()
    (home / "top" / "lower").write_text(f"l/{link}:l/{link}")
    store = Store(str(home))
    with pytest.raises(StoreCorrupt, match="names a layer twice"):
        store.lowers(store.layer("top"))


def test_parents_without_a_seal_are_found(home):
    assert Store(str(home)).unsealed_parents() == ("base", "mid")
    staging.seal_layer(str(home), "mid")
    assert Store(str(home)).unsealed_parents() == ("base",)
    (home / "top" / "lower").write_text("l/../../etc")
    assert Store(str(home)).unsealed_parents() == ("base",)


@pytest.mark.parametrize("target", ["/etc", "../../diff", "../base/work", "base/diff"])
def test_other_symlinks_are_no_links(home, target):
    (home / "l" / "A").symlink_to(target)
    assert link_target(str(home), "A") in (None, "..")
    (home / "l" / "B").write_text("")
    assert link_target(str(home), "B") is None


def test_what_is_recorded_of_the_content_leaves_the_rest(home):
    record_content(str(home), "top", "sha256:1", "sha256:2")
    assert Store(str(home)).layer("top").record == Record(True, "sha256:1", "sha256:2")
    record_content(str(home), "top")
    assert Store(str(home)).layer("top").record == Record(read_write=True)


def test_content_is_recorded_of_dockers_layer_too(home):
    os.unlink(home / "mid" / ".strata.json")
    record_content(str(home), "mid", "sha256:1", "sha256:2")
    assert Store(str(home)).layer("mid").record == Record(None, "sha256:1", "sha256:2")
