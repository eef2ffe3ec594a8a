# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stores of real engines on one host: which are found and in use, and what their layers are used for."""

from __future__ import annotations

import io
import os
import pwd
import subprocess
import tarfile
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host import homes
from ansible_collections.strata.overlay2.plugins.modules import overlay2_facts
from ansible_collections.strata.overlay2.tests import engines, modules
from ansible_collections.strata.overlay2.tests.containerd import OVERLAYFS, Containerd, image_tar, layer_tar

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not engines.ENGINES, reason="needs the engines, which ./dev conformance unpacks"),
]

DOCKERFILE = b"""FROM base
RUN ["/bin/busybox", "touch", "/one"]
RUN ["/bin/busybox", "touch", "/two"]
"""


def facts(home: Path | str, subset: str, **params: t.Any) -> t.Any:
    result = modules.run_module(overlay2_facts.main, {"home": str(home), "gather_subset": [subset], **params})
    assert result is not None and not result.get("failed"), result
    return result["ansible_facts"]["overlay2"][subset]


def stores() -> dict[str, dict[str, t.Any]]:
    """Return by home the stores of the host that are found without a hint."""
    return {store["home"]: store for store in facts("/var/lib/overlay2", "stores")}


def busybox_tar() -> bytes:
    return layer_tar({"bin/busybox": engines.busybox().read_bytes()})


@pytest.fixture
def docker(tmp_path: Path) -> t.Iterator[engines.Docker]:
    made = engines.Docker(tmp_path.resolve() / "docker")
    with made.running():
        made("import", "-", "base", stdin=busybox_tar())
        yield made


def build(docker: engines.Docker) -> None:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(DOCKERFILE)
        tar.addfile(info, io.BytesIO(DOCKERFILE))
    docker("build", "--network=none", "--tag=built", "-", stdin=context.getvalue())


def layers_of(docker: engines.Docker, name: str) -> list[str]:
    """Return the layers of an image or a container, its own first, as Docker tells them."""
    data = docker.inspect(name)["GraphDriver"]["Data"]
    paths = [data["UpperDir"], *filter(None, data.get("LowerDir", "").split(":"))]
    return [Path(path).parent.name for path in paths]


def test_docker_is_found_by_its_lock_and_its_mounts(docker: engines.Docker) -> None:
    store = stores()[str(docker.home)]
    assert (store["engine"], store["state"], store["found_by"]) == ("docker", "active", ["argument", "lock"])
    assert store["process"]["command"] == "dockerd"
    assert store["layers"] == 1
    assert store["bytes"] == engines.busybox().stat().st_size
    docker("run", "--detach", "--network=none", "--name=sleeps", "base", "/bin/busybox", "sleep", "1000")
    store = stores()[str(docker.home)]
    assert (store["state"], store["mounted"], store["found_by"]) == ("active", 1, ["argument", "lock", "mount"])
    docker("rm", "--force", "sleeps")
    docker.end()
    assert str(docker.home) not in stores()
    (store,) = (one for one in facts("/x", "stores", roots=[str(docker.root)]) if one["home"] == str(docker.home))
    assert store["state"] in ("idle", "unknown")
    assert (store["process"], store["unneeded"]) == (None, [])
    docker.start()


def test_the_layers_of_docker_are_those_of_its_images_containers_and_build_cache(docker: engines.Docker) -> None:
    build(docker)
    docker("create", "--name=idle", "built", "/bin/busybox", "true")
    own, init, *image = layers_of(docker, "idle")
    base = image[-1]
    owners = facts(docker.home, "owners")
    assert owners.keys() == {path.name for path in docker.home.iterdir()} - {"l"}

    def uses(layer: str) -> set[tuple[str, str | None]]:
        return {(owner["kind"], owner["name"]) for owner in owners[layer]}

    assert uses(own) == uses(init) == {("container", "idle")}
    assert ("image", "built:latest") in uses(image[0])
    assert {("image", "base:latest"), ("image", "built:latest"), ("container", "idle")} <= uses(base)
    assert ("build_cache", None) in uses(image[0])
    assert {owner["id"] for owner in owners[own]} == {docker.inspect("idle")["Id"]}

    docker("rm", "idle")
    docker("rmi", "built")
    owners = facts(docker.home, "owners")
    assert uses(image[0]) == {("build_cache", None)}
    docker("builder", "prune", "--force", "--all")
    assert image[0] not in facts(docker.home, "owners")


def test_containerd_is_found_by_its_lock_and_its_snapshots_have_owners(tmp_path: Path) -> None:
    containerd = Containerd(tmp_path.resolve() / "root")
    name = "docker.io/test/app:latest"
    with containerd.running():
        containerd(
            "images", "import", str(image_tar(tmp_path / "app.tar", name, [busybox_tar(), layer_tar({"x": b"y"})]))
        )
        labels = ["--label", "io.kubernetes.pod.name=web", "--label", "io.kubernetes.pod.namespace=shop"]
        containerd("containers", "create", *labels, name, "c0ffee")
        home = str(containerd.root / OVERLAYFS)
        store = stores()[home]
        assert (store["engine"], store["kind"], store["state"]) == ("containerd", "overlayfs", "active")
        assert store["process"] == {"pid": containerd.pid, "command": "containerd"}
        assert store["found_by"] == ["argument", "lock"]
        assert (store["layers"], store["unneeded"]) == (3, [])
        assert store["namespaces"]["default"] == {
            "layers": 3,
            "bytes": store["bytes"],
            "images": 1,
            "containers": 1,
        }
        assert facts(home, "owners").keys() == {"1", "2", "3"}
        owners = facts(f"{home}/snapshots", "owners", ids=["1", "3"])
        container = {"kind": "container", "name": "c0ffee", "id": "c0ffee", "namespace": "default", "pod": "shop/web"}
        assert owners["3"] == [container]
        assert [(one["kind"], one["name"]) for one in owners["1"]] == [("image", name), ("container", "c0ffee")]
    assert home not in stores()


GAMES = pwd.getpwnam("games")
AS_THE_USER = """
mount --bind "$1" "$2/engines"
shift 2
exec setpriv --reuid=games --regid=games --clear-groups unshare --user --map-root-user "$@"
"""


@pytest.fixture
def home() -> t.Iterator[Path]:
    """Give a home, and a place for the engines, that a user can reach."""
    with tempfile.TemporaryDirectory(prefix="strata-stores-", dir="/tmp") as top:
        os.chmod(top, 0o755)
        for name in ("home", "home/.config", "home/.config/containers", "home/data", "home/run", "engines"):
            Path(top, name).mkdir()
            os.chown(f"{top}/{name}", GAMES.pw_uid, GAMES.pw_gid)
        yield Path(top, "home").resolve()


@pytest.mark.parametrize("place", ["graphroot", "rootless_storage_path"])
def test_the_store_is_found_that_an_engine_of_a_user_makes_as_the_users_storage_conf_says(home, place: str) -> None:
    config = home / ".config/containers/storage.conf"
    config.write_text(f'[storage]\ndriver = "vfs"\n{place} = "${{HOME}}/data/$USER-$UID"\nrunroot = "{home}/run"\n')
    environment = {
        key: value.replace(engines.ENGINES, f"{home.parent}/engines") for key, value in engines.environment().items()
    }
    environment.update(HOME=str(home), USER="games", XDG_RUNTIME_DIR=f"{home}/run")
    # What podman sets for itself after it has made a user namespace; here, unshare makes it.
    environment.update(_CONTAINERS_USERNS_CONFIGURED="done", _CONTAINERS_ROOTLESS_UID=str(GAMES.pw_uid))
    script = ["unshare", "--mount", "sh", "-euc", AS_THE_USER, "sh", engines.ENGINES, str(home.parent)]
    subprocess.run([*script, "containers-storage", "create-layer", "--id", "a" * 64], env=environment, check=True)
    (home.parent / "passwd").write_text(f"games:x:{GAMES.pw_uid}:1::{home}:/bin/sh\n")

    def with_the_home() -> None:
        homes._PASSWD = str(home.parent / "passwd")

    asked = {"home": "/x", "gather_subset": ["stores"]}
    result = modules.run_module(overlay2_facts.main, asked, with_the_home)
    assert result is not None and not result.get("failed"), result
    (store,) = (one for one in result["ansible_facts"]["overlay2"]["stores"] if one["home"].startswith(str(home)))
    assert store["home"] == f"{home}/data/games-{GAMES.pw_uid}/vfs"
    assert (store["engine"], store["kind"], store["owner"], store["layers"]) == (
        "containers-storage",
        "vfs",
        "games",
        1,
    )
    assert store["found_by"] == ["config"]


def test_a_store_of_podman_has_owners(tmp_path: Path) -> None:
    places = ["--graph", str(tmp_path / "graph"), "--run", str(tmp_path / "run"), "--storage-driver", "overlay"]

    def storage(*words: str, stdin: bytes = b"") -> None:
        command = ["containers-storage", *places, *words]
        subprocess.run(command, env=engines.environment(), input=stdin, capture_output=True, check=True)

    base, app, lone = ("a" * 64, "b" * 64, "c" * 64)
    storage("create-layer", "--id", base)
    storage("applydiff", base, stdin=layer_tar({"file": b"x" * 100}))
    storage("create-layer", "--id", app, base)
    storage("create-image", "--id", "image", app)
    storage("create-container", "--id", "container", "image")
    storage("create-layer", "--id", lone)
    try:
        owners = facts(tmp_path / "graph/overlay", "owners")
        told = {id: [(owner["kind"], owner["id"]) for owner in uses] for id, uses in owners.items()}
        (own,) = told.keys() - {base, app, lone}
        assert told[base] == told[app] == [("container", "container"), ("image", "image")]
        assert told[own] == [("container", "container")]
        assert told[lone] == []
        roots = [str(tmp_path / "graph")]
        (store,) = (
            one for one in facts("/x", "stores", roots=roots) if one["root"] == str(tmp_path.resolve() / "graph")
        )
        assert (store["engine"], store["layers"]) == ("containers-storage", 4)
    finally:
        engines.unmount_below(str(tmp_path))
