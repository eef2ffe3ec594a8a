# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.strata.overlay2.plugins.plugin_utils._variables import known_variables, unknown_variables

SPECS = {
    "argument_specs": {
        "main": {"options": {"build_host_device": {}, "build_host_home": {}}},
        "start": {"options": None},
        "host": {"options": {"build_host_size": {}}},
    }
}


def test_the_variables_of_all_entry_points_are_known():
    assert known_variables(SPECS) == {"build_host_device", "build_host_home", "build_host_size"}


def test_a_misspelt_variable_is_told_with_the_nearest_name():
    names = ["build_host_devise", "build_host_home", "build_hosts", "other", "__build_host_x", 5]
    assert unknown_variables("build_host", names, known_variables(SPECS)) == [
        "build_host_devise is not a variable of the role strata.overlay2.build_host: did you mean build_host_device?"
    ]


def test_a_variable_without_a_near_name_is_told_with_where_the_names_stand():
    (said,) = unknown_variables("build_host", ["build_host_zzzz"], known_variables(SPECS))
    assert said.endswith(": ansible-doc -t role strata.overlay2.build_host lists its variables")
