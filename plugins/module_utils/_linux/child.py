# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of functions in a forked child, for functions that change their process. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import typing as t

from .libc import check, libc

PR_SET_PDEATHSIG = 1  # include/uapi/linux/prctl.h

libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)

T = t.TypeVar("T")


def in_child(function: t.Callable[[], T]) -> T:
    """Call *function* in a forked child and return what it returns, or raise what it raises.

    The result must be picklable. The child dies with this process, and never stays as a zombie.
    Raises ChildProcessError if the child was killed before it could answer.
    """
    import pickle  # before the fork: *function* may change the root directory of the child

    ours, its = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        _answer(function, its, parent, pickle.dumps)
    os.close(its)
    status = 0
    try:
        with open(ours, "rb") as pipe:
            data = pipe.read()
    except BaseException:  # an interrupt: this process does not wait for the answer any more
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        with contextlib.suppress(ChildProcessError):  # SIGCHLD is ignored, so the kernel has reaped the child
            _unused, status = os.waitpid(pid, 0)
    if not data:
        raise ChildProcessError(errno.ECHILD, f"a child process died without an answer (wait status {status})")
    result, error = pickle.loads(data)  # from the child, through a pipe that no other process has
    if error is not None:
        raise _rebuilt(*error)
    return t.cast(T, result)


def _answer(function: t.Callable[[], object], pipe: int, parent: int, dumps: t.Callable[[object], bytes]) -> t.NoReturn:
    """Call *function* in the child, write its answer and exit. Never returns into the parent's code."""
    try:
        check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
        if os.getppid() != parent:  # the parent died before prctl()
            os._exit(1)
        try:
            data = dumps((function(), None))
        except BaseException as error:
            data = dumps((None, _taken_apart(error)))
        with open(pipe, "wb") as out:
            out.write(data)
        os._exit(0)
    finally:
        os._exit(1)


def _taken_apart(error: BaseException) -> tuple[type[BaseException], tuple[t.Any, ...], dict[str, t.Any]]:
    """Return class, arguments and attributes: pickle cannot restore an exception whose __init__ takes other ones."""
    args = error.args
    if isinstance(error, OSError) and error.errno is not None:  # args lacks the file names
        args = (error.errno, error.strerror, error.filename, None, error.filename2)
    return type(error), args, error.__dict__


def _rebuilt(kind: type[BaseException], args: tuple[t.Any, ...], attributes: dict[str, t.Any]) -> BaseException:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error
