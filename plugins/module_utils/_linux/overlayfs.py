# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a mounted overlay, as mountinfo shows them. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t

from .mountinfo import OPTION, Mount, unescape


class OverlayOptions(t.NamedTuple):
    """The options of an overlay, as far as the kernel shows them. The kernel does not show index=off, for example.

    lowers, upper, work: paths as the mount data gave them, without escapes. A path may be relative to an unknown
                         directory, or belong to another mount namespace. Nearest lower first, data-only ones last.
    others:              every other option; "" for one without a value.
    """

    lowers: tuple[str, ...]
    upper: str | None
    work: str | None
    volatile: bool
    others: dict[str, str]


def overlay_options(mount: Mount) -> OverlayOptions:
    """Return the options of the overlay *mount*.

    A value has two layers of escapes. The outer one is the kernel's octal escape. The inner one are the backslashes of
    the mount data, which the kernel keeps in lowerdir, upperdir and workdir. Values of lowerdir+ and datadir+ have no
    backslashes.
    """
    lowers: list[str] = []
    data_only: list[str] = []
    others: dict[str, str] = {}
    for option in OPTION.finditer(mount.super_options):
        if option.group(1):
            others[option.group(1)] = unescape(option.group(2))
            continue
        key, _unused, value = option.group().partition("=")
        value = unescape(value)
        if key == "lowerdir":
            lowers += _split_lowers(value)
        elif key == "lowerdir+":
            lowers.append(value)
        elif key == "datadir+":
            data_only.append(value)
        else:
            others[key] = value
    upper, work = others.pop("upperdir", None), others.pop("workdir", None)
    return OverlayOptions(
        (*lowers, *data_only),
        None if upper is None else _without_backslashes(upper),
        None if work is None else _without_backslashes(work),
        "volatile" in others or others.get("fsync") == "volatile",  # the second form: Linux 6.18
        others,
    )


def is_read_only(mount: Mount) -> bool:
    """Tell whether nothing can be written through the overlay *mount*: the mount is read-only, or its superblock.

    The superblock of an overlay without upper is always read-only. source: ovl_fill_super(), fs/overlayfs/super.c
    """
    return "ro" in mount.options.split(",") or "ro" in overlay_options(mount).others


def _split_lowers(value: str) -> list[str]:
    """Split *value* at the colons that no backslash protects; "::" stands before data-only lowers."""
    parts = re.findall(r"(?:[^\\:]|\\.?)+", value, re.DOTALL)
    return [_without_backslashes(part) for part in parts]


def _without_backslashes(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
