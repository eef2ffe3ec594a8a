# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a root filesystem into the archive of an image, as docker save writes it: python3 make_image.py ROOTFS IMAGE NAME

ROOTFS is a tar, plain or compressed with gzip, bzip2, xz or zstd. IMAGE appears by a rename, and only if it does not
hold this root filesystem yet: then the program prints "made".
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import json
import lzma
import os
import platform
import subprocess
import sys
import tarfile
import typing as t

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # as images name them; others have the same name
OPENERS: dict[bytes, t.Callable[..., t.Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
ZSTD = b"\x28\xb5\x2f\xfd"
PIECE = 1 << 20


@contextlib.contextmanager
def uncompressed(path: str) -> t.Iterator[t.Any]:
    """Open a tar for reading, whatever its compression."""
    with open(path, "rb") as file:
        magic = file.read(8)
    if magic.startswith(ZSTD):
        with subprocess.Popen(["zstd", "-dc", "--", path], stdout=subprocess.PIPE) as process:
            yield process.stdout
        if process.returncode:
            sys.exit(f"zstd cannot read {path}")
        return
    opener = next((opener for start, opener in OPENERS.items() if magic.startswith(start)), open)
    with opener(path, "rb") as stream:
        yield stream


def diff_id_of(path: str) -> str:
    """Return the digest of the uncompressed tar."""
    digest = hashlib.sha256()
    with uncompressed(path) as stream:
        while piece := stream.read(PIECE):
            digest.update(piece)
    return f"sha256:{digest.hexdigest()}"


def read_config(image: str) -> bytes | None:
    """Return the config of an image that this program made; None without such an image."""
    try:
        with tarfile.open(image) as archive:
            member = archive.extractfile("config.json")
            return member.read() if member else None
    except (OSError, KeyError, tarfile.TarError):
        return None


def write_image(rootfs: str, image: str, name: str, config: bytes) -> None:
    """Write the archive under another name, and rename it."""
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(f"{image}.part", "w") as archive:
        for member, content in (("manifest.json", manifest), ("config.json", config)):
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        archive.add(os.path.realpath(rootfs), "layer.tar")
    os.rename(f"{image}.part", image)


def main() -> None:
    rootfs, image, name = sys.argv[1:]
    machine = platform.machine()
    layers = {"type": "layers", "diff_ids": [diff_id_of(rootfs)]}
    config = {"architecture": ARCHITECTURES.get(machine, machine), "os": "linux", "rootfs": layers}
    content = json.dumps(config).encode()
    if read_config(image) != content:
        write_image(rootfs, image, name, content)
        print("made")


if __name__ == "__main__":
    main()
