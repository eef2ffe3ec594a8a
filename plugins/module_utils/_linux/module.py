# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/sys/module: whether a kernel module is present, and its parameters. PRIVATE to the collection."""

from __future__ import annotations

import os


def is_loaded(module: str) -> bool:
    """Tell whether *module* is loaded, or is built in and has at least one parameter."""
    return os.path.isdir(f"/sys/module/{module}")


def is_on(module: str, parameter: str) -> bool | None:
    """Tell whether the boolean *parameter* of *module* is on; None if the kernel lacks or hides the parameter."""
    try:
        with open(f"/sys/module/{module}/parameters/{parameter}", encoding="ascii") as file:
            return file.read(1) == "Y"
    except OSError:
        return None
