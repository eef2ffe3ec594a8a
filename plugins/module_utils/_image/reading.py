# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the documents of an image archive, each verified before it is parsed. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import typing as t

from .._archive.digests import Digest
from .._archive.tar import CHUNK
from .documents import Config, Descriptor, parse_config
from .errors import HINT, UnreadError, file_error, mismatch_error
from .files import File, Files
from .strict_json import LIMIT

MISSING_HINT = "get the whole archive; a file that the archive lacks is not fetched from anywhere"


def find_document(files: Files, name: str) -> File | None:
    """Return a file that no digest verifies; None if it is missing. Raises ArchiveRejected if there are several."""
    if files.is_doubled(name):
        raise file_error(name, "the archive has several files with this name; readers differ in which one counts")
    return files.find(name)


def read_document(files: Files, file: File) -> bytes:
    """Return the content of a document. Raises ArchiveRejected, OSError."""
    if file.size > LIMIT:
        raise file_error(file.name, f"it has {file.size} bytes; a document of more than {LIMIT} is not read")
    with files.open(file) as read:
        return b"".join(iter(lambda: read(CHUNK), b""))


def blob_name(digest: str) -> str:
    """Return the name of a blob in an OCI image layout."""
    return f"blobs/{digest.replace(':', '/')}"


def find_blob(files: Files, blob: Descriptor) -> File | None:
    """Return the file of a blob; None if it is missing. Raises ArchiveRejected, DigestMismatch if its size differs."""
    name = blob_name(blob.digest)
    file = files.find(name)
    if file and file.size != blob.size:
        raise mismatch_error(f"image file {name}", "size", blob.size, file.size)
    return file


def read_blob(files: Files, blob: Descriptor) -> bytes:
    """Return the content of a document that has this size and digest.

    raises: ArchiveRejected, DigestMismatch, OSError.
    """
    file = find_blob(files, blob)
    if file is None:
        raise file_error(blob_name(blob.digest), "the archive lacks this file", MISSING_HINT)
    data = read_document(files, file)
    found = digest_of(data)
    if found != blob.digest:
        raise mismatch_error(f"image file {file.name}", "digest", blob.digest, found)
    return data


def config_in(name: str, data: bytes) -> Config:
    """Return the config in the file *name*. Raises ArchiveRejected."""
    with about_document(name):
        return parse_config(data)


def digest_of(data: bytes) -> str:
    """Return the digest of a document."""
    digest = Digest()
    digest.update(data)
    return str(digest)


@contextlib.contextmanager
def about_document(name: str) -> t.Iterator[None]:
    """Turn a ValueError of a parser into ArchiveRejected with the document's name."""
    try:
        yield
    except ValueError as error:
        raise file_error(name, str(error), error.hint if isinstance(error, UnreadError) else HINT) from error
