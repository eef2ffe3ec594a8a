# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that a layer's tar is read from."""

from __future__ import annotations

import os
import socket

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.content.archive_file import file_digest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput


@pytest.mark.parametrize("kind", ["fifo", "socket", "directory"])
def test_only_a_regular_file_is_read(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as made:
        {"fifo": os.mkfifo, "socket": made.bind, "directory": os.mkdir}[kind]("node")
        with pytest.raises(InvalidInput, match="node is not a regular file") as caught:
            file_digest("node")
    assert caught.value.hint == "give a layer's tar"
