# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image goes out of a store as it came in: every good archive."""

from __future__ import annotations

import json
import os
import shutil
import tarfile

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.content.output_file import WantedAccess
from ansible_collections.strata.overlay2.plugins.module_utils._driver.images.choice import ImageChoice
from ansible_collections.strata.overlay2.plugins.module_utils._driver.images.export_state import (
    ImageExport,
)
from ansible_collections.strata.overlay2.plugins.module_utils._driver.images.state import ImageSource
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput, LayerNotFound, StoreNotFound
from ansible_collections.strata.overlay2.plugins.module_utils._image.archive import read_image
from ansible_collections.strata.overlay2.plugins.module_utils._image.layer_file import open_layer
from ansible_collections.strata.overlay2.plugins.module_utils._image.platforms import parse_platform
from ansible_collections.strata.overlay2.plugins.module_utils._image.source import open_files
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.image import ImageTask
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.image_export import ImageExportTask
from ansible_collections.strata.overlay2.tests import tasks
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import archive, member
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
    TWICE,
    good,
)

pytestmark = pytest.mark.root

AMD64 = "linux/amd64"
GOOD = good()
TWO_BODIES = archive(member("a", body=b"first"), member("a", body=b"second"))
FORMS = ("oci", "docker")


@pytest.fixture
def home(tmp_path):
    return tasks.new_store(tmp_path / "home")


def put(home, path, image=None, platform=AMD64, **more):
    """Have the image of an archive in a store; return what was recorded of it."""
    outcome = tasks.do(ImageTask(str(home), ImageSource(str(path), image, platform, **more), None))
    return outcome.after.records[outcome.after.wanted.record.image_id]


def put_files(home, files, **more):
    path = home.parent / "archive"
    path.write_bytes(files if isinstance(files, bytes) else packed(files))
    return put(home, path, **more)


def export_task(home, dest, choice, **options):
    options = {
        "form": "oci",
        "names": None,
        "compression": "none",
        "level": None,
        "access": WantedAccess(),
        "has": (),
        **options,
    }
    return ImageExportTask(str(home), choice, ImageExport(str(dest), **options))


def export(home, dest, image_id, **options):
    """Write an image as check mode predicts; a second run has nothing to do. Return the results of the first run."""
    task = export_task(home, dest, ImageChoice(image_id=image_id), **options)
    predicted = tasks.plan(task, predicting=True)
    foreseen = task.report(predicted)
    warned: list[str] = []
    outcome = tasks.do(task, warned=warned)
    assert warned == list(predicted.plan.warnings)
    assert tasks.sentences(predicted) == tasks.sentences(outcome) != []
    assert task.difference(predicted.have, predicted.after) == task.difference(outcome.have, outcome.plan.after)
    told = task.report(outcome)
    compressed = options.get("compression", "none") != "none"
    without = {"manifest_digest": None, "layers": None} if compressed else {}
    assert {**foreseen, **without} == {**told, **without}
    again = tasks.plan(task)
    assert again.plan.actions == ()
    assert task.report(again) == told
    return told


def layers_of(path, platform=AMD64):
    """Return the image in an archive, and the tars of its layers."""
    with open_files(str(path)) as files:
        image = read_image(files, None, parse_platform(platform))
        tars = []
        for layer in image.layers:
            if layer.file:
                with open_layer(files, layer) as reader:
                    tars.append(b"".join(iter(lambda reader=reader: reader.read(1 << 20), b"")))
            else:
                tars.append(None)
    return image, tars


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", [case for case, found in GOOD.items() if not found.missing])
def test_a_good_image_goes_out_as_it_came_in(case, form, home, tmp_path):
    files, layers, names, image, platform, _missing = GOOD[case]
    record = put_files(home, files, image=image, platform=platform)
    told = export(home, tmp_path / "out.tar", record.image_id, form=form)
    found, tars = layers_of(tmp_path / "out.tar", platform)
    assert (told["image_id"], told["exact"]) == (record.image_id, True)
    assert (found.image_id, found.manifest_digest) == (record.image_id, told["manifest_digest"])
    assert tars == list(layers)
    assert set(found.names) == {name for name in names if form == "oci" or ":" in name}
    assert [layer["diff_id"] for layer in told["layers"]] == [digest(layer) for layer in layers]
    other = tasks.new_store(tmp_path / "other")
    assert put(other, tmp_path / "out.tar", platform=platform).image_id == record.image_id
    again = export(other, tmp_path / "again.tar", record.image_id, form=form)
    assert again["chain_ids"] == told["chain_ids"]
    if form == "oci":
        assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "out.tar").read_bytes()


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_compressed_layers_are_the_same_layers(how, home, tmp_path):
    record = put_files(home, one_image(TWICE).whole())
    told = export(home, tmp_path / "out.tar", record.image_id, compression=how, level=3)
    image, tars = layers_of(tmp_path / "out.tar")
    assert tars == list(TWICE)
    assert image.image_id == record.image_id
    assert {layer["media_type"] for layer in told["layers"]} == {f"application/vnd.oci.image.layer.v1.tar+{how}"}
    first = (tmp_path / "out.tar").read_bytes()
    os.unlink(tmp_path / "out.tar")
    export(home, tmp_path / "out.tar", record.image_id, compression=how, level=3)
    assert (tmp_path / "out.tar").read_bytes() == first


def test_every_reader_of_tars_reads_the_archive(home, tmp_path):
    record = put_files(home, one_image(TWICE).whole())
    export(home, tmp_path / "out.tar", record.image_id, names=("localhost/a:1", "b:2"))
    with tarfile.open(tmp_path / "out.tar") as tar:
        names = tar.getnames()
        listed = json.load(tar.extractfile("manifest.json"))
        index = json.load(tar.extractfile("index.json"))
        assert all(digest(tar.extractfile(f"blobs/sha256/{name[13:]}").read())[7:] == name[13:] for name in names[:-3])
    assert len(names) == len(set(names)) == len(set(TWICE)) + 5
    assert listed[0]["RepoTags"] == ["localhost/a:1", "b:2"]
    assert len(index["manifests"]) == 2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", ["none", "gzip"])
def test_a_delta_on_its_base_is_the_whole(form, how, home, tmp_path):
    record = put_files(home, one_image([*THREE, OTHER, SECOND]).whole())
    chains = chain_ids([digest(layer) for layer in [*THREE, OTHER]])
    whole = export(home, tmp_path / "whole.tar", record.image_id, form=form, compression=how)
    told = export(home, tmp_path / "delta.tar", record.image_id, form=form, compression=how, has=(chains[1],))
    assert (told["image_id"], told["exact"]) == (whole["image_id"], True)
    _image, tars = layers_of(tmp_path / "delta.tar")
    left_out = [None, None] if form == "docker" else [None, SECOND]  # the last layer is the second one again
    assert tars[2:4] == [*THREE[2:], OTHER]
    assert tars[0] is None
    assert left_out
    base = tasks.new_store(tmp_path / "base")
    (tmp_path / "base.tar").write_bytes(packed(one_image(THREE[:2], "zstd").whole()))
    put(base, tmp_path / "base.tar")
    assert put(base, tmp_path / "delta.tar").image_id == record.image_id
    export(base, tmp_path / "again.tar", record.image_id, form=form, compression=how)
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "whole.tar").read_bytes()


def test_chain_ids_of_other_images_leave_nothing_out(home, tmp_path):
    record = put_files(home, one_image(THREE).whole())
    export(home, tmp_path / "out.tar", record.image_id, has=(digest(OTHER),))
    assert None not in layers_of(tmp_path / "out.tar")[1]


def test_a_layer_without_an_exact_record_goes_out_with_another_diff_id(home, tmp_path):
    record = put_files(home, one_image([BASE, TWO_BODIES]).whole())
    told = export(home, tmp_path / "out.tar", record.image_id)
    assert told["exact"] is False
    assert [layer["exact"] for layer in told["layers"]] == [True, False]
    assert told["image_id"] != record.image_id
    image, tars = layers_of(tmp_path / "out.tar")
    assert (image.image_id, tars[0]) == (told["image_id"], BASE)
    assert [digest(tar) for tar in tars] == [layer["diff_id"] for layer in told["layers"]]
    warnings = tasks.plan(export_task(home, tmp_path / "out.tar", ImageChoice(image_id=record.image_id))).plan.warnings
    assert len(warnings) == 1
    assert "the store has no exact record of its tar" in warnings[0]


@pytest.mark.parametrize("form", FORMS)
def test_a_layer_whose_file_has_changed_goes_out_as_it_is_now_and_is_said_to_be_inexact(form, home, tmp_path):
    record = put_files(home, one_image([BASE, SECOND]).whole())
    base = digest(BASE)[7:]
    (home / base / "diff/etc/passwd").write_bytes(b"r00t:x:0:0::/:/bin/sh\n")
    told = export(home, tmp_path / "out.tar", record.image_id, form=form)
    assert [layer["exact"] for layer in told["layers"]] == [False, True]
    _image, tars = layers_of(tmp_path / "out.tar")
    assert b"r00t" in tars[0]
    assert tars[1] == SECOND


def test_a_file_that_is_not_the_image_is_replaced(home, tmp_path):
    record = put_files(home, one_image(TWICE).whole())
    dest = tmp_path / "out.tar"
    task = export_task(home, dest, ImageChoice(image_id=record.image_id))
    tasks.do(task)
    right = dest.read_bytes()
    size = len(right)
    wrong = [right[:at] + bytes((right[at] ^ 1,)) + right[at + 1 :] for at in range(0, size, size // 41)]
    wrong += [right[:at] for at in (0, 1, 511, 512, size // 2, size - 1024, size - 1)]
    wrong += [right + bytes(512), bytes(size), packed(saved((TWICE, ["a:1"])))]
    for data in wrong:
        dest.write_bytes(data)
        assert [type(action).__name__ for action in tasks.plan(task).plan.actions] == ["WriteImage"]
    tasks.do(task)
    assert dest.read_bytes() == right
    for options in ({"names": ("b:1",)}, {"form": "docker"}, {"compression": "gzip"}):
        other = export_task(home, dest, ImageChoice(image_id=record.image_id), **options)
        assert [type(action).__name__ for action in tasks.plan(other).plan.actions] == ["WriteImage"]


def test_owner_and_mode_alone_are_changed(home, tmp_path):
    record = put_files(home, one_image(THREE).whole())
    dest = tmp_path / "out.tar"
    tasks.do(export_task(home, dest, ImageChoice(image_id=record.image_id)))
    before = dest.stat()
    assert before.st_mode & 0o7777 == 0o600
    access = WantedAccess(1, 2, lambda _mode: 0o640)
    outcome = tasks.do(export_task(home, dest, ImageChoice(image_id=record.image_id), access=access))
    assert [type(action).__name__ for action in outcome.plan.actions] == ["GiveAccess"]
    after = dest.stat()
    assert (after.st_ino, after.st_uid, after.st_gid, after.st_mode & 0o7777) == (before.st_ino, 1, 2, 0o640)


def test_an_image_is_chosen_by_all_that_is_given(home, tmp_path):
    one = put_files(home, one_image(THREE, name="a:1").whole())
    two = put_files(home, one_image([*THREE, OTHER], name="b:1").whole())
    chain = chain_ids([digest(layer) for layer in THREE])[-1]
    right = (
        ImageChoice(image="a:1"),
        ImageChoice(image=one.image_id),
        ImageChoice(image=one.manifest_digest, chain_id=chain),
        ImageChoice(top=chain[7:]),
        ImageChoice(manifest_digest=one.manifest_digest),
    )
    for choice in right:
        assert tasks.plan(export_task(home, tmp_path / "out", choice)).have.record == one
    for choice in (ImageChoice(image="c:1"), ImageChoice(image="a:1", image_id=two.image_id), ImageChoice(top="x")):
        with pytest.raises(LayerNotFound):
            tasks.plan(export_task(home, tmp_path / "out", choice))
    with pytest.raises(InvalidInput, match="which image"):
        export_task(home, tmp_path / "out", ImageChoice())
    with pytest.raises(StoreNotFound):
        tasks.plan(export_task(tmp_path / "none", tmp_path / "out", ImageChoice(image="a:1")))


@pytest.mark.parametrize(
    "options",
    [
        {"has": ("sha256:1",)},
        {"names": ("a b",)},
        {"names": ("",)},
        {"names": ("latest",), "form": "docker"},
        {"compression": "gzip", "level": 10},
        {"compression": "none", "level": 1},
    ],
)
def test_options_that_make_no_sense_are_refused(options, home, tmp_path):
    with pytest.raises(InvalidInput):
        export_task(home, tmp_path / "out", ImageChoice(image="a:1"), **options)


def test_an_image_that_lacks_a_layer_does_not_go_out(home, tmp_path):
    record = put_files(home, one_image(THREE).whole())
    top = chain_ids([digest(layer) for layer in THREE])[-1][7:]
    shutil.rmtree(home / top)
    with pytest.raises(LayerNotFound, match="2 of the 3 layers"):
        tasks.plan(export_task(home, tmp_path / "out", ImageChoice(image_id=record.image_id)))
