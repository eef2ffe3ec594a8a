# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with a layer directory, in words, and what to do about it. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from .._errors import StoreCorrupt, printable
from .layout import DIFF, LINK, LINKS

_ANEW = (
    "remove the layer by strata.overlay2.overlay2_layer with state: absent and recursive: true, and make again what is"
    " lost"
)
CONTENT_CURE = f"put it back from a backup, or {_ANEW}"
WORK_CURE = "make the directory, mode 0700, with the owner of the layer's diff"
LINK_CURE = f"write the name of the symlink in {LINKS}/ that leads to it into the file, without a newline; or {_ANEW}"
LOWER_CURE = (
    f"write {LINKS}/ with the parent's link, then a colon and the parent's lower, into the file, without a newline;"
    f" or {_ANEW}"
)


class Damage(t.NamedTuple):
    """code: as in the findings of ``health``; path: what is damaged."""

    code: str
    path: str
    message: str
    hint: str


def corrupt(layer_id: str, damage: Damage) -> StoreCorrupt:
    """Return the error for a damaged layer."""
    return StoreCorrupt(
        f"layer {layer_id} is damaged: {damage.message}",
        hint=damage.hint,
        id=layer_id,
        path=printable(damage.path),
        damage=damage.code,
    )


def unresolved(home: str, link: str, target: str | None) -> Damage:
    """Return why l/*link*, a lower, leads to no content; *target*: as link_target says."""
    path = f"{home}/{LINKS}/{link}"
    hint = f"make it a symlink to ../<id>/{DIFF} of the layer whose file {LINK} holds {link}; or {_ANEW}"
    if target is not None:
        why = f"leads to layer {target}, which has no {DIFF} directory"
        hint = f"put layer {target} back from a backup, or {_ANEW}"
    elif os.path.islink(path):
        why = f"leads to '{printable(os.readlink(path))}', which is no layer's {DIFF}"
    else:
        why = "is no symlink" if os.path.lexists(path) else "does not exist"
    return Damage("lower_unresolved", path, f"its lower {LINKS}/{link} {why}", hint)
