# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests of layers: diff id, digest of a file. PRIVATE to the collection.

Source: OCI image specification, "Digests".
"""

from __future__ import annotations

import hashlib
import re

from .._errors import InvalidInput, printable

_ALGORITHM = "sha256"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Digest:
    """A sha256 that grows: of the uncompressed tar it is the diff id, of the file as it lies there the digest.

    size: bytes taken so far.
    """

    def __init__(self) -> None:
        self._hash = hashlib.new(_ALGORITHM, usedforsecurity=False)
        self.size = 0

    def update(self, piece: bytes | memoryview) -> None:
        """Take in some more bytes."""
        self._hash.update(piece)
        self.size += len(piece)

    def __str__(self) -> str:
        """Return it as OCI writes it, ``sha256:`` and 64 hexadecimal digits."""
        return f"{_ALGORITHM}:{self._hash.hexdigest()}"


def check_digest(text: str, option_name: str) -> str:
    """Return *text* if it is a digest; raise InvalidInput naming the option if it is not."""
    if not _DIGEST.fullmatch(text):
        raise InvalidInput(
            f"{option_name}: {printable(text)} is no digest",
            hint="give sha256: and 64 lower-case hexadecimal digits",
        )
    return text
