# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names in l/: where they lead. PRIVATE to the collection."""

from __future__ import annotations

import os
import stat

from .layout import DIFF, LINKS, is_id, names_in


def link_target(home: str, link: str) -> str | None:
    """Return the id that l/*link* points to, None where it is no link of a layer. Raises OSError."""
    try:
        parts = os.readlink(f"{home}/{LINKS}/{link}").split("/")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if stat.S_ISLNK(os.lstat(f"{home}/{LINKS}/{link}").st_mode):
            raise error
        return None
    return parts[1] if len(parts) == 3 and parts[0] == ".." and is_id(parts[1]) and parts[2] == DIFF else None


def all_links(home: str) -> dict[str, str | None]:
    """Return where each name in l/ leads, as link_target says. Raises OSError."""
    return {entry.name: link_target(home, entry.name) for entry in names_in(f"{home}/{LINKS}")}
