# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the lists in which containers-storage records its layers, images and containers. Only reads. PRIVATE.

    overlay-layers/layers.json, volatile-layers.json
    overlay-images/images.json
    overlay-containers/containers.json, volatile-containers.json

They lie beside home; a transient store has the volatile ones below /run.

Source: containers/storage layers.go, images.go, containers.go.
"""

from __future__ import annotations

import glob
import json
import os
import typing as t

from .._errors import printable
from .._linux.noatime import open_quietly
from .layout import is_id
from .record_files import unreadable_error

_RUN_ROOTS = ("/run/containers/storage", "/run/user/*/containers")
_MOST = 32 << 20  # bytes of a list; 10,000 layers take 5 MiB


class RecordList(t.NamedTuple):
    """One list. path: of its file, absolute. what: layer, image or container. main: the store's list of its layers."""

    path: str
    what: str
    main: bool


def record_lists(root: str, *kinds: str) -> t.Iterator[RecordList]:
    """Yield the lists of a store whose records lie in *root*; any list may be missing. kinds: as RecordList.what."""
    run_roots = [place for pattern in _RUN_ROOTS for place in glob.glob(pattern)]
    for place in (root, *run_roots):
        for what in kinds:
            for name in (f"{what}s.json", f"volatile-{what}s.json"):
                path = os.path.join(place, f"overlay-{what}s", name)
                yield RecordList(path, what, place == root and name == "layers.json")


def read_list(path: str, must: bool) -> list[dict[str, t.Any]]:
    """Return the records in a list; none if the list is missing, unless it *must* exist. Raises StoreCorrupt."""
    try:
        with open(open_quietly(path, os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            text = file.read(_MOST + 1)
        records = json.loads(text) if len(text) <= _MOST else ...
    except (FileNotFoundError, NotADirectoryError) as error:
        if must:
            raise unreadable_error(path, error.strerror) from error
        return []
    except OSError as error:
        raise unreadable_error(path, error.strerror) from error
    except (ValueError, RecursionError):
        raise unreadable_error(path, "it is not in the format of containers-storage") from None
    if records is ...:
        raise unreadable_error(path, f"it has more than {_MOST >> 20} MiB")
    if records is None:  # containers-storage writes an empty list as null
        return []
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise unreadable_error(path, "it is not in the format of containers-storage")
    return records


def layer_ids_of(record: t.Mapping[str, t.Any], path: str, key: str, *, optional: bool) -> t.Iterator[str]:
    """Yield the ids of layers in a record. Raises StoreCorrupt.

    optional: the record may lack *key*: an image or a container may have no layer.
    """
    mapped = record.get("mapped-layers") or []
    ids = [record.get(key), *(mapped if isinstance(mapped, list) else [mapped])]
    for id in ids[1:] if optional and not ids[0] else ids:
        yield checked_id(id, path)


def checked_id(id: t.Any, path: str) -> str:
    """Return *id*. Raises StoreCorrupt if it is not the id of a layer."""
    if not isinstance(id, str) or not is_id(id):
        raise unreadable_error(path, f"it holds '{printable(str(id)[:64])}', which is not the id of a layer")
    return id
