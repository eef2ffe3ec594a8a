# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""flock(2) on directories that exist anyway, so that nothing is left behind. PRIVATE to the collection.

Order: a layer's lock first, then the store's; nobody waits for a layer's while holding the store's. Whoever holds
the store's lock for writing may therefore test a layer's: got, it stays free, since every run that takes a layer's lock
looks at the store under the store's lock afterwards.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t

from .._errors import LayerNotFound, StoreBusy, printable
from .._linux.noatime import open_quietly
from .._linux.subject import about

_PAUSE = 0.05  # seconds between two attempts
_FOREVER = 10**9  # seconds: a clock cannot be put on by any number


class Deadline:
    """Until when to wait, over several locks. seconds: as ``lock_timeout`` gives them."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + min(max(seconds, 0), _FOREVER)

    @property
    def left(self) -> int:
        """How many whole seconds are left."""
        return max(0, int(self._end - time.monotonic()))

    @property
    def passed(self) -> bool:
        """Whether there is no time left."""
        return time.monotonic() >= self._end


@contextlib.contextmanager
def locked(directory: str, deadline: Deadline, *, shared: bool = False) -> t.Iterator[int]:
    """Hold the lock of *directory*, and yield its fd.

    raises: StoreBusy when it was not had by the deadline; FileNotFoundError; OSError.
    """
    while True:
        fd = open_quietly(directory, os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            with about(directory):
                _wait(fd, directory, deadline, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            if is_still(fd, directory):
                yield fd
                return
        finally:
            os.close(fd)


@contextlib.contextmanager
def layer_locked(home: str, layer_id: str, deadline: Deadline, *, shared: bool = False) -> t.Iterator[None]:
    """Hold the lock of a layer. Raises LayerNotFound, StoreBusy, OSError."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(os.path.join(home, layer_id), deadline, shared=shared))
        except (FileNotFoundError, NotADirectoryError):
            raise layer_not_found_error(home, layer_id) from None
        yield


def try_lock(fd: int, *, shared: bool = False) -> bool:
    """Take the lock of the open directory *fd*, for as long as it is open, if it is free. Raises OSError."""
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_free(directory: str, *, shared: bool = False) -> bool:
    """Tell whether nobody holds the lock of *directory*; a missing one is free. Raises OSError."""
    try:
        fd = open_quietly(directory, os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    try:
        with about(directory):
            return try_lock(fd, shared=shared)
    finally:
        os.close(fd)


def is_still(fd: int, directory: str) -> bool:
    """Tell whether *directory* is what was opened: while we waited it may have been removed, or made anew."""
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(directory))
    except FileNotFoundError:
        return False


def layer_not_found_error(home: str, layer_id: str) -> LayerNotFound:
    """Return the error for a layer that is not there."""
    return LayerNotFound(
        f"there is no layer {layer_id} in {printable(home)}",
        hint="make it with strata.overlay2.overlay2_layer, or check the id and home",
        id=layer_id,
    )


def _wait(fd: int, directory: str, deadline: Deadline, operation: int) -> None:
    while True:
        try:
            return fcntl.flock(fd, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            if deadline.passed:
                raise StoreBusy(
                    f"another run has held the lock of {printable(directory)} for {deadline.seconds} s",
                    hint="wait for it to end, or raise lock_timeout",
                    path=printable(directory),
                ) from None
        time.sleep(_PAUSE)
