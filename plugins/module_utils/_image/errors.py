# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors about a file of an image archive. PRIVATE to the collection."""

from __future__ import annotations

from .._archive.tar import shown
from .._errors import ArchiveRejected, DigestMismatch

HINT = "the archive is damaged or hostile; get it again from a source you trust, for example with skopeo copy"
CUT_HINT = "the archive was cut off; get it again"
START = "(start of the archive)"  # in place of a name
_SHOWN = 80  # characters of a value in a message


class UnreadError(ValueError):
    """A document is right, but of a kind that this collection does not read. hint: what the user can do."""

    def __init__(self, cause: str, hint: str) -> None:
        super().__init__(cause)
        self.hint = hint


def file_error(name: str | bytes, cause: str, hint: str = HINT) -> ArchiveRejected:
    """Return the error for an image archive whose file *name* is rejected."""
    text = shown(name if isinstance(name, bytes) else name.encode("utf-8", "surrogatepass"))
    return ArchiveRejected(f"image file {text}: {cause}", hint=hint, entry=text)


def mismatch_error(subject: str, what: str, wanted: str | int, found: str | int) -> DigestMismatch:
    """Return the error for a file whose *what*, a digest or a size, is not the one that the image's documents name."""
    return DigestMismatch(
        f"{subject} has the {what} {found}, not {wanted}", hint=HINT, expected=str(wanted), found=str(found)
    )


def quoted(value: object) -> str:
    """Return a value from a document as messages show it; a long one is cut."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
