# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Litter that a store may be swept of. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._store import holders
from ..._store.layout import HOLDERS, LINKS, STAGING, VANISHED
from ..._store.leftovers import leftovers
from ..quota import projects, support
from .disk_usage import why_unread


class Litter(t.NamedTuple):
    """code, subject: as in the findings of ``health``. path: from home. bytes: freed when it is swept.

    layer:  the layer that it lies in, "" for none.
    unread: what in it could not be read, and why; bytes is without that.
    stuck:  why nothing of it can be deleted now; "" if something can.
    """

    code: str
    subject: str
    path: str
    layer: str = ""
    bytes: int = 0
    unread: str = ""
    stuck: str = ""


_WORDS = {
    "dangling_link": "{} dangling name{} in l/",
    "staging_leftover": "{} leftover{} of killed runs, or of deleting",
    "dead_holder": "{} file{} with dead holders",
    "leaked_project": "{} limit{} of layers that are gone",
}


def find_litter(
    home: str, ids: t.Collection[str], links: t.Mapping[str, str | None], needed: t.Container[str]
) -> t.Iterator[Litter]:
    """Yield the litter of a store with the layers *ids*; sizes are not looked at. Raises OSError.

    links:  where the names in l/ lead.
    needed: names that lower files hold: dangling, they are what damage can be mended by.
    """
    for link, target in sorted(links.items()):
        if target not in ids and link not in needed and not _has_something(home, target):
            yield Litter("dangling_link", link, f"{LINKS}/{link}")
    for id in ("", *sorted(ids)):
        try:
            for path in leftovers(os.path.join(home, id)):
                yield Litter("staging_leftover", id or os.path.basename(path), os.path.relpath(path, home), id)
        except VANISHED:  # another run has just removed the layer
            pass
        except OSError as error:
            why = why_unread(error, os.path.join(home, id, STAGING))
            path = os.path.join(id, STAGING)
            yield Litter("staging_leftover", id or STAGING, path, id, unread=why, stuck=why)
    for id in sorted(ids):
        with contextlib.suppress(OSError):  # of a layer that cannot be read: that is told of the layer
            if holders.is_dead(home, id):
                yield Litter("dead_holder", id, f"{id}/{HOLDERS}", id)
    if support.project_quota_is_on(home):
        for use in projects.leaked(home):
            yield Litter("leaked_project", str(use.project_id), "")


def _has_something(home: str, target: str | None) -> bool:
    """Tell whether a name in l/ leads into something after all, such as a layer that another engine is removing."""
    return target is not None and os.path.lexists(os.path.join(home, target))
