# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer's content goes in, or into a file. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import stat
import typing as t

from ..._archive.apply import apply_layer
from ..._archive.clone import clone_tree
from ..._archive.compression import (
    MAGIC_SIZE,
    ArchiveReader,
    ArchiveWriter,
    check_level,
    check_writable,
    compression_of,
)
from ..._archive.decompress import CHUNK, NONE, Read
from ..._archive.digests import Digest, check_digest
from ..._errors import ArchiveRejected, DigestMismatch, InvalidInput, NotSupported, Overlay2Error, printable
from ..._linux.noatime import open_quietly
from ..._linux.rename import exchange
from ..._linux.subject import about
from ..._linux.sync import sync_directory
from ..._store.layer import Record, record_content
from ..._store.layout import DIFF, check_path
from ..._store.settings import Settings
from ..quota import projects
from ..run import Run
from ..state import Action, LayerState
from . import output_file
from .layer_tar import LayerTar
from .place import Place

_OVERHEAD = 1 << 20  # bytes that a compressed file may have more than its tar, with a 16th of that: enough for any tool
_MOST_HOLES = 16 << 30  # bytes, which are read in seconds


class Source(t.NamedTuple):
    """A layer tar to be applied.

    path:            on this host; "" while it is on the controller only.
    diff_id, digest: as they must be; None if any will do. max_size: bytes, None for no limit.
    """

    path: str
    diff_id: str | None
    digest: str | None
    merge: bool
    max_size: int | None


def check_compression(compression: str, level: int | None) -> None:
    """Raise InvalidInput if *compression* has no such *level*."""
    check_level(compression, level, "compression_level")


def check_source(source: Source) -> None:
    """Raise InvalidInput for an expected digest that is none, or a path that can be none."""
    check_path(source.path, "src")
    for option, value in (("diff_id", source.diff_id), ("digest", source.digest)):
        if value is not None:
            check_digest(value, option)


class Written(t.NamedTuple):
    """A tar in a file: the file's digest, the tar's diff id, and how many bytes the tar has."""

    digest: str
    diff_id: str
    size: int


def is_tar(file: t.BinaryIO, tar: Digest, compression: str) -> Written | None:
    """Return what *file* holds if that is just this *tar* in this *compression*; None otherwise. Raises OSError.

    Whoever may write to the directory may have put anything there: of what cannot be the tar no more is read, and no
    more decompressed, than the tar would be.
    """
    there = os.fstat(file.fileno()).st_size
    most = tar.size if compression == NONE else tar.size + tar.size // 16 + _OVERHEAD
    if there > most or (compression == NONE and there != most):
        return None
    if compression_of(os.pread(file.fileno(), MAGIC_SIZE, 0)) != compression:
        return None
    left = there

    def read(size: int) -> bytes:
        nonlocal left
        piece = file.read(min(size, left))
        left -= len(piece)
        return piece

    size = 0
    try:
        with ArchiveReader(read) as reader:
            for piece in iter(lambda: reader.read(CHUNK), b""):
                size += len(piece)
                if size > tar.size:
                    return None
            return Written(reader.digest, reader.diff_id, size) if reader.diff_id == str(tar) else None
    except (ArchiveRejected, NotSupported):
        return None


def file_digest(path: str) -> str:
    """Return the digest of the file at *path* as it lies there, "" of one that is nearly nothing but holes.

    Nobody made such a one by writing it, and to read it may take years. Raises InvalidInput if there is none, OSError.
    """
    digest = Digest()
    with _opened(path) as (fd, read):
        if _has_endless_holes(fd):
            return ""
        for piece in iter(lambda: read(CHUNK), b""):
            digest.update(piece)
    return str(digest)


def _has_endless_holes(fd: int) -> bool:
    size, holes, at = os.fstat(fd).st_size, 0, 0
    while at < size and holes <= _MOST_HOLES:
        try:
            data = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            data = size
        holes += data - at
        at = os.lseek(fd, data, os.SEEK_HOLE) if data < size else size
    os.lseek(fd, 0, os.SEEK_SET)
    return holes > _MOST_HOLES


class WriteArchive(Action):
    """Write a layer's tar to a file, which appears whole or not at all. Raises NotSupported where it cannot."""

    def __init__(
        self,
        layer: LayerState,
        place: Place,
        compression: str,
        level: int | None,
        access: output_file.Access,
        tar: LayerTar,
    ) -> None:
        check_writable(compression)
        self.layer = layer
        self.place = place
        self.diff_id = self.digest = ""
        self._compression = compression
        self._level = level
        self._access = access
        self._tar = tar
        self._new: output_file.NewFile | None = None

    def describe(self) -> str:
        return f"write the tar of layer {self.layer.id} to {printable(self.place.path)}"

    def prepare(self, run: Run) -> None:
        self._new = output_file.NewFile(self.place, self._access)
        try:
            with ArchiveWriter(self._new.write, self._compression, self._level) as writer:
                self._tar.write(writer.write)
                writer.finish()
            self._new.finish()
            self.diff_id, self.digest = writer.diff_id, writer.digest
        except BaseException:
            self._new.discard()
            raise

    def commit(self, run: Run) -> None:
        if self._new:
            self._new.publish()


class ApplyArchive(Action):
    """Make a layer's content what a tar says, all or nothing."""

    def __init__(self, layer: LayerState, source: Source, settings: Settings, userxattr: bool) -> None:
        self.layer = layer
        self.source = source
        self.diff_id = self.digest = ""
        self._settings = settings
        self._userxattr = userxattr

    def describe(self) -> str:
        return f"{'merge the tar into' if self.source.merge else 'replace the content of'} layer {self.layer.id}"

    def prepare(self, run: Run) -> None:
        try:
            self._unpack(run)
        except OSError as error:
            full = None
            with contextlib.suppress(OSError):
                full = projects.no_space(run.home, self.layer.id) if error.errno in projects.FULL else None
            if full:
                raise full from error
            raise
        self._check("diff_id", self.source.diff_id, self.diff_id)
        self._check("digest", self.source.digest, self.digest)

    def _unpack(self, run: Run) -> None:
        new = os.path.join(run.staging(self.layer.id), DIFF)
        current = f"{run.home}/{self.layer.id}/{DIFF}"
        if self.source.merge:
            with about(new):
                clone_tree(current, new)
        else:
            found = os.stat(current)
            os.mkdir(new)
            os.chmod(new, found.st_mode & 0o7777)
            os.chown(new, found.st_uid, found.st_gid)
        lowers = [f"{run.home}/{lower}/{DIFF}" for lower in self.layer.lowers]
        with about(new), _reading(self.source.path) as reader:
            apply_layer(
                reader.read,
                new,
                lowers=lowers,
                map_ids=self._settings.host_ids,
                userxattr=self._userxattr,
                max_size=self.source.max_size,
                expected=bool(self.source.diff_id or self.source.digest),
            )
            self.diff_id, self.digest = reader.diff_id, reader.digest

    def commit(self, run: Run) -> None:
        id, layer = self.layer.id, self.layer
        before = Record(None, layer.diff_id, layer.digest, layer.merged_diff_id, layer.merged_digest)
        if self.source.merge:
            after = Record(merged_diff_id=self.diff_id, merged_digest=self.digest)
        else:
            after = Record(diff_id=self.diff_id, digest=self.digest)
        directory = os.path.join(run.home, id)
        new, current = os.path.join(run.staging(id), DIFF), os.path.join(directory, DIFF)
        tell = functools.partial(record_content, run.home, id)
        undo = [functools.partial(tell, before)]
        try:
            tell()  # nothing, as what was told is no longer, or not yet, true
            exchange(new, current)
            undo += [functools.partial(sync_directory, directory), functools.partial(exchange, new, current)]
            sync_directory(directory)
            undo.append(tell)
            tell(after)
        except BaseException:
            _undo(undo)
            raise

    def _check(self, name: str, wanted: str | None, found: str) -> None:
        if wanted is not None and wanted != found:
            raise DigestMismatch(
                f"{printable(self.source.path)} has the {name} {found}, not {wanted}",
                hint="get the archive again, or correct what is expected",
                expected=wanted,
                found=found,
            )


def _undo(steps: t.Sequence[t.Callable[[], None]]) -> None:
    """Undo *steps*, the last one first, up to one that fails: the error that led here is not to be hidden by its own.

    The rest is left then, since what is undone first is what would not be true without the rest: a record that tells of
    the content which is put away next.
    """
    with contextlib.suppress(OSError, Overlay2Error):
        for step in reversed(steps):
            step()


@contextlib.contextmanager
def _opened(path: str) -> t.Iterator[tuple[int, Read]]:
    """Give the descriptor of a regular file, and how to read it: an error names the path."""
    try:
        fd = open_quietly(path, os.O_NONBLOCK)  # nobody may ever write to what is a fifo
    except FileNotFoundError:
        raise InvalidInput(f"there is no file {printable(path)}", hint="check src and remote_src") from None
    with open(fd, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise InvalidInput(f"{printable(path)} is no regular file", hint="give a layer's tar")

        def read(size: int) -> bytes:
            with about(path):
                return t.cast(bytes, file.read(size))

        yield fd, read


@contextlib.contextmanager
def _reading(path: str) -> t.Iterator[ArchiveReader]:
    with _opened(path) as opened, ArchiveReader(opened[1]) as reader:
        yield reader
