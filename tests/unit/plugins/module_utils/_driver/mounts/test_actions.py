# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import json
import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.mounts.actions import ForgetContent, MountLayer
from ansible_collections.strata.overlay2.plugins.module_utils._driver.run import Run
from ansible_collections.strata.overlay2.plugins.module_utils._driver.store import Store
from ansible_collections.strata.overlay2.plugins.module_utils._linux import mount
from ansible_collections.strata.overlay2.plugins.module_utils._linux.overlay_mount import Overlay
from ansible_collections.strata.overlay2.plugins.module_utils._store.record import Record
from ansible_collections.strata.overlay2.plugins.module_utils._store.record_writer import record_content

pytestmark = pytest.mark.root

KEPT = (".strata-files", ".strata-tar.z")  # the manifest and the exact record


@pytest.fixture
def home(tmp_path, make_chain):
    """A store with the chain base <- top; the content of top is known."""
    (tmp_path / "l").mkdir()
    make_chain(tmp_path, "base", "top")
    record_content(str(tmp_path), "top", Record(None, "sha256:1", "sha256:2"))
    for name in KEPT:
        (tmp_path / "top" / name).touch()
    yield tmp_path
    if os.path.ismount(tmp_path / "top/merged"):
        mount.umount(str(tmp_path / "top/merged"), 0)


def act(home, action):
    run = Run(Store(str(home)))
    try:
        action.commit(run)
    finally:
        run.close()


def overlay(home, lower="base/diff"):
    return Overlay((f"{home}/{lower}",), f"{home}/top/diff", f"{home}/top/work", options=("index=off",))


def told(home):
    """Return the diff id of top, and which of the manifest and the exact record are there."""
    record = json.loads((home / "top/.strata.json").read_text())
    return record["diff_id"], [name for name in KEPT if (home / "top" / name).exists()]


def test_a_mount_that_the_kernel_refuses_leaves_all_that_is_known_of_the_content(home):
    with pytest.raises(OSError, match="No such file") as caught:
        act(home, MountLayer("top", (), overlay(home, "nowhere"), forgets=True))
    assert caught.value.errno == errno.ENOENT
    assert told(home) == ("sha256:1", [*KEPT])
    assert not (home / "top/.staging").exists() and not (home / "top/merged").exists()


def test_a_mount_that_can_be_written_to_forgets_the_content(home):
    act(home, MountLayer("top", (), overlay(home), forgets=True))
    assert os.path.ismount(home / "top/merged")
    assert told(home) == (None, [])
    assert not (home / "top/.staging").exists()


def test_nothing_is_mounted_while_the_record_cannot_be_erased(home, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", full)
    for action in (MountLayer("top", (), overlay(home), forgets=True), ForgetContent("top")):
        with pytest.raises(OSError, match="No space"):
            act(home, action)
        assert told(home) == ("sha256:1", [*KEPT])
        assert not os.path.ismount(home / "top/merged")


def test_a_mount_that_somebody_may_have_entered_forgets_the_content_although_it_ends(home, monkeypatch):
    refused = str(home / "top/work/work")
    chown = os.chown

    def chown_all_but_one(path, uid, gid):
        if path == refused:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        chown(path, uid, gid)

    monkeypatch.setattr(Run, "root", (1000, 1000))
    monkeypatch.setattr(os, "chown", chown_all_but_one)
    with pytest.raises(OSError, match="Input/output"):
        act(home, MountLayer("top", (), overlay(home), forgets=True))
    assert not os.path.ismount(home / "top/merged")
    assert told(home) == (None, [])
