#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about an overlay2 store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_facts
short_description: Gather facts about an overlay2 store
version_added: 0.1.0
description:
  - Tells what a store laid out as Docker's C(overlay2) driver does holds, what its filesystem and kernel support, and
    what is wrong with it, as C(ansible_facts.overlay2).
  - Before the store exists, the facts are about the place where it would be.
  - Takes no lock, writes nothing, and changes no time. Trial mounts are made only where nobody can see them, and their
    answers are kept until the next boot.
  - A second call for another O(home) replaces the facts; C(register) them for several stores.
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.attributes_of_a_look
options:
  gather_subset:
    description:
      - What to tell. V(status) is always there and never walks anything.
      - V(usage) walks the layers' own files; V(health) and V(summary) read all layers.
      - V(summary) is bounded in size, whatever number of layers there is, and meant for fleets; so is V(status).
    type: list
    elements: str
    choices: [status, layers, mounts, usage, quotas, health, summary, all]
    default: [status]
  ids:
    description: Only these layers; missing ones are left out. Findings of V(health) are then those about them.
    type: list
    elements: str
attributes:
  facts:
    description: Action returns an C(ansible_facts) dictionary that will update existing host facts.
    support: full
seealso:
  - module: strata.overlay2.overlay2_init
  - module: strata.overlay2.overlay2_layer
"""

EXAMPLES = r"""
- name: Can there be a store?
  strata.overlay2.overlay2_facts:
    home: /var/lib/overlay2

- name: Stop where not
  ansible.builtin.assert:
    that: ansible_facts.overlay2.supported
    fail_msg: "{{ ansible_facts.overlay2.problems | map(attribute='message') | join(', ') }}"

- name: What do two layers take?
  strata.overlay2.overlay2_facts:
    home: /var/lib/overlay2
    gather_subset: usage
    ids: [base, tools]

- name: What is there, in few words?
  strata.overlay2.overlay2_facts:
    home: /var/lib/overlay2
    gather_subset: summary

- name: What is wrong in Docker's store?
  strata.overlay2.overlay2_facts:
    home: /var/lib/docker/overlay2
    gather_subset: health
  register: docker
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: success
  type: dict
  contains:
    overlay2:
      description: About the store at O(home).
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
            - V(docker) or V(containers-storage) when the records of that engine lie beside O(home), by whatever path it
              is reached, as by a bind mount; V(containerd) for the directory of its snapshotter, whose layers lie in
              another way, so that there is no store for the other modules; else V(none).
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
              description:
                - Stable name of the problem.
                - V(damaged_store) tells that every module refuses to change the store, because its own file cannot be
                  read or is of a newer format, or because C(l/) is damaged.
                - V(unclaimed_store) tells that somebody else made the store; V(other_layout) that an engine has layers
                  of another layout in O(home).
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
        layers:
          description:
            - The layers by id, each as M(strata.overlay2.overlay2_layer) returns it.
            - The layers that another store lends, as an additional image store of Podman's, are not among them. Their
              paths in C(lower_dirs) lie in that store where C(storage.conf) names it.
            - Damaged ones are left out, and named in RV(ansible_facts.overlay2.problems); those built on them are told.
            - This and what follows is V(none) where only root may know.
          returned: when O(gather_subset) has V(layers) or V(all)
          type: dict
        mounts:
          description: The layers that are mounted or held, by id.
          returned: when O(gather_subset) has V(mounts) or V(all)
          type: dict
          sample:
            job-1:
              path: /var/lib/overlay2/job-1/merged
              mounted: true
              read_only: false
              options: rw,relatime,lowerdir=l/ABCDEFGHIJKLMNOPQRSTUVWXYZ,upperdir=job-1/diff,workdir=job-1/work
              holders: [ansible]
        usage:
          description:
            - What the layers' own files take, by id. C(bytes) are those allocated, C(apparent_bytes) the sizes of the
              files; hard links count once.
            - All three are V(none) for a layer with a file that cannot be read. The problem C(unread_layer) names it.
          returned: when O(gather_subset) has V(usage) or V(all)
          type: dict
          sample:
            job-1:
              bytes: 8192
              apparent_bytes: 6
              inodes: 2
        quotas:
          description:
            - C(layers) has limit and use by id where project quota is on, C(leaked) the limits of layers that are gone.
            - The kernel counts, so no layer is walked. Sizes are in bytes, C(inodes) files and directories; a limit of
              V(0) is none. The use of a layer without project id, such as a read-only one, is V(none).
          returned: when O(gather_subset) has V(quotas) or V(all)
          type: dict
          sample:
            layers:
              job-1:
                project_id: 1048576
                size_limit: 10737418240
                inodes_limit: 0
                size_used: 86016
                inodes_used: 12
            leaked: []
        health:
          description: What is wrong, damage first, then litter, then the rest. Nothing is repaired.
          returned: when O(gather_subset) has V(health) or V(all)
          type: list
          elements: dict
          contains:
            code:
              description:
                - Damage is V(link_missing), V(link_empty), V(link_doubled), V(link_astray), V(lower_missing),
                  V(lower_malformed), V(lower_unresolved), V(diff_missing), V(work_missing) and
                  V(store_file_unreadable).
                - Litter is V(dangling_link), V(staging_leftover), V(dead_holder) and V(leaked_project).
                - The rest is V(orphan), V(layer_gone), V(unsealed_parent), V(stale_volatile), V(loose_mode),
                  V(owner_wrong), V(stray_files), V(stranger) and V(hidden_mount).
                - V(lower_missing) is a layer that has a parent and has lost the file that says which. The layer's own
                  record, its C(work) directory, which no layer without parent has, or the layers built on it tell so.
                - V(layer_gone) is a layer that a record of that engine names and that is not there, with the images and
                  containers that need it; C(subject) is the layer, C(path) the record.
                - V(owner_wrong) is a directory of a layer that belongs to none whom it can belong to, by the store's
                  remapped root. It is told in stores of this collection only.
                - V(stray_files) is what lies in a layer's C(merged) while nothing is mounted there. It is in no layer.
                - containers-storage seals no layers, leaves the kernel's volatile markers, and keeps its C(merged), so
                  V(unsealed_parent), V(stale_volatile) and V(stray_files) are not told in its stores.
                - V(stranger) is what lies in O(home) and is neither a layer nor the store's own. No module changes it.
                - A store that has layers and no C(.strata.json), so that it is somebody else's, is told as
                  V(store_file_unreadable).
                - A store that lost its C(l/) is V(link_missing) of C(l), and no layer is looked at.
                - V(orphan) is a layer that none of the records of the engine in RV(ansible_facts.overlay2.managed_by)
                  knows, BuildKit's among them. While the engine runs it may be a layer that it is just making.
                  When a record cannot be read, that is V(store_file_unreadable), and nothing is an orphan.
                - V(hidden_mount) is a mount in the store that no path leads to, since another filesystem was mounted
                  over what it lies on. It belongs to the store below that one, and no layer here is mounted by it.
              type: str
            subject:
              description: The layer, or the name in the store.
              type: str
            path:
              description: Where it was found.
              type: str
            message:
              description: What it is.
              type: str
            hint:
              description:
                - What to do about it, as it fits RV(ansible_facts.overlay2.managed_by); alternatives stand with C(; or)
                  between them.
                - A command stands between backticks, to be run by root. In one, C(PARENT) stands for the id of the
                  parent, where nothing on disk tells it.
              type: str
        summary:
          description:
            - The lineages, each a layer without parent with all that is built on it. Damaged layers are left out.
            - The eight largest are in C(lineages), by C(bytes) where these are known, or by how many layers they have;
              the C(others) are summed up.
            - C(depth) is the greatest, C(mounted) and C(held) say how many layers are. C(bytes) are those allocated,
              each file once; C(bytes_exclusive) leave out files that have names elsewhere, too. Both are V(none) unless
              O(gather_subset) has V(usage) as well.
          returned: when O(gather_subset) has V(summary) or V(all)
          type: dict
          sample:
            lineages:
              - base: debian-12
                layers: 41
                depth: 3
                mounted: 2
                held: 2
                bytes: 912310272
                bytes_exclusive: 912310272
            others:
              lineages: 0
              layers: 0
              depth: 0
              mounted: 0
              held: 0
              bytes: 0
              bytes_exclusive: 0
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

from ansible_collections.strata.overlay2.plugins.module_utils._driver.facts.status import SUBSETS
from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import home_argument
from ansible_collections.strata.overlay2.plugins.module_utils._module.query import run_query
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.facts import gather


def query(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the facts that the parameters ask for. Raises InvalidInput, OSError."""
    return {"ansible_facts": {"overlay2": gather(params["home"], params["gather_subset"], params["ids"])}}


def main() -> None:
    """Run the module."""
    run_query(
        query,
        argument_spec={
            **home_argument(),
            "gather_subset": {"type": "list", "elements": "str", "choices": list(SUBSETS), "default": ["status"]},
            "ids": {"type": "list", "elements": "str"},
        },
    )


if __name__ == "__main__":
    main()
