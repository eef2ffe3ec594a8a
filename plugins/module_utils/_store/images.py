# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store knows of the images whose layers it has: names and config, beside the layers. PRIVATE to the collection.

    <home>/.strata-images/<image id>.json      names, platform and layers of the image
    <home>/.strata-images/<image id>.config    the config, byte for byte: its digest is the image id

The image id is without ``sha256:``. A record says nothing about which layers are there: that is read from the layers.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import typing as t

from .._errors import StoreCorrupt, printable, shorten
from .._linux.noatime import read_quietly
from .._linux.sync import sync_directory, sync_file
from .json_file import NewerFormat, is_count, read_file, unreadable_error
from .layout import IMAGES
from .listing import names_in
from .recognition import is_directory

_RECORD, _CONFIG = ".json", ".config"
_NEW = ".new"  # suffix of a config while it is written
_PREFIX = "sha256:"
_DIGEST = re.compile("sha256:[0-9a-f]{64}")
_FILE_NAME = re.compile(f"([0-9a-f]{{64}}){re.escape(_RECORD)}")
_LARGEST_CONFIG = 4 << 20  # bytes


class RecordedLayer(t.NamedTuple):
    """A layer of an image. digest, size, media_type: of the file that it came from; None if not known."""

    diff_id: str
    digest: str | None
    size: int | None
    media_type: str | None


class ImageRecord(t.NamedTuple):
    """An image whose layers were put into the store.

    manifest_digest: of the manifest that it came with; None for the archive of docker save.
    names:           as the archive gave them, so any text.
    layers:          base first.
    top:             id of its top layer when it was recorded; None if that is the digits of its chain id.
    """

    image_id: str
    manifest_digest: str | None
    names: tuple[str, ...]
    platform: str
    layers: tuple[RecordedLayer, ...]
    top: str | None = None


class Records(t.NamedTuple):
    """The records of the images of a store.

    images: of the records that can be read, sorted by image id. unread: why each other record cannot be read.
    """

    images: tuple[ImageRecord, ...] = ()
    unread: tuple[StoreCorrupt, ...] = ()

    @property
    def why(self) -> str:
        """Why records cannot be read, in words; "" if all can."""
        return shorten([str(error) for error in self.unread])

    @property
    def told(self) -> str:
        """Why records cannot be read, and what to do about the first of them; "" if all can be read."""
        return f"{self.why}; {self.unread[0].hint}" if self.unread else ""


def read_record(home: str, image_id: str) -> ImageRecord | None:
    """Return the record of an image, None if there is none. Raises StoreCorrupt, OSError."""
    path = _path(home, image_id, _RECORD)
    content = read_file(path, _cure(path))
    if content is None:
        return None
    record = _parsed(image_id, content)
    if record is None:
        raise unreadable_error(path, _cure(path))
    return record


def read_records(home: str) -> Records:
    """Return the records of all images: one damaged record hides no other. Raises OSError."""
    found, unread = [], []
    try:
        for image_id in _recorded_ids(home):
            try:
                record = read_record(home, image_id)
            except StoreCorrupt as error:
                unread.append(error)
            except OSError as error:
                from .unusable import unread_record  # few files are damaged, and each import is compiled on every host

                unread.append(unread_record(_path(home, image_id, _RECORD), error))
            else:
                found += [record] if record else []
    except StoreCorrupt as error:
        unread.append(error)
    return Records(tuple(found), tuple(unread))


def unwritable_error(home: str, image_id: str, records: Records) -> StoreCorrupt | None:
    """Return why no run may write the record of an image; None if a run may.

    A newer version wrote the record, or the directory of the records is something else. A damaged record is no reason:
    a run that has the image writes it again.
    """
    path = printable(_path(home, image_id, _RECORD))
    for error in records.unread:
        if error.details["path"] == printable(os.path.join(home, IMAGES)):
            return error
        if isinstance(error, NewerFormat) and error.details["path"] == path:
            return error
    return None


def _recorded_ids(home: str) -> list[str]:
    """Return the ids of the images that have a record, sorted. Raises StoreCorrupt, OSError."""
    directory = os.path.join(home, IMAGES)
    _check_directory(home)
    try:
        names = sorted(entry.name for entry in names_in(directory))
    except FileNotFoundError:
        return []
    matches = (_FILE_NAME.fullmatch(name) for name in names)
    return [_PREFIX + match.group(1) for match in matches if match]


def _check_directory(home: str) -> None:
    """Raise StoreCorrupt if the directory of the records is something else: a symlink may lead out of the store."""
    path = os.path.join(home, IMAGES)
    if os.path.lexists(path) and not is_directory(path):
        from .unusable import blocked_images  # few stores are damaged, and each import is compiled on every host

        raise blocked_images(home)


def read_config(home: str, image_id: str) -> bytes | None:
    """Return the config of an image; None if it is missing, or is not what its name says. Raises OSError."""
    try:
        data = read_quietly(_path(home, image_id, _CONFIG), _LARGEST_CONFIG + 1)
    except FileNotFoundError:
        return None
    digest = hashlib.new("sha256", data, usedforsecurity=False)
    return data if _PREFIX + digest.hexdigest() == image_id else None


def write_record(home: str, record: ImageRecord, config: bytes | None = None) -> None:
    """Write what is known of an image, durably. The caller holds the store's lock.

    config: None if the config is there already.
    raises: StoreCorrupt, OSError.
    """
    from .json_writer import replace_file, write_new  # a run that changes nothing does not need it

    directory = os.path.join(home, IMAGES)
    _check_directory(home)
    with contextlib.suppress(FileExistsError):
        os.mkdir(directory, 0o700)
        sync_directory(home)
    if config is not None:
        path = _path(home, record.image_id, _CONFIG)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + _NEW)  # left by a killed run
        write_new(path + _NEW, config, 0o600)
        sync_file(path + _NEW)
        os.rename(path + _NEW, path)
    layers = [layer._asdict() for layer in record.layers]
    content = {**record._asdict(), "names": list(record.names), "layers": layers}
    replace_file(_path(home, record.image_id, _RECORD), content)
    _sweep(directory)


def remove_record(home: str, image_id: str) -> None:
    """Remove what is known of an image, durably. The caller holds the store's lock.

    The record goes first, and the image with it. A config that is left, by a killed run or on a disk that fails, goes
    with the next change to a record.
    raises: StoreCorrupt, OSError; what is known of the image is there as before, if the record is.
    """
    from .json_writer import remove_file  # as above

    _check_directory(home)
    remove_file(_path(home, image_id, _RECORD))
    directory = os.path.join(home, IMAGES)
    _sweep(directory)
    sync_directory(directory)


def _sweep(directory: str) -> None:
    """Delete the configs of images without a record."""
    with contextlib.suppress(OSError):  # what cannot be deleted now is left to a later run
        names = {entry.name for entry in names_in(directory)}
        for name in names:
            image, dot, suffix = name.partition(".")
            if dot + suffix in (_CONFIG, _CONFIG + _NEW) and image + _RECORD not in names:
                os.unlink(os.path.join(directory, name))


def _path(home: str, image_id: str, suffix: str) -> str:
    return os.path.join(home, IMAGES, image_id[len(_PREFIX) :] + suffix)


def _cure(path: str) -> str:
    return f"remove the file: the next run of overlay2_image that has the image writes it again ({path})"


def _parsed(image_id: str, content: t.Mapping[str, t.Any]) -> ImageRecord | None:
    """Return the record in *content*; None if we never write such a record."""
    names, layers, manifest = content.get("names"), content.get("layers"), content.get("manifest_digest")
    if content.get("image_id") != image_id or not isinstance(content.get("platform"), str):
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        return None
    found = [RecordedLayer(*(layer.get(field) for field in RecordedLayer._fields)) for layer in layers]
    if not _is_digest(manifest, or_none=True) or not found or not all(map(_is_layer, found)):
        return None
    top = content.get("top")
    if not isinstance(top, (str, type(None))):
        return None
    return ImageRecord(image_id, manifest, tuple(names), content["platform"], tuple(found), top)


def _is_layer(layer: RecordedLayer) -> bool:
    return (
        _is_digest(layer.diff_id)
        and _is_digest(layer.digest, or_none=True)
        and (layer.size is None or is_count(layer.size))
        and isinstance(layer.media_type, (str, type(None)))
    )


def _is_digest(value: t.Any, or_none: bool = False) -> bool:
    return (or_none and value is None) or (isinstance(value, str) and _DIGEST.fullmatch(value) is not None)
