# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the manifest of a layer's new content while the content is unpacked. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._archive.manifest import ManifestWriter
from ..._store.layout import MANIFEST


@contextlib.contextmanager
def new_manifest(directory: str) -> t.Iterator[ManifestWriter]:
    """Yield the writer of a new manifest in *directory*, which nobody else sees; the caller finishes it.

    raises: OSError.
    """
    path = os.path.join(directory, MANIFEST)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        yield ManifestWriter(file.write)
