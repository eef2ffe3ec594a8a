# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files of a store say of names and chains, right or wrong, as data for solve.py. Only read. PRIVATE."""

from __future__ import annotations

import os
import re
import stat
import typing as t

from .._errors import StoreCorrupt
from .layout import COMMITTED, LINK, LINK_NAME, LOWER, WORK
from .links import read_link
from .lower import valid_parent
from .recognition import has_content, is_directory
from .record import Record

if t.TYPE_CHECKING:
    from .layer import LayerFiles

_LETTERS = re.compile(r"[A-Z2-7]{0,26}")


class LayerAsRead(t.NamedTuple):
    """What the files of one layer say.

    link:    the name in the link file, also if other characters follow the name; "" for none.
    letters: what a damaged link file holds of a name.
    lowers:  the names in a whole lower file. has_lower: there is such a file, whole or not.
    whole:   the lower file is whole, or there is none. text: what the lower file holds.
    blocked: the names in the layer's directory that cannot be written: something else than a file is there.
    parent, name, sealed: as our own record says; None, "" and False for what is not recorded.
    """

    id: str
    link: str = ""
    link_is_whole: bool = True
    letters: str = ""
    lowers: tuple[str, ...] = ()
    has_lower: bool = False
    whole: bool = True
    text: bytes = b""
    diff: bool = True
    work: bool = False
    marked: bool = False
    blocked: frozenset[str] = frozenset()
    parent: str | None = None
    name: str = ""
    sealed: bool = False


class StoreAsRead(t.NamedTuple):
    """What the files of a store say. names: by name in l/, the id that it leads to; None for no layer's directory.

    work_tells: a layer of this store has a work directory only if it has a parent.
    """

    layers: t.Mapping[str, LayerAsRead]
    names: t.Mapping[str, str | None]
    work_tells: bool = True


def read_store(files: LayerFiles, *, work_tells: bool = True) -> StoreAsRead:
    """Return what the files of a store say; of what *files* has read, nothing is read again. Raises OSError."""
    found = {}
    for id in sorted(files.ids):
        layer = _read_layer(files, id)
        if layer is not None:
            found[id] = layer
    return StoreAsRead(found, files.links, work_tells)


def _read_layer(files: LayerFiles, id: str) -> LayerAsRead | None:
    """Return what the files of a layer say, None if another run has just removed the layer. Raises OSError."""
    directory = files.path(id)
    if not is_directory(directory):
        return None
    try:
        known, _damage = files.examine(id)
    except StoreCorrupt:  # of its record
        known = None
    record = known.record if known else Record()
    lower = files.lower(id)
    link, is_whole, letters = (known.link, True, "") if known and known.link else _link(files.home, id)
    return LayerAsRead(
        id,
        link,
        is_whole,
        letters,
        lower.names if lower.whole else (),
        bool(lower.names) or not lower.whole,
        lower.whole,
        lower.text or b"",
        has_content(files.home, id),
        is_directory(f"{directory}/{WORK}"),
        os.path.lexists(f"{directory}/{COMMITTED}"),
        frozenset(part for part in (LINK, LOWER, WORK) if _is_blocked(f"{directory}/{part}", part)),
        valid_parent(record.parent),
        record.link if record.link and LINK_NAME.fullmatch(record.link) else "",
        record.committed is True,
    )


def _link(home: str, id: str) -> tuple[str, bool, str]:
    """Return the name in a link file, whether the file is whole, and the letters of a damaged one. Raises OSError."""
    found = read_link(home, id)
    if found.name:
        return found.name, True, ""
    letters = _LETTERS.match(found.text)
    held = letters.group() if letters else ""
    name = held if LINK_NAME.fullmatch(held) and not found.text[len(held) :].strip("\0 \t\r\n") else ""
    return name, False, held


def _is_blocked(path: str, part: str) -> bool:
    """Tell whether something is at *path* that is neither the part of a layer nor a damaged one."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    if part == WORK:
        return not stat.S_ISDIR(mode)
    return not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode))
