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


class Child(t.NamedTuple):
    """A forked child. pipe: becomes readable when the child has its answer, or is dead."""

    pid: int
    pipe: int


def in_child(function: t.Callable[[], T]) -> T:
    """Call *function* in a forked child and return what it returns, or raise what it raises.

    The result must be picklable. The child dies with this process, and never stays as a zombie.
    Raises ChildProcessError if the child was killed before it could answer.
    """
    return t.cast(T, answer_of(start_child(function)))


def start_child(function: t.Callable[[], object]) -> Child:
    """Start to call *function* in a forked child. The caller calls answer_of() or end_child(). Raises OSError."""
    import pickle  # before the fork: *function* may change the root directory of the child

    ours, its = os.pipe()
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError:
        os.close(ours)
        os.close(its)
        raise
    if pid == 0:
        os.close(ours)
        _answer(function, its, parent, pickle.dumps)
    os.close(its)
    return Child(pid, ours)


def answer_of(child: Child, most: int = -1) -> t.Any:
    """Wait for a child; return what its function returned, or raise what it raised.

    most:   bytes of an answer; -1 for any number.
    raises: ChildProcessError if the child was killed before it could answer, or answers more.
    """
    import pickle

    status = 0
    try:
        with open(child.pipe, "rb") as pipe:
            data = pipe.read(most)
            if most >= 0 and pipe.read(1):
                raise ChildProcessError(errno.ECHILD, f"a child process answered more than {most} bytes")
    except BaseException:  # an interrupt: this process does not wait for the answer any more
        os.kill(child.pid, signal.SIGKILL)
        raise
    finally:
        with contextlib.suppress(ChildProcessError):  # SIGCHLD is ignored, so the kernel has reaped the child
            _unused, status = os.waitpid(child.pid, 0)
    if not data:
        raise ChildProcessError(errno.ECHILD, f"a child process died without an answer (wait status {status})")
    result, error = pickle.loads(data)  # from the child, through a pipe that no other process has
    if error is not None:
        raise _rebuilt(*error)
    return result


def end_child(child: Child) -> None:
    """Kill a child, and wait until it is dead: it changes nothing any more."""
    os.kill(child.pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):  # as above
        os.waitpid(child.pid, 0)
    os.close(child.pipe)


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
