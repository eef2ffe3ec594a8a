# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux import user_namespace


def test_a_user_namespace_is_told():
    code = (
        "from ansible_collections.strata.overlay2.plugins.module_utils._linux import user_namespace as n\n"
        "print(n.in_user_namespace())"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    run = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    if run.returncode != 0 and "unshare" in run.stderr:
        pytest.skip(f"no user namespace here: {run.stderr.strip()}")
    assert run.stdout == "True\n"


def test_proc_agrees_on_our_own_namespace():
    with open("/proc/self/uid_map", encoding="ascii") as file:
        whole = file.read().split() == ["0", "0", "4294967295"]
    assert user_namespace.in_user_namespace() is not whole
