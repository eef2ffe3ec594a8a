#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove the layers that the options select, and litter."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_prune
short_description: Remove the layers of an overlay2 store that nobody needs, by a plan that can be read first
version_added: 1.0.0
description:
  - Removes layers by what is known of them, such as their last use, and sweeps litter.
  - Check mode returns the plan, and the real run does the same. With O(until_free) the real run may remove more, if the
    removals free less than the plan estimates.
  - A layer goes only if every given option lets it go. Without any of O(keep_last), O(match), O(unused_for),
    O(older_than), O(until_free), O(until_used) and O(orphans_only) no layer goes.
  - Mounted, held and busy layers always stay, and so do damaged layers that are not orphans. Every layer below a layer
    that stays, stays too.
  - A layer that a damaged layer may be built on stays. If no file tells what a damaged layer is built on, all layers
    stay, except those built on the damaged one.
  - A layer that cannot be read stays and has no size, such as a layer with a file that the filesystem lost in a power
    cut. A warning names the file. Apart from the layers below it, such a layer keeps no other layer.
  - The run always sweeps litter, that is, leftovers of killed runs, names in C(l/) that lead nowhere, holders of
    another boot, and limits of layers that are gone. If nothing of a leftover can be deleted, because a file in it is
    immutable, swapped to, mounted on or unreadable, the leftover stays, and the run reports no change. A warning names
    the file and the cause.
  - A name that leads nowhere stays if a layer needs the name, because that is damage.
  - Making, filling, mounting, holding or letting go of a layer is a use, and so is making, mounting or unmounting a
    layer built on it. The time of the layer's C(.strata.json) is its last use. A layer without this file, such as one
    that dockerd made, was last used when its C(link), C(committed) or C(work) changed, and was made when its C(link)
    was written.
  - A layer that was held when the host went down counts as used until the host came up again.
  - A time before 2015, or in the future, comes from a wrong clock. O(unused_for) and O(older_than) select no layer with
    such a time, and with O(until_free) and O(until_used) such a layer goes last.
  - The plan cannot see blocks that files share by reflinks or deduplication. The plan counts these blocks once for each
    file.
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.lock
  - strata.overlay2.overlay2.attributes
options:
  keep:
    description:
      - Layers that stay, as ids or globs. A pattern that matches no layer gives a warning.
      - The layers below them stay too.
    type: list
    elements: str
    default: []
  keep_last:
    description:
      - How many layers of each lineage stay. The layers made last stay.
      - A lineage is a layer without parent, with all layers built on it.
    type: int
  keep_images:
    description:
      - Images of M(strata.overlay2.overlay2_image) whose layers stay, by name, image id or manifest digest, or by globs
        of these. A pattern that matches no image gives a warning.
      - If a record of an image cannot be read, each layer with a known diff id stays.
      - If the top layer of another image goes, or is gone already, the module removes the record of the image.
    type: list
    elements: str
    default: []
  match:
    description: Only layers that one of these ids or globs matches may go. With V([]) no layer may go.
    type: list
    elements: str
  unused_for:
    description:
      - Only layers that were not used for this long may go, such as V(90m), V(1h30m), V(7d) or V(2w).
    type: str
  older_than:
    description: Only layers that were made this long ago may go. The format is that of O(unused_for).
    type: str
  until_free:
    description:
      - Remove layers only until this much of the filesystem is free, such as V(20G), or V(15%) of its size.
      - The layers with the oldest use go first. The plan estimates how much becomes free. After these removals the run
        looks at the filesystem, and removes more in the same order, until enough is free or no layer is left that may
        go.
    type: str
  until_used:
    description:
      - Remove layers only until the remaining layers take no more than this, such as V(50G), or V(30%) of the
        filesystem's size. A file with several hard links counts once.
      - The layers with the oldest use go first. With O(until_free) too, layers go until both are reached.
    type: str
  drop_holders:
    description:
      - Let go of holders that hold a layer for this long or longer, such as V(7d), before anything else. The format is
        that of O(unused_for).
      - A layer that no other holder holds is unmounted, and may then go as the other options say. This is not a use of
        the layer.
      - The holders of a layer stay if a process uses the layer, if something else is mounted on its mount, or if the
        layer is also mounted elsewhere. A process in a PID namespace that cannot be seen makes the unmount fail.
    type: str
  orphans_only:
    description: Only orphans may go, that is, layers in the store of another engine that none of its records knows.
    type: bool
    default: false
  foreign:
    description:
      - What to do in the store of another engine, Docker or containers-storage. Only layers that none of the engine's
        records knows may go there.
      - V(report) lists these orphans and the litter, and changes nothing.
      - V(remove) removes the orphans that the other options select, and sweeps litter. While the engine runs,
        V(remove) is C(store_foreign). The engine counts as running while a process has an open file or its cwd in the
        engine's data root, or while something is mounted there.
      - If a record of the engine cannot be read, no layer is an orphan.
      - O(home) may be the directory of containerd's overlayfs snapshotter,
        C(io.containerd.snapshotter.v1.overlayfs). Only O(orphans_only), O(foreign), O(max_seconds) and O(max_remove)
        apply there, and everything else is C(store_foreign). An orphan is a directory in C(snapshots/) that no record
        of C(metadata.db) names. With V(remove), the run takes the locks of C(metadata.db) and C(meta.db), moves the
        orphans out of sight, releases the locks, and deletes. A running containerd has these locks, and then V(remove)
        is C(store_foreign). A containerd that is started meanwhile waits for the locks.
      - With V(report) and a running containerd, a directory counts as an orphan if two looks find it, and if it did not
        change for 10 minutes.
    type: str
    choices: [report, remove]
    default: report
  max_seconds:
    description:
      - How long the deletion of files may take. Each layer first goes out of sight by one rename, and no longer counts
        as a layer. What is left of such layers after this time is RV(pending_bytes). The next run, or any other run
        that changes the store, continues the deletion.
      - Omitted, the run ends when everything is deleted.
    type: int
  max_remove:
    description:
      - How many layers may go in one run, a number, or a share of all layers such as V(20%).
      - If the plan removes more, the run is C(too_many_layers) and changes nothing, in check mode too.
      - Omitted, there is no such limit.
    type: str
seealso:
  - module: strata.overlay2.overlay2_layer
  - module: strata.overlay2.overlay2_facts
"""

EXAMPLES = r"""
- name: Show which layers nobody has used for a week
  strata.overlay2.overlay2_prune:
    home: /var/lib/overlay2
    unused_for: 7d
    keep: [base-*]
  check_mode: true
  register: plan

- name: Remove them, until 15 % of the filesystem is free
  strata.overlay2.overlay2_prune:
    home: /var/lib/overlay2
    unused_for: 7d
    keep: [base-*]
    until_free: 15%

- name: Keep the layers used last, as many as fit into 50 GiB
  strata.overlay2.overlay2_prune:
    home: /var/lib/overlay2
    until_used: 50G

- name: Remove what nobody has used for a month, but no layer of the release images, and let go of jobs that died
  strata.overlay2.overlay2_prune:
    home: /var/lib/overlay2
    unused_for: 30d
    keep_images: ["registry.example.org/release/*"]
    drop_holders: 2d

- name: Keep the three newest layers on each base, and stop deleting after some seconds
  strata.overlay2.overlay2_prune:
    home: /var/lib/overlay2
    keep_last: 3
    max_seconds: 10

- name: Keep the newest layer on each base, unless more than a fifth of all layers would go
  strata.overlay2.overlay2_prune:
    home: /var/lib/overlay2
    keep_last: 1
    max_remove: 20%

- name: Sweep what killed runs left, and nothing else
  strata.overlay2.overlay2_prune:
    home: /var/lib/overlay2

- name: Find what a killed dockerd left
  strata.overlay2.overlay2_prune:
    home: /var/lib/docker/overlay2
    orphans_only: true
  register: docker

- name: Show the size of each orphan
  ansible.builtin.debug:
    msg: "{{ item.id }}: {{ item.bytes_exclusive }} bytes, {{ item.reason }}"
  loop: "{{ docker.layers | selectattr('reason', 'match', 'orphan') }}"

- name: Remove the orphans, with dockerd stopped
  strata.overlay2.overlay2_prune:
    home: /var/lib/docker/overlay2
    orphans_only: true
    foreign: remove

- name: Show what a killed containerd left, without stopping containerd
  strata.overlay2.overlay2_prune:
    home: /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs
    orphans_only: true
  register: containerd

- name: Remove it, with containerd stopped
  strata.overlay2.overlay2_prune:
    home: /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs
    orphans_only: true
    foreign: remove
"""

RETURN = r"""
actions:
  description: What the run did, in order. In check mode, what the run would do.
  returned: always
  type: list
  elements: str
  sample: ["remove layer job-17", "sweep 1 dangling name in l/"]
layers:
  description: All layers before the run. First those that go, in order, then the others by id.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The layer's id.
      type: str
      sample: job-1
    parent:
      description: Id of the layer right below; V("") if there is none, or if it is unknown.
      type: str
      sample: base-1
    decision:
      description: V(remove) or V(keep).
      type: str
      sample: remove
    reason:
      description: >-
        Why. The reason of a layer that no record of the store's engine knows begins with V(orphan). The reason of a
        layer of an image names the image.
      type: str
      sample: held by ansible
    bytes_exclusive:
      description:
        - Bytes freed by removing this layer, with the removals listed before it already counted. Counted in blocks, and
          on XFS with the inodes. A file with several names counts where its last name goes.
        - V(0) if a layer that stays is built on this layer; V(none) if this layer cannot be read, and for a snapshot
          that containerd needs.
      type: int
      sample: 734003200
    bytes_shared:
      description:
        - Bytes of this layer that layers which stay still use. They are built on this layer, or share hard links with
          it.
        - V(none) for a layer that cannot be read. Of a snapshot that containerd needs, what containerd recorded.
      type: int
      sample: 1048576
    inodes:
      description: Number of files and directories in the layer's directory; V(none) if it cannot be read.
      type: int
      sample: 5120
    age_seconds:
      description: Seconds since the layer was made; of an orphan of containerd, since it last changed.
      type: int
      sample: 1209600
    unused_seconds:
      description: >-
        Seconds since the last use; never more than RV(layers[].age_seconds). V(none) in containerd's store, which does
        not record it.
      type: int
      sample: 950400
    depth:
      description: Number of layers below.
      type: int
      sample: 1
remove_bytes:
  description: Bytes that all removals free, litter included.
  returned: success
  type: int
  sample: 734003200
orphan_bytes:
  description:
    - Bytes of the orphans that O(foreign=remove) removes with the given options. O(foreign=report) tells them too,
      whether the engine runs or not.
    - V(0) in a store of no other engine; V(none) if a record of the engine cannot be read.
  returned: success
  type: int
  sample: 0
pending_bytes:
  description:
    - Bytes that are out of sight, and still to be deleted.
    - V(none) in check mode with O(max_seconds), if anything would go.
  returned: success
  type: int
  sample: 0
litter:
  description: >-
    The litter that the run swept; in another engine's store with O(foreign=report), the litter found. Litter that
    cannot be swept now is listed too, and a warning names it.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description:
        - V(dangling_link), V(staging_leftover), V(dead_holder) or V(leaked_project), as in the C(health) of
          M(strata.overlay2.overlay2_facts).
      type: str
      sample: staging_leftover
    subject:
      description: The layer, or the name in the store.
      type: str
      sample: .staging/x7c2
    path:
      description: The path with the finding.
      type: str
      sample: /var/lib/overlay2/.staging/x7c2
    bytes:
      description: Bytes that sweeping frees.
      type: int
      sample: 4096
error:
  description: Stable code of the failure. C(docs/errors.md) of the collection lists the codes.
  returned: failure
  type: str
  sample: store_foreign
hint:
  description: What to do about the failure.
  returned: failure
  type: str
  sample: unmount the layer for job-1 first
"""

import typing as t

from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.state import PruneOptions
from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import home_argument, lock_argument
from ansible_collections.strata.overlay2.plugins.module_utils._module.engine import run_module
from ansible_collections.strata.overlay2.plugins.module_utils._module.prune_arguments import (
    parse_duration,
    parse_number,
    parse_room,
)
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.prune import prune_task


def asked(params: dict[str, t.Any]) -> PruneOptions:
    """Return the options that the parameters give. Raises InvalidInput."""
    return PruneOptions(
        keep=tuple(params["keep"]),
        keep_last=params["keep_last"],
        keep_images=tuple(params["keep_images"]),
        drop_holders=parse_duration(params["drop_holders"], "drop_holders"),
        match=None if params["match"] is None else tuple(params["match"]),
        unused_for=parse_duration(params["unused_for"], "unused_for"),
        older_than=parse_duration(params["older_than"], "older_than"),
        until_free=parse_room(params["until_free"], "until_free"),
        until_used=parse_room(params["until_used"], "until_used"),
        orphans_only=params["orphans_only"],
        remove_foreign=params["foreign"] == "remove",
        max_seconds=params["max_seconds"],
        max_remove=parse_number(params["max_remove"], "max_remove"),
    )


def main() -> None:
    """Run the module."""
    run_module(
        lambda params: prune_task(params["home"], asked(params)),
        argument_spec={
            **home_argument(),
            **lock_argument(),
            "keep": {"type": "list", "elements": "str", "default": []},
            "keep_last": {"type": "int"},
            "keep_images": {"type": "list", "elements": "str", "default": []},
            "match": {"type": "list", "elements": "str"},
            "unused_for": {"type": "str"},
            "older_than": {"type": "str"},
            "until_free": {"type": "str"},
            "until_used": {"type": "str"},
            "drop_holders": {"type": "str"},
            "orphans_only": {"type": "bool", "default": False},
            "foreign": {"type": "str", "choices": ["report", "remove"], "default": "report"},
            "max_seconds": {"type": "int"},
            "max_remove": {"type": "str"},
        },
    )


if __name__ == "__main__":
    main()
