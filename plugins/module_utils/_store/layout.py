# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The paths and modes in a store, and the checks of ids and paths. PRIVATE to the collection.

    <home>/                      0710, group: the remapped root
    <home>/l/<link>              symlink to ../<id>/diff; the directory 0700
    <home>/<id>/                 0710, group: the remapped root
    <home>/<id>/diff             the layer's own files: upperdir while writable, lowerdir for its children
    <home>/<id>/link             its 26-character name in l/
    <home>/<id>/lower            "l/<link>:l/<link>...", nearest first; a layer without parent has no such file
    <home>/<id>/work, merged     the work directory of overlayfs; the mount point, while mounted
    <home>/<id>/committed        an empty file: the layer is sealed, so it is mounted read-only

All of these are Docker's. Ours, beside them:

    <home>/.strata.json          the store's format and defaults (settings.py)
    <home>/.staging/<random>/    layers being made or removed (staging.py)
    <home>/.strata-images/       what is known of the images whose layers are here (images.py)
    <home>/<id>/.strata.json     facts of the layer that Docker has no file for (layer.py, last_use.py)
    <home>/<id>/.staging/        content being unpacked, and content being replaced
    <home>/<id>/.strata-holders  the holders that need the layer mounted (holders.py)
    <home>/<id>/.strata-files    the manifest: what the applied tar put into diff (_archive/manifest.py)
    <home>/<id>/.strata-tar.z    what the applied tar had beside the content of files (_archive/exact.py)
    <home>/<id>/.strata-verified when diff was last compared with the manifest (verified.py)

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
IMAGES = ".strata-images"
MANIFEST = ".strata-files"
EXACT = ".strata-tar.z"
VERIFIED = ".strata-verified"

QUOTA_DEVICE = "backingFsBlockDev"  # moby's device node, through which it sets quotas

HOME_MODE = LAYER_MODE = 0o710  # CVE-2021-41091: with 0701 every user could run the programs of a layer
LINKS_MODE = WORK_MODE = MERGED_MODE = 0o700
DIFF_MODE = 0o755
FILE_MODE = 0o644  # of link and lower

VANISHED = (FileNotFoundError, NotADirectoryError)  # how reading fails if another run has just removed the file
MAX_DEPTH = 128  # lowers: moby's limit, so that dockerd can mount all our layers

LINK_NAME = re.compile(r"[A-Z2-7]{26}")
LINK_NAME_WITHIN = re.compile(rb"\b[A-Z2-7]{26}\b")  # a link name in a damaged lower file
LAYER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_RESERVED_IDS = (LINKS, QUOTA_DEVICE)
TRIALS = (
    "check-overlayfs-support",
    "opaque-bug-check",
    "metacopy-check",
    "userxattr-check",
)  # directories that dockerd makes while it starts; a number follows
LOST_AND_FOUND = "lost+found"  # in the root directory of an ext4


def is_id(name: str) -> bool:
    """Tell whether *name* can be a layer's id: nothing else in a store has such a name."""
    return LAYER_ID.fullmatch(name) is not None and name not in _RESERVED_IDS and not name.startswith(TRIALS)


def check_id(layer_id: str, what: str = "layer id") -> str:
    """Return *layer_id*. Raises InvalidInput if the id is unsafe as a name in the store; *what* names it."""
    if not is_id(layer_id):
        raise InvalidInput(
            f"invalid {what} '{printable(layer_id)}'",
            hint="use 1 to 255 letters, digits, '_', '.' and '-', and start with a letter or digit; an id cannot be"
            f" {' or '.join(_RESERVED_IDS)}, and cannot start with {', '.join(TRIALS)}",
            id=printable(layer_id),
        )
    return layer_id


def check_path(path: str, option: str) -> str:
    """Return *path*, the value of *option*. Raises InvalidInput for a value that no system call accepts as a path."""
    try:
        possible = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise InvalidInput(
            f"{option} '{printable(path)}' is not a path",
            hint="remove the NUL characters, and the halves of surrogate pairs",
            option=option,
        )
    return path


def check_home(home: str) -> str:
    """Return *home* without symlinks and dots.

    raises: InvalidInput if *home* cannot be a path, is not absolute, is ``/``, or is a symlink that leads out of
            another engine's data root.
    """
    check_path(home, "home")
    if not os.path.isabs(home):
        raise InvalidInput(f"home '{printable(home)}' is not an absolute path", hint="give the path from / on")
    real = os.path.realpath(home)
    if real == "/":
        raise InvalidInput("home is the root directory", hint="give a store its own directory")
    given = os.path.normpath(home)
    engine = is_led_away(given, real)
    if engine:
        raise InvalidInput(
            f"home {printable(home)} is a symlink to {printable(real)}, and {engine}'s records lie beside the symlink",
            hint="replace the symlink with a bind mount, so that the engine's records beside the store can be found",
        )
    return real
