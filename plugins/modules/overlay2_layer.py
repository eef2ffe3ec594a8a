#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make, seal or remove layers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_layer
short_description: Make, seal and remove layers of an overlay2 store
version_added: 1.0.0
description:
  - Ensures that layers of a store, laid out as Docker's C(overlay2) driver does, exist, are sealed, or are gone.
  - The module checks and plans a list as a whole before the first change, and syncs all its layers together.
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.lock
  - strata.overlay2.overlay2.attributes
options:
  id:
    description:
      - The layer's id.
      - C([A-Za-z0-9][A-Za-z0-9_.-]{0,254}), except C(l), C(backingFsBlockDev), and names that begin like a directory
        that C(dockerd) makes at its start, such as C(metacopy-check).
      - Exactly one of O(id) and O(layers) is required.
    type: str
  layers:
    description: Many layers in one run, in this order. A parent can be an earlier layer of the list.
    type: list
    elements: dict
    suboptions:
      id:
        description: Like O(id).
        type: str
        required: true
      parent:
        description: Like O(parent).
        type: str
      read_write:
        description: Like O(read_write).
        type: bool
      size:
        description: Like O(size).
        type: str
      inodes:
        description: Like O(inodes).
        type: int
  parent:
    description:
      - Id of the layer right below. V("") means none, and is checked.
      - A layer that exists on another parent is C(parent_mismatch). The module never makes such a layer anew.
      - A child seals its parent.
    type: str
  read_write:
    description:
      - Make a container's layer, which takes limits. Omitted, a new layer is not one. An existing layer stays as it is.
      - Like O(parent), O(size) and O(inodes), give it beside O(id), or inside each item of O(layers).
    type: bool
  size:
    description:
      - Limit of the content of a read-write layer, such as V(10G), V(1.5g) or V(64MiB); V(0) means none. Omitted, a new
        layer gets the store's default, see M(strata.overlay2.overlay2_init), and an existing layer keeps its limit.
      - The kernel enforces the limit by project quota, rounded up to whole blocks of the filesystem. The limit can be
        changed and lifted at any time, also on a mounted layer. A limit below the current use only forbids more use.
      - A limit where project quota is off is C(quota_not_supported). So is a limit of a layer that was made while
        project quota was off.
      - On ext4 the limit does not hold for processes with C(CAP_SYS_RESOURCE), unless they write through the layer's
        mount.
    type: str
  inodes:
    description: Limit of files and directories of a read-write layer; V(0) means none.
    type: int
  state:
    description:
      - V(present) makes the layer if it is missing.
      - V(committed) makes the layer if it is missing, and seals it.
      - V(absent) removes the layer. A layer that is mounted, held or busy, or has children, is C(layer_in_use).
      - V(absent) is C(store_corrupt) if a damaged layer may be built on the layer, because no file tells any more what
        the damaged layer is built on. Repair the damaged layer first, as C(health) of M(strata.overlay2.overlay2_facts)
        says, or set O(force=true).
      - In the store of another engine every change is C(store_foreign), except the removal of a layer that none of the
        engine's records knows, while the engine is stopped.
    type: str
    choices: [present, committed, absent]
    default: present
  recursive:
    description: With O(state=absent), also remove every layer built on the layer, children first.
    type: bool
    default: false
  force:
    description:
      - With O(state=absent), detach mounts, drop holders, and remove the layer even if processes use it.
      - It also removes a layer that a damaged layer may be built on.
    type: bool
    default: false
seealso:
  - module: strata.overlay2.overlay2_init
  - module: strata.overlay2.overlay2_mount
  - module: strata.overlay2.overlay2_prune
"""

EXAMPLES = r"""
- name: Make a base layer, a layer on it, and a job's layer on top
  strata.overlay2.overlay2_layer:
    home: /var/lib/overlay2
    layers:
      - id: base
        parent: ""
      - id: tools
        parent: base
      - id: job-1
        parent: tools
        read_write: true

- name: Seal a job's layer
  strata.overlay2.overlay2_layer:
    home: /var/lib/overlay2
    id: job-1
    state: committed

- name: Show what would be removed with the base layer
  strata.overlay2.overlay2_layer:
    home: /var/lib/overlay2
    id: base
    state: absent
    recursive: true
  check_mode: true
  register: plan

- name: Remove a layer
  strata.overlay2.overlay2_layer:
    home: /var/lib/overlay2
    id: job-1
    state: absent
"""

RETURN = r"""
actions:
  description: What the run did, in order. In check mode, what the run would do.
  returned: always
  type: list
  elements: str
  sample: ["make layer tools on base"]
layers:
  description: The layers that exist after the run, in the order asked; empty after O(state=absent).
  returned: success
  type: list
  elements: dict
  contains: &layer
    id:
      description: The layer's id.
      type: str
      sample: job-1
    parent:
      description: Id of the layer right below; V("") if there is none.
      type: str
      sample: base-1
    depth:
      description: Number of layers below, 128 at most.
      type: int
      sample: 1
    link:
      description: The layer's name in C(l/); V(none) in check mode for a layer that is only planned.
      type: str
      sample: 6SH35FALY44LM4OBYJFTW3TYOV
    lower_dirs:
      description: The C(diff) directories of the layers below, nearest first.
      type: list
      elements: str
      sample: [/var/lib/overlay2/base-1/diff]
    upper_dir:
      description: The layer's own C(diff) directory.
      type: str
      sample: /var/lib/overlay2/job-1/diff
    work_dir:
      description: The work directory of overlayfs. A layer without parent has no such directory.
      type: str
      sample: /var/lib/overlay2/job-1/work
    merged_dir:
      description: The directory that the layer's overlay is mounted on.
      type: str
      sample: /var/lib/overlay2/job-1/merged
    committed:
      description: Whether the layer is sealed. The file C(committed), or a child, seals a layer.
      type: bool
      sample: false
    read_write:
      description: Whether the layer was made as a container's layer; V(none) without a record (dockerd's layers).
      type: bool
      sample: true
    mounted:
      description: Whether an overlay is mounted on C(merged_dir).
      type: bool
      sample: false
    holders:
      description: Who needs the mount.
      type: list
      elements: str
      sample: [job-1]
    size_limit:
      description: Limit in bytes; V(0) means none.
      type: int
      sample: 10737418240
    inodes_limit:
      description: Limit of files and directories; V(0) means none.
      type: int
      sample: 0
    project_id:
      description: Project id of the layer's quota; V(none) if the layer has no quota.
      type: int
      sample: 1048577
    diff_id:
      description: Digest of the uncompressed tar last applied as the layer's whole content; V(none) if unknown.
      type: str
      sample: "sha256:9f2c1b7d4e5a60718293a4b5c6d7e8f90123456789abcdef0123456789abcdef"
    digest:
      description: Digest of the file that held this tar, as the file was; V(none) if unknown.
      type: str
      sample: "sha256:1d4f6a8b0c2e3f5a7b9c1d3e5f60718293a4b5c6d7e8f9012345678abcdef012"
    chain_id:
      description: Digest of the layer with all layers below; V(none) if one of their diff ids is unknown.
      type: str
      sample: "sha256:c3a5e7092b4d6f80a1b3c5d7e9f0011223344556677889900aabbccddeeff001"
layer:
  description: The layer; V(none) after O(state=absent).
  returned: when O(id) was given
  type: dict
  contains: *layer
error:
  description: Stable code of the failure. C(docs/errors.md) of the collection lists the codes.
  returned: failure
  type: str
  sample: layer_in_use
hint:
  description: What to do about the failure.
  returned: failure
  type: str
  sample: unmount the layer for job-1 first
"""

import typing as t

from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.state import WantedLayer
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput
from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import home_argument, lock_argument
from ansible_collections.strata.overlay2.plugins.module_utils._module.engine import run_module
from ansible_collections.strata.overlay2.plugins.module_utils._module.sizes import parse_count, parse_size
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.layer import LayersTask

_LAYER = {
    "parent": {"type": "str"},
    "read_write": {"type": "bool"},  # no default, so that mutually_exclusive sees whether read_write was given
    "size": {"type": "str"},
    "inodes": {"type": "int"},
}


def task(params: dict[str, t.Any]) -> LayersTask:
    """Return the task that the parameters describe. Raises InvalidInput."""
    items = [params] if params["id"] is not None else params["layers"]
    if items is None:  # Ansible takes a null for a value
        raise InvalidInput("id and layers are empty: no layer is named", hint="give one of id and layers")
    wanted = [
        WantedLayer(
            item["id"],
            item["parent"],
            bool(item["read_write"]),
            parse_size(item["size"], "size"),
            parse_count(item["inodes"], "inodes"),
        )
        for item in items
    ]
    return LayersTask(
        params["home"],
        wanted,
        params["state"],
        recursive=params["recursive"],
        force=params["force"],
        single=params["id"] is not None,
    )


def main() -> None:
    """Run the module."""
    run_module(
        task,
        argument_spec={
            **home_argument(),
            **lock_argument(),
            **_LAYER,
            "id": {"type": "str"},
            "layers": {
                "type": "list",
                "elements": "dict",
                "options": {"id": {"type": "str", "required": True}, **_LAYER},
            },
            "state": {"type": "str", "choices": ["present", "committed", "absent"], "default": "present"},
            "recursive": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
        },
        required_one_of=[["id", "layers"]],
        mutually_exclusive=[["layers", option] for option in ("id", *_LAYER)],
    )


if __name__ == "__main__":
    main()
