#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the changes of a layer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_diff_info
short_description: List what a layer changes
version_added: 1.0.0
description:
  - Lists the files that a layer adds, modifies and deletes. The module changes nothing, and reads no file's content.
  - A layer's own directory shows what the layer changes in its own parent (native diff). Where the directory does not
    show all, and against any other layer, the module mounts both layers and compares them (naive diff).
  - Such a mount is read-only, and nobody else sees it.
  - In a store of Podman's, the markers that fuse-overlayfs keeps in a layer's directory are not changes.
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.lock
  - strata.overlay2.overlay2.attributes_of_a_look
options:
  id:
    description: The layer's id.
    type: str
    required: true
  parent:
    description:
      - The layer to compare with. V("") compares with nothing, so that every file counts as added.
      - Omitted, the layer's own parent.
    type: str
  max_changes:
    description:
      - How many RV(changes) to list at most; V(0) lists none.
      - The paths of all listed changes have 16 MiB together at most, whatever O(max_changes) is. RV(summary) always
        counts all changes.
    type: int
    default: 100000
seealso:
  - module: strata.overlay2.overlay2_diff
"""

EXAMPLES = r"""
- name: List what a job changed
  strata.overlay2.overlay2_diff_info:
    id: job-1
  register: job

- name: List the differences between two jobs on the same base
  strata.overlay2.overlay2_diff_info:
    id: job-1
    parent: job-2

- name: Count what a job changed
  strata.overlay2.overlay2_diff_info:
    id: job-1
    max_changes: 0
"""

RETURN = r"""
actions:
  description: What the run did, which is nothing.
  returned: always
  type: list
  elements: str
  sample: []
diff_id:
  description:
    - Digest of the uncompressed tar that was applied to the layer, from the layer's record.
    - V(none) if there is no record, or if the content may have changed since.
  returned: success
  type: str
  sample: sha256:d0879daf45b5e5e59140af685ab7b6301228541da5d0b4c60d72dd8dd1462a7e
digest:
  description: Digest of that tar's file, from the same record.
  returned: success
  type: str
  sample: sha256:67df78963b997a9fe79b6f072e376a35160852d3a0d4f2bb693c210ae3807ec6
size:
  description: Size of the layer's own files in bytes, counted as Docker's DiffSize.
  returned: success
  type: int
  sample: 1048576
native:
  description: Whether the diff is native, that is, the layer's own directory alone showed what the layer changes.
  returned: success
  type: bool
  sample: true
summary:
  description: How many paths the layer adds, modifies and deletes, also those that RV(changes) leaves out.
  returned: success
  type: dict
  sample: {added: 2, modified: 1, deleted: 0}
changes:
  description: What the layer changes, sorted by the bytes of the paths. If there are too many, the first ones.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(added), V(modified) or V(deleted).
      type: str
    path:
      description: The path from the layer's root. A byte that is not UTF-8 is C(\\xNN), and a backslash is C(\\\\).
      type: str
  sample:
    - {kind: modified, path: /etc}
    - {kind: added, path: /etc/motd}
    - {kind: added, path: /made}
truncated:
  description: Whether RV(changes) leaves some out, because of O(max_changes) or of the length of their paths.
  returned: success
  type: bool
  sample: false
error:
  description: Stable code of the failure. C(docs/errors.md) of the collection lists the codes.
  returned: failure
  type: str
  sample: layer_not_found
hint:
  description: What to do about the failure.
  returned: failure
  type: str
  sample: unmount the layer for job-1 first
"""

import typing as t

from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import home_argument, lock_argument
from ansible_collections.strata.overlay2.plugins.module_utils._module.engine import run_module
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.diff_info import InspectTask


def task(params: dict[str, t.Any]) -> t.Any:
    """Return the task that the parameters describe. Raises InvalidInput."""
    return InspectTask(params["home"], params["id"], params["parent"], params["max_changes"])


def main() -> None:
    """Run the module."""
    run_module(
        task,
        argument_spec={
            **home_argument(),
            **lock_argument(),
            "id": {"type": "str", "required": True},
            "parent": {"type": "str"},
            "max_changes": {"type": "int", "default": 100_000},
        },
    )


if __name__ == "__main__":
    main()
