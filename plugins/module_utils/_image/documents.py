# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents of an image: bytes to values, all checked. PRIVATE to the collection.

The functions here raise ValueError with the cause; the caller adds the document's name.
Source: OCI image specification 1.1: descriptor, image-index, manifest, config; moby image/tarexport.
"""

from __future__ import annotations

import re
import typing as t

from .errors import UnreadError, quoted
from .platforms import UNKNOWN, Platform, canonical
from .strict_json import parse_json

_OCI, _DOCKER = "application/vnd.oci.image.", "application/vnd.docker."
INDEXES = frozenset((_OCI + "index.v1+json", _DOCKER + "distribution.manifest.list.v2+json"))
MANIFESTS = frozenset((_OCI + "manifest.v1+json", _DOCKER + "distribution.manifest.v2+json"))
CONFIGS = frozenset((_OCI + "config.v1+json", _DOCKER + "container.image.v1+json"))
LAYERS = frozenset(
    (
        *(f"{_OCI}layer.{kind}v1.tar{how}" for kind in ("", "nondistributable.") for how in ("", "+gzip", "+zstd")),
        *(f"{_DOCKER}image.rootfs.{kind}diff.tar{how}" for kind in ("", "foreign.") for how in ("", ".gzip", ".zstd")),
    )
)
ENCRYPTED = "+encrypted"  # the end of an encrypted layer's media type

_DIGEST = re.compile("sha256:[0-9a-f]{64}")
_OTHER_DIGEST = re.compile("(?:sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}|blake3:[0-9a-f]{64})")  # valid, but optional
REF_NAME = "org.opencontainers.image.ref.name"  # an annotation
_NAMES = ("io.containerd.image.name", REF_NAME)  # the first is the full one
_ATTESTATION = "vnd.docker.reference.type"
_DIR_HINT = "make an archive from a directory of skopeo: skopeo copy dir:DIRECTORY oci-archive:FILE"
_MAX_SIZE = (1 << 63) - 1
_VERSION = 2
_LONGEST = 128  # characters of a platform's part: all platforms seen are kept in memory


class Descriptor(t.NamedTuple):
    """What a document says about a blob. names: of the image. beside: it is kept beside an image, such as its SBOM."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    names: tuple[str, ...] = ()
    beside: bool = False


class Manifest(t.NamedTuple):
    """One image: its config and its layers, base first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]


class Config(t.NamedTuple):
    """The part of an image's config that its layers follow from. diff_ids: base first."""

    platform: Platform
    diff_ids: tuple[str, ...]


class Saved(t.NamedTuple):
    """One image in manifest.json, the list that docker save writes. layers: names of files in the archive."""

    config: str
    names: tuple[str, ...]
    layers: tuple[str, ...]


def check_layout(data: bytes) -> None:
    """Check the file oci-layout."""
    version = _text(_object(parse_json(data)), "imageLayoutVersion")
    if not version.startswith("1."):
        raise ValueError(f"its imageLayoutVersion {quoted(version)} is not one that this version reads: 1.0.0")


def parse_index(data: bytes, media_type: str | None = None) -> list[Descriptor]:
    """Return the manifests and indexes that an index names; other entries are for other programs.

    media_type: of the index, as its descriptor says; None for index.json.
    """
    found = _document(data, media_type, INDEXES, ("layers", "config"))
    known = INDEXES | MANIFESTS
    entries = (_object(entry) for entry in _list(found, "manifests"))
    return [_descriptor(entry) for entry in entries if entry.get("mediaType") in known]


def parse_manifest(data: bytes, media_type: str) -> Manifest:
    """Return the manifest in *data*. media_type: as its descriptor says."""
    found = _document(data, media_type, MANIFESTS, ("manifests",))
    config = _descriptor(_object(found.get("config"), "config"))
    if config.media_type not in CONFIGS:  # what its layers are, only the program that wrote it knows
        return Manifest(config, ())
    return Manifest(config, tuple(_descriptor(_object(layer)) for layer in _list(found, "layers")))


def parse_config(data: bytes) -> Config:
    """Return the config in *data*. Its history is for people: no reader relies on it."""
    found = _object(parse_json(data))
    root = _object(found.get("rootfs"), "rootfs")
    if root.get("type") != "layers":
        raise ValueError(f"its rootfs.type {quoted(root.get('type'))} is not layers")
    diff_ids = tuple(_digest(diff_id, "diff id") for diff_id in _list(root, "diff_ids"))
    return Config(_platform(found), diff_ids)


def parse_saved(data: bytes) -> list[Saved]:
    """Return the images in manifest.json."""
    found: t.Any = parse_json(data)
    if isinstance(found, dict) and "schemaVersion" in found:  # as skopeo's dir: has it
        raise UnreadError("it is the manifest of one image, not a list of images", _DIR_HINT)
    if not isinstance(found, list):
        raise ValueError(f"it is {quoted(found)}, not a list of images")
    saved = []
    for entry in map(_object, found):
        names, layers = _texts(entry, "RepoTags"), _texts(entry, "Layers")
        saved.append(Saved(_text(entry, "Config"), names, layers))
    return saved


def _document(
    data: bytes, media_type: str | None, known: t.Container[str], others: t.Iterable[str]
) -> dict[str, t.Any]:
    """Return the object in *data*. It must not look like a document of another media type.

    others: keys of the other media types. A reader that goes by these keys would take the document for another one.
    """
    found = _object(parse_json(data))
    if found.get("schemaVersion") != _VERSION or isinstance(found["schemaVersion"], bool):
        raise ValueError(f"its schemaVersion {quoted(found.get('schemaVersion'))} is not {_VERSION}")
    named = found.get("mediaType")
    if named is not None and (named != media_type if media_type else named not in known):
        raise ValueError(f"its mediaType {quoted(named)} is not {media_type or 'that of an index'}")
    for key in others:
        if key in found:
            raise ValueError(f"it has the key {key}, so it is an index and a manifest at once")
    return found


def _descriptor(found: dict[str, t.Any]) -> Descriptor:
    size = found.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _MAX_SIZE:
        raise ValueError(f"a size in it is {quoted(size)}")
    media_type, digest = _text(found, "mediaType"), _digest(found.get("digest"), "digest")
    said = found.get("platform")
    platform = None if said is None else _platform(_object(said, "platform"))
    annotations = _object(found.get("annotations") or {}, "annotations")
    for value in annotations.values():
        if not isinstance(value, str):
            raise ValueError(f"its annotation {quoted(value)} is not text")
    names = tuple(dict.fromkeys(annotations[key] for key in _NAMES if annotations.get(key)))
    return Descriptor(media_type, digest, size, platform, names, _ATTESTATION in annotations or platform == UNKNOWN)


def _platform(found: dict[str, t.Any]) -> Platform:
    parts = _text(found, "os"), _text(found, "architecture"), _text(found, "variant", "")
    for part in parts:
        if len(part) > _LONGEST:
            raise ValueError(f"a part of its platform has {len(part)} characters: {quoted(part)}")
    return canonical(*parts)


def _digest(value: t.Any, what: str) -> str:
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return value
    cause = f"a {what} in it is {quoted(value)}, not sha256: and 64 lower-case hexadecimal digits"
    if isinstance(value, str) and _OTHER_DIGEST.fullmatch(value):
        raise UnreadError(cause, "make the archive again with digests of sha256: no others are read here")
    raise ValueError(cause)


def _object(value: t.Any, what: str = "") -> dict[str, t.Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{f'its {what}' if what else 'a value in it'} is {quoted(value)}, not an object")
    return value


def _list(found: dict[str, t.Any], key: str) -> list[t.Any]:
    value = found.get(key)
    if not isinstance(value, list):
        raise ValueError(f"its {key} is {quoted(value)}, not a list")
    return value


def _text(found: dict[str, t.Any], key: str, default: str | None = None) -> str:
    value = found.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or (not value and default is None):
        raise ValueError(f"its {key} is {quoted(value)}, not text")
    return value


def _texts(found: dict[str, t.Any], key: str) -> tuple[str, ...]:
    """Return a list of texts, which may be null: docker save writes null for an image without a name."""
    value = [] if found.get(key) is None else _list(found, key)
    for text in value:
        if not isinstance(text, str) or not text:
            raise ValueError(f"its {key} holds {quoted(text)}, not text")
    return tuple(value)
