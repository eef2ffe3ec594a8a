# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with a layer directory, in words; cures.py says what to do about it. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from .._errors import printable
from .layout import DIFF, LINKS


class Damage(t.NamedTuple):
    """code: as in the findings of ``health``; path: what is damaged."""

    code: str
    path: str
    message: str


def unresolved(home: str, link: str, target: str | None) -> Damage:
    """Return why l/*link*, a lower, leads to no content; *target*: as link_target says."""
    path = f"{home}/{LINKS}/{link}"
    if target is not None:
        why = f"leads to layer {target}, which has no {DIFF} directory"
    elif os.path.islink(path):
        why = f"leads to '{printable(os.readlink(path))}', which is no layer's {DIFF}"
    else:
        why = "is no symlink" if os.path.lexists(path) else "does not exist"
    return Damage("lower_unresolved", path, f"its lower {LINKS}/{link} {why}")
