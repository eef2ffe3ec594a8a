# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions that write a layer's tar to a file, and set the file's owner and mode. PRIVATE to the collection."""

from __future__ import annotations

import abc
import errno
import os
import typing as t

from ..._archive.compression import ArchiveWriter, check_writable
from ..._errors import printable
from ..plan import Action
from ..state import LayerState
from . import output_file
from .layer_tar import LayerTar
from .output_file import ExistingFile, FileAccess, difference, set_access, stat_file
from .place import Place

if t.TYPE_CHECKING:
    from ..run import Run


class WriteFile(Action, abc.ABC):
    """Write a file, which appears whole or not at all. Raises NotSupported for the compression."""

    def __init__(self, place: Place, compression: str, access: FileAccess) -> None:
        check_writable(compression)
        self.place = place
        self._access = access
        self._new: output_file.NewFile | None = None

    @abc.abstractmethod
    def fill(self, run: Run, file: output_file.NewFile) -> None:
        """Write the content. Whatever is raised, the file never appears."""

    def prepare(self, run: Run) -> None:
        self._new = output_file.NewFile(self.place, self._access)
        try:
            self.fill(run, self._new)
            self._new.finish()
        except BaseException:
            self._new.discard()
            raise

    def commit(self, run: Run) -> None:
        if self._new:
            self._new.publish()


class WriteArchive(WriteFile):
    """Write a layer's tar to a file."""

    def __init__(
        self,
        layer: LayerState,
        place: Place,
        compression: str,
        level: int | None,
        access: FileAccess,
        tar: LayerTar,
    ) -> None:
        super().__init__(place, compression, access)
        self.layer = layer
        self.diff_id = self.digest = ""
        self._compression = compression
        self._level = level
        self._tar = tar

    def describe(self) -> str:
        return f"write the tar of layer {self.layer.id} to {printable(self.place.path)}"

    def fill(self, run: Run, file: output_file.NewFile) -> None:
        with ArchiveWriter(file.write, self._compression, self._level) as writer:
            self._tar.write(writer.write)
            writer.finish()
        self.diff_id, self.digest = writer.diff_id, writer.digest

    def told(self) -> dict[str, t.Any]:
        return {"diff_id": self.diff_id, "digest": self.digest}


class GiveAccess(Action):
    """Change owner and mode of an output file whose content is already right."""

    def __init__(self, place: Place, have: ExistingFile, access: FileAccess) -> None:
        self.access = access
        self._place = place
        self._have = have

    def describe(self) -> str:
        changes = difference(self._have.access, self.access)[1]
        return f"set {', '.join(f'{key} {value}' for key, value in changes.items())} of {printable(self._place.path)}"

    def commit(self, run: Run) -> None:
        with self._place.opened() as file:
            if file is None or stat_file(file).inode != self._have.inode:  # another file replaced the one we read
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), self._place.path)
            set_access(file.fileno(), self.access)
            os.fsync(file.fileno())
