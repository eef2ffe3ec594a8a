# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in a store of an engine but containerd: layers and bytes, by its records. Only reads. PRIVATE.

docker:             image/<driver>/layerdb/sha256/<chain>/size
containers-storage: <kind>-layers/layers.json with diff-size
buildkit:           runc-<snapshotter>/snapshots/metadata.db
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from ..._bolt.live import LIMIT, Busy
from ..._bolt.meta import Unreadable
from ..._containerd.look import read_database
from ..._containerd.snapshotter import read_records
from ..._errors import printable
from ..._linux.nofollow import names_below, open_below
from .recognize import count_directories
from .state import BUILDKIT, DOCKER, STORAGE, Contents, Found

if t.TYPE_CHECKING:
    from .places import Place

_NOT_LAYERS = ("l", "lost+found", ".staging")
_JSON, _JSON_OF_A_USER = 32 << 20, 4 << 20  # bytes of a list of layers
_DATABASE_OF_A_USER = 16 << 20
_SIZE = 32  # bytes of a file with a size
_READ = 1 << 20
_DIGITS = 20  # of a number


def contents_of(place: Place, found: Found) -> Contents:
    """Return what lies in a store. What cannot be read is a problem. A user could make up large records."""
    ways = {DOCKER: _of_docker, STORAGE: _of_storage, BUILDKIT: _of_buildkit}
    way = ways.get(found.engine or "", _counted)
    try:
        return way(place, found)
    except (Unreadable, Busy) as error:
        return Contents(problems=[str(error)])
    except OSError as error:
        return Contents(problems=[f"{printable(str(error.filename or found.below))}: {error.strerror}"])


def _counted(place: Place, found: Found) -> Contents:
    return Contents(layers=count_directories(place.fd, found.below, _NOT_LAYERS), unneeded=[])


def _of_docker(place: Place, found: Found) -> Contents:
    root, layerdb = place.fd, f"image/{found.kind}/layerdb/sha256"
    layers = count_directories(root, found.below, _NOT_LAYERS)
    sizes = []
    try:
        for chain in names_below(root, layerdb):
            with contextlib.suppress(FileNotFoundError):  # dockerd removes layers meanwhile
                sizes.append(int(read_below(root, f"{layerdb}/{chain}/size", _SIZE)))
    except FileNotFoundError:
        pass
    except ValueError:
        return Contents(layers, problems=[f"{layerdb} holds a size that is not a number"], unneeded=[])
    return Contents(layers, sum(sizes), unneeded=[])


def _of_storage(place: Place, found: Found) -> Contents:
    path = f"{found.kind}-layers/layers.json"
    limit = _JSON_OF_A_USER if place.owner else _JSON
    try:
        data = read_below(place.fd, path, limit + 1)
    except FileNotFoundError:
        return Contents(layers=0, bytes=0, unneeded=[])
    try:
        records = json.loads(data if len(data) <= limit else b"", parse_int=_number) or []
        sizes = [record.get("diff-size", 0) for record in records]
    except (ValueError, RecursionError, AttributeError, TypeError):
        return Contents(problems=[f"{path} is too large, or not in the format of containers-storage"])
    told = all(isinstance(size, int) for size in sizes)
    return Contents(len(records), sum(sizes) if told else None, unneeded=[])


def _of_buildkit(place: Place, found: Found) -> Contents:
    limit = _DATABASE_OF_A_USER if place.owner else LIMIT
    records = read_records(read_database(place.fd, f"{found.below}/metadata.db", limit).root)
    return Contents(len(records), sum(record.size or 0 for record in records.values()), unneeded=[])


def _number(text: str) -> int:
    """Return a number. Before Python 3.11, the time to read one grows with the square of its length."""
    if len(text) > _DIGITS:
        raise ValueError("a number that is too long")
    return int(text)


def read_below(root: int, path: str, limit: int) -> bytes:
    """Return at most *limit* bytes of the file at *path* below *root*. Raises OSError."""
    fd = open_below(root, path)
    try:
        data = b""
        while len(data) < limit:
            more = os.read(fd, min(_READ, limit - len(data)))
            if not more:
                break
            data += more
        return data
    finally:
        os.close(fd)


def lost_with(root: int, found: Found) -> list[str]:
    """Return what goes with a whole store of docker, such as "3 containers", for a person."""
    images, containers = 0, 0
    with contextlib.suppress(OSError):
        images = len(names_below(root, f"image/{found.kind}/imagedb/content/sha256"))
    with contextlib.suppress(OSError):
        for name in names_below(root, "containers"):
            with contextlib.suppress(OSError, ValueError, RecursionError):
                config: t.Any = json.loads(
                    read_below(root, f"containers/{name}/config.v2.json", _READ), parse_int=_number
                )
                containers += isinstance(config, dict) and config.get("Driver") == found.kind
    counted = ((containers, "container"), (images, "image"))
    return [f"{count} {word}{'s' if count != 1 else ''}" for count, word in counted if count]
