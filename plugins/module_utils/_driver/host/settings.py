# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the configuration files of the engines put their data. PRIVATE to the collection.

Only the few keys that name a directory are read, of files that only root can change. What cannot be read says nothing.
Source: containerd cmd/containerd/server/config/config.go (imports); containerd-config.toml(5).
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import re
import typing as t

from .places import Untouched, is_usable, open_place, read_of_root
from .toml import NotToml, Toml, parse_toml

_LIMIT = 1 << 20  # bytes of a file
_IMPORTS = 100  # files that one configuration imports
_NAMES = 4096  # in a directory of imported files
_YAML = re.compile(r"""["']?data-dir["']?\s*:\s*(?:"([^"]+)"|'([^']+)'|([^"'#\s][^#]*?))\s*(?:#.*)?""")
_CANNOT = (OSError, Untouched, NotToml, RecursionError)


class DockerSettings(t.NamedTuple):
    """What dockerd's configuration says. readable: the file is there, or is not there, without doubt."""

    root: str  # "" for the default
    containerd: bool | None  # the feature containerd-snapshotter, None if it is not set
    driver: str
    readable: bool


def docker_settings(path: str, slow: t.Container[str] = ()) -> DockerSettings:
    """Return the settings in a daemon.json. slow: here and below, as for open_place."""
    try:
        found = json.loads(read_of_root(path, slow, _LIMIT))
    except FileNotFoundError:
        return DockerSettings("", None, "", True)
    except (OSError, Untouched, ValueError, RecursionError):
        return DockerSettings("", None, "", False)
    if not isinstance(found, dict):
        return DockerSettings("", None, "", False)
    features = found.get("features")
    feature = features.get("containerd-snapshotter") if isinstance(features, dict) else None
    root, driver = found.get("data-root", found.get("graph")), found.get("storage-driver")
    return DockerSettings(
        root if isinstance(root, str) and is_usable(root) else "",
        feature if isinstance(feature, bool) else None,
        driver if isinstance(driver, str) else "",
        True,
    )


def containerd_roots(path: str, slow: t.Container[str] = ()) -> list[str]:
    """Return the data roots, and the directories of snapshotters elsewhere, that a config.toml and its imports name."""
    found: list[str] = []
    waiting, seen = [path], {path}
    while waiting:
        here = waiting.pop()
        content = read_toml(here, slow)
        found += content.get(("root",), [])
        found += [value for key, values in content.items() if _is_moved_snapshotter(key) for value in values]
        for pattern in content.get(("imports",), []):
            for one in _matching(os.path.join(os.path.dirname(here), pattern), slow):
                if one not in seen and len(seen) < _IMPORTS:
                    seen.add(one)
                    waiting.append(one)
    return found


def _is_moved_snapshotter(key: tuple[str, ...]) -> bool:
    """Tell whether a key names a snapshotter's directory. The first version of the file has plugins by short names."""
    plugin = key[1] if len(key) == 3 and key[0] == "plugins" and key[2] == "root_path" else ""
    return ".snapshotter." in plugin or (bool(plugin) and "." not in plugin)


def _matching(pattern: str, slow: t.Container[str]) -> list[str]:
    """Return the paths that a pattern means. Only its last part may have signs of a pattern."""
    directory, name = os.path.split(os.path.normpath(pattern))
    if not any(sign in name for sign in "*?["):
        return [os.path.join(directory, name)]
    found: list[str] = []
    with contextlib.suppress(OSError, Untouched):
        place = open_place(directory, slow)
        try:
            with os.scandir(place.fd) as entries:
                names = [entry.name for _number, entry in zip(range(_NAMES), entries)]
            found = [os.path.join(directory, one) for one in sorted(names) if fnmatch.fnmatchcase(one, name)]
        finally:
            os.close(place.fd)
    return found


def storage_roots(path: str, slow: t.Container[str] = ()) -> list[str]:
    """Return the stores that a storage.conf of containers-storage, or a crio.conf, names."""
    found = read_toml(path, slow)
    storage = (("storage", "graphroot"), ("storage", "imagestore"), ("storage", "options", "additionalimagestores"))
    keys = (*storage, ("crio", "root"), ("crio", "imagestore"))
    return [value for key in keys for value in found.get(key, []) if value.startswith("/")]


def graph_root(paths: t.Iterable[str]) -> str:
    """Return the data root that the first storage.conf of *paths* names that exists; "" if it names none.

    containers-storage reads no other file then.
    """
    for path in paths:
        if os.path.lexists(path):
            return "".join(read_toml(path).get(("storage", "graphroot"), [])[:1])
    return ""


def containerd_place(path: str) -> tuple[str, str]:
    """Return the data root and the socket that a config.toml names; "" for those that it does not name."""
    found = read_toml(path)
    root, address = (found.get(key, [])[:1] for key in (("root",), ("grpc", "address")))
    return "".join(root), "".join(address)


def rootless_storage_path(path: str, slow: t.Container[str] = ()) -> str:
    """Return the store of each user that a storage.conf names, with its variables; "" for none."""
    return "".join(read_toml(path, slow).get(("storage", "rootless_storage_path"), [])[:1])


def data_dirs(path: str, slow: t.Container[str] = ()) -> list[str]:
    """Return the directory that a config.yaml of k3s or rke2 names."""
    with contextlib.suppress(OSError, Untouched):
        lines = os.fsdecode(read_of_root(path, slow, _LIMIT)).splitlines()
        matches = (_YAML.fullmatch(line.rstrip()) for line in lines)
        return list(filter(is_usable, (match[1] or match[2] or match[3] for match in matches if match)))
    return []


def read_toml(path: str, slow: t.Container[str] = ()) -> Toml:
    """Return the texts, and the lists of texts, in a file; nothing of a file that cannot be read."""
    with contextlib.suppress(*_CANNOT):
        found = parse_toml(os.fsdecode(read_of_root(path, slow, _LIMIT)))
        return {key: list(filter(is_usable, texts)) for key, texts in found.items()}
    return {}
