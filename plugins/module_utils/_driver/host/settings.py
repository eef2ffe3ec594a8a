# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the configuration files of the engines put their data. PRIVATE to the collection.

Only the few keys that name a directory are read, and only in the plainest form: a file in another form tells less.
Python has no parser for TOML before 3.11.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import typing as t

from ..._linux.noatime import read_quietly

_LIMIT = 1 << 20  # bytes of a file
_TABLE = re.compile(r"\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?")
_KEY = re.compile(r"""([A-Za-z0-9_-]+|"[^"]*")\s*=\s*(.*)""")
_TEXT = re.compile(r"""\s*(?:"((?:[^"\\])*)"|'([^']*)')""")
_YAML = re.compile(r"""data-dir\s*:\s*["']?([^"'#\s]+)["']?\s*(?:#.*)?""")

Toml = dict[tuple[str, str], list[str]]  # by table and key, the texts of the value


class DockerSettings(t.NamedTuple):
    """What dockerd's configuration says. readable: the file is there, or is not there, without doubt."""

    root: str  # "" for the default
    containerd: bool | None  # the feature containerd-snapshotter, None if it is not set
    driver: str
    readable: bool


def docker_settings(path: str) -> DockerSettings:
    """Return the settings in a daemon.json."""
    try:
        found = json.loads(read_quietly(path, _LIMIT))
    except FileNotFoundError:
        return DockerSettings("", None, "", True)
    except (OSError, ValueError, RecursionError):
        return DockerSettings("", None, "", False)
    if not isinstance(found, dict):
        return DockerSettings("", None, "", False)
    features = found.get("features")
    feature = features.get("containerd-snapshotter") if isinstance(features, dict) else None
    root, driver = found.get("data-root", found.get("graph")), found.get("storage-driver")
    return DockerSettings(
        root if isinstance(root, str) else "",
        feature if isinstance(feature, bool) else None,
        driver if isinstance(driver, str) else "",
        True,
    )


def containerd_roots(path: str) -> list[str]:
    """Return the data root, and the directories of snapshotters elsewhere, that a config.toml names."""
    found = read_toml(path)
    moved = [values for (table, key), values in found.items() if key == "root_path" and "snapshotter" in table]
    return [value for values in (found.get(("", "root"), []), *moved) for value in values]


def storage_roots(path: str) -> list[str]:
    """Return the stores that a storage.conf of containers-storage names."""
    found = read_toml(path)
    keys = (("storage", "graphroot"), ("storage", "imagestore"), ("storage.options", "additionalimagestores"))
    return [value for key in keys for value in found.get(key, []) if value.startswith("/")]


def graph_roots(path: str) -> list[str]:
    """Return the data root of root's Podman that a storage.conf names."""
    return read_toml(path).get(("storage", "graphroot"), [])


def rootless_storage_path(path: str) -> str:
    """Return the store of each user that a storage.conf names, with its variables; "" for none."""
    return "".join(read_toml(path).get(("storage", "rootless_storage_path"), [])[:1])


def data_dirs(path: str) -> list[str]:
    """Return the directory that a config.yaml of k3s or rke2 names."""
    with contextlib.suppress(OSError):
        lines = os.fsdecode(read_quietly(path, _LIMIT)).splitlines()
        return [match[1] for line in lines if (match := _YAML.fullmatch(line.rstrip()))]
    return []


def read_toml(path: str) -> Toml:
    """Return the texts, and the lists of texts, in a file; nothing of a file that cannot be read."""
    try:
        lines = os.fsdecode(read_quietly(path, _LIMIT)).splitlines()
    except OSError:
        return {}
    found: Toml = {}
    table = ""
    rest = iter(lines)
    for line in rest:
        line = line.strip()
        heading, key = _TABLE.fullmatch(line), _KEY.fullmatch(line)
        if heading:
            table = heading[1]
        elif key:
            value = key[2]
            while value.startswith("[") and "]" not in value:
                more = next(rest, None)
                value = f"{value} {more}" if more is not None else "]"
            found[table, key[1].strip('"')] = _texts(value)
    return found


def _texts(value: str) -> list[str]:
    if value.startswith("["):
        return [match[1] or match[2] or "" for match in _TEXT.finditer(value.partition("]")[0])]
    match = _TEXT.match(value)
    return [match[1] or match[2] or ""] if match else []
