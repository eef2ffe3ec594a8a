# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The head of an exact record: the tar that the record is about. See exact.py. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t

HEAD_SIZE = 106


_HEAD = re.compile(rb"strata-tar 1 (sha256:[0-9a-f]{64}) ([0-9]{20})\n")


class Head(t.NamedTuple):
    """The tar that a record is about: its diff id, and its size in bytes."""

    diff_id: str
    size: int


def parse_head(data: bytes) -> Head | None:
    """Return the head of a record; None if the record is not whole, or not as this version writes it."""
    match = _HEAD.fullmatch(data[:HEAD_SIZE])
    return Head(match.group(1).decode(), int(match.group(2))) if match else None
