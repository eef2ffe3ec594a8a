# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every good archive is read in every form, and every lie is told."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import CHUNK
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected, InvalidInput, printable
from ansible_collections.strata.overlay2.plugins.module_utils._image.archive import read_image
from ansible_collections.strata.overlay2.plugins.module_utils._image.layer_file import open_layer
from ansible_collections.strata.overlay2.plugins.module_utils._image.platforms import parse_platform
from ansible_collections.strata.overlay2.plugins.module_utils._image.source import open_files
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image import whole_image
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_archives import (
    Link,
    chain_ids,
    compressed,
    digest,
    packed,
    sorted_files,
    written,
)
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_cases import bad, good
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.whole_image import read_whole

AMD64 = "linux/amd64"
GOOD, BAD = good(), bad()
COMPRESSIONS = ("none", "gzip", "zstd", "xz", "bzip2")


def shuffled(files):
    names = list(files)
    random.Random(1).shuffle(names)
    return {name: files[name] for name in names}


FORMS = {
    **{f"a tar, {how}": lambda files, path, how=how: path.write_bytes(packed(files, how)) for how in COMPRESSIONS},
    "a tar in skopeo's order, gzip": lambda files, path: path.write_bytes(packed(sorted_files(files), "gzip")),
    "a tar in any order, gzip": lambda files, path: path.write_bytes(packed(shuffled(files), "gzip")),
    "a tar with ./": lambda files, path: path.write_bytes(packed(files, before="./")),
    "a directory": written,
}


def contents(path, image=None, platform=AMD64):
    """Return the image, and the tar of each layer, read by the layers' order in the archive; None for a missing one."""
    with open_files(str(path)) as files:
        found = read_image(files, image, parse_platform(platform))
        tars = {}
        for layer in sorted(found.layers, key=lambda layer: layer.file.offset if layer.file else 0):
            if layer.file and layer.chain_id not in tars:
                with open_layer(files, layer) as reader:
                    tars[layer.chain_id] = b"".join(iter(lambda: reader.read(CHUNK), b""))
        return found, [tars.get(layer.chain_id) for layer in found.layers]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", GOOD)
def test_a_good_image_is_read_in_every_form(case, form, tmp_path):
    files, layers, names, image, platform, missing = GOOD[case]
    if form == "a directory" and any(isinstance(content, Link) for content in files.values()):
        files = {name: files_behind(files, name) for name in files}
    FORMS[form](files, tmp_path / "archive")
    found, tars = contents(tmp_path / "archive", image, platform)
    assert found.names == names
    assert found.image_id == digest(found.config)
    assert [layer.diff_id for layer in found.layers] == [digest(layer) for layer in layers]
    assert list(found.chain_ids) == chain_ids([digest(layer) for layer in layers])
    assert tars == [None] * missing + list(layers[missing:])


def files_behind(files, name):
    content = files[name]
    if not isinstance(content, Link):
        return content
    return files_behind(files, os.path.normpath(os.path.join(os.path.dirname(name), content.target)))


@pytest.mark.parametrize("case", BAD)
def test_every_lie_is_told(case, tmp_path):
    built, error, message = BAD[case]
    made = built()
    path = tmp_path / "archive"
    path.write_bytes(made if isinstance(made, bytes) else packed(made))
    if error is None:
        found, tars = contents(path)
        assert [digest(tar) for tar in tars] == [layer.diff_id for layer in found.layers]
        return
    with pytest.raises(error) as caught:
        read_whole(path)
    assert caught.type is error
    assert message in str(caught.value)
    assert caught.value.hint
    assert str(caught.value) == printable(str(caught.value)).replace("\\\\", "\\")


@pytest.mark.parametrize("case", [case for case, bad in BAD.items() if bad.error])
def test_every_lie_is_told_in_a_compressed_archive_too(case, tmp_path):
    built, error, message = BAD[case]
    made = built()
    path = tmp_path / "archive"
    path.write_bytes(compressed(made if isinstance(made, bytes) else packed(made), "gzip"))
    with pytest.raises(error) as caught:
        read_whole(path)
    assert message in str(caught.value) or isinstance(made, bytes)


@pytest.mark.parametrize(
    ("case", "hint"),
    [
        ("a digest of sha512", "make the archive again with digests of sha256"),
        ("a diff id of sha512", "make the archive again with digests of sha256"),
        ("saved: a manifest", "skopeo copy dir:"),
        ("saved: null", "damaged or hostile"),
    ],
)
def test_an_archive_that_is_only_of_another_kind_is_not_called_damaged(case, hint, tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(packed(BAD[case].built()))
    with pytest.raises(ArchiveRejected) as caught:
        read_whole(path)
    assert hint in caught.value.hint


def test_a_socket_is_not_an_archive(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX) as made:
        monkeypatch.chdir(tmp_path)  # the path of a socket is short
        made.bind("s")
        with pytest.raises(InvalidInput, match="s is not a regular file or a directory"):
            read_whole(tmp_path / "s")


@pytest.mark.parametrize("target", ["/etc/hostname", "../../elsewhere", "."])
def test_a_symlink_in_a_directory_is_not_followed(target, tmp_path):
    built = BAD["a blob is a symlink"].built()
    files = {name: Link(target) if isinstance(content, Link) else content for name, content in built.items()}
    with pytest.raises(ArchiveRejected, match="a symlink"):
        read_whole(written(files, tmp_path / "archive"))


def test_a_fifo_in_a_directory_is_not_read(tmp_path):
    files = GOOD["OCI, one layer"].files
    top = written({name: content for name, content in files.items() if name != "index.json"}, tmp_path / "archive")
    os.mkfifo(top / "index.json")
    with pytest.raises(ArchiveRejected, match="not a regular file"):
        read_whole(top)


@pytest.mark.parametrize(("cases", "most"), [(GOOD, 40), (BAD, 64)], ids=["good", "bad"])
def test_no_archive_takes_much_memory(cases, most, tmp_path):
    paths = {}
    for number, case in enumerate(cases):
        built = cases[case].built() if cases is BAD else cases[case].files
        data = built if isinstance(built, bytes) else packed(built)
        for how in ("none", "gzip"):
            path = tmp_path / f"{number} {how}"
            path.write_bytes(compressed(data, how))
            paths[str(path)] = case
    peaks = subprocess.run(
        [sys.executable, whole_image.__file__, *paths],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout.split()
    assert len(peaks) == len(paths)
    assert {case: peak for case, peak in zip(paths.values(), peaks) if int(peak) > most << 10} == {}
