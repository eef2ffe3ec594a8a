# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names in l/: where they lead, and which layer says it has one. Only read. PRIVATE to the collection."""

from __future__ import annotations

import errno
import os

from .._errors import printable
from .._linux.noatime import read_quietly
from .damage import Damage, unread
from .json_file import NO_FILE
from .layout import DIFF, LINK, LINK_NAME, LINKS, is_id
from .recognition import names_in


def link_target(home: str, link: str) -> str | None:
    """Return the id that l/*link* points to, None where it is no link of a layer, or cannot be read."""
    return _target(home, link) or None


def _target(home: str, link: str) -> str | None:
    """Return the id that l/*link* points to; "" where it is no link of a layer, None where it cannot be read."""
    try:
        parts = os.readlink(f"{home}/{LINKS}/{link}").split("/")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        return "" if error.errno == errno.EINVAL else None  # EINVAL: it is no symlink
    return parts[1] if len(parts) == 3 and parts[0] == ".." and is_id(parts[1]) and parts[2] == DIFF else ""


def all_links(home: str) -> dict[str, str | None]:
    """Return where each name in l/ leads, as link_target says. One that cannot be read is left out. Raises OSError."""
    found = {entry.name: _target(home, entry.name) for entry in names_in(f"{home}/{LINKS}")}
    return {name: target or None for name, target in found.items() if target is not None}


def read_link(home: str, layer_id: str, damage: list[Damage]) -> str:
    """Return the name that a layer's ``link`` file holds, "" where it holds none; what is wrong is added to *damage*.

    raises: OSError.
    """
    path = f"{home}/{layer_id}/{LINK}"
    try:
        link = os.fsdecode(read_quietly(path))
    except FileNotFoundError:
        damage.append(Damage("link_missing", path, "its link file is missing"))
        return ""
    except OSError as error:
        no_file = error.errno in NO_FILE
        damage.append(Damage("link_missing", path, "its link is no file") if no_file else unread(path, error))
        return ""
    if not link:
        damage.append(Damage("link_empty", path, "its link file is empty"))
    elif not LINK_NAME.fullmatch(link):
        message = f"its link file holds '{printable(link[:64])}', no link name"
        damage.append(Damage("link_astray", path, message))
        return ""
    return link


def misnamed(home: str, layer_id: str, link: str, target: str | None) -> list[Damage]:
    """Return what is wrong with a layer's name *link* in l/, which leads to *target*. Raises OSError."""
    path = f"{home}/{LINKS}/{link}"
    if target == layer_id:
        return []
    if not os.path.lexists(path):
        message = f"it has no name in {LINKS}/, by which its children know it"
        return [Damage("link_missing", path, message)]
    if target is not None and read_link(home, target, []) == link:
        message = f"its link file holds {link}, the name of layer {target}"
        return [Damage("link_doubled", f"{home}/{layer_id}/{LINK}", message)]
    return [Damage("link_astray", path, f"its name {LINKS}/{link} leads elsewhere")]
