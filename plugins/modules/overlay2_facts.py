#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Return facts about an overlay2 store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_facts
short_description: Gather facts about an overlay2 store
version_added: 1.0.0
description:
  - Returns as C(ansible_facts.overlay2) what a store holds that is laid out as Docker's C(overlay2) driver does, what
    its filesystem and kernel support, and what is wrong with the store.
  - Before the store exists, the facts describe the place where the store would be.
  - The module takes no lock, writes nothing to the store, and changes no time. Trial mounts are made only where nobody
    can see them, and their results are kept until the next boot.
  - A second call for another O(home) replaces the facts. To keep the facts of several stores, C(register) them.
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.attributes_of_a_look
options:
  gather_subset:
    description:
      - Which facts to gather. V(status) is always included, and never walks a directory tree.
      - V(usage) walks the layers' own files. V(health) and V(summary) read all layers.
      - V(summary) and V(status) are of bounded size, whatever the number of layers, and suit fleets.
      - V(owners) tells which images and containers of the store's engine need a layer. It also works for a directory of
        containerd's snapshotter, where V(layers) finds nothing, and V(health) only layers that are gone.
      - V(stores) looks for every layer store of the host, of any engine and any user. It is not about O(home), and not
        part of V(all). It needs root.
      - As in M(ansible.builtin.setup), V(min) is V(status) alone, and an entry that begins with V(!) takes a subset
        away. Without any other entry, it is taken away from V(all).
    type: list
    elements: str
    choices:
      - status
      - layers
      - mounts
      - usage
      - quotas
      - health
      - owners
      - summary
      - all
      - stores
      - min
      - "!status"
      - "!layers"
      - "!mounts"
      - "!usage"
      - "!quotas"
      - "!health"
      - "!owners"
      - "!summary"
      - "!all"
      - "!stores"
      - "!min"
    default: [status]
  ids:
    description: Only these layers. Missing ones are left out. V(health) returns only findings about these layers.
    type: list
    elements: str
  roots:
    description:
      - With V(stores), also look at these absolute paths. Each is the data root of an engine, or a store.
      - A store is found by itself if its engine runs, if a layer of it is mounted, if a configuration file names its
        data root, or if it lies at a usual place of the host or of a home. The C(storage.conf) of a user counts only
        for a store of this user.
    type: list
    elements: path
    default: []
  measure:
    description:
      - With V(stores), how to measure bytes.
      - V(records) adds up what the engine recorded of each layer. The writable layers of containers have no record in
        most engines, and do not count. It takes milliseconds.
      - V(walk) counts allocated blocks, for at most 60 seconds in all.
      - V(no) tells no sizes of layers.
    type: str
    choices: [records, walk, "no"]
    default: records
attributes:
  facts:
    description: Action returns an C(ansible_facts) dictionary that will update existing host facts.
    support: full
seealso:
  - module: strata.overlay2.overlay2_init
  - module: strata.overlay2.overlay2_layer
"""

EXAMPLES = r"""
- name: Find out whether a store is possible
  strata.overlay2.overlay2_facts:
    home: /var/lib/overlay2

- name: Stop where it is not
  ansible.builtin.assert:
    that: ansible_facts.overlay2.supported
    fail_msg: "{{ ansible_facts.overlay2.problems | map(attribute='message') | join(', ') }}"

- name: Measure two layers
  strata.overlay2.overlay2_facts:
    home: /var/lib/overlay2
    gather_subset: usage
    ids: [base, tools]

- name: Sum up the store
  strata.overlay2.overlay2_facts:
    home: /var/lib/overlay2
    gather_subset: summary

- name: Find what is wrong in Docker's store
  strata.overlay2.overlay2_facts:
    home: /var/lib/docker/overlay2
    gather_subset: health
  register: docker

- name: Find out which container and pod a directory of containerd belongs to
  strata.overlay2.overlay2_facts:
    home: /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs
    gather_subset: owners
    ids: ["12"]

- name: Find all layer stores of the host, and what nobody needs
  strata.overlay2.overlay2_facts:
    home: /var/lib/overlay2
    gather_subset: stores
    roots: [/mnt/old-disk/docker]
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: success
  type: dict
  contains:
    overlay2:
      description: Facts about the store at O(home).
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
        layers:
          description:
            - The layers by id, each as M(strata.overlay2.overlay2_layer) returns it.
            - C(images) is beside these. It lists the names of the images of M(strata.overlay2.overlay2_image) whose top
              layer the layer is.
            - Layers that another store lends, such as an additional image store of Podman's, are left out. Their paths
              in C(lower_dirs) lie in that store, if C(storage.conf) names it.
            - Damaged layers are left out, and RV(ansible_facts.overlay2.problems) names them. Layers built on damaged
              ones are included.
            - RV(ansible_facts.overlay2.layers), RV(ansible_facts.overlay2.mounts), RV(ansible_facts.overlay2.usage),
              RV(ansible_facts.overlay2.quotas), RV(ansible_facts.overlay2.health) and
              RV(ansible_facts.overlay2.summary) are V(none) where only root can find them out.
          returned: when O(gather_subset) has V(layers) or V(all)
          type: dict
          sample: {base-1: {id: base-1, parent: "", depth: 0}}
        mounts:
          description: >-
            The layers that are mounted or held, by id. C(held_seconds) tells for how long each of C(holders) holds the
            layer; V(none) if that is not known.
          returned: when O(gather_subset) has V(mounts) or V(all)
          type: dict
          sample:
            job-1:
              path: /var/lib/overlay2/job-1/merged
              mounted: true
              read_only: false
              options: rw,relatime,lowerdir=l/ABCDEFGHIJKLMNOPQRSTUVWXYZ,upperdir=job-1/diff,workdir=job-1/work
              holders: [ansible]
              held_seconds: [4711]
        usage:
          description:
            - Disk usage of the layers' own files, by id. C(bytes) counts allocated blocks, C(apparent_bytes) the sizes
              of the files. Both count a file with several hard links once.
            - All three values are V(none) for a layer with a file that cannot be read. The problem C(unread_layer)
              names the file.
          returned: when O(gather_subset) has V(usage) or V(all)
          type: dict
          sample:
            job-1:
              bytes: 8192
              apparent_bytes: 6
              inodes: 2
        quotas:
          description:
            - C(layers) has limit and use by id where project quota is on. C(leaked) has the limits of layers that are
              gone.
            - The kernel counts, so the module walks no layer. Sizes are in bytes, C(inodes) counts files and
              directories; a limit of V(0) means none. The use of a layer without project id, such as a read-only layer,
              is V(none).
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
          description: What is wrong, damage first, then litter, then the rest. The module repairs nothing.
          returned: when O(gather_subset) has V(health) or V(all)
          type: list
          elements: dict
          contains:
            code:
              description:
                - Damage is V(link_missing), V(link_empty), V(link_doubled), V(link_astray), V(lower_missing),
                  V(lower_malformed), V(lower_unresolved), V(diff_missing), V(work_missing),
                  V(committed_missing) and V(store_file_unreadable).
                - Litter is V(dangling_link), V(staging_leftover), V(dead_holder) and V(leaked_project).
                - The rest is V(orphan), V(layer_gone), V(unsealed_parent), V(stale_volatile), V(loose_mode),
                  V(owner_wrong), V(stray_files), V(held_long), V(project_doubled), V(project_lost), V(stranger) and
                  V(hidden_mount).
                - V(lower_missing) is a layer that has a parent but lost the file that names the parent. The layer's own
                  record, its C(work) directory, which no layer without parent has, or the layers built on it prove that
                  there was a parent.
                - V(lower_malformed) is also a chain that the layer's own record denies.
                - V(committed_missing) is a layer without children that lost its mark, and whose own record says that it
                  is sealed.
                - V(layer_gone) is a layer that a record of the engine names and that does not exist. The message names
                  the images and containers that need the layer. C(subject) is the layer, C(path) the record. Of
                  containerd it is told for its overlayfs snapshotter and the databases of containerd 1.5 to 2.2.
                - V(owner_wrong) is a directory of a layer whose owner does not fit the store's remapped root. The
                  module checks owners only in stores of this collection.
                - V(project_doubled) is a layer with the project id of an older layer, so that the limits of one count
                  the files of both. V(project_lost) is a C(diff) or C(work) directory without the project id of its
                  layer. Setting project ids again is a walk through the layer, so no module does it by itself. The
                  hint has the command. The module looks only in stores of this collection with project quota.
                - V(held_long) is a layer that a holder holds for a week or longer, although no process uses the layer.
                - V(stray_files) are files in a layer's C(merged) while nothing is mounted there. They belong to no
                  layer. If C(merged) itself is not a directory, the layer cannot be mounted.
                - containers-storage seals no layers, leaves the kernel's volatile markers, and keeps C(merged), so its
                  stores have no V(unsealed_parent), V(stale_volatile) or V(stray_files).
                - V(stranger) is an entry of O(home) that is neither a layer nor the store's own. No module changes it.
                - V(store_file_unreadable) is also a store that has layers and no C(.strata.json), so that somebody else
                  made it.
                - V(link_missing) with the subject C(l) is a store that lost its C(l/); then no layer is checked.
                - V(orphan) is a layer that none of the engine's records knows, BuildKit's among them. The engine is
                  RV(ansible_facts.overlay2.managed_by). While the engine runs, it may be just making the layer. If a
                  record cannot be read, the record is V(store_file_unreadable), and no layer is an orphan.
                - V(hidden_mount) is a mount in the store that no path leads to, because another filesystem was mounted
                  over its place. The mount belongs to the store below that filesystem, and mounts no layer here.
              type: str
              sample: link_empty
            kind:
              description:
                - V(damage) if the store, or a layer, does not work; V(litter) if M(strata.overlay2.overlay2_prune)
                  removes it; V(care) if a person has to decide; V(note) if it is good to know.
              type: str
              sample: damage
            subject:
              description: The layer, or the name in the store.
              type: str
              sample: job-1
            path:
              description: The path with the finding.
              type: str
              sample: /var/lib/overlay2/job-1/link
            message:
              description: What is wrong.
              type: str
              sample: "layer job-1 is damaged: its link file is empty"
            hint:
              description:
                - What to do about it in a store of RV(ansible_facts.overlay2.managed_by). C(; or) separates
                  alternatives.
                - A command stands between backticks, and needs root. C(PARENT) stands for the id of the parent if no
                  file on disk tells the id.
              type: str
              sample: strata.overlay2.overlay2_repair repairs it
            repair:
              description: What M(strata.overlay2.overlay2_repair) does about it. V(none) for nothing.
              type: str
              sample: write the link file of layer job-1 again
            certain:
              description:
                - Whether M(strata.overlay2.overlay2_repair) does so without further options. In another engine's store
                  it does so with O(strata.overlay2.overlay2_repair#module:foreign=repair).
              type: bool
              sample: true
        owners:
          description:
            - By layer, what the store's engine uses it for; an empty list for nothing. V(none) if it cannot be told; a
              problem says why.
            - In a directory of containerd's snapshotter, a layer is a directory in C(snapshots), such as C(12). At most
              three owners of each kind are told.
            - C(kind) is V(image), V(container) or V(build_cache); in containerd also V(lease), V(label), V(sandbox) or
              V(ingest), as containerd calls what keeps a snapshot. C(namespace) and C(pod) are V(none) for other
              engines.
          returned: when O(gather_subset) has V(owners) or V(all)
          type: dict
          sample:
            "12":
              - kind: container
                name: web
                id: 5f0c2a9e7d41
                namespace: k8s.io
                pod: shop/web-0
        summary:
          description:
            - The lineages. A lineage is a layer without parent, with all layers built on it. Damaged layers are left
              out.
            - C(lineages) has the eight largest, by C(bytes) if known, otherwise by their number of layers. C(others)
              sums up the other lineages.
            - C(depth) is the greatest depth of a layer. C(mounted) and C(held) count layers. C(bytes) counts allocated
              blocks, each file once. C(bytes_exclusive) also leaves out files that have names elsewhere. Both are
              V(none) unless O(gather_subset) also has V(usage).
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
        stores:
          description:
            - The layer stores of the host, at most 50, the largest first. Stores of users are left out before those of
              root, since users can make up sizes.
            - No engine is asked, and no lock is taken. containerd's databases are read while containerd writes to
              them. What only one of two looks finds, or is younger than ten minutes, does not count as unneeded.
            - Nothing that a user wrote is trusted beyond the user's own store. A directory that a user's
              C(storage.conf) names and that is not the user's is told and not read. No home is entered that is an
              automount point or lies on a network filesystem or on FUSE.
          returned: when O(gather_subset) has V(stores)
          type: list
          elements: dict
          contains:
            engine:
              description:
                - V(docker), V(containerd), V(containers-storage) (Podman, Buildah, CRI-O), V(buildkit), V(strata) for a
                  store of this collection, or V(none) if nothing tells the engine.
              type: str
              sample: docker
            kind:
              description: The storage driver or the snapshotter.
              type: str
              sample: overlay2
            home:
              description: Path of the store.
              type: str
              sample: /var/lib/docker/overlay2
            root:
              description: Path of the engine's data root.
              type: str
              sample: /var/lib/docker
            owner:
              description: The user whose store it is, or the number of a user whom the host does not know.
              type: str
              sample: root
            state:
              description:
                - V(active) if a layer is mounted or a process has the engine's database open.
                - V(idle) if neither is so, and the engine would use the store.
                - V(abandoned) if neither is so, and the engine that owns the data root runs on another store, or would
                  start on another.
                - V(unknown) if it cannot be told, for example because the task runs in a pid namespace that does not
                  show all processes of the host.
              type: str
              sample: active
            why:
              description: The proof of the state.
              type: str
              sample: 3 of its overlays are mounted
            process:
              description: The process that has the engine's database open, with C(pid) and C(command); V(none) without.
              type: dict
              sample: {pid: 812, command: dockerd}
            found_by:
              description:
                - The ways that led to the store. V(asked) is O(roots), V(default) a usual place, V(config) a
                  configuration file, V(home) a home, V(lock) a database that a process has locked, V(argument) the
                  arguments of a daemon, V(mount) a mounted layer.
              type: list
              elements: str
              sample: [default, mount]
            mount_point:
              description: The mount point of the filesystem.
              type: str
              sample: /
            mounted:
              description: Number of mounted overlays made of its layers, in all mount namespaces.
              type: int
              sample: 3
            layers:
              description: Number of layers; V(none) if it cannot be read.
              type: int
              sample: 48
            bytes:
              description: Bytes of the layers, as O(measure) says; V(none) if not known.
              type: int
              sample: 9663676416
            content_bytes:
              description: Bytes of packed layers that containerd keeps beside the snapshots.
              type: int
              sample: 0
            namespaces:
              description: Of containerd, by namespace, the number of C(layers), C(images), C(containers), and C(bytes).
              type: dict
              sample: {k8s.io: {layers: 48, images: 9, containers: 3, bytes: 9663676416}}
            unneeded:
              description:
                - What nobody needs. V(none) if that cannot be told; a problem says why.
                - Of containerd it is told for the databases of containerd 1.5 to 2.2. Newer ones may know references
                  that this module does not follow, so that nothing is certainly unneeded.
              type: list
              elements: dict
              contains:
                code:
                  description:
                    - V(whole_store) is the whole of an abandoned store. C(loses) says what goes with it.
                    - V(orphan_directory) is a directory that no record of the engine names, V(unlisted_record) a
                      snapshot that only the snapshotter knows, V(unreferenced) a snapshot or blob that nothing
                      reaches.
                    - V(left_lease) is the lease of a client that was killed, V(expired_lease) one whose time is over.
                    - V(kept_by_label) is a snapshot that only its own label keeps, V(stray_blob) a packed layer without
                      a record, V(ingest) one that was not received whole.
                    - V(unused_image) is an image that no container uses.
                  type: str
                  sample: orphan_directory
                namespace:
                  description: The namespace of containerd; V(none) for none.
                  type: str
                  sample: k8s.io
                count:
                  description: How many.
                  type: int
                  sample: 2
                bytes:
                  description: >-
                    Their bytes by records; of V(orphan_directory) only with O(measure=walk), by walking. V(none) if not
                    known.
                  type: int
                  sample: 39741030
                by:
                  description: >-
                    V(engine), V(overlay2_prune) or V(user), who removes it. V(overlay2_prune) is
                    M(strata.overlay2.overlay2_prune).
                  type: str
                  sample: overlay2_prune
                run:
                  description:
                    - What a person can type, or the steps, to have it removed. This collection never runs it.
                      C(ADDRESS) stands for the socket of a containerd whose socket is not known.
                  type: str
                  sample: >-
                    stop docker; overlay2_prune with home: /var/lib/docker/overlay2, orphans_only: true, foreign: remove
                policy:
                  description: Whether it may be wanted, although nothing uses it now.
                  type: bool
                  sample: false
                until:
                  description: Of V(left_lease), when the last one ends by itself.
                  type: str
                  sample: "2026-12-01T04:00:00Z"
                loses:
                  description: Of V(whole_store), what would be lost.
                  type: list
                  elements: str
                  sample: [9 images, 3 containers]
            problems:
              description: What could not be read, and why; also layers of containerd that are gone.
              type: list
              elements: str
              sample: []
        stores_left_out:
          description: Number of stores that RV(ansible_facts.overlay2.stores) leaves out.
          returned: when O(gather_subset) has V(stores)
          type: int
          sample: 0
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

from ansible_collections.strata.overlay2.plugins.module_utils._driver.facts.status import CHOICES
from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import home_argument
from ansible_collections.strata.overlay2.plugins.module_utils._module.query import run_query
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.facts import gather

MEASURES = ["records", "walk", "no"]


def query(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the facts that the parameters ask for. Raises InvalidInput, OSError."""
    names = ("home", "gather_subset", "ids", "roots", "measure")
    return {"ansible_facts": {"overlay2": gather(*(params[name] for name in names))}}


def main() -> None:
    """Run the module."""
    run_query(
        query,
        argument_spec={
            **home_argument(),
            "gather_subset": {
                "type": "list",
                "elements": "str",
                "choices": list(CHOICES),
                "default": ["status"],
            },
            "ids": {"type": "list", "elements": "str"},
            "roots": {"type": "list", "elements": "path", "default": []},
            "measure": {"type": "str", "choices": MEASURES, "default": "records"},
        },
    )


if __name__ == "__main__":
    main()
