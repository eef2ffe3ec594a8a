# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/sys/module: what a kernel module was built with and is set to. PRIVATE to the collection."""

from __future__ import annotations

import os


def is_loaded(module: str) -> bool:
    """Tell whether *module* is there: loaded, or built in (and then with a parameter at least)."""
    return os.path.isdir(f"/sys/module/{module}")


def is_on(module: str, parameter: str) -> bool | None:
    """Return whether a parameter of *module* that is on or off is on; None if the kernel does not have or show it."""
    try:
        with open(f"/sys/module/{module}/parameters/{parameter}", encoding="ascii") as file:
            return file.read(1) == "Y"
    except OSError:
        return None
