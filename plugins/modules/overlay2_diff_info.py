#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer's content is looked at."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_diff_info
short_description: Tell what a layer changes
version_added: 0.1.0
description:
  - Tells which files a layer adds, modifies and deletes. It changes nothing, and reads no file's content.
  - What a layer changes in its own parent is told by the layer's own directory (native diff). Compared with any other
    layer, or where that directory does not tell all, both are compared as mounts show them (naive diff).
  - Such a mount is read-only and seen by nobody else.
  - In a store of Podman's, the markers that fuse-overlayfs keeps in a layer's directory are no changes.
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.lock
  - strata.overlay2.overlay2.attributes_of_a_look
options:
  id:
    description: The layer.
    type: str
    required: true
  parent:
    description:
      - The layer to compare with; C("") compares with nothing, so that everything is added.
      - Left out, it is the layer's own parent.
    type: str
  max_changes:
    description:
      - How many RV(changes) are listed at most; V(0) lists none.
      - However large it is, their paths have no more than 16 MiB together. RV(summary) counts all changes in any case.
    type: int
    default: 100000
seealso:
  - module: strata.overlay2.overlay2_diff
"""

EXAMPLES = r"""
- name: What a job changed
  strata.overlay2.overlay2_diff_info:
    id: job-1
  register: job

- name: What one job made different from another on the same base
  strata.overlay2.overlay2_diff_info:
    id: job-1
    parent: job-2

- name: How much a job changed
  strata.overlay2.overlay2_diff_info:
    id: job-1
    max_changes: 0
"""

RETURN = r"""
actions:
  description: What was done, which is nothing.
  returned: always
  type: list
  elements: str
  sample: []
diff_id:
  description:
    - Digest of the uncompressed tar that was applied to the layer, as it is on record.
    - V(none) where there is no record, or where the content may have changed since.
  returned: success
  type: str
  sample: sha256:d0879daf45b5e5e59140af685ab7b6301228541da5d0b4c60d72dd8dd1462a7e
digest:
  description: Digest of that tar's file, in the same way.
  returned: success
  type: str
  sample: sha256:67df78963b997a9fe79b6f072e376a35160852d3a0d4f2bb693c210ae3807ec6
size:
  description: Bytes that the layer's own files have, as Docker's DiffSize.
  returned: success
  type: int
  sample: 1048576
native:
  description: Whether the layer's own directory alone told what it changes.
  returned: success
  type: bool
  sample: true
summary:
  description: How many paths were added, modified and deleted; all of them, also where RV(changes) is cut.
  returned: success
  type: dict
  sample: {added: 2, modified: 1, deleted: 0}
changes:
  description: What the layer changes, sorted by the paths' bytes; the first ones where there are too many.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(added), V(modified) or V(deleted).
      type: str
    path:
      description: From the layer's root. A byte that is not UTF-8 is C(\\xNN) and a backslash is C(\\\\).
      type: str
  sample:
    - {kind: modified, path: /etc}
    - {kind: added, path: /etc/motd}
    - {kind: added, path: /made}
truncated:
  description: Whether RV(changes) lacks some, because of O(max_changes) or because of the length of their paths.
  returned: success
  type: bool
  sample: false
error:
  description: Stable code of a failure, as in the collection's C(docs/errors.md).
  returned: failure
  type: str
  sample: layer_not_found
hint:
  description: What to do about a failure.
  returned: failure
  type: str
"""

import typing as t

from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import home_argument, lock_argument
from ansible_collections.strata.overlay2.plugins.module_utils._module.engine import run_module
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.diff_info import InspectTask


def task(params: dict[str, t.Any]) -> t.Any:
    """Return what the parameters ask for. Raises InvalidInput."""
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
