# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delete a directory of a layer. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from .._linux.unlink import try_unlink
from .walk import Trail, below


def remove_tree(fd: int, name: bytes, path: bytes) -> t.Iterator[bytes]:
    """Delete the directory *name* in *fd* and yield the path of each deleted directory. path: the path of *name*."""
    with Trail(below(fd, b".")) as trail:
        trail.down(name)
        levels = [(name, path, os.listdir(trail.fd))]
        while levels:
            name, path, rest = levels[-1]
            while rest:
                child = os.fsencode(rest.pop())
                if not try_unlink(child, trail.fd):
                    trail.down(child)
                    levels.append((child, path + b"/" + child, os.listdir(trail.fd)))
                    break
            else:
                levels.pop()
                trail.up()
                os.rmdir(name, dir_fd=trail.fd)
                yield path
