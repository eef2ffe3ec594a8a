#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers exist, or don't."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_layer
short_description: Make, seal and remove layers of an overlay2 store
version_added: 0.1.0
description:
  - Sees to it that layers of a store, laid out as Docker's C(overlay2) driver does, are there or are not.
  - A list is checked and planned whole before anything changes, then made durable as one.
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.lock
  - strata.overlay2.overlay2.attributes
options:
  id:
    description:
      - The layer.
      - C([A-Za-z0-9][A-Za-z0-9_.-]{0,254}), but for C(l), C(backingFsBlockDev), and what begins like the directories
        that C(dockerd) makes while it starts, as C(metacopy-check).
      - Exactly one of O(id) and O(layers) is required.
    type: str
  layers:
    description: Many layers in one run, in this order; a parent may stand earlier in the list.
    type: list
    elements: dict
    suboptions:
      id:
        description: As O(id).
        type: str
        required: true
      parent:
        description: As O(parent).
        type: str
      read_write:
        description: As O(read_write).
        type: bool
      size:
        description: As O(size).
        type: str
      inodes:
        description: As O(inodes).
        type: int
  parent:
    description:
      - The layer right below. V("") means none, and is checked.
      - A layer that exists on another parent is C(parent_mismatch); it is never made anew.
      - Having a child seals the parent.
    type: str
  read_write:
    description:
      - Make a container's layer, which takes limits; false when not given. An existing layer stays what it is.
      - Like O(parent), O(size) and O(inodes), give it beside O(id), or inside each item of O(layers).
    type: bool
  size:
    description:
      - Limit of what a read-write layer holds, such as V(10G), V(1.5g) or V(64MiB); V(0) means none. Without it a new
        layer has the store's, see M(strata.overlay2.overlay2_init), and an existing one keeps its own.
      - The kernel keeps it, by project quota, rounded up to whole blocks of the filesystem. It can be changed and
        lifted at any time, in a mounted layer too; below what is in use it only forbids more.
      - A limit where project quota is off is C(quota_not_supported), and so is one of a layer that was made while it
        was off.
      - On ext4 processes with C(CAP_SYS_RESOURCE) are not limited, unless they write through the layer's mount.
    type: str
  inodes:
    description: Limit of files and directories of a read-write layer; V(0) means none.
    type: int
  state:
    description:
      - V(present) makes the layer if it is missing.
      - V(committed) sees to it that it is sealed, too.
      - V(absent) removes it; a layer that is mounted, held, busy or has children is C(layer_in_use).
      - A layer that a damaged one may be built on, since nothing tells any more what that is built on, is
        C(store_corrupt). Mend that one first; C(health) of M(strata.overlay2.overlay2_facts) tells how.
      - In the store of another engine any change is C(store_foreign), but for the removal of a layer that none of the
        engine's records knows, while the engine does not run.
    type: str
    choices: [present, committed, absent]
    default: present
  recursive:
    description: With O(state=absent), remove every layer built on it as well, children first.
    type: bool
    default: false
  force:
    description: With O(state=absent), detach mounts and drop holders first.
    type: bool
    default: false
seealso:
  - module: strata.overlay2.overlay2_init
  - module: strata.overlay2.overlay2_mount
  - module: strata.overlay2.overlay2_prune
"""

EXAMPLES = r"""
- name: A base layer, a sealed layer on it, and a job's layer on top
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

- name: Show what would go with the base layer
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
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: str
  sample: ["make layer tools on base"]
layers:
  description: The layers that are there, in the order asked; empty after O(state=absent).
  returned: success
  type: list
  elements: dict
  contains: &layer
    id:
      description: The layer.
      type: str
    parent:
      description: The layer right below; V("") if there is none.
      type: str
    depth:
      description: How many layers are below, 128 at most.
      type: int
    link:
      description: Its name in C(l/); V(none) in check mode for a layer that is only planned.
      type: str
    lower_dirs:
      description: The C(diff) directories of the layers below, nearest first.
      type: list
      elements: str
    upper_dir:
      description: Its own C(diff) directory.
      type: str
    work_dir:
      description: Where overlayfs works; not there on a layer without parent.
      type: str
    merged_dir:
      description: Where the layer is mounted, when it is.
      type: str
    committed:
      description: Whether it is sealed, by its mark or by having children.
      type: bool
    read_write:
      description: Whether it was made as a container's layer; V(none) where there is no record (dockerd's).
      type: bool
    mounted:
      description: Whether there is an overlay on C(merged_dir).
      type: bool
    holders:
      description: Who needs the mount.
      type: list
      elements: str
    size_limit:
      description: Limit in bytes, V(0) for none.
      type: int
    inodes_limit:
      description: Limit of files and directories, V(0) for none.
      type: int
    project_id:
      description: Project id of its quota; V(none) if it has none.
      type: int
    diff_id:
      description: Digest of the uncompressed tar last applied as its whole content; V(none) if it is not known.
      type: str
    digest:
      description: Digest of that tar's file as it was; V(none) if it is not known.
      type: str
    chain_id:
      description: Digest of the layer with all below it; V(none) if one of their diff ids is not known.
      type: str
layer:
  description: The layer, when O(id) was given; V(none) after O(state=absent).
  returned: when O(id) was given
  type: dict
  contains: *layer
error:
  description: Stable code of a failure, as in the collection's C(docs/errors.md).
  returned: failure
  type: str
  sample: layer_in_use
hint:
  description: What to do about a failure.
  returned: failure
  type: str
"""

import typing as t

from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.state import WantedLayer
from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import (
    home_argument,
    lock_argument,
    parse_count,
    parse_size,
)
from ansible_collections.strata.overlay2.plugins.module_utils._module.engine import run_module
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.layer import LayersTask

_LAYER = {
    "parent": {"type": "str"},
    "read_write": {"type": "bool"},  # without a default, so that it is known whether it was given beside layers
    "size": {"type": "str"},
    "inodes": {"type": "int"},
}


def task(params: dict[str, t.Any]) -> LayersTask:
    """Return what the parameters ask for. Raises InvalidInput."""
    items = [params] if params["id"] is not None else params["layers"]
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
