# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of hosts, made to be what they should be: nothing a host says can break a page. Pure. PRIVATE."""

from __future__ import annotations

import typing as t

GREATEST = 2**63 - 1


def text(value: t.Any, length: int) -> str:
    """Return a text of at most *length* characters; "" for what is none."""
    if not isinstance(value, str):
        return ""
    plain = value[: length + 1]
    if not plain.isprintable():
        plain = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in plain)
    return plain if len(plain) <= length else plain[: length - 1] + "\N{HORIZONTAL ELLIPSIS}"


def count(value: t.Any, greatest: int = GREATEST) -> int:
    """Return a number from 0 to *greatest*; 0 for what is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return min(max(0, value), greatest)


def mapping(value: t.Any) -> t.Mapping[str, t.Any]:
    """Return a dict; an empty one for what is none."""
    return value if isinstance(value, dict) else {}


def rows(value: t.Any) -> t.Sequence[t.Any]:
    """Return a list; an empty one for what is none."""
    return value if isinstance(value, list) else []
