# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader

ROLES = Path(__file__).resolve().parents[4] / "roles"
NAMES = sorted(path.parents[1].name for path in ROLES.glob("*/meta/argument_specs.yml"))


def ask(role, variables, **options):
    return lookup_loader.get("strata.overlay2.unknown_variables", loader=DataLoader()).run(
        [str(ROLES / role)], variables, **options
    )


def test_a_misspelt_variable_is_found():
    (said,) = ask("build_host", {"build_host_devise": "/dev/vdb", "build_host_home": "/x"})
    assert said.endswith("did you mean build_host_device?")


def test_what_the_role_registers_is_no_mistake():
    variables = {"layer_cleanup_report": {}, "layer_cleanup_typo": 1}
    (said,) = ask("layer_cleanup", variables, also=["layer_cleanup_report"])
    assert said.startswith("layer_cleanup_typo")


@pytest.mark.parametrize("role", NAMES)
def test_each_role_knows_all_its_defaults(role):
    defaults = DataLoader().load_from_file(str(ROLES / role / "defaults/main.yml"))
    assert ask(role, defaults) == []
