# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan is made of: actions, and the state that they lead to. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .run import Run


class Overtaken(Exception):
    """Another run was faster, or is still at work: look again once it is done, and plan anew. Nothing was done yet.

    layer: whose lock it holds; "" if there is nothing to wait for.
    """

    def __init__(self, layer: str = "") -> None:
        super().__init__(layer)
        self.layer = layer


class Action:
    """One step of a plan. All steps are prepared before the first is committed, so that what can fail fails early.

    writes: it changes something on the store's filesystem.
    """

    writes = True

    def describe(self) -> str:
        """Return what it does, in words that hold only what can be predicted."""
        return type(self).__name__

    def prepare(self, run: Run) -> None:
        """Do what takes long or may fail, out of sight: interrupted, it leaves litter at most. May raise Overtaken."""

    def commit(self, run: Run) -> None:
        """Make it so."""


class Plan(t.NamedTuple):
    """Steps from the state that was observed to *after*.

    after:    the state once they are done; what observing then tells.
    touches:  ids of layers that another run must not be working on meanwhile.
    long:     preparing takes long: the store's lock is given back before (the layer's own is held).
    """

    actions: tuple[Action, ...]
    after: t.Any
    warnings: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()
    long: bool = False

    @property
    def writes(self) -> bool:
        """Whether a step changes something on the store's filesystem."""
        return any(action.writes for action in self.actions)
