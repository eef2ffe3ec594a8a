# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.strata.overlay2.plugins.module_utils._linux import swaps


def test_only_files_are_told(tmp_path, monkeypatch):
    listed = tmp_path / "swaps"
    listed.write_bytes(
        b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
        b"/dev/vdb                                partition\t1024\t\t0\t\t-2\n"
        b"/a\\040b\\011\\134\\012c                       file\t\t4092\t\t0\t\t-3\n"
        b"/gone\\040(deleted)                       file\t\t4092\t\t0\t\t-4\n"
    )
    monkeypatch.setattr(swaps, "SWAPS", str(listed))
    assert swaps.swap_files() == ["/a b\t\\\nc", "/gone (deleted)"]
    monkeypatch.setattr(swaps, "SWAPS", str(tmp_path / "none"))
    assert swaps.swap_files() == []
