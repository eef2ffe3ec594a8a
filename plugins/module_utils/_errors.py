# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures a user can act on. PRIVATE to the collection.

Each class has a stable code that playbooks may test. docs/errors.md is made from the classes. A call that the kernel
refuses stays an OSError until the engine reports the error.
"""

from __future__ import annotations

import os
import re
import typing as t

SHOWN = 5  # names in a message; of the others only the number is told

# Characters that harm a terminal, a log or JSON: they control the terminal (C0, DEL, C1), begin a line (the same, and
# U+2028, U+2029), change the order of the text (bidirectional controls), or are half a surrogate pair.
_HARMFUL = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(name: str | bytes) -> str:
    r"""Return *name* as valid text on one line: a byte that is not UTF-8 becomes ``\xNN``, a backslash ``\\``.

    An ASCII control character becomes ``\xNN``; another one becomes ``\uNNNN``, and so does half a surrogate pair,
    which only a parameter can hold, not the name of a file.

    All results and messages show names in this form, so that no name can break JSON or a terminal and no two names look
    the same.
    """
    return harmless(os.fsdecode(name).replace("\\", "\\\\"))


def harmless(text: str) -> str:
    """Return *text* with control characters as printable() shows them; the answer of printable() stays as it is."""
    return text if text.isprintable() else _HARMFUL.sub(_escaped, text)


def shorten(parts: t.Sequence[str]) -> str:
    """Return the first five of *parts*, joined by commas, and how many more there are: "a, b, c, d, e and 3 more"."""
    more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return ", ".join(parts[:SHOWN]) + more


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    if 0xDC80 <= code <= 0xDCFF:  # Python decodes a byte that is not UTF-8 to this
        code -= 0xDC00
    elif code >= 0x80:  # \\x80 and above mean bytes that are not UTF-8
        return f"\\u{code:04x}"
    return f"\\x{code:02x}"


class Overlay2Error(Exception):
    """Base of every failure a user can act on. A bug is never wrapped in an Overlay2Error.

    message: the subject and the cause.
    hint:    what to do about the failure.
    details: values for the result, JSON-safe only.
    """

    code = "overlay2_error"

    def __init__(self, message: str, *, hint: str, **details: t.Any) -> None:
        super().__init__(message)
        self.hint = hint
        self.details = details


class InvalidInput(Overlay2Error):
    """A parameter is invalid: a hostile id, a home that is not a store, a forward parent, an unknown option."""

    code = "invalid_input"


class StoreNotFound(Overlay2Error):
    """No store exists at home."""

    code = "store_not_found"


class LayerNotFound(Overlay2Error):
    """The layer, its parent, or the image does not exist."""

    code = "layer_not_found"


class NotPermitted(Overlay2Error):
    """The task does not run as root."""

    code = "not_permitted"


class NotSupported(Overlay2Error):
    """The kernel, the backing filesystem or a missing tool does not allow the task."""

    code = "not_supported"


class QuotaNotSupported(Overlay2Error):
    """The task sets a limit, but project quotas are off; the message says why."""

    code = "quota_not_supported"


class ParentMismatch(Overlay2Error):
    """The layer exists, but on another parent."""

    code = "parent_mismatch"


class LayerInUse(Overlay2Error):
    """The layer is mounted, held, busy, or has children; the message names the users."""

    code = "layer_in_use"

    def __init__(self, message: str, *, hint: str, **details: t.Any) -> None:
        super().__init__(message, hint=hint, **details)
        self.layer_id: str | None = details.get("id")


class DepthExceeded(Overlay2Error):
    """The layer would have more than 128 lowers."""

    code = "depth_exceeded"


class StoreCorrupt(Overlay2Error):
    """The store's files contradict each other, or have a newer format."""

    code = "store_corrupt"


class StoreBusy(Overlay2Error):
    """Another run held a lock for longer than lock_timeout."""

    code = "store_busy"


class StoreForeign(Overlay2Error):
    """The store belongs to another engine, which would lose the change or break, or to an unknown owner."""

    code = "store_foreign"


class TooManyLayers(Overlay2Error):
    """More layers would be removed than max_remove allows; nothing was changed."""

    code = "too_many_layers"


class ArchiveRejected(Overlay2Error):
    """The archive is hostile, damaged or truncated; the message names the entry."""

    code = "archive_rejected"


class DigestMismatch(Overlay2Error):
    """The archive does not have the expected digest."""

    code = "digest_mismatch"


class NoSpace(Overlay2Error):
    """The filesystem, or the layer's limit, is full."""

    code = "no_space"
