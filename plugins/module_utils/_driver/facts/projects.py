# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds layers whose project ids let a limit count the wrong files. Only reads. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._store.layout import DIFF, WORK
from ..quota.project_id import project_of
from ..quota.projects import free_id
from .finding import Finding

_PARTS = (DIFF, WORK)


def find_projects(home: str, layers: t.Iterable[str], home_project: int) -> t.Iterator[Finding]:
    """Yield the layers that share a project, and the directories that lost the project of their layer. Raises OSError.

    Call it for a store on a filesystem with project quota. home_project: the project id of home, which belongs to no
    layer. Of the layers that share a project, the oldest keeps it.
    """
    by_project: dict[int, list[str]] = {}
    for id in layers:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # another run has just removed the layer
            project_id = project_of(f"{home}/{id}")
            if project_id in (0, home_project):
                continue
            by_project.setdefault(project_id, []).append(id)
            yield from _lost(home, id, project_id)
    free = 0
    for project_id, ids in sorted(by_project.items()):
        oldest, *younger = sorted(ids, key=lambda id: (_age(f"{home}/{id}"), id)) if ids[1:] else ids
        for id in younger:
            free = free_id(home, free + 1)
            yield Finding("project_doubled", id, f"{home}/{id}", "", str(project_id), str(free), detail=oldest)


def _lost(home: str, id: str, project_id: int) -> t.Iterator[Finding]:
    for name in _PARTS:
        path = f"{home}/{id}/{name}"
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # damage of its own
            found = project_of(path)
            if found != project_id:
                yield Finding("project_lost", id, path, "", str(found), str(project_id))


def _age(directory: str) -> int:
    """Return when a layer was made, in nanoseconds: its link file does not change. 0 if that cannot be known."""
    with contextlib.suppress(FileNotFoundError):
        return os.lstat(f"{directory}/link").st_mtime_ns
    return 0
