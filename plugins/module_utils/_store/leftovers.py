# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories that killed runs left. Only reads. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .layout import STAGING
from .lock import is_free
from .recognition import names_in

RETIRED = STAGING + "-"  # prefix of the hidden names in home


def leftovers(parent: str) -> list[str]:
    """Return the staging directories and removed layers in *parent* that no run has locked. Raises OSError."""
    found = []
    for entry in names_in(parent):
        if entry.name == STAGING:
            with contextlib.suppress(FileNotFoundError):  # another run has just removed it
                found += [
                    os.path.join(parent, STAGING, staged.name) for staged in names_in(os.path.join(parent, STAGING))
                ]
        elif entry.name.startswith(RETIRED):
            found.append(os.path.join(parent, entry.name))
    return sorted(path for path in found if _is_left(path))


def _is_left(path: str) -> bool:
    """Tell whether no run has locked a directory. No run can lock a directory that cannot be opened."""
    try:
        return is_free(path)
    except OSError:
        return True


def layers_in(paths: t.Iterable[str]) -> t.Iterator[str]:
    """Yield the layer directories among and in the leftovers *paths* of a home.

    Leave out leftovers that another run has just swept, or that cannot be read.
    """
    for path in paths:
        if os.path.basename(path).startswith(RETIRED):
            yield path
            continue
        with contextlib.suppress(OSError):
            yield from [os.path.join(path, entry.name) for entry in names_in(path) if entry.is_directory]
