# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``zstd`` command as a filter: Python before 3.14 has no zstd. PRIVATE to the collection.

The caller moves the data at one end, a thread at the other end, so that no side waits for ever.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import typing as t

from .._errors import NotSupported, harmless

_PIECE = 128 * 1024  # bytes
_ITS_NAMES = re.compile(r"^(?:zstd: *|/\*stdin\*\\ *:? *)+")


class ZstdFailed(Exception):
    """The command failed; the message is the command's own, on one line."""


def check_installed() -> None:
    """Raise NotSupported if the command ``zstd`` is not installed."""
    if not shutil.which("zstd"):
        raise _missing_error()


def _missing_error() -> NotSupported:
    return NotSupported(
        "the archive's compression needs the command zstd, which is not installed",
        hint="install the package zstd on the target, or use another compression",
    )


class ZstdTool:
    """A running ``zstd`` with *arguments*, between the pipes `input` and `output`.

    raises: NotSupported if zstd is not installed; OSError.
    """

    def __init__(self, *arguments: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ZSTD_")}
        pipe = subprocess.PIPE
        try:
            # Ansible's run_command would hold the whole archive in memory.
            self._process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                ["zstd", "-q", "-c", *arguments], stdin=pipe, stdout=pipe, stderr=pipe, env=environment, bufsize=0
            )
        except FileNotFoundError as error:
            raise _missing_error() from error
        self.input = t.cast(t.BinaryIO, self._process.stdin)
        self.output = t.cast(t.BinaryIO, self._process.stdout)
        self._complaints = t.cast(t.BinaryIO, self._process.stderr)
        self._thread: threading.Thread | None = None
        self._problem: BaseException | None = None

    def feed(self, read: t.Callable[[int], bytes]) -> None:
        """Let a thread write the pieces from *read* to the input, until *read* returns b""."""

        def move() -> None:
            with self.input:
                for piece in iter(lambda: read(_PIECE), b""):
                    write_all(self.input, piece)

        self._start(move)

    def collect(self, write: t.Callable[[bytes], object]) -> None:
        """Let a thread pass the output to *write*."""

        def move() -> None:
            with self.output:  # closed if *write* fails, so that the command fails too instead of waiting
                for piece in iter(lambda: self.output.read(_PIECE), b""):
                    write(piece)

        self._start(move)

    def finish(self) -> None:
        """Wait for the command; its input must be closed or fed. Raises ZstdFailed, and errors of *read* or *write*."""
        if self._thread:
            self._thread.join()
        complaint = _in_one_line(self._complaints.read())
        status = self._process.wait()
        if self._problem:
            raise self._problem
        if status:
            raise ZstdFailed(complaint or f"exit status {status}")

    def close(self) -> None:
        """Stop the command and the thread at once."""
        self._process.kill()
        self._process.wait()
        if self._thread:
            self._thread.join()
        for pipe in (self.input, self.output, self._complaints):
            pipe.close()

    def _start(self, move: t.Callable[[], None]) -> None:
        def run() -> None:
            try:
                move()
            except BrokenPipeError:  # the command failed; finish() reads its status
                pass
            except BaseException as error:
                self._problem = error

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()


def _in_one_line(complaint: bytes) -> str:
    """Return the first line of *complaint* without the command's name and the pipe's; other lines list options."""
    line = complaint.strip().partition(b"\n")[0]
    return _ITS_NAMES.sub("", harmless(os.fsdecode(line))).strip()


def write_all(pipe: t.BinaryIO, piece: bytes | memoryview) -> None:
    """Write the whole *piece* to an unbuffered pipe. Raises BrokenPipeError if the reader closed the pipe."""
    rest = memoryview(piece)
    while rest:
        rest = rest[pipe.write(rest) :]
