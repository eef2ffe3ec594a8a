# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the label of an LVM physical volume to a device, as pvcreate does: python3 lvm.py DEVICE

source: struct label_header in lib/label/label.h, calc_crc in lib/misc/crc.c of LVM2.
"""

from __future__ import annotations

import struct
import sys
import zlib

SECTOR = 512
CRC_START = 0xF597A6CF


def label() -> bytes:
    """Return the label's sector, the second one of the device."""
    summed = (struct.pack("<I8s", 32, b"LVM2 001") + b"0123456789abcdefghijklmnopqrstuv").ljust(SECTOR - 20, b"\0")
    crc = zlib.crc32(summed, CRC_START ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
    return struct.pack("<8sQI", b"LABELONE", 1, crc) + summed


if __name__ == "__main__":
    with open(sys.argv[1], "r+b") as device:
        device.seek(SECTOR)
        device.write(label())
