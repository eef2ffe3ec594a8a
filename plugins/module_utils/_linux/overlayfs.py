# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What overlayfs does when it cannot use a workdir: it mounts read-only, and calls that a success. PRIVATE.

source: ovl_get_workdir() and ovl_make_workdir(), fs/overlayfs/super.c: "mounting read-only".
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import typing as t

from .mountinfo import OPTION, Mount, unescape


def require_writable(merged: str, work: str) -> None:
    """Raise OSError if the overlay on *merged* is read-only for lack of its *work*/work, on a full filesystem, say."""
    if not os.statvfs(merged).f_flag & os.ST_RDONLY:
        return
    with contextlib.suppress(FileExistsError):
        os.mkdir(os.path.join(work, "work"), 0)  # fails as it did for the kernel, which tells only its log
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), merged)


class OverlayOptions(t.NamedTuple):
    """What an overlay was mounted with, as far as the kernel tells: index=off, for one, it does not.

    lowers, upper, work: paths as they were given, un-escaped; relative to a directory nobody knows any more, or
                         to another mount namespace, they may be. Nearest lower first, data-only ones last.
    others:              every other option; "" for one without a value.
    """

    lowers: tuple[str, ...]
    upper: str | None
    work: str | None
    volatile: bool
    others: dict[str, str]


def overlay_options(mount: Mount) -> OverlayOptions:
    """Return the options of the overlay *mount*.

    Two escapes lie on each other: the kernel's octal one around the value, and in lowerdir, upperdir and workdir the
    backslashes of the mount data, which it keeps as they were given. Values of lowerdir+ and datadir+ never had any.
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


def _split_lowers(value: str) -> list[str]:
    """Split at the colons that no backslash protects; "::" stands before data-only lowers."""
    parts = re.findall(r"(?:[^\\:]|\\.?)+", value, re.DOTALL)
    return [_without_backslashes(part) for part in parts]


def _without_backslashes(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)


# Where overlayfs notes that a mount skips syncs: it refuses the workdir from then on.
