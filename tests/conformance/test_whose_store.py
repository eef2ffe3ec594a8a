# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No module in any state changes foreign files: whole stores, and files beside the layers of a store."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.modules import (
    overlay2_diff,
    overlay2_diff_info,
    overlay2_facts,
    overlay2_init,
    overlay2_layer,
    overlay2_mount,
    overlay2_prune,
)
from ansible_collections.strata.overlay2.tests import modules
from ansible_collections.strata.overlay2.tests.driver import Driver

pytestmark = pytest.mark.root

LINK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# Each would change the layer lone, which is all there is, or make one.
CHANGES: dict[str, tuple[t.Any, dict[str, t.Any]]] = {
    "make a layer": (overlay2_layer, {"id": "new"}),
    "make a layer on one": (overlay2_layer, {"id": "new", "parent": "lone"}),
    "seal": (overlay2_layer, {"id": "lone", "state": "committed"}),
    "remove": (overlay2_layer, {"id": "lone", "state": "absent"}),
    "remove by force": (overlay2_layer, {"id": "lone", "state": "absent", "force": True, "recursive": True}),
    "mount": (overlay2_mount, {"id": "lone"}),
    "apply": (overlay2_diff, {"id": "lone", "state": "applied", "src": "layer.tar", "remote_src": True}),
    "prune": (overlay2_prune, {"older_than": "0s"}),
    "set a default": (overlay2_init, {"inodes": 0, "size": "0", "uid_map": [], "gid_map": []}),
    "remove the store": (overlay2_init, {"state": "absent", "force": True}),
}


def run(module: t.Any, home: Path, *, check: bool = False, **params: t.Any) -> dict[str, t.Any]:
    result = modules.run_module(module.main, {"home": str(home), "_ansible_check_mode": check, **params})
    assert result is not None
    return result


def health(home: Path) -> list[tuple[str, str]]:
    told = run(overlay2_facts, home, gather_subset=["all"])
    assert not told.get("failed"), told
    return [(found["code"], found["subject"]) for found in told["ansible_facts"]["overlay2"]["health"]]


def facts(home: Path, *subsets: str) -> dict[str, t.Any]:
    told = run(overlay2_facts, home, gather_subset=[*subsets, "status"])
    assert not told.get("failed"), told
    return t.cast("dict[str, t.Any]", told["ansible_facts"]["overlay2"])


def problems(home: Path) -> list[str]:
    return [problem["code"] for problem in facts(home)["problems"] if problem["code"] != "no_project_quota"]


def snapshot(directory: Path) -> list[tuple[str, ...]]:
    """Return all that lies in a directory, with modes, owners, times of change and content."""
    found = []
    for place, names, files in os.walk(directory):
        for name in (".", *names, *files):
            path = os.path.join(place, name)
            status = os.lstat(path)
            content = Path(path).read_text() if os.path.isfile(path) and not os.path.islink(path) else ""
            found.append((path, oct(status.st_mode), str(status.st_uid), str(status.st_ctime_ns), content))
    return sorted(found)


def refused(home: Path, error: str, changes: t.Iterable[str] = tuple(CHANGES)) -> str:
    """Check that every change of *home* is refused with *error*, in check mode, too; return the last hint."""
    tar = home.parent / "layer.tar"
    with tarfile.open(tar, "w") as archive:
        archive.addfile(tarfile.TarInfo("file"), io.BytesIO())
    before = snapshot(home)
    hint = ""
    for name in changes:
        module, params = CHANGES[name]
        given = {**params, "src": str(tar)} if "src" in params else params
        for check in (True, False):
            told = run(module, home, check=check, **given)
            assert told.get("error") == error, (name, check, told)
            hint = told["hint"]
    assert snapshot(home) == before
    return hint


def make_layer(home: Path, layer_id: str = "lone") -> None:
    """Make a layer as dockerd does, and the store that it lies in."""
    (home / layer_id / "diff").mkdir(parents=True)
    (home / layer_id / "link").write_text(LINK)
    (home / "l").mkdir(exist_ok=True)
    (home / "l" / LINK).symlink_to(f"../{layer_id}/diff")


class TestSomebodyElsesStore:
    def test_it_is_read_and_not_changed(self, tmp_path: Path) -> None:
        home = tmp_path / "store"
        make_layer(home)
        assert "adopt: true" in refused(home, "store_foreign", set(CHANGES) - {"set a default"})
        told = facts(home, "layers")
        assert told["managed_by"] is None and list(told["layers"]) == ["lone"]
        assert ("store_file_unreadable", ".strata.json") in health(home)
        assert problems(home) == ["unclaimed_store"]

    def test_what_changes_nothing_is_no_error(self, tmp_path: Path) -> None:
        home = tmp_path / "store"
        make_layer(home)
        home.chmod(0o710)
        (home / "l").chmod(0o700)
        for module, params in (
            (overlay2_init, {}),
            (overlay2_init, {"state": "unmounted"}),
            (overlay2_layer, {"id": "lone"}),
            (overlay2_layer, {"id": "gone", "state": "absent"}),
            (overlay2_mount, {"id": "lone", "state": "unmounted"}),
            (overlay2_prune, {}),
            (overlay2_prune, {"older_than": "9d"}),
            (overlay2_diff_info, {"id": "lone"}),
        ):
            told = run(module, home, **params)
            assert told.get("changed") is False and not told.get("failed"), (params, told)

    def test_it_is_swept_of_nothing(self, tmp_path: Path) -> None:
        home = tmp_path / "store"
        make_layer(home)
        (home / ".staging/left").mkdir(parents=True)
        told = run(overlay2_prune, home)
        assert told["changed"] is False and [found["code"] for found in told["litter"]] == ["staging_leftover"]
        assert (home / ".staging/left").is_dir()

    def test_it_becomes_ours_by_adoption_once(self, tmp_path: Path) -> None:
        home = tmp_path / "store"
        make_layer(home)
        check = run(overlay2_init, home, adopt=True, size="0", check=True)
        assert not (home / ".strata.json").exists()
        done = run(overlay2_init, home, adopt=True, size="0")
        assert {key: check[key] for key in ("changed", "actions", "diff")} == {
            key: done[key] for key in ("changed", "actions", "diff")
        }
        assert done["actions"][0] == "take over the store"
        assert run(overlay2_init, home, adopt=True)["changed"] is False
        assert health(home) == [("loose_mode", "lone")] and problems(home) == []
        assert run(overlay2_prune, home, older_than="0s")["actions"] == ["remove layer lone"]

    def test_it_may_get_maps_only_by_adoption(self, tmp_path: Path) -> None:
        home = tmp_path / "store"
        make_layer(home)
        ranges = [{"container_id": 0, "host_id": 100_000, "size": 65_536}]
        maps = {"uid_map": ranges, "gid_map": ranges}
        assert run(overlay2_init, home, **maps)["error"] == "invalid_input"
        assert run(overlay2_init, home, adopt=True, **maps)["changed"] is True
        assert json.loads((home / ".strata.json").read_text())["uid_map"] == [[0, 100_000, 65_536]]
        assert run(overlay2_init, home, adopt=True, **maps)["changed"] is False

    @pytest.mark.parametrize("state", ["absent", "unmounted"])
    def test_only_what_stays_is_adopted(self, tmp_path: Path, state: str) -> None:
        assert run(overlay2_init, tmp_path / "store", adopt=True, state=state)["error"] == "invalid_input"

    @pytest.mark.parametrize("records", ["image/overlay2/layerdb", "overlay-layers"])
    def test_an_engines_is_not_adopted(self, tmp_path: Path, records: str) -> None:
        home = tmp_path / "store"
        make_layer(home)
        (tmp_path / records).mkdir(parents=True)
        told = run(overlay2_init, home, adopt=True)
        assert told["error"] == "store_foreign" and not (home / ".strata.json").exists()

    def test_a_store_of_ours_that_lost_its_file_can_be_adopted(self, tmp_path: Path) -> None:
        driver = Driver(tmp_path / "store")
        driver.create("lone")
        (driver.home / ".strata.json").unlink()
        refused(driver.home, "store_foreign", set(CHANGES) - {"set a default"})
        driver.ok(overlay2_init, adopt=True)
        driver.remove("lone")

    def test_a_store_without_layers_becomes_ours_with_the_first(self, tmp_path: Path) -> None:
        home = tmp_path / "store"
        (home / "l").mkdir(parents=True)
        assert run(overlay2_layer, home, id="a")["changed"] and (home / ".strata.json").is_file()
        assert run(overlay2_layer, home, id="a", state="absent")["changed"]


def bind(source: Path, target: Path) -> None:
    target.mkdir()
    subprocess.run(["mount", "--bind", source, target], check=True)


def test_a_bind_mount_of_dockers_store_is_dockers(tmp_path: Path) -> None:
    """With records of the only layer: without, it would be an orphan, which may go."""
    home = tmp_path / "docker/overlay2"
    make_layer(home)
    chain = tmp_path / "docker/image/overlay2/layerdb/sha256" / ("c" * 64)
    chain.mkdir(parents=True)
    (chain / "cache-id").write_text("lone")
    bind(home, tmp_path / "other")
    try:
        assert facts(tmp_path / "other")["managed_by"] == "docker"
        refused(tmp_path / "other", "store_foreign", set(CHANGES) - {"prune"})
        for params in ({"older_than": "0s"}, {"orphans_only": True, "foreign": "remove"}):
            told = run(overlay2_prune, tmp_path / "other", **params)
            assert told["changed"] is False and [layer["decision"] for layer in told["layers"]] == ["keep"]
        shutil.rmtree(chain)  # so that it is an orphan
        told = run(overlay2_prune, tmp_path / "other", orphans_only=True, foreign="remove")
        assert told["actions"] == ["remove layer lone"], told
    finally:
        subprocess.run(["umount", tmp_path / "other"], check=True)


@pytest.fixture
def strangers(tmp_path: Path) -> t.Iterator[Driver]:
    """A store with the layer lone, and with directories that are not layers."""
    driver = Driver(tmp_path / "store")
    driver.create("lone")
    home = driver.home
    (home / "backup/precious").mkdir(parents=True)
    for name in ("l", "lone/diff", "diff/diff"):
        (home / "sub" / name).mkdir(parents=True)
    (home / "sub/.strata.json").write_text('{"format": 1}')
    (home / "file").write_text("x")
    (home / "link").symlink_to("backup")
    (home / "mounted").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", home / "mounted"], check=True)
    (home / "mounted/precious").mkdir()
    yield driver
    subprocess.run(["umount", home / "mounted"], check=True)


STRANGERS = ("backup", "sub", "file", "link", "mounted")


class TestStrangers:
    def test_they_are_told_and_not_counted(self, strangers: Driver) -> None:
        assert sorted(health(strangers.home)) == sorted(("stranger", name) for name in STRANGERS)
        told = facts(strangers.home, "layers", "usage")
        assert (told["layer_count"], list(told["layers"]), list(told["usage"])) == (1, ["lone"], ["lone"])

    def test_no_module_changes_one(self, strangers: Driver) -> None:
        home = strangers.home
        (home.parent / "tar").write_bytes(b"\0" * 10240)
        before = {name: snapshot(home / name) for name in STRANGERS}
        for name in STRANGERS:
            for more in ({}, {"force": True, "recursive": True}):
                told = run(overlay2_layer, home, id=name, state="absent", **more)
                assert told["changed"] is False and not told.get("failed"), told
            assert run(overlay2_mount, home, id=name, state="unmounted", force=True)["changed"] is False
            for check in (True, False):
                told = run(overlay2_layer, home, id=name, check=check)
                assert told["error"] == "invalid_input" and "is not a layer" in told["msg"], told
                tar = {"src": str(home.parent / "tar"), "remote_src": True}
                for module, params in (
                    (overlay2_mount, {}),
                    (overlay2_diff, {"state": "applied", **tar}),
                    (overlay2_diff_info, {}),
                    (overlay2_diff, {"state": "exported", "dest": str(home.parent / "out")}),
                ):
                    assert run(module, home, id=name, check=check, **params)["error"] == "layer_not_found"
                assert run(overlay2_layer, home, id="new", parent=name, check=check)["error"] == "layer_not_found"
        assert run(overlay2_prune, home, older_than="0s")["actions"] == ["remove layer lone"]
        assert {name: snapshot(home / name) for name in STRANGERS} == before

    def test_they_stay_when_the_store_goes(self, strangers: Driver) -> None:
        home = strangers.home
        before = {name: snapshot(home / name) for name in STRANGERS}
        check = run(overlay2_init, home, state="absent", force=True, check=True)
        done = run(overlay2_init, home, state="absent", force=True)
        assert done["actions"] == check["actions"] == ["remove layer lone", "remove the store, but for its directory"]
        assert not done.get("failed"), done
        assert sorted(os.listdir(home)) == sorted(STRANGERS)
        assert {name: snapshot(home / name) for name in STRANGERS} == before
        assert run(overlay2_init, home, state="absent", force=True)["error"] == "invalid_input"  # now it is no store
        assert {name: snapshot(home / name) for name in STRANGERS} == before


def newer(home: Path) -> None:
    (home / ".strata.json").write_text('{"format": 99}')


def unreadable(home: Path) -> None:
    (home / ".strata.json").write_bytes(b"\0" * 80)


def half_an_id(home: Path) -> None:
    (home / ".strata.json").write_text('{"format": 1, "uid_map": [[0, 1.5, 10]], "gid_map": [[0, 1.5, 10]]}')


@pytest.mark.parametrize("harm", [newer, unreadable, half_an_id])
def test_a_store_whose_file_cannot_be_read_is_not_changed(tmp_path: Path, harm: t.Callable[[Path], None]) -> None:
    driver = Driver(tmp_path / "store")
    driver.create("lone")
    harm(driver.home)
    refused(driver.home, "store_corrupt")
    assert health(driver.home) == [("store_file_unreadable", ".strata.json")]
    assert problems(driver.home) == ["damaged_store"]
    assert run(overlay2_init, driver.home, adopt=True)["error"] == "store_corrupt"


class TestLostLinks:
    @pytest.fixture
    def driver(self, tmp_path: Path) -> Driver:
        driver = Driver(tmp_path / "store")
        driver.create("lone")
        driver.create("job", "lone")
        return driver

    def test_they_are_told(self, driver: Driver) -> None:
        shutil.rmtree(driver.home / "l")
        assert "run strata.overlay2.overlay2_repair, which makes l again" in refused(driver.home, "store_corrupt")
        assert health(driver.home) == [("link_missing", "l")]
        assert problems(driver.home) == ["damaged_store"]
        (driver.home / "l").mkdir(mode=0o700)  # by hand; the next hints tell the names
        assert {code for code, _subject in health(driver.home)} <= {"link_missing", "lower_unresolved"}

    def test_a_file_in_their_place_is_told(self, driver: Driver) -> None:
        (driver.home / "l").rename(driver.home / "away")
        (driver.home / "l").touch()
        assert refused(driver.home, "store_corrupt").startswith("move l away")
        assert health(driver.home) == [("link_missing", "l")]

    def test_a_stranger_among_them_is_told(self, driver: Driver) -> None:
        (driver.home / "l/notes").touch()
        assert refused(driver.home, "store_corrupt") == "move it out of l/"
        assert health(driver.home) == [("stranger", "notes")]
        (driver.home / "l/notes").unlink()
        assert health(driver.home) == []


class TestContainerd:
    @pytest.mark.parametrize("place", ["", "snapshots"])
    def test_its_snapshots_are_told_to_be_its(self, tmp_path: Path, place: str) -> None:
        root = tmp_path / "io.containerd.snapshotter.v1.overlayfs"
        (root / "snapshots/1/fs").mkdir(parents=True)
        (root / "metadata.db").write_text("x")
        home = root / place
        hint = refused(home, "store_foreign")
        assert "containerd" in hint
        told = facts(home, "health", "layers")
        assert (told["managed_by"], told["exists"], told["layers"], told["health"]) == ("containerd", False, {}, [])
        assert problems(home) == ["other_layout"]


class TestDocker29:
    """It keeps images in containerd's store, unless it finds something in the directory of a graph driver."""

    @pytest.mark.parametrize("sign", ["engine-id", "buildkit", "containerd"])
    def test_no_store_is_made_where_it_would_take_it(self, tmp_path: Path, sign: str) -> None:
        (tmp_path / sign).mkdir()
        for check in (True, False):
            told = run(overlay2_init, tmp_path / "overlay2", check=check)
            assert told["error"] == "store_foreign" and "at its next start" in told["msg"], told
        assert not (tmp_path / "overlay2").exists()
        assert run(overlay2_init, tmp_path / "mine")["changed"] is True

    def test_no_path_leads_around_that(self, tmp_path: Path) -> None:
        root = tmp_path / "docker"
        (root / "overlay2").mkdir(parents=True)
        (root / "engine-id").touch()
        (tmp_path / "away").mkdir()
        (tmp_path / "to-home").symlink_to("docker/overlay2")
        (tmp_path / "to-root").symlink_to("docker")
        bind(root / "overlay2", tmp_path / "bound")
        try:
            for home in ("docker/overlay2", "to-home", "to-root/overlay2", "bound", "bound/below"):
                assert run(overlay2_init, tmp_path / home)["error"] == "store_foreign", home
        finally:
            subprocess.run(["umount", tmp_path / "bound"], check=True)
        assert os.listdir(root / "overlay2") == []
        (root / "overlay2").rmdir()
        (root / "overlay2").symlink_to("../away")
        assert run(overlay2_init, root / "overlay2")["error"] == "store_foreign"

    def test_a_store_that_is_there_stays(self, tmp_path: Path) -> None:
        driver = Driver(tmp_path / "overlay2")
        (tmp_path / "engine-id").touch()
        assert driver.ok(overlay2_init)["changed"] is False
        assert driver.ok(overlay2_init, state="absent")["changed"] is True
