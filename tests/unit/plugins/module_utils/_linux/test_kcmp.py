# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

from ansible_collections.strata.overlay2.plugins.module_utils._linux import kcmp


def test_a_process_shares_all_with_itself():
    for kind in (kcmp.KCMP_FILES, kcmp.KCMP_FS):
        assert kcmp.shares(kind, os.getpid(), os.getpid())


def test_processes_share_neither_and_the_dead_nothing():
    pid = os.fork()
    if pid == 0:
        os.pause() if hasattr(os, "pause") else os.read(os.pipe()[0], 1)
        os._exit(0)
    try:
        assert not kcmp.shares(kcmp.KCMP_FILES, os.getpid(), pid)
        assert not kcmp.shares(kcmp.KCMP_FS, os.getpid(), pid)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert not kcmp.shares(kcmp.KCMP_FS, os.getpid(), pid)
