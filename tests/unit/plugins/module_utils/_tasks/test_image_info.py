# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The query of overlay2_image_info: the images in a store and in archives."""

from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.images import catalog
from ansible_collections.strata.overlay2.plugins.module_utils._driver.images.state import ImageSource
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.state import WantedLayer
from ansible_collections.strata.overlay2.plugins.module_utils._errors import (
    ArchiveRejected,
    InvalidInput,
    StoreNotFound,
)
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.image import ImageTask
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.image_info import look
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.layer import LayersTask
from ansible_collections.strata.overlay2.tests import tasks
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_archives import (
    chain_ids,
    digest,
    one_image,
    packed,
    saved,
)
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_cases import (
    BASE,
    OTHER,
    SECOND,
    THREE,
    bad,
    good,
)

pytestmark = pytest.mark.root
BAD, GOOD = bad(), good()


@pytest.fixture
def home(tmp_path):
    return str(tasks.new_store(tmp_path / "home"))


def put(tmp_path, files, name="archive"):
    path = tmp_path / name
    path.write_bytes(files if isinstance(files, bytes) else packed(files))
    return str(path)


def have(home, path, image=None):
    return tasks.do(ImageTask(home, ImageSource(path, image, "linux/amd64"), None))


def test_the_images_of_a_store_are_listed_with_what_is_there(home, tmp_path):
    assert look(home, None, None, None) == {"images": [], "truncated": False}
    first = have(home, put(tmp_path, one_image(THREE, name="a").whole(), "a")).after
    have(home, put(tmp_path, one_image([BASE, OTHER], name="b").whole(), "b"))
    listed = look(home, None, None, None)["images"]
    assert sorted(image["names"] for image in listed) == [["a"], ["b"]]
    assert all(layer["present"] for image in listed for layer in image["layers"])
    assert [image["config"] for image in listed] == [None, None]
    top = first.found[-1].id
    tasks.do(LayersTask(home, [WantedLayer(top)], "absent"))
    (image,) = look(home, None, "a", "linux/amd64")["images"]
    assert [layer["present"] for layer in image["layers"]] == [True, True, False]
    assert image["top"] is None
    assert image["config"]["architecture"] == "amd64"
    assert look(home, None, first.wanted.record.image_id, None)["images"] == [image]
    assert look(home, None, "a", "linux/arm64")["images"] == look(home, None, "c", None)["images"] == []


def test_a_record_that_cannot_be_read_hides_no_other_image(home, tmp_path):
    first = have(home, put(tmp_path, one_image(THREE, name="a").whole(), "a")).after
    have(home, put(tmp_path, one_image([BASE, OTHER], name="b").whole(), "b"))
    path = f"{home}/.strata-images/{first.wanted.record.image_id[7:]}.json"
    with open(path, "w", encoding="ascii") as file:
        file.write("{}")
    found = look(home, None, None, None)
    assert [image["names"] for image in found["images"]] == [["b"]]
    (warning,) = found["warnings"]
    assert path in warning and "remove the file" in warning
    have(home, f"{tmp_path}/a")
    assert "warnings" not in look(home, None, None, None)
    assert len(look(home, None, None, None)["images"]) == 2


def test_many_records_that_cannot_be_read_are_counted(home, tmp_path):
    have(home, put(tmp_path, one_image(THREE, name="a").whole(), "a"))
    for number in range(7):
        with open(f"{home}/.strata-images/{number:064x}.json", "w", encoding="ascii") as file:
            file.write("{}")
    found = look(home, None, None, None)
    assert [image["names"] for image in found["images"]] == [["a"]]
    assert len(found["warnings"]) == 6
    assert found["warnings"][-1] == "2 more images are not told, as their records cannot be read"


@pytest.mark.parametrize("case", GOOD)
def test_each_good_archive_lists_its_image(case, home, tmp_path):
    files, layers, names, image, platform, _missing = GOOD[case]
    listed = look(home, put(tmp_path, files), image, platform)["images"]
    chains = [found["chain_ids"] for found in listed]
    assert chain_ids([digest(layer) for layer in layers]) in chains
    assert list(names) in [found["names"] for found in listed]
    assert not any(layer["present"] for found in listed for layer in found["layers"])


def test_all_platforms_of_an_archive_are_listed(home, tmp_path):
    path = put(tmp_path, GOOD["OCI, several platforms"].files)
    have(home, path)
    listed = look(home, path, None, None)["images"]
    assert [image["platform"] for image in listed] == [
        *("linux/arm/v6", "linux/arm/v7", "linux/amd64", "linux/amd64/v3", "linux/arm64"),
    ]
    assert [sum(layer["present"] for layer in image["layers"]) for image in listed] == [2, 2, 3, 1, 1]


def test_an_archive_is_listed_without_a_store(tmp_path):
    path = put(tmp_path, saved(([BASE, SECOND], ["a:1"])))
    (image,) = look(str(tmp_path / "none"), path, None, None)["images"]
    assert image["names"] == ["a:1"]
    with pytest.raises(StoreNotFound):
        look(str(tmp_path / "none"), None, None, None)


def test_more_images_than_are_listed_are_told(home, tmp_path, monkeypatch):
    path = put(tmp_path, GOOD["OCI, several platforms"].files)
    monkeypatch.setattr(catalog, "_MOST_IMAGES", 2)
    found = look(home, path, None, None)
    assert (len(found["images"]), found["truncated"]) == (2, True)
    monkeypatch.setattr(catalog, "_MOST_LAYERS", 3)
    found = look(home, path, None, None)
    assert (len(found["images"]), found["truncated"]) == (1, True)


@pytest.mark.parametrize("case", ["the config is another", "two truths", "an empty index", "a text"])
def test_an_archive_that_lies_is_not_listed(case, home, tmp_path):
    with pytest.raises(BAD[case].error):
        look(home, put(tmp_path, BAD[case].built()), None, None)


def test_wrong_parameters_are_refused(home, tmp_path):
    path = put(tmp_path, one_image(THREE).whole())
    for image, platform in (("sha256:1", None), ("other", None), (None, "amd64")):
        with pytest.raises(InvalidInput):
            look(home, path, image, platform)
    with pytest.raises(ArchiveRejected):
        look(home, put(tmp_path, saved()), None, None)
