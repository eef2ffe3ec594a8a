# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of a manifest, which other versions read too."""

from __future__ import annotations

import gzip
import zlib

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive import manifest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.manifest import NONE, ManifestWriter


@pytest.mark.parametrize("waiting", [1, 2, 3, 7, 100, 1000])
def test_files_and_others_stand_in_the_order_in_which_they_came(waiting, monkeypatch):
    monkeypatch.setattr(manifest, "_RECORDS", waiting)
    out = []
    writer = ManifestWriter(out.append)
    records = [b"strata-files 1 crc32"]
    for number in range(250):
        body = b"%d" % number * number
        if number % 9 in (3, 4, 8):
            writer.add_symlink(b"%d" % number, (0, number), b"to")
            records += [b"l 777 0 %d - - - %d" % (number, number), b"to"]
        elif number % 50 == 7:
            writer.add_gone(b"%d" % number)
            records.append(b"x - - - - - - %d" % number)
        else:  # modes and owners that stay, or change, from one file to the next
            mode, owner, half = 0o600 + number // 3 % 2, (number // 4 % 3, number // 5 % 2), number // 2
            crc = zlib.crc32(body[:half])
            writer.add_file(b"d/%d" % number, mode, owner, number, crc, memoryview(body)[half:], NONE)
            record = b"f %o %d %d %d %x - d/%d"
            records.append(record % (mode, *owner, number, zlib.crc32(body), number))
    writer.finish("sha256:1")
    records.append(b"end sha256:1 250")
    assert gzip.decompress(b"".join(out)) == b"".join(record + b"\0" for record in records)
