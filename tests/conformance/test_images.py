# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archives that real tools write: our layers are the tree that the tool shows.

The tools are docker, podman, buildah, skopeo and umoci.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.modules import (
    overlay2_image,
    overlay2_image_info,
    overlay2_init,
    overlay2_layer,
    overlay2_mount,
)
from ansible_collections.strata.overlay2.tests import engines
from ansible_collections.strata.overlay2.tests.conformance.test_docker_store import (
    CAPABILITY,
    CHANGE,
    Entry,
    image_tar,
    ok,
    tree_of_directory,
)
from ansible_collections.strata.overlay2.tests.conformance.test_healthy_engines import Podman, run_directory
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import archive, member
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_archives import (
    Link,
    as_json,
    packed,
    saved,
)

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not engines.ENGINES, reason="needs the engines, which ./dev conformance unpacks"),
]

MORE = "rm -r /added && mkdir /added && echo again >/added/again && chown 9:9 /bin && : >/data/empty"
# Without the names that an engine makes for its containers.
MADE = ("dev", "proc", "sys", "run", ".dockerenv", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab")


def image_of(home: Path, path: Path, **params: t.Any) -> dict[str, t.Any]:
    """Have an image in the store at *home*, as check mode predicts, and once."""
    params = {"src": str(path), "remote_src": True, **params}
    predicted = ok(overlay2_image, home, **params, _ansible_check_mode=True)
    found = ok(overlay2_image, home, **params)
    assert (predicted["actions"], predicted["changed"]) == (found["actions"], found["changed"])
    again = ok(overlay2_image, home, **params)
    assert not again["changed"] and again["layers"] == found["layers"]
    return found


def tree_of(home: Path, image: dict[str, t.Any]) -> dict[str, Entry]:
    """Return what a job sees that works on an image in the store at *home*."""
    ok(overlay2_layer, home, id="job", parent=image["top"], read_write=True)
    try:
        found = tree_of_directory(Path(ok(overlay2_mount, home, id="job")["path"]))
    finally:
        ok(overlay2_mount, home, id="job", state="unmounted")
        ok(overlay2_layer, home, id="job", state="absent")
    return content_of(found)


def content_of(tree: dict[str, Entry]) -> dict[str, Entry]:
    return {name: entry for name, entry in tree.items() if not name.startswith(MADE)}


def assert_same_tree(ours: dict[str, Entry], its: dict[str, Entry]) -> None:
    assert sorted(ours) == sorted(its)
    assert {name: (ours[name], its[name]) for name in ours if ours[name] != its[name]} == {}
    assert ours["data/capable"].capability == CAPABILITY
    assert ours["data/null"].content == (1, 3)
    assert "data/gone" not in ours
    assert "added/again" in ours


@contextlib.contextmanager
def mounted(layers: str, at: Path) -> t.Iterator[Path]:
    at.mkdir()
    subprocess.run(["mount", "-t", "overlay", "-o", f"ro,lowerdir={layers}", "overlay", at], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True)


@pytest.fixture
def home(tmp_path):
    ok(overlay2_init, tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def docker(tmp_path):
    """dockerd, running, with the image base:1, and the image top:1 on it, of three layers."""
    made = engines.Docker(tmp_path / "docker")
    with made.running():
        made("import", "-", "base:1", stdin=image_tar())
        for number, (change, name) in enumerate(((CHANGE, "middle:1"), (MORE, "top:1"))):
            below = "middle:1" if number else "base:1"
            made("run", "--network=none", f"--name=step{number}", below, "/bin/sh", "-ec", change)
            made("commit", f"step{number}", name)
        yield made


def test_what_docker_saves_is_the_tree_that_docker_shows(docker, home, tmp_path):
    (tmp_path / "top.tar").write_bytes(docker.output("save", "top:1"))
    found = image_of(home, tmp_path / "top.tar")
    told = docker.inspect("top:1")
    assert found["image_id"] == told["Id"]
    assert [layer["diff_id"] for layer in found["layers"]] == told["RootFS"]["Layers"]
    assert any(name.endswith("top:1") for name in found["names"])
    data = told["GraphDriver"]["Data"]
    with mounted(f"{data['UpperDir']}:{data['LowerDir']}", tmp_path / "shown") as shown:
        its = content_of(tree_of_directory(shown))
    assert_same_tree(tree_of(home, found), its)


def test_images_that_docker_saves_together_share_their_layers(docker, home, tmp_path):
    (tmp_path / "all.tar").write_bytes(docker.output("save", "base:1", "top:1"))
    base = image_of(home, tmp_path / "all.tar", image=name_in(home, tmp_path / "all.tar", "base:1"))
    top = image_of(home, tmp_path / "all.tar", image=name_in(home, tmp_path / "all.tar", "top:1"))
    assert top["layers"][0]["id"] == base["top"]
    assert len(top["actions"]) == 3  # two layers and the record
    listed = ok(overlay2_image_info, home)["images"]
    assert {image["image_id"] for image in listed} == {docker.inspect(name)["Id"] for name in ("base:1", "top:1")}


def name_in(home: Path, path: Path, end: str) -> str:
    """Return the full name of an image in an archive. Versions of Docker write the name with or without a registry."""
    names = [name for image in ok(overlay2_image_info, home, src=str(path))["images"] for name in image["names"]]
    return next(name for name in names if name.endswith(end))


def run_in(root: Path, script: str) -> None:
    """Run a script in a mounted container: buildah's own way would need its libraries at the machine's paths."""
    proc = root / "proc"
    proc.mkdir()
    subprocess.run(["mount", "--bind", "/proc", proc], check=True)  # busybox starts its commands by /proc/self/exe
    try:
        command = ["chroot", str(root), "/bin/sh", "-ec", script]
        subprocess.run(command, check=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    finally:
        subprocess.run(["umount", proc], check=True)
        proc.rmdir()


@pytest.fixture
def podman(tmp_path):
    """podman and buildah, with the image localhost/top:1 of three layers."""
    with run_directory() as run:
        made = Podman(tmp_path / "podman", run)
        made("podman", "import", "-q", "-", "localhost/base:1", stdin=image_tar())
        for number, (change, name) in enumerate(((CHANGE, "middle"), (MORE, "top"))):
            below = "middle" if number else "base"
            made("buildah", "from", "--name", f"step{number}", f"localhost/{below}:1")
            run_in(Path(made("buildah", "mount", f"step{number}")), change)
            made("buildah", "umount", f"step{number}")
            made("buildah", "commit", "-q", f"step{number}", f"localhost/{name}:1")
        yield made
        engines.unmount_below(str(tmp_path / "podman"))
        engines.unmount_below(run)


def test_what_podman_and_buildah_write_is_the_tree_that_podman_shows(podman, home, tmp_path):
    told = json.loads(podman("podman", "image", "inspect", "localhost/top:1"))[0]
    shown = Path(podman("podman", "image", "mount", "localhost/top:1"))
    its = content_of(tree_of_directory(shown))
    podman("podman", "image", "unmount", "localhost/top:1")
    first: dict[str, t.Any] = {}
    for number, write in enumerate(WAYS.values()):
        path = tmp_path / f"written{number}"
        write(podman, path)
        found = image_of(home, path)
        if not first:
            first = found
            assert f"sha256:{told['Id']}" == found["image_id"]
            assert_same_tree(tree_of(home, found), its)
        assert [layer["diff_id"] for layer in found["layers"]] == told["RootFS"]["Layers"]
        assert found["top"] == first["top"]
        assert found["platform"] == ok(overlay2_image_info, home, chain_ids=[])["platform"]
    assert len(os.listdir(home / "l")) == len(first["layers"])  # each layer was made once


Write = t.Callable[[Podman, Path], object]


def _saved(form: str) -> Write:
    return lambda podman, path: podman(
        "podman", "save", "-q", f"--format={form}", f"--output={path}", "localhost/top:1"
    )


def _pushed(form: str, *options: str) -> Write:
    return lambda podman, path: podman("buildah", "push", "-q", *options, "localhost/top:1", f"{form}:{path}")


WAYS = {
    "podman save, an OCI archive": _saved("oci-archive"),
    "podman save, as docker save": _saved("docker-archive"),
    "podman save, an OCI directory": _saved("oci-dir"),
    "buildah push, an OCI layout of gzip layers": _pushed("oci", "--compression-format=gzip"),
    "buildah push, an OCI archive of zstd layers": _pushed("oci-archive", "--compression-format=zstd"),
}


def tool(*words: str) -> None:
    """Run skopeo or umoci."""
    done = subprocess.run(words, env=engines.environment(HOME="/"), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture
def layout(podman, tmp_path):
    """An OCI image layout that skopeo wrote, with the image top."""
    _saved("oci-archive")(podman, tmp_path / "from")
    tool("skopeo", "--insecure-policy", "copy", f"oci-archive:{tmp_path}/from", f"oci:{tmp_path}/layout:top")
    return tmp_path / "layout"


@pytest.mark.parametrize(
    "options",
    [
        ("oci-archive:{}:top",),
        ("docker-archive:{}:localhost/top:1",),
        ("--dest-compress-format=zstd", "--dest-compress", "oci:{}:top"),
        ("--format=v2s2", "oci-archive:{}:top"),
    ],
    ids=["OCI archive", "docker archive", "zstd layout", "Docker's manifest"],
)
def test_what_skopeo_copies_is_the_same_image(layout, home, tmp_path, options):
    first = image_of(home, layout)
    *more, to = options
    tool("skopeo", "--insecure-policy", "copy", *more, f"oci:{layout}:top", to.format(tmp_path / "copy"))
    found = image_of(home, tmp_path / "copy")
    assert found["chain_ids"] == first["chain_ids"]
    assert found["top"] == first["top"]


def test_what_umoci_writes_is_the_tree_that_umoci_unpacks(layout, home, tmp_path):
    tool("umoci", "unpack", "--image", f"{layout}:top", str(tmp_path / "bundle"))
    root = tmp_path / "bundle/rootfs"
    (root / "data/second").unlink()
    (root / "data/more").write_text("by umoci")
    # umoci compares whole seconds: a directory that changed within the second of its entry is not written again.
    os.utime(root / "data", (1_700_000_000, 1_700_000_000))
    tool("umoci", "repack", "--image", f"{layout}:more", str(tmp_path / "bundle"))
    first = image_of(home, layout, image="top")
    found = image_of(home, layout, image="more")
    assert found["chain_ids"][:-1] == first["chain_ids"]
    tool("umoci", "unpack", "--image", f"{layout}:more", str(tmp_path / "again"))
    its = content_of(tree_of_directory(tmp_path / "again/rootfs"))
    assert "data/second" not in its
    assert_same_tree(tree_of(home, found), its)


def export(home: Path, dest: Path, found: dict[str, t.Any], **params: t.Any) -> dict[str, t.Any]:
    """Write an image of the store at *home* to *dest*, as it came in, and once."""
    params = {"state": "exported", "image_id": found["image_id"], "dest": str(dest), **params}
    told = ok(overlay2_image, home, **params)
    assert (told["changed"], told["exact"], told["image_id"]) == (True, True, found["image_id"])
    assert [layer["diff_id"] for layer in told["layers"]] == [layer["diff_id"] for layer in found["layers"]]
    assert not ok(overlay2_image, home, **params)["changed"]
    return told


@pytest.mark.parametrize(("form", "compression"), [("oci", "none"), ("oci", "gzip"), ("docker", "none")])
def test_docker_loads_what_goes_out(form, compression, docker, home, tmp_path):
    (tmp_path / "top.tar").write_bytes(docker.output("save", "top:1"))
    found = image_of(home, tmp_path / "top.tar")
    names = ["localhost/out:1", "localhost/out:2"]
    export(home, tmp_path / "out.tar", found, format=form, compression=compression, names=names)
    other = engines.Docker(tmp_path / "other")
    with other.running():
        other("load", stdin=(tmp_path / "out.tar").read_bytes())
        for name in names:
            told = other.inspect(name)
            assert told["Id"] == found["image_id"]
            assert told["RootFS"]["Layers"] == [layer["diff_id"] for layer in found["layers"]]
        data = told["GraphDriver"]["Data"]
        with mounted(f"{data['UpperDir']}:{data['LowerDir']}", tmp_path / "shown") as shown:
            its = content_of(tree_of_directory(shown))
    assert_same_tree(tree_of(home, found), its)


@pytest.mark.parametrize(("form", "compression"), [("oci", "none"), ("oci", "zstd"), ("docker", "none")])
def test_podman_loads_what_goes_out(form, compression, podman, home, tmp_path):
    _saved("oci-archive")(podman, tmp_path / "top.tar")
    found = image_of(home, tmp_path / "top.tar")
    export(home, tmp_path / "out.tar", found, format=form, compression=compression, names=["localhost/out:1"])
    podman("podman", "rmi", "-f", "localhost/top:1")
    podman("podman", "load", "-q", "-i", str(tmp_path / "out.tar"))
    told = json.loads(podman("podman", "image", "inspect", "localhost/out:1"))[0]
    assert f"sha256:{told['Id']}" == found["image_id"]
    assert told["RootFS"]["Layers"] == [layer["diff_id"] for layer in found["layers"]]


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_skopeo_and_umoci_read_what_goes_out(compression, layout, home, tmp_path):
    found = image_of(home, layout)
    told = export(home, tmp_path / "out.tar", found, compression=compression, names=["localhost/out:1"])
    export(home, tmp_path / "docker.tar", found, format="docker", compression=compression, names=["localhost/out:1"])
    policy = ("skopeo", "--insecure-policy", "copy")
    tool(*policy, f"oci-archive:{tmp_path}/out.tar", f"oci:{tmp_path}/copy:out")
    tool(*policy, f"docker-archive:{tmp_path}/docker.tar", f"oci:{tmp_path}/second:out")
    for copy in ("copy", "second"):
        assert image_of(home, tmp_path / copy)["chain_ids"] == found["chain_ids"]
    assert ok(overlay2_image_info, home, src=str(tmp_path / "copy"))["images"][0]["image_id"] == told["image_id"]
    if compression != "zstd":  # which this umoci does not read
        tool("umoci", "unpack", "--image", f"{tmp_path}/copy:out", str(tmp_path / "bundle"))
        assert_same_tree(tree_of(home, found), content_of(tree_of_directory(tmp_path / "bundle/rootfs")))


def test_a_delta_of_what_docker_saved_is_the_whole_on_its_base(docker, home, tmp_path):
    for name in ("base", "top"):
        (tmp_path / f"{name}.tar").write_bytes(docker.output("save", f"{name}:1"))
    found = image_of(home, tmp_path / "top.tar")
    other = tmp_path / "other"
    ok(overlay2_init, other)
    base = image_of(other, tmp_path / "base.tar")
    export(home, tmp_path / "delta.tar", found, has=base["chain_ids"])
    assert (tmp_path / "delta.tar").stat().st_size < (tmp_path / "top.tar").stat().st_size // 2
    assert image_of(other, tmp_path / "delta.tar")["chain_ids"] == found["chain_ids"]
    assert_same_tree(tree_of(other, image_of(other, tmp_path / "delta.tar")), tree_of(home, found))


def test_docker_and_we_load_an_archive_whose_layer_lies_behind_a_link_in_the_place_of_a_directory(
    docker, home, tmp_path
):
    files = saved(([archive(member("file", body=b"x"))], ["linked:1"]))
    (listed,) = json.loads(files["manifest.json"])
    real = listed["Layers"][0].partition("/")[0]
    listed["Layers"] = ["second/layer.tar"]
    files |= {"first": Link(real), "second": Link("./first"), "manifest.json": as_json([listed])}
    (tmp_path / "linked.tar").write_bytes(packed(files))
    docker("load", stdin=(tmp_path / "linked.tar").read_bytes())
    found = image_of(home, tmp_path / "linked.tar")
    told = docker.inspect("linked:1")
    assert (told["Id"], len(told["RootFS"]["Layers"])) == (found["image_id"], 1)
