# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.formats import compression_of


@pytest.mark.parametrize(
    ("head", "compression"),
    [
        pytest.param(b"", "none", id="an empty file"),
        pytest.param(b"dir/" + bytes(96), "none", id="a tar"),
        pytest.param(b"\x1f\x8b\x08\x00", "gzip", id="gzip"),
        pytest.param(b"\x1f\x8b\x07\x00", "none", id="gzip, but no deflate"),
        pytest.param(b"BZh91AY&", "bzip2", id="bzip2"),
        pytest.param(b"BZh1\x17rE8", "bzip2", id="bzip2 of nothing"),
        pytest.param(b"BZh9 and", "none", id="a tar that begins with the letters of bzip2"),
        pytest.param(b"BZh01AY&", "none", id="bzip2 without a level"),
        pytest.param(b"\xfd7zXZ\x00\x00\x04", "xz", id="xz"),
        pytest.param(b"\x28\xb5\x2f\xfd\x04\x58", "zstd", id="zstd"),
        pytest.param(b"\x50\x2a\x4d\x18\x04\0\0\0", "zstd", id="zstd's first skippable frame"),
        pytest.param(b"\x5f\x2a\x4d\x18\x04\0\0\0", "zstd", id="zstd's last skippable frame"),
        pytest.param(b"\x60\x2a\x4d\x18\x04\0\0\0", "none", id="one further"),
        pytest.param(b"\x50\x2a\x4d\x18", "none", id="a skippable frame without size"),
    ],
)
def test_it_tells_the_compression(head, compression):
    assert compression_of(head) == compression
