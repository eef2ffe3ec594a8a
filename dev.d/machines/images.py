# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: a suite's kernel and root filesystem, and a machine's memory once it has booted. Made once for this host.

<cache>/<suite>.lock          held while something of the suite is made or a machine is started
<cache>/<key>/                complete, or not there; locked, shared, by every QEMU that uses it
    vmlinuz initrd root.ext4
    id known_hosts            the key that opens it, and how it is known itself
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

UNUSED = 7 * 86400  # seconds after which an image that nobody uses and no recipe makes any more is removed


def cache() -> Path:
    """Return where images lie: outside the checkout, for all checkouts."""
    home = os.environ.get("STRATA_USER_HOME") or os.path.expanduser("~")
    return Path(os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache", "strata-overlay2/machines")


@contextlib.contextmanager
def locked(suite: str) -> t.Iterator[None]:
    """Be the only one that makes images of the suite."""
    cache().mkdir(parents=True, exist_ok=True)
    with open(cache() / f"{suite}.lock", "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def use(image: Path) -> int:
    """Return a file descriptor that keeps the image from being removed, as long as any process has it."""
    fd = os.open(image, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    os.utime(fd)
    return fd


def image(suite: str) -> Path:
    """Return the suite's image; build it if it is not there. Call it with the suite's lock."""
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
    """Remove images of the suite that no process uses, and that nobody has used for long."""
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
