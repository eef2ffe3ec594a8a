# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers are unpacked by several processes, in any order, and give what one process gives."""

from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.images import unpacking, workers
from ansible_collections.strata.overlay2.plugins.module_utils._errors import (
    ArchiveRejected,
    DigestMismatch,
    InvalidInput,
    Overlay2Error,
)
from ansible_collections.strata.overlay2.tests import tasks
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import archive, directory, member
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_archives import (
    chain_ids,
    digest,
    one_image,
)
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_cases import bad, good
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._tasks.test_image import (
    contents,
    converge,
    home,
    image_task,
    names_in,
    put,
)

pytestmark = pytest.mark.root

GOOD, BAD = good(), bad()
HIDES_ROOT = archive(member(".wh..wh..opq"), directory("new/"))
__all__ = ["home"]


@pytest.fixture
def forked(monkeypatch):
    """Let each layer have a process of its own, however small it is, and return the pids."""
    monkeypatch.setattr(unpacking, "_SMALL", -1)
    monkeypatch.setattr(unpacking, "processors", lambda: 8)
    pids = []
    fork = os.fork

    def noted():
        pid = fork()
        pids.append(pid)
        return pid

    monkeypatch.setattr(os, "fork", noted)
    return pids


def big(number, size=200_000):
    return archive(member(f"f{number}", body=bytes([number]) * size))


@pytest.mark.parametrize("case", [case for case, found in GOOD.items() if not found.missing])
def test_several_processes_make_the_layers_that_one_makes(case, home, tmp_path, forked):
    found = GOOD[case]
    path = put(tmp_path, found.files)
    outcome = converge(image_task(home, path, found.image, found.platform, workers=3))
    (tmp_path / "alone/l").mkdir(parents=True)
    (tmp_path / "alone/.strata.json").write_text('{"format": 1}')
    assert len(forked) >= len(found.layers) > 1 or len(found.layers) == 1
    forked.clear()
    converge(image_task(tmp_path / "alone", path, found.image, found.platform, workers=1))
    assert len(forked) < 2  # what finds out the features of the filesystem
    for layer in outcome.after.found:
        assert contents(home, layer.id) == contents(tmp_path / "alone", layer.id)


@pytest.mark.parametrize("case", [case for case, found in BAD.items() if found.error])
def test_several_processes_find_the_lies_that_one_finds(case, home, tmp_path, forked):
    path = put(tmp_path, BAD[case].built())
    alone = tmp_path / "alone"
    (alone / "l").mkdir(parents=True)
    (alone / ".strata.json").write_text('{"format": 1}')
    told = []
    for place, processes in ((home, 2), (alone, 1)):
        with pytest.raises(BAD[case].error) as caught:
            tasks.do(image_task(place, path, workers=processes))
        assert isinstance(caught.value, Overlay2Error)
        told.append((str(caught.value), caught.value.hint, caught.value.details))
    assert told[0] == told[1]
    assert names_in(home) == names_in(alone)


def test_the_largest_layers_are_unpacked_first_and_published_last(home, tmp_path, forked):
    layers = [big(0), big(1, 300_000), big(2, 100_000), big(3, 400_000)]
    outcome = converge(image_task(home, put(tmp_path, one_image(layers, "none").whole()), workers=2))
    times = [(home / layer.id / ".strata-files").stat().st_mtime_ns for layer in outcome.after.found]
    assert sorted(range(4), key=times.__getitem__)[0] in (1, 3)
    assert [sentence.split()[2] for sentence in tasks.sentences(outcome)[:-1]] == [
        chain[7:] for chain in chain_ids([digest(layer) for layer in layers])
    ]


def test_a_layer_that_hides_all_below_waits_for_them(home, tmp_path, forked):
    layers = [big(0), HIDES_ROOT, big(2), HIDES_ROOT]
    found = converge(image_task(home, put(tmp_path, one_image(layers, "none").whole()), workers=2)).after.found
    assert {name for name in contents(home, found[1].id) if "/" not in name} == {"f0", "new"}
    assert {name for name in contents(home, found[3].id) if "/" not in name} == {"f2", "new"}


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_layers_that_are_larger_than_allowed_together_fail_where_the_sum_is_too_large(
    processes, home, tmp_path, forked
):
    layers = [big(number) for number in range(4)]
    path = put(tmp_path, one_image(layers, "none").whole())
    with pytest.raises(ArchiveRejected, match="bytes allowed") as caught:
        tasks.do(image_task(home, path, workers=processes, max_size=sum(map(len, layers[:3])) - 1))
    assert digest(layers[2])[7:] in str(caught.value)
    chains = chain_ids([digest(layer) for layer in layers])
    assert [name for name in names_in(home) if name != ".staging"] == sorted(chain[7:] for chain in chains[:2])


def test_the_lowest_layer_that_fails_is_the_error(home, tmp_path, forked):
    layout = one_image([big(number) for number in range(4)], "none")
    for place in (1, 3):
        layout.files[layout.layer_path(place)] = layout.files[layout.layer_path(place)][:-1] + b"x"
    with pytest.raises(DigestMismatch) as caught:
        tasks.do(image_task(home, put(tmp_path, layout.whole()), workers=4))
    assert digest(big(1)) in str(caught.value)


def test_on_a_host_that_refuses_processes_this_process_unpacks(home, tmp_path, forked, monkeypatch):
    def refuse(_work):
        raise BlockingIOError

    monkeypatch.setattr(workers, "start_child", refuse)
    outcome = converge(image_task(home, put(tmp_path, one_image([big(0), big(1)]).whole()), workers=2))
    assert len(outcome.after.found) == 2


def test_less_than_one_worker_is_refused(home, tmp_path):
    with pytest.raises(InvalidInput, match="workers: 0 is less than 1"):
        image_task(home, tmp_path / "archive", workers=0)
