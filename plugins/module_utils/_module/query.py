# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module that only reads, and reports the failure of any module. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import gc
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._errors import LayerNotFound, NoSpace, Overlay2Error, StoreNotFound, printable
from .ansible_module import HarmlessModule
from .os_cures import cure_of

MISSING = (StoreNotFound.code, LayerNotFound.code)


@contextlib.contextmanager
def without_collector() -> t.Iterator[None]:
    """Switch the garbage collector off while a module runs.

    Most processes end after one module, so the few objects in reference circles need no collection. Mitogen's process
    goes on, so the collector is switched on again.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@without_collector()
def run_query(query: t.Callable[[dict[str, t.Any]], dict[str, t.Any]], **arguments: t.Any) -> None:
    """Run a module that only reads. query: returns the result for the parameters."""
    module = HarmlessModule(supports_check_mode=True, **arguments)
    try:
        result = query(module.params)
    except Overlay2Error as error:
        fail(module, error, [])
    except OSError as error:
        fail_os(module, error, [])
    else:
        module.exit_json(changed=False, **result)


def fail(module: AnsibleModule, error: Overlay2Error, done: list[str]) -> None:
    hint = error.hint
    if module.check_mode and error.code in MISSING:
        hint += "; in check mode, what an earlier task would make is not there"
    module.fail_json(msg=str(error), error=error.code, hint=hint, changed=bool(done), actions=done, **error.details)


def fail_os(module: AnsibleModule, error: OSError, done: list[str]) -> None:
    from .._driver.quota import projects  # a run that succeeds does not need quotas

    home = str(module.params["home"])
    path = printable(error.filename if isinstance(error.filename, (str, bytes)) else home)
    why = printable(error.strerror or str(error))
    if error.errno in projects.FULL:
        limited = projects.limit_reached_error(home, error.filename)
        if limited:
            return fail(module, limited, done)
        hint = "free some space, or make the filesystem larger, and run the task again"
        space = _space_of(_full_directory(home, error.filename))
        return fail(module, NoSpace(f"no space left at {path}: {why}{space}", hint=hint, path=path), done)
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
