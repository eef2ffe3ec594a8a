# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer whose content is looked at, and the file that its tar is written to. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._store.settings import Settings
from ..layers.state import LayersState
from ..state import LayerState
from .output_file import NEW, ExistingFile, FileAccess

if t.TYPE_CHECKING:
    from ..probe.features import Features
    from .archive_file import Written
    from .diff import Difference
    from .layer_tar import LayerTar


class OutputState(t.NamedTuple):
    """The file that a layer's tar is written to.

    there:   the file; None where there is none, or one that is replaced as if there were none.
    current: its tar, if the file holds the layer's; None otherwise.
    access:  who may read the file, as it is or as a plan says.
    written: the plan writes the file.
    """

    there: ExistingFile | None
    current: Written | None
    access: FileAccess = NEW
    written: bool = False


class DiffState(t.NamedTuple):
    """A layer's store, and what is known of the layer's content.

    difference: what the layer has that the layer compared with does not have; read when its content is asked for.
    applied:    the wanted tar is the layer's content already.
    filled:     the layer's diff directory holds something.
    tar, output: the layer's tar, and the file for it; None where no tar is exported.
    """

    layers: LayersState
    layer: LayerState
    settings: Settings
    features: Features
    diff_id: str | None = None
    digest: str | None = None
    difference: Difference | None = None
    inside: t.Mapping[str, str] = {}
    applied: bool = False
    filled: bool = False
    tar: LayerTar | None = None
    output: OutputState | None = None


def reported(found: Difference, diff_id: str | None, digest: str | None) -> dict[str, t.Any]:
    """Return the results that all tasks about content have. Raises as Difference.content does."""
    return {
        "diff_id": diff_id,
        "digest": digest,
        "size": found.content.size,
        "native": found.content.native,
        "summary": found.content.changes.summary,
    }
