# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput, StoreCorrupt
from ansible_collections.strata.overlay2.plugins.module_utils._store.layout import OWN_FILE
from ansible_collections.strata.overlay2.plugins.module_utils._store.settings import (
    ID_MAX,
    IdRange,
    Settings,
    check_map,
    read_settings,
    write_settings,
)
from hypothesis import given
from hypothesis import strategies as st

DOCKERS = (IdRange(0, 100_000, 65_536),)
JOINED = (IdRange(0, 300_000, 1000), IdRange(1000, 100_000, 65_536))
REMAPPED = Settings(uid_map=JOINED, gid_map=DOCKERS)


def test_what_is_kept_is_read(tmp_path):
    settings = Settings(1 << 30, 5, JOINED, DOCKERS)
    write_settings(str(tmp_path), settings)
    assert read_settings(str(tmp_path)) == settings


def test_a_store_without_our_file_has_the_defaults(tmp_path):
    assert read_settings(str(tmp_path)) == Settings()


@pytest.mark.parametrize(
    "uid_map",
    [
        pytest.param([[0, 1]], id="a range of two numbers"),
        pytest.param([["0", "1", "2"]], id="numbers as words"),
        pytest.param([0], id="no range at all"),
        pytest.param(None, id="nothing"),
        pytest.param([[0, 1.5, 10]], id="half an id"),
        pytest.param([[0.0, 100_000, 65_536.0]], id="whole numbers with a point"),
        pytest.param([[0, True, 10]], id="a truth for a number"),
        pytest.param([[0, -1, 10]], id="a negative number"),
        pytest.param([[0, 1, 10**30]], id="a number beyond all ids"),
        pytest.param([[0, float("nan"), float("inf")]], id="no numbers"),
        pytest.param([[[0], [1], [2]]], id="lists of lists"),
        pytest.param([{"container_id": 0, "host_id": 1, "size": 2}], id="names"),
        pytest.param(["012"], id="a word"),
        pytest.param({"0": [0, 1, 2]}, id="no list"),
        pytest.param(False, id="a truth"),
        pytest.param([[1, 100_000, 65_536]], id="no root"),
        pytest.param([[0, 1, 10], [5, 20, 10]], id="ranges that overlap"),
    ],
)
def test_a_damaged_map_is_no_map(tmp_path, uid_map):
    write_settings(str(tmp_path), Settings())
    content = json.loads((tmp_path / OWN_FILE).read_text())
    (tmp_path / OWN_FILE).write_text(json.dumps({**content, "uid_map": uid_map}))
    with pytest.raises(StoreCorrupt, match="not as this collection writes") as caught:
        read_settings(str(tmp_path))
    assert caught.value.details == {"path": str(tmp_path / OWN_FILE)}


@pytest.mark.parametrize("limit", ["size", "inodes"])
@pytest.mark.parametrize("value", [1.5, -1, True, None, "5", [], 2**63, float("inf")])
def test_a_damaged_limit_is_no_limit(tmp_path, limit, value):
    (tmp_path / OWN_FILE).write_text(json.dumps({"format": 1, limit: value}))
    with pytest.raises(StoreCorrupt, match="not as this collection writes") as caught:
        read_settings(str(tmp_path))
    assert "adopt: true" in caught.value.hint


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        pytest.param([IdRange(0, 0, 0)], "u: 0:0:0 is not a range of ids", id="no ids"),
        pytest.param([IdRange(0, -1, 5)], "u: 0:-1:5 is not a range", id="a negative one"),
        pytest.param([IdRange(0, ID_MAX, 2)], "is not a range", id="one beyond the last"),
        pytest.param([IdRange(0, 10, 5), IdRange(4, 100, 5)], "u: two ranges overlap", id="one container id twice"),
        pytest.param([IdRange(0, 10, 5), IdRange(5, 14, 5)], "u: two ranges overlap", id="one host id twice"),
        pytest.param([IdRange(1, 10, 5)], "u: container id 0 has no host id", id="no root"),
    ],
)
def test_what_is_no_map_is_refused(ranges, words):
    with pytest.raises(InvalidInput, match=words):
        check_map(ranges, "u")


def test_a_map_is_sorted():
    assert check_map(JOINED[::-1], "u") == JOINED
    assert check_map([IdRange(0, 0, ID_MAX + 1)], "u") == (IdRange(0, 0, ID_MAX + 1),)
    assert check_map([], "u") == ()


class TestMapping:
    @pytest.mark.parametrize(
        ("container", "host"),
        [
            ((0, 0), (300_000, 100_000)),
            ((999, 65_535), (300_999, 165_535)),
            ((1000, 5), (100_000, 100_005)),
            ((66_535, 5), (165_535, 100_005)),
            ((-1, 5), (-1, 100_005)),
            ((5, -1), (300_005, -1)),
        ],
    )
    def test_there_and_back(self, container, host):
        assert REMAPPED.host_ids(*container) == host
        assert REMAPPED.container_ids(*host) == container

    @given(st.integers(0, 66_535), st.integers(0, 65_535))
    def test_every_id_comes_back(self, uid, gid):
        assert REMAPPED.container_ids(*REMAPPED.host_ids(uid, gid)) == (uid, gid)

    @pytest.mark.parametrize("ids", [(66_536, 0), (0, 65_536), (ID_MAX, 0)])
    def test_a_container_id_beyond_the_map(self, ids):
        word, number = ("uid", ids[0]) if ids[0] else ("gid", ids[1])
        with pytest.raises(
            ValueError, match=rf"^container {word} {number} has no host {word} in the store's {word} map$"
        ):
            REMAPPED.host_ids(*ids)

    @pytest.mark.parametrize("ids", [(0, 100_000), (299_999, 100_000), (301_000, 100_000), (300_000, 165_536)])
    def test_a_host_id_beyond_the_map(self, ids):
        word, number = ("gid", ids[1]) if ids[0] == 300_000 else ("uid", ids[0])
        with pytest.raises(
            ValueError, match=rf"^host {word} {number} has no container {word} in the store's {word} map$"
        ):
            REMAPPED.container_ids(*ids)

    def test_without_maps_there_is_nothing_to_call(self):
        assert (Settings().host_ids, Settings().container_ids, Settings().root) == (None, None, (0, 0))

    def test_the_remapped_root(self):
        assert REMAPPED.root == (300_000, 100_000)
