# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import StoreCorrupt
from ansible_collections.strata.overlay2.plugins.module_utils._store import staging
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import LayerFiles, examine
from ansible_collections.strata.overlay2.plugins.module_utils._store.record import Record


@pytest.fixture
def home(tmp_path, make_chain):
    """A store with the chain base <- mid <- top."""
    (tmp_path / "l").mkdir()
    return make_chain(tmp_path, "base", "mid", "top")


def test_a_chain_is_read(home):
    store = LayerFiles(str(home))
    assert store.ids == {"base", "mid", "top"}
    top = store.layer("top")
    assert store.lowers(top) == ("mid", "base")
    assert top.record == Record(read_write=True)
    assert not top.marked
    assert store.children[store.layer("base").link] == ("mid",)
    assert store.children.get(top.link, ()) == ()
    assert store.layer("none") is None


def test_dockers_layer_has_no_record_and_its_seal_is_seen(home):
    os.unlink(home / "mid" / ".strata.json")
    (home / "mid" / "committed").touch()
    mid = LayerFiles(str(home)).layer("mid")
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


def cut(home):
    (home / "top" / "lower").write_text((home / "top" / "lower").read_text()[:-1])


def not_utf8(home):
    (home / "top" / "lower").write_bytes(b"l/\xff")


def outside(home):
    (home / "top" / "lower").write_text("l/../../etc")


def link_directory(home):
    (home / "top" / "link").unlink()
    (home / "top" / "link").mkdir()


def lower_symlink(home):
    (home / "top" / "lower").rename(home / "top" / "moved")
    (home / "top" / "lower").symlink_to("moved")


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (empty_link, "link_empty"),
        (no_link, "link_missing"),
        (bad_link, "link_astray"),
        (empty_lower, "lower_malformed"),
        (bare_l, "lower_malformed"),
        (newline, "lower_malformed"),
        (cut, "lower_malformed"),
        (not_utf8, "lower_malformed"),
        (outside, "lower_malformed"),
        (link_directory, "link_missing"),
        (lower_symlink, "lower_malformed"),
    ],
)
def test_damage_is_told(home, damage, code):
    damage(home)
    assert [found.code for found in examine(str(home), "top")[1]] == [code]
    with pytest.raises(StoreCorrupt, match="layer top is damaged") as error:
        LayerFiles(str(home)).layer("top")
    assert error.value.details["damage"] == code
    assert LayerFiles(str(home)).layer("mid") is not None


def test_a_lower_that_leads_nowhere_is_damage(home):
    os.unlink(home / "l" / (home / "base" / "link").read_text())
    store = LayerFiles(str(home))
    with pytest.raises(StoreCorrupt, match="does not exist"):
        store.lowers(store.layer("top"))


def no_name(home):
    os.unlink(home / "l" / (home / "top" / "link").read_text())


def doubled(home):
    (home / "top" / "link").write_text((home / "mid" / "link").read_text())


def astray(home):
    no_name(home)
    (home / "l" / (home / "top" / "link").read_text()).symlink_to("../base/diff")


@pytest.mark.parametrize(
    ("damage", "code"), [(no_name, "link_missing"), (doubled, "link_doubled"), (astray, "link_astray")]
)
def test_a_name_that_leads_elsewhere_is_damage(home, damage, code):
    damage(home)
    with pytest.raises(StoreCorrupt) as error:
        LayerFiles(str(home)).layer("top")
    assert error.value.details["damage"] == code
    assert LayerFiles(str(home)).layer("mid") is not None


def relinked(target):
    def harm(home, link):
        os.unlink(home / "l" / link)
        if target is not None:
            os.symlink(target, home / "l" / link)

    return harm


def link_as_file(home, link):
    relinked(None)(home, link)
    (home / "l" / link).touch()


def layer_as_symlink(home, link):
    os.rename(home / "base", home / "moved")
    os.symlink("moved", home / "base")


def diff_as_symlink(home, link):
    os.rename(home / "base" / "diff", home / "moved")
    os.symlink("../moved", home / "base" / "diff")


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        pytest.param(relinked(None), "does not exist", id="no link"),
        pytest.param(link_as_file, "is not a symlink", id="a file"),
        pytest.param(relinked("../base"), "is not the diff of a layer", id="the layer, not its diff"),
        pytest.param(relinked("../../store/base/diff"), "is not the diff of a layer", id="another way there"),
        pytest.param(relinked("../../etc/diff"), "is not the diff of a layer", id="out of the store"),
        pytest.param(relinked("../../diff"), "is not the diff of a layer", id="home's parent"),
        pytest.param(relinked("../\udcff/diff"), "is not the diff of a layer", id="no id"),
        pytest.param(relinked("../mid/diff"), "names a layer twice, or itself", id="twice the same"),
        pytest.param(relinked("../top/diff"), "names a layer twice, or itself", id="itself"),
        pytest.param(relinked("../gone/diff"), "leads to layer gone, which has no diff", id="no such layer"),
        pytest.param(lambda home, link: (home / "base/diff").rmdir(), "base, which has no diff", id="no diff"),
        pytest.param(layer_as_symlink, "base, which has no diff", id="a layer that is a symlink"),
        pytest.param(diff_as_symlink, "base, which has no diff", id="a diff that is a symlink"),
    ],
)
def test_a_lower_that_leads_elsewhere_is_damage(home, harm, why):
    harm(home, (home / "base" / "link").read_text())
    store = LayerFiles(str(home))
    with pytest.raises(StoreCorrupt, match=why) as error:
        store.lowers(store.layer("top"))
    assert error.value.hint


def test_a_lower_that_ends_too_early_is_damage(home):
    (home / "top" / "lower").write_text(f"l/{(home / 'mid' / 'link').read_text()}")
    store = LayerFiles(str(home))
    with pytest.raises(StoreCorrupt, match="does not go on as that of its parent mid"):
        store.lowers(store.layer("top"))


def test_the_damage_of_a_parent_is_not_its_childs(home):
    (home / "mid" / "lower").write_text("")
    store = LayerFiles(str(home))
    assert store.lowers(store.layer("top")) == ("mid", "base")


@pytest.mark.parametrize(
    "record",
    [
        "[]",
        '{"format": 1, "diff_id": 5}',
        '{"format": 1, "read_write": "no"}',
        '{"format": 1, "read_write": 1}',
        '{"format": 1, "digest": "\\ud800"}',
        '{"format": 1, "merged_digest": ""}',
        '{"format": 1, "merged_diff_id": ["sha256:1"]}',
        "[" * 99999,
    ],
)
def test_a_record_that_we_never_write_is_refused(home, record):
    (home / "top" / ".strata.json").write_text(record)
    with pytest.raises(StoreCorrupt, match="not as this collection writes it"):
        LayerFiles(str(home)).layer("top")


def test_the_record_of_another_layer_is_refused(home):
    link, other = (home / "mid/link").read_text(), (home / "base/link").read_text()
    record = home / "mid/.strata.json"
    record.write_text(f'{{"format": 1, "link": "{link}", "parent": "base", "read_write": false}}')
    assert LayerFiles(str(home)).layer("mid").record.link == link
    record.write_text(f'{{"format": 1, "link": "{other}", "parent": "", "read_write": false, "diff_id": "sha256:0"}}')
    with pytest.raises(StoreCorrupt, match=r"mid/\.strata\.json is the record of layer base, not of layer mid"):
        LayerFiles(str(home)).layer("mid")
    (home / "base/link").write_text(link)
    assert LayerFiles(str(home)).examine("mid")[0].record.link == other


def test_a_layer_twice_in_a_chain_is_damage(home):
    link = (home / "mid" / "link").read_text()
    (home / "top" / "lower").write_text(f"l/{link}:l/{link}")
    store = LayerFiles(str(home))
    with pytest.raises(StoreCorrupt, match="names a layer twice"):
        store.lowers(store.layer("top"))


def test_parents_without_a_seal_are_found(home):
    assert LayerFiles(str(home)).unsealed_parents() == ("base", "mid")
    staging.seal_layer(str(home), "mid")
    assert LayerFiles(str(home)).unsealed_parents() == ("base",)
    (home / "top" / "lower").write_text("l/../../etc")
    assert LayerFiles(str(home)).unsealed_parents() == ("base",)
