# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe import cache, trial_mounts
from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe.cache import TrialResults
from ansible_collections.strata.overlay2.plugins.module_utils._driver.stores.trial import trial_on
from ansible_collections.strata.overlay2.plugins.module_utils._linux import child, mount, namespace
from ansible_collections.strata.overlay2.plugins.module_utils._store.delete import delete_tree
from ansible_collections.strata.overlay2.tests.nobody import become_nobody

pytestmark = pytest.mark.root

IMPORTS = (
    "import os, signal, sys\n"
    "from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe.trial_mounts"
    " import trial_without_trace\n"
    "from ansible_collections.strata.overlay2.plugins.module_utils._driver.stores.trial import trial_on\n"
)
# A rename is made in the middle of a trial, by the child, while its overlay is mounted.
IN_THE_MIDDLE = "sys.addaudithook(lambda event, _: event == 'os.rename' and os.kill(%s, signal.SIGKILL))\n"


def works(userxattr: bool = False) -> TrialResults:
    return TrialResults(
        cache.read_parameters(), userxattr, overlay=True, native_overlay_diff=True, using_metacopy=False
    )


@pytest.fixture
def kernel_default() -> t.Iterator[t.Callable[[str], None]]:
    """Give a function that turns a parameter of the overlay module on, until the end of the test."""
    before: dict[Path, str] = {}

    def turn_on(name: str) -> None:
        path = Path("/sys/module/overlay/parameters", name)
        try:
            before[path] = path.read_text()
            path.write_text("Y")
        except OSError as error:
            pytest.skip(f"cannot change it: {error}")

    try:
        yield turn_on
    finally:
        for path, text in before.items():
            path.write_text(text)


@pytest.fixture
def overlays(tmp_path: Path) -> t.Iterator[tuple[str, str]]:
    """Two overlays: the first with a tmpfs as upper, the second with the first as a lower."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path], check=True)
    for name in ("lower", "upper", "work", "first", "second"):
        (tmp_path / name).mkdir()
    first, second = f"{tmp_path}/first", f"{tmp_path}/second"
    data = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    subprocess.run(["mount", "-t", "overlay", "-o", data, "overlay", first], check=True)
    subprocess.run(["mount", "-t", "overlay", "-o", f"lowerdir={first}:{tmp_path}/lower", "o", second], check=True)
    yield first, second
    subprocess.run(["umount", second, first, tmp_path], check=True)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_all_works_and_leaves_no_trace(loop_filesystem, traces, kind):
    root = loop_filesystem(kind)
    (root / "home/l").mkdir(parents=True)
    (root / "home/layer").touch()
    before = traces(root, aged=True)
    assert trial_mounts.trial_without_trace(str(root / "home")) == works()
    assert traces(root) == before


@pytest.mark.parametrize("name", ["a:b,c", 'a"b\\', "lowerdir=x,upperdir=y", "\udcff"])
def test_a_directory_of_any_name(tmp_path, name):
    (tmp_path / name).mkdir()
    assert trial_mounts.trial_without_trace(str(tmp_path / name)) == works()
    assert trial_on(str(tmp_path / name)) == works()


@pytest.mark.parametrize("place", ["/", "/run", "/tmp", "/dev"])
def test_a_place_that_the_trial_itself_could_hide(place):
    assert trial_mounts.trial_without_trace(place) == works()


def test_a_filesystem_that_cannot_be_a_lower():
    told = trial_mounts.trial_without_trace("/proc")
    assert (told.overlay, told.why_no_overlay) == (False, "mount: Invalid argument")


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_on_the_filesystem_itself(loop_filesystem, traces, kind):
    root = loop_filesystem(kind)
    (root / "staging").mkdir()
    _unused, mounts = traces()
    assert trial_on(str(root / "staging")) == works()
    assert list((root / "staging").iterdir()) == []
    assert traces() == ({}, mounts)


def test_the_kernels_defaults_do_not_matter(tmp_path, kernel_default):
    trial_mounts.trial_without_trace("/")  # so that the module is loaded
    for name in ("redirect_dir", "metacopy"):
        kernel_default(name)
    with_ours = ("index=off", "redirect_dir=off", "metacopy=off")
    for told in (trial_mounts.trial_without_trace(str(tmp_path)), trial_on(str(tmp_path))):
        assert told == works()
        assert cache.mount_options(told.parameters, told.userxattr) == with_ours

    def made_by(options: str) -> tuple[bool, bool]:
        """Whether an overlay renames a directory of a lower by redirect, and copies metadata only."""
        mount.mount("tmpfs", tmp_path, "tmpfs")
        os.chdir(tmp_path)
        for path in ("lower/d", "upper", "work", "merged"):
            os.makedirs(path)
        Path("lower/f").write_text("content")
        mount.mount("overlay", "merged", "overlay", 0, f"{options}lowerdir=lower,upperdir=upper,workdir=work")
        os.chmod("merged/f", 0o600)
        with contextlib.suppress(OSError):
            os.rename("merged/d", "merged/e")
        return os.path.exists("upper/e"), "trusted.overlay.metacopy" in os.listxattr("upper/f")

    assert namespace.in_private_mounts(lambda: made_by("")) == (True, True)
    assert namespace.in_private_mounts(lambda: made_by(",".join(with_ours) + ",")) == (False, False)


def test_what_spoils_native_diff_is_noticed(tmp_path):
    def tried() -> tuple[str | None, bool]:
        os.chdir(tmp_path)
        return trial_mounts._why_no_native_diff(["redirect_dir=on"], False), trial_mounts._uses_metacopy(
            ["metacopy=on"], False
        )

    reason, uses_metacopy = namespace.in_private_mounts(tried)
    assert reason is not None
    assert "redirects" in reason
    assert uses_metacopy is True


def test_an_overlay_can_be_a_lower(overlays):
    assert trial_mounts.trial_without_trace(overlays[0]) == works()


def test_an_overlay_can_hold_no_upper(overlays):
    told = trial_on(overlays[0])
    assert (told.overlay, told.native_overlay_diff, told.using_metacopy) == (False, None, None)
    why, reason = "mount: Invalid argument", "overlay: filesystem on upper not supported as upperdir"
    assert told.why_no_overlay in (why, f"{why} ({reason})")  # the kernel's reason: Linux 6.8, but not for all of it
    assert os.listdir(overlays[0]) == []


def test_no_overlay_can_be_put_on_two(overlays):
    told = trial_mounts.trial_without_trace(overlays[1])
    assert (told.overlay, told.native_overlay_diff, told.using_metacopy) == (False, None, None)
    assert told.why_no_overlay == "mount: Invalid argument"


def test_a_place_that_is_gone(tmp_path):
    told = trial_mounts.trial_without_trace(str(tmp_path / "gone"))
    assert told.overlay is None
    assert told.why_no_overlay == f"no trial mount could be made: No such file or directory ({tmp_path}/gone)"


def test_without_the_right_nothing_is_known(tmp_path):
    tmp_path.chmod(0o711)
    (tmp_path / "own").mkdir()
    os.chown(tmp_path / "own", 65534, 65534)

    def as_nobody() -> list[TrialResults]:
        os.chdir(tmp_path)  # what lies above may be closed to others than root
        become_nobody()
        return [trial_mounts.trial_without_trace("/"), trial_on("own")]

    for told in child.in_child(as_nobody):
        assert (told.overlay, told.native_overlay_diff, told.using_metacopy) == (None, None, None)
        assert told.why_no_overlay == "no trial mount could be made: Operation not permitted"
    assert list((tmp_path / "own").iterdir()) == []


@pytest.mark.parametrize("function", ["trial_without_trace", "trial_on"])
def test_in_a_user_namespace_user_xattrs_are_used(tmp_path, python_output, function):
    code = IMPORTS + f"print(repr({function}({str(tmp_path)!r})._replace(parameters=None)))"
    told = python_output(code, before=["unshare", "--user", "--map-root-user"])
    assert told == repr(works(userxattr=True)._replace(parameters=None)) + "\n"
    assert list(tmp_path.iterdir()) == []


def test_a_killed_child_is_no_answer(tmp_path, python_output, traces):
    before = traces(tmp_path, aged=True)
    code = IMPORTS + IN_THE_MIDDLE % "os.getpid()" + f"print(trial_without_trace({str(tmp_path)!r}).why_no_overlay)"
    told = python_output(code)
    assert told.startswith("no trial mount could be made: a child process died without an answer")
    assert traces(tmp_path) == before


def test_killed_in_the_middle_it_leaves_no_trace(tmp_path, python_output, traces):
    before = traces(tmp_path, aged=True)
    code = IMPORTS + IN_THE_MIDDLE % "os.getppid()" + f"trial_without_trace({str(tmp_path)!r})"
    python_output(code, fails=True)
    assert traces(tmp_path) == before


def test_killed_in_the_middle_on_the_filesystem_it_leaves_what_can_be_swept(tmp_path, python_output, traces):
    before = traces()
    code = IMPORTS + IN_THE_MIDDLE % "os.getppid()" + f"trial_on({str(tmp_path)!r})"
    python_output(code, fails=True)
    assert traces() == before
    [left] = tmp_path.iterdir()
    assert left.name.startswith("trial-")
    delete_tree(str(left))  # raises where something is mounted
