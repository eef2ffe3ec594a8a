# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A delta is the image without some layers, byte for byte."""

from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._image.archive import read_image
from ansible_collections.strata.overlay2.plugins.module_utils._image.delta import size_of_layers, write_delta
from ansible_collections.strata.overlay2.plugins.module_utils._image.platforms import parse_platform
from ansible_collections.strata.overlay2.plugins.module_utils._image.source import open_files
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import archive, member
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_archives import (
    digest,
    one_image,
    packed,
    saved,
)
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_cases import THREE, good
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.test_archive import contents

GOOD = good()


def write(path, to, layers, image=None, platform="linux/amd64"):
    """Write the image at *path* with its *layers*, chosen by their places, to *to*; return it, and their size."""
    with open_files(str(path)) as files:
        found = read_image(files, image, parse_platform(platform))
        chosen = [found.chain_ids[place] for place in layers]
        with open(to, "wb") as out:
            write_delta(files, found, chosen, out.write)
        return found, size_of_layers(found, chosen)


@pytest.mark.parametrize("how", ["none", "gzip"])
@pytest.mark.parametrize("case", GOOD)
def test_a_delta_with_all_layers_is_the_image(case, how, tmp_path):
    files, layers, names, image, platform, missing = GOOD[case]
    (tmp_path / "archive").write_bytes(packed(files, how))
    whole, size = write(tmp_path / "archive", tmp_path / "delta", range(len(layers)), image, platform)
    found, tars = contents(tmp_path / "delta", platform=platform)
    assert tars == [None] * missing + list(layers[missing:])
    assert (found.names, found.manifest_digest, found.config) == (names, whole.manifest_digest, whole.config)
    assert [layer._replace(file=None) for layer in found.layers] == [
        layer._replace(file=None) for layer in whole.layers
    ]
    write(tmp_path / "archive", tmp_path / "none", (), image, platform)
    assert (tmp_path / "delta").stat().st_size == (tmp_path / "none").stat().st_size + size


@pytest.mark.parametrize("files", [one_image(THREE).whole(), saved((THREE, ["a:1"]))], ids=["OCI", "docker save"])
def test_a_delta_holds_only_the_layers_that_are_asked_for(files, tmp_path):
    (tmp_path / "archive").write_bytes(packed(files))
    write(tmp_path / "archive", tmp_path / "delta", [1])
    _found, tars = contents(tmp_path / "delta")
    assert tars == [None, THREE[1], None]


def test_a_delta_of_a_delta_lacks_what_the_first_lacks(tmp_path):
    (tmp_path / "archive").write_bytes(packed(one_image(THREE).whole()))
    write(tmp_path / "archive", tmp_path / "first", [1, 2])
    write(tmp_path / "first", tmp_path / "second", [0, 1])
    _found, tars = contents(tmp_path / "second")
    assert tars == [None, THREE[1], None]


@pytest.mark.parametrize("name", ["a\udcff", "\x1b[31m", "caf\u00e9", 'a"b'])
def test_names_stay_as_they_are(name, tmp_path):
    layer = archive(member("a"))
    (tmp_path / "archive").write_bytes(packed(one_image([layer], name=name).whole()))
    whole, _size = write(tmp_path / "archive", tmp_path / "delta", [0])
    found, tars = contents(tmp_path / "delta")
    assert found.names == whole.names == (name,)
    assert [digest(tar) for tar in tars] == [digest(layer)]
