# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions that remove litter, and that let holders go. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._store import holders, staging
from ..._store.last_use import note_use_below
from ..._store.texts import SWEPT
from ..layers.litter import Litter
from ..plan import Action
from .letting_go import LettingGo

if t.TYPE_CHECKING:
    from ..run import Run


class Sweep(Action):
    """Sweep litter. seconds: how long to delete; None for no limit."""

    def __init__(self, litter: t.Sequence[Litter], seconds: int | None) -> None:
        self.litter = litter
        self.seconds = seconds

    def describe(self) -> str:
        counts = {code: sum(found.code == code for found in self.litter) for code in SWEPT}
        parts = [SWEPT[code].format(count, "s" * (count > 1)) for code, count in counts.items() if count]
        return "sweep " + ", ".join(parts)

    def commit(self, run: Run) -> None:
        run.limit_deletion(self.seconds)
        run.sweep()
        staging.sweep_links(run.home, [found.subject for found in self.litter if found.code == "dangling_link"])
        for found in self.litter:
            if found.code == "dead_holder":
                # Without the dead holder, no file shows that the layer was in use until the boot.
                note_use_below(run.home, [found.subject])
                holders.write(run.home, found.subject, ())
        leaked = [int(found.subject) for found in self.litter if found.code == "leaked_project"]
        if leaked:
            from ..quota import projects  # most stores have no quotas, and each import is compiled on every host

            projects.release_leaked(run.home, leaked)


class LetGo(Action):
    """Remove holders that hold a layer for too long from the record of its holders.

    This is not a use of the layer: the holders no longer use it.
    """

    def __init__(self, letting: LettingGo) -> None:
        self.letting = letting

    def describe(self) -> str:
        return f"let go of layer {self.letting.before.id} for {', '.join(self.letting.names)}"

    def commit(self, run: Run) -> None:
        holders.write(run.home, self.letting.before.id, self.letting.after.holders)


class EndIdleMount(Action):
    """End the mount of a layer that is let go. This is not a use of the layer, either."""

    writes = False

    def __init__(self, layer_id: str) -> None:
        self.layer_id = layer_id

    def describe(self) -> str:
        return f"unmount layer {self.layer_id}"

    def commit(self, run: Run) -> None:
        from ..mounts.actions import Unmount  # most runs end no mount

        Unmount(self.layer_id, "").end(run)


def letting_go_actions(letting: LettingGo) -> list[Action]:
    """Return the actions that let holders go. The record of the holders goes last: it shows that a marker is of now."""
    actions: list[Action] = [EndIdleMount(letting.before.id)] if letting.unmounts else []
    if letting.volatile:
        from ..mounts.actions import ClearMarker  # as above

        actions.append(ClearMarker(letting.before.id))
    return [*actions, LetGo(letting)]
