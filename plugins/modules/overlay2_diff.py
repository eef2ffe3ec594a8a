#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer's content goes in, or comes out."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_diff
short_description: Apply and export the content of a layer
version_added: 0.1.0
description:
  - Puts a layer tar into a layer, or writes a layer's tar to a file. What a layer changes is told by
    M(strata.overlay2.overlay2_diff_info).
  - A layer's content is replaced all or nothing.
  - What a layer changes in its own parent is told by the layer's own directory (native diff). Compared with any other
    layer, or where that directory does not tell all, both are compared as mounts show them (naive diff).
  - Such a mount is read-only and seen by nobody else.
  - Where the store has id maps (see M(strata.overlay2.overlay2_init)), owners in a tar are the container's and those
    on disk the host's, so a tar has the same diff id with maps and without. An owner outside the maps is refused, with
    the path, as C(archive_rejected) in a tar and as C(store_corrupt) in a layer.
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
  parent:
    description:
      - The layer to compare with, not for O(state=applied); C("") compares with nothing, so that everything is added.
      - Left out, it is the layer's own parent.
    type: str
  state:
    description:
      - V(applied) makes the layer's content that of O(src).
      - V(exported) writes the layer's tar to O(dest), byte for byte as Docker does, so its diff id is Docker's. As in
        Docker, a file whose own name begins with C(.wh.) becomes a whiteout when the tar is applied.
    type: str
    choices: [applied, exported]
    required: true
  src:
    description:
      - With O(state=applied), the layer tar, plain or compressed by gzip, zstd, xz or bzip2.
      - The archive of an image, as C(docker save) and OCI tools write it, is no layer. It is refused; take the layer's
        own tar out of it.
      - A tar that deletes what it brings itself is refused, as Docker refuses it.
      - In check mode it is not unpacked, so a damaged one is only found by the real run.
    type: path
  remote_src:
    description: O(src) is on the target; otherwise it is sent from the controller, if it is needed there.
    type: bool
    default: false
  diff_id:
    description:
      - Expected digest of the uncompressed tar, C(sha256:) and 64 digits.
      - With it or O(digest), an unchanged layer is told without reading O(src).
      - With it or O(digest), a tar without an end mark, or with bytes behind it, is taken as Docker takes it; without
        them it is refused, as it may have been cut off. The digest is that of all bytes.
    type: str
  digest:
    description: Expected digest of the file as it lies there.
    type: str
  merge:
    description:
      - Unpack over what is there, as Docker does; otherwise the content becomes that of the tar.
      - The tar that was merged last is remembered until the content may change again, so to merge it twice is to merge
        it once.
    type: bool
    default: false
  max_size:
    description:
      - With O(state=applied), refuse an archive that is larger than this, uncompressed. Headers, padding, holes and
        what follows the end mark count, too.
      - V(0) and an empty string are no limit.
      - With this option and without it, what has no relation to the content is limited. Behind the end mark may follow
        as many bytes as the archive has, and 16 MiB in any case. Before one entry may come 1 GiB of extended headers.
        An archive may make 16 directories for each entry that it does not list itself, and 10,000 in any case.
    type: str
  xattrs:
    description:
      - With O(state=exported), the extended attributes that the tar gets.
      - V(docker) takes file capabilities only, as Docker does.
      - V(all) also takes C(user.*) and POSIX ACLs, in records that O(state=applied) and GNU tar read. Where there are
        some, the diff id is no longer Docker's.
      - Against another layer than its own parent, as in Docker, a file with other xattrs alone is no changed file.
    type: str
    choices: [docker, all]
    default: docker
  dest:
    description:
      - With O(state=exported), the file to write, in a directory that exists. It appears whole or not at all.
      - A symlink is replaced, not followed. So is a file of somebody who is neither root nor O(owner), where others
        than root may write to the directory.
      - On the way to the directory no symlink may lie in a directory that others than root may write to.
    type: path
  owner:
    description: Name or id of the user who owns O(dest). Left out, it stays as it is; a new file is root's.
    type: str
  group:
    description:
      - Name or id of the group that owns O(dest).
      - Left out, it stays as it is; a new file has root's, or that of its directory where that hands it down.
    type: str
  mode:
    description:
      - Permissions of O(dest), as in M(ansible.builtin.file), V("0640") or V(u=rw,g=r). Quote an octal one.
      - Left out, they stay as they are; a new file has V("0600"), which a symbolic mode starts from, too.
      - While it is written, a new file can be read by nobody whom this leaves out.
    type: raw
  compression:
    description: Of O(dest); identical input gives identical bytes.
    type: str
    choices: [none, gzip, zstd]
    default: none
  compression_level:
    description: From 1 to 9 with C(gzip), to 19 with C(zstd).
    type: int
seealso:
  - module: strata.overlay2.overlay2_diff_info
  - module: strata.overlay2.overlay2_layer
"""

EXAMPLES = r"""
- name: Fill the base layer, unless it holds just that
  strata.overlay2.overlay2_diff:
    id: base
    state: applied
    src: /srv/images/rootfs.tar.gz
    remote_src: true

- name: Keep it
  strata.overlay2.overlay2_diff:
    id: job-1
    state: exported
    dest: /srv/results/job-1.tar.gz
    compression: gzip

- name: Keep it with ACLs and the like, for its group to read
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
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: str
diff_id:
  description: Digest of the uncompressed tar that was applied or written.
  returned: success
  type: str
digest:
  description: Digest of that tar's file; V(none) where only the real run can know it.
  returned: success
  type: str
size:
  description: Bytes that the layer's own files have, as Docker's DiffSize.
  returned: success
  type: int
native:
  description: Whether the layer's own directory alone told what it changes.
  returned: success
  type: bool
summary:
  description: How many paths were added, modified and deleted.
  returned: success, but for O(state=applied) in check mode
  type: dict
error:
  description: Stable code of a failure, as in the collection's C(docs/errors.md).
  returned: failure
  type: str
hint:
  description: What to do about a failure.
  returned: failure
  type: str
"""

import typing as t

from ansible_collections.strata.overlay2.plugins.module_utils._driver.content.output_file import (
    WantedAccess,
    group_id,
    user_id,
)
from ansible_collections.strata.overlay2.plugins.module_utils._driver.content.source import Source
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput
from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import (
    home_argument,
    lock_argument,
    parse_mode,
    parse_size,
)
from ansible_collections.strata.overlay2.plugins.module_utils._module.engine import run_module
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.diff import ApplyTask, Export, ExportTask


def task(params: dict[str, t.Any]) -> t.Any:
    """Return what the parameters ask for. Raises InvalidInput."""
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
    """Return how the tar is to lie in dest. Raises InvalidInput."""
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
