# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput
from ansible_collections.strata.overlay2.plugins.module_utils._store import holders
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.facts import gather


def test_before_the_store_exists_the_facts_are_about_its_place(tmp_path):
    told = gather(str(tmp_path / "a/b"), ["all"])
    assert told["home"] == str(tmp_path / "a/b")
    assert told["exists"] is False
    assert told["layer_count"] == told["mount_count"] == 0
    assert told["layers"] == told["mounts"] == told["usage"] == {}
    assert told["quotas"] == {"layers": {}, "leaked": []}
    assert told["health"] == []
    assert told["filesystem"]["size"] > 0
    assert list(told["status"]) == [
        "Backing Filesystem",
        "Supports d_type",
        "Using metacopy",
        "Native Overlay Diff",
        "userxattr",
    ]
    assert os.listdir(tmp_path) == []


def test_the_status_alone(layers):
    told = gather(layers.home, ["status"])
    assert told["exists"] is True
    assert told["layer_count"] == 3
    assert not {"layers", "mounts", "usage", "quotas", "health"} & set(told)


def test_all_of_a_store_and_no_trace(layers, traces):
    Path(layers.home, "near/link").write_text(layers.links["near"])
    Path(layers.home, "far/link").write_text(layers.links["far"])
    Path(layers.home, "app").chmod(0o710)
    traces(layers.home, aged=True)
    before = traces(layers.home)
    told = gather(layers.home, ["layers", "usage", "health"])
    assert traces(layers.home) == before
    assert sorted(told["layers"]) == ["far", "near"]
    assert told["layers"]["near"]["read_write"] is None
    (problem,) = (problem for problem in told["problems"] if problem["code"] == "damaged_layers")
    assert problem["message"] == "damaged layers are left out: app"
    assert told["usage"]["app"]["apparent_bytes"] == 3
    assert {finding["code"] for finding in told["health"] if finding["subject"] == "app"} == {"link_missing"}


def test_what_another_engine_keeps_beside_its_layers_is_not_told(layers):
    for id in layers.links:
        Path(layers.home, id, "link").write_text(layers.links[id])
    Path(layers.home).parent.joinpath("overlay-layers").mkdir()
    for name in ("staging/1", "tempdirs/temp-dir-1"):
        Path(layers.home, name).mkdir(parents=True)
    told = gather(layers.home, ["layers", "usage"])
    assert told["layer_count"] == len(told["layers"]) == len(told["usage"]) == 3
    assert "damaged_layers" not in [problem["code"] for problem in told["problems"]]


def test_only_the_layers_asked_about(layers):
    told = gather(layers.home, ["usage", "health"], ["near", "none", "near"])
    assert list(told["usage"]) == ["near"]
    assert {finding["subject"] for finding in told["health"]} == {"near"}


@pytest.mark.root
def test_mounts(hand_made_store):
    store = hand_made_store()
    for id in ("base", "job", "held", "idle"):
        store.add(id)
    merged = store.mount("job", "base")
    holders.write(store.home, "held", ["me"])
    told = gather(store.home, ["mounts"])
    assert told["mount_count"] == 1
    assert sorted(told["mounts"]) == ["held", "job"]
    job = told["mounts"]["job"]
    assert (job["path"], job["mounted"], job["read_only"], job["holders"]) == (merged, True, False, [])
    assert f"upperdir={store.home}/job/diff" in job["options"]
    assert told["mounts"]["held"].pop("held_seconds") in ([0], [1], [2])
    assert told["mounts"]["held"] == {
        "path": None,
        "mounted": False,
        "read_only": None,
        "options": None,
        "holders": ["me"],
    }


def test_ten_thousand_layers_in_four_kilobytes(tmp_path):
    """Ids as long as Docker's, on more bases than are told of, and no path that is long for anything else."""
    home = tmp_path / "overlay2"
    (home / "l").mkdir(parents=True)
    for number in range(10_000):
        base = number % 40 if number >= 40 else None
        layer = home / f"{number:064x}"
        (layer / "diff").mkdir(parents=True)
        link = f"{'A' * 16}{number:010}".translate(str.maketrans("0189", "WXYZ"))
        (layer / "link").write_text(link)
        if base is not None:
            lower = f"{'A' * 16}{base:010}".translate(str.maketrans("0189", "WXYZ"))
            (layer / "lower").write_text(f"l/{lower}")
        os.symlink(f"../{layer.name}/diff", home / "l" / link)
    told = gather(str(home), ["status"])
    assert told["layer_count"] == 10_000
    assert len(json.dumps(told)) <= 4096
    told = gather(str(home), ["summary"])
    assert len(json.dumps(told)) <= 4096
    assert [row["layers"] for row in told["summary"]["lineages"]] == [250] * 8
    assert (told["summary"]["others"]["lineages"], told["summary"]["others"]["layers"]) == (32, 8_000)


def test_the_summary_tells_bytes_where_usage_has_measured_them(layers):
    for id, link in layers.links.items():
        Path(layers.home, id, "link").write_text(link)
    told = gather(layers.home, ["summary", "usage"])
    measured = {row["base"]: row["bytes"] for row in told["summary"]["lineages"]}
    assert sum(measured.values()) == sum(used["bytes"] for used in told["usage"].values()) > 0
    assert gather(layers.home, ["summary"])["summary"]["others"]["bytes"] is None


@pytest.mark.parametrize(
    ("beside", "engine"), [("image/overlay2/layerdb", "docker"), ("overlay-layers", "containers-storage")]
)
def test_whose_it_is(layers, beside, engine):
    assert gather(layers.home, [])["managed_by"] is None
    os.makedirs(os.path.join(os.path.dirname(layers.home), beside))
    assert gather(layers.home, [])["managed_by"] == engine


@pytest.mark.parametrize("ids", [["../x"], ["l"], [""]])
def test_an_id_that_can_be_none_is_refused(layers, ids):
    with pytest.raises(InvalidInput, match="invalid layer id"):
        gather(layers.home, ["layers"], ids)


def test_a_home_that_is_no_store_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for home in (str(tmp_path), str(tmp_path / "file"), "relative"):
        with pytest.raises(InvalidInput):
            gather(home, ["status"])


@pytest.mark.root
def test_others_than_root_are_told_what_can_be(layers, python_output):
    os.chmod(layers.home, 0o700)
    for path in Path(layers.home).parents:
        if path.stat().st_mode & 0o005 != 0o005 and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o005)
    code = (
        "import json, sys; from ansible_collections.strata.overlay2.tests.nobody import become_nobody; become_nobody();"
        "from ansible_collections.strata.overlay2.plugins.module_utils._tasks.facts import gather;"
        "print(json.dumps(gather(sys.argv[1], ['all'])))"
    )
    told = json.loads(python_output(code, layers.home))
    assert told["exists"] is None and told["layer_count"] is None
    assert told["layers"] is None and told["health"] is None
    assert told["problems"][0]["code"] == "not_root" or told["problems"][0]["code"] == "unreachable"
    assert told["backing_fs"]
