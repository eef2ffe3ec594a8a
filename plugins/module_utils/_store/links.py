# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names in l/: where each leads, and which layer has it in its link file. Only read. PRIVATE."""

from __future__ import annotations

import errno
import os
import typing as t

from .._linux.noatime import read_quietly
from .damage import Damage
from .json_file import NO_FILE
from .layout import DIFF, LINK, LINK_NAME, LINKS, is_id
from .listing import names_in


class Link(t.NamedTuple):
    """What a ``link`` file holds.

    name: "" if the file holds no link name. damage: what is wrong with the file. text: what a damaged file holds.
    """

    name: str
    damage: Damage | None = None
    text: str = ""


def link_target(home: str, link: str) -> str | None:
    """Return the id that l/*link* points to; None if l/*link* is not the link of a layer, or cannot be read."""
    return _target(home, link) or None


def _target(home: str, link: str) -> str | None:
    """Return the id that l/*link* points to; "" if l/*link* is not the link of a layer, None if it cannot be read."""
    try:
        parts = os.readlink(f"{home}/{LINKS}/{link}").split("/")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        return "" if error.errno == errno.EINVAL else None  # EINVAL: it is not a symlink
    return parts[1] if len(parts) == 3 and parts[0] == ".." and is_id(parts[1]) and parts[2] == DIFF else ""


def all_links(home: str) -> dict[str, str | None]:
    """Return where each readable name in l/ leads, as link_target says. Raises OSError."""
    found = {entry.name: _target(home, entry.name) for entry in names_in(f"{home}/{LINKS}")}
    return {name: target or None for name, target in found.items() if target is not None}


def read_link(home: str, layer_id: str) -> Link:
    """Return what the ``link`` file of a layer holds. Raises OSError."""
    path = f"{home}/{layer_id}/{LINK}"
    try:
        name = os.fsdecode(read_quietly(path))
    except FileNotFoundError:
        return Link("", Damage("link_missing", layer_id, path, "no_link_file"))
    except OSError as error:
        if error.errno in NO_FILE:
            return Link("", Damage("link_missing", layer_id, path, "link_not_a_file"))
        from .unusable import unread  # few files are damaged, and each import is compiled on every host

        return Link("", unread(layer_id, path, error))
    if not name:
        return Link("", Damage("link_empty", layer_id, path, "empty_link"))
    if not LINK_NAME.fullmatch(name):
        return Link("", Damage("link_astray", layer_id, path, "not_a_link_name", detail=name[:64]), name)
    return Link(name)


def misnamed(home: str, layer_id: str, link: str, target: str | None, link_of: t.Callable[[str], str]) -> Damage | None:
    """Return what is wrong with a layer's name *link* in l/, which leads to *target*; None if all is right.

    link_of: returns the name in the link file of another layer. Raises OSError.
    """
    path = f"{home}/{LINKS}/{link}"
    if target == layer_id:
        return None
    if not os.path.lexists(path):
        return Damage("link_missing", layer_id, path, "no_name", link)
    if target is not None and link_of(target) == link:
        return Damage("link_doubled", layer_id, f"{home}/{layer_id}/{LINK}", "name_of_another", link, target)
    return Damage("link_astray", layer_id, path, "name_elsewhere", link, target or "")
