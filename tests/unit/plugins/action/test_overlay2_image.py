# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that the controller sends. What the whole plugin does, the integration target overlay2_image tests."""

from __future__ import annotations

import os

import pytest
from ansible import constants
from ansible_collections.strata.overlay2.plugins.action import overlay2_image
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected
from ansible_collections.strata.overlay2.plugins.module_utils._image.archive import read_image
from ansible_collections.strata.overlay2.plugins.module_utils._image.platforms import parse_platform
from ansible_collections.strata.overlay2.plugins.module_utils._image.source import open_files
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_archives import one_image, packed
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_cases import BASE, OTHER, THREE


@pytest.fixture
def area(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "run"))
    return tmp_path


def delta(path, *layers):
    with open_files(str(path)) as files:
        image = read_image(files, None, parse_platform("linux/amd64"))
        chains = tuple(image.chain_ids[place] for place in layers)
        return overlay2_image._delta(files, str(path), image, chains)


def test_hosts_that_lack_the_same_layers_share_one_file(area):
    path = area / "image.tar"
    path.write_bytes(packed(one_image(THREE).whole()))
    first = os.stat(delta(path, 1, 2))
    assert os.stat(delta(path, 1, 2)) == first
    assert os.stat(delta(path, 2)).st_ino != first.st_ino
    assert sorted(name.rpartition(".")[2] for name in os.listdir(area / "run")) == ["lock", "lock", "tar", "tar"]


def test_an_archive_that_has_changed_is_read_again(area):
    path = area / "image.tar"
    path.write_bytes(packed(one_image([BASE], name="a").whole()))
    first = delta(path, 0)
    path.write_bytes(packed(one_image([OTHER, BASE], name="a").whole()))
    assert delta(path, 0) != first


def test_a_file_that_was_not_finished_is_not_sent(area):
    path = area / "image.tar"
    layout = one_image(THREE, "none")
    files = layout.whole()
    last = layout.layer_path(2)
    whole = packed({**{name: data for name, data in files.items() if name != last}, last: files[last]})
    path.write_bytes(whole)
    with open_files(str(path)) as opened:
        image = read_image(opened, None, parse_platform("linux/amd64"))
        os.truncate(path, image.layers[2].file.offset + 10)
        with pytest.raises(ArchiveRejected, match="ends"):
            overlay2_image._delta(opened, str(path), image, image.chain_ids)
    assert not [name for name in os.listdir(area / "run") if name.endswith(".tar")]
