# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action that writes an image to a file. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._archive.compression import check_writable
from ..._errors import printable
from ..content.output_file import FileAccess, NewFile
from ..content.place import Place
from ..plan import Action
from .export_state import ExportState, ImageExport, WrittenImage, anew_warning
from .image_file import ImageWriter

if t.TYPE_CHECKING:
    from ..run import Run


class WriteImage(Action):
    """Write an image to a file, which appears whole or not at all. Raises NotSupported for the compression."""

    def __init__(self, have: ExportState, place: Place, wanted: ImageExport, access: FileAccess) -> None:
        check_writable(wanted.compression)
        self.have = have
        self.place = place
        self._wanted = wanted
        self._access = access
        self._new: NewFile | None = None
        self._written: WrittenImage | None = None

    def describe(self) -> str:
        return f"write image {self.have.record.image_id} to {printable(self.place.path)}"

    def prepare(self, run: Run) -> None:
        self._new = NewFile(self.place, self._access)
        try:
            writer = ImageWriter(run.home, self._new, self._wanted, lambda *lost: run.warn(anew_warning(*lost)))
            self._written = writer.write(self.have)
            self._new.finish()
        except BaseException:
            self._new.discard()
            raise

    def commit(self, run: Run) -> None:
        if self._new:
            self._new.publish()

    def told(self) -> dict[str, t.Any]:
        return {"written": self._written}
