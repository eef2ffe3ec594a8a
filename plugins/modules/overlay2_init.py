#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A usable store exists, is unmounted, or is gone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_init
short_description: Make, unmount and remove an overlay2 store
version_added: 0.1.0
description:
  - Sees to it that there is a store laid out as Docker's C(overlay2) driver does, that none of its layers is mounted,
    or that it is gone.
  - A new store is made only where trial mounts show that its filesystem and the kernel can do what layers need.
  - Default limits and id maps are kept in the store, so that no other module has to repeat them.
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.lock
  - strata.overlay2.overlay2.attributes
options:
  state:
    description:
      - V(present) makes the store if it is missing, parents of O(home) too, and corrects modes through which others
        could get into layers.
      - V(unmounted) unmounts every overlay on a layer's C(merged) and drops all holders. Other mounts stay, and O(home)
        does too. A busy mount is C(layer_in_use).
      - V(absent) removes C(l/) and the collection's own files, and O(home) if it is empty then and no mount point.
        While there are layers it is C(layer_in_use), unless O(force=true). A directory without C(l/) keeps its content.
      - No store is made where C(dockerd) would take it for one of its graph driver; that is C(store_foreign). From
        version 29 on it keeps images in containerd's store, until it finds something in C(overlay2) in its data root.
    type: str
    choices: [present, unmounted, absent]
    default: present
  size:
    description:
      - Default limit of what a new read-write layer holds, such as V(10G), V(1.5g) or V(64MiB); V(0) means none.
      - A limit where project quota is off is C(quota_not_supported).
      - A changed default touches no existing layer.
    type: str
  inodes:
    description: Default limit of files and directories of a new read-write layer; V(0) means none.
    type: int
  storage_opts:
    description:
      - The storage options as they stand in Docker's C(daemon.json), all of them.
      - V(overlay2.size=20G) is O(size); without it there is no default size.
      - V(overlay2.override_kernel_check=true) is checked and means nothing.
    type: list
    elements: str
  uid_map:
    description:
      - User namespace remapping of user ids. V([]) means none.
      - It must know container id 0, and cannot change while there are layers.
      - All modules go by it, for the owners of layers and of what is in them.
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
        description: How many ids.
        type: int
        required: true
  gid_map:
    description: As O(uid_map), of group ids.
    type: list
    elements: dict
    suboptions: *range
  userns_remap:
    description:
      - As C(dockerd --userns-remap) takes it, V(default) for the user C(dockremap), V(user) or V(user:group), names or
        numbers; V("") means no remapping, and so does V(root). The user must exist; none is made.
      - The ids are those that C(/etc/subuid) and C(/etc/subgid) give the user; several ranges are joined in order.
    type: str
  force:
    description:
      - With O(state=unmounted), detach mounts that are busy.
      - With O(state=absent), remove all layers as well, after detaching mounts and dropping holders.
      - It never changes the store of another engine.
    type: bool
    default: false
  adopt:
    description:
      - With O(state=present), take over a store that has layers and no C(.strata.json) of this collection. Without that
        file somebody else made the store, as C(dockerd), or the file was lost; then every module reads the store, and
        every change of it is C(store_foreign).
      - It writes the file, with the defaults and id maps of this task. They are not checked against the layers that
        are there.
      - In the store of an engine whose records are found it is C(store_foreign), too.
      - In a store of the collection it changes nothing.
    type: bool
    default: false
seealso:
  - module: strata.overlay2.overlay2_facts
  - module: strata.overlay2.overlay2_layer
"""

EXAMPLES = r"""
- name: A store with the defaults
  strata.overlay2.overlay2_init:
    home: /var/lib/overlay2

- name: A store whose containers' layers hold 20 GiB at most, as in daemon.json
  strata.overlay2.overlay2_init:
    home: /srv/overlay2
    storage_opts:
      - overlay2.size=20G

- name: A store for remapped containers
  strata.overlay2.overlay2_init:
    home: /var/lib/overlay2-remapped
    userns_remap: default

- name: Take over the layers of a dockerd that is gone, without its records
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
  description: What was done, or in check mode would be, in order.
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
  description: What M(strata.overlay2.overlay2_facts) tells with V(status) alone.
  returned: success
  type: dict
  contains:
    home:
      description: The store, without symlinks.
      type: str
    exists:
      description: Whether there is a store; V(none) where only root may know.
      type: bool
    managed_by:
      description:
        - V(docker) or V(containers-storage) when the records of that engine lie beside O(home), by whatever path it is
          reached; V(containerd) for the directory of its snapshotter; else V(none).
        - Another engine's store is only read, but for the removal of layers that it has no record of.
      type: str
    backing_fs:
      description: The filesystem, as Docker calls it.
      type: str
      sample: extfs
    supports_d_type:
      description: Whether directories hold the types of their entries.
      type: bool
    native_overlay_diff:
      description: Whether a layer's C(diff) directory alone tells what it changed.
      type: bool
    using_metacopy:
      description: Whether a change of mode or owner copies no content up.
      type: bool
    userxattr:
      description: Whether overlays keep their marks in user xattrs, as in user namespaces.
      type: bool
    index_off:
      description: Whether the kernel knows the mount option C(index=off).
      type: bool
    project_quota:
      description: Whether layers can have limits.
      type: bool
    kernel:
      description: Release of the kernel.
      type: str
    max_depth:
      description: How many layers can be below one.
      type: int
      sample: 128
    filesystem:
      description: Where the store lies, or would lie.
      type: dict
      contains:
        device:
          description: What is mounted.
          type: str
        mount_point:
          description: Where it is mounted.
          type: str
        options:
          description: With which options.
          type: str
        size:
          description: Bytes.
          type: int
        free:
          description: Bytes that others than root can use.
          type: int
        inodes:
          description: Inodes; V(0) where they are not counted.
          type: int
        inodes_free:
          description: Inodes that others than root can use.
          type: int
    layer_count:
      description: How many layers there are.
      type: int
    mount_count:
      description: How many overlays are on layers' C(merged).
      type: int
    supported:
      description: Whether layers can be made here.
      type: bool
    problems:
      description: What stands in the way, the worst first; what could not be found out is V(none), and told here.
      type: list
      elements: dict
      contains:
        code:
          description: Stable name of the problem, as M(strata.overlay2.overlay2_facts) has them.
          type: str
          sample: no_project_quota
        message:
          description: What it is.
          type: str
        hint:
          description: What to do about it.
          type: str
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
  description: Stable code of a failure, as in the collection's C(docs/errors.md).
  returned: failure
  type: str
  sample: invalid_input
hint:
  description: What to do about a failure.
  returned: failure
  type: str
"""

import typing as t

from ansible_collections.strata.overlay2.plugins.module_utils._driver.stores.state import WantedStore
from ansible_collections.strata.overlay2.plugins.module_utils._driver.stores.subids import (
    ID_RANGE_FIELDS,
    id_map,
    remapped,
)
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput, printable
from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import (
    home_argument,
    lock_argument,
    parse_count,
    parse_size,
)
from ansible_collections.strata.overlay2.plugins.module_utils._module.engine import run_module
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.init import InitTask

_RANGES = {
    "type": "list",
    "elements": "dict",
    "options": {name: {"type": "int", "required": True} for name in ID_RANGE_FIELDS},
}
_GO_BOOLS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")


def task(params: dict[str, t.Any]) -> InitTask:
    """Return what the parameters ask for. Raises InvalidInput."""
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
    """Return the default size that options in daemon.json's words give, "" for none. Raises InvalidInput.

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
