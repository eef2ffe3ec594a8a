# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tries overlays in a new store. PRIVATE to the collection."""

from __future__ import annotations

import os

from ..._linux import namespace
from ..._linux.subject import about
from ..._linux.user_namespace import in_user_namespace
from ..probe.cache import TrialResults
from ..probe.trial_mounts import not_tried, try_overlays


def trial_on(directory: str) -> TrialResults:
    """Return what overlays can do whose lowers and upper are on the filesystem of *directory*.

    directory: the caller sweeps it: a killed run leaves a directory there, without mounts.
    raises:    OSError, but not PermissionError: if the trial is not permitted, the results are None.
    """
    from ..._store.delete import delete_tree

    in_userns = in_user_namespace()
    path = os.path.join(directory, "trial-" + os.urandom(8).hex())

    def in_private() -> TrialResults:
        os.chdir(path)
        return try_overlays(in_userns, lambda options: None)

    os.mkdir(path, 0o700)
    try:
        with about(path):
            return namespace.in_private_mounts(in_private)
    except PermissionError as error:
        return not_tried(error, in_userns, path)
    finally:
        delete_tree(path)
