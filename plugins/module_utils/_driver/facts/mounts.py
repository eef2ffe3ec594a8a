# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subset mounts: mounts and holders of layers. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import printable
from ..._linux.overlayfs import is_read_only
from ..._store import holders
from ..probe.filesystem import merged_options
from ..state import mounted_layer
from .details import Details


def mounts_of(details: Details) -> dict[str, t.Any]:
    """Return the mount and the holders of each layer that is mounted or held."""
    mounted = {mounted_layer(details.home, mount): mount for mount in details.store.mounts.values()}
    found = {}
    for id in details.ids:
        mount = mounted.get(id)
        try:
            ages = holders.ages(details.home, id)
        except OSError as error:
            details.miss(id, error)
            continue
        if mount is None and not ages:
            continue
        options = merged_options(mount) if mount else ""
        found[id] = {
            "path": printable(mount.mount_point) if mount else None,
            "mounted": mount is not None,
            "read_only": is_read_only(mount) if mount else None,
            "options": printable(options) if mount else None,
            "holders": list(ages),
            "held_seconds": [None if age is None else int(age) for age in ages.values()],
        }
    return found
