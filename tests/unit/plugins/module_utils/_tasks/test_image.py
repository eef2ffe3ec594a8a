# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_image on a real store: every good and every bad archive."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import apply_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.exact_replay import replay
from ansible_collections.strata.overlay2.plugins.module_utils._driver.images.state import ImageSource
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.state import WantedLayer
from ansible_collections.strata.overlay2.plugins.module_utils._driver.plan import Overtaken
from ansible_collections.strata.overlay2.plugins.module_utils._driver.store import Store
from ansible_collections.strata.overlay2.plugins.module_utils._errors import (
    ArchiveRejected,
    DigestMismatch,
    InvalidInput,
    StoreForeign,
)
from ansible_collections.strata.overlay2.plugins.module_utils._store.images import read_records
from ansible_collections.strata.overlay2.plugins.module_utils._store.record_writer import record_content
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.image import ImageTask
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.layer import LayersTask
from ansible_collections.strata.overlay2.tests import tasks
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    archive,
    directory,
    member,
    reader,
)
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_archives import (
    Layout,
    chain_ids,
    digest,
    one_image,
    packed,
    saved,
)
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_cases import (
    BASE,
    NOTHING,
    OTHER,
    SECOND,
    THIRD,
    THREE,
    bad,
    good,
    small,
)

pytestmark = pytest.mark.root

AMD64 = "linux/amd64"
GOOD, BAD = good(), bad()
HIDES_ROOT = archive(member(".wh..wh..opq"), directory("new/"))
# Lies that only unpacking finds.
UNFIT = {
    "a layer that is not a tar, but true": "not a tar",
    "a layer that is cut off, but true": "",
}


@pytest.fixture
def home(tmp_path):
    return tasks.new_store(tmp_path / "home")


def image_task(home, path, image=None, platform=AMD64, top=None, **more):
    return ImageTask(str(home), ImageSource(str(path), image, platform, **more), top)


def put(tmp_path, files, how="none", name="archive"):
    path = tmp_path / name
    path.write_bytes(files if isinstance(files, bytes) else packed(files, how))
    return path


def converge(task):
    """Do the task; return its outcome. The second time, nothing is left to do."""
    outcome = tasks.do(task)
    planned, found = outcome.plan.after.found, outcome.after.found
    only_then = [{"link": there.link, "digest": there.digest} for there in found]
    assert found == tuple(layer._replace(**known) for layer, known in zip(planned, only_then))
    assert outcome.after.records == outcome.plan.after.records
    assert outcome.after.exact == outcome.plan.after.exact
    assert tasks.plan(task).plan.actions == ()
    return outcome


def names_in(home):
    return sorted(set(os.listdir(home)) - {"l", ".strata.json", ".strata-images"})


def contents(home, layer_id):
    """Return what a layer's diff holds: by path, mode, owner, size and content."""
    top = home / layer_id / "diff"
    found = {}
    for base, directories, files in os.walk(top):
        for name in (*directories, *files):
            path = os.path.join(base, name)
            node = os.lstat(path)
            content = Path(path).read_bytes() if stat.S_ISREG(node.st_mode) else None
            xattrs = {
                key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)
            }
            found[os.path.relpath(path, top)] = (
                node.st_mode,
                node.st_uid,
                node.st_rdev,
                node.st_nlink,
                xattrs,
                content,
            )
    return found


def exact_tar(home, layer_id):
    """Return the tar of a layer, written again from its exact record."""
    found = []
    with open(home / layer_id / ".strata-tar.z", "rb") as file:
        replay(file.read, str(home / layer_id / "diff"), found.append)
    return b"".join(found)


@pytest.mark.parametrize("case", [case for case, found in GOOD.items() if not found.missing])
def test_a_good_image_gives_its_layers_as_the_tars_do(case, home, tmp_path):
    files, layers, names, image, platform, _missing = GOOD[case]
    outcome = converge(image_task(home, put(tmp_path, files), image, platform))
    chains = chain_ids([digest(layer) for layer in layers])
    assert names_in(home) == sorted(chain[7:] for chain in chains)
    assert [layer.chain_id for layer in outcome.after.found] == chains
    assert sorted(outcome.after.records[outcome.after.wanted.record.image_id].names) == sorted(names)
    made = tmp_path / "made"
    for place, layer in enumerate(layers):
        assert exact_tar(home, chains[place][7:]) == layer
        diff = made / chains[place][7:] / "diff"
        diff.mkdir(parents=True)
        lowers = [str(made / chain[7:] / "diff") for chain in reversed(chains[:place])]
        apply_layer(reader(layer), str(diff), lowers=lowers, expected=True)
        assert contents(home, chains[place][7:]) == contents(made, chains[place][7:])


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_a_compressed_archive_in_the_wrong_order_gives_the_same_layers(how, home, tmp_path):
    layers = [BASE, SECOND, HIDES_ROOT, THIRD, HIDES_ROOT, NOTHING, NOTHING]
    layout = one_image(layers, "none")
    files = layout.whole()
    paths = dict.fromkeys(layout.layer_path(place) for place in reversed(range(len(layers))))
    top_first = {path: files.pop(path) for path in paths}
    outcome = converge(image_task(home, put(tmp_path, {**top_first, **files}, how)))
    third, fifth = (contents(home, outcome.after.found[place].id) for place in (2, 4))
    assert hidden(third) == ["big", "bin", "etc", "opt", "var"]
    assert hidden(fifth) == ["var"]
    assert "new" in third
    assert "new" in fifth


def hidden(found):
    """Return the names of the whiteouts in a layer."""
    return sorted(name for name, (mode, *_rest) in found.items() if stat.S_ISCHR(mode))


@pytest.mark.parametrize("case", BAD)
def test_no_layer_has_a_chain_id_that_its_content_does_not_have(case, home, tmp_path):
    built, error, _message = BAD[case]
    path = put(tmp_path, built())
    task = image_task(home, path)
    if error is None and case not in UNFIT:
        converge(task)
        return
    with pytest.raises(error or ArchiveRejected):
        tasks.do(task)
    shutil.rmtree(home / ".staging", ignore_errors=True)  # the engine would have removed it
    store = Store(str(home))
    for place, chain in enumerate(chain_ids([digest(layer) for layer in (BASE, SECOND)])):
        if len(names_in(home)) > place:
            layer = store.layer(chain[7:])
            assert (layer.chain_id, layer.marked) == (chain, True)
    assert len(names_in(home)) <= 2
    assert len(os.listdir(home / "l")) == len(names_in(home))


def test_layers_below_a_failing_one_stay(home, tmp_path):
    path = put(tmp_path, BAD["the last diff id is another"].built())
    chains = chain_ids([digest(layer) for layer in THREE])
    with pytest.raises(DigestMismatch, match="diff id"):
        tasks.do(image_task(home, path))
    shutil.rmtree(home / ".staging")
    assert names_in(home) == sorted(chain[7:] for chain in chains[:2])
    converge(image_task(home, put(tmp_path, one_image(THREE).whole(), name="good")))


def test_a_layer_may_hold_the_archive_of_an_image(home, tmp_path):
    inner = one_image([BASE]).whole()
    found = converge(image_task(home, put(tmp_path, one_image([packed(inner)]).whole()))).after.found
    assert {name for name in contents(home, found[0].id) if "/" not in name} == {"oci-layout", "index.json", "blobs"}


def test_the_next_image_makes_only_the_layers_that_are_new(home, tmp_path):
    converge(image_task(home, put(tmp_path, one_image(THREE).whole(), name="a")))
    outcome = converge(image_task(home, put(tmp_path, saved(([BASE, SECOND, OTHER], ["b:1"])), name="b")))
    base = chain_ids([digest(layer) for layer in [BASE, SECOND, OTHER]])
    assert tasks.sentences(outcome)[:-1] == [f"make layer {base[2][7:]} on {base[1][7:]}"]


def test_an_image_that_is_there_is_the_same_in_every_form(home, tmp_path):
    converge(image_task(home, put(tmp_path, one_image(THREE, name=None).whole(), name="a")))
    for number, files in enumerate((one_image(THREE, "zstd", name=None).whole(), saved((THREE, None)))):
        path = put(tmp_path, files, "gzip", name=f"b{number}")
        assert tasks.plan(image_task(home, path)).plan.actions == ()
    assert len(names_in(home)) == 3


def test_a_delta_needs_its_base_and_no_more(home, tmp_path):
    delta = image_task(home, put(tmp_path, GOOD["OCI, a delta"].files, name="delta"))
    with pytest.raises(ArchiveRejected, match="and the store has no layer with the chain id"):
        tasks.do(delta)
    assert names_in(home) == []
    converge(image_task(home, put(tmp_path, one_image(THREE).whole())))
    converge(delta)
    assert len(names_in(home)) == 4


def test_a_layer_by_another_name_is_used(home, tmp_path):
    converge(image_task(home, put(tmp_path, one_image([BASE, SECOND]).whole(), name="a"), top="mine"))
    base, top, third = (chain[7:] for chain in chain_ids([digest(layer) for layer in THREE]))
    assert names_in(home) == sorted([base, "mine"])
    outcome = converge(image_task(home, put(tmp_path, one_image(THREE).whole(), name="b"), top="yours"))
    assert tasks.sentences(outcome)[0] == "make layer yours on mine"
    assert outcome.after.found[-1].lowers == ("mine", base)
    again = image_task(home, tmp_path / "b", top="other")
    assert tasks.plan(again).plan.actions == ()
    assert third not in names_in(home)
    assert top not in names_in(home)


@pytest.mark.parametrize("taken", ["layer", "stranger"])
def test_a_name_that_is_taken_is_an_error_before_anything_is_made(taken, home, tmp_path):
    base = digest(BASE)[7:]
    if taken == "layer":
        tasks.do(LayersTask(str(home), [WantedLayer(base)], "present"))
    else:
        (home / base).mkdir()
    before = names_in(home)
    with pytest.raises(InvalidInput, match=f"cannot make layer {base}: .* exists and is"):
        tasks.do(image_task(home, put(tmp_path, one_image(THREE).whole())))
    assert names_in(home) == before


def test_digests_tell_an_image_without_its_archive(home, tmp_path):
    path = put(tmp_path, one_image(THREE).whole())
    record = converge(image_task(home, path)).after.wanted.record
    path.unlink()
    chain = chain_ids([digest(layer) for layer in THREE])[-1]
    for pinned in (
        {"image_id": record.image_id},
        {"manifest_digest": record.manifest_digest},
        {"chain_id": chain, "image_id": record.image_id},
    ):
        outcome = tasks.do(image_task(home, path, **pinned))
        assert outcome.plan.actions == ()
        assert outcome.after.wanted.config == outcome.have.wanted.config
    with pytest.raises(InvalidInput, match="there is no file"):
        tasks.do(image_task(home, path, image_id=digest(b"another")))
    with pytest.raises(InvalidInput, match="there is no file"):
        tasks.do(image_task(home, path, image_id=record.image_id, chain_id=digest(b"another")))


def test_an_image_that_lost_a_layer_is_made_again(home, tmp_path):
    path = put(tmp_path, one_image(THREE).whole())
    outcome = converge(image_task(home, path))
    tasks.do(LayersTask(str(home), [WantedLayer(outcome.after.found[-1].id)], "absent"))
    again = image_task(home, path, image_id=outcome.after.wanted.record.image_id)
    assert len(tasks.sentences(converge(again))) == 1


@pytest.mark.parametrize("option", ["image_id", "manifest_digest", "chain_id"])
def test_another_image_than_expected_is_refused(option, home, tmp_path):
    path = put(tmp_path, one_image(THREE).whole())
    with pytest.raises(DigestMismatch, match=f"has the {option} sha256:"):
        tasks.do(image_task(home, path, **{option: digest(b"another")}))
    assert names_in(home) == []


def test_a_name_belongs_to_one_image(home, tmp_path):
    converge(image_task(home, put(tmp_path, one_image(THREE, name="app:1").whole(), name="a")))
    layout = Layout()
    newer = layout.image([BASE, OTHER])
    layout.add(newer, "app:1").add(newer, "app:2")
    outcome = converge(image_task(home, put(tmp_path, layout.whole(), name="b")))
    assert sorted(record.names for record in outcome.after.records.values()) == [("app:1", "app:2")]
    first = converge(image_task(home, tmp_path / "a"))
    assert [record.names for record in first.after.records.values()] == [("app:1",)]
    assert sorted(record.names for record in read_records(str(home)).images) == [("app:1",), ("app:2",)]
    before, after = image_task(home, tmp_path / "a").difference(first.have, first.plan.after)
    assert sorted(before.values()) == [[], ["app:1", "app:2"]]
    assert sorted(after.values()) == [["app:1"], ["app:2"]]


def test_layers_larger_than_allowed_together_are_refused(home, tmp_path):
    layers = [archive(member(f"f{number}", body=bytes(10_000))) for number in range(3)]
    path = put(tmp_path, one_image(layers).whole())
    with pytest.raises(ArchiveRejected, match="bytes allowed") as caught:
        tasks.do(image_task(home, path, max_size=30_000))
    assert "max_size" in caught.value.hint
    shutil.rmtree(home / ".staging")
    converge(image_task(home, path, max_size=sum(map(len, layers))))


def test_a_parent_that_is_not_sealed_is_sealed(home, tmp_path):
    converge(image_task(home, put(tmp_path, one_image([BASE]).whole(), name="a")))
    (home / digest(BASE)[7:] / "committed").unlink()
    outcome = converge(image_task(home, put(tmp_path, one_image([BASE]).whole(), name="a")))
    assert tasks.sentences(outcome) == [f"seal layer {digest(BASE)[7:]}"]


def test_nothing_is_made_in_a_store_of_somebody_else(home, tmp_path, make_chain):
    make_chain(home, "theirs")
    (home / ".strata.json").unlink()
    with pytest.raises(StoreForeign, match="make layer"):
        tasks.do(image_task(home, put(tmp_path, one_image(THREE).whole())))


class Meanwhile(ImageTask):
    """Another run does something while this one unpacks."""

    meanwhile = staticmethod(lambda: None)

    def plan(self, have, predicting):
        planned = super().plan(have, predicting)
        self.meanwhile()
        return planned


def test_a_run_that_was_faster_is_noticed_and_its_layers_are_used(home, tmp_path):
    path = put(tmp_path, one_image(THREE).whole())
    other = image_task(home, put(tmp_path, one_image([BASE, SECOND]).whole(), name="other"))
    task = Meanwhile(str(home), ImageSource(str(path), None, AMD64), None)
    task.meanwhile = lambda: tasks.do(other)
    with pytest.raises(Overtaken):
        tasks.do(task)
    shutil.rmtree(home / ".staging")
    outcome = converge(image_task(home, path))
    assert len([action for action in tasks.sentences(outcome) if action.startswith("make")]) == 1


def test_a_parent_that_another_run_removed_is_noticed(home, tmp_path):
    path = put(tmp_path, one_image([BASE, SECOND]).whole())
    converge(image_task(home, put(tmp_path, one_image([BASE]).whole(), name="base")))
    task = Meanwhile(str(home), ImageSource(str(path), None, AMD64), None)
    task.meanwhile = lambda: tasks.do(LayersTask(str(home), [WantedLayer(digest(BASE)[7:])], "absent"))
    with pytest.raises(Overtaken):
        tasks.do(task)
    shutil.rmtree(home / ".staging", ignore_errors=True)
    assert names_in(home) == []
    assert os.listdir(home / "l") == []


def test_the_record_of_an_image_is_its_config_byte_for_byte(home, tmp_path):
    layout = one_image(THREE)
    outcome = converge(image_task(home, put(tmp_path, layout.whole())))
    image_id = outcome.after.wanted.record.image_id
    config = (home / ".strata-images" / f"{image_id[7:]}.config").read_bytes()
    assert digest(config) == image_id
    assert json.loads(config)["rootfs"]["diff_ids"] == [digest(layer) for layer in THREE]


def test_an_image_of_129_layers_is_as_deep_as_a_store_can_be(home, tmp_path):
    layers = [small(number) for number in range(129)]
    outcome = converge(image_task(home, put(tmp_path, one_image(layers).whole())))
    assert len(outcome.after.found[-1].lowers) == 128


def test_a_layer_without_an_exact_record_is_said_to_be_inexact(home, tmp_path):
    twice = archive(member("a", body=b"first"), member("a", body=b"second"))
    path = put(tmp_path, one_image([BASE, twice, SECOND]).whole())
    outcome = tasks.do(image_task(home, path))
    names = [layer.id for layer in outcome.after.found]
    assert outcome.after.exact == {names[0], names[2]}
    assert ".strata-tar.z" not in os.listdir(home / names[1])
    kept = converge(image_task(home, put(tmp_path, one_image([OTHER]).whole()), keep_exact=False))
    assert kept.after.exact == frozenset()
    assert ".strata-tar.z" not in os.listdir(home / kept.after.found[0].id)


def test_the_exact_record_goes_with_the_content_that_it_is_about(home, tmp_path):
    name = converge(image_task(home, put(tmp_path, one_image([BASE]).whole()))).after.found[0].id
    assert exact_tar(home, name) == BASE
    record_content(str(home), name)
    assert not {".strata-tar.z", ".strata-files"} & set(os.listdir(home / name))
