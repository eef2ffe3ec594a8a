# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module that only reads, and reports the failure of any module. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import gc
import typing as t

from .._errors import Overlay2Error
from .ansible_module import HarmlessModule


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
    except (Overlay2Error, OSError) as error:
        from .failure import fail  # a run that succeeds does not need it, and each import is compiled on every host

        fail(module, error, [])
    else:
        for warning in result.pop("warnings", ()):  # exit_json() takes no warnings from ansible-core 2.23 on
            module.warn(warning)
        module.exit_json(changed=False, **result)
