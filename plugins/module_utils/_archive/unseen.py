# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that a directory lists and that are none of a layer's content. PRIVATE to the collection.

Source: Linux fs/overlayfs/readdir.c; fuse-overlayfs main.c, set_fd_opaque.
"""

from __future__ import annotations

import os
import stat

from .walk import IS_DIRECTORY, IS_OTHER, Ignored
from .whiteouts import OPAQUE_MARKER, is_whiteout

_OWN_WHITEOUT = b".wh..opq"  # a whiteout that fuse-overlayfs makes beside its marker


def is_hidden_whiteout(directory: int, name: bytes, kind: int) -> bool:
    """Tell whether a mount lists *name* but does not find it: a whiteout in a directory that is not merged."""
    return kind == IS_OTHER and _found(directory, name) is None


def is_marker_file(directory: int, name: bytes, kind: int) -> bool:
    """Tell whether *name* is a marker file of fuse-overlayfs, which marks opaque directories by files too."""
    if kind == IS_DIRECTORY or name not in (OPAQUE_MARKER, _OWN_WHITEOUT):
        return False
    found = _found(directory, name)
    return found is not None and (is_whiteout(found) if name == _OWN_WHITEOUT else stat.S_ISREG(found.st_mode))


def has_marker_file(directory: int) -> bool:
    """Tell whether a file of fuse-overlayfs marks the directory as opaque. Raises OSError."""
    found = _found(directory, OPAQUE_MARKER)
    return found is not None and stat.S_ISREG(found.st_mode)


def ignore_rule(merged: bool, marker_files: bool) -> Ignored | None:
    """Return the function that tells which names are ignored; None if all names count.

    merged: for the mount of a layer; marker_files: for a store that fuse-overlayfs may have written to.
    """
    if not (merged and marker_files):
        return is_hidden_whiteout if merged else is_marker_file if marker_files else None
    return lambda directory, name, kind: (
        is_hidden_whiteout(directory, name, kind) or is_marker_file(directory, name, kind)
    )


def _found(directory: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
