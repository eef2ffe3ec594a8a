# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import os
import shutil
import threading

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.zstd_tool import (
    ZstdFailed,
    ZstdTool,
    write_all,
)

pytestmark = pytest.mark.skipif(not shutil.which("zstd"), reason="needs zstd")

NOISE = os.urandom(1_000_000)  # more bytes than the pipes hold


def compressed(data):
    out = io.BytesIO()
    tool = ZstdTool("-1")
    tool.collect(out.write)
    write_all(tool.input, data)
    tool.input.close()
    tool.finish()
    tool.close()
    return out.getvalue()


def test_both_directions_without_waiting_for_each_other():
    packed = compressed(NOISE)
    tool = ZstdTool("-d")
    tool.feed(io.BytesIO(packed).read)
    assert b"".join(iter(lambda: tool.output.read(100_000), b"")) == NOISE
    tool.finish()
    tool.close()


def test_a_complaint_is_told():
    tool = ZstdTool("-d")
    tool.feed(io.BytesIO(b"no zstd at all" * 100_000).read)
    assert tool.output.read(1) == b""
    with pytest.raises(ZstdFailed, match=r"(?i)unsupported|unknown"):
        tool.finish()
    tool.close()


@pytest.mark.parametrize("direction", ["feed", "collect"])
def test_what_the_threads_function_raises_is_raised_by_finish(direction):
    def broken(_argument):
        raise OSError(5, "Input/output error")

    tool = ZstdTool("-1")
    getattr(tool, direction)(broken)
    if direction == "collect":
        with pytest.raises(BrokenPipeError):  # the reader of its output is gone, so the command ends
            for _unused in range(100):
                write_all(tool.input, NOISE)
    with pytest.raises(OSError, match="Input/output error"):
        tool.finish()
    tool.close()


@pytest.mark.parametrize("direction", ["feed", "collect", None])
def test_close_ends_process_and_thread(direction):
    threads = threading.active_count()
    tool = ZstdTool("-1")
    if direction == "feed":
        tool.feed(bytes)
    elif direction == "collect":
        tool.collect(lambda piece: None)
    tool.close()
    assert threading.active_count() == threads
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
