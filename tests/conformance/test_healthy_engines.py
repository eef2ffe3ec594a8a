# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores of the real podman, buildah and dockerd: health finds nothing until there is damage, and hints help."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.modules import overlay2_facts, overlay2_repair
from ansible_collections.strata.overlay2.tests import engines, modules

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not engines.ENGINES, reason="needs the engines, which ./dev conformance unpacks"),
]


def health(home: Path) -> list[dict[str, t.Any]]:
    result = modules.run_module(overlay2_facts.main, {"home": str(home), "gather_subset": ["layers", "health"]})
    assert result is not None and not result.get("failed"), result
    told = result["ansible_facts"]["overlay2"]
    damaged = [problem for problem in told["problems"] if problem["code"] == "damaged_layers"]
    assert not damaged or told["health"]
    return t.cast("list[dict[str, t.Any]]", told["health"])


def image_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in (("bin/sh", engines.busybox().read_bytes()), ("file", b"content")):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def command_of(finding: dict[str, t.Any]) -> str:
    found = re.search("`([^`]+)`", finding["hint"])
    assert found, finding["hint"]
    return found.group(1)


class Podman:
    """podman and buildah on a store of a test's own."""

    def __init__(self, root: Path, run: str) -> None:
        self.root = root
        self.run = run
        self.home = root / "graph/overlay"
        (root / ".config/containers").mkdir(parents=True)
        (root / ".config/containers/policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        (root / "registries.conf").write_text("")
        runc = f'runtime = "runc"\n[engine.runtimes]\nrunc = ["{engines.ENGINES}/usr/sbin/runc"]'
        if not os.path.exists(f"{engines.ENGINES}/usr/sbin/runc"):
            runc = runc.replace("/usr/sbin/runc", "/usr/bin/runc")
        conmon = f'conmon_path = ["{engines.ENGINES}/usr/bin/conmon"]'
        helpers = f'helper_binaries_dir = ["{engines.ENGINES}/usr/lib/podman"]'
        (root / "containers.conf").write_text(
            f'[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n{conmon}\n{helpers}\n{runc}\n'
        )

    def __call__(self, program: str, *words: str, stdin: bytes = b"") -> str:
        places = ["--root", str(self.root / "graph"), "--runroot", self.run, "--storage-driver", "overlay"]
        done = subprocess.run(
            [program, *places, *words], env=self.environment(), input=stdin, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def environment(self) -> dict[str, str]:
        return engines.environment(
            HOME=str(self.root),
            CONTAINERS_CONF=str(self.root / "containers.conf"),
            CONTAINERS_REGISTRIES_CONF=str(self.root / "registries.conf"),
        )

    def follow(self, command: str) -> None:
        """Run a command of a hint; the hint names no store because it is about the default store."""
        for part in command.split(" && "):
            program, *words = part.split()
            self(program, *words)


@contextlib.contextmanager
def run_directory() -> t.Iterator[str]:
    """Give a directory for what podman keeps while it runs, with a short name, as podman wants it."""
    # A container that has ended is cleaned up in the background, so podman may still write here.
    with tempfile.TemporaryDirectory(prefix="strata-podman-", dir="/tmp", ignore_cleanup_errors=True) as run:
        yield run


@pytest.fixture
def podman(tmp_path):
    with run_directory() as run:
        made = Podman(tmp_path, run)
        yield made
        engines.unmount_below(str(tmp_path))
        engines.unmount_below(run)


def fill(podman: Podman) -> None:
    """Have an image, one built by buildah on it, a container that was never started, and one of buildah."""
    podman("podman", "import", "-q", "-", "localhost/base:1", stdin=image_tar())
    podman("buildah", "from", "--name", "building", "localhost/base:1")
    mounted = Path(podman("buildah", "mount", "building"))
    (mounted / "built").write_text("more")
    podman("buildah", "umount", "building")
    podman("podman", "create", "--name", "idle", "--network", "none", "localhost/base:1", "/bin/sh")
    podman("buildah", "commit", "-q", "building", "localhost/built:1")


def test_nothing_is_wrong_in_a_store_of_podman_and_buildah(podman):
    podman("podman", "info")
    assert health(podman.home) == []
    fill(podman)
    assert health(podman.home) == []
    podman(
        "podman",
        "run",
        "--name",
        "live",
        "--detach",
        "--network",
        "none",
        "localhost/base:1",
        "/bin/sh",
        "-c",
        "sleep 600",
    )
    try:
        assert health(podman.home) == []
    finally:
        podman("podman", "rm", "--force", "--time", "0", "live")
    Path(podman("buildah", "mount", "building"), "file").write_text("while it is mounted")
    assert health(podman.home) == []


@pytest.mark.parametrize("what", ["container", "image"])
def test_a_layer_that_podman_records_and_that_is_gone_is_told_with_who_needs_it(podman, what):
    fill(podman)
    layers = {
        layer["id"]: layer for layer in json.loads((podman.root / "graph/overlay-layers/layers.json").read_text())
    }
    name, kind = ("idle", "containers") if what == "container" else ("localhost/built:1", "images")
    (layer,) = [
        record["layer"]
        for record in json.loads((podman.root / f"graph/overlay-{kind}/{kind}.json").read_text())
        if name in record["names"]
    ]
    assert layer in layers
    shutil.rmtree(podman.home / layer)
    told = {(found["code"], found["subject"]): found for found in health(podman.home)}
    found = told["layer_gone", layer]
    assert f"{what} {name}" in found["message"] and name in command_of(found)
    assert found["path"].endswith("overlay-layers/layers.json")
    podman.follow(command_of(found))
    assert [found for found in health(podman.home) if found["code"] == "layer_gone"] == []


def test_a_lost_name_is_mended_by_the_module_that_is_told(podman):
    fill(podman)
    (podman.home / "l" / os.listdir(podman.home / "l")[0]).unlink()
    lost = [found for found in health(podman.home) if found["code"] == "link_missing"]
    assert lost[0]["hint"].startswith("end podman and buildah: then strata.overlay2.overlay2_repair")
    done = modules.run_module(overlay2_repair.main, {"home": str(podman.home), "foreign": "repair"})
    assert done is not None and done["changed"] and done["left"] == []
    assert health(podman.home) == []


@pytest.fixture
def docker(tmp_path):
    """dockerd, running, with an image, a stopped container and one that was never started."""
    made = engines.Docker(tmp_path / "docker")
    with made.running():
        made("import", "-", "base", stdin=image_tar())
        made("run", "--network=none", "--name=changed", "base", "/bin/sh", "-ec", "echo changed >/made")
        made("create", "--network=none", "--name=idle", "base", "/bin/sh")
        yield made


def test_nothing_is_wrong_in_a_store_of_docker(docker, tmp_path):
    assert health(docker.home) == []
    docker("run", "--detach", "--network=none", "--name=live", "base", "/bin/sh", "-c", "sleep 600")
    assert health(docker.home) == []
    docker("commit", "changed", "top")
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text('FROM top\nRUN ["/bin/sh", "-c", "echo built >/built"]\n')
    docker("build", "--network=none", "--tag=built", str(tmp_path / "context"))
    assert health(docker.home) == []
    docker("rm", "--force", "live")
    docker.end()
    assert health(docker.home) == []


@pytest.mark.parametrize("what", ["container", "image"])
def test_a_layer_that_docker_records_and_that_is_gone_is_told_with_who_needs_it(docker, what):
    name = "idle" if what == "container" else "base:latest"
    data = docker.inspect(name)["GraphDriver"]["Data"]
    layer = os.path.basename(os.path.dirname(data["UpperDir"]))
    if what == "image":
        docker("rm", "idle", "changed")
    shutil.rmtree(docker.home / layer)
    told = {(found["code"], found["subject"]): found for found in health(docker.home)}
    found = told["layer_gone", layer]
    assert f"{what} {name}" in found["message"] and "image/overlay2/layerdb/" in found["path"]
    program, *words = command_of(found).split()
    assert program == "docker"
    docker(*words)
    assert [found for found in health(docker.home) if found["code"] == "layer_gone"] == []
