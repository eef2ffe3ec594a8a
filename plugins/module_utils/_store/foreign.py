# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose store is this? Another engine's is hardly changed: see records.py. PRIVATE to the collection."""

from __future__ import annotations

import os

from .._errors import StoreForeign, printable

DOCKER = "docker"
CONTAINERS_STORAGE = "containers-storage"

_RECORDS = {DOCKER: "image/overlay2/layerdb", CONTAINERS_STORAGE: "overlay-layers"}  # beside home


def managed_by(home: str) -> str | None:
    """Return the engine whose records lie beside *home*, None if there are none."""
    beside = os.path.dirname(home)
    return next((engine for engine, path in _RECORDS.items() if os.path.isdir(os.path.join(beside, path))), None)


def store_foreign(home: str, engine: str, what: str, why: str = "", hint: str = "") -> StoreForeign:
    """Return the error for who would change a store of *engine*.

    what: the deed, as in "cannot ..."; why: more of the reason, as in "belongs to docker, and ..."; hint: "" for the
    usual one.
    """
    return StoreForeign(
        f"cannot {what}: the store at {printable(home)} belongs to {engine}{', ' * bool(why)}{why}",
        hint=hint or f"let {engine} do it, or give the collection a store of its own",
        home=printable(home),
        managed_by=engine,
    )
