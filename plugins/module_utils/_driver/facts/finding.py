# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What health tells of a store, and who tells it: in words, with what to do about it. PRIVATE to the collection."""

from __future__ import annotations

import os
import shlex
import typing as t

from ..._errors import printable
from ..._store.cures import cure
from ..._store.damage import Damage
from ..._store.layer import Store


class Finding(t.NamedTuple):
    """subject: a layer's id, or a name in the store; "" for the store itself. path: where it was found."""

    code: str
    subject: str
    path: str
    message: str
    hint: str


class Teller:
    """Makes findings of what is wrong in *store*."""

    def __init__(self, store: Store) -> None:
        self.home = store.home
        self.store = store
        self.mending = store.mending
        self.engine = store.mending.engine  # whose store it is, if not ours

    def found(self, code: str, subject: str, path: str, message: str, hint: str) -> Finding:
        """Return a finding. path: below home."""
        where = os.path.join(self.home, path) if path else self.home
        return Finding(code, printable(subject), printable(where), message, hint)

    def cured(self, code: str, subject: str, path: str, message: str, command: str = "", why: str = "") -> Finding:
        """Return a finding with the cure that fits the store's engine. command: as cure() takes it."""
        return self.found(code, subject, path, message, cure(self.engine, code, command, why=why))

    def damaged(self, layer_id: str, damage: Damage, hint: str = "") -> Finding:
        """Return a finding of damage. hint: other than that which is usual for it."""
        path = os.path.relpath(damage.path, self.home)
        message = f"layer {layer_id} is damaged: {damage.message}"
        return self.found(damage.code, layer_id, path, message, hint or self.mending.hint(layer_id, damage))

    def at(self, path: str) -> str:
        """Return a path below home for a shell."""
        return shlex.quote(printable(f"{self.home}/{path}" if path else self.home))
