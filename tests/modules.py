# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a module in a forked child: for tests that need many runs, and no Ansible around them."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import traceback
import typing as t

from ansible.module_utils.testing import patch_module_args


def run_module(
    main: t.Callable[[], None],
    params: dict[str, t.Any],
    prepare: t.Callable[[], object] = lambda: None,
    watch: t.Callable[[int], object] = lambda pid: None,
) -> dict[str, t.Any] | None:
    """Call a module's *main* with *params* in a child, after *prepare*; return its result, None if it was killed.

    watch: called here with the child's pid, which may be what *prepare* waits for.
    """
    ours, its = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        sys.stdout = io.TextIOWrapper(os.fdopen(its, "wb"), write_through=True)
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
    os.close(its)
    watch(pid)
    with open(ours, "rb") as pipe:
        output = pipe.read()
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return None
    return t.cast("dict[str, t.Any]", json.loads(output))
