# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of filesystems, each on a loop device of its own, which nobody used before.

The kernel lets go of a loop device a little after its last user. A next file on the same device could get pages of the
file before. So each image is a new file with a new device, which is deleted after its use.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import random
import stat
import struct
import subprocess
import time
import typing as t
from pathlib import Path

# include/uapi/linux/loop.h
LOOP_CTL_ADD = 0x4C80
LOOP_CTL_REMOVE = 0x4C81
LOOP_CONFIGURE = 0x4C0A  # Linux 5.8
LO_FLAGS_AUTOCLEAR = 4  # detach when the last user is gone, so that nothing stays after a killed test
_CONFIG = struct.Struct("=II 5Q 4I 64s64s32s 2Q 8Q")  # loop_config with its loop_info64
_MAJOR = 7
# Numbers that nobody else gives, since the kernel counts from 0; another run of these tests begins elsewhere.
_numbers = itertools.count(random.randrange(1 << 12, 1 << 19))
_CHUNK = 1 << 16
_WAIT = 60  # seconds until a device that stays in use is a failure

_ALL_NOW = "lazy_itable_init=0,lazy_journal_init=0,nodiscard"
# Small.
MAKERS = {
    "ext4": (["mke2fs", "-q", "-F", "-t", "ext4", "-O", "has_journal", "-b", "4096", "-E", _ALL_NOW], 64),
    "xfs": (["mkfs.xfs", "-q", "-f", "-K"], 320),
}
OPTIONS = {"ext4": "errors=remount-ro", "xfs": "rw"}


class Image(t.NamedTuple):
    """The content of a device. pieces: what is written to a device of zeroes, in this order: offset and data."""

    size: int
    pieces: tuple[tuple[int, bytes], ...]

    def write(self, path: Path) -> None:
        """Make a new file with this content."""
        with open(path, "xb", buffering=0) as file:
            file.truncate(self.size)
            for offset, data in self.pieces:
                os.pwrite(file.fileno(), data, offset)


def read_image(path: Path) -> Image:
    """Return the content of a file."""
    pieces: list[tuple[int, bytes]] = []
    zeroes = bytes(_CHUNK)
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        end = 0
        while end < size:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:  # only a hole up to the end
                    raise
                break
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            for offset in range(start, end, _CHUNK):
                data = os.pread(file.fileno(), min(_CHUNK, end - offset), offset)
                if data != zeroes[: len(data)]:
                    pieces.append((offset, data))
    return Image(size, tuple(pieces))


def make_filesystem(path: Path, kind: str) -> None:
    """Make a new file with an empty filesystem."""
    command, size = MAKERS[kind]
    with open(path, "xb") as file:
        file.truncate(size << 20)
    subprocess.run([*command, path], check=True, capture_output=True)


@contextlib.contextmanager
def mounted(path: Path, kind: str, where: Path) -> t.Iterator[None]:
    """Mount the filesystem in a file, which the caller deletes. Raises CalledProcessError if mount(8) fails."""
    with _loop_device(path) as node:
        command = ["mount", "-t", kind, "-o", OPTIONS[kind], str(node), str(where)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        try:
            yield
        finally:
            subprocess.run(["umount", where], check=True)


@contextlib.contextmanager
def _loop_device(path: Path) -> t.Iterator[Path]:
    number, fd = _attach(path)
    try:
        node = path.with_name(f"{path.name}.loop")
        os.mknod(node, stat.S_IFBLK | 0o600, os.makedev(_MAJOR, number))
        try:
            yield node
        finally:
            node.unlink()
            os.close(fd)
    finally:
        _control(LOOP_CTL_REMOVE, number)


def _attach(path: Path) -> tuple[int, int]:
    """Attach a file to a new loop device; return the number of the device, and its fd, which keeps it attached."""
    while True:
        number = next(_numbers)
        try:
            _control(LOOP_CTL_ADD, number)
        except FileExistsError:
            continue
        node = path.with_name(f"{path.name}.new")
        os.mknod(node, stat.S_IFBLK | 0o600, os.makedev(_MAJOR, number))
        fd = os.open(node, os.O_RDWR | os.O_CLOEXEC)
        node.unlink()
        with open(path, "r+b", buffering=0) as file:
            config = _CONFIG.pack(file.fileno(), 0, *[0] * 8, LO_FLAGS_AUTOCLEAR, b"", b"", b"", *[0] * 10)
            try:
                fcntl.ioctl(fd, LOOP_CONFIGURE, config)
            except OSError as error:
                os.close(fd)
                if error.errno != errno.EBUSY:  # another process, which looked for a free device, was faster
                    raise
            else:
                return number, fd


def _control(request: int, number: int) -> None:
    """Add or remove a loop device; wait while it is in use."""
    fd = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    deadline = time.monotonic() + _WAIT
    try:
        while True:
            try:
                fcntl.ioctl(fd, request, number)
                return
            except OSError as error:
                if error.errno != errno.EBUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
    finally:
        os.close(fd)
