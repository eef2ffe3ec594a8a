# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts that readers and writers of tars share: an entry, and the numbers of the format. PRIVATE to the collection.

Source: POSIX.1-2017 pax, "ustar Interchange Format"; tar(5).
"""

from __future__ import annotations

import re
import typing as t

from .._errors import ArchiveRejected, printable

Read = t.Callable[[int], bytes]  # returns the next bytes of a stream, at most so many; b"" at its end
Bytes = t.Union[bytes, memoryview]
Write = t.Callable[[Bytes], object]  # takes the next bytes of a stream

CHUNK = 256 * 1024  # bytes moved at once; a multiple of BLOCK
LARGE = 4 * CHUNK  # bytes of a large file moved at once: enough work for a second processor to compute their digest
BLOCK = 512  # bytes; headers and bodies are padded to it
END = bytes(2 * BLOCK)  # two zero blocks end an archive

# The typeflag byte of a header.
REGULAR = b"0"
HARDLINK = b"1"
SYMLINK = b"2"
CHAR = b"3"
BLOCKDEV = b"4"
DIRECTORY = b"5"
FIFO = b"6"
SPARSE = b"S"  # a regular file with holes, in any of the archive's forms

XATTR_PREFIX = b"SCHILY.xattr."  # PAX records that carry extended attributes (star, go-archive, GNU tar)

NO_XATTRS: t.Mapping[bytes, bytes] = {}

# The most bytes in a row that add nothing to the layer, such as bytes after the end mark: far more than any writer
# makes (a tape's block has 1 MiB), and read in a moment.
MAX_IDLE = 16 << 20

DAMAGED_HINT = "the archive is damaged, hostile or not a layer; get it again from a source you trust"
NO_TAR_HINT = "give a layer's tar, plain or compressed with gzip, bzip2, xz or zstd; other compressions are not read"
SIZE_HINT = "allow more with max_size, or use another archive"
CUT_HINT = (
    "the archive may have been cut off: get it again, or give its diff_id or digest: if the digest matches, the archive"
    " is complete, and is accepted as in Docker"
)
REST_HINT = (
    "make the archive again without the data, or give the archive's diff_id or digest: if the digest matches, the data"
    " after the end mark is ignored as in Docker"
)
_SHOWN = 4096  # bytes of a name in a message
_ENCODED = re.compile(rb"%(?:25|3D)")


class Entry(t.NamedTuple):
    """One archive member, without its body.

    name, linkname: raw bytes from the archive, with the trailing slash of a directory.
    mode:           permission, setuid, setgid and sticky bits only.
    size:           bytes of the body, a sparse file's holes included; 0 unless the entry is a regular file.
    mtime_ns:       nanoseconds since the epoch, may be negative.
    xattrs:         full name (``security.capability``) to value.
    """

    name: bytes
    type: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    linkname: bytes = b""
    major: int = 0
    minor: int = 0
    xattrs: t.Mapping[bytes, bytes] = NO_XATTRS


new_entry = tuple.__new__  # new_entry(Entry, (all the fields)) costs a third of Entry(...), once for each file


def xattr_keyword(name: bytes) -> bytes:
    """Return the PAX keyword of an xattr. A keyword ends at its first "=", so "=" is encoded as in GNU tar."""
    return XATTR_PREFIX + name.replace(b"%", b"%25").replace(b"=", b"%3D")


def xattr_name(keyword: bytes) -> bytes:
    """Return the xattr of *keyword*, which starts with XATTR_PREFIX: the reverse of xattr_keyword."""
    return _ENCODED.sub(lambda found: b"=" if found.group() == b"%3D" else b"%", keyword[len(XATTR_PREFIX) :])


def entry_error(name: bytes, cause: str, hint: str = DAMAGED_HINT) -> ArchiveRejected:
    """Return the error for an archive whose entry *name* is rejected."""
    return ArchiveRejected(f"archive entry {shown(name)}: {cause}", hint=hint, entry=shown(name))


def shown(name: bytes) -> str:
    """Return an archive's name as messages show it; a very long name is cut."""
    return printable(cut(name))


def cut(name: bytes) -> bytes:
    """Return *name*; a very long name is cut."""
    return name if len(name) <= _SHOWN else name[:_SHOWN] + b"..."
