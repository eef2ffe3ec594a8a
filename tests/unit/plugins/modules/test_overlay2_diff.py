# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import tarfile

import pytest
from ansible_collections.strata.overlay2.plugins.modules import (
    overlay2_diff,
    overlay2_init,
    overlay2_layer,
)
from ansible_collections.strata.overlay2.tests import modules


@pytest.mark.root
@pytest.mark.parametrize("given", [None, "diff_id", "digest"])
def test_another_tar_for_a_sealed_layer_is_told_with_both_digests(tmp_path, given):
    home, digests = str(tmp_path / "store"), []
    for name in "ab":
        with tarfile.open(tmp_path / f"{name}.tar", "w") as archive:
            archive.addfile(tarfile.TarInfo(name))
        digests.append("sha256:" + hashlib.sha256((tmp_path / f"{name}.tar").read_bytes()).hexdigest())
    apply = {"home": home, "id": "base", "state": "applied", "remote_src": True}
    for main, params in (
        (overlay2_init.main, {"home": home}),
        (overlay2_layer.main, {"home": home, "id": "base", "state": "committed"}),
        (overlay2_diff.main, {**apply, "src": str(tmp_path / "a.tar")}),
    ):
        assert not modules.run_module(main, params).get("failed")
    more = {given: digests[1]} if given else {}
    result = modules.run_module(overlay2_diff.main, {**apply, "src": str(tmp_path / "b.tar"), **more})
    what = (given or "digest").replace("_", " ")
    told = f"layer base is sealed and has the content of another tar: the {what} of that tar is {digests[0]}"
    assert (result["error"], result["msg"]) == ("layer_in_use", f"{told}, of this one {digests[1]}")
    assert result["hint"].endswith("another id")


@pytest.mark.root
def test_check_mode_says_that_it_makes_nothing_for_a_later_task(tmp_path):
    params = {"home": str(tmp_path), "id": "gone", "state": "exported", "dest": str(tmp_path / "out")}
    hints = [
        modules.run_module(overlay2_diff.main, {**params, "_ansible_check_mode": check})["hint"]
        for check in (False, True)
    ]
    assert hints[1] == hints[0] + "; in check mode, what an earlier task would make is not there"
