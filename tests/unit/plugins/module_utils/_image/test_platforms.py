# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which platform a host is, and which images it runs."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput
from ansible_collections.strata.overlay2.plugins.module_utils._image.platforms import (
    canonical,
    host_platform,
    parse_platform,
    rank,
)


@pytest.mark.parametrize(
    ("machine", "platform"),
    [
        ("x86_64", "linux/amd64"),
        ("i686", "linux/386"),
        ("aarch64", "linux/arm64"),
        ("armv7l", "linux/arm/v7"),
        ("armv6l", "linux/arm/v6"),
        ("ppc64le", "linux/ppc64le"),
        ("riscv64", "linux/riscv64"),
        ("loongarch64", "linux/loong64"),
        ("mips64", "linux/mips64le" if sys.byteorder == "little" else "linux/mips64"),
    ],
)
def test_a_host_has_the_platform_of_its_kernel(machine, platform):
    assert str(host_platform(machine)) == platform


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/x86_64", "linux/amd64"),
    ],
)
def test_one_platform_has_one_name(one, other):
    assert parse_platform(one) == parse_platform(other) == canonical(*other.split("/"))


@pytest.mark.parametrize("text", ["", "amd64", "linux/", "/amd64", "linux/arm/v7/x", "linux//v7"])
def test_another_text_is_no_platform(text):
    with pytest.raises(InvalidInput, match="is not a platform"):
        parse_platform(text)


@pytest.mark.parametrize(
    ("wanted", "offered", "best_first"),
    [
        ("linux/amd64", ["linux/amd64", "linux/amd64/v2", "linux/386", "linux/arm64"], ["linux/amd64"]),
        (
            "linux/amd64/v3",
            ["linux/amd64", "linux/amd64/v3", "linux/amd64/v2"],
            [f"linux/amd64{v}" for v in ("/v3", "/v2", "")],
        ),
        ("linux/arm64", ["linux/arm/v7", "linux/arm64/v8", "linux/arm64/v9"], ["linux/arm64"]),
        ("linux/arm/v7", ["linux/arm/v6", "linux/arm/v8", "linux/arm"], ["linux/arm/v7", "linux/arm/v6"]),
        ("linux/arm/v6", ["linux/arm/v7", "linux/arm/v5"], ["linux/arm/v5"]),
        ("linux/riscv64", ["linux/riscv64", "windows/riscv64"], ["linux/riscv64"]),
        ("linux/riscv64/x", ["linux/riscv64"], []),
    ],
)
def test_an_older_variant_suits_but_no_other_processor(wanted, offered, best_first):
    target = parse_platform(wanted)
    ranks = {platform: rank(target, platform) for platform in map(parse_platform, offered)}
    suitable = [platform for platform, place in ranks.items() if place is not None]
    assert [str(platform) for platform in sorted(suitable, key=lambda found: ranks[found])] == best_first
