# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux import module


def any_switch(value: str) -> tuple[str, str]:
    """A module and one of its parameters that has the value Y or N now."""
    for path in sorted(Path("/sys/module").glob("*/parameters/*")):
        try:
            if path.read_text() == value + "\n":
                return path.parts[3], path.name
        except OSError:  # write-only, or root's
            continue
    pytest.skip(f"no module has a parameter that is {value}")


@pytest.mark.parametrize(("value", "is_on"), [("Y", True), ("N", False)])
def test_a_switch_is_on_or_off(value, is_on):
    name, parameter = any_switch(value)
    assert module.is_on(name, parameter) is is_on
    assert module.is_loaded(name)


def test_what_the_kernel_does_not_know():
    assert module.is_on("no_such_module", "index") is None
    assert not module.is_loaded("no_such_module")
