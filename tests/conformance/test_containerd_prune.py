# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""overlay2_prune on the store of the real containerd: orphans that a killed containerd left."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._tasks import prune_snapshots
from ansible_collections.strata.overlay2.plugins.modules import overlay2_facts, overlay2_prune
from ansible_collections.strata.overlay2.tests import engines, modules
from ansible_collections.strata.overlay2.tests.containerd import Containerd, image_tar, layer_tar, missing

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(missing(), reason="needs the engines, which ./dev conformance unpacks"),
]

FILES = 20_000  # of a layer: its removal takes long enough to be killed
NAME = "docker.io/test/app:latest"
GRACE = 1  # second, in place of minutes


@pytest.fixture
def containerd(tmp_path: Path) -> t.Iterator[Containerd]:
    made = Containerd(tmp_path.resolve() / "root")
    with made.running():
        yield made


def app(directory: Path) -> Path:
    return image_tar(directory / "app.tar", NAME, [layer_tar({"bin/sh": engines.busybox().read_bytes()})])


def prune(containerd: Containerd, prepare: t.Callable[[], object] = lambda: None, **params: t.Any) -> dict[str, t.Any]:
    asked = {"home": str(containerd.snapshotter), "orphans_only": True, **params}
    result = modules.run_module(overlay2_prune.main, asked, prepare)
    assert result is not None
    return result


def short_grace() -> None:
    prune_snapshots.observe_snapshots.__globals__["unneeded"].GRACE = GRACE


def orphans(result: dict[str, t.Any]) -> set[str]:
    return {one["id"] for one in result["layers"] if one["reason"].startswith("orphan")}


def leave_an_orphan(containerd: Containerd) -> str:
    """Kill containerd while it removes a snapshot. Return the directory that it leaves."""
    snapshots = containerd.snapshotter / "snapshots"
    before = set(os.listdir(snapshots))
    containerd("snapshots", "prepare", "large", "")
    (name,) = set(os.listdir(snapshots)) - before
    for number in range(FILES):
        (snapshots / name / "fs" / f"file{number}").touch()
    with containerd.popen("snapshots", "rm", "large") as client:
        end = time.monotonic() + engines.PATIENCE
        while sum(1 for _entry in os.scandir(snapshots / name / "fs")) == FILES and time.monotonic() < end:
            pass
        containerd.end(signal.SIGKILL)
        client.wait()
    assert (snapshots / name).is_dir()
    return name


def test_an_orphan_is_found_while_containerd_runs_and_removed_when_it_is_stopped(
    containerd: Containerd, tmp_path: Path
) -> None:
    containerd("images", "import", str(app(tmp_path)))
    assert orphans(prune(containerd, foreign="remove")) == set()
    name = leave_an_orphan(containerd)
    containerd.start()
    time.sleep(GRACE + 1)
    found = prune(containerd, short_grace)
    assert orphans(found) == {name}
    assert found["orphan_bytes"] > 0
    refused = prune(containerd, short_grace, foreign="remove")
    assert (refused["error"], refused["changed"]) == ("store_foreign", False)
    assert f"containerd {containerd.pid}" in refused["msg"]
    containerd.end()
    told = prune(containerd, foreign="remove", _ansible_check_mode=True)
    removed = prune(containerd, foreign="remove")
    assert told["actions"] == removed["actions"] == [f"remove snapshots/{name}, which no record of containerd names"]
    assert removed["pending_bytes"] == 0
    assert not (containerd.snapshotter / "snapshots" / name).exists()
    assert prune(containerd, foreign="remove")["changed"] is False

    containerd.start()
    listed = len(containerd.rows("snapshots", "ls"))
    assert listed == len(os.listdir(containerd.snapshotter / "snapshots"))
    containerd("images", "rm", "--sync", NAME)
    containerd("images", "import", str(app(tmp_path)))
    containerd("snapshots", "prepare", "run", containerd.rows("snapshots", "ls")[0][0])
    assert is_whole(containerd, tmp_path, "run")
    containerd("snapshots", "rm", "run")


def is_whole(containerd: Containerd, tmp_path: Path, key: str) -> bool:
    """Run a program in a snapshot that containerd mounts."""
    target = tmp_path / "mounted"
    target.mkdir()
    command = containerd("snapshots", "mounts", str(target), key)
    subprocess.run(["sh", "-euc", command], check=True)
    try:
        done = subprocess.run(["chroot", str(target), "/bin/sh", "-c", "exit 7"], check=False)
        return done.returncode == 7
    finally:
        subprocess.run(["umount", str(target)], check=True)


def test_a_containerd_that_starts_waits_until_the_orphans_are_out_of_sight(containerd: Containerd) -> None:
    name = leave_an_orphan(containerd)
    reads, writes = os.pipe()
    back_reads, back_writes = os.pipe()

    def pause() -> None:
        """Have the run wait where it has observed the store, until a containerd has started to wait for it."""
        original = prune_snapshots.observe_snapshots

        def observed(*args: t.Any, **kwargs: t.Any) -> t.Any:
            found = original(*args, **kwargs)
            os.write(writes, b"x")
            os.read(back_reads, 1)
            return found

        prune_snapshots.observe_snapshots = observed  # type: ignore[assignment]

    params = {"home": str(containerd.snapshotter), "orphans_only": True, "foreign": "remove"}
    started = modules.Started(overlay2_prune.main, params, pause)
    os.read(reads, 1)
    starter = threading.Thread(target=containerd.start)
    starter.start()
    time.sleep(1)
    assert starter.is_alive()
    assert (containerd.snapshotter / "snapshots" / name).is_dir()
    os.write(back_writes, b"x")
    found = started.result()
    assert found is not None and found["changed"], found
    starter.join(engines.PATIENCE)
    assert not starter.is_alive()
    assert not (containerd.snapshotter / "snapshots" / name).exists()
    containerd("snapshots", "prepare", "next", "")
    assert len(containerd.rows("snapshots", "ls")) == len(os.listdir(containerd.snapshotter / "snapshots")) == 1


def test_facts_tell_the_orphan_and_what_they_tell_removes_it(containerd: Containerd) -> None:
    name = leave_an_orphan(containerd)
    containerd.start()
    params = {"home": "/x", "gather_subset": ["stores"], "roots": [str(containerd.root)]}

    def patient() -> None:
        from ansible_collections.strata.overlay2.plugins.module_utils._driver.host import containerd_contents

        containerd_contents.unneeded.GRACE = -10

    found = modules.run_module(overlay2_facts.main, params, patient)
    assert found is not None
    (store,) = (
        one for one in found["ansible_facts"]["overlay2"]["stores"] if one["home"] == str(containerd.snapshotter)
    )
    (told,) = (one for one in store["unneeded"] if one["code"] == "orphan_directory")
    assert (told["count"], told["by"]) == (1, "overlay2_prune")
    stop, _semicolon, options = told["run"].partition("; overlay2_prune with ")
    assert stop.startswith("stop containerd")
    containerd.end()
    asked = dict(option.split(": ") for option in options.split(", "))
    done = modules.run_module(overlay2_prune.main, asked)
    assert done is not None and done["changed"], done
    assert not (containerd.snapshotter / "snapshots" / name).exists()


def health(containerd: Containerd) -> list[dict[str, t.Any]]:
    asked = {"home": str(containerd.snapshotter), "gather_subset": ["health"]}
    found = modules.run_module(overlay2_facts.main, asked)
    assert found is not None and not found.get("failed"), found
    return t.cast("list[dict[str, t.Any]]", found["ansible_facts"]["overlay2"]["health"])


@pytest.mark.parametrize("layer", ["of the image", "of the container", "by hand"])
def test_the_hint_about_a_layer_that_is_gone_helps(containerd: Containerd, tmp_path: Path, layer: str) -> None:
    path = app(tmp_path)
    containerd("images", "import", str(path))
    image = next(row[0] for row in containerd.rows("snapshots", "ls"))
    containerd("containers", "create", NAME, "one")
    containerd("snapshots", "prepare", "by-hand", image)
    assert health(containerd) == []
    number = {"of the image": "1", "of the container": "2", "by hand": "3"}[layer]
    shutil.rmtree(containerd.snapshotter / "snapshots" / number)
    (found,) = health(containerd)
    assert (found["code"], found["subject"]) == ("layer_gone", number)
    if layer != "by hand":
        assert "container one in default" in found["message"]
    (command,) = re.findall("`([^`]+)`", found["hint"])
    subprocess.run(["sh", "-euc", command], env=engines.environment(), check=True, capture_output=True)
    left = health(containerd)
    if layer == "of the image":  # what was made by hand on it needs it, too
        (command,) = re.findall("`([^`]+)`", left[0]["hint"])
        subprocess.run(["sh", "-euc", command], env=engines.environment(), check=True, capture_output=True)
        left = health(containerd)
    assert left == []
    containerd("images", "import", str(path))
    assert len(containerd.rows("snapshots", "ls")) == len(os.listdir(containerd.snapshotter / "snapshots"))
