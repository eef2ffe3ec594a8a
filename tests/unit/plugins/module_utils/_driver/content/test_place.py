# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A place in a directory that others may write to: where it leads, what is opened there."""

from __future__ import annotations

import os
import re
import signal
import stat

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.content import output_file
from ansible_collections.strata.overlay2.plugins.module_utils._driver.content.place import Place
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives directories to others"),
]


@pytest.fixture
def room(tmp_path):
    """A directory of root's, with one of somebody else's in it."""
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 5, 5)
    (tmp_path / "roots").mkdir()
    return tmp_path


class TestTheWay:
    def test_a_directory_that_is_there(self, room):
        place = Place(str(room / "roots" / "file"))
        assert (place.name, place.private) == ("file", True)
        assert os.path.samestat(os.fstat(place.fd), os.stat(room / "roots"))
        assert not Place(str(room / "theirs" / "file")).private
        assert Place("/file").private

    @pytest.mark.parametrize("path", ["none/file", "file/file", "roots", "link"])
    def test_one_that_is_none(self, room, path):
        (room / "file").touch()
        (room / "link").symlink_to("roots")
        with pytest.raises(InvalidInput, match=r"is a directory|does not exist") as caught:
            Place(str(room / path))
        assert caught.value.hint

    @pytest.mark.parametrize("target", ["roots", "./roots/../roots/", "{}/roots", "second"])
    def test_roots_own_symlinks_are_followed(self, room, target):
        (room / "link").symlink_to(target.format(room))
        (room / "second").symlink_to("roots")
        place = Place(str(room / "link" / "f"))
        assert os.path.samestat(os.fstat(place.fd), os.stat(room / "roots"))

    def test_a_symlink_that_others_may_replace_is_not(self, room):
        (room / "theirs" / "link").symlink_to(room / "roots")
        (room / "to").symlink_to("theirs/link")
        for way in ("theirs/link", "to"):
            with pytest.raises(InvalidInput, match="leads through the symlink link, which others") as caught:
                Place(str(room / way / "f"))
            assert caught.value.hint

    def test_symlinks_in_a_circle(self, room):
        (room / "a").symlink_to("b")
        (room / "b").symlink_to("a")
        with pytest.raises(OSError, match="symbolic links") as caught:
            Place(str(room / "a" / "f"))
        assert caught.value.filename == str(room / "a" / "f")

    def test_it_stays_the_same_whatever_becomes_of_the_path(self, room):
        place = Place(str(room / "theirs" / "f"))
        os.rename(room / "theirs", room / "away")
        (room / "theirs").symlink_to("roots")
        new = output_file.NewFile(place, output_file.NEW)
        new.write(b"tar")
        new.finish()
        new.publish()
        assert (room / "away" / "f").read_bytes() == b"tar"
        assert list((room / "roots").iterdir()) == []

    def test_while_somebody_swaps_a_directory_for_a_symlink(self, room):
        theirs = room / "theirs"
        (theirs / "d").mkdir()
        (theirs / "link").symlink_to(room / "roots")
        pid = os.fork()
        if not pid:
            os.chdir(theirs)
            while True:
                for one, other in (("d", "d2"), ("link", "d"), ("d", "link"), ("d2", "d")):
                    os.rename(one, other)
        try:
            written = attempts = 0
            while attempts < 300 or (
                not written and attempts < 100_000
            ):  # a busy machine may catch no quiet moment in 300
                attempts += 1
                try:
                    new = output_file.NewFile(Place(str(theirs / "d" / "f")), output_file.NEW)
                except InvalidInput:
                    continue
                new.finish()
                new.publish()
                written += 1
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        assert written and list((room / "roots").iterdir()) == []


class TestOpened:
    def test_a_file(self, room):
        (room / "file").write_text("content")
        os.utime(room / "file", ns=(1, 1))
        with Place(str(room / "file")).opened() as opened:
            assert opened.read() == b"content"
        assert (room / "file").stat().st_atime_ns == 1

    def test_nothing_there(self, room):
        with Place(str(room / "none")).opened() as opened:
            assert opened is None

    def test_a_symlink_is_nothing(self, room):
        (room / "file").touch()
        (room / "link").symlink_to("file")
        with Place(str(room / "link")).opened() as opened:
            assert opened is None

    @pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
    def test_anything_else_is_refused(self, room, kind):
        os.mknod(room / "node", kind | 0o600, os.makedev(1, 3))
        with pytest.raises(InvalidInput, match="is not a regular file"), Place(str(room / "node")).opened():
            pass

    def test_while_somebody_swaps_it_for_a_fifo_and_a_symlink(self, room):
        theirs = room / "theirs"
        (theirs / "f").write_text("theirs")
        os.mkfifo(theirs / "fifo")
        (theirs / "link").symlink_to("/etc/passwd")
        pid = os.fork()
        if not pid:
            os.chdir(theirs)
            while True:
                for one, other in (("f", "g"), ("fifo", "f"), ("f", "fifo"), ("link", "f"), ("f", "link"), ("g", "f")):
                    os.rename(one, other)
        try:
            place, seen = Place(str(theirs / "f")), set()
            for _again in range(2000):
                try:
                    with place.opened() as file:
                        seen.add(file and file.read())
                except InvalidInput as error:
                    assert re.search("not a regular file", str(error))
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        assert seen <= {None, b"theirs"}
