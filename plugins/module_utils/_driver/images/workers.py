# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forked processes, each of which unpacks one layer. PRIVATE to the collection.

Processes and not threads: Python runs one thread at a time, and half of unpacking is Python's own work.
"""

from __future__ import annotations

import errno
import os
import select
import typing as t

from ..._linux.child import Child, answer_of, end_child, start_child

_LARGEST_ANSWER = 1 << 20  # bytes: of an error that names entries of an archive


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


class Workers:
    """The processes that are at work, by the place of their layer in the image.

    most: processes at once. subject: names the layer at a place, for messages; path: where the layer is made.

    This process must have no other thread when try_start() forks: a child inherits locks that other threads hold, but
    no thread that could release them. If this process dies, the kernel kills the others. They share the lock of the
    staging directory, so no other run sweeps the directory before they are dead.
    """

    def __init__(self, most: int, subject: t.Callable[[int], str], path: t.Callable[[int], str]) -> None:
        self._most = most
        self._subject = subject
        self._path = path
        self._running: dict[int, Child] = {}

    @property
    def are_all_busy(self) -> bool:
        """Whether no further process may start."""
        return len(self._running) >= self._most

    @property
    def are_at_work(self) -> bool:
        """Whether there is an answer to wait for."""
        return bool(self._running)

    def try_start(self, place: int, work: t.Callable[[], int | None]) -> bool:
        """Start to call *work* in a process. Return whether there is one: the host may have too many, or no memory."""
        try:
            self._running[place] = start_child(work)
        except OSError:
            return False
        return True

    def wait(self) -> tuple[int, t.Callable[[], int | None]]:
        """Wait until a process has its answer. Return its place, and a function that returns or raises the answer.

        The function raises what *work* raised; OSError if the process died, or had too little memory.
        """
        waiting = select.poll()
        for child in self._running.values():
            waiting.register(child.pipe, select.POLLIN)
        ready = {fd for fd, _event in waiting.poll()}
        place = min(place for place, child in self._running.items() if child.pipe in ready)
        child = self._running.pop(place)
        return place, lambda: self._answer(place, child)

    def stop(self, first: int = 0) -> None:
        """Kill the processes of the layers from the place *first* on, and wait until they are dead."""
        for place in [place for place in self._running if place >= first]:
            end_child(self._running.pop(place))

    def _answer(self, place: int, child: Child) -> int | None:
        try:
            return t.cast("int | None", answer_of(child, _LARGEST_ANSWER))
        except MemoryError:
            why = "there is not enough memory to unpack"
            number = errno.ENOMEM
        except ChildProcessError as error:
            why = f"{error.strerror}, while it unpacked"
            number = errno.ECHILD
        raise OSError(number, f"{why} {self._subject(place)}", self._path(place))
