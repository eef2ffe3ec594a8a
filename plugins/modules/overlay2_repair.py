#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repair what has exactly one right repair in a store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_repair
short_description: Repair the damage of an overlay2 store that has exactly one right repair
version_added: 0.1.0
"""

EXAMPLES = r"""
"""

RETURN = r"""
"""

from ansible_collections.strata.overlay2.plugins.module_utils._driver.repair.state import Asked
from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import home_argument, lock_argument
from ansible_collections.strata.overlay2.plugins.module_utils._module.engine import run_module
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.repair import RepairTask


def main() -> None:
    """Run the module."""
    run_module(
        lambda params: RepairTask(
            params["home"],
            Asked(
                None if params["ids"] is None else tuple(params["ids"]),
                {id: str(parent or "") for id, parent in params["parents"].items()},
                frozenset(params["accept"]),
                params["foreign"] == "repair",
            ),
        ),
        argument_spec={
            **home_argument(),
            **lock_argument(),
            "ids": {"type": "list", "elements": "str"},
            "parents": {"type": "dict", "default": {}},
            "accept": {
                "type": "list",
                "elements": "str",
                "choices": ["stale_volatile", "link_astray", "store_file_unreadable"],
                "default": [],
            },
            "foreign": {"type": "str", "choices": ["report", "repair"], "default": "report"},
        },
    )


if __name__ == "__main__":
    main()
