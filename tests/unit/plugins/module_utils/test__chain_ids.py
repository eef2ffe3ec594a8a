# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib

from ansible_collections.strata.overlay2.plugins.module_utils._chain_ids import chain_id, chain_ids

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_chain_id_of_a_base_is_its_diff_id():
    assert chain_id("", EMPTY) == EMPTY


def test_a_chain_id_is_that_of_the_oci_specification():
    first, second = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    expected = hashlib.sha256(f"{first} {second}".encode()).hexdigest()
    assert chain_id(chain_id("", first), second) == f"sha256:{expected}"
    assert list(chain_ids([first, second])) == [first, f"sha256:{expected}"]
