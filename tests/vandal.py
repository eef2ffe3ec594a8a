# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random changes to directory trees, with the standard library alone, so that it runs on every Python."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import stat

NS = 10**9
TIME = 1_600_000_000 * NS
CAPABILITY = bytes.fromhex("0100000200200000" + "00" * 12)
NAMES = [b"a", b"b", b"c", b"a-b", b"\xff", "\u00e9".encode(), b" \n"]


class Vandal:
    """Does random things to a directory tree, few names and shallow, so that most things meet something."""

    def __init__(self, root, seed):
        self.root = os.fsencode(root)
        self.random = random.Random(seed)

    def path(self):
        return b"/".join([self.root, *self.random.choices(NAMES, k=self.random.choice([1, 1, 2, 2, 3, 4]))])

    def go(self, steps):
        for _unused in range(steps):
            act = self.random.choice(
                [
                    *[self.write, self.write, self.mkdir, self.mkdir, self.remove, self.rename, self.link],
                    *[self.symlink, self.node, self.chmod, self.chown, self.times, self.touch, self.replace],
                    *[self.capability, self.xattr],
                ]
            )
            with contextlib.suppress(OSError):  # much of it cannot be done: that is part of the game
                act(self.path())

    def write(self, path):
        # O_NONBLOCK: it may be a fifo, which nobody reads.
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK, 0o666)
        with open(fd, "wb") as file:
            file.write(b"x" * self.random.randrange(3))
        os.utime(path, ns=(TIME, TIME + self.random.choice([0, 0, 1, NS])))

    def mkdir(self, path):
        os.makedirs(path)

    def remove(self, path):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)

    def replace(self, path):
        self.remove(path)
        self.random.choice([self.write, self.mkdir, self.symlink, self.node])(path)

    def rename(self, path):
        os.rename(path, self.path())

    def link(self, path):
        os.link(path, self.path(), follow_symlinks=False)

    def symlink(self, path):
        os.symlink(self.random.choice(NAMES), path)
        os.utime(path, ns=(TIME, TIME), follow_symlinks=False)

    def node(self, path):
        kind = self.random.choice([stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
        os.mknod(path, kind | 0o600, os.makedev(1, self.random.randrange(2, 4)))
        os.utime(path, ns=(TIME, TIME))

    def chmod(self, path):
        os.chmod(path, self.random.choice([0o644, 0o600, 0o755]))

    def chown(self, path):
        os.chown(path, self.random.randrange(2), 0, follow_symlinks=False)

    def times(self, path):
        os.utime(path, ns=(TIME, TIME + self.random.choice([0, 1, NS])), follow_symlinks=False)

    def touch(self, path):
        """Copy up without a change."""
        os.chmod(path, stat.S_IMODE(os.lstat(path).st_mode))

    def capability(self, path):
        os.setxattr(path, "security.capability", CAPABILITY)

    def xattr(self, path):
        os.setxattr(path, "user.note", b"x" * self.random.randrange(3), follow_symlinks=False)
