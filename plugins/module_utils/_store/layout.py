# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things lie in a store, and whether a directory is one. PRIVATE to the collection.

    <home>/                      0710, group: the remapped root
    <home>/l/<link>              symlink to ../<id>/diff; the directory 0700
    <home>/<id>/                 0710, group: the remapped root
    <home>/<id>/diff             the layer's own files: upperdir while writable, lowerdir for its children
    <home>/<id>/link             its 26-character name in l/
    <home>/<id>/lower            "l/<link>:l/<link>...", nearest first; no file on a layer without parent
    <home>/<id>/work, merged     overlayfs' own; where it is mounted, while it is
    <home>/<id>/committed        empty: sealed, so mounted read-only

Docker's, all of it. Ours, beside these:

    <home>/.strata.json          the store's format and defaults (settings.py)
    <home>/.staging/<random>/    layers being made or removed (staging.py)
    <home>/<id>/.strata.json     what we know of the layer and Docker has no file for (layer.py, last_use.py)
    <home>/<id>/.staging/        content being unpacked, and content being replaced
    <home>/<id>/.strata-holders  who needs the layer mounted (holders.py)

Source: moby daemon/graphdriver/overlay2/overlay.go.
"""

from __future__ import annotations

import os
import re

from .._errors import InvalidInput, printable
from .engine import is_led_away

DEFAULT_HOME = "/var/lib/overlay2"

LINKS = "l"
DIFF = "diff"
LINK = "link"
LOWER = "lower"
WORK = "work"
VOLATILE_MARKER = f"{WORK}/work/incompat/volatile"  # below a layer: the kernel makes it for a volatile mount
MERGED = "merged"
COMMITTED = "committed"

OWN_FILE = ".strata.json"
STAGING = ".staging"
HOLDERS = ".strata-holders"

QUOTA_DEVICE = "backingFsBlockDev"  # moby's device node, through which it sets quotas

HOME_MODE = LAYER_MODE = 0o710  # CVE-2021-41091: with 0701 every user could run what lies in a layer
LINKS_MODE = WORK_MODE = MERGED_MODE = 0o700
DIFF_MODE = 0o755
FILE_MODE = 0o644  # of link and lower

VANISHED = (FileNotFoundError, NotADirectoryError)  # what reading says of what another run has just removed
MAX_DEPTH = 128  # lowers: moby's limit, so that dockerd can mount whatever we make

LINK_NAME = re.compile(r"[A-Z2-7]{26}")
LINK_NAME_WITHIN = re.compile(rb"\b[A-Z2-7]{26}\b")  # what a lower file still names, however damaged it is
LAYER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_RESERVED_IDS = (LINKS, QUOTA_DEVICE)
TRIALS = (
    "check-overlayfs-support",
    "opaque-bug-check",
    "metacopy-check",
    "userxattr-check",
)  # moby's, while it starts; a number follows
LOST_AND_FOUND = "lost+found"  # in the root directory of an ext4


def is_id(name: str) -> bool:
    """Tell whether *name* can be a layer's id: no other name in a store."""
    return LAYER_ID.fullmatch(name) is not None and name not in _RESERVED_IDS and not name.startswith(TRIALS)


def check_id(layer_id: str, what: str = "layer id") -> str:
    """Return *layer_id*. Raises InvalidInput where it could not safely be a name in the store; *what* names it."""
    if not is_id(layer_id):
        raise InvalidInput(
            f"invalid {what} '{printable(layer_id)}'",
            hint="an id starts with a letter or digit, goes on with letters, digits, '_', '.' and '-', has at most"
            f" 255 characters, is none of {', '.join(_RESERVED_IDS)} and begins with none of {', '.join(TRIALS)}",
            id=printable(layer_id),
        )
    return layer_id


def check_path(path: str, option: str) -> str:
    """Return *path*, the value of *option*. Raises InvalidInput for what no system call takes for a path."""
    try:
        possible = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise InvalidInput(
            f"{option} '{printable(path)}' is no path",
            hint="take out the NUL characters, and the halves of surrogate pairs",
            option=option,
        )
    return path


def check_home(home: str) -> str:
    """Return *home* without symlinks and dots.

    raises: InvalidInput if it can be no path, is not absolute, is ``/``, or a symlink out of another engine's data
            root.
    """
    check_path(home, "home")
    if not os.path.isabs(home):
        raise InvalidInput(f"home '{printable(home)}' is not an absolute path", hint="give the whole path of the store")
    real = os.path.realpath(home)
    if real == "/":
        raise InvalidInput("home is the root directory", hint="a store needs a directory of its own")
    given = os.path.normpath(home)
    engine = is_led_away(given, real)
    if engine:
        raise InvalidInput(
            f"home {printable(home)} is a symlink to {printable(real)}, away from {engine}'s records",
            hint="have a bind mount in the place of the symlink, so that it is known whose store this is",
        )
    return real
