# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real dockerd: our modules and dockerd agree about its store, and dockerd works on our layers."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import time
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
from ansible_collections.strata.overlay2.tests import engines, modules

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not engines.ENGINES, reason="needs the engines, which ./dev conformance unpacks"),
]

CAPABILITY = b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"  # cap_net_bind_service
CHANGE = """
rm /data/gone /data/first
rm -r /data/replaced /data/tree && mkdir -m 750 /data/replaced && echo new >/data/replaced/new
chmod 4711 /data/mode && chown 7:8 /data/owner && echo more >>/data/grown && mv /data/moved /data/elsewhere
mkdir -p /added/below && echo x >/added/below/file && ln /added/below/file /added/link && ln -s nowhere /added/symlink
mkfifo /added/fifo && rm /data/kind && mkdir /data/kind && touch -d @1000000000 /data/old
"""


def run(module: t.Any, home: Path, **params: t.Any) -> dict[str, t.Any]:
    result = modules.run_module(module.main, {"home": str(home), **params})
    assert result is not None
    return result


def ok(module: t.Any, home: Path, **params: t.Any) -> dict[str, t.Any]:
    result = run(module, home, **params)
    assert not result.get("failed"), result.get("msg")
    return result


def facts(home: Path, *subsets: str) -> dict[str, t.Any]:
    found = ok(overlay2_facts, home, gather_subset=["status", *subsets])["ansible_facts"]["overlay2"]
    return t.cast("dict[str, t.Any]", found)


def orphans(home: Path) -> list[str]:
    findings = facts(home, "health")["health"]
    assert [finding for finding in findings if finding["code"] == "store_file_unreadable"] == []
    return [finding["subject"] for finding in findings if finding["code"] == "orphan"]


def pruned(home: Path, **params: t.Any) -> dict[str, t.Any]:
    """Prune orphans, and check that the prediction was right."""
    params = {"orphans_only": True, **params}
    check = ok(overlay2_prune, home, **params, _ansible_check_mode=True)
    done = ok(overlay2_prune, home, **params)
    assert {key: check[key] for key in ("actions", "remove_bytes", "litter")} == {
        key: done[key] for key in ("actions", "remove_bytes", "litter")
    }
    return done


def reported(home: Path) -> list[str]:
    """Return the reported orphans, after a check that the report has only their sizes."""
    told = pruned(home)
    assert not told["changed"]
    found = [layer for layer in told["layers"] if layer["reason"].startswith("orphan")]
    for layer in found:
        du = subprocess.run(
            ["du", "--block-size=1", "--summarize", home / layer["id"]], capture_output=True, check=True
        )
        inodes = layer["bytes_exclusive"] + layer["bytes_shared"] - int(du.stdout.split()[0])
        assert inodes in (0, 512 * layer["inodes"])  # XFS frees these, too
    assert [layer["id"] for layer in found] == orphans(home)
    return [layer["id"] for layer in found]


def image_tar() -> bytes:
    """Return the tar of an image: a shell, and of each kind of entry one."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:

        def add(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **fields: t.Any) -> None:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.mtime = kind, len(content), 1_500_000_000
            info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
            for field, value in fields.items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(content))

        for name in ("bin", "data", "data/replaced", "data/tree", "data/tree/deep", "etc"):
            add(name, tarfile.DIRTYPE)
        add("tmp", tarfile.DIRTYPE, mode=0o1777, uid=3, gid=4)
        add("bin/busybox", content=engines.busybox().read_bytes(), mode=0o755)
        add("bin/sh", tarfile.SYMTYPE, linkname="busybox")
        for name in ("gone", "mode", "owner", "grown", "moved", "kind", "old", "replaced/old", "tree/deep/file"):
            add(f"data/{name}", content=name.encode() * 100)
        add("data/first", content=b"linked")
        add("data/second", tarfile.LNKTYPE, linkname="data/first")
        add("data/set-uid", mode=0o6755, uid=1000, gid=2000, content=b"#!/bin/sh\n")
        capable = {"SCHILY.xattr.security.capability": CAPABILITY.decode()}
        add("data/capable", mode=0o755, content=b"binary", pax_headers=capable)
        add("data/" + "ü" * 60, content=b"long name")
        add("data/fifo", tarfile.FIFOTYPE, mode=0o600)
        add("data/null", tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3)
    return out.getvalue()


@pytest.fixture
def docker(tmp_path):
    """dockerd, running, with the image base, the container changed, the image top of that, and the container idle."""
    made = engines.Docker(tmp_path / "docker")
    with made.running():
        made("import", "-", "base", stdin=image_tar())
        made("run", "--network=none", "--name=changed", "base", "/bin/sh", "-ec", CHANGE)
        made("commit", "changed", "top")
        made("create", "--network=none", "--name=idle", "top", "/bin/busybox", "true")
        yield made


def layers_of(docker: engines.Docker, name: str) -> list[str]:
    """Return the ids of the layers of an image or a container, its own first, going by what Docker says."""
    data = docker.inspect(name)["GraphDriver"]["Data"]
    paths = [data["UpperDir"], *filter(None, data.get("LowerDir", "").split(":"))]
    return [os.path.basename(os.path.dirname(path)) for path in paths]


def test_facts_are_what_docker_tells(docker):
    told = facts(docker.home, "layers")
    assert told["managed_by"] == "docker"
    rows = dict(docker.info("DriverStatus"))
    assert rows and {name: told["status"].get(name) for name in rows} == rows
    for name in ("base", "top", "changed", "idle"):
        data = docker.inspect(name)["GraphDriver"]["Data"]
        data.pop("ID", None)  # Docker 29 adds it
        layer = told["layers"][layers_of(docker, name)[0]]
        ours = {
            "LowerDir": ":".join(layer["lower_dirs"]),
            "MergedDir": layer["merged_dir"],
            "UpperDir": layer["upper_dir"],
            "WorkDir": layer["work_dir"],
        }
        assert {key: value for key, value in ours.items() if value or key in data} == data
        assert layer["read_write"] is None
    assert sorted(told["layers"]) == sorted({id for name in ("changed", "idle") for id in layers_of(docker, name)})


def test_what_is_told_is_docker_diff(docker):
    letters = {"added": "A", "modified": "C", "deleted": "D"}
    for name in ("changed", "idle"):
        found = ok(overlay2_diff_info, docker.home, id=layers_of(docker, name)[0])
        changes = [f"{letters[change['kind']]} {change['path']}" for change in found["changes"]]
        assert changes == sorted(docker("diff", name).splitlines(), key=lambda line: line[2:])
    assert ok(overlay2_diff_info, docker.home, id=layers_of(docker, "changed")[0])["summary"]["deleted"] > 2


class Entry(t.NamedTuple):
    """A name in a tree. content: digest of a file, target of a symlink, number of a device; links: all its names."""

    mode: int
    owner: tuple[int, int]
    mtime: int
    content: str | tuple[int, int]
    capability: bytes
    links: frozenset[str]


def tree_of_tar(data: bytes) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    links: dict[str, set[str]] = {}
    kinds = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK, tarfile.FIFOTYPE: stat.S_IFIFO}
    kinds.update({tarfile.REGTYPE: stat.S_IFREG, tarfile.CHRTYPE: stat.S_IFCHR})
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for info in tar:
            links.setdefault(info.linkname if info.islnk() else info.name, set()).add(info.name)
            if info.islnk():
                continue
            content: str | tuple[int, int] = (info.devmajor, info.devminor) if info.ischr() else info.linkname
            if info.isreg():
                content = hashlib.sha256(tar.extractfile(info).read()).hexdigest()  # type: ignore[union-attr]
            mode, owner = info.mode | kinds[info.type], (info.uid, info.gid)
            capability = info.pax_headers.get("SCHILY.xattr.security.capability", "").encode()
            found[info.name] = Entry(mode, owner, int(info.mtime), content, capability, frozenset())
    return {
        name: found[first]._replace(links=frozenset(names) if not stat.S_ISDIR(found[first].mode) else frozenset())
        for first, names in links.items()
        for name in names
    }


def tree_of_directory(root: Path) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    inodes: dict[int, set[str]] = {}
    for path in sorted(root.rglob("*")):
        name, info = str(path.relative_to(root)), path.lstat()
        content: str | tuple[int, int] = ""
        capability = b""
        if path.is_symlink():
            content = os.readlink(path)
        elif stat.S_ISREG(info.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            if "security.capability" in os.listxattr(path):
                capability = os.getxattr(path, "security.capability")
        elif stat.S_ISCHR(info.st_mode):
            content = (os.major(info.st_rdev), os.minor(info.st_rdev))
        names = inodes.setdefault(info.st_ino, set()) if not path.is_dir() or path.is_symlink() else set()
        names.add(name)
        owner = (info.st_uid, info.st_gid)
        found[name] = Entry(info.st_mode, owner, int(info.st_mtime), content, capability, frozenset())
        inodes.setdefault(-info.st_ino, set()).add(name)
    shared = {name: frozenset(names) for names in inodes.values() for name in names}
    return {
        name: entry._replace(links=shared[name] if not stat.S_ISDIR(entry.mode) else frozenset())
        for name, entry in found.items()
    }


def export(docker: engines.Docker, layer_id: str, directory: Path) -> tuple[Path, str]:
    """Export a layer of Docker's; return its tar and its diff id."""
    dest = directory / f"{layer_id}.tar"
    result = ok(overlay2_diff, docker.home, id=layer_id, state="exported", dest=str(dest))
    return dest, result["diff_id"]


def test_its_layers_in_a_store_of_ours_are_the_tree_it_exports(docker, tmp_path):
    ids = layers_of(docker, "idle")
    home = tmp_path / "store"
    ok(overlay2_init, home)
    parent = ""
    for layer_id in reversed(ids):
        tar, diff_id = export(docker, layer_id, tmp_path)
        ok(overlay2_layer, home, id=layer_id, parent=parent)
        ok(overlay2_diff, home, id=layer_id, state="applied", src=str(tar), remote_src=True, diff_id=diff_id)
        parent = layer_id
    try:
        merged = Path(ok(overlay2_mount, home, id=ids[0])["path"])
        ours, its = tree_of_directory(merged), tree_of_tar(docker.output("export", "idle"))
        assert sorted(ours) == sorted(its)
        assert {name: (ours[name], its[name]) for name in ours if ours[name] != its[name]} == {}
        assert its["data/capable"].capability == CAPABILITY
        assert its["data/second"].links == {"data/second"} and its["added/link"].links == {
            "added/link",
            "added/below/file",
        }
    finally:
        ok(overlay2_init, home, state="unmounted", force=True)


def entries(tar: bytes) -> list[tuple[t.Any, ...]]:
    """Return a tar's entries by name, without the fields that differ in older versions of Docker."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        return [
            (info.name, info.type, info.linkname, info.mode & 0o7777, info.uid, info.gid, info.size, info.mtime, *pax)
            for info in opened
            for pax in [sorted(info.pax_headers.items())]
        ]


def saved_layers(docker: engines.Docker, image: str) -> list[bytes]:
    """Return the layers' tars in what ``docker save`` writes, the base first."""
    with tarfile.open(fileobj=io.BytesIO(docker.output("save", image))) as saved:

        def content(name: str) -> bytes:
            return saved.extractfile(name).read()  # type: ignore[union-attr]

        return [content(name) for name in json.loads(content("manifest.json"))[0]["Layers"]]


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def test_a_layer_docker_unpacked_is_exported_as_the_tar_it_was(docker, tmp_path):
    tar, diff_id = export(docker, layers_of(docker, "base")[0], tmp_path)
    docker("import", "-", "again", stdin=tar.read_bytes())
    assert docker.inspect("again")["RootFS"]["Layers"] == [diff_id]
    (again,) = layers_of(docker, "again")
    assert export(docker, again, tmp_path)[1] == diff_id


def test_a_container_is_exported_as_docker_commits_it(docker, tmp_path):
    tar, diff_id = export(docker, layers_of(docker, "changed")[0], tmp_path)
    its = saved_layers(docker, "top")[1]
    assert digest(its) == docker.inspect("top")["RootFS"]["Layers"][1]
    assert entries(tar.read_bytes()) == entries(its)
    whiteouts = [entry for entry in entries(its) if "/.wh." in entry[0] and not entry[0].endswith(".wh..wh..opq")]
    assert len(whiteouts) > 2 and any(entry[2] for entry in whiteouts)  # links of one inode, since Linux 5.8
    with tarfile.open(fileobj=io.BytesIO(its)) as opened:
        is_old = any(info.mode > 0o7777 or info.uname for info in opened)
    if not is_old:
        assert diff_id == digest(its)


def test_docker_runs_on_layers_of_ours(docker, tmp_path):
    see = ["run", "--rm", "--network=none", "top", "/bin/sh", "-c", "cd /; tar -cf - bin data added tmp | sha256sum"]
    before = docker(*see), tree_of_tar(docker.output("export", "idle"))
    ids = layers_of(docker, "top")
    of_init = set(tree_of_directory(docker.home / layers_of(docker, "idle")[1] / "diff"))
    tars = saved_layers(docker, "top")
    diff_ids = docker.inspect("top")["RootFS"]["Layers"]
    docker("rm", "changed", "idle")
    docker.end()

    home = tmp_path / "store"
    ok(overlay2_init, home)
    for number, layer_id in enumerate(reversed(ids)):
        src = tmp_path / f"{number}.tar"
        src.write_bytes(tars[number])
        ok(overlay2_layer, home, id=layer_id, parent="" if number == 0 else ids[-number])
        how = {"src": str(src), "remote_src": True, "diff_id": diff_ids[number]}
        ok(overlay2_diff, home, id=layer_id, state="applied", **how)
    for layer_id in ids:
        move_layer(docker.home, layer_id, tmp_path)
        move_layer(home, layer_id, docker.home)
    layers = facts(docker.home, "layers")["layers"]
    assert sorted(layers) == sorted(ids)
    assert [layers[id]["diff_id"] for id in reversed(ids)] == diff_ids

    docker.start()
    docker("create", "--network=none", "--name=idle", "top", "/bin/busybox", "true")
    after = docker(*see), tree_of_tar(docker.output("export", "idle"))
    assert after[0] == before[0]
    assert sorted(after[1]) == sorted(before[1])
    assert {name for name in before[1] if after[1][name] != before[1][name]} <= of_init
    docker("commit", "idle", "more")
    assert docker.inspect("more")["RootFS"]["Layers"][:2] == diff_ids


def move_layer(home: Path, layer_id: str, to: Path) -> None:
    """Move a layer and its name in l/ to another store, or away."""
    link = (home / layer_id / "link").read_text()
    (to / "l").mkdir(exist_ok=True)
    (home / layer_id).rename(to / layer_id)
    (home / "l" / link).rename(to / "l" / link)


DOCKERFILE = b"""
FROM base AS one
RUN echo 1 >/one && mkdir /many && cd /many && for n in 1 2 3 4 5; do echo $n >$n; done
RUN rm /many/3
FROM base
COPY --from=one /many /many
COPY context.txt /
RUN cat /many/5 /context.txt >/both
"""


def build(docker: engines.Docker) -> str:
    """Build an image, and return BuildKit's output."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, content in (("Dockerfile", DOCKERFILE), ("context.txt", b"from the context")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    command = ["build", "--network=none", "--tag=built", "-"]
    told = docker.popen(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = told.communicate(context.getvalue())[0].decode()
    assert told.returncode == 0, output
    return output


def killed_while_it_imports(docker: engines.Docker) -> str:
    """Kill dockerd amid an image's layer; return the layer."""
    before = set(os.listdir(docker.home))
    client = docker.popen("import", "-", "never", stdin=subprocess.PIPE, stdout=-3, stderr=-3)
    assert client.stdin is not None
    client.stdin.write(image_tar()[: 1 << 19])
    client.stdin.flush()
    end = time.monotonic() + engines.PATIENCE
    found: list[str] = []
    while not found and time.monotonic() < end:
        new = set(os.listdir(docker.home)) - before
        found = [id for id in new if os.path.exists(docker.home / id / "diff/data/tree/deep")]
        time.sleep(0.01)
    docker.end(signal.SIGKILL)
    client.kill()
    client.communicate()
    (layer_id,) = found
    for record in (docker.root / "image/overlay2/layerdb/tmp").glob("*/cache-id"):  # as newer versions begin with it
        if record.read_text() == layer_id:
            assert orphans(docker.home) == []
            shutil.rmtree(record.parent)
    return layer_id


def test_only_what_no_record_of_docker_and_buildkit_knows_may_go(docker):
    assert "CACHED" not in build(docker)
    assert orphans(docker.home) == []
    orphan = killed_while_it_imports(docker)
    assert orphans(docker.home) == [orphan]

    docker.start()
    assert orphans(docker.home) == [orphan]
    refused = run(overlay2_layer, docker.home, id=orphan, state="absent")
    assert refused["error"] == "store_foreign" and "which runs: " in refused["msg"] and "dockerd" in refused["msg"]
    docker.end()

    cut_short = "0" * 64  # where a kill comes between its first two steps
    (docker.home / cut_short).mkdir()
    assert orphans(docker.home) == [orphan]
    (docker.home / cut_short / "diff").mkdir()
    assert orphans(docker.home) == [cut_short, orphan]
    assert ok(overlay2_layer, docker.home, id=cut_short, state="absent")["changed"]

    layers = set(facts(docker.home, "layers")["layers"])
    reasons = {}
    for id in sorted(layers - {orphan}):
        refused = run(overlay2_layer, docker.home, id=id, state="absent", force=True, recursive=True)
        assert refused["error"] == "store_foreign", refused
        reasons[id] = refused["msg"]
    assert any("its record buildkit/" in reason for reason in reasons.values())
    assert any("its record image/overlay2/layerdb/mounts/" in reason for reason in reasons.values())
    assert set(facts(docker.home, "layers")["layers"]) == layers

    check = run(overlay2_layer, docker.home, id=orphan, state="absent", _ansible_check_mode=True)
    removed = ok(overlay2_layer, docker.home, id=orphan, state="absent")
    assert check["actions"] == removed["actions"] == [f"remove layer {orphan}"] and removed["changed"]
    assert not ok(overlay2_layer, docker.home, id=orphan, state="absent")["changed"]
    assert [finding["code"] for finding in facts(docker.home, "health")["health"]] == []
    assert sorted(os.listdir(docker.home)) == sorted([*layers - {orphan}, "l"])

    docker.start()
    told = build(docker)
    steps = re.findall(r"^#(\d+) \[.*\] (?:RUN|COPY) ", told, re.MULTILINE)
    assert len(set(steps)) == 5
    assert set(steps) <= set(re.findall(r"^#(\d+) CACHED$", told, re.MULTILINE))
    assert docker("run", "--rm", "--network=none", "built", "/bin/busybox", "cat", "/both") == "5\nfrom the context"


def killed_while_it_builds(docker: engines.Docker) -> None:
    """Kill dockerd amid a step of a build."""
    context = io.BytesIO()
    dockerfile = b"FROM base\nRUN echo slow >/slow && exec /bin/busybox sleep 600\n"
    with tarfile.open(fileobj=context, mode="w") as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(dockerfile)
        tar.addfile(info, io.BytesIO(dockerfile))
    client = docker.popen("build", "--network=none", "-", stdin=subprocess.PIPE, stdout=-3, stderr=-3)
    assert client.stdin is not None
    client.stdin.write(context.getvalue())
    client.stdin.close()
    end = time.monotonic() + engines.PATIENCE
    while not [*docker.home.glob("*/diff/slow")] and time.monotonic() < end:
        time.sleep(0.05)
    assert [*docker.home.glob("*/diff/slow")]
    docker.end(signal.SIGKILL)
    client.kill()
    client.wait()


def killed_while_it_loads(docker: engines.Docker, image: bytes) -> None:
    """Kill dockerd amid loading an image."""
    before = set(os.listdir(docker.home))
    client = docker.popen("load", stdin=subprocess.PIPE, stdout=-3, stderr=-3)
    assert client.stdin is not None
    client.stdin.write(image)
    client.stdin.close()
    end = time.monotonic() + engines.PATIENCE
    while set(os.listdir(docker.home)) == before and time.monotonic() < end:
        time.sleep(0.001)
    docker.end(signal.SIGKILL)
    client.kill()
    client.wait()


def end_of_what_it_left(docker: engines.Docker) -> None:
    """End the processes of a killed dockerd, and remove its mounts."""
    here = os.readlink("/proc/self/ns/mnt")
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            is_its = docker.run_directory in Path(f"/proc/{pid}/cmdline").read_text()
            sees_its = f"upperdir={docker.root}/" in Path(f"/proc/{pid}/mountinfo").read_text()
            if os.readlink(f"/proc/{pid}/ns/mnt") != here and (is_its or sees_its):
                os.kill(int(pid), signal.SIGKILL)
    engines.unmount_below(str(docker.root))
    end = time.monotonic() + engines.PATIENCE
    told = run(overlay2_prune, docker.home, orphans_only=True, foreign="remove", _ansible_check_mode=True)
    while told.get("error") == "store_foreign" and time.monotonic() < end:  # killed, they take a moment to go
        time.sleep(0.1)
        told = run(overlay2_prune, docker.home, orphans_only=True, foreign="remove", _ansible_check_mode=True)
    assert not told.get("failed"), told["msg"]


def what_runs(docker: engines.Docker) -> dict[str, str]:
    """Return, by image, the files that a container sees."""
    names = docker("images", "--format", "{{.Repository}}").split()
    see = ["/bin/sh", "-c", "cd /; tar -cf - $(ls | grep -v -e proc -e sys -e dev -e etc) | sha256sum"]
    return {name: docker("run", "--rm", "--network=none", name, *see) for name in sorted(names)}


def test_orphans_are_reported_and_removed_and_docker_misses_nothing(docker):
    build(docker)
    runs, saved = what_runs(docker), {name: saved_layers(docker, name) for name in ("base", "top", "built")}
    assert len(runs) == 3 and reported(docker.home) == []
    other = docker.output("save", "built")
    arisen = [killed_while_it_imports(docker)]
    docker.start()
    docker("rmi", "built")
    killed_while_it_loads(docker, other)
    end_of_what_it_left(docker)
    docker.start()
    docker("load", stdin=other)
    killed_while_it_builds(docker)
    end_of_what_it_left(docker)
    docker.start()
    assert reported(docker.home) == orphans(docker.home)  # whatever arises by then
    assert set(arisen) <= set(reported(docker.home))
    refused = run(overlay2_prune, docker.home, orphans_only=True, foreign="remove")
    assert refused["error"] == "store_foreign" and "which runs: " in refused["msg"] and refused["actions"] == []
    docker.end()
    end_of_what_it_left(docker)

    planted = [f"{number:064x}" for number in range(2)]
    base = layers_by_diff(docker.home, "data/set-uid")
    for number, layer_id in enumerate(planted):
        (docker.home / layer_id / "diff").mkdir(parents=True)
        (docker.home / layer_id / "diff/file").write_bytes(os.urandom(100_000))
        (docker.home / layer_id / "link").write_text("AB"[number] * 26)
        (docker.home / layer_id / "lower").write_text(f"l/{(docker.home / base / 'link').read_text()}")
        (docker.home / "l" / ("AB"[number] * 26)).symlink_to(f"../{layer_id}/diff")
    (docker.home / "l" / ("C" * 26)).symlink_to("../gone/diff")
    expected = reported(docker.home)
    print(f"{len(expected) - len(planted)} orphans arose")
    assert {*planted, *arisen} <= {*expected}
    assert reported(docker.home) == expected

    layers = set(facts(docker.home, "layers")["layers"])
    removed = pruned(docker.home, foreign="remove")
    assert sorted(layer["id"] for layer in removed["layers"] if layer["decision"] == "remove") == expected
    assert [found["path"] for found in removed["litter"]] == [str(docker.home / "l" / ("C" * 26))]
    assert sorted(os.listdir(docker.home)) == sorted([*layers - {*expected}, "l"])
    assert not pruned(docker.home, foreign="remove")["changed"]

    docker.start()
    told = build(docker)
    steps = re.findall(r"^#(\d+) \[.*\] (?:RUN|COPY) ", told, re.MULTILINE)
    assert len(set(steps)) == 5 and set(steps) <= set(re.findall(r"^#(\d+) CACHED$", told, re.MULTILINE))
    assert what_runs(docker) == runs
    assert {name: saved_layers(docker, name) for name in saved} == saved
    docker("system", "prune", "--all", "--force")
    docker("builder", "prune", "--all", "--force")
    assert os.listdir(docker.home) == ["l"] and os.listdir(docker.home / "l") == []  # none was missed


def plant_orphan(home: Path) -> str:
    """Make a layer that no record of Docker's names; return its id."""
    layer_id, link = "e" * 64, "E" * 26
    (home / layer_id / "diff/empty").mkdir(parents=True)
    (home / layer_id / "link").write_text(link)
    (home / "l" / link).symlink_to(f"../{layer_id}/diff")
    return layer_id


def refusal(home: Path) -> dict[str, t.Any]:
    """Return why the orphan cannot be removed, after a look that prune leaves it, too."""
    (orphan,) = orphans(home)
    pruning = run(overlay2_prune, home, orphans_only=True, foreign="remove")
    kept = {layer["id"]: layer["reason"] for layer in pruning.get("layers", []) if layer["decision"] == "keep"}
    assert pruning.get("error") == "store_foreign" or kept[orphan].startswith("orphan: busy: held by "), pruning
    assert not pruning.get("changed") and pruning["actions"] == []
    refused = run(overlay2_layer, home, id=orphan, state="absent", force=True)
    assert refused["error"] == "store_foreign" and refused["actions"] == [], refused
    return refused


CHROOTED = "import os, sys, time; os.chroot(sys.argv[1]); os.chdir('/'); print('ready', flush=True); time.sleep(600)"


def test_who_uses_a_store_whose_docker_is_stopped_is_named(docker, tmp_path):
    orphan = plant_orphan(docker.home)
    running = refusal(docker.home)
    assert re.search(r"which runs: its data root is held by pid \d+ \(dockerd\) with ", running["msg"]), running["msg"]
    assert running["hint"] == "stop docker: systemctl stop docker.socket docker; then end what it left"
    docker.end()
    end_of_what_it_left(docker)

    for command in ([], ["unshare", "--mount"]):
        inside = str(docker.home / orphan / "diff/empty")
        chrooted = subprocess.Popen([*command, sys.executable, "-c", CHROOTED, inside], stdout=subprocess.PIPE)
        try:
            assert chrooted.stdout is not None and chrooted.stdout.readline() == b"ready\n"
            refused = refusal(docker.home)
            assert f"its data root is held by pid {chrooted.pid} (" in refused["msg"]
            assert f"with its root in {inside}" in refused["msg"] and "which runs" not in refused["msg"]
            assert refused["hint"].endswith(f": kill {chrooted.pid}")
        finally:
            chrooted.kill()
            chrooted.communicate()

    bound = tmp_path / "bound"
    bound.mkdir()
    subprocess.run(["mount", "--bind", docker.home / orphan / "diff", bound], check=True)
    refused = refusal(docker.home)
    assert f"its data root is held by a mount of it on {bound}" in refused["msg"]
    subprocess.run(refused["hint"].partition("data root: ")[2].split(), check=True)
    assert [
        layer["id"] for layer in pruned(docker.home, foreign="remove")["layers"] if layer["decision"] == "remove"
    ] == [orphan]


def records_of(docker: engines.Docker, image: str, container: str) -> list[Path]:
    """Return the records of layerdb that name the layers of an image, and of a container, and their parents."""
    layerdb = docker.root / "image/overlay2/layerdb"
    ids = layers_of(docker, image)
    of_image = [path for path in layerdb.glob("sha256/*/cache-id") if path.read_text() in ids]
    parents = [path.parent / "parent" for path in of_image if (path.parent / "parent").exists()]
    mounted = layerdb / "mounts" / docker.inspect(container)["Id"]
    return [*of_image, *parents, *(mounted / name for name in ("mount-id", "init-id", "parent"))]


def test_a_torn_record_of_docker_costs_no_layer(docker):
    records = records_of(docker, "top", "idle")
    assert len(records) == 6
    docker.end()
    end_of_what_it_left(docker)
    planted = "f" * 64
    (docker.home / planted / "diff").mkdir(parents=True)
    assert reported(docker.home) == [planted]
    before = sorted(os.listdir(docker.home))
    for record in records:
        whole = record.read_bytes()
        for torn in (b"", bytes(len(whole)), whole[: len(whole) // 2], whole + b"\0", b"\xff" * len(whole)):
            record.write_bytes(torn)
            result = ok(overlay2_prune, docker.home, orphans_only=True, foreign="remove")
            assert not result["changed"] and str(record) in result["layers"][0]["reason"]
            refused = run(overlay2_layer, docker.home, id=planted, state="absent")
            assert refused["error"] == "store_foreign" and str(record) in refused["msg"]
        record.write_bytes(whole)
    assert sorted(os.listdir(docker.home)) == before

    empty = docker.root / "image/overlay2/layerdb/sha256" / ("0" * 64)
    empty.mkdir()
    told = ok(overlay2_facts, docker.home, gather_subset=["health"])["ansible_facts"]["overlay2"]["health"]
    (finding,) = [found for found in told if found["code"] == "store_file_unreadable"]
    assert finding["hint"] == f"stop docker, and remove the empty directory: rmdir {empty}"
    docker.start()
    docker("run", "--rm", "--network=none", "top", "/bin/busybox", "true")
    docker.end()
    end_of_what_it_left(docker)
    assert empty.exists()  # dockerd does not mend that
    empty.rmdir()

    removed = pruned(docker.home, foreign="remove")
    assert removed["actions"] == [f"remove layer {planted}"]
    docker.start()
    docker("run", "--rm", "--network=none", "top", "/bin/busybox", "true")
    docker("start", "--attach", "idle")


def layers_by_diff(home: Path, name: str) -> str:
    """Return the first layer that has *name* as its own."""
    return next(path.name for path in sorted(home.iterdir()) if (path / "diff" / name).exists())


def test_its_store_by_another_path_is_its_store(docker, tmp_path):
    """Stopped, and by a bind mount: nothing was to be seen of its records beside that, and all its layers went."""
    docker.end()
    names = sorted(os.listdir(docker.home))
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run(["mount", "--bind", docker.home, other], check=True)
    try:
        assert facts(other)["managed_by"] == "docker"
        for params in ({"older_than": "0m"}, {"older_than": "0m", "foreign": "remove"}, {"orphans_only": True}):
            told = ok(overlay2_prune, other, **params)
            assert not told["changed"] and {layer["decision"] for layer in told["layers"]} == {"keep"}
        for module, params in (
            (overlay2_init, {"adopt": True}),
            (overlay2_init, {"state": "absent", "force": True}),
            (overlay2_layer, {"id": "new"}),
            (overlay2_layer, {"id": layers_of_disk(other)[0], "state": "absent", "force": True, "recursive": True}),
            (overlay2_mount, {"id": layers_of_disk(other)[0]}),
        ):
            assert run(module, other, **params)["error"] == "store_foreign", params
    finally:
        subprocess.run(["umount", other], check=True)
    assert sorted(os.listdir(docker.home)) == names
    docker.start()
    assert docker("run", "--rm", "--network=none", "top", "/bin/busybox", "cat", "/data/elsewhere")


def layers_of_disk(home):
    return sorted(name for name in os.listdir(home) if (home / name / "link").exists())


def test_whatever_else_changes_is_store_foreign(docker, tmp_path):
    (tmp_path / "image.tar").write_bytes(image_tar())
    idle = layers_of(docker, "idle")[0]
    docker.end()
    before = facts(docker.home, "layers", "health", "mounts")
    for module, params in (
        (overlay2_layer, {"id": "new"}),
        (overlay2_layer, {"id": idle, "state": "committed"}),
        (overlay2_mount, {"id": idle}),
        (overlay2_diff, {"id": idle, "state": "applied", "src": str(tmp_path / "image.tar"), "remote_src": True}),
        (overlay2_init, {"state": "absent", "force": True}),
    ):
        refused = run(module, docker.home, **params)
        assert refused["failed"] and refused["error"] == "store_foreign" and refused["actions"] == [], refused
    after = facts(docker.home, "layers", "health", "mounts")
    assert {key: after[key] for key in before if key != "filesystem"} == {
        key: before[key] for key in before if key != "filesystem"
    }
