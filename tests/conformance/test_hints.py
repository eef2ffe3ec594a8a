# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hint of each finding of health, followed in a store of ours, Docker's and containers-storage's, helps."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.facts.check import examine_store
from ansible_collections.strata.overlay2.plugins.module_utils._store import holders, staging
from ansible_collections.strata.overlay2.plugins.module_utils._store.cures import CURES
from ansible_collections.strata.overlay2.plugins.modules import (
    overlay2_init,
    overlay2_layer,
    overlay2_mount,
    overlay2_prune,
    overlay2_repair,
)
from ansible_collections.strata.overlay2.tests import modules

pytestmark = pytest.mark.root

MODULES = {
    "init": overlay2_init,
    "layer": overlay2_layer,
    "mount": overlay2_mount,
    "prune": overlay2_prune,
    "repair": overlay2_repair,
}
PARENTS = {"base": "", "mid": "base", "top": "mid", "kid": "mid", "twin": "mid"}
OPTIONS = ("state", "recursive", "force", "foreign", "orphans_only", "adopt", "holder")
RECORDS = [{"id": id, "parent": parent} for id, parent in PARENTS.items()]
NAME, OTHER = "A" * 26, "B" * 26


class Harmed:
    """A store with the layers of PARENTS, which *engine* says are its own."""

    def __init__(self, root: Path, engine: str | None, recorded: bool) -> None:
        self.engine = engine
        self.home = root / "overlay2"
        self.recorded = recorded
        self.ok("init")
        lowers: dict[str, tuple[str, ...]] = {"": ()}
        for id, parent in PARENTS.items():
            new = staging.NewLayer(id, staging.new_link(), lowers[parent], False, parent=parent if recorded else None)
            room = staging.Staging(str(self.home))
            staging.stage_layer(room.path, new)
            staging.publish_layer(str(self.home), room.path, new)
            room.close()
            lowers[id] = (new.link, *lowers[parent])
            if parent:
                staging.seal_layer(str(self.home), parent)
        if engine == "docker":
            for number, id in enumerate(PARENTS):
                self.record(f"{number:064x}", id)
        if engine == "containers-storage":
            (root / "overlay-layers").mkdir()
            (root / "overlay-layers/layers.json").write_text(json.dumps(RECORDS))

    def record(self, chain: str, id: str) -> None:
        entry = self.home.parent / "image/overlay2/layerdb/sha256" / chain
        entry.mkdir(parents=True)
        (entry / "cache-id").write_text(id)

    def ok(self, module: str, **params: t.Any) -> dict[str, t.Any]:
        result = modules.run_module(MODULES[module].main, {"home": str(self.home), **params})
        assert result is not None and not result.get("failed"), result
        return result

    def health(self) -> list[dict[str, t.Any]]:
        return [finding._asdict() for finding in examine_store(str(self.home))]

    def sh(self, command: str) -> None:
        subprocess.run(["sh", "-euc", command], cwd=self.home, check=True)

    def follow(self, finding: dict[str, t.Any], way: str) -> bool:
        """Follow one of the ways of a hint; return False if the way is only advice for a person."""
        commands = re.findall("`([^`]+)`", way)
        if way.startswith("remove it, and let"):
            Path(finding["path"]).unlink()
        for command in commands:
            if command.startswith(("docker ", "podman ", "containers-storage ")):
                return False  # test_healthy_engines follows these
            parent = PARENTS.get(finding["subject"], "")
            self.sh(command.replace("PARENT", parent))
        for name, words in re.findall(r"strata\.overlay2\.overlay2_(\w+)(.*)", way):
            options = dict(re.findall(r"(\w+): (\w+)", words))
            options = {key: value for key, value in options.items() if key in OPTIONS}
            about: dict[str, t.Any] = {"id": finding["subject"]} if name in ("layer", "mount") else {}
            if name == "repair":
                parents = {id: PARENTS[id] for id in re.findall(r"\{(\w+): PARENT\}", words)}
                about = {"parents": parents, "accept": re.findall(r"\[(\w+)\]", words)}
            if "drop_holders" in words:
                about = {"drop_holders": "7d"}
            self.ok(name, **about, **{key: value == "true" or value for key, value in options.items()})
            return True
        return bool(commands)


def lose_name(store: Harmed, id: str) -> None:
    for name in os.listdir(store.home / "l"):
        if os.readlink(store.home / "l" / name) == f"../{id}/diff":
            (store.home / "l" / name).unlink()


AWAY = "a" * 64  # a whole id, as docker makes them


def lost_layer_of_a_record(store: Harmed) -> None:
    store.record("f" * 64, AWAY)


def orphan(store: Harmed) -> None:
    for path in (store.home.parent / "image/overlay2/layerdb/sha256").glob("*/cache-id"):
        if path.read_text() == "top":
            shutil.rmtree(path.parent)
    listed = store.home.parent / "overlay-layers/layers.json"
    if listed.exists():
        listed.write_text(json.dumps([record for record in RECORDS if record["id"] != "top"]))


def dead_holder(store: Harmed) -> None:
    (store.home / "top/.strata-holders").write_text('{"boot_id": "another", "format": 1, "holders": ["me"]}')


def held_for_long(store: Harmed) -> None:
    holders.write(str(store.home), "top", ["ci"])
    path = store.home / "top/.strata-holders"
    path.write_text(json.dumps({**json.loads(path.read_text()), "since": {"ci": -30 * 86400}}))


def many_names(store: Harmed) -> None:
    shutil.rmtree(store.home / "l")
    (store.home / "l").mkdir(mode=0o700)
    (store.home / "kid/link").write_text("")


HARMS: dict[str, tuple[str, str, str | t.Callable[[Harmed], None]]] = {
    # What it is called here: (code, subject, what happens).
    "no link file": ("link_missing", "top", "rm top/link"),
    "no name": ("link_missing", "mid", lambda store: lose_name(store, "mid")),
    "no names at all": ("link_missing", "mid", many_names),
    "empty link": ("link_empty", "mid", ": >mid/link"),
    "NULs in link": ("link_astray", "mid", "head -c 26 /dev/zero >mid/link"),
    "doubled": ("link_doubled", "twin", "cp top/link twin/link"),
    "doubled, and the name lost": ("link_doubled", "twin", 'rm "l/$(cat twin/link)"; cp top/link twin/link'),
    "the one that is doubled": ("link_doubled", "top", "cp top/link twin/link"),
    "astray": ("link_astray", "mid", 'ln -sfn ../base/diff "l/$(cat mid/link)"'),
    "a second name": ("link_astray", NAME, f"ln -s ../top/diff l/{NAME}"),
    "no lower": ("lower_missing", "top", "rm top/lower"),
    "no lower, with children": ("lower_missing", "mid", "rm mid/lower"),
    "no lower and no work": ("lower_missing", "mid", "rm -r mid/lower mid/work"),
    "empty lower": ("lower_malformed", "top", ": >top/lower"),
    "empty lower, with children": ("lower_malformed", "mid", ": >mid/lower"),
    "cut lower": ("lower_malformed", "top", "truncate -s 40 top/lower"),
    "lower cut at a colon": ("lower_malformed", "top", "truncate -s 28 top/lower"),
    "lower leads nowhere": ("lower_unresolved", "top", f"printf l/{OTHER} >top/lower"),
    "lower leads to what lost its name": ("lower_unresolved", "top", lambda store: lose_name(store, "base")),
    "no diff": ("diff_missing", "top", "rmdir top/diff"),
    "no seal": ("committed_missing", "top", "sed -i 's/{/{\"committed\": true, /' top/.strata.json"),
    "no work": ("work_missing", "top", "rmdir top/work"),
    "torn record": ("store_file_unreadable", "top", "echo '{' >top/.strata.json"),
    "torn file of the store": ("store_file_unreadable", ".strata.json", "echo '{' >.strata.json"),
    "dangling": ("dangling_link", OTHER, f"ln -s ../gone/diff l/{OTHER}"),
    "leftover": ("staging_leftover", "dead", "mkdir -p .staging/dead"),
    "dead holder": ("dead_holder", "top", dead_holder),
    "unsealed": ("unsealed_parent", "mid", "rm mid/committed"),
    "volatile": ("stale_volatile", "top", "mkdir -p top/work/work/incompat/volatile"),
    "loose home": ("loose_mode", "overlay2", "chmod 0701 ."),
    "loose l": ("loose_mode", "l", "chmod 0755 l"),
    "loose layer": ("loose_mode", "top", "chmod 0755 top"),
    "loose work": ("loose_mode", "top", "chmod 0755 top/work"),
    "another's layer": ("owner_wrong", "top", "chown 1000:1000 top"),
    "another's work": ("owner_wrong", "top", "chown 1000:1000 top/work"),
    "stray files": ("stray_files", "top", "mkdir -p top/merged/d; echo 1 >top/merged/d/f"),
    "held long": ("held_long", "top", held_for_long),
    "stranger": ("stranger", "precious", "mkdir precious"),
    "orphan": ("orphan", "top", orphan),
    "layer gone": ("layer_gone", AWAY, lost_layer_of_a_record),
}
ABOUT_LOWERS = ("lower_missing", "lower_malformed", "lower_unresolved")  # our record of the parent helps there
ONLY_OF = {
    "committed_missing": (None,),
    "owner_wrong": (None,),
    "held_long": (None,),
    "orphan": ("docker", "containers-storage"),
    "layer_gone": ("docker",),
    "unsealed_parent": (None, "docker"),
    "stale_volatile": (None, "docker"),
    "stray_files": (None, "docker"),
}
NOT_THERE = {
    ("no lower", "containers-storage"),
    ("loose l", "containers-storage"),
}  # nothing tells, or nothing is wrong


def cases() -> t.Iterator[t.Any]:
    for name, (code, _subject, _how) in HARMS.items():
        for engine in (None, "docker", "containers-storage"):
            if engine in ONLY_OF.get(code, (engine,)) and (name, engine) not in NOT_THERE:
                for recorded in (False, True) if engine is None and code in ABOUT_LOWERS else (False,):
                    told = ", recorded" if recorded else ""
                    yield pytest.param(name, engine, recorded, id=f"{name}, {engine or 'ours'}{told}")


def found(store: Harmed, code: str, subject: str) -> dict[str, t.Any] | None:
    return next((one for one in store.health() if (one["code"], one["subject"]) == (code, subject)), None)


@pytest.mark.parametrize(("name", "engine", "recorded"), [*cases()])
def test_a_hint_that_is_followed_helps(tmp_path, name, engine, recorded):
    code, subject, how = HARMS[name]
    tried, helped, ways = 0, 0, 1
    while tried < ways:
        store = Harmed(tmp_path / str(tried), engine, recorded)
        assert store.health() == []
        store.sh(how) if isinstance(how, str) else how(store)
        finding = found(store, code, subject)
        assert finding, store.health()
        alternatives = finding["hint"].split("; or ")
        ways = len(alternatives)
        if engine is not None:
            assert "overlay2_layer" not in finding["hint"] and "overlay2_init" not in finding["hint"]
            assert "overlay2_mount" not in finding["hint"]
        if store.follow(finding, alternatives[tried]):
            assert not found(store, code, subject), alternatives[tried]
            helped += 1
        tried += 1
    if engine is None and code != "stranger":  # of which nobody knows what it is
        assert helped


def test_each_finding_has_its_hint_followed():
    elsewhere = {"leaked_project", "project_doubled", "project_lost", "hidden_mount"}  # test_quotas.py, test_check.py
    assert {code for code, _subject, _how in HARMS.values()} == CURES.keys() - elsewhere


def test_one_repair_mends_all_names_that_are_lost(tmp_path):
    store = Harmed(tmp_path, "docker", False)
    many_names(store)
    hints = {one["hint"].split("; or ")[0] for one in store.health() if one["code"] == "link_missing"}
    assert len(hints) == 1
    store.follow({"subject": "", "path": ""}, hints.pop())
    assert store.health() == []  # kid, whose link file is empty too, has a new name: nothing is built on it
