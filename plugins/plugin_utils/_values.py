# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values from hosts, converted to their types, so that no answer of a host can break a page. Pure. PRIVATE."""

from __future__ import annotations

import typing as t

GREATEST = 2**63 - 1


def text(value: t.Any, length: int) -> str:
    """Return *value* as text of at most *length* characters; "" if it is not a string."""
    if not isinstance(value, str):
        return ""
    plain = value[: length + 1]
    if not plain.isprintable():
        plain = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in plain)
    return plain if len(plain) <= length else plain[: length - 1] + "\N{HORIZONTAL ELLIPSIS}"


def count(value: t.Any, greatest: int = GREATEST) -> int:
    """Return *value* as a number from 0 to *greatest*; 0 if it is not a whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return min(max(0, value), greatest)


def mapping(value: t.Any) -> t.Mapping[str, t.Any]:
    """Return *value*; an empty dict if it is not a dict."""
    return value if isinstance(value, dict) else {}


def rows(value: t.Any) -> t.Sequence[t.Any]:
    """Return *value*; an empty list if it is not a list."""
    return value if isinstance(value, list) else []
