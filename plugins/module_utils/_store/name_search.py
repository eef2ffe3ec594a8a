# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding many names in much data. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

_GRAM = 8  # bytes


class NameSearch:
    """Tells which of *names* occur in data, in one pass for all of them.

    Of the data only every n-th run of eight bytes is looked at, n such that each long name, wherever it stands, has one
    of these runs whole. Which of a name's own runs that is depends on where it stands, so all of them are known.
    Source: the idea of Wu and Manber, "A fast algorithm for multi-pattern searching".
    """

    def __init__(self, names: t.Iterable[str]) -> None:
        self._names = {os.fsencode(name): name for name in names}
        self.longest = max(map(len, self._names), default=0)  # bytes
        long = [name for name in self._names if len(name) >= 2 * _GRAM]
        self._short = self._names.keys() - set(long)
        self._step = min(map(len, long), default=_GRAM) - _GRAM + 1
        self._by_gram: dict[bytes, list[bytes]] = {}
        for name in long:
            for start in range(self._step):
                self._by_gram.setdefault(name[start : start + _GRAM], []).append(name)

    def names_in(self, data: bytes) -> set[str]:
        """Return the names whose bytes occur in *data*."""
        candidates = set(self._short)
        if self._by_gram:
            grams = {data[start : start + _GRAM] for start in range(0, len(data), self._step)}
            for gram in grams & self._by_gram.keys():
                candidates.update(self._by_gram[gram])
        return {self._names[name] for name in candidates if name in data}
