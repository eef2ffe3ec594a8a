# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store of Podman and Buildah, by the real containers-storage: what our modules report, and leave alone."""

from __future__ import annotations

import io
import json
import random
import signal
import subprocess
import tarfile
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import apply_layer
from ansible_collections.strata.overlay2.plugins.modules import (
    overlay2_diff_info,
    overlay2_facts,
    overlay2_layer,
    overlay2_prune,
)
from ansible_collections.strata.overlay2.tests import engines, modules

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not engines.ENGINES, reason="needs the engines, which ./dev conformance unpacks"),
]

BASE, APP, LONE, HALF = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)


class Storage:
    """containers-storage on a root of its own; lender: has a store of images that it uses, too."""

    def __init__(self, root: Path, lender: Storage | None = None) -> None:
        self.root = root
        self._options = ["--storage-opt", f"overlay.imagestore={lender.root / 'graph'}"] if lender else []
        self.home = root / "graph" / "overlay"
        self.layers = root / "graph" / "overlay-layers" / "layers.json"

    def command(self, *words: str) -> list[str]:
        places = ["--graph", str(self.root / "graph"), "--run", str(self.root / "run")]
        return ["containers-storage", *places, "--storage-driver", "overlay", *self._options, *words]

    def __call__(self, *words: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            self.command(*words), env=engines.environment(), input=stdin, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def facts(self) -> dict[str, t.Any]:
        params = {"home": str(self.home), "gather_subset": ["layers", "health"]}
        result = modules.run_module(overlay2_facts.main, params)
        assert result is not None and not result.get("failed"), result
        return t.cast("dict[str, t.Any]", result["ansible_facts"]["overlay2"])

    def orphans(self) -> list[str]:
        return [finding["subject"] for finding in self.facts()["health"] if finding["code"] == "orphan"]

    def remove(self, layer_id: str) -> dict[str, t.Any]:
        params = {"home": str(self.home), "id": layer_id, "state": "absent"}
        result = modules.run_module(overlay2_layer.main, params)
        assert result is not None
        return result

    def prune(self, **params: t.Any) -> dict[str, t.Any]:
        result = modules.run_module(overlay2_prune.main, {"home": str(self.home), "orphans_only": True, **params})
        assert result is not None and not result.get("failed"), result
        return result


def layer_tar(size: int = 10) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in ("first", "second"):
            info = tarfile.TarInfo(name)
            info.size = size
            tar.addfile(info, io.BytesIO(name[:1].encode() * size))
    return out.getvalue()


@pytest.fixture
def storage(tmp_path):
    """Its store with the image of base and app, a container of that, and the layer lone."""
    made = Storage(tmp_path)
    made("create-layer", "--id", BASE)
    made("applydiff", BASE, stdin=layer_tar())
    made("create-layer", "--id", APP, BASE)
    made("create-image", "--id", "image", APP)
    made("create-container", "--id", "container", "image")
    yield made
    engines.unmount_below(str(tmp_path))


def test_facts_are_what_it_records(storage):
    for name in ("staging", "tempdirs"):  # its own, which some versions leave there
        (storage.home / name).mkdir(mode=0o700, exist_ok=True)
    told = storage.facts()
    assert told["layer_count"] == 3
    assert [finding for finding in told["health"] if finding["subject"] in ("staging", "tempdirs")] == []
    assert told["managed_by"] == "containers-storage"
    records = json.loads(storage.layers.read_text())
    assert len(records) == 3
    assert {record["id"]: record.get("parent", "") for record in records} == {
        layer["id"]: layer["parent"] for layer in told["layers"].values()
    }
    assert storage.orphans() == []
    looked = modules.run_module(overlay2_diff_info.main, {"home": str(storage.home), "id": BASE})
    assert looked is not None
    told = [f'Add "{change["path"]}"' for change in looked["changes"] if change["kind"] == "added"]
    assert told == storage("changes", BASE).splitlines()


def test_it_makes_the_same_of_a_layers_tar(storage, tmp_path):
    """Files with holes among it, in those forms that it takes: it reads them by Go's archive/tar, as Docker does."""
    content = random.Random(1).randbytes(5000)
    tree, theirs, ours = tmp_path / "tree", storage.home / LONE / "diff", tmp_path / "ours"
    for path in (tree / "d", ours):
        path.mkdir(parents=True)
    with open(tree / "d" / "holes", "wb") as file:
        for at in (1 << 16, 1 << 20, *range(2 << 20, 3 << 20, 1 << 15)):
            file.seek(at)
            file.write(content)
        file.truncate(5 << 20)
    (tree / "d" / "link").hardlink_to(tree / "d" / "holes")
    (tree / "setuid").write_bytes(content)
    (tree / "setuid").chmod(0o4751)
    (tree / ".wh.gone").touch()
    storage("create-layer", "--id", LONE)
    for number, version in enumerate(("0.0", "0.1", "1.0")):
        (tree / "d").rename(tree / f"d{number}")
        command = ["tar", "-C", tree, "--format=posix", f"--sparse-version={version}", "--sparse", "-cf", "-", "."]
        tar = subprocess.run(command, capture_output=True, check=True).stdout
        (tree / f"d{number}").rename(tree / "d")
        (tree / ".wh.gone").unlink(missing_ok=True)  # it takes none for what is gone already
        storage("applydiff", LONE, stdin=tar)
        apply_layer(io.BytesIO(tar).read, str(ours))
    shown = ["-mindepth", "1", "-printf", "%P %y %#m %U %G %n %l ", "(", "-type", "f", "-printf", "%s", "-o", "-true"]
    listings = []
    for root in (theirs, ours):
        command = ["find", str(root), *shown, ")", "-printf", "\\n"]
        listings.append(sorted(subprocess.run(command, capture_output=True, check=True).stdout.splitlines()))
        for number in range(3):
            assert (root / f"d{number}/holes").read_bytes() == (tree / "d/holes").read_bytes()
    assert listings[0] == listings[1]
    assert len(listings[0]) > 6
    assert (ours / "d0" / "holes").stat().st_blocks < 1 << 12


def test_a_layer_whose_record_a_power_cut_lost_may_go(storage):
    records = storage.layers.read_bytes()
    storage("create-layer", "--id", LONE, APP)
    assert storage.orphans() == []
    storage.layers.write_bytes(records)
    assert storage.orphans() == [LONE]
    for layer_id in (BASE, APP):
        refused = storage.remove(layer_id)
        assert refused["error"] == "store_foreign" and "overlay-layers/layers.json names it" in refused["msg"], refused
    removed = storage.remove(LONE)
    assert removed["changed"], removed
    assert not (storage.home / LONE).exists()
    assert storage.orphans() == []
    storage.layers.write_bytes(records[:-20])
    assert storage.remove(APP)["error"] == "store_foreign"
    storage.layers.write_bytes(records)
    mounted = Path(storage("mount", "container"))
    assert (mounted / "first").read_bytes() == b"f" * 10
    refused = storage.remove(BASE)
    assert refused["error"] == "store_foreign"
    storage("unmount", "container")


def test_orphans_are_pruned_and_every_layer_is_as_it_was(storage):
    records = storage.layers.read_bytes()
    storage("create-layer", "--id", LONE, APP)
    storage("applydiff", LONE, stdin=layer_tar(100_000))
    storage("create-layer", "--id", HALF, LONE)
    storage.layers.write_bytes(records)
    (storage.home / "l" / ("A" * 26)).symlink_to("../gone/diff")
    before = storage("diff", BASE), storage("changes", APP), storage("layers")
    told = storage.prune()
    assert not told["changed"]
    found = {layer["id"]: layer for layer in told["layers"] if layer["reason"].startswith("orphan: none of")}
    assert sorted(found) == [LONE, HALF] == storage.orphans()
    assert found[LONE]["bytes_shared"] > 200_000  # half, which stays as long as nothing is to go, is built on it
    check = storage.prune(foreign="remove", _ansible_check_mode=True)
    removed = storage.prune(foreign="remove")
    assert check["actions"] == removed["actions"]
    assert removed["actions"] == [f"remove layer {HALF}", f"remove layer {LONE}", "sweep 1 dangling name in l/"]
    assert removed["remove_bytes"] > 200_000 and not storage.prune(foreign="remove")["changed"]
    assert (storage("diff", BASE), storage("changes", APP), storage("layers")) == before
    mounted = Path(storage("mount", "container"))
    assert (mounted / "first").read_bytes() == b"f" * 10
    storage("unmount", "container")


def test_nothing_goes_while_a_container_is_mounted(storage):
    records = storage.layers.read_bytes()
    storage("create-layer", "--id", LONE)
    storage.layers.write_bytes(records)
    storage("mount", "container")
    refused = storage.remove(LONE)
    assert refused["error"] == "store_foreign", refused
    assert f", and mounts are left in its data root: overlay on {storage.home}/" in refused["msg"]
    assert "umount " in refused["hint"] and "/merged" in refused["hint"]
    storage("unmount", "container")
    removed = storage.remove(LONE)
    assert removed["changed"], removed


def test_what_it_was_importing_when_it_was_killed_is_known_to_it(storage):
    command = storage.command("import-layer", "--id", HALF)
    client = subprocess.Popen(command, env=engines.environment(), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert client.stdin is not None
    client.stdin.write(layer_tar(1 << 20)[: 3 << 19])
    client.stdin.flush()
    end = time.monotonic() + engines.PATIENCE
    while not (storage.home / HALF / "diff/first").exists() and time.monotonic() < end:
        time.sleep(0.01)
    client.send_signal(signal.SIGKILL)
    client.communicate()
    assert (storage.home / HALF / "diff/first").exists()
    assert storage.orphans() == []
    assert storage.remove(HALF)["error"] == "store_foreign"


def test_what_an_additional_store_lends_is_no_damage(storage, tmp_path, monkeypatch):
    """With the other store named in storage.conf and, as an option of the engine's alone, not named."""
    borrower = Storage(tmp_path / "borrower", storage)
    borrower("create-container", "--id", "guest", "image")
    config = tmp_path / "storage.conf"
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(config))
    for known in (False, True):
        if known:
            config.write_text(f'[storage.options]\nadditionalimagestores = ["{storage.root / "graph"}"]\n')
        told = borrower.facts()
        damage = {"lower_unresolved", "store_file_unreadable", "orphan"}
        assert not damage & {finding["code"] for finding in told["health"]}
        assert "damaged_layers" not in [problem["code"] for problem in told["problems"]]
        (layer,) = told["layers"].values()
        assert (layer["parent"], layer["depth"]) == (APP, 2)
        if known:
            assert layer["lower_dirs"] == [f"{storage.home}/{layer_id}/diff" for layer_id in (APP, BASE)]
    (kept,) = borrower.prune(foreign="remove")["layers"]
    assert (kept["decision"], kept["parent"], kept["depth"]) == ("keep", APP, 2)
    looked = modules.run_module(overlay2_diff_info.main, {"home": str(borrower.home), "id": layer["id"]})
    assert looked is not None and not looked.get("failed"), looked
    config.unlink()
    looked = modules.run_module(overlay2_diff_info.main, {"home": str(borrower.home), "id": layer["id"]})
    assert looked is not None and looked["error"] == "not_supported", looked
