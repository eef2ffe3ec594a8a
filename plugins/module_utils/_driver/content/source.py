# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tar to apply to a layer, as the parameters describe it. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._archive.digests import check_digest
from ..._store.layout import check_path


class Source(t.NamedTuple):
    """A layer tar to apply.

    path:            on this host; "" while the file is only on the controller.
    diff_id, digest: the required values; None to accept any.
    merge:           merge the tar into the content, instead of replacing the content.
    max_size:        bytes; None for no limit.
    """

    path: str
    diff_id: str | None
    digest: str | None
    merge: bool
    max_size: int | None


def check_source(source: Source) -> None:
    """Raise InvalidInput if an expected digest, or the path, is invalid."""
    check_path(source.path, "src")
    for option, value in (("diff_id", source.diff_id), ("digest", source.digest)):
        if value is not None:
            check_digest(value, option)
