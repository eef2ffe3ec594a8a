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

    <home>/.strata.json          the store's format and defaults (store_file.py)
    <home>/.staging/<random>/    layers being made or removed (staging.py)
    <home>/<id>/.strata.json     what we know of the layer and Docker has no file for (layer.py, last_use.py)
    <home>/<id>/.staging/        content being unpacked, and content being replaced
    <home>/<id>/.strata-holders  who needs the layer mounted (holders.py)

Source: moby daemon/graphdriver/overlay2/overlay.go.
"""

from __future__ import annotations

import os
import re
import stat
import typing as t

from .._errors import InvalidInput, Overlay2Error, StoreCorrupt, StoreNotFound, printable
from .._linux.noatime import open_quietly, read_quietly
from .._linux.subject import about
from .engine import CONTAINERD, is_led_away, managed_by, store_foreign

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
LOST_AND_FOUND = "lost+found"  # in the root directory of an ext4
_BEFORE_LINKS = (LOST_AND_FOUND, STAGING, OWN_FILE, OWN_FILE + ".new")  # of a store, l/ is made last
STORES_OWN = (*_BEFORE_LINKS, LINKS, QUOTA_DEVICE)
_LAYERS_OWN = (
    DIFF,
    LINK,
    LOWER,
    WORK,
    MERGED,
    COMMITTED,
    OWN_FILE,
    OWN_FILE + ".new",
    HOLDERS,
    HOLDERS + ".new",
    STAGING,
)
TRIALS = (
    "check-overlayfs-support",
    "opaque-bug-check",
    "metacopy-check",
    "userxattr-check",
)  # moby's, while it starts; a number follows


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


class Name(t.NamedTuple):
    """What a directory lists; a symlink is no directory."""

    name: str
    is_directory: bool
    is_symlink: bool


def names_in(directory: str) -> list[Name]:
    """Return what lies in *directory*, whose access time stays. Raises OSError."""
    fd = open_quietly(directory, os.O_DIRECTORY)
    with about(directory):
        try:
            with os.scandir(fd) as entries:
                return [Name(entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in entries]
        finally:
            os.close(fd)


def is_store(home: str) -> bool:
    """Tell whether *home* is a store: False where it could become one, being missing, empty, or left by a killed run.

    raises: InvalidInput if it is anything else: a file, a directory with other content; StoreCorrupt for a store whose
            l/ is lost, or is not as it was made; StoreForeign for a directory of containerd's; OSError.
    """
    try:
        entries = names_in(home)
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        raise _no_store(home, "it is no directory") from None
    at_links = next((entry for entry in entries if entry.name == LINKS), None)
    if at_links is None:
        found = sorted(entry.name for entry in entries if entry.name not in _BEFORE_LINKS)
        if found:
            raise _without_links(home, entries, f"it holds '{printable(found[0])}' and no {LINKS}/ directory")
        return False
    if not at_links.is_directory:
        raise _without_links(home, entries, f"its {LINKS} is no directory")
    try:
        links = names_in(os.path.join(home, LINKS))
    except FileNotFoundError:  # another run is removing the store, l/ last
        return False
    for entry in links:
        if not entry.is_symlink or not LINK_NAME.fullmatch(entry.name):
            why = f"{LINKS}/{printable(entry.name)} is no link of a layer"
            if not _was_made(home, entries):
                raise _no_store(home, why)
            raise _corrupt(home, f"{LINKS}/{entry.name}", "stranger", why, f"move it out of {LINKS}/")
    return True


def require_store(home: str) -> None:
    """Raise StoreNotFound if there is no store at *home*, and what is_store raises if it holds something else."""
    if not is_store(home):
        raise StoreNotFound(
            f"there is no store at {printable(home)}",
            hint="make one with strata.overlay2.overlay2_init, or check home",
            home=printable(home),
        )


def layer_ids(home: str) -> t.Iterator[str]:
    """Yield the id of each layer directory, in no order. Raises OSError."""
    for entry in names_in(home):
        if entry.is_directory and is_id(entry.name) and _has_part(f"{home}/{entry.name}"):
            yield entry.name


def is_layer(directory: str) -> bool:
    """Tell whether there is a layer, damaged or not, at the path *directory* in a store. Raises OSError.

    A directory without any part of one is a stranger, and never changed: no run of ours leaves such a one.
    """
    return is_directory(directory) and _has_part(directory)


def _has_part(directory: str) -> bool:
    """Tell whether a directory has a part of a layer, and is not a whole store itself. Raises OSError."""
    try:
        if stat.S_ISREG(os.lstat(f"{directory}/{LINK}").st_mode):  # one look for most: a store has no such file
            return True
    except VANISHED:
        pass
    except OSError:
        return True  # something has that name, even though the kernel cannot tell what
    if os.path.lexists(f"{directory}/{LINKS}"):
        return False
    if any(os.path.lexists(f"{directory}/{part}") for part in (DIFF, LINK, LOWER)):
        return True
    # A store that lost its l/ has a file of that name, too.
    return os.path.lexists(f"{directory}/{OWN_FILE}") and all(
        entry.name in _LAYERS_OWN for entry in names_in(directory)
    )


def has_content(home: str, layer_id: str) -> bool:
    """Tell whether a layer has its diff; one that is there and cannot be read is not lost."""
    directory = f"{home}/{layer_id}"
    try:
        return is_directory(directory) and is_directory(f"{directory}/{DIFF}")
    except OSError:
        return True


def is_directory(path: str) -> bool:
    """Tell whether there is a directory at *path*; a symlink, which may lead elsewhere, is none. Raises OSError."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _was_made(home: str, entries: t.Iterable[Name]) -> bool:
    """Tell whether *home*, where something is wrong with l/, is a store all the same. Raises OSError."""
    if any(entry.name == OWN_FILE for entry in entries):
        return True
    return any(_has_link(f"{home}/{entry.name}") for entry in entries if entry.is_directory and is_id(entry.name))


def _has_link(directory: str) -> bool:
    try:
        return LINK_NAME.fullmatch(os.fsdecode(read_quietly(f"{directory}/{LINK}"))) is not None
    except OSError:
        return False


def _without_links(home: str, entries: t.Sequence[Name], why: str) -> Overlay2Error:
    """Return the error for a directory that has no l/ in which names of layers could be. Raises OSError."""
    if managed_by(home) == CONTAINERD:
        return store_foreign(
            home, CONTAINERD, "use it as a store", "whose snapshotter keeps its layers there in another layout"
        )
    if not _was_made(home, entries):
        return _no_store(home, why)
    in_the_way = any(entry.name == LINKS for entry in entries)
    hint = (
        f"{f'move {LINKS} away, and ' * in_the_way}make the directory {LINKS} in it, mode {LINKS_MODE:04o}; then"
        " gather the subset health with strata.overlay2.overlay2_facts: it tells which names were in it"
    )
    return _corrupt(home, LINKS, "link_missing", why, hint)


def _corrupt(home: str, name: str, damage: str, why: str, hint: str) -> StoreCorrupt:
    """Return the error for a store with something wrong at the path *name* in it; damage: as findings call it."""
    return StoreCorrupt(
        f"the store at {printable(home)} is damaged: {why}",
        hint=hint,
        home=printable(home),
        path=printable(f"{home}/{name}"),
        damage=damage,
    )


def _no_store(home: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"{printable(home)} is no overlay2 store: {why}",
        hint="give the directory of a store, or make one by strata.overlay2.overlay2_init in an empty or new directory",
        home=printable(home),
    )
