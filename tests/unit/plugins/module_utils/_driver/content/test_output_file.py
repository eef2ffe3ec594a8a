# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose the file is that a tar is written to, and who may read it: what is asked for, planned and done."""

from __future__ import annotations

import os
import resource
import signal
import stat

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.content import output_file
from ansible_collections.strata.overlay2.plugins.module_utils._driver.content.output_actions import GiveAccess
from ansible_collections.strata.overlay2.plugins.module_utils._driver.content.place import Place
from ansible_collections.strata.overlay2.plugins.module_utils._driver.run import Run
from ansible_collections.strata.overlay2.plugins.module_utils._driver.store import Store
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput
from ansible_collections.strata.overlay2.plugins.module_utils._linux import child

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files to others"),
]

OLD = output_file.FileAccess(5, 6, 0o644)


def access_of(path, follow=False):
    st = os.stat(path, follow_symlinks=follow)
    return (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_text("content")
    os.chown(path, 5, 6)
    os.chmod(path, 0o644)
    return path


@pytest.mark.parametrize(
    ("wanted", "have", "planned"),
    [
        pytest.param(output_file.WantedAccess(), OLD, OLD, id="nothing asked: as it is"),
        pytest.param(output_file.WantedAccess(), output_file.NEW, output_file.NEW, id="nothing asked of a new file"),
        pytest.param(output_file.WantedAccess(uid=0), OLD, output_file.FileAccess(0, 6, 0o644), id="only the owner"),
        pytest.param(
            output_file.WantedAccess(gid=0),
            output_file.NEW,
            output_file.FileAccess(None, 0, 0o600),
            id="only the group",
        ),
        pytest.param(
            output_file.WantedAccess(mode=lambda have: have & ~0o044),
            OLD,
            output_file.FileAccess(5, 6, 0o600),
            id="less mode",
        ),
        pytest.param(
            output_file.WantedAccess(mode=lambda have: 0), OLD, output_file.FileAccess(5, 6, 0), id="no mode at all"
        ),
    ],
)
def test_what_is_asked_for_over_what_there_is(wanted, have, planned):
    assert wanted.of(have) == planned
    assert wanted.of(planned) == planned


@pytest.mark.parametrize(
    ("have", "planned", "before", "after"),
    [
        pytest.param(OLD, OLD, {}, {}, id="nothing"),
        pytest.param(OLD, OLD._replace(mode=0o4640), {"mode": "0644"}, {"mode": "4640"}, id="the mode"),
        pytest.param(
            OLD, output_file.FileAccess(0, 0, 0o644), {"owner": 5, "group": 6}, {"owner": 0, "group": 0}, id="both ids"
        ),
        pytest.param(
            None, output_file.NEW, {"mode": None}, {"mode": "0600"}, id="a new file: not what the kernel chooses"
        ),
        pytest.param(None, OLD, {"owner": None, "group": None, "mode": None}, OLD.shown(), id="a new file's all"),
    ],
)
def test_a_difference_has_what_changes(have, planned, before, after):
    assert output_file.difference(have, planned) == (before, after)


class TestIds:
    def test_names_and_numbers(self):
        assert (output_file.user_id("root"), output_file.group_id("root")) == (0, 0)
        assert (output_file.user_id("1234"), output_file.group_id("4294967294")) == (1234, 4294967294)
        assert (output_file.user_id(None), output_file.group_id(None)) == (None, None)

    @pytest.mark.parametrize("name", ["-1", "4294967295", "", "no such one", "a\0b", "\udcff"])
    def test_bad_ones(self, name):
        for option, look_up in (("owner", output_file.user_id), ("group", output_file.group_id)):
            with pytest.raises(InvalidInput, match=option) as caught:
                look_up(name)
            assert caught.value.hint


@pytest.mark.parametrize(
    ("uid", "mode", "owner", "asked", "stays"),
    [
        pytest.param(0, 0o755, 5, None, True, id="root put it there"),
        pytest.param(0, 0o1777, 5, None, False, id="anybody may have put it there"),
        pytest.param(0, 0o775, 5, None, False, id="the group may have"),
        pytest.param(5, 0o700, 5, None, False, id="it is his own directory"),
        pytest.param(0, 0o1777, 0, None, True, id="it is root's"),
        pytest.param(0, 0o1777, 5, 5, True, id="it is to be his"),
        pytest.param(0, 0o1777, 5, 7, False, id="it is to be another's"),
    ],
)
def test_whose_file_stays(tmp_path, uid, mode, owner, asked, stays):
    (tmp_path / "d").mkdir()
    os.chown(tmp_path / "d", uid, 0)
    os.chmod(tmp_path / "d", mode)
    place = Place(str(tmp_path / "d" / "file"))
    assert output_file.WantedAccess(uid=asked).allows(output_file.FileAccess(owner, 0, 0o644), place) == stays


class TestGiving:
    @pytest.fixture(autouse=True, params=[True, False], ids=["nameless", "named"])
    def nameless(self, request, monkeypatch):
        if not request.param:
            monkeypatch.setattr(output_file, "_NAMELESS", 0)  # EISDIR, as from a kernel without
        return request.param

    @pytest.mark.parametrize("mode", [0, 0o400, 0o640, 0o777, 0o4755, 0o2640], ids=oct)
    @pytest.mark.parametrize("umask", [0, 0o777], ids=oct)
    def test_a_new_file_has_less_until_it_is_given_all(self, tmp_path, mode, umask, nameless):
        wanted = output_file.FileAccess(5, 6, mode)
        before = os.umask(umask)
        try:
            new = output_file.NewFile(Place(str(tmp_path / "new")), wanted)
        finally:
            os.umask(before)
        uid, gid, made = access_of(f"/proc/self/fd/{new.fd}", follow=True)
        assert (uid, gid, made & ~(mode & 0o600)) == (0, 0, 0)
        assert len(list(tmp_path.iterdir())) == (0 if nameless else 1)
        new.write(b"content")
        new.finish()
        assert not (tmp_path / "new").exists()
        new.publish()
        assert access_of(tmp_path / "new") == wanted
        assert [path.name for path in tmp_path.iterdir()] == ["new"]
        assert (tmp_path / "new").read_bytes() == b"content"

    def test_what_the_kernel_chooses_stays(self, tmp_path):
        os.chown(tmp_path, 0, 77)
        os.chmod(tmp_path, 0o2755)
        new = output_file.NewFile(Place(str(tmp_path / "new")), output_file.NEW)
        new.finish()
        new.publish()
        assert access_of(tmp_path / "new") == (0, 77, 0o600)

    @pytest.mark.parametrize("kind", ["file", "link"])
    def test_what_is_there_gives_way_at_the_end(self, file, tmp_path, kind):
        os.symlink(file, tmp_path / "link")
        new = output_file.NewFile(Place(str(tmp_path / kind)), output_file.NEW)
        new.write(b"new")
        new.finish()
        assert (tmp_path / kind).read_text() == "content"
        new.publish()
        assert (tmp_path / kind).read_text() == "new" and not (tmp_path / kind).is_symlink()
        assert kind == "file" or file.read_text() == "content"

    def test_discarded_nothing_is_left(self, tmp_path):
        new = output_file.NewFile(Place(str(tmp_path / "new")), output_file.NEW)
        new.write(b"new")
        new.discard()
        assert list(tmp_path.iterdir()) == []

    def test_discarded_nothing_is_left_of_what_cannot_be_written(self, tmp_path):
        def refused() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
            new = output_file.NewFile(Place(str(tmp_path / "new")), output_file.NEW)
            try:
                new.write(b"new")
            finally:
                new.discard()

        with pytest.raises(OSError, match="File too large") as caught:
            child.in_child(refused)
        assert caught.value.filename == str(tmp_path / "new")
        assert list(tmp_path.iterdir()) == []

    def test_a_full_filesystem_is_named(self, tmp_path):
        def refused() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
            try:
                output_file.NewFile(Place(str(tmp_path / "new")), output_file.NEW).write(b"new")
            except OSError as error:
                assert error.filename == str(tmp_path / "new")
                raise

        with pytest.raises(OSError, match="File too large"):
            child.in_child(refused)

    def test_what_cannot_be_published_is_discarded(self, tmp_path):
        new = output_file.NewFile(Place(str(tmp_path / "new")), output_file.NEW)
        (tmp_path / "new").mkdir()
        new.finish()
        with pytest.raises(IsADirectoryError):
            new.publish()
        assert [path.name for path in tmp_path.iterdir()] == ["new"]

    def test_killed_while_it_is_written_only_a_named_one_is_left(self, tmp_path, nameless):
        def killed() -> None:
            output_file.NewFile(Place(str(tmp_path / "new")), output_file.NEW).write(b"new")
            os.kill(os.getpid(), signal.SIGKILL)

        with pytest.raises(ChildProcessError):
            child.in_child(killed)
        assert len(list(tmp_path.iterdir())) == (0 if nameless else 1)

    @pytest.mark.parametrize(
        "wanted",
        [
            output_file.FileAccess(0, 7, 0o4711),
            output_file.FileAccess(5, 6, 0o600),
            output_file.FileAccess(9, 6, 0o644),
        ],
    )
    def test_the_action_does_what_it_says(self, file, tmp_path, wanted):
        with Place(str(file)).opened() as opened:
            there = output_file.stat_file(opened)
        action = GiveAccess(Place(str(file)), there, wanted)
        assert action.describe().startswith("set ") and str(file) in action.describe()
        assert file.stat().st_uid == 5
        action.commit(Run(Store(str(tmp_path))))
        assert access_of(file) == wanted
        assert file.read_text() == "content"

    def test_neither_the_old_nor_the_new_owner_may_do_more_for_a_moment(self, file, monkeypatch):
        chown, seen = os.fchown, []

        def watched(fd, *ids):
            seen.append(access_of(file))
            chown(fd, *ids)
            seen.append(access_of(file))

        os.chmod(file, 0o660)
        monkeypatch.setattr(os, "fchown", watched)
        with open(file, "rb") as opened:
            output_file.set_access(opened.fileno(), output_file.FileAccess(7, 8, 0o604))
        assert seen == [(5, 6, 0o600), (7, 8, 0o600)]
        assert access_of(file) == (7, 8, 0o604)

    def test_what_was_put_in_its_place_is_left_alone(self, file, tmp_path):
        with Place(str(file)).opened() as opened:
            there = output_file.stat_file(opened)
        action = GiveAccess(Place(str(file)), there, output_file.FileAccess(1000, 1000, 0o666))
        other = tmp_path / "other"
        other.write_text("secret")
        os.replace(other, file)
        before = access_of(file)
        with pytest.raises(OSError, match="Stale"):
            action.commit(Run(Store(str(tmp_path))))
        os.unlink(file)
        os.symlink(tmp_path / "victim", file)
        (tmp_path / "victim").write_text("secret")
        with pytest.raises(OSError, match="Stale"):
            action.commit(Run(Store(str(tmp_path))))
        assert access_of(tmp_path / "victim") == before
