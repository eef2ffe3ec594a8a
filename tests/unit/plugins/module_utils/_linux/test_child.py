# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import NotSupported
from ansible_collections.strata.overlay2.plugins.module_utils._linux.child import (
    answer_of,
    end_child,
    in_child,
    start_child,
)


def test_the_result_comes_from_another_process():
    pid, value = in_child(lambda: (os.getpid(), {"a": [b"\xff", None]}))
    assert pid != os.getpid()
    assert value == {"a": [b"\xff", None]}


def test_a_result_larger_than_a_pipe_comes_whole():
    assert len(in_child(lambda: b"x" * 3_000_000)) == 3_000_000


def test_several_children_work_at_once(tmp_path):
    reading, writing = os.pipe()
    waiting = start_child(lambda: os.read(reading, 1))
    other = start_child(lambda: os.write(writing, b"x"))
    assert answer_of(waiting) == b"x"
    assert answer_of(other) == 1
    os.close(reading)
    os.close(writing)


def test_an_answer_larger_than_allowed_is_an_error():
    with pytest.raises(ChildProcessError, match="more than 1000 bytes"):
        answer_of(start_child(lambda: b"x" * 3_000_000), 1000)
    assert answer_of(start_child(lambda: b"x" * 100), 1000) == b"x" * 100


def test_a_child_that_is_ended_is_gone():
    before = set(os.listdir("/proc/self/fd"))
    child = start_child(lambda: time.sleep(60))
    end_child(child)
    assert not os.path.exists(f"/proc/{child.pid}")
    assert set(os.listdir("/proc/self/fd")) == before


def test_our_own_process_is_left_as_it_was(tmp_path):
    before = os.getcwd(), set(os.listdir("/proc/self/fd"))
    in_child(lambda: os.chdir(tmp_path))
    assert (os.getcwd(), set(os.listdir("/proc/self/fd"))) == before


def test_an_os_error_keeps_number_and_both_names():
    def fail():
        raise OSError(errno.EXDEV, "across", "/a", None, "/b")

    with pytest.raises(OSError, match="across") as caught:
        in_child(fail)
    assert (caught.value.errno, caught.value.filename, caught.value.filename2) == (errno.EXDEV, "/a", "/b")


def test_an_os_error_keeps_its_kind():
    with pytest.raises(FileNotFoundError):
        in_child(lambda: os.stat("/nowhere/at/all"))


def test_an_error_of_ours_keeps_hint_and_details():
    def fail():
        raise NotSupported("no", hint="do", path="/p")

    with pytest.raises(NotSupported, match="no") as caught:
        in_child(fail)
    assert (caught.value.hint, caught.value.details) == ("do", {"path": "/p"})


def test_a_child_that_is_killed_is_an_os_error():
    with pytest.raises(ChildProcessError, match="without an answer"):
        in_child(lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_what_cannot_be_sent_is_an_error_and_no_hang():
    with pytest.raises(Exception, match=r"pickle|local object"):
        in_child(lambda: lambda: None)


def test_no_zombie_is_left():
    pid = in_child(os.getpid)
    assert not os.path.exists(f"/proc/{pid}")


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs proc")
def test_the_child_dies_with_its_parent():
    code = (
        "import os, time\n"
        "from ansible_collections.strata.overlay2.plugins.module_utils._linux.child import in_child\n"
        "in_child(lambda: (print(os.getpid(), flush=True), time.sleep(60)))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=_env()) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _alive(pid)


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except (FileNotFoundError, ProcessLookupError):  # reaped before the open, or between it and the read
        return False
