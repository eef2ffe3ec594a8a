# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the misspelt variables of a role."""

from __future__ import annotations

DOCUMENTATION = r"""
name: unknown_variables
short_description: Find variables that have a role's prefix and that the role does not know
version_added: 1.0.0
author: Strata (@strata)
description:
  - Ansible ignores a variable that no role knows, so a misspelt variable has no effect, and nobody is told.
  - Compares the names of a host's variables that begin with the name of a role with the options in the role's
    C(meta/argument_specs.yml), and returns a sentence about each that the role does not know.
  - The roles of this collection use this lookup, and fail if there is such a variable.
options:
  _terms:
    description: Paths of roles. The last part of a path is the name of the role.
    type: list
    elements: path
    required: true
  also:
    description: Further names that the roles know, such as those of results that they register.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Refuse misspelt variables of this role
  ansible.builtin.assert:
    that: unknown | length == 0
    fail_msg: "{{ unknown | join('; ') }}"
  vars:
    unknown: "{{ query('strata.overlay2.unknown_variables', role_path) }}"
"""

RETURN = r"""
_raw:
  description: A sentence about each unknown variable, with the nearest name that the role knows.
  type: list
  elements: str
"""

import os
import typing as t

from ansible.plugins.lookup import LookupBase

from ..plugin_utils._variables import known_variables, unknown_variables


class LookupModule(LookupBase):
    """Reads the argument specs of each of the given roles."""

    def run(self, terms: list[t.Any], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        """Return a sentence about each variable that a role does not know."""
        self.set_options(var_options=variables, direct=kwargs)
        also = self.get_option("also")
        found: list[str] = []
        for path in map(str, terms):
            specs = self._loader.load_from_file(os.path.join(path, "meta", "argument_specs.yml"))
            known = known_variables(specs) | set(also)
            found += unknown_variables(os.path.basename(path.rstrip("/")), variables or {}, known)
        return found
