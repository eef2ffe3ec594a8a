# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of overlay2_image, and two runs at once."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver import run
from ansible_collections.strata.overlay2.plugins.module_utils._driver.images import unpacking
from ansible_collections.strata.overlay2.plugins.modules import overlay2_image, overlay2_init, overlay2_layer
from ansible_collections.strata.overlay2.tests import modules
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import archive, member
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_archives import (
    chain_ids,
    digest,
    one_image,
    packed,
)

pytestmark = pytest.mark.root

LAYERS = [archive(member(f"f{number}", body=bytes([number]) * 200_000)) for number in range(4)]
CHAINS = [chain[7:] for chain in chain_ids([digest(layer) for layer in LAYERS])]


@pytest.fixture
def home(tmp_path):
    ok(tmp_path / "home", overlay2_init)
    (tmp_path / "image").write_bytes(packed(one_image(LAYERS, "none").whole()))
    (tmp_path / "two").write_bytes(packed(one_image(LAYERS[:2], "none", name="two").whole()))
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def _many_processors(monkeypatch):
    monkeypatch.setattr(unpacking, "processors", lambda: 8)


def ok(home, module, **params):
    result = modules.run_module(module.main, {"home": str(home), **params})
    assert result is not None and not result.get("failed"), result
    return result


def params(home, src="image", **more):
    return {"home": str(home), "src": f"{home.parent}/{src}", "platform": "linux/amd64", **more}


def in_workers(name, deed):
    """Return a function that lets each process but the module's own call *deed* before it makes the file *name*."""

    def prepare():
        own = os.getpid()

        def hook(event, arguments):
            if event == "open" and arguments[0] in (name, name.encode()) and os.getpid() != own:
                deed()

        sys.addaudithook(hook)

    return prepare


def layers_in(home):
    return sorted(name for name in os.listdir(home) if name in CHAINS)


def check_whole(home):
    """Fail unless the next run makes the image, and leaves nothing but the image."""
    ok(home, overlay2_image, **{key: value for key, value in params(home).items() if key != "home"})
    assert layers_in(home) == sorted(CHAINS)
    assert sorted(set(os.listdir(home)) - set(CHAINS)) == [".strata-images", ".strata.json", "l"]
    assert len(os.listdir(home / "l")) == len(CHAINS)
    for place, chain in enumerate(CHAINS):
        assert (home / chain / "diff" / f"f{place}").read_bytes() == bytes([place]) * 200_000


def test_a_worker_that_is_killed_is_one_clear_error(home):
    kill = in_workers("f2", lambda: os.kill(os.getpid(), signal.SIGKILL))
    result = modules.run_module(overlay2_image.main, params(home), kill)
    assert (result["error"], result["errno"]) == ("os_error", errno.ECHILD)
    assert f"layer {CHAINS[2]}" in result["msg"]
    assert "memory" in result["hint"]
    assert layers_in(home) == sorted(CHAINS[:2])  # those below stay
    assert result["actions"] == [f"make layer {CHAINS[0]}", f"make layer {CHAINS[1]} on {CHAINS[0]}"]
    assert not (home / ".staging").exists()
    check_whole(home)


def test_a_worker_without_memory_is_one_clear_error(home):
    def fail():
        raise MemoryError

    result = modules.run_module(overlay2_image.main, params(home), in_workers("f0", fail))
    assert (result["error"], result["errno"]) == ("os_error", errno.ENOMEM)
    assert f"layer {CHAINS[0]}" in result["msg"]
    assert layers_in(home) == []
    check_whole(home)


def test_an_error_of_a_worker_has_all_its_fields(home):
    def fail():
        raise OSError(errno.EIO, "Input/output error", "/a/path")

    result = modules.run_module(overlay2_image.main, params(home), in_workers("f0", fail))
    assert (result["error"], result["errno"], result["path"]) == ("os_error", errno.EIO, "/a/path")


def test_a_bug_in_a_worker_is_a_traceback(home, capfd):
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ValueError, match="Expecting value"):  # no result
        modules.run_module(overlay2_image.main, params(home), in_workers("f0", fail))
    assert "ZeroDivisionError" in capfd.readouterr().err
    check_whole(home)


CHANGES = ("open", "os.mkdir", "os.chmod", "os.chown", "os.utime", "os.remove", "os.rename")


def at_step(number, deed):
    """Return a function that lets each process but the module's own call *deed* before its *number*th change."""

    def prepare():
        own, steps = os.getpid(), {}

        def hook(event, arguments):
            if event in CHANGES and os.getpid() != own and not isinstance(arguments[0], int):
                steps[os.getpid()] = steps.get(os.getpid(), 0) + 1
                if steps[os.getpid()] == number:
                    deed()

        sys.addaudithook(hook)

    return prepare


def fill_up():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("deed", "code"),
    [
        pytest.param(fill_up, "no_space", id="no space"),
        pytest.param(lambda: os.kill(os.getpid(), signal.SIGKILL), "os_error", id="killed"),
    ],
)
def test_a_worker_that_fails_at_any_step_leaves_a_store_that_the_next_run_completes(deed, code, home):
    (home.parent / "image").write_bytes(packed(one_image(LAYERS[:2], "none", name="two").whole()))
    for number in range(1, 100):
        result = modules.run_module(overlay2_image.main, params(home), at_step(number, deed))
        if not result.get("failed"):
            break
        assert result["error"] == code, (number, result)
        assert result["path"] in result["msg"]
        assert layers_in(home) == []
        assert not (home / ".staging").exists()
        assert os.listdir(home / "l") == []
        ok(home, overlay2_image, **{key: value for key, value in params(home).items() if key != "home"})
        assert layers_in(home) == sorted(CHAINS[:2])
        ok(home, overlay2_layer, id=CHAINS[0], state="absent", recursive=True)
    assert number > 5


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(condition):
    for _unused in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


def state_of(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "gone"


def is_stopped(pid):
    return state_of(pid) == "T"


def is_alive(pid):
    return state_of(pid) not in ("Z", "X", "gone")


def test_no_process_outlives_a_run_that_is_killed(home):
    stop = in_workers("f0", lambda: os.kill(os.getpid(), signal.SIGSTOP))
    started = modules.Started(overlay2_image.main, params(home, workers=4), stop)
    wait_for(lambda: any(map(is_stopped, children_of(started.pid))))
    children = children_of(started.pid)
    os.kill(started.pid, signal.SIGKILL)
    assert started.result() is None
    wait_for(lambda: not any(map(is_alive, children)))
    assert layers_in(home) == []
    check_whole(home)


def test_one_worker_or_one_layer_needs_no_process(home):
    def fail():
        raise ZeroDivisionError

    for src, more in (("image", {"workers": 1}), ("two", {})):
        if src == "two":
            ok(home, overlay2_layer, id=CHAINS[0], state="absent", recursive=True)
            (home.parent / "two").write_bytes(packed(one_image(LAYERS[:1], "none").whole()))
        result = modules.run_module(overlay2_image.main, params(home, src, **more), in_workers("f0", fail))
        assert not result.get("failed"), result


def test_a_second_run_waits_for_the_layers_that_the_first_one_unpacks(home):
    stop = in_workers("f0", lambda: os.kill(os.getpid(), signal.SIGSTOP))
    first = modules.Started(overlay2_image.main, params(home), stop)
    wait_for(lambda: any(map(is_stopped, children_of(first.pid))))
    stopped = next(filter(is_stopped, children_of(first.pid)))
    refused = modules.run_module(overlay2_image.main, params(home, "two", lock_timeout=0))
    assert refused["error"] == "store_busy"
    assert refused["changed"] is False
    second = modules.Started(overlay2_image.main, params(home, "two", id="mine"))
    unrelated = archive(member("else", body=b"where"))
    (home.parent / "other").write_bytes(packed(one_image([unrelated]).whole()))
    assert modules.run_module(overlay2_image.main, params(home, "other"))["changed"]
    os.kill(stopped, signal.SIGCONT)
    assert len(first.result()["actions"]) == len(LAYERS) + 1
    waited = second.result()
    assert waited["top"] == CHAINS[1]
    assert [action.split()[0] for action in waited["actions"]] == ["record"]


@pytest.mark.parametrize("processes", [1, 2])
def test_layers_are_published_in_groups_if_much_is_prepared(processes, home, monkeypatch):
    monkeypatch.setattr(run, "_GROUP_BYTES", 250_000)
    locks = home.parent / "locks"

    def note_locks():
        log = os.open(locks, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

        def hook(event, arguments):
            if event == "fcntl.flock" and os.path.samestat(os.fstat(arguments[0]), os.stat(home)):
                os.write(log, b"x")

        sys.addaudithook(hook)

    last = modules.run_module(overlay2_image.main, params(home, workers=processes), note_locks)
    assert locks.stat().st_size == 4  # to plan, for two groups, and for the record
    assert [action.split()[2] for action in last["actions"][:-1]] == CHAINS
    check_whole(home)


def test_a_run_that_is_killed_keeps_the_groups_that_it_published(home, monkeypatch):
    monkeypatch.setattr(run, "_GROUP_BYTES", 250_000)
    layers = [*LAYERS[:3], archive(member("f3", body=b"3" * 100_000))]  # the smallest comes last
    (home.parent / "image").write_bytes(packed(one_image(layers, "none").whole()))
    stop = in_workers("f3", lambda: os.kill(os.getpid(), signal.SIGSTOP))
    started = modules.Started(overlay2_image.main, params(home), stop)
    wait_for(lambda: layers_in(home) == sorted(CHAINS[:2]))
    os.kill(started.pid, signal.SIGKILL)
    assert started.result() is None
    again = ok(home, overlay2_image, **{key: value for key, value in params(home).items() if key != "home"})
    assert [action.split()[0] for action in again["actions"]] == ["make", "make", "record"]


def test_a_layer_that_goes_between_two_groups_is_made_again(home, monkeypatch):
    monkeypatch.setattr(run, "_GROUP_BYTES", 250_000)
    stop = in_workers("f3", lambda: os.kill(os.getpid(), signal.SIGSTOP))
    started = modules.Started(overlay2_image.main, params(home), stop)
    wait_for(lambda: layers_in(home) == sorted(CHAINS[:2]))
    ok(home, overlay2_layer, id=CHAINS[1], state="absent")
    wait_for(lambda: any(map(is_stopped, children_of(started.pid))))
    while is_alive(started.pid):
        for pid in filter(is_stopped, children_of(started.pid)):
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.01)
    result = started.result()
    assert not result.get("failed"), result
    assert len(result["actions"]) == len(LAYERS) + 2  # one layer twice, and the record
    check_whole(home)
