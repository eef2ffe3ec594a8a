# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the records of Docker's layerdb can hold. Pure. PRIVATE to the collection.

An id is 64 hexadecimal digits, or BuildKit's 25 digits and letters. dockerd does not sync all of its records: after a
power cut a file may be empty, cut off or full of NULs. A whole id that no layer has is that of one that was lost.

Source: moby layer/filestore.go, layer/layer_store.go; buildkit identity/randomid.go.
"""

from __future__ import annotations

import re
import typing as t

from .._errors import printable

_OF_DOCKER = re.compile(r"[a-f0-9]{64}")
_OF_BUILDKIT = re.compile(r"[a-z0-9]{25}")
_CHAIN = re.compile(r"(sha256):([a-f0-9]{64})")


def why_not_id(layer_id: str, ids: t.Collection[str]) -> str:
    """Return why what a record holds is not the whole id of a layer, there or gone; "" if it is.

    ids: of the layers that are there. An id of BuildKit's that is gone may be the beginning of one of these.
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
    """Return why what a record of a parent holds is no chain, or one without a record; "" if it is one.

    is_known: tells whether there is an entry of layerdb, by its path there.
    """
    chain = _CHAIN.fullmatch(parent)
    if chain is None:
        return f"it holds '{printable(parent[:80])}', which is not a chain id"
    return "" if is_known("/".join(chain.groups())) else f"it names {parent}, of which there is no record"
