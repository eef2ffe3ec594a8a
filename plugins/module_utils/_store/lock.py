# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks: flock(2) on the directories of stores and layers, so that no lock file is left. PRIVATE to the collection.

Order: the layer's lock first, then the store's lock. No run waits for a layer's lock while it holds the store's lock.
A run that holds the store's lock for writing may test a layer's lock. If the test succeeds, no run can start using the
layer: every run re-checks the store under the store's lock after it locks a layer.

``locked`` and ``layer_locked`` are guards of a ``with`` statement. Such guards keep a participle as their name; every
other function that acts has a verb as its name.
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
_FOREVER = 10**9  # seconds: a larger number would overflow the clock


class Deadline:
    """The time until which a run waits for all its locks together. seconds: the value of ``lock_timeout``."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + min(max(seconds, 0), _FOREVER)

    @property
    def left(self) -> int:
        """The whole seconds that are left."""
        return max(0, int(self._end - time.monotonic()))

    @property
    def passed(self) -> bool:
        """Whether there is no time left."""
        return time.monotonic() >= self._end


@contextlib.contextmanager
def locked(directory: str, deadline: Deadline, *, shared: bool = False) -> t.Iterator[int]:
    """Hold the lock of *directory*, and yield the directory's fd.

    raises: StoreBusy if another run still holds the lock at the deadline; FileNotFoundError; OSError.
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
    """Take the lock of the open directory *fd* if it is free, and tell so; close *fd* to release it. Raises OSError."""
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_free(directory: str, *, shared: bool = False) -> bool:
    """Tell whether the lock of *directory* is free, or the directory is missing. Raises OSError."""
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
    """Tell whether *fd* is still *directory*, which another run may have removed or replaced while we waited."""
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(directory))
    except FileNotFoundError:
        return False


def layer_not_found_error(home: str, layer_id: str) -> LayerNotFound:
    """Return the error for a layer that does not exist."""
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
