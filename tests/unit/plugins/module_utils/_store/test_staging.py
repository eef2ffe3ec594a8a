# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import re
import stat
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store import staging
from ansible_collections.strata.overlay2.plugins.module_utils._store.leftovers import leftovers
from ansible_collections.strata.overlay2.plugins.module_utils._store.lock import Deadline, locked

pytestmark = pytest.mark.root


@pytest.fixture
def home(tmp_path):
    (tmp_path / "l").mkdir()
    return tmp_path


def make(home, layer_id="app", lowers=(), **more):
    new = staging.NewLayer(layer_id, staging.new_link(), lowers, False, **more)
    room = staging.Staging(str(home))
    staging.stage_layer(room.path, new)
    staging.publish_layer(str(home), room.path, new)
    room.close()
    return new


def test_a_link_is_26_characters_of_base32():
    assert re.fullmatch("[A-Z2-7]{26}", staging.new_link())
    assert staging.new_link() != staging.new_link()


def test_a_layer_is_made_as_docker_makes_it(home):
    old = os.umask(0o077)
    try:
        new = make(home, lowers=("B" * 26, "C" * 26), uid=1000, gid=2000)
    finally:
        os.umask(old)
    found = {path.name: path.lstat() for path in (home / "app").iterdir()}
    assert {name: (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) for name, st in found.items()} == {
        "diff": (0o755, 1000, 2000),
        "link": (0o644, 0, 0),
        "lower": (0o644, 0, 0),
        "work": (0o700, 1000, 2000),
        ".strata.json": (0o600, 0, 0),
    }
    app = (home / "app").lstat()
    assert (stat.S_IMODE(app.st_mode), app.st_uid, app.st_gid) == (0o710, 0, 2000)
    assert (home / "app" / "link").read_text() == new.link
    assert (home / "app" / "lower").read_text() == f"l/{'B' * 26}:l/{'C' * 26}"
    assert os.readlink(home / "l" / new.link) == "../app/diff"
    assert sorted(os.listdir(home)) == ["app", "l"]


def test_a_taken_id_is_not_touched(home):
    (home / "app").mkdir()
    with pytest.raises(FileExistsError):
        make(home)
    assert os.listdir(home / "app") == []
    assert os.listdir(home / "l") == []


def test_a_layer_is_taken_away_with_its_link(home):
    new = make(home)
    other = make(home, "other")
    room = staging.Staging(str(home))
    staging.retire_layer(str(home), room.path, "app", new.link)
    assert os.listdir(home / "l") == [other.link]
    assert not (home / "app").exists()
    room.close()
    assert sorted(os.listdir(home)) == ["l", "other"]


def test_another_layers_link_is_never_removed(home):
    make(home)
    other = make(home, "other")
    room = staging.Staging(str(home))
    staging.retire_layer(str(home), room.path, "app", other.link)
    assert other.link in os.listdir(home / "l")
    room.close()


def test_what_killed_runs_left_is_swept_and_what_others_do_is_not(home):
    new = make(home)
    killed = staging.Staging(str(home))
    os.rename(home / "app", os.path.join(killed.path, "app"))  # killed between the rename and the unlink
    os.close(killed._fd)
    at_work = staging.Staging(str(home))

    left = leftovers(str(home))
    assert left == [killed.path]
    staging.unlink_leftovers(str(home), left)
    assert new.link not in os.listdir(home / "l")
    staging.sweep(str(home), [*left, at_work.path])
    assert os.listdir(home / ".staging") == [os.path.basename(at_work.path)]
    at_work.close()
    assert os.listdir(home) == ["l"]


def test_without_space_a_layer_is_retired_under_a_hidden_name(home):
    new = make(home)
    retired = staging.Retired(str(home), "app", new.link)
    assert os.listdir(home / "l") == [] and sorted(os.listdir(home)) == [os.path.basename(retired.path), "l"]
    assert leftovers(str(home)) == []
    staging.sweep(str(home), [retired.path])
    assert os.path.isdir(retired.path)  # it is seen to
    retired.close()
    assert os.listdir(home) == ["l"]


def test_a_killed_run_may_leave_a_retired_layer(home):
    new = make(home)
    os.rename(home / "app", home / ".staging-0123")
    (home / ".staging-0123" / "diff" / "link").write_text(make(home, "other").link)
    left = leftovers(str(home))
    assert left == [str(home / ".staging-0123")]
    staging.unlink_leftovers(str(home), left)
    assert new.link not in os.listdir(home / "l") and len(os.listdir(home / "l")) == 1
    staging.sweep(str(home), left)
    assert sorted(os.listdir(home)) == ["l", "other"]


def test_what_lies_in_layers_is_swept_too(home):
    make(home)
    (home / "app" / ".staging" / "0123" / "diff").mkdir(parents=True)
    staging.sweep_layers(str(home))
    assert not (home / "app" / ".staging").exists()


def test_a_layer_whose_link_cannot_be_removed_stays(home, run_mount):
    new = make(home)
    run_mount(home / "l", "--bind", home / "l")
    subprocess.run(["mount", "-o", "remount,bind,ro", home / "l"], check=True)
    room = staging.Staging(str(home))
    with pytest.raises(OSError):
        staging.retire_layer(str(home), room.path, "app", new.link)
    room.close()
    assert os.readlink(home / "l" / new.link) == "../app/diff" and (home / "app" / "diff").is_dir()


def test_a_staging_directory_is_locked(home):
    room = staging.Staging(str(home))
    with pytest.raises(Exception, match="another run"), locked(room.path, Deadline(0)):
        pass
    room.close()


LOCKER = """
import contextlib, fcntl
def lock():
    while True:
        with contextlib.suppress(OSError):
            fd = os.open(sys.argv[1], os.O_DIRECTORY)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                time.sleep(0.01)
            finally:
                os.close(fd)
threading.Thread(target=lock).start()
"""


def test_a_look_in_between_leaves_no_second_directory(home, run_python, monkeypatch):
    first = home / ".staging" / bytes(8).hex()  # another process locks the directory of this name as soon as it can
    run_python(
        f"def lock():{LOCKER.replace(chr(10), chr(10) + ' ')}\nthreading.Thread(target=lock).start()", str(first)
    )
    urandom, attempts, path = os.urandom, 0, str(first)
    while path == str(first) and attempts < 10_000:
        attempts += 1
        names = iter([bytes(8)])
        monkeypatch.setattr(os, "urandom", lambda size, names=names: next(names, None) or urandom(size))
        room = staging.Staging(str(home))
        path = room.path
        assert os.listdir(home / ".staging") == [os.path.basename(path)]
        room.close()
        assert not os.path.lexists(home / ".staging")
    assert path != str(first), "the other process never got the lock"


@pytest.fixture
def run_mount():
    mounted = []

    def mount(target, *what):
        subprocess.run(["mount", *what, target], check=True)
        mounted.append(target)

    yield mount
    for target in mounted:
        subprocess.run(["umount", target], check=True)
