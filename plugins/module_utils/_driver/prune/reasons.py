# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why layers stay, in words. Pure. PRIVATE to the collection."""

from __future__ import annotations

import time
import typing as t
from fnmatch import fnmatchcase

from ..._errors import printable, shorten
from ..layers.images import label_of, names_of
from .state import FoundLayer, PruneOptions, PruneState

if t.TYPE_CHECKING:
    from ..._store.images import ImageRecord

_SELECTORS = "keep_last, match, unused_for, older_than, until_free, until_used, orphans_only"


def why_in_use(
    found: FoundLayer, have: PruneState, wanted: PruneOptions, working: bool, let_go: t.Collection[str] = ()
) -> str:
    """Return why a layer stays whatever the options select; "" if it may be removed.

    let_go: the holders that the run lets go.
    """
    if have.engine and not found.orphan:
        return f"{have.engine} needs it: {found.needed}" if found.needed else str(have.error or "it is just being made")
    if have.engine and not wanted.remove_foreign:
        why = f"; {have.engine} runs, so it may just be made" if have.engine_users and have.engine_users.runs else ""
        return f"none of {have.engine}'s records names it, but foreign is not set to remove{why}"
    if found.damage and not found.orphan:
        return f"damaged: {found.damage}"
    if found.unread:
        return f"it cannot be read: {found.unread}"
    staying = [name for name in found.layer.holders if name not in let_go]
    if found.layer.mounted and (staying or not let_go):
        return f"mounted, and held by {', '.join(staying)}" if staying else "mounted"
    if staying:
        return f"held by {', '.join(staying)}"
    if found.users:
        return f"busy: {found.users}"
    return "busy: another run is at work on it" if working else ""


def why_needed(found: FoundLayer, have: PruneState) -> str:
    """Return, in words, which damaged layer may be built on the layer *found*; "" for none."""
    lost = next((lost for lost in have.lost if lost.may_be_on(found.layer.id, found.layer.lowers)), None)
    return f"layer {lost.id} is damaged, and may be built on it" if lost else ""


def why_kept(
    found: FoundLayer, have: PruneState, wanted: PruneOptions, newest: bool, images: t.Sequence[ImageRecord]
) -> str:
    """Return, in words, which option keeps a layer; "" if no option keeps it. images: those that it belongs to."""
    id = found.layer.id
    if not wanted.selectors:
        return f"no selecting option is given ({_SELECTORS})"
    glob = next((glob for glob in wanted.keep if fnmatchcase(id, glob)), None)
    if glob is not None:
        return f"keep: {glob}"
    kept = _why_kept_as_image(found, have, wanted, images)
    if kept:
        return kept
    if newest:
        return f"one of the newest {wanted.keep_last} of its lineage (keep_last)"
    if wanted.match is not None and not any(fnmatchcase(id, glob) for glob in wanted.match):
        return "not in match"
    if (wanted.unused_for, wanted.older_than) != (None, None) and not found.times.is_possible(have.now):
        return f"its times cannot be right: {_in_words(found)}"
    if wanted.unused_for is not None and have.now - found.times.used < wanted.unused_for:
        return "used within unused_for"
    if wanted.older_than is not None and have.now - found.times.made < wanted.older_than:
        return "made within older_than"
    return "no orphan (orphans_only)" if wanted.orphans_only and not found.orphan else ""


def _in_words(found: FoundLayer) -> str:
    """Return, in words, when a layer was made and last used."""
    made, used = (time.strftime("%Y-%m-%d", time.gmtime(seconds)) for seconds in found.times)
    return f"made {made}, last used {used}"


def _why_kept_as_image(
    found: FoundLayer, have: PruneState, wanted: PruneOptions, images: t.Sequence[ImageRecord]
) -> str:
    """Return, in words, which image keeps a layer by keep_images; "" for none."""
    for glob in wanted.keep_images:
        record = next((record for record in images if is_called(record, glob)), None)
        if record is not None:
            return f"image {label_of(record)} (keep_images: {printable(glob)})"
    if wanted.keep_images and have.images.error and found.layer.diff_id:
        return "it may be of an image whose record cannot be read (keep_images)"
    return ""


def is_called(record: ImageRecord, glob: str) -> bool:
    """Tell whether *glob* matches a name of an image."""
    return any(fnmatchcase(name, glob) for name in names_of(record))


def with_images(reason: str, images: t.Sequence[ImageRecord]) -> str:
    """Return the reason with the images that a layer belongs to."""
    labels = [label_of(record) for record in images]
    return f"{reason}; of image {shorten(labels)}" if labels else reason
