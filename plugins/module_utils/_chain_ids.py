# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chain ids: a chain id names a layer together with all layers below. Pure. PRIVATE to the collection.

Source: OCI image specification, "Layer ChainID".
"""

from __future__ import annotations

import hashlib
import typing as t


def chain_id(below: str, diff_id: str) -> str:
    """Return the chain id of a layer with *diff_id*. below: the chain id of its parent, "" for none."""
    return f"sha256:{hashlib.sha256(f'{below} {diff_id}'.encode()).hexdigest()}" if below else diff_id


def chain_ids(diff_ids: t.Iterable[str]) -> t.Iterator[str]:
    """Yield the chain id of each layer, base first."""
    below = ""
    for diff_id in diff_ids:
        below = chain_id(below, diff_id)
        yield below
