# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The compressions of a layer's file, and how a file tells its own. PRIVATE to the collection."""

from __future__ import annotations

import re

NONE = "none"
GZIP = "gzip"
BZIP2 = "bzip2"
XZ = "xz"
ZSTD = "zstd"

WITH_GZIP_HEADER = 31  # zlib's wbits

_MAGICS = {b"\x1f\x8b\x08": GZIP, b"\xfd7zXZ\0": XZ, b"\x28\xb5\x2f\xfd": ZSTD}
# A tar, too, may begin with these letters, so the block or the end of the stream after the level is checked as well.
_BZIP2 = re.compile(rb"BZh[1-9](?:1AY&|\x17rE8)")
_SKIPPABLE = b"\x2a\x4d\x18"  # the end of a skippable zstd frame's magic, whose first byte is from 0x50 to 0x5f
MAGIC_SIZE = 8  # bytes that compression_of needs; moby needs so many for a skippable frame


def compression_of(head: bytes) -> str:
    """Return the compression of a file from its first 8 bytes; NONE, a plain tar, if no magic matches."""
    if len(head) >= MAGIC_SIZE and head[1:4] == _SKIPPABLE and head[0] & 0xF0 == 0x50:
        return ZSTD
    if _BZIP2.match(head):
        return BZIP2
    return next((name for magic, name in _MAGICS.items() if head.startswith(magic)), NONE)
