# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput
from ansible_collections.strata.overlay2.plugins.module_utils._module.mode import parse_mode


@pytest.mark.parametrize(
    ("mode", "have", "wanted"),
    [
        pytest.param("0640", 0o600, 0o640, id="octal"),
        pytest.param("640", 0o600, 0o640, id="octal without its zero"),
        pytest.param("0o640", 0o600, 0o640, id="octal as Python has it"),
        pytest.param(0o640, 0o600, 0o640, id="a number, as YAML makes of 0640"),
        pytest.param("0", 0o600, 0, id="none"),
        pytest.param("u=rw,g=r,o=", 0o777, 0o640, id="symbolic"),
        pytest.param("g+r", 0o600, 0o640, id="added to what it has"),
        pytest.param("a-w", 0o666, 0o444, id="taken from what it has"),
        pytest.param("a+X", 0o600, 0o600, id="X where nobody may execute"),
        pytest.param("u+s,o=u", 0o755, 0o4757, id="setuid, and what another has"),
    ],
)
def test_modes(mode, have, wanted):
    assert parse_mode(mode)(have) == wanted


def test_no_mode():
    assert parse_mode(None) is None


@pytest.mark.parametrize(
    "mode",
    ["", "rw", "u=q", "z+r", "preserve", "0999", "10000", "100644", 0o10000, "7" * 30, "-1", -1, True, 6.4, [1], {}],
)
def test_bad_modes(mode):
    with pytest.raises(InvalidInput, match="invalid mode"):
        parse_mode(mode)
