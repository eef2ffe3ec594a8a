# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognise the archive of a whole image, which is a valid tar but not a layer. PRIVATE to the collection.

Source: moby image/tarexport (``docker save``); OCI image layout specification.
"""

from __future__ import annotations

import os
import stat
import typing as t

from .._errors import ArchiveRejected
from .._linux.noatime import open_quietly
from .older import Older
from .tar import entry_error

_DOCKER = b"manifest.json"
_OCI = b"oci-layout"
_OCI_PARTS = ("index.json", "blobs")
_LIMIT = 4 << 20  # bytes of manifest.json or oci-layout
_EXTRACT = "extract the layer's own tar with: tar -xOf ARCHIVE LAYER > layer.tar"


def check_no_image(top: int, older: Older | None) -> None:
    """Raise ArchiveRejected if the directory *top* now holds a whole image, with its layers as files.

    older: the content of *top* before the archive. Raises OSError.
    """
    if _brought(_DOCKER, older) and _is_docker(top, _json(top, _DOCKER)):
        raise _image_error(
            _DOCKER,
            "docker save",
            f"{_EXTRACT}; the file manifest.json in the archive lists the layers as Layers",
        )
    if _brought(_OCI, older) and _is_oci(top, _json(top, _OCI)):
        raise _image_error(
            _OCI,
            "an OCI image layout",
            f"{_EXTRACT}; the name of a layer is blobs/sha256/DIGEST, and the manifest that the file index.json names"
            " lists the digests",
        )


def _image_error(name: bytes, form: str, hint: str) -> ArchiveRejected:
    return entry_error(name, f"the archive is a whole image ({form}), not a layer", hint)


def _brought(name: bytes, older: Older | None) -> bool:
    return older is None or older.is_brought(name)


def _json(top: int, name: bytes) -> t.Any:
    """Return the JSON value in the file *name* in the directory *top*; None if it is not a file, or not JSON."""
    try:
        found = os.stat(name, dir_fd=top, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode) or found.st_size > _LIMIT:  # opening a device may have an effect
        return None
    fd = open_quietly(name, os.O_NOFOLLOW, top)
    try:
        return _parsed(os.read(fd, found.st_size))
    finally:
        os.close(fd)


def _parsed(text: bytes) -> t.Any:
    import json  # most archives do not need json

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_docker(top: int, found: t.Any) -> bool:
    """Tell whether *found* is the list of images that docker save writes, and *top* has the files in the list."""
    if not isinstance(found, list) or not found:
        return False
    for image in found:
        config = image.get("Config") if isinstance(image, dict) else None
        if not isinstance(config, str) or not isinstance(image.get("Layers"), list):
            return False
        first = config.partition("/")[0]
        if not first.strip(".") or "\0" in first or not _is_there(top, first):
            return False
    return True


def _is_oci(top: int, found: t.Any) -> bool:
    return (
        isinstance(found, dict) and "imageLayoutVersion" in found and all(_is_there(top, name) for name in _OCI_PARTS)
    )


def _is_there(top: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=top, follow_symlinks=False)
    except (OSError, ValueError):  # ValueError: the name has half a surrogate pair
        return False
    return True
