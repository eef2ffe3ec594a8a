# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of the layers below a layer that is unpacked. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._store.layout import DIFF


class NotYet(Exception):
    """A layer needs to know the names in a layer below that is not unpacked yet."""


class Below(t.Sequence[str]):
    """The paths of the content of a layer's *lowers*, nearest first. They are asked for only if the tar needs them.

    made:  the layers that this run makes. whole: those of them that are unpacked. raises: NotYet for another.
    """

    def __init__(
        self, home: str, staged: str, lowers: t.Sequence[str], made: t.Container[str], whole: t.Container[str]
    ) -> None:
        self._home = home
        self._staged = staged
        self._lowers = lowers
        self._made = made
        self._whole = whole

    def __len__(self) -> int:
        return len(self._lowers)

    def __getitem__(self, place: t.Any) -> t.Any:
        layer_id = self._lowers[place]
        if layer_id in self._made and layer_id not in self._whole:
            raise NotYet
        return f"{self._staged if layer_id in self._made else self._home}/{layer_id}/{DIFF}"
