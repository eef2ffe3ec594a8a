# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of layers as they will be after repairs, to predict what is left. Nothing is changed. PRIVATE."""

from __future__ import annotations

import os
import typing as t

from .layer import LayerFiles
from .layout import LINK, LOWER
from .lower import Lower
from .solve import unused_name

if t.TYPE_CHECKING:
    from .repairs import Repair


def repaired(files: LayerFiles, repairs: t.Iterable[Repair]) -> LayerFiles:
    """Return the layers as they will be once *repairs* are done; other files that were read are not read again."""
    again = LayerFiles(files.home)
    again._examined, again._lowers = dict(files._examined), dict(files._lowers)
    links = dict(files.links)
    for repair in repairs:
        link = repair.link or (unused_name(links) if repair.kind == "new_name" else "")
        if repair.kind in ("name", "new_name"):
            links[link] = repair.layer
        if repair.kind == "unname":
            links.pop(link, None)
        if repair.kind in ("lower", "no_lower"):
            again._lowers[repair.layer] = Lower(repair.lowers)
        _change(again, repair, link)
    again.__dict__.update(ids=files.ids, links=links)
    return again


def _change(files: LayerFiles, repair: Repair, link: str) -> None:
    """Change what was read of one layer to what it is after a repair."""
    layer, damage = files._examined.get(repair.layer, (None, ()))
    if layer is None:
        return
    cured = ""
    if repair.kind in ("link", "new_name"):
        layer, cured = layer._replace(link=link), LINK
    elif repair.kind in ("lower", "no_lower"):
        layer, cured = layer._replace(lowers=repair.lowers), LOWER
    elif repair.kind == "seal":
        layer = layer._replace(marked=True)
    files._examined[repair.layer] = layer, tuple(one for one in damage if os.path.basename(one.path) != cured)
