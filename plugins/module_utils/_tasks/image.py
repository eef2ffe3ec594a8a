# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_image: have the layers of an image. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._driver.images.archive import check_source, read_wanted
from .._driver.images.observe import find_pinned, observe_image
from .._driver.images.plan import plan_present
from .._driver.images.state import ImageSource, ImageState, WantedImage, reported
from .._driver.plan import Overtaken, Plan
from .._driver.state import predictable
from .._driver.store import Store
from .._driver.task import Outcome, Sides, Task, warnings_without_store
from .._errors import InvalidInput, printable
from .._store.layout import check_home, check_id


class ImageTask(Task[ImageState]):
    """Have all layers of an image in the store. top: the name of its top layer if it has to be made; None for none."""

    def __init__(self, home: str, source: ImageSource, top: str | None) -> None:
        self.home = check_home(home)
        check_source(source)
        self._source = source
        self._top = check_id(top) if top else None
        self._wanted: WantedImage | None = None

    def survey(self) -> None:
        """Read the documents of the archive, unless the store has an image with the expected digests."""
        known = find_pinned(Store(self.home), self._source)
        self._wanted = None if known else read_wanted(self._source)

    def observe(self, store: Store, predicting: bool) -> ImageState:
        """Return what the store has of the image. Raises Overtaken if the store has just lost it."""
        wanted = self._wanted or find_pinned(store, self._source)
        if wanted is None:
            raise Overtaken()
        return observe_image(store, wanted, self._top)

    def plan(self, have: ImageState, predicting: bool) -> Plan[ImageState]:
        """See Task."""
        if self._source.layers_follow and not predicting:
            raise InvalidInput(
                "layers_follow is for check mode", hint="give an archive with the layers, and leave it out"
            )
        warnings = warnings_without_store(self.home, have.exists, predicting)
        plan = plan_present(have, self._top, self._source)
        return plan.with_warnings(*warnings)

    def observe_after(self, store: Store, plan: Plan[ImageState]) -> ImageState:
        """Return what the store has of the image now."""
        return observe_image(store, plan.after.wanted, self._top)

    def difference(self, before: ImageState, after: ImageState) -> Sides:
        """Return the layers that are made or sealed, and the images whose names change."""
        old: dict[str, t.Any] = {layer.id: predictable(layer) for layer in before.found}
        new: dict[str, t.Any] = {layer.id: predictable(layer) for layer in after.found}
        given = {name for record in after.records.values() for name in record.names}
        for key, record in before.records.items():
            old[key] = [printable(name) for name in record.names]
            new[key] = [printable(name) for name in record.names if name not in given]
        for key, record in after.records.items():
            new[key] = [printable(name) for name in record.names]
        changed = [key for key in new if old.get(key) != new[key]]
        return {key: old.get(key) for key in changed}, {key: new[key] for key in changed}

    def report(self, outcome: Outcome[ImageState]) -> dict[str, t.Any]:
        """See Task."""
        after = outcome.after
        record = after.records.get(after.wanted.record.image_id, after.wanted.record)
        return reported(after.wanted._replace(record=record), after.found, after.exact)
