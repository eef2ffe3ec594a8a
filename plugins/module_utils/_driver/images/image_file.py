# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that an image is written to: writes it, and tells whether a file is as it would be. PRIVATE."""

from __future__ import annotations

import os
import typing as t

from ..._archive.compression import ArchiveReader, ArchiveWriter
from ..._archive.exact_head import Head
from ..._archive.exact_replay import NotExact
from ..._archive.tar import CHUNK, Bytes
from ..._errors import ArchiveRejected, NotSupported
from ..._image.members import Headers, Member
from ..._image.written import (
    Blob,
    Outgoing,
    file_header,
    layer_file,
    layer_type,
    padding,
    rest_of_archive,
    with_diff_ids,
)
from ..content.output_file import NewFile
from .export import write_exact
from .export_state import ExportState, ImageExport, OutLayer, WrittenImage

Lost = t.Callable[[OutLayer, str, str], object]  # gets a layer, the diff id of its new tar, and why it is new
Doubt = t.Callable[[OutLayer], OutLayer]  # returns how a layer goes out, after its exact record was tried


def outgoing(have: ExportState, wanted: ImageExport, diff_ids: t.Sequence[str]) -> Outgoing:
    """Return the image to write, whose layers have these diff ids."""
    names = have.record.names if wanted.names is None else wanted.names
    return Outgoing(wanted.form, with_diff_ids(have.config, diff_ids), names, have.record.platform)


class ImageWriter:
    """Writes an image to *new*, layer by layer, and then the documents.

    lost: called for each layer whose tar was written anew.
    """

    def __init__(self, home: str, new: NewFile, wanted: ImageExport, lost: Lost) -> None:
        self._home = home
        self._new = new
        self._wanted = wanted
        self._lost = lost
        self._at = 0  # bytes written so far
        self._names: set[str] = set()  # of the files written so far

    def write(self, have: ExportState) -> WrittenImage:
        """Write the image. Raises the errors of LayerTar.write; NotSupported for the compression; OSError."""
        written: dict[str, Blob] = {}  # by the diff id that the image has
        blobs = []
        for out, layer in zip(have.out, have.record.layers):
            blob = out.kept or written.get(layer.diff_id) or self._layer(out)
            blobs.append(blob)
            if not out.kept:
                written[layer.diff_id] = blob
        image = outgoing(have, self._wanted, [blob.diff_id for blob in blobs])
        self._put(rest_of_archive(image, blobs))
        return WrittenImage(image, tuple(blobs))

    def _layer(self, out: OutLayer) -> Blob:
        why = out.why
        if out.head:
            try:
                return self._file(out.head, lambda write: write_exact(self._home, out.layer, write))
            except NotExact as error:
                why = str(error)
        blob = self._file(None, out.tar.write)
        if blob.diff_id != out.layer.diff_id:
            self._lost(out, blob.diff_id, why)
        return blob

    def _file(self, head: Head | None, tar: t.Callable[[t.Callable[[Bytes], object]], object]) -> Blob:
        """Write the file of a layer, unless the archive has the same file already. Return what was written."""
        start = self._at
        reserved = len(file_header("", head.size if head else 0))
        while True:
            try:
                blob = self._content(reserved, tar)
            except NotExact:
                self._back_to(start)
                raise
            name = layer_file(self._wanted.form, blob)
            header = file_header(name, blob.size)
            if name in self._names:
                self._back_to(start)
                return blob
            if len(header) == reserved:
                break
            self._back_to(start)  # the size of a very large file needs a longer header
            reserved = len(header)
        self._new.write_at(header, start)
        self._put(padding(blob.size))
        self._names.add(name)
        return blob

    def _content(self, reserved: int, tar: t.Callable[[t.Callable[[Bytes], object]], object]) -> Blob:
        self._put(bytes(reserved))
        start = self._at
        with ArchiveWriter(self._put, self._wanted.compression, self._wanted.level) as writer:
            tar(writer.write)
            writer.finish()
        return Blob(writer.diff_id, writer.digest, self._at - start, layer_type(self._wanted.compression))

    def _put(self, piece: Bytes) -> None:
        self._new.write(piece)
        self._at += len(piece)

    def _back_to(self, offset: int) -> None:
        self._new.cut(offset)
        self._at = offset


def written_image(
    file: t.BinaryIO, have: ExportState, wanted: ImageExport, doubt: Doubt | None = None
) -> tuple[WrittenImage | None, tuple[OutLayer, ...]]:
    """Return the image in *file*, None unless the file is as ImageWriter would write it, and how the layers go out.

    Each byte of the file is compared, or counts in a digest. Files in the same compression count as equal, whatever
    program and level compressed them.

    doubt: called for a layer that the file has with another tar: perhaps its tar can only be written anew.
    raises: OSError, and the errors of *doubt*.
    """
    comparison = _Comparison(file.fileno(), wanted, have.out, doubt)
    try:
        return comparison.compare(have), tuple(comparison.out)
    except (ArchiveRejected, NotSupported, EOFError):
        return None, tuple(comparison.out)


class _Comparison:
    """Compares the file *fd* with what would be written. out: how the layers go out."""

    def __init__(self, fd: int, wanted: ImageExport, out: t.Sequence[OutLayer], doubt: Doubt | None) -> None:
        self.out = list(out)
        self._doubt = doubt
        self._fd = fd
        self._wanted = wanted
        self._end = os.fstat(fd).st_size
        self._at = 0  # all bytes before are right

    def compare(self, have: ExportState) -> WrittenImage | None:
        """Return the image in the file; None if the file is another one."""
        members = iter(Headers(self._read_at))
        written: dict[str, Blob] = {}
        blobs = []
        for place, layer in enumerate(have.record.layers):
            kept = self.out[place].kept
            blob = kept or written.get(layer.diff_id) or self._layer(place, members, written.values())
            if blob is None:
                return None
            blobs.append(blob)
            if not kept:
                written[layer.diff_id] = blob
        image = outgoing(have, self._wanted, [blob.diff_id for blob in blobs])
        rest = rest_of_archive(image, blobs)
        if self._end != self._at + len(rest) or self._read_at(self._at, len(rest)) != rest:
            return None
        return WrittenImage(image, tuple(blobs))

    def _layer(self, place: int, members: t.Iterator[tuple[bytes, Member]], written: t.Iterable[Blob]) -> Blob | None:
        """Return the file of a layer if it comes next, or has come already."""
        out = self.out[place]
        for blob in written:
            if out.will_be and blob.diff_id == out.will_be.diff_id:
                return blob
        name, member = next(members, (b"", None))
        if member is None:
            return None
        found = self._blob(member, out.will_be)
        if found is None and out.head and self._doubt:
            out = self.out[place] = self._doubt(out)
            found = None if out.head else self._blob(member, out.will_be)
        if found is None:
            return None
        its_name = layer_file(self._wanted.form, found)
        before, after = file_header(its_name, member.size), padding(member.size)
        if name != its_name.encode() or self._read_at(self._at, member.offset - self._at) != before:
            return None
        if self._read_at(member.offset + member.size, len(after)) != after:
            return None
        self._at = member.offset + member.size + len(after)
        return found

    def _blob(self, member: Member, will_be: Head | None) -> Blob | None:
        """Return what the content of a member is, if it has this diff id and the wanted compression."""
        if will_be is None:
            return None
        at, end, size = member.offset, member.offset + member.size, 0
        if end > self._end:
            return None

        def read(wanted: int) -> bytes:
            nonlocal at
            piece = os.pread(self._fd, min(wanted, end - at), at)
            at += len(piece)
            return piece

        with ArchiveReader(read) as reader:
            for piece in iter(lambda: reader.read(CHUNK), b""):
                size += len(piece)
                if size > will_be.size:
                    return None
            if (reader.compression, reader.diff_id) != (self._wanted.compression, will_be.diff_id):
                return None
            return Blob(reader.diff_id, reader.digest, member.size, layer_type(reader.compression))

    def _read_at(self, offset: int, size: int) -> bytes:
        if offset > self._end:
            raise EOFError
        return os.pread(self._fd, size, offset)
