# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import LayerFiles
from ansible_collections.strata.overlay2.plugins.module_utils._store.record import Record, record_content


@pytest.fixture
def home(tmp_path, make_chain):
    """A store with the chain base <- mid <- top."""
    (tmp_path / "l").mkdir()
    return make_chain(tmp_path, "base", "mid", "top")


def test_what_is_recorded_of_the_content_leaves_the_rest(home):
    for content in (Record(None, "sha256:1", "sha256:2"), Record(None, None, None, "sha256:3", "sha256:4")):
        record_content(str(home), "top", content)
        assert LayerFiles(str(home)).layer("top").record == content._replace(read_write=True)
    record_content(str(home), "top")
    assert LayerFiles(str(home)).layer("top").record == Record(read_write=True)


def test_content_is_recorded_of_dockers_layer_too(home):
    os.unlink(home / "mid" / ".strata.json")
    record_content(str(home), "mid", Record(None, "sha256:1", "sha256:2"))
    assert LayerFiles(str(home)).layer("mid").record == Record(None, "sha256:1", "sha256:2")
