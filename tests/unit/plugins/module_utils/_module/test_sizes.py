# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput
from ansible_collections.strata.overlay2.plugins.module_utils._module import sizes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (None, None),
        ("", 0),
        ("0", 0),
        ("10", 10),
        ("10 ", 10),
        ("1k", 1024),
        ("1kB", 1024),
        ("1KiB", 1024),
        ("10 GB", 10 << 30),
        ("1.5g", 3 << 29),
        ("0.1k", 102),
        ("64MiB", 64 << 20),
        ("2t", 2 << 40),
        ("1P", 1 << 50),
        ("7b", 7),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_a_size_is_read_as_docker_reads_it(text, size):
    assert sizes.parse_size(text, "size") == size


@pytest.mark.parametrize(
    "text",
    ["-1", "1.2.3", ".5g", "5.", " 1", "1  k", "1e3", "ten", "1x", "8192P", "\udcff", "9" * 5000, f"1.{'0' * 5000}"],
)
def test_no_size(text):
    with pytest.raises(InvalidInput, match="size") as error:
        sizes.parse_size(text, "size")
    str(error.value).encode()


def test_a_count_is_not_negative():
    assert sizes.parse_count(None, "inodes") is None
    assert sizes.parse_count(0, "inodes") == 0
    with pytest.raises(InvalidInput, match="inodes -1"):
        sizes.parse_count(-1, "inodes")
    with pytest.raises(InvalidInput, match="too large"):
        sizes.parse_count(2**63, "inodes")
