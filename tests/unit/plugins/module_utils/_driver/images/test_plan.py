# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of an image is pure, and leads to a state that needs no plan."""

from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.images.plan import plan_present
from ansible_collections.strata.overlay2.plugins.module_utils._driver.images.state import (
    ImageSource,
    ImageState,
    WantedImage,
    chains_of,
    reported,
)
from ansible_collections.strata.overlay2.plugins.module_utils._driver.state import LayerState
from ansible_collections.strata.overlay2.plugins.module_utils._errors import (
    ArchiveRejected,
    InvalidInput,
    LayerInUse,
    NotSupported,
    StoreForeign,
)
from ansible_collections.strata.overlay2.plugins.module_utils._image.files import File
from ansible_collections.strata.overlay2.plugins.module_utils._image.image import Image, ImageLayer
from ansible_collections.strata.overlay2.plugins.module_utils._image.platforms import Platform
from ansible_collections.strata.overlay2.plugins.module_utils._store.images import ImageRecord, RecordedLayer
from ansible_collections.strata.overlay2.plugins.module_utils._store.settings import Settings


def digest(number):
    return f"sha256:{number:064x}"


RECORD = ImageRecord(
    digest(100),
    digest(200),
    ("app:1",),
    "linux/amd64",
    tuple(RecordedLayer(digest(number), digest(10 + number), 5, "a type") for number in range(3)),
)
SOURCE = ImageSource("/archive", None, "linux/amd64")
CHAINS = chains_of(RECORD)
LAYERS = tuple(
    ImageLayer(layer.diff_id, chain, layer.digest, layer.size, layer.media_type, File(layer.digest, 5, place))
    for place, (layer, chain) in enumerate(zip(RECORD.layers, CHAINS))
)
IMAGE = Image(RECORD.image_id, RECORD.manifest_digest, RECORD.names, Platform("linux", "amd64"), b"{}", LAYERS)


def there(count, **more):
    """Return the first layers of the image, as found in a store."""
    names = [chain[7:] for chain in CHAINS]
    return tuple(
        LayerState(
            names[place],
            "LINK",
            tuple(reversed(names[:place])),
            **{"committed": True, "marked": True, "read_write": False, "chain_id": CHAINS[place], **more},
        )
        for place in range(count)
    )


def state(found=(), records=(), **more):
    wanted = more.pop("wanted", WantedImage(RECORD, b"{}", IMAGE))
    return ImageState("/home", True, wanted, found, {record.image_id: record for record in records}, Settings(), **more)


def planned(have, top=None):
    plan = plan_present(have, top, SOURCE)
    after = plan.after._replace(found=tuple(layer._replace(link="LINK") for layer in plan.after.found))
    assert plan_present(after, top, SOURCE).actions == ()
    assert len(after.found) == 3
    return [action.describe() for action in plan.actions], plan


def test_missing_layers_are_made_base_first_and_the_image_is_recorded():
    names = [chain[7:] for chain in CHAINS]
    said, plan = planned(state(there(1)))
    assert said == [
        f"make layer {names[1]} on {names[0]}",
        f"make layer {names[2]} on {names[1]}",
        f"record image {RECORD.image_id}",
    ]
    assert plan.prepares_unlocked
    assert plan.commits_locked


def test_an_image_that_is_there_needs_nothing():
    assert planned(state(there(3), [RECORD]))[0] == []


def test_an_image_that_is_there_is_recorded_under_the_lock():
    said, plan = planned(state(there(3)))
    assert said == [f"record image {RECORD.image_id}"]
    assert not plan.prepares_unlocked


def test_the_top_layer_gets_the_name_asked_for():
    assert planned(state(there(2)), "base")[0][0] == f"make layer base on {CHAINS[1][7:]}"
    assert planned(state(there(3), [RECORD]), "base")[0] == []


def test_layers_that_are_not_sealed_are_sealed():
    said, plan = planned(state(there(3, marked=False), [RECORD]))
    assert said == [f"seal layer {chain[7:]}" for chain in CHAINS]
    assert plan.must_be_free == tuple(sorted(chain[7:] for chain in CHAINS))


def test_a_layer_that_is_mounted_read_write_is_not_built_on():
    with pytest.raises(LayerInUse, match="is mounted read-write"):
        planned(state(there(1, marked=False, committed=False, writable=True)))


def test_what_is_known_of_an_image_stays_known_in_another_form():
    layers = tuple(RecordedLayer(layer.diff_id, None, 9, None) for layer in RECORD.layers)
    bare = RECORD._replace(manifest_digest=None, names=("app:2",), layers=layers)
    after = planned(state(there(3), [RECORD], wanted=WantedImage(bare, b"{}", IMAGE)))[1].after
    assert after.records == {RECORD.image_id: RECORD._replace(names=("app:1", "app:2"))}
    after = planned(state(there(3), [bare]))[1].after
    assert after.records == {RECORD.image_id: RECORD._replace(names=("app:2", "app:1"))}


def test_another_image_loses_the_name():
    other = RECORD._replace(image_id=digest(101), names=("app:0", "app:1"))
    action = planned(state(there(3), [RECORD, other]))[1].actions[0]
    assert action.changed == (other._replace(names=("app:0",)),)


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"engine": "docker"}, StoreForeign),
        ({"refusal": NotSupported("no overlay", hint="none")}, NotSupported),
        ({"taken": {CHAINS[1][7:]: "a layer with other content"}}, InvalidInput),
        (
            {"wanted": WantedImage(RECORD, b"{}", IMAGE._replace(layers=(*LAYERS[:2], LAYERS[2]._replace(file=None))))},
            ArchiveRejected,
        ),
    ],
)
def test_what_cannot_be_made_is_an_error_before_anything_is_made(more, error):
    with pytest.raises(error):
        plan_present(state(there(1), **more), None, SOURCE)
    assert planned(state(there(3), [RECORD], **more))[0] == []


def test_a_result_shows_which_layers_are_there():
    result = reported(WantedImage(RECORD._replace(names=("a\x1b",)), b"{" + b" " * (64 << 10) + b"}"), there(2))
    assert [layer["present"] for layer in result["layers"]] == [True, True, False]
    assert [layer["parent"] for layer in result["layers"]] == ["", CHAINS[0][7:], None]
    assert (result["top"], result["config"], result["names"]) == (None, None, ["a\\x1b"])
    assert reported(WantedImage(RECORD, b'{"os": 1}'), there(3))["config"] == {"os": 1}
    assert reported(WantedImage(RECORD, None), there(3))["top"] == CHAINS[2][7:]
