# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data roots of engines: whose records are lost there, and which store would mislead dockerd.

PRIVATE to the collection.
"""

from __future__ import annotations

import os

from .._linux.mountinfo import Snapshot
from .engine import CONTAINERS_STORAGE, DOCKER, RECORDS, paths_to_store

# What else lies in a data root: there, a store whose engine's records of layers are lost is not anybody's.
_TRACES = {
    DOCKER: ("image/overlay2", "engine-id", "containers/*/config.v2.json"),
    CONTAINERS_STORAGE: ("overlay-images/images.json", "overlay-containers/containers.json"),
}


# moby's graph drivers: dockerd 29 uses a driver whose directory is not empty.
_GRAPH_DRIVERS = ("overlay2", "fuse-overlayfs", "btrfs", "zfs")


_STATE_OF_ALL = "/var/lib"  # not a data root: containerd and buildkitd have their own directories there


def trace_of_engine(home: str, known: Snapshot | None = None) -> tuple[str, str] | None:
    """Return an engine whose records of layers are lost, and a path in its data root, which *home* lies in; or None.

    known: as for find_engine.
    """
    import glob  # only a store of somebody else needs it

    for path in paths_to_store(home, known):
        root = glob.escape(os.path.dirname(path))
        for engine, traces in _TRACES.items():
            found = next((one for trace in traces for one in glob.iglob(f"{root}/{trace}")), None)
            if found:
                return engine, found
    return None


def graph_driver_directory(home: str, known: Snapshot | None = None) -> str | None:
    """Return the directory that dockerd would take for a graph driver's store after a store is made at *home*, or None.

    The directory is *home*, another path to it, or a directory above, in a data root whose images are in containerd's
    store. dockerd 29 changes back to a graph driver if the driver's directory has content. known: as for find_engine.
    source: moby daemon/daemon.go, daemon/graphdriver/driver.go.
    """
    there, missing = home, ""
    while not os.path.isdir(there):
        there, name = os.path.split(there)
        missing = f"/{name}{missing}"
    for path in paths_to_store(there, known):
        place = path + missing
        while place != os.path.dirname(place):
            above, name = os.path.split(place)
            if name in _GRAPH_DRIVERS and _is_containerd_root(above):
                return place
            place = above
    return None


def _is_containerd_root(root: str) -> bool:
    """Tell whether *root* is a data root of dockerd without records of a graph driver.

    The directory of a containerd or a buildkitd that runs without dockerd does not count.
    """
    if os.path.isdir(os.path.join(root, RECORDS[DOCKER])):
        return False
    if os.path.lexists(os.path.join(root, "engine-id")):
        return True
    import glob  # most hosts have no directory that gets here

    containerd, buildkit = os.path.join(root, "containerd"), os.path.join(root, "buildkit")
    others = glob.glob(f"{glob.escape(containerd)}/io.containerd.*") or os.path.lexists(f"{buildkit}/buildkitd.lock")
    return not others and root != _STATE_OF_ALL and (os.path.isdir(containerd) or os.path.isdir(buildkit))
