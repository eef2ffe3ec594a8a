# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import StoreCorrupt
from ansible_collections.strata.overlay2.plugins.module_utils._store.leftovers import leftovers, staging_of_chain
from ansible_collections.strata.overlay2.plugins.module_utils._store.staging import Staging, mark_chain, sweep

CHAINS = [f"sha256:{digit * 64}" for digit in "abc"]


@pytest.fixture
def home(tmp_path):
    return str(tmp_path)


def test_a_run_that_unpacks_a_layer_is_found_by_the_chain_id(home):
    staging = Staging(home)
    assert staging_of_chain(home, CHAINS) is None
    mark_chain(staging.path, CHAINS[1])
    assert staging_of_chain(home, CHAINS[:1]) is None
    assert os.path.join(home, str(staging_of_chain(home, CHAINS))) == staging.path
    staging.close()
    assert staging_of_chain(home, CHAINS) is None
    assert os.listdir(home) == []


def test_a_run_that_was_killed_unpacks_nothing(home):
    staging = Staging(home)
    mark_chain(staging.path, CHAINS[0])
    left = f"{staging.path}-copy"
    shutil.copytree(staging.path, left)
    staging.close()
    assert staging_of_chain(home, CHAINS) is None
    assert leftovers(home) == [left]


def test_a_removed_layer_in_staging_is_not_one_that_is_made(home):
    staging = Staging(home)
    os.mkdir(f"{staging.path}/{CHAINS[0][7:]}")
    assert staging_of_chain(home, CHAINS) is None
    staging.close()


def test_without_staging_directories_nothing_is_unpacked(home):
    assert staging_of_chain(home, CHAINS) is None


@pytest.mark.parametrize("parent", ["", "layer"])
def test_nothing_is_swept_through_a_symlink_in_the_place_of_staging(tmp_path, parent):
    place, others = tmp_path / "store" / parent, tmp_path / "others"
    place.mkdir(parents=True)
    (others / "precious").mkdir(parents=True)
    (place / ".staging").symlink_to(others)
    assert leftovers(str(place)) == []
    with pytest.raises(StoreCorrupt, match=r"\.staging is not a directory"):
        Staging(str(place))
    sweep(str(place), leftovers(str(place)))
    assert [entry.name for entry in others.iterdir()] == ["precious"]


def test_a_file_among_the_staging_directories_is_swept(tmp_path):
    (tmp_path / ".staging").mkdir()
    (tmp_path / ".staging/file").touch()
    sweep(str(tmp_path), leftovers(str(tmp_path)))
    assert os.listdir(tmp_path) == []
