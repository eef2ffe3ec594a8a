# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/proc/swaps. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import re

SWAPS = "/proc/swaps"

_OCTAL = re.compile(rb"\\([0-7]{3})")


def swap_files() -> list[str]:
    """Return the paths of the kernel's swap files; none on a kernel without swap.

    A path starts at our root, or at the root of the file's own mount namespace. The path of a deleted file ends in
    " (deleted)". source: swap_show() in mm/swapfile.c
    """
    data = b""
    with contextlib.suppress(OSError), open(SWAPS, "rb") as file:
        data = file.read()
    rows = [line.split() for line in data.split(b"\n")[1:]]
    return [os.fsdecode(_unescape(row[0])) for row in rows if len(row) > 1 and row[1] == b"file"]


def _unescape(name: bytes) -> bytes:
    return _OCTAL.sub(lambda code: bytes([int(code.group(1), 8)]), name)
