# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module in a forked child, for tests that need many runs without Ansible."""

from __future__ import annotations

import functools
import importlib
import io
import json
import os
import select
import signal
import socket
import sys
import traceback
import typing as t
from pathlib import Path

from ansible.module_utils.testing import patch_module_args

_COLLECTION = Path(__file__).resolve().parents[1]


@functools.cache
def _import_all() -> None:
    """Import all code that modules import late: otherwise each child compiles it again."""
    for path in sorted((_COLLECTION / "plugins" / "module_utils").rglob("*.py")):
        name = ".".join(path.relative_to(_COLLECTION).with_suffix("").parts).removesuffix(".__init__")
        importlib.import_module(f"ansible_collections.strata.overlay2.{name}")


class Started:
    """A module's *main* with *params* in a child, which calls *prepare* first."""

    def __init__(
        self, main: t.Callable[[], None], params: dict[str, t.Any], prepare: t.Callable[[], object] = lambda: None
    ) -> None:
        _import_all()
        self._answer, its = socket.socketpair()  # not a pipe: the answer comes even where every write(2) fails
        self.pid = os.fork()
        if self.pid:
            its.close()
            return
        self._answer.close()
        sys.stdout = io.TextIOWrapper(its.makefile("wb"), write_through=True)
        try:
            prepare()
            with patch_module_args(params):
                main()
        except SystemExit:
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)

    def result(self, kill_after: float | None = None) -> dict[str, t.Any] | None:
        """Return the module's result, None if it was killed; kill_after: seconds until it is, if it has no answer."""
        with self._answer, self._answer.makefile("rb") as answer:
            if kill_after is not None and not select.select([self._answer], [], [], kill_after)[0]:
                os.kill(self.pid, signal.SIGKILL)
            output = answer.read()
        status = os.waitpid(self.pid, 0)[1]
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return None
        return t.cast("dict[str, t.Any]", json.loads(output))


def run_module(
    main: t.Callable[[], None],
    params: dict[str, t.Any],
    prepare: t.Callable[[], object] = lambda: None,
    watch: t.Callable[[int], object] = lambda pid: None,
    *,
    kill_after: float | None = None,
) -> dict[str, t.Any] | None:
    """Call a module's *main* with *params* in a child, after *prepare*; return its result as Started.result does.

    watch: called here with the child's pid, which may be what *prepare* waits for.
    """
    started = Started(main, params, prepare)
    watch(started.pid)
    return started.result(kill_after)


def run_together(*calls: tuple[t.Callable[[], None], dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Call modules' mains, each with its params, all at once; return their results in the same order."""
    waiting, gate = os.pipe()

    def wait() -> None:
        os.close(gate)
        os.read(waiting, 1)  # until the last of those who could write is gone

    started = [Started(main, params, wait) for main, params in calls]
    os.close(waiting)
    os.close(gate)
    results = [each.result() for each in started]
    return [result for result in results if result is not None]
