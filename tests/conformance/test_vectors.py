# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exported tars of the recorded trees have exactly the diff ids that moby gives them."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.export import export_layer
from ansible_collections.strata.overlay2.tests.conformance.vectors.build_trees import TREES, build

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes devices, owners and trusted xattrs"),
]

EXPECTED = json.loads((pathlib.Path(__file__).parent / "vectors" / "expected.json").read_text())


def test_every_recorded_tree_is_tested():
    assert sorted(EXPECTED) == sorted(TREES)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_diff_id_is_mobys(tmp_path, name):
    build(name, str(tmp_path))
    digest = hashlib.sha256()
    size = 0

    def write(piece):
        nonlocal size
        digest.update(piece)
        size += len(piece)

    export_layer(str(tmp_path / name), write)
    assert (f"sha256:{digest.hexdigest()}", size) == (EXPECTED[name]["diff_id"], EXPECTED[name]["bytes"])
