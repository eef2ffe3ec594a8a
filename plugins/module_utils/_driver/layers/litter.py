# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds litter, which overlay2_prune removes. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._store import holders
from ..._store.codes import LitterCode
from ..._store.layout import HOLDERS, LINKS, STAGING, VANISHED
from ..._store.leftovers import leftovers
from ..quota import support
from .disk_usage import why_unread


class Litter(t.NamedTuple):
    """One piece of litter.

    code, subject: as in the findings of ``health``. path: from home. bytes: freed when the litter is swept.
    layer:  the id of the layer that the litter lies in, "" for none.
    unread: which part could not be read, and why; bytes does not count this part.
    stuck:  why no part can be deleted now; "" if a part can.
    """

    code: LitterCode
    subject: str
    path: str
    layer: str = ""
    bytes: int = 0
    unread: str = ""
    stuck: str = ""


def find_litter(
    home: str, ids: t.Collection[str], links: t.Mapping[str, str | None], needed: t.Container[str]
) -> t.Iterator[Litter]:
    """Yield the litter of a store with the layers *ids*, without sizes. Raises OSError.

    links:  where the names in l/ lead.
    needed: names that damaged layers hold in their lower files: a person repairs the damage with them.
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
        with contextlib.suppress(OSError):  # the layer has a finding of its own
            if holders.is_dead(home, id):
                yield Litter("dead_holder", id, f"{id}/{HOLDERS}", id)
    if support.project_quota_is_on(home):
        from ..quota import projects  # most stores have no quotas, and each import is compiled on every host

        for use in projects.leaked(home):
            yield Litter("leaked_project", str(use.project_id), "")


def _has_something(home: str, target: str | None) -> bool:
    """Tell whether a name in l/ leads into a directory that exists: another engine may be removing this layer."""
    return target is not None and os.path.lexists(os.path.join(home, target))
