# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a layer's content, and of the file that the tar goes to. PRIVATE to the collection."""

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

    there:   the existing file; None if it is missing, or if the run replaces it unread.
    current: the tar in the file if it is the layer's tar; None otherwise.
    access:  owner and mode of the file, as found or as planned.
    written: the plan writes the file.
    """

    there: ExistingFile | None
    current: Written | None
    access: FileAccess = NEW
    written: bool = False


class DiffState(t.NamedTuple):
    """The state of a layer and of its content.

    layers:          the state of the layer, of the layer it is compared with, and of the layers built on them.
    diff_id, digest: of the tar, as far as known.
    difference:      the diff between the layer and the layer it is compared with; read on first use of its content.
    inside:          the mounts in the layer's directory, except on merged, in words, by layer id.
    applied:         the wanted tar is already the layer's content.
    filled:          the layer's diff directory is not empty.
    tar, output:     the layer's tar, and the file for it; None if no tar is exported.
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
    """Return the results that all tasks about content share. Raises as Difference.content."""
    return {
        "diff_id": diff_id,
        "digest": digest,
        "size": found.content.size,
        "native": found.content.native,
        "summary": found.content.changes.summary,
    }
