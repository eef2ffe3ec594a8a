# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platforms of images, and which of them a host runs. PRIVATE to the collection.

Source: OCI image index specification, "platform"; the values of Go's GOOS, GOARCH, GOARM, GOAMD64.
"""

from __future__ import annotations

import sys
import typing as t

from .._errors import InvalidInput, printable

_ARCHITECTURES = {  # other names, as uname(2) or Debian have them
    **{"x86_64": "amd64", "x86-64": "amd64", "i386": "386", "i486": "386", "i586": "386", "i686": "386"},
    **{"aarch64": "arm64", "armhf": "arm/v7", "armel": "arm/v6", "armv8l": "arm/v8", "armv7l": "arm/v7"},
    **{"armv6l": "arm/v6", "armv5tel": "arm/v5", "loongarch64": "loong64"},
}
_USUAL_VARIANTS = {("amd64", "v1"): "", ("arm64", "v8"): "", ("arm64", "8"): "", ("arm", ""): "v7"}
_ARM = ("v8", "v7", "v6", "v5")  # a processor runs its own variant, and those after it
_AMD = ("v4", "v3", "v2", "")
_OLDER_RUN = {"arm": _ARM, "amd64": _AMD}


class Platform(t.NamedTuple):
    """An operating system, a processor architecture and its variant, "" for the usual one."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, self))


UNKNOWN = Platform("unknown", "unknown")  # of what BuildKit keeps beside an image


def canonical(os: str, architecture: str, variant: str = "") -> Platform:
    """Return the platform with Go's names, and without the variant that is the usual one."""
    architecture = _ARCHITECTURES.get(architecture, architecture)
    architecture, _slash, implied = architecture.partition("/")
    variant = variant or implied
    return Platform(os, architecture, _USUAL_VARIANTS.get((architecture, variant), variant))


def parse_platform(text: str) -> Platform:
    """Return the platform that a parameter names as os/architecture[/variant]. Raises InvalidInput."""
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise InvalidInput(
            f"platform: {printable(text)} is not a platform", hint="give OS/ARCHITECTURE[/VARIANT], such as linux/arm64"
        )
    return canonical(*parts)


def host_platform(machine: str) -> Platform:
    """Return the platform of a Linux host. machine: the answer of uname(2)."""
    if machine in ("mips", "mips64") and sys.byteorder == "little":
        machine += "le"
    return canonical("linux", machine)


def rank(wanted: Platform, offered: Platform) -> int | None:
    """Return how well *offered* suits a host that wants *wanted*: 0 is best, None is not at all.

    An older variant of the same architecture suits; another architecture never does, even if the processor runs it.
    """
    if offered == wanted:
        return 0
    variants = _OLDER_RUN.get(wanted.architecture, ())
    if offered[:2] != wanted[:2] or wanted.variant not in variants or offered.variant not in variants:
        return None
    found = variants.index(offered.variant) - variants.index(wanted.variant)
    return found if found > 0 else None
