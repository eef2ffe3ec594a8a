# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: a suite's kernel and root filesystem, and the memory of a booted machine. Made once per host.

<cache>/<suite>.lock          held while an image of the suite is built or a machine is started
<cache>/<key>/                complete or missing; every QEMU that uses it holds a shared lock
    vmlinuz initrd root.ext4
    id known_hosts            the key to log in with, and the machine's host key
    accelerator-<boot id>     see accelerator.py
    memory-<accelerator>/     root.qcow2 data.qcow2 state: a machine that has booted
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import time
import typing as t
from pathlib import Path

import build
import suites

UNUSED = 7 * 86400  # seconds after which an unused image of an old recipe is removed


def cache() -> Path:
    """Return the directory of images, outside the checkout, for all checkouts."""
    home = os.environ.get("STRATA_USER_HOME") or os.path.expanduser("~")
    return Path(os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache", "strata-overlay2/machines")


@contextlib.contextmanager
def locked(suite: str) -> t.Iterator[None]:
    """Hold the suite's lock, so that no other process makes images of the suite."""
    cache().mkdir(parents=True, exist_ok=True)
    with open(cache() / f"{suite}.lock", "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def use(image: Path) -> int:
    """Return a file descriptor that protects the image from removal, as long as a process has it open."""
    fd = os.open(image, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    os.utime(fd)
    return fd


def image(suite: str) -> Path:
    """Return the suite's image; build a missing image. The caller holds the suite's lock."""
    path = cache() / suites.key(suite)
    if not path.exists():
        remove_unused(suite)
        new = cache() / f"{suite}.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        say(f"building a machine of Debian {suite}")
        build.build(suite, new)
        new.rename(path)
    return path


def remove_unused(suite: str) -> None:
    """Remove images of the suite that no process uses, and that were not used for UNUSED seconds."""
    for old in cache().glob(f"{suite}-*"):
        fd = os.open(old, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            if time.time() - os.fstat(fd).st_mtime > UNUSED:
                shutil.rmtree(old)
        finally:
            os.close(fd)


def say(text: str) -> None:
    print(f"dev: {text}", file=sys.stderr, flush=True)
