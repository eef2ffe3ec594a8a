# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store knows of its images is written whole, and checked when it is read."""

from __future__ import annotations

import errno
import hashlib
import json
import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import StoreCorrupt
from ansible_collections.strata.overlay2.plugins.module_utils._store.images import (
    ImageRecord,
    RecordedLayer,
    read_config,
    read_record,
    read_records,
    remove_record,
    unwritable_error,
    write_record,
)
from ansible_collections.strata.overlay2.plugins.module_utils._store.owner import strangers

CONFIG = b'{"os": "linux"}'


def digest(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


LAYERS = (
    RecordedLayer(digest(b"tar"), digest(b"gzip"), 12, "a type"),
    RecordedLayer(digest(b"other"), None, None, None),
)
RECORD = ImageRecord(digest(CONFIG), digest(b"manifest"), ("app:1", "\ud800\x1b[m"), "linux/amd64", LAYERS)


@pytest.fixture
def home(tmp_path):
    (tmp_path / "l").mkdir()
    return str(tmp_path)


def test_what_is_written_is_read(home):
    assert read_record(home, RECORD.image_id) is None
    assert read_records(home) == ((), ())
    assert read_config(home, RECORD.image_id) is None
    write_record(home, RECORD, CONFIG)
    other = RECORD._replace(image_id=digest(b"other"), manifest_digest=None, names=())
    write_record(home, other)
    assert read_record(home, RECORD.image_id) == RECORD
    assert read_records(home).images == tuple(sorted((RECORD, other)))
    assert read_config(home, RECORD.image_id) == CONFIG
    assert read_config(home, other.image_id) is None
    assert list(strangers(home, None)) == []


def test_a_record_is_replaced_and_removed(home):
    write_record(home, RECORD, CONFIG)
    changed = RECORD._replace(names=("app:2",))
    write_record(home, changed)
    assert read_record(home, RECORD.image_id) == changed
    assert read_config(home, RECORD.image_id) == CONFIG
    remove_record(home, RECORD.image_id)
    remove_record(home, RECORD.image_id)
    assert os.listdir(f"{home}/.strata-images") == []


def test_a_record_that_cannot_be_removed_leaves_the_image_as_it_was(home, monkeypatch):
    write_record(home, RECORD, CONFIG)
    unlink = os.unlink

    def fails(path, **more):
        if str(path).endswith(".json"):
            raise OSError(errno.ENOSPC, "No space left on device")
        unlink(path, **more)

    monkeypatch.setattr(os, "unlink", fails)
    with pytest.raises(OSError, match="No space"):
        remove_record(home, RECORD.image_id)
    assert read_records(home) == ((RECORD,), ())
    assert read_config(home, RECORD.image_id) == CONFIG


def test_the_next_change_sweeps_a_config_that_a_killed_removal_left(home):
    other = RECORD._replace(image_id=digest(b"other"))
    for change in (lambda: write_record(home, other), lambda: remove_record(home, other.image_id)):
        write_record(home, RECORD, CONFIG)
        os.unlink(f"{home}/.strata-images/{RECORD.image_id[7:]}.json")
        change()
        assert not os.path.exists(f"{home}/.strata-images/{RECORD.image_id[7:]}.config")


def test_a_config_that_is_there_is_kept_for_a_record_without_it(home):
    write_record(home, RECORD, CONFIG)
    os.unlink(f"{home}/.strata-images/{RECORD.image_id[7:]}.json")
    write_record(home, RECORD)
    assert read_config(home, RECORD.image_id) == CONFIG


@pytest.mark.parametrize("kind", ["symlink", "file"])
def test_nothing_is_written_where_the_records_have_no_directory(kind, home, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    if kind == "symlink":
        os.symlink(elsewhere, f"{home}/.strata-images")
    else:
        open(f"{home}/.strata-images", "w", encoding="ascii").close()
    for change in (lambda: write_record(home, RECORD, CONFIG), lambda: remove_record(home, RECORD.image_id)):
        with pytest.raises(StoreCorrupt, match=r"\.strata-images is .* no image has a record"):
            change()
    records = read_records(home)
    assert records.images == () and unwritable_error(home, RECORD.image_id, records) is records.unread[0]
    assert os.listdir(elsewhere) == []


def test_a_damaged_record_may_be_written_again_but_not_one_of_a_newer_version(home):
    write_record(home, RECORD)
    path = f"{home}/.strata-images/{RECORD.image_id[7:]}.json"
    for content, may in (("{", True), ('{"format": 2}', False)):
        with open(path, "w", encoding="ascii") as file:
            file.write(content)
        assert (unwritable_error(home, RECORD.image_id, read_records(home)) is None) is may
        assert unwritable_error(home, digest(b"other"), read_records(home)) is None


def test_what_a_killed_run_left_is_in_nobodys_way(home):
    write_record(home, RECORD, CONFIG)
    for suffix in (".json.new", ".config.new"):
        with open(f"{home}/.strata-images/{RECORD.image_id[7:]}{suffix}", "w", encoding="ascii") as file:
            file.write("{")
    write_record(home, RECORD, CONFIG)
    assert read_records(home) == ((RECORD,), ())
    assert len(os.listdir(f"{home}/.strata-images")) == 2


def test_a_config_that_is_not_what_its_name_says_is_not_returned(home):
    write_record(home, RECORD, CONFIG)
    with open(f"{home}/.strata-images/{RECORD.image_id[7:]}.config", "ab") as file:
        file.write(b" ")
    assert read_config(home, RECORD.image_id) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": 2},
        {"image_id": digest(b"another")},
        {"image_id": None},
        {"manifest_digest": "sha256:../x"},
        {"names": "app"},
        {"names": [1]},
        {"platform": None},
        {"layers": []},
        {"layers": [1]},
        {"layers": [{"diff_id": "../../etc", "digest": None, "size": None, "media_type": None}]},
        {"layers": [{"diff_id": digest(b""), "digest": 1, "size": None, "media_type": None}]},
        {"layers": [{"diff_id": digest(b""), "digest": None, "size": -1, "media_type": None}]},
        {"layers": [{"diff_id": digest(b""), "digest": None, "size": None, "media_type": 1}]},
    ],
)
def test_a_record_that_is_never_written_so_is_an_error_with_a_cure(wrong, home):
    write_record(home, RECORD, CONFIG)
    path = f"{home}/.strata-images/{RECORD.image_id[7:]}.json"
    with open(path, encoding="ascii") as file:
        content = json.load(file)
    with open(path, "w", encoding="ascii") as file:
        json.dump({**content, **wrong}, file)
    other = RECORD._replace(image_id=digest(b"other"))
    write_record(home, other)
    records = read_records(home)
    assert records.images == (other,)
    assert ".json" in records.why and "overlay2" in records.told
