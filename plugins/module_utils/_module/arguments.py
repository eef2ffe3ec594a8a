# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that modules share: argument specs, and parsers of their values. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._store.layout import DEFAULT_HOME


def home_argument() -> dict[str, t.Any]:
    """Return the argument spec of ``home``."""
    return {"home": {"type": "path", "default": DEFAULT_HOME}}


def lock_argument() -> dict[str, t.Any]:
    """Return the argument spec of ``lock_timeout``."""
    return {"lock_timeout": {"type": "int", "default": 60}}
