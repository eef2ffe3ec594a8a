# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action that writes an image to a file. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import printable
from ..content.output_actions import WriteFile
from ..content.output_file import FileAccess, NewFile
from ..content.place import Place
from .export_state import ExportState, ImageExport, WrittenImage, anew_warning
from .image_file import ImageWriter

if t.TYPE_CHECKING:
    from ..run import Run


class WriteImage(WriteFile):
    """Write an image to a file."""

    def __init__(self, have: ExportState, place: Place, wanted: ImageExport, access: FileAccess) -> None:
        super().__init__(place, wanted.compression, access)
        self.have = have
        self._wanted = wanted
        self._written: WrittenImage | None = None

    def describe(self) -> str:
        return f"write image {self.have.record.image_id} to {printable(self.place.path)}"

    def fill(self, run: Run, file: NewFile) -> None:
        writer = ImageWriter(run.home, file, self._wanted, lambda *lost: run.warn(anew_warning(*lost)))
        self._written = writer.write(self.have)

    def told(self) -> dict[str, t.Any]:
        return {"written": self._written}
