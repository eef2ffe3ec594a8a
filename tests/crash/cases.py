# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runs that are interrupted, and the store before each run."""

from __future__ import annotations

import io
import subprocess
import tarfile
import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.plugins.module_utils._driver import run
from ansible_collections.strata.overlay2.plugins.modules import (
    overlay2_diff,
    overlay2_facts,
    overlay2_image,
    overlay2_init,
    overlay2_layer,
    overlay2_mount,
    overlay2_prune,
    overlay2_repair,
)
from ansible_collections.strata.overlay2.tests import modules
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_archives import one_image, packed


def image_in_groups() -> None:
    """Run overlay2_image, and publish each layer as soon as it is unpacked. Only in a process of its own."""
    run._GROUP_BYTES = 1
    overlay2_image.main()


MODULES = {
    "diff": overlay2_diff.main,
    "facts": overlay2_facts.main,
    "image": overlay2_image.main,
    "image_in_groups": image_in_groups,
    "init": overlay2_init.main,
    "layer": overlay2_layer.main,
    "mount": overlay2_mount.main,
    "prune": overlay2_prune.main,
    "repair": overlay2_repair.main,
}


class Call(t.NamedTuple):
    """A task. module: without "overlay2_"; params: all but home."""

    module: str
    params: dict[str, t.Any]

    @property
    def main(self) -> t.Callable[[], None]:
        """The module's main."""
        return MODULES[self.module]

    def run(self, home: Path) -> dict[str, t.Any]:
        """Run the module undisturbed; it must succeed."""
        result = modules.run_module(self.main, self.at(home))
        assert result is not None and not result.get("failed"), result
        return result

    def at(self, home: Path) -> dict[str, t.Any]:
        """Return the parameters for a store at *home*; src and dest are names beside it."""
        params = {"home": str(home), **self.params}
        return {key: f"{home.parent}/{value}" if key in ("src", "dest") else value for key, value in params.items()}


class Harm(t.NamedTuple):
    """A command that damages a store."""

    command: str
    module: str = ""

    def run(self, home: Path) -> None:
        """Run the command in the store."""
        subprocess.run(["sh", "-euc", self.command], cwd=home, check=True)


class Case(t.NamedTuple):
    """A run, and what comes before it."""

    name: str
    before: tuple[Call | Harm, ...]
    call: Call


def layer(**params: t.Any) -> Call:
    return Call("layer", params)


def diff(**params: t.Any) -> Call:
    return Call("diff", {"state": "applied", **params})


def init(**params: t.Any) -> Call:
    return Call("init", params)


def image(**params: t.Any) -> Call:
    return Call("image", {"platform": "linux/amd64", **params})


def mount(**params: t.Any) -> Call:
    return Call("mount", params)


def prune(**params: t.Any) -> Call:
    return Call("prune", params)


def harmed(command: str) -> tuple[Call | Harm, ...]:
    return (STORE, CHAIN, Harm(command))


PLAIN = {"platform": "linux/amd64", "src": "plain.tar"}
IDS = [{"container_id": 0, "host_id": 100000, "size": 65536}]
STORE = init()
CHAIN = layer(layers=[{"id": "base", "parent": ""}, {"id": "mid", "parent": "base"}, {"id": "top", "parent": "mid"}])
LONE = (STORE, layer(id="lone"))
FILLED = (*LONE, diff(id="lone", src="first.tar"))
ON_BASE = (*FILLED, layer(id="top", parent="lone"), diff(id="top", src="second.tar"))
MOUNTED = (*ON_BASE, mount(id="top"))
VOLATILE = (*ON_BASE, mount(id="top", volatile=True))

CASES = (
    Case("make a store", (), init(uid_map=IDS, gid_map=IDS)),
    Case("change a store", (STORE,), init(uid_map=IDS, gid_map=IDS)),
    Case("remove a store", (STORE, CHAIN), init(state="absent", force=True)),
    Case("unmount a store", MOUNTED, init(state="unmounted")),
    Case("make a chain", (STORE,), CHAIN),
    Case("make a read-write layer", LONE, layer(id="child", parent="lone", read_write=True)),
    Case("seal", LONE, layer(id="lone", state="committed")),
    Case("remove a chain", (*FILLED, layer(id="top", parent="lone")), layer(id="lone", state="absent", recursive=True)),
    Case("remove a mounted layer", MOUNTED, layer(id="top", state="absent", force=True)),
    Case("prune", (*MOUNTED, layer(id="other"), layer(id="upper", parent="other")), prune(unused_for="0s")),
    Case("prune, and let holders go", VOLATILE, prune(drop_holders="0s")),
    Case("fill a layer", LONE, diff(id="lone", src="first.tar")),
    Case("replace content", FILLED, diff(id="lone", src="second.tar")),
    Case("merge content", FILLED, diff(id="lone", src="second.tar", merge=True)),
    Case("put an image", (STORE,), image(src="image.tar")),
    Case("put an image on layers that are there", (STORE, image(src="base.tar", id="base")), image(src="image.tar")),
    Case("put an image by two processes", (STORE,), image(src="plain.tar")),
    Case("put an image in groups", (STORE,), Call("image_in_groups", PLAIN)),
    Case("put an image by one process in groups", (STORE,), Call("image_in_groups", {**PLAIN, "workers": 1})),
    Case("remove an image", (STORE, image(src="image.tar", id="app")), image(state="absent", id="app")),
    Case(
        "remove an image of which layers stay",
        (STORE, image(src="base.tar", image="app:1", id="base"), image(src="image.tar")),
        image(state="absent", image="app:1"),
    ),
    Case("prune an image", (STORE, image(src="image.tar", id="app")), prune(unused_for="0s")),
    Case("mount", ON_BASE, mount(id="top")),
    Case("mount volatile", ON_BASE, mount(id="top", volatile=True)),
    Case("hold a layer that is written without a mount", FILLED, mount(id="lone")),
    Case("hold", MOUNTED, mount(id="top", holder="second")),
    Case("let go", (*MOUNTED, mount(id="top", holder="second")), mount(id="top", holder="second", state="unmounted")),
    Case("unmount", MOUNTED, mount(id="top", state="unmounted")),
    Case("unmount volatile", VOLATILE, mount(id="top", state="unmounted")),
    Case("repair a link file", harmed(": >mid/link"), Call("repair", {})),
    Case("repair all names", harmed("rm l/*"), Call("repair", {})),
    Case("repair a lower file", harmed("rm top/lower"), Call("repair", {})),
    Case(
        "repair several damages",
        harmed(": >mid/link; : >mid/lower; rm top/lower base/committed; rmdir top/work; chmod 0755 mid"),
        Call("repair", {}),
    ),
)


def make_tars(area: Path) -> None:
    """Write first.tar and second.tar; the second changes some files of the first, deletes some and adds some.

    Also write base.tar and image.tar: images with these layers, and of the same name. The layers of plain.tar are not
    compressed, so they are large enough for processes of their own.
    """
    with tarfile.open(area / "first.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, "etc", tarfile.DIRTYPE, mode=0o755)
        _add(tar, "etc/config", data=b"first\n", mode=0o640, uid=1000)
        _add(tar, "etc/stays", data=b"stays\n")
        _add(tar, "etc/goes", data=b"goes\n")
        _add(tar, "etc/link", tarfile.LNKTYPE, linkname="etc/stays")
        _add(tar, "sym", tarfile.SYMTYPE, linkname="etc/config")
        _add(tar, "old", tarfile.DIRTYPE, mode=0o700)
        _add(tar, "old/file", data=b"x" * 200_000)
    with tarfile.open(area / "second.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, "etc", tarfile.DIRTYPE, mode=0o711)
        _add(tar, "etc/config", data=b"second\n", pax={"SCHILY.xattr.user.note": "kept"})
        _add(tar, "etc/.wh.goes")
        _add(tar, "old", tarfile.DIRTYPE)
        _add(tar, "old/.wh..wh..opq")
        _add(tar, "old/new", data=b"y" * 100_000)
        _add(tar, "pipe", tarfile.FIFOTYPE)
        _add(tar, "sym", data=b"no symlink any more\n")
    layers = [(area / name).read_bytes() for name in ("first.tar", "second.tar")]
    (area / "base.tar").write_bytes(packed(one_image(layers[:1], name="app:1").whole()))
    (area / "plain.tar").write_bytes(packed(one_image(layers, "none", name="app:1").whole()))
    (area / "image.tar").write_bytes(packed(one_image([*layers, layers[1]], name="app:1").whole()))


def _add(
    tar: tarfile.TarFile,
    name: str,
    type: bytes = tarfile.REGTYPE,
    data: bytes = b"",
    mode: int = 0o644,
    **attributes: t.Any,
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size, entry.mode, entry.mtime = type, len(data), mode, 1_600_000_000
    entry.pax_headers = attributes.pop("pax", {})
    for key, value in attributes.items():
        setattr(entry, key, value)
    tar.addfile(entry, io.BytesIO(data))
