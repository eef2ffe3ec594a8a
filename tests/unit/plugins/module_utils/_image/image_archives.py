# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build archives of images, file by file, also archives that no tool would write."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import subprocess
import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    archive,
    directory,
    hardlink,
    member,
    pax,
    record,
    symlink,
)

OCI, DOCKER = "application/vnd.oci.image.", "application/vnd.docker."
INDEX, MANIFEST, CONFIG = f"{OCI}index.v1+json", f"{OCI}manifest.v1+json", f"{OCI}config.v1+json"
DOCKER_LIST = f"{DOCKER}distribution.manifest.list.v2+json"
DOCKER_MANIFEST, DOCKER_CONFIG = f"{DOCKER}distribution.manifest.v2+json", f"{DOCKER}container.image.v1+json"
LAYER_TYPES = {"none": f"{OCI}layer.v1.tar", "gzip": f"{OCI}layer.v1.tar+gzip", "zstd": f"{OCI}layer.v1.tar+zstd"}
DOCKER_TYPES = {"none": f"{DOCKER}image.rootfs.diff.tar", "gzip": f"{DOCKER}image.rootfs.diff.tar.gzip"}
REF_NAME, FULL_NAME = "org.opencontainers.image.ref.name", "io.containerd.image.name"

Document = dict[str, t.Any]


class Link(t.NamedTuple):
    """A link in place of a file; hard: in a tar, the target is a name in the archive."""

    target: str
    hard: bool = False


Files = dict[str, t.Union[bytes, Link]]


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def path_of(blob: Document) -> str:
    return "blobs/" + blob["digest"].replace(":", "/")


def as_json(value: t.Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def chain_ids(diff_ids: t.Sequence[str]) -> list[str]:
    found: list[str] = []
    for diff_id in diff_ids:
        found.append(digest(f"{found[-1]} {diff_id}".encode()) if found else diff_id)
    return found


def compressed(data: bytes, how: str) -> bytes:
    if how == "gzip":
        return gzip.compress(data, 6, mtime=0)
    if how == "none":
        return data
    if how == "zstd":  # Python has none before 3.14
        return subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return {"xz": lzma.compress, "bzip2": bz2.compress}[how](data)


def config_of(layers: t.Sequence[bytes], architecture: str = "amd64", *, os: str = "linux", **more: t.Any) -> Document:
    """Return the config of an image with these layers. more: its other keys; None removes one."""
    config = {
        "created": "2023-11-14T22:13:20Z",
        "architecture": architecture,
        "os": os,
        "config": {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        "history": [
            {"created_by": "an empty one", "empty_layer": True},
            *({"created_by": "RUN x"} for _unused in layers),
        ],
        **more,
    }
    return {key: value for key, value in config.items() if value is not None}


class Layout:
    """An OCI image layout. What its methods made may be changed before it is written."""

    def __init__(self) -> None:
        self.files: Files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
        self.entries: list[Document] = []

    def blob(self, data: bytes, media_type: str, **more: t.Any) -> Document:
        """Add a blob and return its descriptor."""
        found = {"mediaType": media_type, "digest": digest(data), "size": len(data), **more}
        self.files[path_of(found)] = data
        return found

    def image(
        self,
        layers: t.Sequence[bytes],
        how: str = "gzip",
        *,
        config: Document | None = None,
        change: t.Callable[[Document], object] | None = None,
        docker: bool = False,
    ) -> Document:
        """Add an image, and return the descriptor of its manifest. change: changes the manifest before it is hashed."""
        types = DOCKER_TYPES if docker else LAYER_TYPES
        kind = DOCKER_CONFIG if docker else CONFIG
        manifest = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST if docker else MANIFEST,
            "config": self.blob(as_json(config_of(layers) if config is None else config), kind),
            "layers": [self.blob(compressed(layer, how), types[how]) for layer in layers],
        }
        if change:
            change(manifest)
        return self.blob(as_json(manifest), DOCKER_MANIFEST if docker else MANIFEST)

    def index(self, manifests: t.Sequence[Document], media_type: str = INDEX) -> Document:
        return self.blob(as_json(index_of(manifests, media_type)), media_type)

    def add(self, blob: Document, name: str | None = "test", **annotations: str) -> Layout:
        """Name a manifest or an index in index.json."""
        if name is not None:
            annotations = {REF_NAME: name, **annotations}
        self.entries.append({**blob, "annotations": annotations} if annotations else blob)
        return self

    def manifest(self) -> Document:
        """Return the manifest of the first image."""
        return json.loads(self.files[path_of(self.entries[0])])  # type: ignore[arg-type]

    def layer_path(self, place: int) -> str:
        return path_of(self.manifest()["layers"][place])

    def whole(self, **more: bytes | Link) -> Files:
        """Return all files. more: those at the top, in place of the right ones."""
        return {**self.files, "index.json": as_json(index_of(self.entries)), **more}


def index_of(manifests: t.Sequence[Document], media_type: str = INDEX) -> Document:
    return {"schemaVersion": 2, "mediaType": media_type, "manifests": list(manifests)}


def for_platform(blob: Document, architecture: str, os: str = "linux", **more: t.Any) -> Document:
    return {**blob, "platform": {"architecture": architecture, "os": os, **more}}


def one_image(layers: t.Sequence[bytes], how: str = "gzip", name: str | None = "test", **options: t.Any) -> Layout:
    layout = Layout()
    return layout.add(layout.image(layers, how, **options), name)


def saved(*images: tuple[t.Sequence[bytes], list[str] | None]) -> Files:
    """Return what docker save wrote before 25.0: layers in directories, a repeated layer as a symlink."""
    files: Files = {}
    listed = []
    first: dict[bytes, str] = {}
    for layers, names in images:
        paths = []
        for place, layer in enumerate(layers):
            legacy = hashlib.sha256(f"{place} {digest(layer)} {paths}".encode()).hexdigest()
            files[f"{legacy}/VERSION"], files[f"{legacy}/json"] = b"1.0", as_json({"id": legacy})
            path = f"{legacy}/layer.tar"
            known = first.setdefault(layer, legacy)
            files.setdefault(path, layer if known == legacy else Link(f"../{known}/layer.tar"))
            paths.append(path)
        config = as_json(config_of(layers))
        name = f"{digest(config)[7:]}.json"
        files[name] = config
        listed.append({"Config": name, "RepoTags": names, "Layers": paths})
    files["manifest.json"] = as_json(listed)
    files["repositories"] = as_json({"test": {"latest": "0" * 64}})
    return files


def saved_since_25(layers: t.Sequence[bytes], names: list[str]) -> Layout:
    """Return what docker save writes since 25.0: a layout that also has manifest.json."""
    layout = one_image(layers, "none")
    layout.entries[0]["annotations"] = {REF_NAME: names[0].rpartition(":")[2], FULL_NAME: f"docker.io/{names[0]}"}
    manifest = layout.manifest()
    paths = [path_of(layer) for layer in manifest["layers"]]
    layout.files["manifest.json"] = as_json(
        [{"Config": path_of(manifest["config"]), "RepoTags": names, "Layers": paths}]
    )
    return layout


def packed(files: Files | t.Sequence[tuple[str, bytes | Link]], how: str = "none", before: str = "") -> bytes:
    """Return a tar of *files*, in their order. before: what precedes all names."""
    pairs = list(files.items()) if isinstance(files, dict) else files
    return compressed(archive(*(_member(before + name, content) for name, content in pairs)), how)


def _member(name: str, content: bytes | Link) -> bytes:
    raw = name.encode("utf-8", "surrogatepass")
    if isinstance(content, Link):
        return (hardlink if content.hard else symlink)(raw, content.target)
    if name.endswith("/"):
        return directory(raw)
    long = pax(record("path", raw)) if len(raw) > 100 else b""
    return long + member(raw[:100], body=content)


def sorted_files(files: Files) -> Files:
    """Return *files* in the order of skopeo and Docker: blobs by digest, then the index."""
    return dict(sorted(files.items()))


def written(files: Files, top: Path) -> Path:
    """Write *files* as a directory."""
    for name, content in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Link):
            path.symlink_to(content.target)
        else:
            path.write_bytes(content)
    return top
