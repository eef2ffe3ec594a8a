# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs with opposite aims on one store or layer at the same moment: one is first, and both results are true."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import LayerFiles
from ansible_collections.strata.overlay2.plugins.modules import (
    overlay2_diff,
    overlay2_facts,
    overlay2_init,
    overlay2_layer,
    overlay2_mount,
    overlay2_prune,
)
from ansible_collections.strata.overlay2.tests import modules
from ansible_collections.strata.overlay2.tests.crash.sampling import SEED
from ansible_collections.strata.overlay2.tests.crash.worker import FILES, tar_of

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, and makes files of other owners"),
]

ROUNDS = 12 if SEED == "full" else 3
Call = tuple[t.Any, dict[str, t.Any]]  # a module and its parameters without home


def together(home: Path, *calls: Call) -> list[dict[str, t.Any]]:
    """Run modules on one home, all at once, and return their results."""
    results = modules.run_together(*((module.main, {"home": str(home), **params}) for module, params in calls))
    assert len(results) == len(calls)
    return results


def ok(home: Path, module: t.Any, **params: t.Any) -> dict[str, t.Any]:
    (result,) = together(home, (module, params))
    assert not result.get("failed"), result
    return result


def check(result: dict[str, t.Any], *may: str) -> None:
    """Fail if a result is an error with another code than these."""
    assert not result.get("failed") or result["error"] in may, result


@pytest.fixture
def home(tmp_path: Path) -> t.Iterator[Path]:
    home = tmp_path / "store"
    ok(home, overlay2_init)
    yield home
    ok(home, overlay2_init, state="absent", force=True)
    assert not home.exists()


def test_two_make_the_same_store(tmp_path):
    for number in range(ROUNDS):
        home = tmp_path / str(number) / "on" / "the" / "way" / "store"
        results = together(home, *[(overlay2_init, {})] * 4, (overlay2_facts, {"gather_subset": ["all"]}))
        for result in results:
            check(result)
        assert [result["changed"] for result in results[:4]].count(True) == 1, results
        assert sorted(os.listdir(home)) == [".strata.json", "l"]
        assert not ok(home, overlay2_init)["changed"]


def test_two_make_the_same_layer(home):
    for number in range(ROUNDS):
        call = (overlay2_layer, {"id": str(number), "parent": str(number - 1) if number else ""})
        results = together(home, call, call, call)
        for result in results:
            check(result)
        assert [result["changed"] for result in results].count(True) == 1
        assert len({result["layer"]["link"] for result in results}) == 1
    assert len(os.listdir(home / "l")) == ROUNDS


@pytest.mark.parametrize("force", [False, True])
def test_a_store_is_removed_while_layers_are_made(tmp_path, force):
    for number in range(ROUNDS):
        home = tmp_path / str(number)
        ok(home, overlay2_init)
        makers = [(overlay2_layer, {"layers": [{"id": f"{n}"}, {"id": f"{n}-top", "parent": f"{n}"}]}) for n in "abc"]
        facts = (overlay2_facts, {"gather_subset": ["all"]})
        removed, told, *made = together(home, (overlay2_init, {"state": "absent", "force": force}), facts, *makers)
        check(told)
        check(removed, *([] if force else ["layer_in_use"]))
        for result in made:
            check(result, "store_not_found")
        if removed.get("failed"):
            assert any(not result.get("failed") for result in made)
            ok(home, overlay2_init, state="absent", force=True)
        elif not force:
            assert all(result.get("failed") for result in made)
        assert not home.exists()


def test_a_store_is_made_while_it_is_removed(tmp_path):
    for number in range(ROUNDS):
        home = tmp_path / str(number)
        ok(home, overlay2_init)
        for result in together(home, (overlay2_init, {}), (overlay2_init, {"state": "absent"}), (overlay2_init, {})):
            check(result)
        if home.exists():  # then it is whole
            assert not ok(home, overlay2_init)["changed"]
            ok(home, overlay2_layer, id="base")


def test_two_apply_to_the_same_layer(home, tmp_path):
    ok(home, overlay2_layer, id="base")
    tars = [tmp_path / "0.tar", tmp_path / "1.tar"]
    for version, path in enumerate(tars):
        path.write_bytes(tar_of(version))
    diff_ids = ["sha256:" + hashlib.sha256(path.read_bytes()).hexdigest() for path in tars]
    calls = [(overlay2_diff, {"id": "base", "state": "applied", "src": str(path), "remote_src": True}) for path in tars]
    for _unused in range(ROUNDS):
        for result in together(home, *calls):
            check(result)
        texts = {path.read_text() for path in (home / "base" / "diff").iterdir()}
        assert len(os.listdir(home / "base" / "diff")) == FILES
        assert len(texts) == 1
        layer = LayerFiles(str(home)).layer("base")
        assert layer is not None
        version = int(texts.pop().split()[1])
        assert layer.record.diff_id == diff_ids[version]
        assert not (home / "base" / ".staging").exists()


def test_a_layer_is_removed_while_it_is_exported(home, tmp_path):
    dest = tmp_path / "layer.tar"
    content = os.urandom(1 << 20)
    for _unused in range(ROUNDS):
        ok(home, overlay2_layer, id="base")
        for name in "abcd":
            (home / "base" / "diff" / name).write_bytes(content)
        exported, removed = together(
            home,
            (overlay2_diff, {"id": "base", "state": "exported", "dest": str(dest)}),
            (overlay2_layer, {"id": "base", "state": "absent"}),
        )
        check(exported, "layer_not_found")
        check(removed)  # the run waits: another run is not a user
        assert removed["changed"]
        assert not (home / "base").exists()
        if not exported.get("failed"):
            with tarfile.open(dest) as tar:
                assert {entry.name: entry.size for entry in tar} == dict.fromkeys("abcd", 1 << 20)
            dest.unlink()
        assert os.listdir(tmp_path) == ["store"]


def test_one_mounts_while_another_unmounts(home):
    ok(home, overlay2_layer, layers=[{"id": "base"}, {"id": "app", "parent": "base", "read_write": True}])
    (home / "base" / "diff" / "file").write_text("here")
    merged = home / "app" / "merged"
    for _unused in range(ROUNDS):
        ok(home, overlay2_mount, id="app", holder="first")
        mounted, unmounted, again = together(
            home,
            (overlay2_mount, {"id": "app", "holder": "second"}),
            (overlay2_mount, {"id": "app", "holder": "first", "state": "unmounted"}),
            (overlay2_mount, {"id": "app", "holder": "nobody", "state": "unmounted"}),
        )
        for result in (mounted, unmounted, again):
            check(result)
        assert mounted["changed"]
        assert unmounted["changed"]
        assert not again["changed"]
        assert (merged / "file").read_text() == "here"
        assert ok(home, overlay2_mount, id="app", holder="second", state="unmounted")["actions"] == [
            "unmount layer app",
            "let go of layer app for second",
        ]
        assert not merged.exists()


def test_a_layer_is_mounted_while_it_is_made_removed_and_built_on(home):
    ok(home, overlay2_layer, id="base")
    for _unused in range(ROUNDS):
        mounted, removed, made, child = together(
            home,
            (overlay2_mount, {"id": "app"}),
            (overlay2_layer, {"id": "app", "state": "absent"}),
            (overlay2_layer, {"id": "app", "parent": "base", "read_write": True}),
            (overlay2_layer, {"id": "child", "parent": "app"}),
        )
        check(mounted, "layer_not_found")
        check(removed, "layer_in_use")
        check(made)
        check(child, "layer_not_found", "layer_in_use")
        is_there = (home / "app").exists()
        assert is_there is (made["changed"] and not removed["changed"])
        assert os.path.ismount(home / "app" / "merged") is (not mounted.get("failed"))
        assert not (mounted.get("failed") is None and not is_there)
        ok(home, overlay2_layer, id="app", state="absent", recursive=True, force=True)
    assert len(os.listdir(home / "l")) == 1


def test_a_store_is_pruned_while_layers_are_mounted_built_on_and_removed(home):
    for _unused in range(ROUNDS):
        ok(home, overlay2_layer, layers=[{"id": "base"}, {"id": "app", "parent": "base"}, {"id": "other"}])
        pruned, again, mounted, child, removed = together(
            home,
            (overlay2_prune, {"unused_for": "0s"}),
            (overlay2_prune, {"unused_for": "0s", "max_seconds": 0}),
            (overlay2_mount, {"id": "app"}),
            (overlay2_layer, {"id": "child", "parent": "other"}),
            (overlay2_layer, {"id": "other", "state": "absent"}),
        )
        check(pruned)
        check(again)
        check(mounted, "layer_not_found")
        check(child, "layer_not_found")
        check(removed, "layer_in_use")
        assert os.path.ismount(home / "app" / "merged") is (not mounted.get("failed"))
        assert (home / "app").exists() is (not mounted.get("failed"))
        facts = ok(home, overlay2_facts, gather_subset=["health"])["ansible_facts"]["overlay2"]
        assert {finding["code"] for finding in facts["health"]} <= {"staging_leftover"}
        ok(home, overlay2_init, state="unmounted", force=True)
        assert ok(home, overlay2_prune, unused_for="0s")["pending_bytes"] == 0
        assert sorted(os.listdir(home)) == [".strata.json", "l"] and os.listdir(home / "l") == []


def stop_when_staged(event: str, args: tuple[t.Any, ...]) -> None:
    """As an audit hook: stop the process, locks in hand, when it has staged a layer."""
    if event == "open" and str(args[0]).endswith("/link") and args[2] & os.O_WRONLY:
        os.kill(os.getpid(), signal.SIGSTOP)


def test_a_run_killed_with_locks_in_hand_blocks_nobody(home):
    stuck = modules.Started(
        overlay2_layer.main, {"home": str(home), "id": "stuck"}, lambda: sys.addaudithook(stop_when_staged)
    )
    assert os.WIFSTOPPED(os.waitpid(stuck.pid, os.WUNTRACED)[1])
    calls = [(overlay2_layer, {"id": "base", "lock_timeout": 0}), (overlay2_init, {"lock_timeout": 0})]
    for result in together(home, *calls):
        assert result["error"] == "store_busy"
        assert not result["changed"]
    facts = ok(home, overlay2_facts, gather_subset=["all"])["ansible_facts"]["overlay2"]  # they wait for nobody
    assert facts["health"] == []
    os.kill(stuck.pid, signal.SIGKILL)
    assert stuck.result() is None
    for module, params in calls:
        ok(home, module, **params)
    assert sorted(os.listdir(home)) == [".strata.json", "base", "l"]
    assert len(os.listdir(home / "l")) == 1
