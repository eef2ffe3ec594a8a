# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digests of a layer: of its tar (diff id) and of its file. PRIVATE to the collection.

Source: OCI image specification, "Digests".
"""

from __future__ import annotations

import hashlib
import re
import typing as t

from .._errors import InvalidInput, printable

if t.TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

_ALGORITHM = "sha256"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Digest:
    """The sha256 of a stream: the diff id if the stream is the uncompressed tar, the digest if it is the file.

    size: bytes added so far.
    """

    def __init__(self) -> None:
        self._hash = hashlib.new(_ALGORITHM, usedforsecurity=False)
        self._thread: ThreadPoolExecutor | None = None
        self._pending: Future[None] | None = None  # ends when the last piece is added
        self.size = 0

    def update(self, piece: bytes | memoryview) -> None:
        """Add the next bytes of the stream."""
        if self._pending:
            self.wait()
        self._hash.update(piece)
        self.size += len(piece)

    def update_beside(self, piece: bytes | memoryview) -> None:
        """As `update`, in a thread: the caller may go on, and must not change *piece* until the next call of a method.

        hashlib lets other threads run meanwhile. A piece of less than CHUNK bytes is too little work for a thread.
        """
        self.wait()
        if not self._thread:
            from concurrent.futures import ThreadPoolExecutor  # most runs need no thread

            self._thread = ThreadPoolExecutor(1)
        self._pending = self._thread.submit(self._hash.update, piece)
        self.size += len(piece)

    def wait(self) -> None:
        """Return when the last piece is added."""
        if self._pending:
            self._pending.result()
            self._pending = None

    def close(self) -> None:
        """End the thread, if it runs."""
        if self._thread:
            self._thread.shutdown()
            self._thread = None

    def __str__(self) -> str:
        """Return the digest in OCI's form: ``sha256:`` and 64 hexadecimal digits."""
        self.wait()
        return f"{_ALGORITHM}:{self._hash.hexdigest()}"


def check_digest(text: str, option_name: str) -> str:
    """Return *text* if it is a digest; otherwise raise InvalidInput with the option's name."""
    if not _DIGEST.fullmatch(text):
        raise InvalidInput(
            f"{option_name}: {printable(text)} is not a digest",
            hint="give sha256: and 64 lower-case hexadecimal digits",
        )
    return text
