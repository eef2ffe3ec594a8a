# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the content of records in Docker's layerdb. Pure. PRIVATE to the collection.

An id is 64 hexadecimal digits, or BuildKit's 25 digits and letters. dockerd does not sync all of its records: after a
power cut a file may be empty, cut off or full of NULs. A whole id without a layer is the id of a lost layer.

Source: moby layer/filestore.go, layer/layer_store.go; buildkit identity/randomid.go.
"""

from __future__ import annotations

import re
import typing as t

from .._errors import printable

_OF_DOCKER = re.compile(r"[a-f0-9]{64}")
_OF_BUILDKIT = re.compile(r"[a-z0-9]{25}")
_CHAIN = re.compile(r"(sha256):([a-f0-9]{64})")


def is_of_dockerd(layer_id: str) -> bool:
    """Tell whether dockerd made the id, and not BuildKit."""
    return _OF_DOCKER.fullmatch(layer_id) is not None


def why_not_id(layer_id: str, ids: t.Collection[str]) -> str:
    """Return why the content of a record is not the whole id of a layer, existing or gone; "" if it is.

    ids: the existing layers. A content like an id of BuildKit may be the beginning of one of them.
    """
    if layer_id in ids or _OF_DOCKER.fullmatch(layer_id):
        return ""
    if not layer_id:
        return "it is empty"
    if not _OF_BUILDKIT.fullmatch(layer_id):
        return f"it holds '{printable(layer_id[:64])}', which is not the id of a layer"
    cut = any(other.startswith(layer_id) for other in ids)
    return f"it holds {layer_id}, which may be the id of a layer cut off" if cut else ""


def why_not_parent(parent: str, is_known: t.Callable[[str], bool]) -> str:
    """Return why the content of a parent record is not a chain id, or has no record itself; "" if it has.

    is_known: tells whether layerdb has an entry, by its path in layerdb.
    """
    chain = _CHAIN.fullmatch(parent)
    if chain is None:
        return f"it holds '{printable(parent[:80])}', which is not a chain id"
    return "" if is_known("/".join(chain.groups())) else f"it names {parent}, of which there is no record"
