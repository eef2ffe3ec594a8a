# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Undoes the steps of an action that failed. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import typing as t

from .._errors import Overlay2Error

Steps = list[t.Callable[[], object]]  # each undoes one thing that was done, in the order in which things were done


@contextlib.contextmanager
def undone_if_it_fails() -> t.Iterator[Steps]:
    """Yield a list for the steps that undo what the block does; if the block raises, undo it, the last step first.

    The first step that fails ends the undo, and its error is hidden: the caller raises the error of the block. So the
    order of the steps must make each state on the way true.
    """
    steps: Steps = []
    try:
        yield steps
    except BaseException:
        with contextlib.suppress(OSError, Overlay2Error):
            for step in reversed(steps):
                step()
        raise
