# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_image with state exported: have an image of the store in a file. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t

from .._driver.content.output_file import NEW, difference, stat_file
from .._driver.content.place import Place
from .._driver.images.choice import ImageChoice
from .._driver.images.export import checked, layers_out, measured, observe_export
from .._driver.images.export_report import as_reported, check_export, expected_image
from .._driver.images.export_state import ExportState, ImageExport, WrittenImage, anew_warning
from .._driver.images.image_file import written_image
from .._driver.plan import Overtaken, Plan
from .._driver.store import Store
from .._driver.task import Outcome, Sides, Task
from .._errors import LayerNotFound, StoreNotFound, printable
from .._store.layout import check_home, check_path


class ImageExportTask(Task[ExportState]):
    """Have an image of the store in a file. Reading content takes long, so inspect() runs without the store's lock."""

    plans_unlocked = True
    shares_locks = True

    def __init__(self, home: str, choice: ImageChoice, wanted: ImageExport) -> None:
        self.home = check_home(home)
        check_export(choice, wanted)
        self._choice = choice
        self._wanted = wanted
        self._place = Place(os.path.abspath(check_path(wanted.dest, "dest")))

    def survey(self) -> None:
        """Find the layers of the image, which are to be locked."""
        self.layers = ()
        with contextlib.suppress(LayerNotFound, StoreNotFound):  # observe() raises it again, unless they appear
            self.layers = sorted(layer.id for layer in observe_export(Store(self.home), self._choice).found)

    def observe(self, store: Store, predicting: bool) -> ExportState:
        """Return the image. Raises Overtaken if other layers than the locked ones are its layers now."""
        have = observe_export(store, self._choice)
        if not {layer.id for layer in have.found} <= set(self.layers):
            raise Overtaken()
        return have

    def inspect(self, store: Store, have: ExportState, predicting: bool) -> ExportState:
        """Read the file, and compare it with the image; in check mode, also try whether the tars can be written."""
        wanted = self._wanted
        have = have._replace(out=layers_out(store, have, wanted.has))
        with self._place.opened() as file:
            there = stat_file(file) if file else None
            if there and not wanted.access.allows(there.access, self._place):
                there = None  # another user could change the file: replace it unread
            if there or predicting:
                have = have._replace(out=tuple(map(measured, have.out)))
            current = None
            if file and there:
                doubt = None if predicting else functools.partial(checked, store.home)
                current, out = written_image(file, have, wanted, doubt)
                have = have._replace(out=out)
            if predicting and not current:
                have = have._replace(out=tuple(checked(store.home, out) for out in have.out))
                current = written_image(file, have, wanted)[0] if file and there else None
        return have._replace(there=there, current=current, access=there.access if there else NEW)

    def plan(self, have: ExportState, predicting: bool) -> Plan[ExportState]:
        """See Task."""
        access = self._wanted.access.of(have.access)
        after = have._replace(access=access)
        warnings = _warnings(have)
        if have.there and have.current:
            if access == have.there.access:
                return Plan((), after, warnings=warnings)
            from .._driver.content.output_actions import (
                GiveAccess,  # imported late: an empty plan does not need it, and each host compiles each import
            )

            return Plan((GiveAccess(self._place, have.there, access),), after, warnings=warnings)
        from .._driver.images.export_actions import WriteImage  # as above

        action = WriteImage(have, self._place, self._wanted, access)
        return Plan(
            (action,), after._replace(written=True), warnings=warnings if predicting else (), prepares_unlocked=True
        )

    def observe_after(self, store: Store, plan: Plan[ExportState]) -> ExportState:
        """Return the planned state: an export changes nothing in the store."""
        return plan.after

    def difference(self, before: ExportState, after: ExportState) -> Sides:
        """Return the changes of the file: its content, owner and mode."""
        old, new = difference(before.there and before.there.access, after.access)
        if after.written:
            old, new = {"content": "not the image", **old}, {"content": "the image", **new}
        place = printable(self._place.path)
        return ({place: old}, {place: new}) if new else ({}, {})

    def report(self, outcome: Outcome[ExportState]) -> dict[str, t.Any]:
        """See Task."""
        have = outcome.after
        written: WrittenImage | None = outcome.told.get("written") or have.current
        return as_reported(have, written or expected_image(have, self._wanted))


def _warnings(have: ExportState) -> list[str]:
    """Return the warnings for the layers whose tars are known to be other ones than those that came in."""
    return [
        anew_warning(out, out.measured.diff_id, out.why)
        for out in have.out
        if out.measured and out.measured.diff_id != out.layer.diff_id
    ]
