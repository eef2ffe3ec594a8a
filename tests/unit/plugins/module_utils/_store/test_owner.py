# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store.engine import SOMEBODY, managed_by
from ansible_collections.strata.overlay2.plugins.module_utils._store.owner import owner, strangers


@pytest.fixture
def home(tmp_path):
    """A store with the layer base, and with names that a store of ours, of Docker's or of Podman's may have."""
    home = tmp_path / "overlay2"
    for name in (
        "l",
        "base/diff",
        "lost+found",
        ".staging/1",
        ".staging-01",
        "opaque-bug-check1",
        "staging",
        "tempdirs",
    ):
        (home / name).mkdir(parents=True)
    for name in (".strata.json", ".strata.json.new", "backingFsBlockDev"):
        (home / name).touch()
    return home


def test_what_is_no_part_of_a_store_is_a_stranger(home):
    for name in ("backup/precious", "ö", ".hidden", "sub/l"):
        (home / name).mkdir(parents=True)
    (home / "file").touch()
    (home / "link").symlink_to("base")
    found = ["backup", "ö", ".hidden", "sub", "file", "link", "staging", "tempdirs"]
    assert sorted(strangers(str(home), None)) == sorted(found)
    assert sorted(strangers(str(home), None, {"base", "backup"})) == sorted({*found} - {"backup"})


@pytest.mark.parametrize(
    ("records", "found"),
    [("overlay-layers", ["backup"]), ("image/overlay2/layerdb", ["backup", "staging", "tempdirs"])],
)
def test_an_engine_has_files_of_its_own_beside_its_layers(home, records, found):
    (home.parent / records).mkdir(parents=True)
    (home / "backup").mkdir()
    (home / ".has-mount-program").touch()
    assert sorted(strangers(str(home), managed_by(str(home)))) == found


def test_a_store_with_layers_and_without_our_file_is_somebody_elses(home):
    assert owner(str(home)) is None
    (home / ".strata.json").unlink()
    assert owner(str(home)) == SOMEBODY
    (home / "base/diff").rmdir()  # so that base is no layer
    assert owner(str(home)) is None
    (home.parent / "overlay-layers").mkdir()
    assert owner(str(home)) == "containers-storage"
