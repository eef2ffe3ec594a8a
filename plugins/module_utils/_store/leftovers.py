# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories that killed runs left. Only reads. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .layout import STAGING
from .listing import names_in
from .lock import is_free

RETIRED = STAGING + "-"  # prefix of the hidden names in home
_CHAIN = ".chain-"  # prefix of the marks in a staging directory; no id begins so


def leftovers(parent: str) -> list[str]:
    """Return the staging directories and removed layers in *parent* that no run has locked. Raises OSError."""
    found = []
    for entry in names_in(parent):
        if entry.name == STAGING and entry.is_directory:  # a symlink may lead out of the store
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


def staging_of_chain(home: str, chains: t.Iterable[str]) -> str | None:
    """Return the staging directory in which another run makes a layer with one of these chain ids: its path in home.

    The caller holds the store's lock, so no run can begin to make one. None if there is none. Raises OSError.
    """
    marks = {mark_of(chain) for chain in chains}
    try:
        found = sorted(entry.name for entry in names_in(os.path.join(home, STAGING)) if entry.is_directory)
    except FileNotFoundError:
        return None
    for name in found:
        path = os.path.join(home, STAGING, name)
        with contextlib.suppress(FileNotFoundError):  # the other run has just ended
            if not marks.isdisjoint(entry.name for entry in names_in(path)) and not _is_left(path):
                return f"{STAGING}/{name}"
    return None


def mark_of(chain: str) -> str:
    """Return the name of the mark that a staging directory has for a layer with this chain id."""
    return _CHAIN + chain.rpartition(":")[2]


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
