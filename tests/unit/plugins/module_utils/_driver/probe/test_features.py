# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe import features as under_test
from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe.cache import Parameters, TrialResults
from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe.features import (
    Features,
    mount_options,
    status_rows,
)
from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe.problems import Problem
from ansible_collections.strata.overlay2.plugins.module_utils._driver.stores.trial import trial_on
from ansible_collections.strata.overlay2.plugins.module_utils._errors import (
    NotPermitted,
    NotSupported,
    QuotaNotSupported,
)
from ansible_collections.strata.overlay2.plugins.module_utils._linux import child
from ansible_collections.strata.overlay2.tests.nobody import become_nobody

IMPORTS = (
    "import os, sys\n"
    "from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe.features import probe\n"
    "def codes(features): return ' '.join(problem.code for problem in features.problems)\n"
)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def probe(cache: Path) -> t.Callable[..., Features]:
    return lambda home, **more: under_test.probe(str(home), cache_directory=str(cache), **more)


def codes(features: Features) -> list[str]:
    return [problem.code for problem in features.problems]


def the_file(cache: Path) -> Path:
    [path] = cache.iterdir()
    return path


@pytest.mark.root
@pytest.mark.parametrize(
    ("kind", "backing_fs"), [("ext4", "extfs"), ("xfs", "xfs"), ("btrfs", "btrfs")], ids=["ext4", "xfs", "btrfs"]
)
def test_a_filesystem_for_a_store(loop_filesystem, probe, traces, kind, backing_fs):
    root = loop_filesystem(kind)
    (root / "home/l").mkdir(parents=True)
    before = traces(root, aged=True)
    features = probe(root / "home")
    assert traces(root) == before

    assert features.supported is True
    assert under_test.not_supported_error(features) is None
    assert codes(features) == ["no_project_quota"]
    assert (features.overlay, features.supports_d_type, features.native_overlay_diff) == (True, True, True)
    assert (features.using_metacopy, features.userxattr, features.in_user_namespace) == (False, False, False)
    assert features.project_quota is False
    assert features.project_quota_reason in features.problems[0].message
    error = under_test.quota_not_supported_error(features)
    assert isinstance(error, QuotaNotSupported)
    assert (str(error), error.hint) == features.problems[0][1:]
    assert features.kernel == os.uname().release
    assert features.max_depth == 128
    assert features.index_off is Path("/sys/module/overlay/parameters/index").exists()
    assert status_rows(features) == {
        "Backing Filesystem": backing_fs,
        "Supports d_type": "true",
        "Using metacopy": "false",
        "Native Overlay Diff": "true",
        "userxattr": "false",
    }
    assert list(features.filesystem) == ["device", "mount_point", "options", "size", "free", "inodes", "inodes_free"]
    assert features.filesystem["mount_point"] == str(root)


@pytest.mark.root
def test_before_home_exists_it_is_about_its_place(loop_filesystem, probe, traces):
    root = loop_filesystem("ext4")
    before = traces(root, aged=True)
    features = probe(root / "not/yet")
    assert traces(root) == before
    assert features.filesystem["mount_point"] == str(root)
    assert features.supported is True


@pytest.mark.root
def test_without_d_type_nothing_can_be_created(loop_filesystem, probe):
    features = probe(loop_filesystem("ext4", "-O", "^filetype") / "home")
    assert features.supports_d_type is False
    assert features.overlay is True
    assert features.supported is False
    assert codes(features) == ["no_d_type", "no_project_quota"]
    assert status_rows(features)["Supports d_type"] == "false"
    error = under_test.not_supported_error(features)
    assert isinstance(error, NotSupported)
    assert (str(error), error.hint) == features.problems[0][1:]


@pytest.mark.root
def test_on_an_overlay_nothing_can_be_created(probe, hand_made_store):
    store = hand_made_store()
    store.add("near")
    store.add("app")
    features = probe(store.mount("app", "near") + "/home")
    assert features.backing_fs == "overlayfs"
    assert features.supported is False
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    hidden = ["no_xattrs"] if release < (6, 7) else []  # from then on an overlay lets xattrs of overlayfs' own through
    assert codes(features) == ["nested_overlay", *hidden, "no_project_quota"]


@pytest.mark.root
def test_on_a_read_only_filesystem_nothing_can_be_created(loop_filesystem, probe):
    root = loop_filesystem("ext4")
    subprocess.run(["mount", "-o", "remount,ro", root], check=True)
    features = probe(root / "home")
    assert features.supported is False
    assert codes(features) == ["read_only", "no_project_quota"]


@pytest.mark.root
def test_on_proc_nothing_can_be_created(probe, cache):
    features = probe("/proc/home")
    assert features.backing_fs == "<unknown>"
    assert features.supported is False
    assert codes(features) == ["unsuitable_filesystem", "no_xattrs", "no_overlay", "no_project_quota"]
    assert not cache.exists()  # what does not work is asked again


@pytest.mark.root
def test_a_full_filesystem_is_told_and_supported(loop_filesystem, probe):
    root = loop_filesystem("ext4")
    free = os.statvfs(root).f_bavail * os.statvfs(root).f_frsize
    with open(root / "fill", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - (64 << 10))
    features = probe(root)
    assert features.supported is True
    assert codes(features) == ["no_project_quota", "nearly_full"]
    assert features.filesystem["free"] < 1 << 20


@pytest.mark.root
def test_a_second_run_believes_the_first(tmp_path, probe, cache):
    first = probe(tmp_path)
    kept = json.loads(the_file(cache).read_text())
    assert probe(tmp_path)._replace(filesystem={}) == first._replace(filesystem={})
    kept["answers"].update(using_metacopy=True, native_overlay_diff=False, why_no_native_diff="told so")
    the_file(cache).write_text(json.dumps(kept))
    features = probe(tmp_path)
    assert (features.using_metacopy, features.native_overlay_diff) == (True, False)
    assert "no_native_diff" in codes(features)
    assert features.supported is True


@pytest.mark.root
def test_another_boot_believes_nothing(tmp_path, probe, cache):
    first = probe(tmp_path)
    text = the_file(cache).read_text()
    kept = json.loads(text)
    kept["answers"]["using_metacopy"] = True
    kept["true_for"]["boot_id"] = "00000000-0000-0000-0000-000000000000"
    the_file(cache).write_text(json.dumps(kept))
    assert probe(tmp_path).using_metacopy is first.using_metacopy is False
    assert the_file(cache).read_text() == text


@pytest.mark.root
def test_a_second_run_makes_no_process_and_ships_no_trial(tmp_path, cache, python_output):
    code = IMPORTS + (
        "forks = []\nsys.addaudithook(lambda event, _: event == 'os.fork' and forks.append(event))\n"
        f"probe({str(tmp_path)!r}, cache_directory={str(cache)!r})\n"
        "print(len(forks), any(name.endswith('probe.trial_mounts') for name in sys.modules))"
    )
    assert python_output(code) == "1 True\n"
    assert python_output(code) == "0 False\n"


@pytest.mark.root
def test_space_is_never_kept(loop_filesystem, probe):
    root = loop_filesystem("ext4")
    before = probe(root).filesystem["free"]
    (root / "file").write_bytes(bytes(4 << 20))
    assert probe(root).filesystem["free"] <= before - (4 << 20)


@pytest.mark.root
def test_without_a_place_for_the_cache_it_works(tmp_path):
    assert under_test.probe(str(tmp_path), cache_directory="/proc/cache").overlay is True


@pytest.mark.root
def test_a_trial_on_the_filesystem_goes_first(tmp_path, probe, cache):
    (tmp_path / "staging").mkdir()
    told = trial_on(str(tmp_path / "staging"))
    assert probe(tmp_path, trial=told)._replace(filesystem={}) == probe(tmp_path)._replace(filesystem={})
    features = probe(tmp_path, trial=told._replace(overlay=False, why_no_overlay="no whiteouts"))
    assert (features.overlay, features.supported) == (False, False)
    assert features.problems[0].message.endswith("no whiteouts")


@pytest.mark.root
def test_without_root_what_can_be_told_is_told(loop_filesystem, cache):
    root = loop_filesystem("ext4", "-O", "^filetype")
    root.chmod(0o755)

    def as_nobody() -> Features:
        os.chroot(root)
        become_nobody()
        return under_test.probe("/home", cache_directory=str(cache))

    (root / "proc").mkdir()
    subprocess.run(["mount", "--bind", "/proc", root / "proc"], check=True)
    features = child.in_child(as_nobody)
    assert (features.backing_fs, features.supports_d_type) == ("extfs", False)
    assert features.filesystem["size"] > 16 << 20
    assert (features.overlay, features.native_overlay_diff, features.using_metacopy) == (None, None, None)
    assert features.userxattr is False
    assert features.supported is False
    assert codes(features)[:2] == ["not_root", "no_d_type"]
    assert not cache.exists()
    assert status_rows(features)["Native Overlay Diff"] == "unknown"
    assert isinstance(under_test.not_supported_error(features), NotPermitted)


@pytest.mark.root
def test_without_the_right_to_go_there_nothing_is_promised(loop_filesystem, cache):
    root = loop_filesystem("ext4")
    (root / "closed/home").mkdir(parents=True)
    (root / "closed").chmod(0o700)
    (root / "proc").mkdir()
    subprocess.run(["mount", "--bind", "/proc", root / "proc"], check=True)

    def as_nobody() -> Features:
        os.chroot(root)
        become_nobody()
        return under_test.probe("/closed/home", cache_directory=str(cache))

    features = child.in_child(as_nobody)
    assert features.supported is False
    assert features.problems[0].code == "unreachable"
    assert (
        features.problems[0].message == "/closed/home is out of reach (Permission denied): the facts are about /closed"
    )


def test_in_a_user_namespace(tmp_path, cache, python_output):
    code = IMPORTS + (
        "from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe.features import mount_options\n"
        f"found = probe({str(tmp_path)!r}, cache_directory={str(cache)!r})\n"
        "print(found.in_user_namespace, found.userxattr, found.native_overlay_diff, found.supported)\n"
        "print(mount_options(found)[-1], codes(found).split()[:2], found.project_quota_reason)"
    )
    told = python_output(code, before=["unshare", "--user", "--map-root-user"])
    assert told == (
        "True True True True\nuserxattr ['needs_userxattr', 'no_project_quota'] a user namespace cannot set quotas\n"
    )


@pytest.mark.root
def test_in_a_container_that_may_not_mount(tmp_path, cache, python_output):
    code = IMPORTS + (
        f"found = probe({str(tmp_path)!r}, cache_directory={str(cache)!r})\n"
        "print(found.overlay, found.supported, found.problems[0].code, found.problems[0].message)"
    )
    told = python_output(code, before=["setpriv", "--bounding-set=-sys_admin"])
    why = "overlays were not probed: no trial mount could be made: Operation not permitted"
    assert told == f"None False not_probed {why}\n"
    assert not cache.exists()


@pytest.mark.root
def test_what_is_not_known_is_refused_and_full_is_not(tmp_path, probe):
    features = probe(tmp_path)
    unknown = features._replace(
        overlay=None, problems=(Problem("nearly_full", "a", "b"), Problem("not_probed", "c", "d"))
    )
    error = under_test.not_supported_error(unknown)
    assert isinstance(error, NotSupported)
    assert (str(error), error.hint) == ("c", "d")
    full = features._replace(problems=(Problem("nearly_full", "a", "b"),))
    assert under_test.not_supported_error(full) is None
    assert under_test.quota_not_supported_error(full) is None


def test_words_for_what_is_not_known():
    unknown = Features(*[None] * len(Features._fields))._replace(backing_fs="xfs", using_metacopy=True)
    assert status_rows(unknown) == {
        "Backing Filesystem": "xfs",
        "Supports d_type": "unknown",
        "Using metacopy": "true",
        "Native Overlay Diff": "unknown",
        "userxattr": "unknown",
    }


def test_options_come_from_what_was_found(tmp_path, probe):
    told = TrialResults(Parameters(False, True, True), False, True, True, False)
    assert mount_options(probe(tmp_path, trial=told)) == ("index=off", "redirect_dir=off", "metacopy=off")
    assert mount_options(probe(tmp_path, trial=told._replace(userxattr=True))) == ("index=off", "userxattr")
