# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warnings of a plan of overlay2_prune. Pure. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t
from fnmatch import fnmatchcase

from ..._errors import printable
from ..._store.engine import SOMEBODY, store_foreign_error
from .reasons import is_called
from .state import PruneOptions, PruneState

if t.TYPE_CHECKING:
    from ..layers.litter import Litter

_SHOWN = 5  # layers named in a warning


def find_warnings(wanted: PruneOptions, have: PruneState) -> t.Iterator[str]:
    """Yield the warnings: first about the options, then about the layers and the litter."""
    for glob in wanted.keep:
        if not any(fnmatchcase(id, glob) for id in have.found):
            yield f"keep: no layer is called {printable(glob)}"
    for glob in wanted.keep_images if not have.images.error else ():
        if not any(is_called(record, glob) for record in have.images.records):
            yield f"keep_images: no image is called {printable(glob)}"
    if have.images.error:
        effect = "so layers may be of more images than the reasons name"
        yield f"a record of an image cannot be read, {effect}: {have.images.error}"
    if have.unclaimed:
        yield str(store_foreign_error(have.home, SOMEBODY, "sweep litter"))
    elif wanted.orphans_only and have.exists and have.engine is None:
        yield "orphans_only: the store does not belong to another engine, so no layer is removed"
    if have.error is not None:
        yield str(have.error)
    yield from _of_times(wanted, have)
    unread = {id: found.unread for id, found in sorted(have.found.items()) if found.unread}
    for id, why in list(unread.items())[:_SHOWN]:
        yield f"layer {id} cannot be read, so it has no size, and stays: {why}"
    if len(unread) > _SHOWN:
        yield f"{len(unread) - _SHOWN} more layers cannot be read, have no size, and stay"
    yield from litter_warnings(have.home, have.litter)


def _of_times(wanted: PruneOptions, have: PruneState) -> t.Iterator[str]:
    """Yield a warning about layers with impossible times, if an option goes by times."""
    effects = {
        "unused_for and older_than select none of them": (wanted.unused_for, wanted.older_than),
        "until_free and until_used take them last": (wanted.until_free, wanted.until_used),
        "keep_last takes them by these times": (wanted.keep_last, None),
    }
    told = [effect for effect, options in effects.items() if options != (None, None)]
    wrong = [
        id for id, found in sorted(have.found.items()) if not found.unread and not found.times.is_possible(have.now)
    ]
    if told and wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        yield (
            f"layers {', '.join(wrong[:_SHOWN])}{more} have times before 2015 or in the future: the clock was wrong,"
            f" and {', and '.join(told)}"
        )


def litter_warnings(home: str, litter: t.Iterable[Litter]) -> t.Iterator[str]:
    """Yield a warning for each piece of litter that cannot be swept whole."""
    for found in litter:
        if found.stuck:
            yield f"{printable(os.path.join(home, found.path))} cannot be swept: {found.stuck}"
        elif found.unread:
            yield f"{printable(os.path.join(home, found.path))} can be swept in part: {found.unread}"
