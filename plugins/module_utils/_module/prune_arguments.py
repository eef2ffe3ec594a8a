# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsers of values that only overlay2_prune takes: durations, amounts, shares. PRIVATE to the collection."""

from __future__ import annotations

import re

from .._driver.prune.state import Amount
from .._errors import InvalidInput, printable
from .sizes import parse_size

_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_PARTS = " ?".join(rf"(?:(?P<{unit}>\d{{1,9}}) ?{unit})?" for unit in _SECONDS)
_DURATION = re.compile(rf"(?=\d){_PARTS}(?<=[a-z])")
_SHARE = re.compile(r"(\d+(?:\.\d+)?) ?%")
_COUNT = re.compile(r"\d{1,9}")


def parse_duration(text: str | None, option: str) -> int | None:
    """Return *text* in seconds: ``90m``, ``36h``, ``1h30m``; None for None. Raises InvalidInput.

    An empty text and a number without a unit are errors, not defaults: a wrong guess would remove layers.
    """
    if text is None:
        return None
    found = _DURATION.fullmatch(text)
    numbers = {unit: int(number) for unit, number in found.groupdict().items() if number} if found else {}
    if not numbers:
        raise InvalidInput(
            f"invalid {option} '{printable(text)}'", hint='write it as "90m", "1h30m", "7d" or "2w"', option=option
        )
    return sum(number * _SECONDS[unit] for unit, number in numbers.items())


def parse_room(text: str | None, option: str) -> Amount | None:
    """Return *text*, a size as parse_size takes it or a share such as ``15%``; None for None. Raises InvalidInput."""
    if text is None:
        return None
    share = _share(text)
    if share is not None:
        return share
    try:
        size = parse_size(text, option) if text else None
    except InvalidInput:
        size = None
    if size is None:
        raise InvalidInput(f"invalid {option} '{printable(text)}'", hint='write it as "20G" or "15%"', option=option)
    return Amount(size)


def parse_number(text: str | None, option: str) -> Amount | None:
    """Return *text*, a number of layers or a share of them such as ``20%``; None for None. Raises InvalidInput."""
    if text is None:
        return None
    share = _share(text)
    if share is None and not _COUNT.fullmatch(text):
        raise InvalidInput(f"invalid {option} '{printable(text)}'", hint='write it as "50" or "20%"', option=option)
    return share or Amount(int(text))


def _share(text: str) -> Amount | None:
    share = _SHARE.fullmatch(text)
    return Amount(float(share.group(1)), percent=True) if share and float(share.group(1)) <= 100 else None
