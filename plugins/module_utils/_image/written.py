# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents of an archive of one image, as this collection writes it. Pure. PRIVATE to the collection.

The layers come first in the archive, because their digests are known only when they are written. Equal layers have one
file. Nothing in the archive tells a time, so the same image gives the same bytes.
"""

from __future__ import annotations

import json
import re
import typing as t

from .._archive.tar import BLOCK, END, REGULAR, Entry
from .._archive.tar_writer import header
from .docker import LIST
from .documents import REF_NAME
from .oci import INDEX, LAYOUT
from .platforms import Platform
from .reading import blob_name, digest_of

OCI, DOCKER = "oci", "docker"

_TYPE = "application/vnd.oci.image."
_LAYER_TYPES = {"none": "layer.v1.tar", "gzip": "layer.v1.tar+gzip", "zstd": "layer.v1.tar+zstd"}
_FULL_NAME = "io.containerd.image.name"
_MODE = 0o644
# A name with a tag, as each version of docker load takes it; it refuses the whole archive for another name.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?"
_TAGGED = re.compile(rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}")
_LONGEST_NAME = 255


class Blob(t.NamedTuple):
    """The file of a layer. diff_id: of its tar; size: of the file, in bytes."""

    diff_id: str
    digest: str
    size: int
    media_type: str


class Outgoing(t.NamedTuple):
    """An image to write. form: OCI or DOCKER; config: its bytes; platform: as OS/ARCHITECTURE[/VARIANT]."""

    form: str
    config: bytes
    names: tuple[str, ...]
    platform: str


def layer_type(compression: str) -> str:
    """Return the media type of a layer with this compression."""
    return _TYPE + _LAYER_TYPES[compression]


def is_tagged(name: str) -> bool:
    """Tell whether *name* is one that every engine takes: a repository with a tag."""
    return len(name) <= _LONGEST_NAME and _TAGGED.fullmatch(name) is not None


def layer_file(form: str, blob: Blob) -> str:
    """Return the name of a layer's file in the archive."""
    return blob_name(blob.digest) if form == OCI else f"{blob.diff_id.partition(':')[2]}.tar"


def file_header(name: str, size: int) -> bytes:
    """Return what precedes the content of a file in the archive."""
    return header(Entry(name.encode(), REGULAR, _MODE, 0, 0, size, 0))


def padding(size: int) -> bytes:
    """Return what follows the content of a file of *size* bytes."""
    return bytes(-size % BLOCK)


def with_diff_ids(config: bytes, diff_ids: t.Sequence[str]) -> bytes:
    """Return *config* with these diff ids; byte for byte the same if it has them."""
    parsed = json.loads(config)
    if parsed["rootfs"]["diff_ids"] == list(diff_ids):
        return config
    parsed["rootfs"] = {**parsed["rootfs"], "diff_ids": list(diff_ids)}
    return _json(parsed)


def manifest_of(image: Outgoing, blobs: t.Sequence[Blob]) -> bytes:
    """Return the manifest of the image with these layers."""
    config = _descriptor(f"{_TYPE}config.v1+json", image.config)
    layers = [{"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size} for blob in blobs]
    return _json(
        {"schemaVersion": 2, "mediaType": f"{_TYPE}manifest.v1+json", "config": config, "layers": layers},
    )


def rest_of_archive(image: Outgoing, blobs: t.Sequence[Blob]) -> bytes:
    """Return what follows the layers in the archive: the documents, and the end mark."""
    documents = _oci_documents(image, blobs) if image.form == OCI else _docker_documents(image, blobs)
    files = (file_header(name, len(data)) + data + padding(len(data)) for name, data in documents.items())
    return b"".join(files) + END


def _oci_documents(image: Outgoing, blobs: t.Sequence[Blob]) -> dict[str, bytes]:
    """Return the documents of an OCI image layout that is also an archive of docker save."""
    manifest = manifest_of(image, blobs)
    entry = {**_descriptor(f"{_TYPE}manifest.v1+json", manifest), "platform": _platform(image.platform)}
    named = [{**entry, "annotations": _annotations(name)} for name in image.names]
    config = blob_name(digest_of(image.config))
    index = {"schemaVersion": 2, "mediaType": f"{_TYPE}index.v1+json", "manifests": named or [entry]}
    return {
        config: image.config,
        blob_name(digest_of(manifest)): manifest,
        INDEX: _json(index),
        LAYOUT: _json({"imageLayoutVersion": "1.0.0"}),
        LIST: _list(image, config, blobs),
    }


def _docker_documents(image: Outgoing, blobs: t.Sequence[Blob]) -> dict[str, bytes]:
    config = f"{digest_of(image.config).partition(':')[2]}.json"
    return {config: image.config, LIST: _list(image, config, blobs)}


def _list(image: Outgoing, config: str, blobs: t.Sequence[Blob]) -> bytes:
    names = [name for name in image.names if is_tagged(name)]
    layers = [layer_file(image.form, blob) for blob in blobs]
    return _json([{"Config": config, "RepoTags": names or None, "Layers": layers}])


def _annotations(name: str) -> dict[str, str]:
    return {REF_NAME: name, **({_FULL_NAME: name} if is_tagged(name) else {})}


def _platform(platform: str) -> dict[str, str]:
    found = Platform(*platform.split("/", 2))
    return {key: value for key, value in found._asdict().items() if value}


def _descriptor(media_type: str, data: bytes) -> dict[str, t.Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def _json(value: t.Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
