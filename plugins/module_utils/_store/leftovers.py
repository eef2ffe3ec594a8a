# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding what killed runs left. Only reads. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .layout import STAGING
from .lock import is_free
from .recognition import names_in

RETIRED = STAGING + "-"  # what hidden names in home begin with


def leftovers(parent: str) -> list[str]:
    """Return the staging directories, and removed layers, in *parent* that no run sees to any more. Raises OSError."""
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
    """Tell whether no run sees to a staging directory any more; of one that cannot be read nobody can."""
    try:
        return is_free(path)
    except OSError:
        return True


def layers_in(paths: t.Iterable[str]) -> t.Iterator[str]:
    """Yield the directories of the layers in the leftovers *paths* of a home, or that these are.

    Those that another run has just swept, or that cannot be read, are left out.
    """
    for path in paths:
        if os.path.basename(path).startswith(RETIRED):
            yield path
            continue
        with contextlib.suppress(OSError):
            yield from [os.path.join(path, entry.name) for entry in names_in(path) if entry.is_directory]
