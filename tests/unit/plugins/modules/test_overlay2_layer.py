# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.modules import overlay2_layer
from ansible_collections.strata.overlay2.tests import modules


@pytest.mark.parametrize("named", [{"id": None}, {"layers": None}, {"layers": [{"id": None}]}])
def test_a_null_in_the_place_of_a_name_is_invalid(tmp_path, named):
    result = modules.run_module(overlay2_layer.main, {"home": str(tmp_path / "store"), **named})
    assert result["failed"]
    assert "id" in result["msg"]
    assert "exception" not in result
