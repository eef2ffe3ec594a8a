# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Search of large data for many names at once. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

_GRAM = 8  # bytes


class NameSearch:
    """Tells which of *names* occur in data, in one pass.

    Only every n-th window of eight bytes of the data is looked up. n is so small that each long name contains a whole
    window of these at any place. Any alignment is possible, so the first n windows of each name are indexed.
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
