# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image that images.py puts into stores."""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile
import typing as t
from pathlib import Path

SIZES = (166, 37, 48, 53, 11, 4, 79, 2)  # MiB of each layer
FILE = 24 << 10  # bytes of a file, on average


def make_layer(place: Path, number: int, chance: random.Random) -> str:
    """Write the tar of a layer, and return its digest. It has files of all sizes, as an image has them."""
    noise = chance.randbytes(1 << 20)
    left = SIZES[number] << 20
    with tarfile.open(place / f"layer-{number}", "w", format=tarfile.PAX_FORMAT) as tar:
        count = 0
        while left > 0:
            if count % 40 == 0:
                top = tarfile.TarInfo(f"usr/share/part-{number}/{count // 40}")
                top.type, top.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(top)
            entry = tarfile.TarInfo(f"usr/share/part-{number}/{count // 40}/file-{count}")
            entry.size = min(left, int(chance.expovariate(1 / FILE)), len(noise))
            start = chance.randrange(len(noise) - entry.size + 1)
            tar.addfile(entry, io.BytesIO(noise[start : start + entry.size]))
            left -= max(entry.size, 1)
            count += 1
    with open(place / f"layer-{number}", "rb") as file:
        digest = hashlib.sha256()
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def write_image(place: Path, name: str, layers: t.Sequence[str]) -> None:
    """Write an archive that docker load and skopeo read. layers: digests; their tars lie in *place*."""
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}" for layer in layers]},
            "history": [{"created_by": "COPY"} for _layer in layers],
        }
    ).encode()
    kind = "application/vnd.oci.image"
    described = [
        {
            "mediaType": f"{kind}.layer.v1.tar",
            "digest": f"sha256:{layer}",
            "size": (place / f"layer-{number}").stat().st_size,
        }
        for number, layer in enumerate(layers)
    ]
    about = {"mediaType": f"{kind}.config.v1+json", "digest": _digest(config), "size": len(config)}
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": f"{kind}.manifest.v1+json", "config": about, "layers": described}
    ).encode()
    entry = {"mediaType": f"{kind}.manifest.v1+json", "digest": _digest(manifest), "size": len(manifest)}
    entry["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    paths = [_path(f"sha256:{layer}") for layer in layers]
    listed = {"Config": _path(_digest(config)), "RepoTags": ["bench:latest"], "Layers": paths}
    documents = {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode(),
        "manifest.json": json.dumps([listed]).encode(),
        _path(_digest(config)): config,
        _path(_digest(manifest)): manifest,
    }
    with tarfile.open(place / name, "w") as tar:
        for number, path in enumerate(paths):
            tar.add(place / f"layer-{number}", path)
        for path, data in documents.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def make_images(place: Path) -> int:
    """Write image.tar, of 8 layers, and base.tar, of the first 7. Return the size of the last layer's file."""
    chance = random.Random(1)
    layers = [make_layer(place, number, chance) for number in range(len(SIZES))]
    write_image(place, "image.tar", layers)
    write_image(place, "base.tar", layers[:-1])
    size = (place / f"layer-{len(SIZES) - 1}").stat().st_size
    for number in range(len(SIZES)):
        (place / f"layer-{number}").unlink()
    return size
