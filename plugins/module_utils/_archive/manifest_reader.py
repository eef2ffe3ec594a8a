# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a manifest as the tree that it describes, in the order of a walk, in little memory. PRIVATE to the collection.

A manifest is in the order of the tar, and a later record can replace earlier ones. So the records are sorted by path,
in pieces that lie in temporary files without a name, and the last of each path counts. Only names of hard links are
kept in memory.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import operator
import re
import tempfile
import typing as t
import zlib

from .formats import WITH_GZIP_HEADER
from .manifest import CHANGED, DIRECTORY, END, GONE, HARDLINK, HEADER, NONE, WITH_TARGET
from .tar import CHUNK, Read

_PIECE = 1 << 16  # records that are sorted at once
_BYTES = 4 << 20  # of their paths
_LONGEST = 1 << 18  # bytes: longer than any record
_FIELDS = 7  # before the path
_MARK = b"m"  # a record of ours: the file got another name
_VALID = re.compile(
    rb"[a-z] [0-7]{1,4} \d{1,10} \d{1,10} (?:-|\d+|\d+:\d+) (?:-|!|[0-9a-f]{1,8}) (?:-|[0-9a-f]+)|x( -){6}"
)


class ManifestError(Exception):
    """The manifest is not complete, or not as this version writes it. The message says how."""


class Expected(t.NamedTuple):
    """What the manifest says of a path.

    kind, size, xattrs, target: as in the manifest. checksum: NONE for no content, or an unknown one.
    group: the number of the inode, if it has several names; 0 for one name.
    """

    path: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    size: bytes
    checksum: bytes
    xattrs: bytes
    target: bytes
    group: int = 0


class _Record(t.NamedTuple):
    """A record with its place in the order of a walk. key: the path with NUL for each slash; group: see Expected."""

    key: bytes
    number: int
    group: int
    fields: bytes
    target: bytes


class Manifest:
    """A manifest that was read. diff_id: of its tar; entries: the number of its records.

    Use it as a context: it holds a temporary file. Raises ManifestError, OSError, and the errors of *read*.
    """

    def __init__(self, read: Read) -> None:
        self.diff_id = ""
        self.entries = 0
        self._groups: dict[bytes, int] = {}  # by path
        self._made = 0  # groups so far
        self._changed: dict[int, tuple[int, list[bytes]]] = {}  # number and fields of the last link, by group
        self._files = contextlib.ExitStack()
        self._spilled: list[tuple[t.IO[bytes], int]] = []
        self._piece: list[_Record] = []
        self._bytes = 0
        self._read(read)

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._files.close()

    def expected(self) -> t.Iterator[Expected]:
        """Yield what is to be in the layer, in the order of walk(). May be called once."""
        runs = [_load(file, count) for file, count in self._spilled]
        records = heapq.merge(*runs, iter(self._piece)) if runs else iter(self._piece)
        above: list[tuple[bytes, int]] = []  # of the directories above: key with NUL, and the record that ended others
        for key, group in itertools.groupby(records, operator.itemgetter(0)):
            while above and not key.startswith(above[-1][0]):
                above.pop()
            floor = above[-1][1] if above else -1
            alive = [record for record in group if record.number > floor]
            ends = [record.number for record in alive if record.fields[:1] not in (DIRECTORY, _MARK)]
            above.append((key + b"\0", max([floor, *ends[-1:]])))
            found = self._last(alive)
            if found:
                yield found

    def _last(self, alive: list[_Record]) -> Expected | None:
        """Return what the last of the records of one path says; None if the path was removed."""
        group = 0
        while alive and alive[-1].fields[:1] == _MARK:
            group = alive.pop().group
        if not alive or alive[-1].fields[:1] == GONE:
            return None
        record = alive[-1]
        group = group or record.group
        fields = record.fields.split(b" ")
        number, later = self._changed.get(group, (-1, fields))
        if number > record.number:
            fields = [fields[0], *later[1:4], *fields[4:6], later[6]]
        kind, mode, uid, gid, size, checksum, xattrs = fields
        path = record.key.replace(b"\0", b"/")
        checksum = NONE if checksum == CHANGED else checksum
        return Expected(path, kind, int(mode, 8), int(uid), int(gid), size, checksum, xattrs, record.target, group)

    def _read(self, read: Read) -> None:
        records = _records(read)
        if next(records, b"") != HEADER:
            raise ManifestError("it does not begin as a manifest that this version reads")
        for record in records:
            if record.startswith(END):
                self._end(record, next(records, None))
                break
            self.entries += 1
            try:
                self._add(record, records)
            except ValueError:
                raise ManifestError(f"its record {self.entries} is malformed") from None
        else:
            raise ManifestError("its end is missing")
        self._piece.sort()

    def _end(self, record: bytes, more: bytes | None) -> None:
        _end, diff_id, count = record.split(b" ")
        if more is not None or int(count) != self.entries:
            raise ManifestError(f"it has {self.entries} records before its end, not {int(count)}")
        self.diff_id = diff_id.decode("ascii", "replace")

    def _add(self, record: bytes, records: t.Iterator[bytes]) -> None:
        *fields, path = record.split(b" ", _FIELDS)
        values = b" ".join(fields)
        if not path or not _VALID.fullmatch(values):
            raise ValueError(record)
        kind = fields[0]
        target = next(records, b"") if kind in WITH_TARGET else b""
        group = 0
        if kind == HARDLINK:
            group = self._link(path, target, fields)
        elif self._groups and kind != DIRECTORY:
            self._groups.pop(path, None)  # a new file, with an inode of its own
        self._keep(path, group, values, target)

    def _link(self, path: bytes, source: bytes, fields: list[bytes]) -> int:
        """Return the group of a hard link; its source becomes a member."""
        group = self._groups.get(source, 0)
        if not group:
            self._made += 1
            group = self._groups[source] = self._made
            self._keep(source, group, _MARK, b"")
        self._groups[path] = group
        if fields[5] == CHANGED:
            self._changed[group] = self.entries, fields
        return group

    def _keep(self, path: bytes, group: int, fields: bytes, target: bytes) -> None:
        self._piece.append(_Record(path.replace(b"/", b"\0"), self.entries, group, fields, target))
        self._bytes += len(path) + len(target)
        if len(self._piece) >= _PIECE or self._bytes >= _BYTES:
            self._piece.sort()
            file = self._files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - it is one, of __exit__
            self._spilled.append((_spill(self._piece, file), len(self._piece)))
            self._piece.clear()
            self._bytes = 0


def _records(read: Read) -> t.Iterator[bytes]:
    """Yield the records of a manifest without their NULs. Raises ManifestError."""
    stream = zlib.decompressobj(WITH_GZIP_HEADER)
    rest = b""
    data = b""
    while not stream.eof:
        data = stream.unconsumed_tail or read(CHUNK)
        try:
            piece = stream.decompress(data, CHUNK)
        except zlib.error:
            raise ManifestError("it is damaged") from None
        if not data and not piece:
            raise ManifestError("it is damaged: it was cut off")
        *whole, rest = (rest + piece).split(b"\0")
        if len(rest) > _LONGEST:
            raise ManifestError("it is damaged: it has a record without end")
        yield from whole
    if rest or stream.unused_data or read(1):
        raise ManifestError("it is damaged: data follow its end")


def _spill(records: t.Iterable[_Record], file: t.IO[bytes]) -> t.IO[bytes]:
    """Write sorted records to an empty file, and return the file at its start."""
    import marshal

    for record in records:
        marshal.dump(tuple(record), file)
    file.seek(0)
    return file


def _load(file: t.IO[bytes], count: int) -> t.Iterator[_Record]:
    import marshal

    for _unused in range(count):
        yield _Record(*marshal.load(file))
