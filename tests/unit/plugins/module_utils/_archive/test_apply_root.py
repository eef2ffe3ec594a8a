# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory that no path leaves: the targets of paths, and the effect of removals."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess
import sys

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply_root import MAX_SYMLINKS, Root
from ansible_collections.strata.overlay2.plugins.module_utils._linux.openat2 import has_openat2
from ansible_collections.strata.overlay2.tests import seccomp

pytestmark = pytest.mark.root

WITHOUT_OPENAT2 = "STRATA_WITHOUT_OPENAT2"  # set for the second run of this file's tests, without openat2


@pytest.fixture
def outside(tmp_path):
    """A directory with a victim, and the root beside it; every test leaves the victim unchanged."""
    path = tmp_path / "outside"
    (path / "dir").mkdir(parents=True)
    (path / "file").write_text("victim")
    before = [os.lstat(path / name)[:9] for name in ("", "dir", "file")]
    yield path
    assert [os.lstat(path / name)[:9] for name in ("", "dir", "file")] == before
    assert sorted(os.listdir(path)) == ["dir", "file"]


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "diff"
    path.mkdir()
    return path


@pytest.fixture
def root(base):
    with Root(str(base), (0, 0), "trusted.overlay.opaque") as opened:
        yield opened


def where(directory):
    return os.readlink(f"/proc/self/fd/{directory.fd}")


class TestPaths:
    @pytest.mark.parametrize(
        ("links", "path", "leads_to"),
        [
            pytest.param({}, "A/b", "A/b", id="no symlink"),
            pytest.param({"l": "A/b"}, "l", "A/b", id="relative"),
            pytest.param({"l": "/A/b"}, "l", "A/b", id="absolute"),
            pytest.param({"l": "/"}, "l/A", "A", id="the root"),
            pytest.param({"l": "../../../../A"}, "l/b", "A/b", id="up beyond the root"),
            pytest.param({"A/l": "../x"}, "A/l", "x", id="up within"),
            pytest.param({"m": "A/b", "l": "m/../c"}, "l", "A/c", id="up from where another leads"),
            pytest.param({"m": "/L", "L": "A"}, "m/b", "A/b", id="one to another"),
            pytest.param({"l": "A//b/./"}, "l", "A/b", id="untidy"),
            pytest.param({}, "A/b/c/d", "A/b/c/d", id="deep"),
            pytest.param({"A/b/l": "c"}, "A/b/l/d", "A/b/c/d", id="deep through a symlink"),
            pytest.param({"l": "A"}, "l/b/c/d", "A/b/c/d", id="deep behind a symlink"),
        ],
    )
    def test_symlinks_lead_where_they_would_in_a_chroot(self, base, root, links, path, leads_to):
        def there(text):  # no absolute target exists outside: a way out must fail the test, not harm the machine
            return text.replace("A", "strata-a").replace("L", "strata-l")

        os.makedirs(base / there("A/b/c/d"))
        for name, target in links.items():
            os.symlink(there(target), base / there(name))
        for _unused in range(2):  # the second time from the cache
            found = root.directory(there(path).encode())
            assert where(found) == str(base / there(leads_to))
            assert found.path == there(leads_to).encode()

    def test_never_out_of_it(self, base, root, outside):
        for number, target in enumerate((str(outside), f"../{outside.name}", f"a/../../../{outside.name}")):
            os.symlink(target, base / f"l{number}")
            assert where(root.directory(b"l%d/dir" % number)).startswith(str(base) + "/")

    def test_not_through_magic_links_either(self, base, root, outside):
        fd = os.open(outside, os.O_RDONLY)
        os.symlink(f"/proc/self/fd/{fd}", base / "l")
        assert where(root.directory(b"l")) == f"{base}/proc/self/fd/{fd}"
        os.close(fd)

    def test_one_level_below_the_other_by_what_is_known(self, base, root):
        os.makedirs(base / "a/b/c/d/e/f")
        os.symlink("a/b", base / "l")
        for path, leads_to in (("a/b", "a/b"), ("a/b/c/d", "a/b/c/d"), ("l", "a/b"), ("l/c/d/e", "a/b/c/d/e")):
            found = root.remember(path.encode(), root.directory(path.encode()))
            assert (where(found), found.path) == (str(base / leads_to), leads_to.encode())

    def test_a_symlink_that_leads_elsewhere_now(self, base, root):
        for name in ("a", "b"):
            os.makedirs(base / name / "c/d")
        os.symlink("a", base / "l")
        assert root.directory(b"l/c/d").path == b"a/c/d"
        root.remove(root.top, b"l")
        os.symlink("b", base / "l")
        assert root.directory(b"l/c/d").path == b"b/c/d"

    def test_missing_ones_are_only_made_on_demand(self, base, root):
        with pytest.raises(FileNotFoundError):
            root.directory(b"a/b", make=False)
        assert os.listdir(base) == []

    def test_as_many_symlinks_as_the_kernel_follows(self, base, root):
        for number in range(MAX_SYMLINKS + 1):
            os.symlink(f"l{number - 1}" if number else ".", base / f"l{number}")
        assert where(root.directory(b"l%d" % (MAX_SYMLINKS - 1))) == str(base)
        with pytest.raises(OSError) as caught:
            root.directory(b"l%d" % MAX_SYMLINKS)
        assert caught.value.errno == errno.ELOOP
        with pytest.raises(OSError) as caught:
            os.stat(base / f"l{MAX_SYMLINKS}")
        assert caught.value.errno == errno.ELOOP

    def test_a_growing_path_ends_too(self, base, root):
        os.symlink("l/x", base / "l")
        with pytest.raises(OSError) as caught:
            root.directory(b"l")
        assert caught.value.errno == errno.ELOOP


class TestRemoving:
    def test_a_symlink_goes_not_what_it_leads_to(self, base, root, outside):
        os.symlink(outside, base / "l")
        root.remove(root.top, b"l")
        assert os.listdir(base) == []

    def test_a_tree_goes_with_its_symlinks(self, base, root, outside):
        os.makedirs(base / "d/e/f")
        os.symlink(outside, base / "d/e/l")
        os.link(outside / "file", base / "d/e/file")
        root.remove(root.top, b"d")
        assert os.listdir(base) == []
        assert os.stat(outside / "file").st_nlink == 1

    def test_a_deep_tree_goes(self, base, root):
        with contextlib.ExitStack() as stack:
            fd = os.open(base, os.O_RDONLY)
            for level in range(300):
                os.mkdir("d" * 100, dir_fd=fd)
                inner = os.open("d" * 100, os.O_RDONLY, dir_fd=fd)
                stack.callback(os.close, inner)
                os.close(fd) if level == 0 else None
                fd = inner
        root.remove(root.top, b"d" * 100)
        assert os.listdir(base) == []

    def test_nothing_is_an_error(self, root):
        with pytest.raises(FileNotFoundError):
            root.remove(root.top, b"missing")

    def test_the_cache_forgets_what_is_gone(self, base, root):
        os.makedirs(base / "a/b")
        os.symlink("a", base / "l")
        before = root.directory(b"l/b")
        root.remove(root.top, b"l")
        os.mkdir(base / "l")
        assert root.directory(b"l/b").path == b"l/b"
        root.remove(root.top, b"a")
        again = root.directory(b"a/b")
        assert os.fstat(again.fd).st_nlink > 0
        assert os.fstat(before.fd).st_nlink == 0  # still open, and gone

    def test_times_of_what_is_gone_are_gone(self, base, root):
        for name in (b"a", b"b"):
            made, is_new = root.make_directory(root.top, name, 0o700)
            assert is_new
            root.set_time(made, 7)
        root.remove(root.top, b"a")
        os.symlink("b", base / "a")
        os.utime(base / "a", ns=(9, 9), follow_symlinks=False)
        root.set_times()
        assert (os.lstat(base / "a").st_mtime_ns, os.stat(base / "b").st_mtime_ns) == (9, 7)


def test_a_directory_in_place_of_anything_else_is_opaque(base, root):
    (base / "f").touch()
    made, is_new = root.make_directory(root.top, b"f", 0o700)
    assert is_new
    assert os.getxattr(made.fd, "trusted.overlay.opaque") == b"y"
    _unused, is_new = root.make_directory(root.top, b"f", 0o755)
    assert not is_new
    assert stat.S_IMODE(os.stat(base / "f").st_mode) == 0o700


def test_directories_close_when_the_root_does(base):
    before = os.listdir("/proc/self/fd")
    with Root(str(base), (0, 0), "trusted.overlay.opaque") as root:
        kept = root.directory(b"a/b/c")  # made, so one by one
        assert len(os.listdir("/proc/self/fd")) == len(before) + 4
    assert os.listdir("/proc/self/fd") == before
    assert kept.fd == -1


def test_openat2_is_used_where_there_is_one():
    assert has_openat2() != (WITHOUT_OPENAT2 in os.environ)


@pytest.mark.skipif(not has_openat2(), reason="all of this runs without openat2(2) anyway")
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM], ids=["an old kernel", "a sandbox"])
def test_the_same_holds_without_openat2(number):
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        env={**os.environ, WITHOUT_OPENAT2: "yes"},
        preexec_fn=lambda: seccomp.refuse(seccomp.OPENAT2, number),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
