#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make, unmount or remove a store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_init
short_description: Make, unmount and remove an overlay2 store
version_added: 1.0.0
description:
  - Ensures that a store exists, laid out as Docker's C(overlay2) driver does, that none of its layers is mounted, or
    that the store is gone.
  - Trial mounts show first whether the filesystem and the kernel can do what layers need. If they cannot, the module
    makes no store.
  - The store keeps its default limits and id maps, so no other module has to repeat them.
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.lock
  - strata.overlay2.overlay2.attributes
options:
  state:
    description:
      - V(present) makes the store if it is missing, with the parent directories of O(home), and corrects modes that let
        other users into layers.
      - V(unmounted) unmounts every overlay on the C(merged) directory of a layer, and drops all holders. O(home) and
        other mounts stay. A busy mount is C(layer_in_use).
      - V(absent) removes C(l/) and the collection's own files, then O(home) if O(home) is empty and not a mount point.
        A store with layers is C(layer_in_use), unless O(force=true). A directory without C(l/) keeps its content.
      - The module makes no store where C(dockerd) would take the store for one of its graph driver; that is
        C(store_foreign). C(dockerd) 29 and newer keeps images in containerd's store, unless C(overlay2) in its data
        root has content.
    type: str
    choices: [present, unmounted, absent]
    default: present
  size:
    description:
      - Default limit of the content of a new read-write layer, such as V(10G), V(1.5g) or V(64MiB); V(0) means none.
      - A limit where project quota is off is C(quota_not_supported).
      - A changed default touches no existing layer.
    type: str
  inodes:
    description: Default limit of files and directories of a new read-write layer; V(0) means none.
    type: int
  storage_opts:
    description:
      - The storage options as in Docker's C(daemon.json), all of them.
      - V(overlay2.size=20G) sets O(size). Without V(overlay2.size) there is no default size.
      - V(overlay2.override_kernel_check=true) is checked, and has no effect.
    type: list
    elements: str
  uid_map:
    description:
      - User namespace remapping of user ids. V([]) means none.
      - The map must contain container id 0, and cannot change while layers exist.
      - All modules use the map, for the owners of layers and of the files in them.
    type: list
    elements: dict
    suboptions: &range
      container_id:
        description: First id in the container.
        type: int
        required: true
      host_id:
        description: First id on the host.
        type: int
        required: true
      size:
        description: Number of ids.
        type: int
        required: true
  gid_map:
    description: Like O(uid_map), for group ids.
    type: list
    elements: dict
    suboptions: *range
  userns_remap:
    description:
      - User namespace remapping as C(dockerd --userns-remap) takes it, by names or numbers. V(user) or V(user:group);
        V(default) for the user C(dockremap); V("") and V(root) for no remapping. The user must exist; the module makes
        no user.
      - C(/etc/subuid) and C(/etc/subgid) give the ids of the user. The module joins several ranges in their order.
    type: str
  force:
    description:
      - With O(state=unmounted), detach busy mounts.
      - With O(state=absent), detach mounts, drop holders, and remove all layers too, even if processes use them.
      - O(force) never changes the store of another engine.
    type: bool
    default: false
  adopt:
    description:
      - With O(state=present), take over a store that has layers and no C(.strata.json) of this collection. Without that
        file, somebody else made the store, such as C(dockerd), or the file was lost. Until O(adopt=true) the modules
        only read the store, and every change is C(store_foreign).
      - The module writes the file with the defaults and id maps of this task. It does not compare the maps with the
        existing layers.
      - Beside the records of an engine, O(adopt=true) is C(store_foreign) too. So it is in a data root of an engine
        that has lost its records of layers.
      - In a store of the collection O(adopt) changes nothing.
    type: bool
    default: false
seealso:
  - module: strata.overlay2.overlay2_facts
  - module: strata.overlay2.overlay2_layer
"""

EXAMPLES = r"""
- name: Make a store with the defaults
  strata.overlay2.overlay2_init:
    home: /var/lib/overlay2

- name: Make a store whose read-write layers hold at most 20 GiB, as in daemon.json
  strata.overlay2.overlay2_init:
    home: /srv/overlay2
    storage_opts:
      - overlay2.size=20G

- name: Make a store for remapped containers
  strata.overlay2.overlay2_init:
    home: /var/lib/overlay2-remapped
    userns_remap: default

- name: Take over the layers of a dockerd whose records are gone
  strata.overlay2.overlay2_init:
    home: /srv/old-layers
    adopt: true

- name: Unmount all layers before maintenance
  strata.overlay2.overlay2_init:
    home: /var/lib/overlay2
    state: unmounted

- name: Remove the store with all its layers
  strata.overlay2.overlay2_init:
    home: /var/lib/overlay2
    state: absent
    force: true
"""

RETURN = r"""
actions:
  description: What the run did, in order. In check mode, what the run would do.
  returned: always
  type: list
  elements: str
  sample: ["make the store"]
status:
  description: The rows and values that C(docker info) shows.
  returned: success
  type: dict
  sample:
    Backing Filesystem: extfs
    Supports d_type: "true"
    Using metacopy: "false"
    Native Overlay Diff: "true"
    userxattr: "false"
features:
  description: The facts that M(strata.overlay2.overlay2_facts) returns with V(status) alone.
  returned: success
  type: dict
  contains:
    home:
      description: Path of the store, without symlinks.
      type: str
      sample: /var/lib/overlay2
    exists:
      description: Whether the store exists; V(none) where only root can find out.
      type: bool
      sample: true
    managed_by:
      description:
        - V(docker) or V(containers-storage) if the records of that engine lie beside O(home), or beside
          another path that leads to the same directory, such as a bind mount. V(containerd) for the directory
          of containerd's snapshotter, which has another layout, so that the other modules find no store
          there. V(none) otherwise.
        - The modules only read the store of another engine. The one exception is the removal of layers that
          none of the engine's records knows.
      type: str
      sample: docker
    backing_fs:
      description: Type of the filesystem, as Docker names it.
      type: str
      sample: extfs
    supports_d_type:
      description: Whether the directories of the filesystem hold the types of their entries.
      type: bool
      sample: true
    native_overlay_diff:
      description: Whether a layer's C(diff) directory alone shows what the layer changed.
      type: bool
      sample: true
    using_metacopy:
      description: Whether overlayfs copies up no content when only a mode or an owner changes.
      type: bool
      sample: false
    userxattr:
      description: Whether overlayfs keeps its marks in user xattrs, as in user namespaces.
      type: bool
      sample: false
    index_off:
      description: Whether the kernel knows the mount option C(index=off).
      type: bool
      sample: true
    project_quota:
      description: Whether layers can have limits.
      type: bool
      sample: true
    kernel:
      description: Release of the kernel.
      type: str
      sample: 6.1.0-50-amd64
    max_depth:
      description: How many layers a layer can have below it.
      type: int
      sample: 128
    filesystem:
      description: The filesystem that the store lies on, or would lie on.
      type: dict
      contains:
        device:
          description: The mounted device, or another source.
          type: str
          sample: /dev/vdb
        mount_point:
          description: Where the filesystem is mounted.
          type: str
          sample: /var/lib/overlay2
        options:
          description: The mount options.
          type: str
          sample: rw,relatime,attr2,inode64,logbufs=8,logbsize=32k,prjquota
        size:
          description: Size in bytes.
          type: int
          sample: 270553174016
        free:
          description: Bytes that users other than root can use.
          type: int
          sample: 75440308224
        inodes:
          description: Number of inodes; V(0) if the filesystem does not count them.
          type: int
          sample: 16777216
        inodes_free:
          description: Inodes that users other than root can use.
          type: int
          sample: 16094058
    layer_count:
      description: Number of layers.
      type: int
      sample: 2
    mount_count:
      description: Number of overlays on the C(merged) directories of layers.
      type: int
      sample: 1
    supported:
      description: Whether layers can be made here.
      type: bool
      sample: true
    problems:
      description:
        - What prevents or restricts the use of the store, the worst first.
        - A fact that could not be found out is V(none), and a problem says why.
      type: list
      elements: dict
      contains:
        code:
          description:
            - Stable name of the problem.
            - V(damaged_store) says that every module refuses to change the store. The store's own file
              cannot be read or has a newer format, or C(l/) is damaged.
            - V(unclaimed_store) says that somebody else made the store.
            - V(other_layout) says that an engine keeps layers of another layout in O(home).
          type: str
          sample: no_project_quota
        message:
          description: What is wrong.
          type: str
          sample: "layers on / cannot have limits: ext4 is mounted without prjquota"
        hint:
          description: What to do about it.
          type: str
          sample: "on the unmounted filesystem: tune2fs -O project,quota -Q prjquota; then mount it with prjquota"
    status:
      description: The rows and values that C(docker info) shows.
      type: dict
      sample:
        Backing Filesystem: extfs
        Supports d_type: "true"
        Using metacopy: "false"
        Native Overlay Diff: "true"
        userxattr: "false"
error:
  description: Stable code of the failure. C(docs/errors.md) of the collection lists the codes.
  returned: failure
  type: str
  sample: invalid_input
hint:
  description: What to do about the failure.
  returned: failure
  type: str
  sample: unmount the layer for job-1 first
"""

import typing as t

from ansible_collections.strata.overlay2.plugins.module_utils._driver.stores.state import WantedStore
from ansible_collections.strata.overlay2.plugins.module_utils._driver.stores.subids import (
    ID_RANGE_FIELDS,
    id_map,
    remapped,
)
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput, printable
from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import home_argument, lock_argument
from ansible_collections.strata.overlay2.plugins.module_utils._module.engine import run_module
from ansible_collections.strata.overlay2.plugins.module_utils._module.sizes import parse_count, parse_size
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.init import InitTask

_RANGES = {
    "type": "list",
    "elements": "dict",
    "options": {name: {"type": "int", "required": True} for name in ID_RANGE_FIELDS},
}
_GO_BOOLS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")


def task(params: dict[str, t.Any]) -> InitTask:
    """Return the task that the parameters describe. Raises InvalidInput."""
    size = params["size"]
    if params["storage_opts"] is not None:
        size = size_of(params["storage_opts"])
    wanted = WantedStore(
        parse_size(size, "size"),
        parse_count(params["inodes"], "inodes"),
        id_map(params["uid_map"], "uid_map"),
        id_map(params["gid_map"], "gid_map"),
        params["adopt"],
    )
    if params["userns_remap"] is not None:
        uid_map, gid_map = remapped(params["userns_remap"])
        wanted = wanted._replace(uid_map=uid_map, gid_map=gid_map)
    return InitTask(params["home"], wanted, params["state"], force=params["force"])


def size_of(storage_opts: t.Sequence[str]) -> str:
    """Return the default size that storage options of daemon.json give; "" for none. Raises InvalidInput.

    source: moby's overlay2 parseOptions.
    """
    size = ""
    for option in storage_opts:
        key, equals, value = (part.strip() for part in option.partition("="))
        known = key.lower()
        if known == "overlay2.size":
            size = value
        elif known != "overlay2.override_kernel_check" or value not in _GO_BOOLS:
            what = "invalid value in" if known == "overlay2.override_kernel_check" else "unknown"
            raise InvalidInput(
                f"{what} storage option '{printable(option)}'",
                hint="use overlay2.size=20G or overlay2.override_kernel_check=true",
                option=printable(key),
            )
        if not equals:
            raise InvalidInput(
                f"storage option '{printable(option)}' has no value", hint="write it as overlay2.size=20G"
            )
    return size


def main() -> None:
    """Run the module."""
    run_module(
        task,
        argument_spec={
            **home_argument(),
            **lock_argument(),
            "state": {"type": "str", "choices": ["present", "unmounted", "absent"], "default": "present"},
            "size": {"type": "str"},
            "inodes": {"type": "int"},
            "storage_opts": {"type": "list", "elements": "str"},
            "uid_map": _RANGES,
            "gid_map": _RANGES,
            "userns_remap": {"type": "str"},
            "force": {"type": "bool", "default": False},
            "adopt": {"type": "bool", "default": False},
        },
        mutually_exclusive=[["size", "storage_opts"], ["userns_remap", "uid_map"], ["userns_remap", "gid_map"]],
    )


if __name__ == "__main__":
    main()
