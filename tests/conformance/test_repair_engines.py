# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores of the real dockerd and podman, damaged and repaired by their records: afterwards the engine runs on them."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.modules import overlay2_facts, overlay2_repair
from ansible_collections.strata.overlay2.tests import engines, modules

from .test_containers_storage import Storage, layer_tar
from .test_healthy_engines import Podman, run_directory

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not engines.ENGINES, reason="needs the engines, which ./dev conformance unpacks"),
]

Damages = dict[str, t.Callable[[], object]]
SHOW = "cat /one /two /mine 2>&1; echo mine >/mine"


def image_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("bin/busybox")
        content = engines.busybox().read_bytes()
        info.size, info.mode = len(content), 0o755
        tar.addfile(info, io.BytesIO(content))
        for name in ("sh", "cat"):
            info = tarfile.TarInfo(f"bin/{name}")
            info.type, info.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(info)
    return out.getvalue()


def repair(home: Path, **params: t.Any) -> dict[str, t.Any]:
    result = modules.run_module(overlay2_repair.main, {"home": str(home), **params})
    assert result is not None
    return result


def repaired(home: Path) -> dict[str, t.Any]:
    """Repair, and check that check mode predicts it, that nothing certain is left, and that twice is once."""
    plan = repair(home, foreign="repair", _ansible_check_mode=True)
    done = repair(home, foreign="repair")
    assert not done.get("failed"), done
    assert [plan[key] for key in ("actions", "diff", "left")] == [done[key] for key in ("actions", "diff", "left")]
    again = repair(home, foreign="repair")
    assert not again["changed"] and len(again["findings"]) == len(again["left"]) and again["left"] == done["left"]
    assert not [finding for finding in done["left"] if finding["certain"]], done["left"]
    return done


def health(home: Path) -> list[dict[str, t.Any]]:
    result = modules.run_module(overlay2_facts.main, {"home": str(home), "gather_subset": ["health"]})
    assert result is not None and not result.get("failed"), result
    return t.cast("list[dict[str, t.Any]]", result["ansible_facts"]["overlay2"]["health"])


def layout(home: Path) -> dict[str, tuple[str, int, int, str]]:
    """Return all of a store but the content of its layers: mode, owner, and what each small file or name holds."""
    found = {}
    for path in (home, *home.iterdir(), *home.glob("*/*")):
        info = path.lstat()
        held = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else ""
        found[str(path.relative_to(home))] = (stat.filemode(info.st_mode), info.st_uid, info.st_gid, held)
    return found


def lower_ids(home: Path, layer_id: str) -> list[str]:
    """Return a layer and what lies below it."""
    names = (home / layer_id / "lower").read_text().split(":")
    return [layer_id, *(os.readlink(home / name).split("/")[1] for name in names)]


def empty(path: Path) -> t.Callable[[], object]:
    return lambda: path.write_bytes(b"")


def nul(path: Path) -> t.Callable[[], object]:
    return lambda: path.write_bytes(bytes(path.stat().st_size))


def cut(path: Path) -> t.Callable[[], object]:
    return lambda: os.truncate(path, path.stat().st_size // 2)


def lose_name(home: Path, layer_id: str) -> t.Callable[[], object]:
    name = (home / layer_id / "link").read_text()

    def lose() -> None:
        (home / layer_id / "link").write_bytes(b"")
        (home / "l" / name).unlink()

    return lose


def lose_all(*paths: Path) -> t.Callable[[], object]:
    def lose() -> None:
        for path in paths:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    return lose


def damages(home: Path, chain: list[str]) -> Damages:
    """Return what a crash does to the layers of *chain*, a container's first; the records tell how to repair each."""
    own, below, top, base = home / chain[0], home / chain[1], home / chain[-3], home / chain[-1]
    layers = [home / layer_id for layer_id in chain]
    return {
        "the base's link is empty, its name lost": lose_name(home, chain[-1]),
        "the lower of the image's top is empty": empty(top / "lower"),
        "the lower of the image's top is cut": cut(top / "lower"),
        "the container's lower is lost": (own / "lower").unlink,
        "the container's lower is full of NULs": nul(own / "lower"),
        "the container's lower is another layer's": lambda: shutil.copy(home / chain[-2] / "lower", own / "lower"),
        "the link below the container is empty": empty(below / "link"),
        "the base's link is lost": (base / "link").unlink,
        "all work directories are lost": lose_all(*(layer / "work" for layer in layers if (layer / "work").exists())),
        "all link files are lost": lose_all(*(layer / "link" for layer in layers)),
        "all lower files are lost": lose_all(*(layer / "lower" for layer in layers[:-1])),
        "all names in l/ are lost": lose_all(*(home / "l").iterdir()),
        "l/ is lost": lose_all(home / "l"),
    }


def plant_all(planted: Damages) -> None:
    """Plant at once what a crash may do at once."""
    for what in (
        "the base's link is empty, its name lost",
        "the lower of the image's top is empty",
        "the container's lower is lost",
        "the link below the container is empty",
        "all work directories are lost",
    ):
        planted[what]()


def check_each(home: Path, planted: Damages) -> None:
    """Plant one damage after the other; each repair brings back every file and name, with mode and owner."""
    whole = layout(home)
    for what, plant in planted.items():
        plant()
        assert layout(home) != whole, what
        told = repair(home)
        assert not told["changed"] and len(told["findings"]) == len(told["left"]), what
        assert [finding for finding in told["left"] if finding["certain"]], what
        done = repaired(home)
        assert done["changed"] and done["left"] == [], (what, done["left"])
        assert layout(home) == whole, what
        assert health(home) == [], what


@pytest.fixture
def docker(tmp_path):
    """dockerd, running, with an image of three layers, and a container of the third in which a file was written."""
    made = engines.Docker(tmp_path / "docker")
    with made.running():
        made("import", "-", "image-0", stdin=image_tar())
        for number, name in enumerate(("one", "two"), 1):
            step = ["/bin/sh", "-ec", f"echo {name} >/{name}"]
            made("run", "--network=none", f"--name=step-{number}", f"image-{number - 1}", *step)
            made("commit", f"step-{number}", f"image-{number}")
            made("rm", f"step-{number}")
        made("run", "--network=none", "--name=mine", "image-2", "/bin/sh", "-c", SHOW)
        yield made


def test_dockerd_runs_on_a_repaired_store(docker):
    data = docker.inspect("mine")["GraphDriver"]["Data"]
    chain = lower_ids(docker.home, os.path.basename(os.path.dirname(data["UpperDir"])))
    assert len(chain) == 5
    docker.end()
    planted = damages(docker.home, chain)
    planted["all marks are lost"] = lose_all(*docker.home.glob("*/committed"))
    check_each(docker.home, planted)
    plant_all(planted)
    planted["all marks are lost"]()
    docker.start()
    refused = repair(docker.home, foreign="repair")
    assert refused["error"] == "store_foreign" and "docker, which runs: " in refused["msg"], refused
    assert refused["hint"].startswith("stop docker: systemctl stop")
    docker.end()
    assert repaired(docker.home)["left"] == []
    docker.start()
    assert docker("start", "--attach", "mine") == "one\ntwo\nmine"
    assert docker("run", "--rm", "--network=none", "image-2", "/bin/sh", "-c", SHOW).startswith("one\ntwo\n")
    docker("commit", "mine", "image-3")
    assert docker("run", "--rm", "--network=none", "image-3", "/bin/cat", "/mine") == "mine"


def test_nothing_is_repaired_where_buildkit_made_the_same_content_twice(docker, tmp_path):
    """Then dockerd records another directory as the parent than the one in the lower file."""
    (tmp_path / "context").mkdir()
    (tmp_path / "context/copied").write_text("the same")
    step = 'RUN ["/bin/sh", "-c", "cat /proc/uptime >/other"]'
    (tmp_path / "context/Dockerfile").write_text(f"FROM image-2\nCOPY copied /copied\n{step}\n")
    for number in (1, 2):
        docker("build", "--network=none", "--no-cache", f"--tag=built-{number}", str(tmp_path / "context"))
        docker("create", "--network=none", f"--name=on-{number}", f"built-{number}", "/bin/cat", "/copied")
    docker.end()
    entries = [path.parent for path in (docker.root / "image/overlay2/layerdb/sha256").glob("*/parent")]
    recorded = {
        (entry / "cache-id").read_text(): (entry.parent / (entry / "parent").read_text()[7:] / "cache-id").read_text()
        for entry in entries
    }
    assert any(lower_ids(docker.home, layer_id)[1] != parent for layer_id, parent in recorded.items())
    told = repair(docker.home, foreign="repair")
    assert (told["changed"], told["findings"]) == (False, [])
    for layer_id in recorded:
        (docker.home / layer_id / "lower").unlink()
    assert repaired(docker.home)["changed"]
    docker.start()
    for number in (1, 2):
        assert docker("start", "--attach", f"on-{number}") == "the same"


@pytest.fixture
def podman(tmp_path):
    """podman, with an image of three layers, and a container of the third in which a file was written."""
    with run_directory() as run:
        made = Podman(tmp_path, run)
        made("podman", "import", "-q", "-", "localhost/image:0", stdin=image_tar())
        for number, name in enumerate(("one", "two"), 1):
            made("buildah", "from", "--name", "step", f"localhost/image:{number - 1}")
            Path(made("buildah", "mount", "step"), name).write_text(f"{name}\n")
            made("buildah", "umount", "step")
            made("buildah", "commit", "-q", "--rm", "step", f"localhost/image:{number}")
        make = ["--network=none", "--log-driver=none", "--name=mine", "localhost/image:2", "/bin/sh", "-c", SHOW]
        made("podman", "create", *make)
        Path(made("podman", "mount", "mine"), "mine").write_text("mine\n")
        made("podman", "umount", "mine")
        yield made
        engines.unmount_below(str(tmp_path))
        engines.unmount_below(run)


def test_podman_runs_on_a_repaired_store(podman):
    records = json.loads((podman.root / "graph/overlay-containers/containers.json").read_text())
    chain = lower_ids(podman.home, next(record["layer"] for record in records if record["names"] == ["mine"]))
    assert len(chain) == 4
    planted = damages(podman.home, chain)
    check_each(podman.home, planted)
    plant_all(planted)
    holder = subprocess.Popen(["sleep", "600"], cwd=podman.root / "graph/overlay-layers")
    try:
        refused = repair(podman.home, foreign="repair")
    finally:
        holder.kill()
        holder.wait()
    assert refused["error"] == "store_foreign" and f"kill {holder.pid}" in refused["hint"], refused
    assert repaired(podman.home)["left"] == []
    assert not [path for path in podman.home.glob("*/*") if path.name == "committed"]
    assert podman("podman", "start", "--attach", "mine") == "one\ntwo\nmine"
    podman("podman", "create", "--network=none", "--name=new", "localhost/image:2", "/bin/sh")
    new = Path(podman("podman", "mount", "new"))
    assert [(new / name).read_text() for name in ("one", "two")] == ["one\n", "two\n"]


def test_a_layer_never_gets_the_name_of_a_lent_one(tmp_path):
    """The lower files of a store name layers of its additional image store, and l/ of the store has no such name."""
    lender = Storage(tmp_path / "lender")
    base, image, own = ("a" * 64, "b" * 64, "c" * 64)
    lender("create-layer", "--id", base)
    lender("applydiff", base, stdin=layer_tar())
    lender("create-layer", "--id", image, base)
    lender("create-image", "--id", "image", image)
    borrower = Storage(tmp_path / "borrower", lender)
    borrower("create-container", "--id", "guest", "image")
    borrower("create-layer", "--id", own)
    assert repair(borrower.home, foreign="repair")["findings"] == []
    lose_name(borrower.home, own)()
    whole = layout(borrower.home)
    assert [finding["subject"] for finding in repaired(borrower.home)["left"]] == [own]
    assert layout(borrower.home) == whole
    mounted = Path(borrower("mount", "guest"))
    assert (mounted / "first").read_bytes() == b"f" * 10
    borrower("unmount", "guest")
