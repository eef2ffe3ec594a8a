# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.facts.check import examine_store
from ansible_collections.strata.overlay2.plugins.module_utils._errors import StoreCorrupt
from ansible_collections.strata.overlay2.plugins.module_utils._store import holders, staging

NO_LINK = "A" * 26


@pytest.fixture
def home(tmp_path):
    """A healthy store with the chain base <- mid <- top."""
    home = tmp_path / "store"
    home.mkdir()
    home.chmod(0o710)
    (home / "l").mkdir(mode=0o700)
    (home / ".strata.json").write_text('{"format": 1}')
    lowers = ()
    for layer_id in ("base", "mid", "top"):
        new = staging.NewLayer(layer_id, staging.new_link(), lowers, layer_id == "top")
        room = staging.Staging(str(home))
        staging.stage_layer(room.path, new)
        staging.publish_layer(str(home), room.path, new)
        room.close()
        lowers = (new.link, *lowers)
    for layer_id in ("base", "mid"):
        staging.seal_layer(str(home), layer_id)
    return home


def link(home, layer_id):
    return (home / layer_id / "link").read_text()


def no_link_file(home):
    (home / "top/link").unlink()
    os.unlink(home / "l" / next(name for name in os.listdir(home / "l") if "top" in os.readlink(home / "l" / name)))


def no_name(home):
    os.unlink(home / "l" / link(home, "top"))


def empty_link(home):
    os.unlink(home / "l" / link(home, "top"))
    (home / "top/link").write_text("")


def doubled(home):
    os.unlink(home / "l" / link(home, "top"))
    (home / "top/link").write_text(link(home, "mid"))
    (home / "top/committed").touch()


def astray(home):
    path = home / "l" / link(home, "top")
    path.unlink()
    path.symlink_to("../base/diff")


def second_name(home):
    (home / "l" / NO_LINK).symlink_to("../top/diff")


def malformed(home):
    (home / "top/lower").write_text("")


def unresolved(home):
    (home / "top/lower").write_text(f"l/{NO_LINK}")


def twice(home):
    name = link(home, "mid")
    (home / "top/lower").write_text(f"l/{name}:l/{name}")


def shortened(home):
    (home / "top/lower").write_text(f"l/{link(home, 'mid')}")


def no_diff(home):
    shutil.rmtree(home / "top/diff")


def diff_as_symlink(home):
    (home / "top/diff").rename(home / "top/moved")
    (home / "top/diff").symlink_to("moved")


def empty_parent(home):
    (home / "mid/lower").write_text("")


def link_as_directory(home):
    empty_link(home)
    (home / "top/link").unlink()
    (home / "top/link").mkdir()


def no_work(home):
    shutil.rmtree(home / "top/work")


def bad_file(home):
    (home / "top/.strata.json").write_text("{")


def newer_store(home):
    (home / ".strata.json").write_text('{"format": 99}')


def dangling(home):
    (home / "l" / NO_LINK).symlink_to("../gone/diff")


def killed(home):
    (home / ".staging/dead").mkdir(parents=True)


def killed_in_a_layer(home):
    (home / "top/.staging/dead").mkdir(parents=True)


def dead(home):
    holders.write(str(home), "top", ["me"])
    path = home / "top/.strata-holders"
    path.write_text(json.dumps({**json.loads(path.read_text()), "boot_id": "another"}))


def unsealed(home):
    (home / "mid/committed").unlink()


def volatile(home):
    (home / "top/work/work/incompat/volatile").mkdir(parents=True)


def unknown_to_docker(home):
    chain = home.parent / "image/overlay2/layerdb/sha256/abc"
    chain.mkdir(parents=True)
    (chain / "cache-id").write_text("mid")


def torn_record(home):
    unknown_to_docker(home)
    (home.parent / "image/overlay2/layerdb/sha256/abc/cache-id").write_text("")


def loose(home):
    home.chmod(0o701)


def loose_layer(home):
    (home / "mid").chmod(0o701)


def loose_links(home):
    (home / "l").chmod(0o755)


def no_lower(home):
    (home / "top/lower").unlink()


def no_lower_in_the_middle(home):
    (home / "mid/lower").unlink()


def no_lower_and_no_work(home):
    no_lower_in_the_middle(home)
    shutil.rmtree(home / "mid/work")


def loose_work(home):
    (home / "top/work").chmod(0o755)


def stray(home):
    (home / "top/merged").mkdir()
    (home / "top/merged/file").touch()


def merged_elsewhere(home):
    (home / "top/merged").symlink_to("/etc")


def merged_file(home):
    (home / "top/merged").touch()


def staging_elsewhere(home):
    (home / ".staging").symlink_to("/etc")


def staging_of_a_layer_elsewhere(home):
    (home / "top/.staging").symlink_to("/etc")


def staging_file_in_a_layer(home):
    (home / "top/.staging").touch()


IMAGE_RECORD = "a" * 64 + ".json"


def torn_image(home):
    (home / ".strata-images").mkdir()
    (home / ".strata-images" / IMAGE_RECORD).write_bytes(bytes(80))


def images_file(home):
    (home / ".strata-images").touch()


def images_elsewhere(home):
    (home / ".strata-images").symlink_to("/etc")


def held(home, seconds):
    holders.write(str(home), "top", [])
    holders.write(str(home), "top", ["ci", "new"])
    path = home / "top/.strata-holders"
    since = json.loads(path.read_text())["since"]["ci"] - seconds
    path.write_text(json.dumps({**json.loads(path.read_text()), "since": {"ci": since}}))


def held_long(home):
    held(home, 9 * 86400 + 1)


GONE = "a" * 64


def gone(home):
    for id in ("base", "mid", "top", GONE):
        chain = home.parent / "image/overlay2/layerdb/sha256" / id
        chain.mkdir(parents=True)
        (chain / "cache-id").write_text(id)


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (no_lower, [("lower_missing", "top")]),
        (no_lower_in_the_middle, [("lower_missing", "mid")]),
        (no_lower_and_no_work, [("lower_missing", "mid")]),
        (loose_work, [("loose_mode", "top")]),
        (stray, [("stray_files", "top")]),
        (merged_elsewhere, [("stray_files", "top")]),
        (merged_file, [("stray_files", "top")]),
        (staging_elsewhere, [("stranger", ".staging")]),
        (staging_of_a_layer_elsewhere, [("stranger", "top")]),
        (staging_file_in_a_layer, [("stranger", "top")]),
        (torn_image, [("store_file_unreadable", IMAGE_RECORD)]),
        (images_file, [("store_file_unreadable", ".strata-images")]),
        (images_elsewhere, [("store_file_unreadable", ".strata-images")]),
        (no_link_file, [("link_missing", "top")]),
        (no_name, [("link_missing", "top")]),
        (empty_link, [("link_empty", "top")]),
        (doubled, [("link_doubled", "mid"), ("link_doubled", "top")]),
        (astray, [("link_astray", "top")]),
        (second_name, [("link_astray", NO_LINK)]),
        (malformed, [("lower_malformed", "top")]),
        (unresolved, [("lower_unresolved", "top")]),
        (twice, [("lower_malformed", "top")]),
        (shortened, [("lower_malformed", "top")]),
        (no_diff, [("diff_missing", "top")]),
        (no_work, [("work_missing", "top")]),
        (bad_file, [("store_file_unreadable", "top")]),
        (newer_store, [("store_file_unreadable", ".strata.json")]),
        (dangling, [("dangling_link", NO_LINK)]),
        (killed, [("staging_leftover", "dead")]),
        (killed_in_a_layer, [("staging_leftover", "top")]),
        (dead, [("dead_holder", "top")]),
        (held_long, [("held_long", "top")]),
        (unsealed, [("unsealed_parent", "mid")]),
        (volatile, [("stale_volatile", "top")]),
        (unknown_to_docker, [("orphan", "top")]),
        (loose, [("loose_mode", "store")]),
        (loose_links, [("loose_mode", "l")]),
        (loose_layer, [("loose_mode", "mid")]),
        (empty_parent, [("lower_malformed", "mid")]),
        (link_as_directory, [("link_missing", "top")]),
        (diff_as_symlink, [("diff_missing", "top")]),
    ],
)
def test_each_harm_is_found_and_nothing_else(home, traces, harm, expected):
    assert examine_store(str(home)) == []
    harm(home)
    traces(home, aged=True)
    before = traces(home)
    found = examine_store(str(home))
    assert traces(home) == before
    assert [(finding.code, finding.subject) for finding in found] == expected
    assert all(finding.message and finding.hint and finding.path.startswith(str(home)) for finding in found)


def test_a_layer_that_a_record_names_and_that_is_gone_is_told(home):
    gone(home)
    (found,) = examine_store(str(home))
    assert (found.code, found.subject) == ("layer_gone", GONE)
    assert found.path == str(home.parent / f"image/overlay2/layerdb/sha256/{GONE}/cache-id")


@pytest.mark.parametrize("harm", [staging_elsewhere, staging_of_a_layer_elsewhere, staging_file_in_a_layer])
def test_health_says_of_a_staging_directory_what_a_run_says(home, harm):
    harm(home)
    (found,) = examine_store(str(home))
    with pytest.raises(StoreCorrupt) as caught:
        staging.Staging(os.path.dirname(found.path))
    error = caught.value
    assert (found.message, found.hint, found.code) == (str(error), error.hint, error.details["damage"])


def test_a_marker_that_the_next_mount_clears_is_no_finding(home):
    volatile(home)
    holders.write(str(home), "top", ["me"])  # so it was mounted since the boot
    assert examine_store(str(home)) == []


def test_what_containers_storage_does_otherwise_is_not_wrong(home):
    (home.parent / "overlay-layers").mkdir()
    layers = [{"id": id} for id in ("base", "mid", "top")]
    (home.parent / "overlay-layers/layers.json").write_text(json.dumps(layers))
    for harm in (unsealed, volatile, loose_links, stray):
        harm(home)
    for name in ("work", "empty", "merged"):
        (home / "base" / name).mkdir(mode=0o700)
    assert examine_store(str(home)) == []


def test_a_layer_of_containers_storage_without_parent_is_whole_in_any_store(home):
    for name in ("work", "empty"):
        (home / "base" / name).mkdir(mode=0o700)
    assert examine_store(str(home)) == []


def test_a_layer_that_our_record_says_has_no_parent_is_whole_with_a_work_directory(home):
    (home / "base/work").mkdir(mode=0o700)
    assert [found.code for found in examine_store(str(home))] == ["lower_missing"]
    (home / "base/.strata.json").write_text('{"format": 1, "read_write": false, "parent": ""}')
    assert examine_store(str(home)) == []


def test_a_record_that_cannot_be_read_is_told_and_nothing_is_an_orphan(home):
    torn_record(home)
    (found,) = examine_store(str(home))
    assert (found.code, found.subject) == ("store_file_unreadable", "cache-id")
    assert found.path == str(home.parent / "image/overlay2/layerdb/sha256/abc/cache-id")
    assert "so any layer may still be needed" in found.message


def test_what_another_engine_keeps_beside_its_layers_is_not_damaged(home):
    (home.parent / "overlay-layers").mkdir()
    (home.parent / "overlay-layers/layers.json").write_text('[{"id": "top"}]')
    for name in ("staging/1", "tempdirs/temp-dir-1"):
        (home / name).mkdir(parents=True)
    assert examine_store(str(home)) == []


def test_damage_comes_first(home):
    for harm in (loose, dangling, no_diff):
        harm(home)
    assert [finding.code for finding in examine_store(str(home))] == ["diff_missing", "dangling_link", "loose_mode"]


def test_a_staging_directory_at_work_is_no_leftover(home):
    room = staging.Staging(str(home))
    assert examine_store(str(home)) == []
    room.close()


def test_runs_at_work_make_nothing_look_wrong(home):
    pid = os.fork()
    if pid == 0:
        while True:
            make_and_remove(home)
    try:
        assert [found for _unused in range(20) for found in examine_store(str(home))] == []
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def make_and_remove(home):
    room = staging.Staging(str(home))
    new = staging.NewLayer(os.urandom(4).hex(), staging.new_link(), (link(home, "mid"), link(home, "base")), False)
    staging.stage_layer(room.path, new)
    staging.publish_layer(str(home), room.path, new)
    staging.retire_layer(str(home), room.path, new.id, new.link)
    room.close()


def test_a_device_in_the_place_of_a_layer_is_none(home):
    if os.geteuid() == 0:
        os.mknod(home / "backingFsBlockDev", stat.S_IFBLK | 0o600, os.makedev(7, 0))
    assert examine_store(str(home)) == []


def test_a_layer_that_is_held_for_long_is_told_unless_a_process_uses_it(home):
    held_long(home)
    (found,) = examine_store(str(home))
    assert found.message == "layer top is held for 9 days by ci, and no process uses it"
    assert "state: unmounted and holder: ci; or" in found.hint
    with subprocess.Popen(["sleep", "60"], cwd=home / "top/diff") as sleeper:
        try:
            assert examine_store(str(home)) == []
        finally:
            sleeper.kill()
    held(home, 6 * 86400)
    assert examine_store(str(home)) == []
