# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import tarfile

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.content.actions import ApplyArchive
from ansible_collections.strata.overlay2.plugins.module_utils._driver.content.source import Source
from ansible_collections.strata.overlay2.plugins.module_utils._driver.run import Run
from ansible_collections.strata.overlay2.plugins.module_utils._driver.state import LayerState
from ansible_collections.strata.overlay2.plugins.module_utils._driver.store import Store
from ansible_collections.strata.overlay2.plugins.module_utils._linux import noatime
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import examine
from ansible_collections.strata.overlay2.plugins.module_utils._store.record import Record
from ansible_collections.strata.overlay2.plugins.module_utils._store.record_writer import record_content
from ansible_collections.strata.overlay2.plugins.module_utils._store.settings import Settings

pytestmark = pytest.mark.root

OLD = Record(diff_id="sha256:old", digest="sha256:old")
KEPT = (".strata-files", ".strata-tar.z")  # the manifest and the exact record


@pytest.fixture
def home(tmp_path):
    (tmp_path / "l").mkdir()
    (tmp_path / "app" / "diff").mkdir(parents=True)
    (tmp_path / "app" / "diff" / "old").touch()
    record_content(str(tmp_path), "app", OLD)
    for name in KEPT:
        (tmp_path / "app" / name).write_text("of the old content")
    return tmp_path


@pytest.fixture
def tar(tmp_path_factory):
    path = tmp_path_factory.mktemp("tar") / "tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("new"), io.BytesIO())
    return path


def fill(home, tar, before_commit=lambda: None):
    """Fill the layer app as a run does, but for its two syncs of the filesystem."""
    layer = LayerState("app", "A" * 26, (), diff_id=OLD.diff_id, digest=OLD.digest)
    run = Run(Store(str(home)))
    try:
        action = ApplyArchive(layer, Source(str(tar), None, None, False, None), Settings(), False)
        action.prepare(run)
        before_commit()
        action.commit(run)
    finally:
        run.close()


def told(home):
    """Return the names in the layer, and the diff id that is told of it."""
    layer, _damage = examine(str(home), "app")
    return os.listdir(home / "app" / "diff"), layer.record.diff_id


def kept(home):
    """Return which of the manifest and the exact record are there, each with whether it is of the old content."""
    paths = [home / "app" / name for name in KEPT]
    return {path.name: path.read_bytes() == b"of the old content" for path in paths if path.exists()}


@pytest.fixture
def fail(monkeypatch):
    """Give a function that lets calls of the system fail, from the *number*th of them on, or that alone."""

    def start(names, number, *, once=False):
        count = [0]

        def failing(real):
            def call(*arguments, **more):
                count[0] += 1
                if count[0] == number or (count[0] > number and not once):
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                return real(*arguments, **more)

            return call

        for name in names.split():
            monkeypatch.setattr(os, name, failing(getattr(os, name)))

    yield start


CALLS = ["fsync", "rename", "open", "write", "fsync rename open write unlink"]


@pytest.mark.parametrize("number", range(1, 12))
@pytest.mark.parametrize("calls", CALLS)
def test_a_record_is_true_whatever_fails_and_goes_on_failing(home, tar, fail, monkeypatch, calls, number):
    with contextlib.suppress(OSError):
        fill(home, tar, lambda: fail(calls, number))
    monkeypatch.undo()
    new = f"sha256:{hashlib.sha256(tar.read_bytes()).hexdigest()}"
    assert told(home) in ((["old"], OLD.diff_id), (["old"], None), (["new"], new), (["new"], None))
    assert set(kept(home).values()) <= {told(home)[0] == ["old"]}
    fill(home, tar)
    assert told(home) == (["new"], new) and kept(home) == {".strata-files": False}


@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("calls", ["fsync", "rename", "write"])
def test_what_fails_once_is_undone(home, tar, fail, monkeypatch, calls, number):
    try:
        fill(home, tar, lambda: fail(calls, number, once=True))
    except OSError:
        assert told(home) == (["old"], OLD.diff_id)
    else:
        assert told(home)[0] == ["new"]
    monkeypatch.undo()
    old = dict.fromkeys(KEPT, True)
    assert kept(home) == ({".strata-files": False} if told(home)[0] == ["new"] else old)
    assert sorted(os.listdir(home / "app")) == sorted([*kept(home), ".strata.json", "diff"])


def test_an_archive_that_cannot_be_read_is_named(home):
    with pytest.raises(OSError, match="Input/output error") as caught:
        fill(home, "/proc/self/mem")  # its first page is nobody's
    assert caught.value.filename == "/proc/self/mem"
    assert noatime.read_quietly(str(home / "app" / "diff" / "old")) == b""
