# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe import cache, filesystem
from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe.cache import Parameters, TrialResults

OTHERS = "an answer for something else"


@pytest.fixture
def found(tmp_path: Path) -> filesystem.Filesystem:
    return filesystem.look(str(tmp_path))


def good(**changes: t.Any) -> TrialResults:
    told = TrialResults(cache.read_parameters(), False, overlay=True, native_overlay_diff=True, using_metacopy=False)
    return told._replace(**changes)


def the_file(directory: Path) -> Path:
    [path] = directory.iterdir()
    return path


def test_what_is_kept_is_found_again(tmp_path, found):
    directory = tmp_path / "cache"
    told = good(native_overlay_diff=False, why_no_native_diff="an old kernel")
    cache.save(str(directory), found, told)
    assert cache.load(str(directory), found) == told
    assert directory.stat().st_mode & 0o777 == 0o700
    path = the_file(directory)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.name == f"{os.major(found.dev)}-{os.minor(found.dev)}-{found.kind}.json"


def test_each_filesystem_has_its_own(tmp_path, found):
    directory = str(tmp_path / "cache")
    other = found._replace(kind="fuse.a/../b", dev=found.dev + 1)
    cache.save(directory, found, good(using_metacopy=True))
    assert cache.load(directory, other) is None
    cache.save(directory, other, good())
    assert cache.load(directory, found) == good(using_metacopy=True)
    assert cache.load(directory, other) == good()
    assert sorted(os.listdir(tmp_path)) == ["cache"]


@pytest.mark.parametrize("key", ["boot_id", "filesystem", "format", "kernel", "parameters", "user_namespace"])
def test_what_is_true_for_something_else_is_ignored_and_replaced(tmp_path, found, key):
    directory = tmp_path / "cache"
    cache.save(str(directory), found, good(using_metacopy=True))
    kept = json.loads(the_file(directory).read_text())
    kept["true_for"][key] = OTHERS
    the_file(directory).write_text(json.dumps(kept))
    assert cache.load(str(directory), found) is None
    cache.save(str(directory), found, good())
    assert cache.load(str(directory), found) == good()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"answers": {"overlay": True}}, id="too few answers"),
        pytest.param({"answers": {**good()._asdict(), "more": 1}}, id="unknown answers"),
        pytest.param({"answers": []}, id="no mapping"),
        pytest.param({"answers": {"overlay": 1, "userxattr": 0}}, id="other types"),
        pytest.param({"true_for": None}, id="true for nothing"),
    ],
)
def test_a_file_that_says_something_else_is_ignored(tmp_path, found, change):
    directory = tmp_path / "cache"
    cache.save(str(directory), found, good())
    kept = {**json.loads(the_file(directory).read_text()), **change}
    the_file(directory).write_text(json.dumps(kept))
    assert cache.load(str(directory), found) is None


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[1]", b"\xff\xfe", b"[" * 100000, b'{"true_for": 1}'])
def test_a_file_that_cannot_be_understood_is_ignored(tmp_path, found, content):
    directory = tmp_path / "cache"
    cache.save(str(directory), found, good())
    the_file(directory).write_bytes(content)
    assert cache.load(str(directory), found) is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"overlay": None, "why_no_overlay": "not permitted"}, id="not probed"),
        pytest.param({"overlay": False, "why_no_overlay": "no overlayfs"}, id="does not work"),
        pytest.param({"native_overlay_diff": None, "why_no_native_diff": "failed"}, id="native diff not probed"),
        pytest.param({"using_metacopy": None}, id="metacopy not probed"),
        pytest.param({"userxattr": None}, id="userxattr not probed"),
        pytest.param({"parameters": Parameters(True, None, True)}, id="parameters changed meanwhile"),
    ],
)
def test_only_what_works_is_kept(tmp_path, found, change):
    directory = tmp_path / "cache"
    cache.save(str(directory), found, good(**change))
    assert not directory.exists()


def test_a_symlink_is_not_written_through(tmp_path, found):
    directory = tmp_path / "cache"
    cache.save(str(directory), found, good())
    name = the_file(directory).name
    (tmp_path / "victim").write_text("content")
    (directory / f"{name}.new").symlink_to(tmp_path / "victim")
    cache.save(str(directory), found, good(using_metacopy=True))
    assert (tmp_path / "victim").read_text() == "content"
    assert cache.load(str(directory), found) == good()


@pytest.mark.parametrize("mode", [0o770, 0o701, 0o777])
def test_a_directory_that_others_can_enter_is_not_used(tmp_path, found, mode):
    directory = tmp_path / "cache"
    cache.save(str(directory), found, good())
    directory.chmod(mode)
    assert cache.load(str(directory), found) is None
    the_file(directory).unlink()
    cache.save(str(directory), found, good())
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("kind", ["a file", "a symlink", "below nothing", "in a kernel filesystem"])
def test_where_nothing_can_be_kept_nothing_is(tmp_path, found, kind):
    directory = {
        "a file": tmp_path / "file",
        "a symlink": tmp_path / "symlink",
        "below nothing": tmp_path / "nothing/below",
        "in a kernel filesystem": Path("/proc/cache"),
    }[kind]
    (tmp_path / "file").touch()
    (tmp_path / "private").mkdir(mode=0o700)
    (tmp_path / "symlink").symlink_to("private")
    cache.save(str(directory), found, good())
    assert cache.load(str(directory), found) is None
    assert list((tmp_path / "private").iterdir()) == []


@pytest.mark.root
def test_on_a_kernel_without_user_namespaces_nothing_is_kept(tmp_path, python_output):
    """Its /proc has no ns/user; this one has nothing but the boot's id."""
    code = (
        "import os, subprocess, sys\n"
        "from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe import filesystem\n"
        "from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe import cache\n"
        "found = filesystem.look(sys.argv[1])\n"
        "boot_id = cache.boot_id()\n"
        "subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', '/proc'], check=True)\n"
        "os.makedirs('/proc/sys/kernel/random')\n"
        "with open('/proc/sys/kernel/random/boot_id', 'w') as file: file.write(boot_id)\n"
        "told = cache.TrialResults(cache.read_parameters(), False, True, True, False)\n"
        "cache.save(sys.argv[2], found, told)\n"
        "print(cache.load(sys.argv[2], found))\n"
    )
    directory = tmp_path / "cache"
    assert python_output(code, str(tmp_path), str(directory), before=["unshare", "--mount"]) == "None\n"
    assert not directory.exists()


@pytest.mark.parametrize(
    ("parameters", "userxattr", "options"),
    [
        pytest.param(Parameters(None, None, None), False, (), id="a kernel that knows none"),
        pytest.param(Parameters(False, False, False), False, ("index=off",), id="defaults are off"),
        pytest.param(Parameters(True, True, True), False, ("index=off", "redirect_dir=off", "metacopy=off"), id="on"),
        pytest.param(Parameters(False, True, None), False, ("index=off", "redirect_dir=off"), id="before metacopy"),
        pytest.param(Parameters(False, False, True), None, ("index=off", "metacopy=off"), id="metacopy alone"),
        pytest.param(Parameters(True, True, True), True, ("index=off", "userxattr"), id="userxattr excludes both"),
        pytest.param(Parameters(None, None, None), True, ("userxattr",), id="userxattr alone"),
    ],
)
def test_mount_options(parameters, userxattr, options):
    assert cache.mount_options(parameters, userxattr) == options
