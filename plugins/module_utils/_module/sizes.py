# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses sizes and numbers in options. PRIVATE to the collection."""

from __future__ import annotations

import re

from .._errors import InvalidInput, printable

# No size has 99 digits, and int() refuses too many digits.
_SIZE = re.compile(r"(\d{1,99}(?:\.\d{1,99})?) ?(?:([kmgtp])(?:i?b)?|b)?", re.IGNORECASE)


_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}  # bytes


_MAX_SIZE = _MAX_COUNT = 2**63 - 1  # bytes, files


def parse_size(text: str | None, option: str) -> int | None:
    """Return *text* in bytes: ``10G``, ``1.5g``, ``64MiB``, 1024-based; 0 for ``""`` and ``0``, None for None.

    option: the name of the option, for the message.
    raises: InvalidInput.
    source: moby's units.RAMInBytes.
    """
    if text is None:
        return None
    if not text:
        return 0
    found = _SIZE.fullmatch(text)
    if not found:
        raise InvalidInput(
            f"invalid {option} '{printable(text)}'", hint='write it as "10G", "1.5g" or "64MiB"', option=option
        )
    whole, _unused, fraction = found.group(1).partition(".")
    unit = _UNITS[(found.group(2) or "").lower()]
    size = int(whole) * unit + int(fraction or 0) * unit // 10 ** len(fraction)
    if size > _MAX_SIZE:
        raise InvalidInput(f"{option} '{printable(text)}' is too large", hint="use less than 8 EiB", option=option)
    return int(size)


def parse_count(number: int | None, option: str) -> int | None:
    """Return *number*. Raises InvalidInput for a negative number, and for one larger than any filesystem counts."""
    if number is not None and number < 0:
        raise InvalidInput(f"invalid {option} {number}: it is negative", hint="use 0 for none", option=option)
    if number is not None and number > _MAX_COUNT:
        raise InvalidInput(f"{option} {number} is too large", hint="use less than 2^63, or 0 for none", option=option)
    return number
