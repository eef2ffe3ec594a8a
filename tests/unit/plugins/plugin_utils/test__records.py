# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import socket
import stat

import pytest
from ansible_collections.strata.overlay2.plugins.plugin_utils import _record, _tree
from ansible_collections.strata.overlay2.plugins.plugin_utils._record import make_failure, make_record
from ansible_collections.strata.overlay2.plugins.plugin_utils._records import (
    LONGEST,
    read_record,
    record_path,
    write_record,
)
from ansible_collections.strata.overlay2.plugins.plugin_utils._values import GREATEST

HOSTILE = ["web", "../../etc/passwd", "a/b", "", "é", "<script>", "x" * 1000, "\udcff"]


@pytest.mark.parametrize("host", HOSTILE)
def test_what_is_written_is_read_whatever_the_host_is_called(tmp_path, host):
    directory = str(tmp_path / "new/records")
    path = write_record(directory, host, make_failure(host, 5.0, {"msg": "x"}))
    assert os.path.dirname(path) == directory and os.listdir(directory) == [os.path.basename(path)]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and stat.S_IMODE(os.stat(directory).st_mode) == 0o700
    assert read_record(directory, host)["message"] == "x"
    assert read_record(directory, f"{host}2") is None


def test_each_host_has_a_file_of_its_own():
    assert len({record_path("/records", host) for host in HOSTILE}) == len(HOSTILE)


def test_an_older_record_is_none(tmp_path):
    write_record(str(tmp_path), "web", make_failure("web", 5.0, {}))
    assert read_record(str(tmp_path), "web", 5.0) and read_record(str(tmp_path), "web", 5.1) is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"format": 2, "state": "ok"}', '{"format": 1, "state": "?"}']
)
def test_what_is_no_record_is_none(tmp_path, content):
    with open(record_path(str(tmp_path), "web"), "w", encoding="ascii") as file:
        file.write(content)
    assert read_record(str(tmp_path), "web") is None


def worst_record():
    """A record each of whose parts is as long as it may be; no sign takes more room in JSON than this one."""
    long = "\N{GRINNING FACE}" * 999
    most = dict.fromkeys(("bytes_exclusive", "bytes_shared", "unused_seconds"), GREATEST)
    # No two are alike. All stand on the first, and half of them are left out.
    layers = [
        {"id": f"{n:05}{long}", "parent": f"{0:05}{long}", "reason": f"{n:05}{long}", "decision": "remove", **most}
        for n in range(2 * _tree.MOST)
    ]
    finding = {"code": long, "message": long, "hint": long}
    filesystem = dict.fromkeys(("size", "free", "inodes", "inodes_free"), GREATEST)
    unneeded = [{"by": way, "bytes": GREATEST, "count": GREATEST} for way in ("overlay2_prune", "engine", "user")] * 9
    store = {**dict.fromkeys(("engine", "kind", "home"), long), "bytes": GREATEST, "unneeded": unneeded}
    facts = {
        **dict.fromkeys(("home", "managed_by", "backing_fs", "kernel"), long),
        **dict.fromkeys(("layer_count", "mount_count"), GREATEST),
        "filesystem": {**filesystem, "mount_point": long},
        "stores": [store] * 99,
        "problems": [finding] * (_record.PROBLEMS + 1),
        "summary": {
            "lineages": [{"base": long, **dict.fromkeys(("layers", "depth", "mounted", "held"), GREATEST)}] * 99
        },
    }
    plan = {"layers": layers, "litter": [{}] * 99, "remove_bytes": GREATEST, "pending_bytes": GREATEST}
    return make_record(long, 1e300, facts, plan, {**plan, "failed": True, "msg": long}, max_layers=_tree.MOST)


def test_the_worst_record_is_read_whole(tmp_path):
    record = worst_record()
    assert len(record["tree"]["nodes"]) == len(record["tree"]["reasons"]) == _tree.MOST
    path = write_record(str(tmp_path), record["host"], record)
    assert LONGEST / 2 < os.path.getsize(path) < LONGEST
    assert read_record(str(tmp_path), record["host"]) == record


def test_a_write_that_fails_leaves_what_was(tmp_path):
    write_record(str(tmp_path), "web", make_failure("web", 5.0, {"msg": "x"}))
    with pytest.raises(TypeError):
        write_record(str(tmp_path), "web", {"format": object()})
    assert len(os.listdir(tmp_path)) == 1 and read_record(str(tmp_path), "web")["message"] == "x"


DEEP = 200_000


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param("[" * DEEP + "]" * DEEP, "not JSON", id="deep"),
        pytest.param('{"a":' * DEEP + "1" + "}" * DEEP, "not JSON", id="deep objects"),
        pytest.param("\xff", "not JSON", id="no ASCII"),
        pytest.param("9" * 10_000, "not JSON", id="a number that Python does not read"),
        pytest.param("[]", "not a record", id="a list"),
        pytest.param(" " * (LONGEST + 1), "more than", id="a long file"),
    ],
)
def test_what_others_wrote_is_none_and_told_of(tmp_path, content, why):
    path = record_path(str(tmp_path), "web")
    with open(path, "w", encoding="latin-1") as file:
        file.write(content)
    warned = []
    assert read_record(str(tmp_path), "web", warn=warned.append) is None
    assert len(warned) == 1 and path in warned[0] and why in warned[0]


@pytest.mark.parametrize("kind", ["fifo", "directory", "symlink", "dangling symlink", "socket"])
def test_what_is_no_file_is_none_and_nobody_waits_for_it(tmp_path, kind):
    directory = str(tmp_path)
    path = record_path(directory, "web")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        os.mkdir(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as place:
            os.chdir(directory)
            place.bind(os.path.basename(path))
    else:
        write_record(directory, "target", make_failure("web", 5.0, {}))
        os.symlink(record_path(directory, "target" if kind == "symlink" else "gone"), path)
    warned = []
    assert read_record(directory, "web", warn=warned.append) is None
    assert len(warned) == 1 and path in warned[0]


@pytest.mark.root
def test_a_file_of_another_user_is_none_but_for_the_owner_of_the_directory(tmp_path):
    path = write_record(str(tmp_path), "web", make_failure("web", 5.0, {}))
    os.chown(path, 12345, -1)
    warned = []
    assert read_record(str(tmp_path), "web", warn=warned.append) is None and "12345" in warned[0]
    os.chown(tmp_path, 12345, -1)
    assert read_record(str(tmp_path), "web", warn=warned.append) and len(warned) == 1


def test_no_file_is_no_word(tmp_path):
    warned = []
    assert read_record(str(tmp_path / "gone"), "web", warn=warned.append) is None and not warned
