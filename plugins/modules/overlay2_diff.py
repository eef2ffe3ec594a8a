#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply a tar to a layer, or export a layer as a tar."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_diff
short_description: Apply and export the content of a layer
version_added: 1.0.0
description:
  - Unpacks a layer tar into a layer, or writes a layer's tar to a file. To list what a layer changes, use
    M(strata.overlay2.overlay2_diff_info).
  - The module replaces a layer's content all or nothing.
  - A layer's own directory shows what the layer changes in its own parent (native diff). Where the directory does not
    show all, and against any other layer, the module mounts both layers and compares them (naive diff).
  - Such a mount is read-only, and nobody else sees it.
  - Where the store has id maps (see M(strata.overlay2.overlay2_init)), a tar holds the container's owners and the disk
    the host's, so the diff id of a tar is the same with maps and without. An owner outside the maps is
    C(archive_rejected) in a tar, and C(store_corrupt) in a layer; the message names the path.
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.lock
  - strata.overlay2.overlay2.access
  - strata.overlay2.overlay2.attributes
options:
  id:
    description: The layer's id.
    type: str
    required: true
  parent:
    description:
      - With O(state=exported), the layer to compare with. V("") compares with nothing, so that every file counts as
        added.
      - Omitted, the layer's own parent.
    type: str
  state:
    description:
      - V(applied) makes the content of O(src) the layer's content.
      - V(exported) writes the layer's tar to O(dest), byte for byte as Docker does, so that its diff id is Docker's. As
        in Docker, a file whose own name begins with C(.wh.) becomes a whiteout when the tar is applied.
    type: str
    choices: [applied, exported]
    required: true
  src:
    description:
      - With O(state=applied), the layer tar, plain or compressed by gzip, zstd, xz or bzip2.
      - An archive of an image, written by C(docker save) or OCI tools, is not a layer tar. The module refuses such an
        archive; extract the layer's own tar from it.
      - The module refuses a tar that deletes its own entries, as Docker does.
      - In check mode the module does not unpack the tar, so only the real run finds a damaged one.
    type: path
  remote_src:
    description: Whether O(src) is on the target. If not, the controller sends O(src), if the target needs it.
    type: bool
    default: false
  diff_id:
    description:
      - Expected digest of the uncompressed tar, C(sha256:) and 64 digits.
      - With O(diff_id) or O(digest), the module finds an unchanged layer without reading O(src).
      - With O(diff_id) or O(digest), the module takes a tar without end mark, or with bytes behind the end mark, as
        Docker does; the digest covers all bytes. Without either, the module refuses such a tar, because the tar may
        have been cut off.
    type: str
  digest:
    description: Expected digest of the file O(src) as it is, compressed or not.
    type: str
  merge:
    description:
      - Unpack the tar over the layer's content, as Docker does. Otherwise the tar replaces the content.
      - The module remembers the tar that was merged last until the content can change again, so a second merge of the
        same tar changes nothing.
    type: bool
    default: false
  max_size:
    description:
      - With O(state=applied), refuse an archive that is larger than this, uncompressed. Headers, padding, holes and
        bytes behind the end mark count too.
      - V(0) and V("") mean no limit.
      - Parts that are out of proportion to the content are always limited. Behind the end mark, as many bytes as the
        archive has, but never less than 16 MiB, are allowed; before an entry, 1 GiB of extended headers. For each
        entry, 16 directories that the archive does not list are allowed, but never less than 10,000 in total.
    type: str
  xattrs:
    description:
      - With O(state=exported), which extended attributes the tar holds.
      - V(docker) writes only file capabilities, as Docker does.
      - V(all) also writes C(user.*) and POSIX ACLs, in records that O(state=applied) and GNU tar read. If a file has
        any, the diff id differs from Docker's.
      - Against a layer that is not its own parent, as in Docker, a file of which only other xattrs differ is not
        changed.
    type: str
    choices: [docker, all]
    default: docker
  dest:
    description:
      - With O(state=exported), the file to write, in an existing directory. The file appears whole or not at all.
      - A symlink at O(dest) is replaced, not followed. In a directory that users other than root can write to, so is a
        file that belongs neither to root nor to O(owner).
      - A symlink on the way to the directory must not lie in a directory that users other than root can write to.
    type: path
  compression:
    description: Compression of O(dest). Identical content gives identical bytes.
    type: str
    choices: [none, gzip, zstd]
    default: none
  compression_level:
    description: From 1 to 9 with V(gzip), to 19 with V(zstd).
    type: int
seealso:
  - module: strata.overlay2.overlay2_diff_info
  - module: strata.overlay2.overlay2_layer
"""

EXAMPLES = r"""
- name: Fill the base layer, unless it already has this content
  strata.overlay2.overlay2_diff:
    id: base
    state: applied
    src: /srv/images/rootfs.tar.gz
    remote_src: true

- name: Export a job's changes
  strata.overlay2.overlay2_diff:
    id: job-1
    state: exported
    dest: /srv/results/job-1.tar.gz
    compression: gzip

- name: Export a job's changes with ACLs and user xattrs, readable for a group
  strata.overlay2.overlay2_diff:
    id: job-1
    state: exported
    xattrs: all
    dest: /srv/results/job-1.full.tar
    group: adm
    mode: "0640"
"""

RETURN = r"""
actions:
  description: What the run did, in order. In check mode, what the run would do.
  returned: always
  type: list
  elements: str
  sample: [replace the content of layer base-1]
diff_id:
  description: Digest of the uncompressed tar that was applied or written.
  returned: success
  type: str
  sample: "sha256:9f2c1b7d4e5a60718293a4b5c6d7e8f90123456789abcdef0123456789abcdef"
digest:
  description: Digest of that tar's file; V(none) if only the real run can know it.
  returned: success
  type: str
  sample: "sha256:1d4f6a8b0c2e3f5a7b9c1d3e5f60718293a4b5c6d7e8f9012345678abcdef012"
size:
  description: Size of the layer's own files in bytes, counted as Docker's DiffSize.
  returned: success
  type: int
  sample: 734003200
native:
  description: Whether the diff is native, that is, the layer's own directory alone showed what the layer changes.
  returned: success
  type: bool
  sample: true
summary:
  description: How many paths the layer adds, modifies and deletes.
  returned: success, but for O(state=applied) in check mode
  type: dict
  sample: {added: 12, modified: 3, deleted: 1}
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

from ansible_collections.strata.overlay2.plugins.module_utils._driver.content.output_file import (
    WantedAccess,
    group_id,
    user_id,
)
from ansible_collections.strata.overlay2.plugins.module_utils._driver.content.source import Source
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput
from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import home_argument, lock_argument
from ansible_collections.strata.overlay2.plugins.module_utils._module.engine import run_module
from ansible_collections.strata.overlay2.plugins.module_utils._module.mode import parse_mode
from ansible_collections.strata.overlay2.plugins.module_utils._module.sizes import parse_size
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.diff import ApplyTask, Export, ExportTask


def task(params: dict[str, t.Any]) -> t.Any:
    """Return the task that the parameters describe. Raises InvalidInput."""
    home, layer_id, parent = params["home"], params["id"], params["parent"]
    if params["state"] == "exported":
        return ExportTask(home, layer_id, parent, export(params))
    if parent is not None:
        raise InvalidInput("parent is not for state applied", hint="leave it out")
    if not params["src"]:
        raise InvalidInput("state applied needs src", hint="give the layer's tar")
    source = Source(
        params["src"],
        params["diff_id"],
        params["digest"],
        params["merge"],
        parse_size(params["max_size"], "max_size") or None,
    )
    return ApplyTask(home, layer_id, source)


def export(params: dict[str, t.Any]) -> Export:
    """Return how to write the tar to dest. Raises InvalidInput."""
    access = WantedAccess(user_id(params["owner"]), group_id(params["group"]), parse_mode(params["mode"]))
    xattrs = params["xattrs"] == "all"
    return Export(params["dest"], params["compression"], params["compression_level"], xattrs, access)


def main() -> None:
    """Run the module."""
    run_module(
        task,
        argument_spec={
            **home_argument(),
            **lock_argument(),
            "id": {"type": "str", "required": True},
            "parent": {"type": "str"},
            "state": {"type": "str", "choices": ["applied", "exported"], "required": True},
            "src": {"type": "path"},
            "remote_src": {"type": "bool", "default": False},
            "diff_id": {"type": "str"},
            "digest": {"type": "str"},
            "merge": {"type": "bool", "default": False},
            "max_size": {"type": "str"},
            "xattrs": {"type": "str", "choices": ["docker", "all"], "default": "docker"},
            "dest": {"type": "path"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "raw"},
            "compression": {"type": "str", "choices": ["none", "gzip", "zstd"], "default": "none"},
            "compression_level": {"type": "int"},
        },
    )


if __name__ == "__main__":
    main()
