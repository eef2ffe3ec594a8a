# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells a store, and the layers in it, from other directories. Only reads. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from .._errors import InvalidInput, Overlay2Error, StoreCorrupt, StoreNotFound, printable
from .._linux.noatime import open_quietly, read_quietly
from .._linux.subject import about
from .engine import CONTAINERD, managed_by, store_foreign_error
from .layout import (
    COMMITTED,
    DIFF,
    EXACT,
    HOLDERS,
    IMAGES,
    LINK,
    LINK_NAME,
    LINKS,
    LINKS_MODE,
    LOST_AND_FOUND,
    LOWER,
    MANIFEST,
    MERGED,
    OWN_FILE,
    QUOTA_DEVICE,
    STAGING,
    VANISHED,
    VERIFIED,
    VOLATILE_MARKER,
    WORK,
    is_id,
)

_BEFORE_LINKS = (LOST_AND_FOUND, STAGING, OWN_FILE, OWN_FILE + ".new")  # a new store gets its l/ last
STORES_OWN = (*_BEFORE_LINKS, LINKS, QUOTA_DEVICE, IMAGES)
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
    MANIFEST,
    EXACT,
    VERIFIED,
    VERIFIED + ".new",
    STAGING,
)


class Name(t.NamedTuple):
    """An entry of a directory; a symlink does not count as a directory."""

    name: str
    is_directory: bool
    is_symlink: bool


def names_in(directory: str) -> list[Name]:
    """Return the entries of *directory*, without a change of its access time. Raises OSError."""
    with _entries(directory) as entries:
        return [Name(entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in entries]


def directories_in(directory: str) -> list[str]:
    """Return the names of the directories in *directory*, as names_in does; costs less. Raises OSError."""
    with _entries(directory) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


@contextlib.contextmanager
def _entries(directory: str) -> t.Iterator[t.Iterator[os.DirEntry[str]]]:
    fd = open_quietly(directory, os.O_DIRECTORY)
    with about(directory):
        try:
            with os.scandir(fd) as entries:
                yield entries
        finally:
            os.close(fd)


def is_store(home: str) -> bool:
    """Tell whether *home* is a store; False if *home* is missing or empty, or if a killed run left it unfinished.

    raises: InvalidInput for a file, and for a directory with other content; StoreCorrupt for a store whose l/ is lost
            or holds strangers; StoreForeign for a directory of containerd; OSError.
    """
    links = f"{home}/{LINKS}"
    if not is_directory(links):
        return _has_unseen_links(home)
    is_link = LINK_NAME.fullmatch
    try:
        with _entries(links) as entries:
            wrong = next((entry.name for entry in entries if not (entry.is_symlink() and is_link(entry.name))), None)
    except FileNotFoundError:  # another run is removing the store, l/ last
        return False
    if wrong is None:
        return True
    why = f"{LINKS}/{printable(wrong)} is not the link of a layer"
    if not _was_made(home, names_in(home)):
        raise _no_store_error(home, why)
    raise _corrupt_error(home, f"{LINKS}/{wrong}", "stranger", why, f"move it out of {LINKS}/")


def _has_unseen_links(home: str) -> bool:
    """Tell whether another run has just made l/ in *home*; False for a home without store. Raises as is_store does."""
    try:
        entries = names_in(home)
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        raise _no_store_error(home, "it is not a directory") from None
    at_links = next((entry for entry in entries if entry.name == LINKS), None)
    if at_links is None:
        found = sorted(entry.name for entry in entries if entry.name not in _BEFORE_LINKS)
        if found:
            raise _no_links_error(home, entries, f"it holds '{printable(found[0])}' and no {LINKS}/ directory")
        return False
    if not at_links.is_directory:
        raise _no_links_error(home, entries, f"its {LINKS} is not a directory")
    return True


def store_not_found_error(home: str) -> StoreNotFound:
    """Return the error for a home that has to be a store, and is not."""
    return StoreNotFound(
        f"there is no store at {printable(home)}",
        hint="make one with strata.overlay2.overlay2_init, or check home",
        home=printable(home),
    )


def layer_ids(home: str) -> t.Iterator[str]:
    """Yield the id of each layer directory, in no order. Raises OSError."""
    for name in directories_in(home):
        if is_id(name) and _has_part(f"{home}/{name}"):
            yield name


def is_unclaimed(home: str) -> bool:
    """Tell whether a store has layers, and no file of ours that says that the store is ours. Raises OSError."""
    return not os.path.lexists(f"{home}/{OWN_FILE}") and any(True for _id in layer_ids(home))


def is_layer(directory: str) -> bool:
    """Tell whether the path *directory* in a store is a layer, damaged or not. Raises OSError.

    A directory without any part of a layer is a stranger: no run of ours leaves such a directory, or changes it.
    """
    return is_directory(directory) and _has_part(directory)


def _has_part(directory: str) -> bool:
    """Tell whether a directory has a part of a layer, and is not a whole store itself. Raises OSError."""
    try:
        if stat.S_ISREG(os.lstat(f"{directory}/{LINK}").st_mode):  # enough for most layers: a store has no such file
            return True
    except VANISHED:
        pass
    except OSError:
        return True  # the name exists, but the kernel cannot read its inode
    if os.path.lexists(f"{directory}/{LINKS}"):
        return False
    if any(os.path.lexists(f"{directory}/{part}") for part in (DIFF, LINK, LOWER)):
        return True
    # A store that lost its l/ has a file of this name, too.
    return os.path.lexists(f"{directory}/{OWN_FILE}") and all(
        entry.name in _LAYERS_OWN for entry in names_in(directory)
    )


def has_content(home: str, layer_id: str) -> bool:
    """Tell whether a layer has its diff; a diff that exists and cannot be read is not lost."""
    directory = f"{home}/{layer_id}"
    try:
        return is_directory(directory) and is_directory(f"{directory}/{DIFF}")
    except OSError:
        return True


def has_volatile_marker(home: str, layer_id: str) -> bool:
    """Tell whether a layer has the marker of a volatile mount. A work that is a symlink is not the layer's."""
    return is_directory(f"{home}/{layer_id}/{WORK}") and os.path.lexists(f"{home}/{layer_id}/{VOLATILE_MARKER}")


def is_directory(path: str) -> bool:
    """Tell whether *path* is a directory; False for a symlink, which may lead elsewhere. Raises OSError."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _was_made(home: str, entries: t.Iterable[Name]) -> bool:
    """Tell whether *home*, whose l/ is missing or wrong, was made as a store. Raises OSError."""
    if any(entry.name == OWN_FILE for entry in entries):
        return True
    return any(_has_link(f"{home}/{entry.name}") for entry in entries if entry.is_directory and is_id(entry.name))


def _has_link(directory: str) -> bool:
    try:
        return LINK_NAME.fullmatch(os.fsdecode(read_quietly(f"{directory}/{LINK}"))) is not None
    except OSError:
        return False


def _no_links_error(home: str, entries: t.Sequence[Name], why: str) -> Overlay2Error:
    """Return the error for a directory without an l/ that could hold links. Raises OSError."""
    if managed_by(home) == CONTAINERD:
        return store_foreign_error(
            home, CONTAINERD, "use it as a store", "whose snapshotter keeps layers of another layout there"
        )
    if not _was_made(home, entries):
        return _no_store_error(home, why)
    in_the_way = any(entry.name == LINKS for entry in entries)
    away = f"move {LINKS} away, and " * in_the_way
    if managed_by(home) is None and any(entry.name == OWN_FILE for entry in entries):
        hint = f"{away}run strata.overlay2.overlay2_repair, which makes {LINKS} again with the names of the layers"
    else:
        hint = (
            f"{away}make the directory {LINKS} in the store, mode {LINKS_MODE:04o}; then gather the subset health with"
            f" strata.overlay2.overlay2_facts, which tells the links that {LINKS} had"
        )
    return _corrupt_error(home, LINKS, "link_missing", why, hint)


def _corrupt_error(home: str, name: str, damage: str, why: str, hint: str) -> StoreCorrupt:
    """Return the error for a store that is damaged at the path *name* in it. damage: the code of the finding."""
    return StoreCorrupt(
        f"the store at {printable(home)} is damaged: {why}",
        hint=hint,
        home=printable(home),
        path=printable(f"{home}/{name}"),
        damage=damage,
    )


def _no_store_error(home: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"{printable(home)} is not an overlay2 store: {why}",
        hint="give the directory of a store, or make a store in an empty or new directory with"
        " strata.overlay2.overlay2_init",
        home=printable(home),
    )
