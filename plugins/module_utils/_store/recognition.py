# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells a store, and the layers in it, from other directories. Only reads. PRIVATE to the collection."""

from __future__ import annotations

import os
import stat
import typing as t

from .._errors import StoreNotFound, printable
from .layout import (
    COMMITTED,
    DIFF,
    EXACT,
    HOLDERS,
    IMAGES,
    LINK,
    LINK_NAME,
    LINKS,
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
from .listing import directories_in, entries_of, names_in

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
        with entries_of(links) as entries:
            wrong = next((entry.name for entry in entries if not (entry.is_symlink() and is_link(entry.name))), None)
    except FileNotFoundError:  # another run is removing the store, l/ last
        return False
    if wrong is None:
        return True
    from .no_store import stranger_error  # most homes are stores, and each import is compiled on every host

    raise stranger_error(home, wrong, names_in(home))


def _has_unseen_links(home: str) -> bool:
    """Tell whether another run has just made l/ in *home*; False for a home without store. Raises as is_store does."""
    try:
        entries = names_in(home)
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        from .no_store import no_store_error  # as above

        raise no_store_error(home, "it is not a directory") from None
    at_links = next((entry for entry in entries if entry.name == LINKS), None)
    strangers = sorted(entry.name for entry in entries if entry.name not in _BEFORE_LINKS)
    if at_links and at_links.is_directory:
        return True
    if not strangers:
        return False
    from .no_store import no_links_error  # as above

    why = f"it holds '{printable(strangers[0])}' and no {LINKS}/ directory"
    raise no_links_error(home, entries, f"its {LINKS} is not a directory" if at_links else why)


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
