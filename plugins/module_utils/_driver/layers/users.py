# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes that use layers. PRIVATE to the collection."""

from __future__ import annotations

import time
import typing as t

from ..in_use.users import describe_users, users_of_layers
from ..store import Store

_PAUSE = 0.1  # seconds


def users_of(store: Store, layers: t.Collection[str]) -> dict[str, str]:
    """Return the processes that use layers, in words, by id; costs a scan of /proc. Raises OSError."""
    users = users_of_layers(store.home, layers, known=store.all_mounts)
    if users:  # a process that only reads, such as overlay2_facts, usually ends within the pause
        time.sleep(_PAUSE)
        second = users_of_layers(store.home, users)  # another look, so it reads our mounts again, too
        again = {layer_id: {user.pid for user in found} for layer_id, found in second.items()}
        both = {
            layer_id: [user for user in found if user.pid in again.get(layer_id, ())]
            for layer_id, found in users.items()
        }
        users = {layer_id: found for layer_id, found in both.items() if found}
    return {layer_id: describe_users(found) for layer_id, found in users.items()}
