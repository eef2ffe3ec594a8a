# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill a directory with files that have what users and the kernel keep in xattrs: python3 set_xattrs.py DIRECTORY"""

from __future__ import annotations

import os
import struct
import sys

NOBODY = 0xFFFFFFFF
ENTRIES = ((1, 7, NOBODY), (2, 6, 1000), (4, 5, NOBODY), (8, 4, 2000), (16, 7, NOBODY), (32, 0, NOBODY))
ACL = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in ENTRIES)


def main() -> None:
    """Make them."""
    os.chdir(sys.argv[1])
    os.mkdir("shared")
    os.setxattr("shared", "system.posix_acl_default", ACL)
    for name in ("shared/file", "ping", "noted"):
        with open(name, "w", encoding="utf-8") as file:
            file.write(name)
    os.setxattr("shared/file", "system.posix_acl_access", ACL)
    os.setxattr("ping", "security.capability", bytes.fromhex("0100000200200000" + "00" * 12))
    os.setxattr("noted", "user.note", b"by hand")
    os.setxattr("noted", "trusted.secret", b"the host's")


if __name__ == "__main__":
    main()
