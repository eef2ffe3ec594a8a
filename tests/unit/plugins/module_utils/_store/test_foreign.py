# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store.foreign import managed_by, store_foreign


@pytest.mark.parametrize(
    ("beside", "engine"),
    [
        ("image/overlay2/layerdb", "docker"),
        ("overlay-layers", "containers-storage"),
        ("image/overlay2", None),
        ("image/vfs/layerdb", None),
    ],
)
def test_the_records_beside_home_tell(tmp_path, beside, engine):
    (tmp_path / beside).mkdir(parents=True)
    assert managed_by(str(tmp_path / "overlay2")) == engine


def test_the_error_names_whose_it_is():
    error = store_foreign("/s", "docker", "unmount layers")
    assert str(error) == "cannot unmount layers: the store at /s belongs to docker"
    assert error.details["managed_by"] == "docker"
