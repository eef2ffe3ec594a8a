# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports the failure of a module. PRIVATE to the collection."""

from __future__ import annotations

import os

from ansible.module_utils.basic import AnsibleModule

from .._errors import LayerNotFound, NoSpace, Overlay2Error, StoreNotFound, printable
from .os_cures import cure_of

_MISSING = (StoreNotFound.code, LayerNotFound.code)


def fail(module: AnsibleModule, error: Overlay2Error | OSError, done: list[str]) -> None:
    """End the module with an error. done: what the run did before, in words."""
    if isinstance(error, OSError):
        _fail_os(module, error, done)
    else:
        _fail(module, error, done)


def _fail(module: AnsibleModule, error: Overlay2Error, done: list[str]) -> None:
    hint = error.hint
    if module.check_mode and error.code in _MISSING:
        hint += "; in check mode, what an earlier task would make is not there"
    module.fail_json(msg=str(error), error=error.code, hint=hint, changed=bool(done), actions=done, **error.details)


def _fail_os(module: AnsibleModule, error: OSError, done: list[str]) -> None:
    from .._driver.quota import projects  # a run that succeeds does not need quotas

    home = str(module.params["home"])
    path = printable(error.filename if isinstance(error.filename, (str, bytes)) else home)
    why = printable(error.strerror or str(error))
    if error.errno in projects.FULL:
        limited = projects.limit_reached_error(home, error.filename)
        if limited:
            return _fail(module, limited, done)
        hint = "free some space, or make the filesystem larger, and run the task again"
        space = _space_of(_full_directory(home, error.filename))
        return _fail(module, NoSpace(f"no space left at {path}: {why}{space}", hint=hint, path=path), done)
    module.fail_json(
        msg=f"{why}: {path}",
        error="os_error",
        errno=error.errno,
        path=path,
        hint=cure_of(error.errno),
        changed=bool(done),
        actions=done,
    )


def _full_directory(home: str, filename: object) -> str:
    """Return a directory of the filesystem that is full: home, unless *filename* is a path outside of it."""
    path = os.fsdecode(filename) if isinstance(filename, (str, bytes)) else ""
    outside = os.path.isabs(path) and not path.startswith(f"{home.rstrip('/')}/")
    return os.path.dirname(path) if outside else home


def _space_of(directory: str) -> str:
    """Return what the filesystem of a directory has left, to follow a message; "" if nobody can tell."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return ""
    free, size = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    return f"; the filesystem of {printable(directory)} has {free} of {size} bytes and {found.f_favail} inodes free"
