# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import LayerFiles
from ansible_collections.strata.overlay2.plugins.module_utils._store.record import Record
from ansible_collections.strata.overlay2.plugins.module_utils._store.record_writer import (
    forget_content,
    record_content,
    sealed_record,
)


@pytest.fixture
def home(tmp_path, make_chain):
    """A store with the chain base <- mid <- top."""
    (tmp_path / "l").mkdir()
    return make_chain(tmp_path, "base", "mid", "top")


def recorded(home, id):
    """What is recorded of a layer, but for what its other files tell too."""
    return LayerFiles(str(home)).layer(id).record._replace(parent=None, link=None)


def test_what_is_recorded_of_the_content_leaves_the_rest(home):
    for content in (Record(None, "sha256:1", "sha256:2"), Record(None, None, None, "sha256:3", "sha256:4")):
        record_content(str(home), "top", content)
        assert recorded(home, "top") == content._replace(read_write=True)
    record_content(str(home), "top")
    assert recorded(home, "top") == Record(read_write=True)


def test_content_is_recorded_of_dockers_layer_too(home):
    os.unlink(home / "mid" / ".strata.json")
    record_content(str(home), "mid", Record(None, "sha256:1", "sha256:2"))
    assert recorded(home, "mid") == Record(None, "sha256:1", "sha256:2")


def test_the_first_run_that_changes_an_older_layer_records_its_parent_and_its_name(home):
    for id, parent in (("base", ""), ("mid", "base"), ("top", "mid")):
        record_content(str(home), id, Record(None, "sha256:1", "sha256:2"))
        record = LayerFiles(str(home)).layer(id).record
        assert (record.parent, record.link) == (parent, (home / id / "link").read_text())


def lose_name(home):
    (home / "l" / (home / "top/link").read_text()).unlink()


def lead_astray(home):
    name = home / "l" / (home / "mid/link").read_text()
    name.unlink()
    name.symlink_to("../base/diff")


def cut(home):
    (home / "top/lower").write_text((home / "top/lower").read_text()[:28])


def lose_lower(home):
    (home / "top/lower").unlink()


def contradict(home):
    record = json.loads((home / "top/.strata.json").read_text())
    (home / "top/.strata.json").write_text(json.dumps({**record, "parent": "base"}))


@pytest.mark.parametrize("harm", [lose_name, lead_astray, cut, lose_lower, contradict])
def test_nothing_is_recorded_of_a_layer_that_may_be_damaged(home, harm):
    harm(home)
    record_content(str(home), "top", Record(None, "sha256:1", "sha256:2"))
    own = json.loads((home / "top/.strata.json").read_text())
    assert "link" not in own and own["diff_id"] == "sha256:1"
    assert own.get("parent") == ("base" if harm is contradict else None)


def test_what_is_sealed_is_recorded_so_with_all_that_the_record_had(home):
    record_content(str(home), "top", Record(None, "sha256:1", "sha256:2"))
    own = json.loads((home / "top/.strata.json").read_text())
    assert sealed_record(str(home), "top") == {**own, "committed": True}


def test_what_is_forgotten_comes_back_byte_for_byte_with_the_time_of_the_last_use(home):
    record_content(str(home), "top", Record(None, "sha256:1", "sha256:2"))
    names = (".strata.json", ".strata-files", ".strata-tar.z")
    for name in names[1:]:
        (home / "top" / name).write_text(name)
    os.utime(home / "top" / ".strata.json", (1, 2))
    before = [((home / "top" / name).read_bytes(), (home / "top" / name).stat().st_mtime) for name in names]
    (home / "top/.staging").mkdir()
    undo = []
    forget_content(str(home), "top", str(home / "top/.staging"), undo)
    assert recorded(home, "top") == Record(read_write=True)
    assert not [name for name in names[1:] if (home / "top" / name).exists()]
    for step in reversed(undo):
        step()
    assert [((home / "top" / name).read_bytes(), (home / "top" / name).stat().st_mtime) for name in names] == before
