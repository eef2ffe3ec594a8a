# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The times when a layer was made, and last used. PRIVATE to the collection.

    <home>/<id>/link            written once: its mtime is when the layer was made
    <home>/<id>/.strata.json    its mtime is when the layer was last used: made, filled, mounted, held or released,
                                or when a layer built on it was made or mounted

A use only sets the mtime, without a sync: after a crash the time may be that of the previous use. A layer of dockerd
has no .strata.json: read_times() then reads the mtimes of other files that a use changes.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from .layout import COMMITTED, LINK, OWN_FILE, WORK

_FIRST = 1420070400  # 2015, before the first overlay2 store; a host without a clock is earlier
_AHEAD = 3600  # seconds by which clocks differ


class Times(t.NamedTuple):
    """Seconds since the epoch.

    *used* may be earlier than *made* if the layer's link was copied, or restored, since. Options that select by age
    take the later time, so that a wrong time removes no layer.
    """

    made: float
    used: float

    @property
    def there(self) -> float:
        """The earlier of both times: the layer existed then."""
        return min(self.made, self.used)

    def is_possible(self, now: float) -> bool:
        """Tell whether a correct clock can have given both times."""
        return self.there >= _FIRST and self.used <= now + _AHEAD


def read_times(home: str, layer_id: str) -> Times:
    """Return the times of a layer; of a damaged layer without link, by its directory. Raises OSError."""
    directory = f"{home}/{layer_id}"
    made = _time(f"{directory}/{LINK}")
    used = _time(f"{directory}/{OWN_FILE}")
    if not used:
        used = max(made, _time(f"{directory}/{COMMITTED}"), _time(f"{directory}/{WORK}"))
    if not made:
        made = os.lstat(directory).st_mtime
    return Times(made, used or made)


def note_use(home: str, layer_id: str, lowers: t.Iterable[str] = ()) -> None:
    """Note that a layer, and its *lowers* (ids), are used now. The caller holds the layer's lock.

    Errors are ignored: the use itself must not fail because of its note.
    """
    path = f"{home}/{layer_id}/{OWN_FILE}"
    with contextlib.suppress(OSError):
        try:
            os.utime(path, follow_symlinks=False)
        except FileNotFoundError:
            from .json_writer import replace_file  # only layers of other engines need it

            replace_file(path, {})
    note_use_below(home, lowers)


def note_use_below(home: str, lowers: t.Iterable[str]) -> None:
    """Note that the layers *lowers* (ids) are used now. Only set times: another run may be writing to them."""
    for lower in lowers:
        with contextlib.suppress(OSError):
            os.utime(f"{home}/{lower}/{OWN_FILE}", follow_symlinks=False)


def _time(path: str) -> float:
    """Return the mtime of a file, 0.0 if the file is missing."""
    try:
        return os.lstat(path).st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return 0.0
