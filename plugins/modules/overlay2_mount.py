#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount a layer for a holder, or unmount it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_mount
short_description: Mount and unmount layers of an overlay2 store
version_added: 1.0.0
description:
  - Ensures that a layer of a store, laid out as Docker's C(overlay2) driver does, is mounted on its C(merged) directory
    for a holder, or that the holder no longer needs the mount.
  - The mount stays until the last holder lets go. Holders are names, so the same task run twice adds one holder.
  - A committed layer is mounted read-only. A layer without parent needs no mount, only holders; its content is its
    C(diff) directory.
  - Before a layer that is not committed is mounted, the module erases the record of its content, C(diff_id) and
    C(digest), because writes would make the record wrong.
  - The mount options are C(index=off), and C(redirect_dir=off) and C(metacopy=off) where the kernel's default is on.
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.lock
  - strata.overlay2.overlay2.attributes
options:
  id:
    description: The layer's id.
    type: str
    required: true
  state:
    description:
      - V(mounted) mounts the layer if it is not mounted, and records O(holder). The module adopts a mount that nobody
        holds, such as dockerd's, and makes a held mount that vanished again.
      - V(mounted) replaces a mount that differs from the task in its label, its lowers, its upper, or in being
        read-only or volatile. If others hold that mount, it is C(layer_in_use).
      - V(unmounted) removes O(holder) from the holders, and unmounts the layer if no holder is left. If O(holder) does
        not hold the layer but others do, nothing changes, and a warning names them. A layer is C(layer_in_use) if a
        process uses it, if mounts lie on it, or if a copy of its mount would stay in another mount namespace.
      - V(unmounted) changes nothing if the layer or the store does not exist.
    type: str
    choices: [mounted, unmounted]
    default: mounted
  holder:
    description:
      - Who needs the mount. A name of 1 to 255 printable characters without V(/).
      - Holders do not outlive a reboot.
    type: str
    default: ansible
  mount_label:
    description: SELinux context of everything in the mount. V("") means none, and is checked.
    type: str
  volatile:
    description:
      - Skip syncs, which is faster. A crash of the host can damage the layer's content.
      - The kernel refuses a volatile layer whose marker was not removed. Unmounting by this module syncs the content
        and removes the marker. A marker from another boot is C(store_corrupt); see O(force).
      - O(volatile) has no effect where the layer is mounted read-only.
    type: bool
    default: false
  force:
    description:
      - With O(state=unmounted), drop all holders, and detach the mount even if it is busy.
      - With O(state=mounted), accept the content of a volatile mount that was never unmounted.
    type: bool
    default: false
seealso:
  - module: strata.overlay2.overlay2_init
  - module: strata.overlay2.overlay2_layer
"""

EXAMPLES = r"""
- name: Mount a job's layer
  strata.overlay2.overlay2_mount:
    home: /var/lib/overlay2
    id: job-1
    holder: job-1
  register: job

- name: Work in the layer
  ansible.builtin.command: chroot {{ job.path | quote }} /usr/bin/make
  changed_when: true

- name: Unmount the layer, unless somebody else needs it
  strata.overlay2.overlay2_mount:
    home: /var/lib/overlay2
    id: job-1
    holder: job-1
    state: unmounted

- name: Mount a layer whose content need not survive a crash
  strata.overlay2.overlay2_mount:
    home: /var/lib/overlay2
    id: scratch
    volatile: true

- name: Unmount a layer even if others need or use it
  strata.overlay2.overlay2_mount:
    home: /var/lib/overlay2
    id: job-1
    state: unmounted
    force: true
"""

RETURN = r"""
actions:
  description: What the run did, in order. In check mode, what the run would do.
  returned: always
  type: list
  elements: str
  sample: ["mount layer job-1", "hold layer job-1 for ansible"]
path:
  description:
    - The directory that shows the layer's content. For a layer without parent that is held, its C(diff) directory.
    - V(none) if the layer is not mounted.
  returned: success
  type: str
  sample: /var/lib/overlay2/job-1/merged
mounted:
  description: Whether an overlay is mounted on C(merged); V(false) for a layer without parent.
  returned: success
  type: bool
  sample: false
read_only:
  description:
    - Whether the mount is read-only. For a layer without parent that is held, whether the layer is committed.
    - V(none) if the layer is not mounted.
  returned: success
  type: bool
  sample: false
holders:
  description: Who needs the mount.
  returned: success
  type: list
  elements: str
  sample: [job-1]
options:
  description:
    - The mount data passed to mount(2). If the mount was made by somebody else, or stays mounted for other holders, the
      options as the kernel shows them.
    - V(none) if the layer is not mounted, and in check mode if the run would mount it.
  returned: success
  type: str
  sample: index=off,lowerdir=/store/l/ABCDEFGHIJKLMNOPQRSTUVWXYZ,upperdir=/store/job-1/diff,workdir=/store/job-1/work
layer:
  description: The layer; V(none) if it does not exist.
  returned: success
  type: dict
  contains:
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

from ansible_collections.strata.overlay2.plugins.module_utils._driver.mounts.state import WantedMount
from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import home_argument, lock_argument
from ansible_collections.strata.overlay2.plugins.module_utils._module.engine import run_module
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.mount import MountTask


def task(params: dict[str, t.Any]) -> MountTask:
    """Return the task that the parameters describe. Raises InvalidInput."""
    want = WantedMount(params["id"], params["holder"], params["mount_label"], params["volatile"])
    return MountTask(params["home"], want, params["state"], force=params["force"])


def main() -> None:
    """Run the module."""
    run_module(
        task,
        argument_spec={
            **home_argument(),
            **lock_argument(),
            "id": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["mounted", "unmounted"], "default": "mounted"},
            "holder": {"type": "str", "default": "ansible"},
            "mount_label": {"type": "str"},
            "volatile": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
        },
    )


if __name__ == "__main__":
    main()
