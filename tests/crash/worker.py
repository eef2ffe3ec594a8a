# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One of many processes that use one store at once: its random actions, its results, and what these forbid.

Each worker has a holder's name and its own layer, whose state it knows. All workers share the other layers. A worker
notes what a killed run may have done, and checks that the next run needs no help.
"""

from __future__ import annotations

import io
import os
import random
import tarfile
import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.plugins.modules import (
    overlay2_diff,
    overlay2_diff_info,
    overlay2_facts,
    overlay2_init,
    overlay2_layer,
    overlay2_mount,
)
from ansible_collections.strata.overlay2.tests import modules

ROOT = "root"  # the parent of every worker's own layer; no worker removes it
SHARED = tuple(f"shared-{number}" for number in range(8))
FILLED = tuple(f"filled-{number}" for number in range(2))  # only these get content from tars
STEP = 3  # as many chains
FILES = 8  # in each tar
LOCK_TIMEOUT = 300  # seconds: longer than everything, so that store_busy means a deadlock
KILLED_OF = 6  # one run of so many gets SIGKILL
KILL_WITHIN = 0.04  # seconds, about as long as a run takes

# Findings that are allowed after a kill, until another run has swept.
LITTER = frozenset({"dangling_link", "staging_leftover", "unsealed_parent"})


class Refused(Exception):
    """A module failed with one of the codes that it may."""


class Log(t.NamedTuple):
    """The results of a worker, for the test that adds them up.

    made, maybe_made:       how often a layer was made, by id, or may have been when the run was killed.
    removed, maybe_removed: the same of its removal.
    holds:   the layers it holds at the end.
    written: link, file name and text of what it wrote into layers.
    """

    made: list[str]
    maybe_made: list[str]
    removed: list[str]
    maybe_removed: list[str]
    holds: list[str]
    written: list[tuple[str, str, str]]
    runs: int
    killed: int
    refused: int


def tar_of(version: int) -> bytes:
    """Return a layer's tar whose files all tell the same version."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for number in range(FILES):
            text = f"version {version}\n".encode()
            entry = tarfile.TarInfo(f"file-{number}")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    return out.getvalue()


def check_versions(texts: t.Collection[str]) -> None:
    """Fail for the files of a filled layer that are of more than one tar, or not all there."""
    assert len(texts) in (0, FILES), texts
    assert len(set(texts)) <= 1, texts


class Worker:
    """Does random things to the store at *home*; room: a directory of its own for files."""

    def __init__(self, name: str, home: Path, room: Path, seed: str, killing: bool) -> None:
        self.name = name
        self.home = home
        self.room = room
        self.killing = killing
        self.random = random.Random(f"{seed} {name}")
        self.own = f"own-{name}"
        self.own_exists: bool | None = False  # None: a run that would have changed it was killed
        self.log = Log([], [], [], [], [], [], 0, 0, 0)
        self.mounted: dict[str, str] = {}  # path by id, of what this one holds
        self.read_write: dict[str, str] = {}  # link by id, where it may write
        self.counts = {"runs": 0, "killed": 0, "refused": 0}

    def work(self, count: int) -> Log:
        """Do *count* things and return what was told. Raises AssertionError for what must never be."""
        ways: list[tuple[t.Callable[[], None], int]] = [
            (self.create, 4),
            (self.create_list, 1),
            (self.seal, 1),
            (self.mount, 3),
            (self.write, 3),
            (self.unmount, 4),
            (self.remove, 6),
            (self.apply, 2),
            (self.export, 2),
            (self.inspect, 1),
            (self.facts, 2),
            (self.predict, 1),
            (self.keep_store, 1),
            (self.toggle_own, 2),
        ]
        self.toggle_own()
        for way in self.random.choices([way for way, _weight in ways], [weight for _way, weight in ways], k=count):
            try:
                way()
            except Refused:
                self.counts["refused"] += 1
        return self.log._replace(holds=sorted(self.mounted), **self.counts)

    def run(self, module: t.Any, may: str = "", *, killable: bool = True, **params: t.Any) -> dict[str, t.Any] | None:
        """Run a module and return its result, None if it was killed; may: the codes with which it may fail."""
        doomed = self.killing and killable and self.random.randrange(KILLED_OF) == 0
        delay = self.random.uniform(0, KILL_WITHIN) if doomed else None
        if module is not overlay2_facts:
            params["lock_timeout"] = LOCK_TIMEOUT
        self.counts["runs"] += 1
        result = modules.run_module(module.main, {"home": str(self.home), **params}, kill_after=delay)
        if result is None:
            self.counts["killed"] += 1
            return None
        if result.get("failed"):
            assert result.get("error") in may.split(), (self.name, module.__name__, params, result)
            assert not result["changed"], result
            raise Refused(result["error"])
        return result

    def create(self) -> None:
        self._create([self._wanted(self.random.choice(SHARED + FILLED))])

    def create_list(self) -> None:
        chain = SHARED[self.random.randrange(STEP) :: STEP]
        self._create([self._wanted(id, _usual_parent(id)) for id in chain])

    def seal(self) -> None:
        self._create([self._wanted(self.random.choice(SHARED))], state="committed")

    def _wanted(self, id: str, parent: str | None = None) -> dict[str, t.Any]:
        """Return what to ask for: whether a layer is read-write is settled by its name, its parent is not."""
        if id in FILLED:
            return {"id": id, "parent": ""}
        if parent is None:
            any_other = self.random.choice(["", *(other for other in SHARED + FILLED if other != id)])
            parent = _usual_parent(id) if self.random.random() < 0.75 else any_other
        return {"id": id, "parent": parent, "read_write": SHARED.index(id) % 2 == 0}

    def _create(self, wanted: list[dict[str, t.Any]], **more: t.Any) -> None:
        result = self.run(overlay2_layer, "layer_not_found parent_mismatch layer_in_use", layers=wanted, **more)
        if result is None:
            self.log.maybe_made.extend(want["id"] for want in wanted)
            return
        self.log.made.extend(_layers(result["actions"], "make"))
        for want, layer in zip(wanted, result["layers"]):
            assert layer["id"] == want["id"]
            assert layer["parent"] == want["parent"]

    def mount(self) -> None:
        self._mount(self.random.choice((*SHARED, self.own)))

    def _mount(self, id: str) -> None:
        try:
            result = self.run(overlay2_mount, "layer_not_found", id=id, holder=self.name)
        except Refused:
            assert id not in self.mounted, f"{self.name} held {id}, which is gone"
            assert id != self.own or self.own_exists is not True
            raise
        if result is None:
            self._let_go(id)
            return
        assert self.name in result["holders"]
        self.mounted[id] = result["path"]
        if not result["read_only"]:
            self.read_write[id] = result["layer"]["link"]
        self._read(result["path"])

    def write(self) -> None:
        """Write into what is mounted read-write, if need be the own layer, and read all that this one holds."""
        if not self.read_write and self.own_exists:
            self._mount(self.own)
        for id, path in self.mounted.items():
            self._read(path)
            if id in self.read_write and os.path.basename(path) == "merged":
                name, text = f"{self.name}-{len(self.log.written)}", f"{self.name} wrote into {id}\n"
                (Path(path) / f".{name}").write_text(text)
                os.rename(f"{path}/.{name}", f"{path}/{name}")
                self.log.written.append((self.read_write[id], name, text))

    def _read(self, path: str) -> None:
        """Read all that a mount shows. What a filled layer below holds is of one tar."""
        texts = {name: (Path(path) / name).read_text() for name in os.listdir(path) if not name.startswith(".")}
        assert all(texts.values()), (path, texts)
        check_versions([text for name, text in texts.items() if name.startswith("file-")])

    def unmount(self) -> None:
        id = self.random.choice((*self.mounted, self.random.choice(SHARED)))
        result = self.run(overlay2_mount, id=id, holder=self.name, state="unmounted")
        if result is None:
            self._let_go(id)
            return
        assert result["changed"] or id not in self.mounted, (self.name, id, result)
        self._forget(id)

    def _let_go(self, id: str) -> None:
        """Unmount after a kill: whatever was left then, the next run needs no help."""
        self.run(overlay2_mount, killable=False, id=id, holder=self.name, state="unmounted")
        self._forget(id)

    def _forget(self, id: str) -> None:
        self.mounted.pop(id, None)
        self.read_write.pop(id, None)

    def remove(self) -> None:
        id, recursive = self.random.choice(SHARED + FILLED), self.random.random() < 0.5
        result = self.run(overlay2_layer, "layer_in_use", id=id, state="absent", recursive=recursive)
        if result is None:
            self.log.maybe_removed.extend(SHARED + FILLED if recursive else [id])
            return
        gone = _layers(result["actions"], "remove")
        assert not set(gone) & set(self.mounted), (self.name, result["actions"])
        self.log.removed.extend(gone)

    def apply(self) -> None:
        version = self.random.randrange(100)
        src = self.room / "version.tar"
        src.write_bytes(tar_of(version))
        id = self.random.choice(FILLED)
        self.run(overlay2_diff, "layer_not_found layer_in_use", id=id, state="applied", src=str(src), remote_src=True)

    def export(self) -> None:
        id, dest = self.random.choice((*SHARED, *FILLED, *FILLED)), self.room / "exported.tar"
        result = self.run(overlay2_diff, "layer_not_found layer_in_use", id=id, state="exported", dest=str(dest))
        if result is None:
            return
        with tarfile.open(dest) as tar:
            files = {entry.name: t.cast(t.IO[bytes], tar.extractfile(entry)).read() for entry in tar if entry.isreg()}
        assert dest.read_bytes().endswith(bytes(1024))
        if id in FILLED:
            check_versions([text.decode() for text in files.values()])

    def inspect(self) -> None:
        self.run(overlay2_diff_info, "layer_not_found layer_in_use", id=self.random.choice(SHARED + FILLED))

    def facts(self) -> None:
        result = self.run(overlay2_facts, killable=False, gather_subset=["all"])
        found = t.cast("dict[str, t.Any]", result)["ansible_facts"]["overlay2"]
        assert found["exists"]
        assert ROOT in found["layers"]
        if self.own_exists is not None:
            assert (self.own in found["layers"]) is self.own_exists, (self.own, found["layers"].keys())
        for id in self.mounted:
            assert self.name in found["layers"][id]["holders"], (self.name, id, found["layers"].get(id))
            assert self.name in found["mounts"][id]["holders"]
        codes = {finding["code"] for finding in found["health"]}
        assert codes <= (LITTER if self.killing else frozenset()), found["health"]

    def predict(self) -> None:
        removal = {"id": self.random.choice(SHARED), "state": "absent", "recursive": True}
        self.run(overlay2_layer, "layer_in_use", _ansible_check_mode=True, **removal)

    def keep_store(self) -> None:
        assert not (self.run(overlay2_init) or {}).get("changed")

    def toggle_own(self) -> None:
        """Make or remove the layer that no other worker touches."""
        if self.own in self.mounted:
            return
        state = "absent" if self.own_exists else "present"
        parent = {} if self.own_exists else {"parent": ROOT, "read_write": True}
        result = self.run(overlay2_layer, "layer_in_use", id=self.own, state=state, **parent)  # by facts, at work
        if result is None:
            self.own_exists = None
            return
        assert self.own_exists is None or result["changed"], (self.own, result)
        self.own_exists = state == "present"


def _usual_parent(id: str) -> str:
    """Return the parent of a shared layer in most of what is asked for, so that chains come about."""
    place = SHARED.index(id)
    return SHARED[place - STEP] if place >= STEP else (ROOT, FILLED[0], "")[place]


def _layers(actions: t.Iterable[str], verb: str) -> list[str]:
    """Return the layers of the sentences that start with *verb*."""
    words = [action.split() for action in actions if action.startswith(verb)]
    return [each[each.index("layer") + 1] for each in words]
