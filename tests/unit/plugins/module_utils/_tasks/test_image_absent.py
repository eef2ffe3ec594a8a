# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image goes from a real store, with the layers that nothing else needs."""

from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.images.choice import ImageChoice
from ansible_collections.strata.overlay2.plugins.module_utils._driver.images.state import ImageSource
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.state import WantedLayer
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.state import PruneOptions
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput, StoreCorrupt
from ansible_collections.strata.overlay2.plugins.module_utils._store import holders
from ansible_collections.strata.overlay2.plugins.module_utils._store.images import read_records
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.image import ImageTask
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.image_absent import AbsentImageTask
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.layer import LayersTask
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.prune import PruneTask
from ansible_collections.strata.overlay2.tests import tasks
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_archives import (
    chain_ids,
    config_of,
    digest,
    one_image,
    packed,
)
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_cases import (
    BASE,
    OTHER,
    SECOND,
    THREE,
)

pytestmark = pytest.mark.root

CHAINS = chain_ids([digest(layer) for layer in THREE])
IDS = [chain[7:] for chain in CHAINS]


@pytest.fixture
def home(tmp_path):
    return tasks.new_store(tmp_path / "home")


def put(home, layers, name, top=None):
    """Put an image into the store, and return its record."""
    path = home.parent / "archive"
    path.write_bytes(packed(one_image(layers, name=name).whole()))
    outcome = tasks.do(ImageTask(str(home), ImageSource(str(path), None, "linux/amd64"), top))
    return outcome.after.records[outcome.after.wanted.record.image_id]


def absent(home, **choice):
    """Remove an image; a second run has nothing to do. Return what the run reports."""
    task = AbsentImageTask(str(home), ImageChoice(**choice))
    outcome = tasks.do(task)
    assert tasks.plan(task).plan.actions == ()
    return {"actions": tasks.sentences(outcome), **task.report(outcome)}


def left(home):
    ids = set(os.listdir(home)) - {"l", ".strata.json", ".strata-images"}
    assert len(os.listdir(home / "l")) == len(ids)
    return sorted(ids), sorted(name for record in read_records(str(home)).images for name in record.names)


def reasons(result):
    return {layer["id"]: layer["reason"] for layer in result["layers"] if layer["present"]}


@pytest.mark.parametrize(
    "choice",
    [
        lambda record: {"image": "app:1"},
        lambda record: {"image": record.image_id},
        lambda record: {"image": record.manifest_digest},
        lambda record: {"image_id": record.image_id},
        lambda record: {"manifest_digest": record.manifest_digest},
        lambda record: {"chain_id": CHAINS[-1]},
        lambda record: {"top": "app"},
        lambda record: {"image": "app:1", "image_id": record.image_id, "chain_id": CHAINS[-1], "top": "app"},
    ],
)
def test_an_image_goes_whole_however_it_is_named(choice, home):
    record = put(home, THREE, "app:1", "app")
    result = absent(home, **choice(record))
    assert result["actions"] == [
        "remove layer app",
        f"remove layer {IDS[1]}",
        f"remove layer {IDS[0]}",
        f"remove the record of image {record.image_id}",
    ]
    assert result["names"] == ["app:1"]
    assert left(home) == ([], [])
    assert os.listdir(home / ".strata-images") == []


@pytest.mark.parametrize(
    "choice",
    [
        {"image": "app"},
        {"image": "app:1", "chain_id": CHAINS[0]},
        {"top": IDS[1]},
        {"image": "app:1", "platform": "linux/arm64"},
        {"image": "app:1", "top": "other"},
    ],
)
def test_an_image_that_is_not_there_is_no_change(choice, home):
    put(home, THREE, "app:1")
    result = absent(home, **choice)
    assert result["actions"] == []
    assert (result["image_id"], result["layers"]) == (None, [])
    assert left(home) == (sorted(IDS), ["app:1"])


def test_layers_of_another_image_stay(home):
    put(home, [BASE, SECOND], "os:1")
    put(home, THREE, "app:1")
    put(home, [BASE, SECOND, OTHER], "app:2")
    result = absent(home, image="app:1")
    assert result["actions"][0] == f"remove layer {IDS[2]}"
    assert reasons(result) == {
        IDS[1]: "it is the top layer of image os:1",
        IDS[0]: f"layer {IDS[1]}, which stays, is built on it",
    }
    absent(home, image="os:1")
    assert len(left(home)[0]) == 3
    absent(home, image="app:2")
    assert left(home) == ([], [])


def test_layers_that_a_job_is_built_on_stay_and_the_record_goes(home):
    put(home, THREE, "app:1")
    tasks.do(LayersTask(str(home), [WantedLayer("job", IDS[1], read_write=True)], "present"))
    result = absent(home, image="app:1")
    assert reasons(result)[IDS[1]] == "layer job, which stays, is built on it"
    assert left(home) == (sorted([*IDS[:2], "job"]), [])


def test_a_held_layer_stays(home):
    put(home, THREE, "app:1")
    holders.write(str(home), IDS[2], ["ci"])
    assert reasons(absent(home, image="app:1"))[IDS[2]] == f"cannot remove layer {IDS[2]}: it is held by ci"


def test_an_image_whose_top_layer_is_lost_needs_no_layer(home):
    put(home, [BASE, SECOND, OTHER], "app:2")
    put(home, [BASE], "os:1")
    put(home, THREE, "app:1")
    lost = chain_ids([digest(layer) for layer in (BASE, SECOND, OTHER)])[2][7:]
    tasks.do(LayersTask(str(home), [WantedLayer(lost)], "absent"))
    assert reasons(absent(home, image="app:1")) == {IDS[0]: "it is the top layer of image os:1"}
    assert left(home) == ([IDS[0]], ["app:2", "os:1"])


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("choice", [{"top": "app"}, {"chain_id": CHAINS[-1]}, {"image": "app:1"}])
def test_the_next_run_ends_what_a_killed_run_began(steps, choice, home):
    put(home, THREE, "app:1", "app")
    tasks.do(AbsentImageTask(str(home), ImageChoice(**choice)), steps)
    absent(home, **choice)
    assert left(home) == ([], [])


def test_a_layer_that_has_the_name_of_a_lost_top_layer_is_not_taken_for_it(home):
    put(home, THREE, "app:1", "app")
    tasks.do(LayersTask(str(home), [WantedLayer("app")], "absent"))
    tasks.do(LayersTask(str(home), [WantedLayer("app", IDS[1])], "present"))
    assert absent(home, top="app")["actions"] == []


def test_one_of_two_images_with_the_same_layers_must_be_named(home):
    put(home, THREE, "app:1")
    path = home.parent / "archive"
    path.write_bytes(packed(one_image(THREE, name="same:1", config={**config_of(THREE), "author": "another"}).whole()))
    tasks.do(ImageTask(str(home), ImageSource(str(path), None, "linux/amd64"), None))
    with pytest.raises(InvalidInput, match="several images are meant"):
        absent(home, chain_id=CHAINS[-1])
    assert reasons(absent(home, image="app:1"))[IDS[2]] == "it is the top layer of image same:1"
    absent(home, image="same:1")
    assert left(home) == ([], [])


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({}, "it is not said which image"),
        ({"platform": "linux/amd64"}, "it is not said which image"),
        ({"image_id": "app"}, "image_id: app is not a digest"),
        ({"image": "sha256:1"}, "image: sha256:1 is not a digest"),
        ({"top": "../x"}, "x"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(choice, message, home):
    with pytest.raises(InvalidInput, match=message):
        AbsentImageTask(str(home), ImageChoice(**choice))


def damage(home, record):
    (home / ".strata-images" / f"{record.image_id[7:]}.json").write_text("{}")


def test_layers_stay_while_the_record_of_another_image_cannot_be_read(home):
    base = put(home, [BASE], "os:1")
    record = put(home, THREE, "app:1")
    damage(home, base)
    outcome = tasks.do(AbsentImageTask(str(home), ImageChoice(image="app:1")))
    assert tasks.sentences(outcome) == [f"remove the record of image {record.image_id}"]
    assert set(outcome.after.kept.values()) == {"an image whose record cannot be read may need it"}
    (warning,) = outcome.plan.warnings
    assert "no layer of the image is removed" in warning and f"{base.image_id[7:]}.json" in warning
    assert left(home) == (sorted(IDS), [])


def test_an_image_whose_record_cannot_be_read_is_told_to_be_perhaps_the_one(home):
    record = put(home, THREE, "app:1")
    damage(home, record)
    outcome = tasks.do(AbsentImageTask(str(home), ImageChoice(image="app:1")))
    assert not outcome.plan.actions
    assert "the image may be one whose record cannot be read" in outcome.plan.warnings[0]
    assert "remove the file" in outcome.plan.warnings[0]
    assert put(home, THREE, "app:1") == record
    absent(home, image="app:1")
    assert left(home) == ([], [])


@pytest.mark.parametrize("lost", IDS)
def test_prune_remembers_an_image_while_a_layer_has_lost_the_record_of_its_content(lost, home):
    record = put(home, THREE, "app:1")
    os.unlink(home / lost / ".strata.json")
    assert tasks.do(PruneTask(str(home), PruneOptions(keep=("*",), unused_for=0))).plan.actions == ()
    tasks.do(PruneTask(str(home), PruneOptions(keep=(IDS[0],), unused_for=0)))
    assert left(home) == ([IDS[0]], [])
    if lost != IDS[0]:
        assert put(home, THREE, "app:1") == record
        return
    with pytest.raises(InvalidInput, match="exists and is a layer whose content is not known"):
        put(home, THREE, "app:1")


def test_a_record_of_a_newer_format_is_not_replaced(home):
    record = put(home, THREE, "app:1")
    path = home / ".strata-images" / f"{record.image_id[7:]}.json"
    path.write_text('{"format": 2}')
    with pytest.raises(StoreCorrupt, match="format 2"):
        put(home, THREE, "app:1")
    assert path.read_text() == '{"format": 2}'


def test_without_a_store_there_is_no_image(tmp_path):
    assert absent(tmp_path / "none", image="app:1")["actions"] == []
