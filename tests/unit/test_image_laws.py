# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The laws of overlay2_image hold in every case, good or bad, killed or not: what a layer's name says is its content,
nothing outside the store is written, no process needs much memory, and no network is used.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import apply_layer
from ansible_collections.strata.overlay2.plugins.module_utils._errors import Overlay2Error
from ansible_collections.strata.overlay2.tests.tasks import new_store
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import reader
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_archives import (
    chain_ids,
    digest,
    packed,
)
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_cases import (
    BASE,
    HUGE,
    OTHER,
    SECOND,
    bad,
    good,
)
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._tasks.test_image import contents

pytestmark = pytest.mark.root

MOST_MEMORY = 64 << 10  # KiB, of any process
GOOD, BAD = good(), bad()
OWN = {"l", ".strata.json", ".strata-images"}
ODD = [[BASE, b""], [BASE, SECOND + OTHER], [HUGE]]  # images that only a bad case has


class Alone:
    """Runs of overlay2_image, one after the other, in a process that is as small as Ansible makes one."""

    def __init__(self) -> None:
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("images_alone.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )

    def __call__(self, **params: t.Any) -> dict[str, t.Any]:
        assert self._process.stdin and self._process.stdout
        print(json.dumps(params), file=self._process.stdin, flush=True)
        return t.cast("dict[str, t.Any]", json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def alone():
    runs = Alone()
    yield runs
    runs.close()


@pytest.fixture(scope="module")
def true_contents(tmp_path_factory):
    """Return what each layer must hold, by the name that tells its chain id."""
    place = tmp_path_factory.mktemp("true")
    found = {}
    for layers in [*(case.layers for case in GOOD.values()), *ODD]:
        chains = [chain[7:] for chain in chain_ids([digest(layer) for layer in layers])]
        for number, (layer, chain) in enumerate(zip(layers, chains)):
            if chain not in found:
                diff = place / chain / "diff"
                diff.mkdir(parents=True)
                lowers = [str(place / lower / "diff") for lower in reversed(chains[:number])]
                apply_layer(reader(layer), str(diff), lowers=lowers, expected=True, may_be_image=True)
                found[chain] = contents(place, chain)
    return found


@pytest.fixture(scope="module")
def memory(tmp_path_factory):
    """A filesystem in memory: thousands of runs sync it."""
    place = tmp_path_factory.mktemp("memory")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1G", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.fixture
def place(memory):
    (memory / "case").mkdir()
    yield memory / "case"
    shutil.rmtree(memory / "case")


@pytest.fixture
def home(place):
    return new_store(place / "home")


def write(path, files):
    path.write_bytes(files if isinstance(files, bytes) else packed(files))
    return str(path)


def check_layers(home, true_contents):
    """Fail unless each layer holds what its name says. Return their names."""
    names = set(os.listdir(home)) - OWN - {".staging"}
    for name in names:
        assert contents(home, name) == true_contents[name], name
        assert (home / name / "committed").exists()
    return names


def obey(alone, home, place, true_contents, **params):
    """Run undisturbed, and killed; fail unless both obey. Return the result of the undisturbed run."""
    params = {"home": str(home), "platform": "linux/amd64", **params}
    before = sorted(os.listdir(place))
    answer = alone(**params)
    assert max(answer["peaks"]) < MOST_MEMORY, answer["peaks"]
    names = check_layers(home, true_contents)
    assert len(os.listdir(home / "l")) == len(names)
    assert not (home / ".staging").exists()
    assert sorted(os.listdir(place)) == before
    second = new_store(place / "second")
    kill_at = random.Random(os.path.getsize(params["src"])).randint(1, max(answer["opened"], 1))
    killed = alone(**{**params, "home": str(second)}, kill_at=kill_at)
    assert killed["result"] is None or killed["result"].get("error") == answer["result"].get("error")
    check_layers(second, true_contents)
    again = alone(**{**params, "home": str(second)})
    assert again["result"].get("error") == answer["result"].get("error"), again
    assert check_layers(second, true_contents) == names
    if not answer["result"].get("failed"):
        left = set() if again["result"]["changed"] else {".staging"}  # a run that changes nothing does not sweep
        assert set(os.listdir(second)) - left == set(os.listdir(home))
    return answer["result"]


def by_turns(cases):
    """Return the cases, each with a number of workers: all of them twice would take long."""
    return [pytest.param(case, 1 + place % 2, id=case) for place, case in enumerate(cases)]


@pytest.mark.parametrize(("case", "workers"), by_turns([case for case, found in GOOD.items() if not found.missing]))
def test_a_good_image_obeys(case, workers, alone, home, place, true_contents):
    found = GOOD[case]
    src = write(place / "archive", found.files)
    more = {"image": found.image, "platform": found.platform, "workers": workers, "src": src}
    result = obey(alone, home, place, true_contents, **more)
    assert not result.get("failed"), result
    assert len(result["layers"]) == len(found.layers)


@pytest.mark.parametrize(("case", "workers"), by_turns(BAD))
def test_an_archive_that_lies_obeys(case, workers, alone, home, place, true_contents):
    built, error, _message = BAD[case]
    src = write(place / "archive", built())
    result = obey(alone, home, place, true_contents, src=src, workers=workers)
    codes = {kind.code for kind in Overlay2Error.__subclasses__()}
    if error:
        assert result["error"] == error.code
    assert result.get("error") in {None, *codes}
