# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import StoreCorrupt
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import LayerFiles
from ansible_collections.strata.overlay2.plugins.module_utils._store.survey import survey

OTHER = "Z" * 26


@pytest.fixture
def home(tmp_path, make_chain):
    """A store with the chain base <- mid <- top."""
    (tmp_path / "l").mkdir()
    return make_chain(tmp_path, "base", "mid", "top")


def link(home, layer_id):
    return (home / layer_id / "link").read_text()


def no_link_file(home):
    (home / "mid/link").unlink()


def no_name(home):
    os.unlink(home / "l" / link(home, "mid"))


def astray(home):
    name = home / "l" / link(home, "top")
    name.unlink()
    name.symlink_to("../base/diff")


def doubled(home):
    (home / "top/link").write_text(link(home, "mid"))


def no_lower(home):
    (home / "top/lower").unlink()


def malformed(home):
    (home / "top/lower").write_text("l/")


def cut(home):
    (home / "top/lower").write_text(f"l/{link(home, 'mid')}")


def twice(home):
    (home / "top/lower").write_text(":".join([f"l/{link(home, 'mid')}"] * 2))


def nowhere(home):
    (home / "top/lower").write_text(f"l/{OTHER}")


HARMS = (no_link_file, no_name, astray, doubled, no_lower, malformed, cut, twice, nowhere)


def as_errors(home):
    """Return the code and the path of the error for each layer, by id."""
    found = {}
    store = LayerFiles(str(home))
    for layer_id in store.ids:
        try:
            store.lowers(store.layer(layer_id))
        except StoreCorrupt as error:
            found[layer_id] = error.details["damage"], error.details["path"]
    return found


@pytest.mark.parametrize("harm", HARMS)
def test_an_error_is_about_the_first_damage_that_health_finds(home, harm):
    harm(home)
    found = {}
    for damage in survey(LayerFiles(str(home))).damage:
        if damage.cause != "second_name":
            found.setdefault(damage.layer, (damage.code, damage.path))
    errors = as_errors(home)
    assert errors and errors.items() <= found.items()
    assert found.keys() - errors.keys() <= {"mid"}  # the layer with the doubled name works


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (doubled, [("mid", "same_name", "mid", ("mid", "top")), ("top", "same_name", "mid", ("mid", "top"))]),
        (cut, [("top", "lower_cut", "mid", ())]),
        (nowhere, [("top", "lower_nowhere", "", ())]),
        (astray, [("top", "name_elsewhere", "base", ())]),
        (no_lower, [("top", "has_work", "", ())]),
    ],
)
def test_damage_says_as_data_what_a_repair_needs(home, harm, expected):
    harm(home)
    found = [damage for damage in survey(LayerFiles(str(home))).damage if damage.cause != "second_name"]
    assert sorted((one.layer, one.cause, one.target, one.others) for one in found) == expected


def test_a_second_name_says_who_needs_it(home):
    (home / "l" / OTHER).symlink_to("../base/diff")
    (found,) = survey(LayerFiles(str(home))).damage
    assert (found.code, found.layer, found.link, found.others) == ("link_astray", "base", OTHER, ())
    (home / "mid/lower").write_text(f"l/{OTHER}")
    found = {damage.cause: damage for damage in survey(LayerFiles(str(home))).damage}
    assert found["second_name"].others == ("mid",)


def test_a_record_that_cannot_be_read_is_told_apart(home):
    (home / "mid/.strata.json").write_text("[]")
    found = survey(LayerFiles(str(home)))
    assert sorted(found.layers) == ["base", "top"] and sorted(found.unread) == ["mid"]
