# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a layer was made, and when it was last used. PRIVATE to the collection.

    <home>/<id>/link            written once: its time is when the layer was made
    <home>/<id>/.strata.json    its time is when the layer was last used: made, filled, mounted, held or let go, or
                                when one built on it was made or mounted

Only the time is set, and nothing synced: one lost in a crash is that of the use before. A layer that has no such file
(dockerd's) tells by what else a use leaves a trace in.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from .json_file import replace_file
from .layout import COMMITTED, LINK, OWN_FILE, WORK

_FIRST = 1420070400  # 2015, before there was any overlay2 store: a host without a clock says less
_AHEAD = 3600  # seconds by which clocks differ


class Times(t.NamedTuple):
    """Seconds since the epoch.

    *used* may be earlier than *made*: a layer's link was copied, or restored, since. What goes by when a layer was made
    takes the later time, so that no layer goes for one that may be wrong.
    """

    made: float
    used: float

    @property
    def there(self) -> float:
        """Since when the layer is there at least: it was when it was used."""
        return min(self.made, self.used)

    def is_possible(self, now: float) -> bool:
        """Tell whether a clock that was right can have given these."""
        return self.there >= _FIRST and self.used <= now + _AHEAD


def read_times(home: str, layer_id: str) -> Times:
    """Return when a layer was made and last used; one without link, damaged, by its directory. Raises OSError."""
    directory = f"{home}/{layer_id}"
    made = _time(f"{directory}/{LINK}")
    used = _time(f"{directory}/{OWN_FILE}")
    if not used:
        used = max(made, _time(f"{directory}/{COMMITTED}"), _time(f"{directory}/{WORK}"))
    if not made:
        made = os.lstat(directory).st_mtime
    return Times(made, used or made)


def note_use(home: str, layer_id: str, lowers: t.Iterable[str] = ()) -> None:
    """Note that a layer is used now, and so are those below it; lowers: their ids. The layer's lock must be held.

    What fails is left: no use of a layer is to fail because it could not be noted.
    """
    path = f"{home}/{layer_id}/{OWN_FILE}"
    with contextlib.suppress(OSError):
        try:
            os.utime(path, follow_symlinks=False)
        except FileNotFoundError:
            replace_file(path, {})
    note_use_below(home, lowers)


def note_use_below(home: str, lowers: t.Iterable[str]) -> None:
    """Note that a layer on *lowers*, ids, is used now. They may be another run's to write to: only times are set."""
    for lower in lowers:
        with contextlib.suppress(OSError):
            os.utime(f"{home}/{lower}/{OWN_FILE}", follow_symlinks=False)


def _time(path: str) -> float:
    """Return when a file was changed last, 0.0 if there is none."""
    try:
        return os.lstat(path).st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return 0.0
