#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer is mounted, or isn't."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_mount
short_description: Mount and unmount layers of an overlay2 store
version_added: 0.1.0
description:
  - Sees to it that a layer of a store, laid out as Docker's C(overlay2) driver does, is mounted on its C(merged)
    directory for somebody, or no longer is.
  - The mount stays until its last holder lets go; holders are names, so the same task twice holds it once.
  - A committed layer is mounted read-only. A layer without parent needs no mount, only holders; its content is to be
    seen in its C(diff) directory.
  - What is recorded of the content of a layer that is not committed, its C(diff_id) and C(digest), is erased before it
    can be written to.
  - Mounts are made with C(index=off), and with C(redirect_dir=off) and C(metacopy=off) where the kernel's default is
    on.
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.lock
  - strata.overlay2.overlay2.attributes
options:
  id:
    description: The layer.
    type: str
    required: true
  state:
    description:
      - V(mounted) mounts the layer if it is not, and notes that O(holder) needs it. A mount that nobody holds, such as
        dockerd's, is adopted. A held one that vanished is made again.
      - V(mounted) makes a mount anew that is not as asked for, in its label, its lowers, its upper, or in being
        read-only or volatile, when nobody else holds it; otherwise that is C(layer_in_use).
      - V(unmounted) notes that O(holder) needs the layer no longer, and unmounts it when nobody else needs it. If
        O(holder) does not hold the layer but others do, nothing changes. A layer that is busy, has mounts on it, or has
        a copy of its mount in another mount namespace that would stay, is C(layer_in_use).
      - V(unmounted) of a layer, or a store, that does not exist changes nothing.
    type: str
    choices: [mounted, unmounted]
    default: mounted
  holder:
    description:
      - Who needs the mount, in 1 to 255 printable characters without V(/).
      - Holders do not outlive a reboot.
    type: str
    default: ansible
  mount_label:
    description: SELinux context of all that is in the mount. V("") means none, and is checked.
    type: str
  volatile:
    description:
      - Skip syncs, which is faster; a crash of the host may then leave the layer's content damaged.
      - Unmounting syncs it, and removes the marker by which the kernel refuses a volatile layer that was not. Such a
        marker from another boot is C(store_corrupt); see O(force).
      - Means nothing where the layer is mounted read-only.
    type: bool
    default: false
  force:
    description:
      - With O(state=unmounted), drop all holders, and detach the mount even if it is busy.
      - With O(state=mounted), accept what is left of a volatile mount that was never unmounted.
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

- name: Work in it
  ansible.builtin.command: chroot {{ job.path | quote }} /usr/bin/make
  changed_when: true

- name: Unmount it, unless somebody else needs it
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

- name: Unmount a layer, whoever needs or uses it
  strata.overlay2.overlay2_mount:
    home: /var/lib/overlay2
    id: job-1
    state: unmounted
    force: true
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: str
  sample: ["mount layer job-1", "hold layer job-1 for ansible"]
path:
  description:
    - Where the layer's content is to be seen. Its C(diff) directory for a layer without parent that is held.
    - V(none) where it is not mounted.
  returned: success
  type: str
  sample: /var/lib/overlay2/job-1/merged
mounted:
  description: Whether there is an overlay on C(merged); V(false) for a layer without parent.
  returned: success
  type: bool
read_only:
  description:
    - Whether the mount is read-only. For a layer without parent that is held, whether it is committed.
    - V(none) where it is not mounted.
  returned: success
  type: bool
holders:
  description: Who needs the mount.
  returned: success
  type: list
  elements: str
options:
  description:
    - The mount data passed to mount(2). If the mount was made by somebody else, or stays mounted for other holders, the
      options as the kernel shows them.
    - V(none) where it is not mounted, and in check mode where it would be mounted.
  returned: success
  type: str
  sample: index=off,lowerdir=/store/l/ABCDEFGHIJKLMNOPQRSTUVWXYZ,upperdir=/store/job-1/diff,workdir=/store/job-1/work
layer:
  description: The layer; V(none) if there is none.
  returned: success
  type: dict
  contains:
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

from ansible_collections.strata.overlay2.plugins.module_utils._driver.mounts.state import WantedMount
from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import home_argument, lock_argument
from ansible_collections.strata.overlay2.plugins.module_utils._module.engine import run_module
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.mount import MountTask


def task(params: dict[str, t.Any]) -> MountTask:
    """Return what the parameters ask for. Raises InvalidInput."""
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
