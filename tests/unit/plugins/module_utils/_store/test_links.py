# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store.links import all_links, link_target


@pytest.fixture
def home(tmp_path):
    (tmp_path / "l").mkdir()
    return tmp_path


def test_a_name_leads_to_a_layer_be_it_there_or_not(home):
    for name, layer_id in (("A", "base"), ("B", "a.b_c-1")):
        (home / "l" / name).symlink_to(f"../{layer_id}/diff")
    (home / "l" / "C").symlink_to("elsewhere")
    assert all_links(str(home)) == {"A": "base", "B": "a.b_c-1", "C": None}
    assert link_target(str(home), "none") is None


@pytest.mark.parametrize(
    "target", ["/etc", "../../diff", "..//diff", "../l/diff", "../../base/diff", "../base/work", "../base", "base/diff"]
)
def test_other_symlinks_are_no_links(home, target):
    (home / "l" / "A").symlink_to(target)
    assert link_target(str(home), "A") is None
    (home / "l" / "B").write_text("")
    assert link_target(str(home), "B") is None
