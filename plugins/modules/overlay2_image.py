#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have the layers of an image in a store, or no longer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_image
short_description: Have the layers of an image in a store, or no longer, or an image of a store in a file
version_added: 1.0.0
description:
  - Reads the archive of an image, and makes the layers that the store lacks, sealed, each on the one below.
  - The archive is an OCI image layout, as a directory or a tar, or the archive of C(docker save) of any version since
    1.10. A tar may be compressed with gzip, bzip2, xz or zstd. The content tells the form, not the name.
  - The module reads the archive where it lies. It unpacks nothing but layers, and those only into the store.
  - A layer that is there is used, whatever its name and whatever image it came with. Two layers are the same if their
    chain ids are the same, that is, if their content and the content of all layers below is the same.
  - Each document is read only if its size and digest are right. A layer appears in the store only if its size, its
    digest and its diff id are right. If a layer is not what the image says, the layers below it stay.
  - The module opens no network connection. To get an image from a registry, use a tool such as C(skopeo).
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.lock
  - strata.overlay2.overlay2.access
  - strata.overlay2.overlay2.attributes
options:
  state:
    description:
      - With V(present), the store has all layers of the image.
      - With V(exported), the file O(dest) on the target holds the image of the store that has all of O(image),
        O(image_id), O(manifest_digest), O(chain_id) and O(id) that are given; at least one is needed. If O(platform)
        is given, the image is for it. The image has the same image id and the same diff ids as it had when it came into
        the store.
      - With V(absent), the store has no record of the image, and only those of its layers that something else needs.
        The layers go from the top down. A layer stays if it is the top layer of another image, if a layer that stays is
        built on it, or if it is mounted, held or in use. RV(layers[].reason) tells why. Later,
        M(strata.overlay2.overlay2_prune) can remove such a layer.
      - V(absent) needs O(image), O(image_id), O(manifest_digest), O(chain_id) or O(id). The image has all that are
        given, and is for O(platform) if that is given. Without such an image, nothing changes.
    type: str
    choices: [present, exported, absent]
    default: present
  src:
    description:
      - The archive of the image.
      - With O(image_id), O(manifest_digest) or O(chain_id), the archive is not read if the store has that image, and
        need not be there.
    type: path
  remote_src:
    description:
      - Whether O(src) is on the target. If not, the controller reads the archive, and sends only the documents of the
        image and the layers that the store lacks.
      - Hosts that lack the same layers get the same file. The controller writes the file once, into the directory for
        temporary files of the run (C(DEFAULT_LOCAL_TMP) in the configuration of Ansible), which needs that much space.
    type: bool
    default: false
  image:
    description:
      - Which image of the archive, if it holds several. A name that the archive gives to the image, or the digest of
        its manifest, of an index or of its config.
      - With O(state=exported), which image of the store. A name, or the digest of its manifest or of its config.
      - With O(state=absent), a name of the image in the store, or the digest of its manifest or config.
    type: str
  platform:
    description:
      - For which platform the image must be, as C(OS/ARCHITECTURE[/VARIANT]), for example V(linux/arm64). An older
        variant of the same architecture is accepted, another architecture never.
      - Omitted, the platform of the target; with O(state=absent), any.
    type: str
  image_id:
    description: Expected digest of the config of the image, C(sha256:) and 64 digits.
    type: str
  manifest_digest:
    description: Expected digest of the manifest of the image. The archive of C(docker save) before 25.0 has none.
    type: str
  chain_id:
    description: Expected chain id of the top layer of the image.
    type: str
  id:
    description:
      - The id of the top layer, if it has to be made. Omitted, the 64 digits of its chain id, as for all other layers.
      - A top layer that is there keeps its id. RV(top) returns the id.
      - With O(state=exported), the image whose top layer has this id.
      - With O(state=absent), the id of the top layer of the image.
    type: str
  max_size:
    description:
      - Refuse an image whose missing layers are larger than this together, uncompressed.
      - V(0) and V("") mean no limit.
    type: str
  workers:
    description:
      - How many layers are unpacked at once, each by a process of its own. The module starts no more processes than
        there are processors.
      - If O(src) is compressed as a whole, the module unpacks one layer after the other.
    type: int
    default: 2
  keep_exact:
    description:
      - Keep what is needed to write the same tars of the layers again, and so the same image, in C(.strata-tar.z) of
        each new layer. This takes some 25 bytes for each file, about a thousandth of the size of a usual layer.
      - A layer that is there already stays as it is.
    type: bool
    default: true
  dest:
    description:
      - The file for the image, with O(state=exported). It appears whole or not at all.
      - The file is as it should be, and stays, if it holds the same image in the same form and compression, byte for
        byte but for the compression level. The module reads the file to find out, but not the layers.
      - If users other than root can write to its directory, the module also replaces a file that belongs neither to
        root nor to O(owner).
    type: path
  format:
    description:
      - With V(oci), O(dest) is the tar of an OCI image layout that also has the C(manifest.json) of C(docker save), so
        that each engine loads it.
      - With V(docker), O(dest) is an archive as C(docker save) wrote it before 25.0, without C(repositories).
    type: str
    choices: [oci, docker]
    default: oci
  names:
    description:
      - The names of the image in O(dest). Omitted, the names that the store knows.
      - C(manifest.json) has only the names with a tag, such as V(localhost/tools:1), because Docker refuses others.
    type: list
    elements: str
  compression:
    description:
      - Compression of the layers in O(dest). Docker before 23.0 and umoci before 0.5 do not read V(zstd).
    type: str
    choices: [none, gzip, zstd]
    default: none
  compression_level:
    description: From 1 to 9 with V(gzip), to 19 with V(zstd).
    type: int
  has:
    description:
      - Chain ids of layers that the other side has. O(dest) leaves them out, with all layers below them.
      - A run on a host with these layers then has the whole image. Chain ids of other images do no harm, so that
        RV(chain_ids) of an image that the other side has can be given as it is.
    type: list
    elements: str
    default: []
  layers_follow:
    description:
      - O(src) has the documents of the image, but not the layers. For check mode alone.
      - The controller sets this option itself, because in check mode it sends no layers.
    type: bool
    default: false
notes:
  - A layer without an exact record (see O(keep_exact)), or whose files have changed since, is exported as
    M(strata.overlay2.overlay2_diff) exports it. Its diff id is then another one, and so is the image id. A warning says
    so, and RV(exact) is false.
  - The store keeps the config and the names of the image beside the layers. A name belongs to one image of a store, so
    an image loses the names that another image gets.
  - At most 100 names of an image are kept and returned.
  - With async, the controller sends O(src) before the job begins.
seealso:
  - module: strata.overlay2.overlay2_image_info
  - module: strata.overlay2.overlay2_diff
  - module: strata.overlay2.overlay2_layer
"""

EXAMPLES = r"""
- name: Have the layers of an image that docker save or skopeo wrote
  strata.overlay2.overlay2_image:
    src: /srv/images/base.tar
    remote_src: true
  register: base

- name: Make a layer for a job on the image
  strata.overlay2.overlay2_layer:
    id: build-1
    parent: "{{ base.top }}"
    read_write: true

- name: Send the layers of an image that the host lacks
  strata.overlay2.overlay2_image:
    src: images/tools.tar
  register: tools

- name: Have an image that is known by its id, and need no archive if the host has it
  strata.overlay2.overlay2_image:
    src: images/tools.tar
    image_id: "{{ tools.image_id }}"

- name: Write an image of the store to a file that docker load, podman load and skopeo read
  strata.overlay2.overlay2_image:
    state: exported
    image_id: "{{ tools.image_id }}"
    names: [localhost/tools:1]
    dest: /srv/results/tools.tar

- name: Write what a host lacks that has the base image
  strata.overlay2.overlay2_image:
    state: exported
    image_id: "{{ tools.image_id }}"
    has: "{{ base.chain_ids }}"
    compression: gzip
    dest: /srv/results/tools.delta.tar

- name: Have an image of an OCI image layout, with a name of its own for the top layer
  strata.overlay2.overlay2_image:
    src: /srv/images/layout
    remote_src: true
    image: compiler
    id: compiler

- name: Remove an image, and the layers that nothing else needs
  strata.overlay2.overlay2_image:
    image: compiler
    state: absent
  register: removed

- name: Show which of its layers stay, and why
  ansible.builtin.debug:
    msg: "{{ item.id }}: {{ item.reason }}"
  loop: "{{ removed.layers | selectattr('present') }}"
"""

RETURN = r"""
actions:
  description: What the run did, in order. In check mode, what the run would do.
  returned: always
  type: list
  elements: str
  sample:
    - make layer c3a5e7092b4d6f80a1b3c5d7e9f0011223344556677889900aabbccddeeff001
    - record image sha256:9f2c1b7d4e5a60718293a4b5c6d7e8f90123456789abcdef0123456789abcdef
image_id:
  description: Digest of the config of the image; V(none) with O(state=absent) if the store does not have the image.
  returned: success
  type: str
  sample: "sha256:9f2c1b7d4e5a60718293a4b5c6d7e8f90123456789abcdef0123456789abcdef"
manifest_digest:
  description: Digest of the manifest of the image; V(none) in the archive of C(docker save) before 25.0.
  returned: success
  type: str
  sample: "sha256:1d4f6a8b0c2e3f5a7b9c1d3e5f60718293a4b5c6d7e8f9012345678abcdef012"
chain_id:
  description: Chain id of the top layer; V(none) as for RV(image_id).
  returned: success
  type: str
  sample: "sha256:c3a5e7092b4d6f80a1b3c5d7e9f0011223344556677889900aabbccddeeff001"
top:
  description: Id of the top layer, the parent for layers on the image; V(none) with O(state=absent).
  returned: success
  type: str
  sample: c3a5e7092b4d6f80a1b3c5d7e9f0011223344556677889900aabbccddeeff001
names:
  description: The names of the image.
  returned: success
  type: list
  elements: str
  sample: ["docker.io/library/debian:12"]
platform:
  description: The platform that the image is for; V(none) as for RV(image_id).
  returned: success
  type: str
  sample: linux/amd64
config:
  description:
    - The config of the image, as OCI describes it; V(none) if it has more than 64 KiB.
    - V(none) with O(state=absent).
  returned: success
  type: dict
  sample: {Cmd: [bash], Env: ["PATH=/usr/bin:/bin"]}
chain_ids:
  description: The chain ids of all layers, base first.
  returned: success
  type: list
  elements: str
  sample: ["sha256:c3a5e7092b4d6f80a1b3c5d7e9f0011223344556677889900aabbccddeeff001"]
layers:
  description: The layers of the image, base first. With O(state=absent), as they were before the run.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Id of the layer in the store.
      type: str
      sample: c3a5e7092b4d6f80a1b3c5d7e9f0011223344556677889900aabbccddeeff001
    parent:
      description: Id of its parent, V("") for the base.
      type: str
      sample: ""
    chain_id:
      description: Chain id of the layer.
      type: str
      sample: "sha256:c3a5e7092b4d6f80a1b3c5d7e9f0011223344556677889900aabbccddeeff001"
    diff_id:
      description: Digest of its uncompressed tar.
      type: str
      sample: "sha256:9f2c1b7d4e5a60718293a4b5c6d7e8f90123456789abcdef0123456789abcdef"
    digest:
      description: Digest of its file in the image; V(none) if the archive does not tell.
      type: str
      sample: "sha256:1d4f6a8b0c2e3f5a7b9c1d3e5f60718293a4b5c6d7e8f9012345678abcdef012"
    size:
      description: Size of that file in bytes; V(none) if it is not known.
      type: int
      sample: 28228777
    media_type:
      description: Media type of that file; V(none) if the archive does not tell.
      type: str
      sample: application/vnd.oci.image.layer.v1.tar+gzip
    present:
      description: Whether the store has the layer. With O(state=absent), whether the layer stays.
      type: bool
      sample: true
    exact:
      description:
        - Whether the store can write the same tar of the layer again. In check mode, what is expected.
        - With O(state=exported), whether O(dest) has the same tar as the one that came in.
      type: bool
      sample: true
    reason:
      description: Why the layer stays; V("") if it goes. Only with O(state=absent).
      type: str
      sample: the image app:2 is made of it
exact:
  description: The same of all layers of the image.
  returned: success
  type: bool
  sample: true
sent_bytes:
  description:
    - Size of what the controller sent as O(src), in bytes; V(0) if the store has the image. In check mode, what the run
      would send.
  returned: success, if O(src) is on the controller and the task is not async
  type: int
  sample: 28228777
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

import os
import typing as t

from ansible_collections.strata.overlay2.plugins.module_utils._driver.images.archive import platform_of
from ansible_collections.strata.overlay2.plugins.module_utils._driver.images.state import ImageSource
from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import home_argument, lock_argument
from ansible_collections.strata.overlay2.plugins.module_utils._module.engine import run_module
from ansible_collections.strata.overlay2.plugins.module_utils._module.mode import parse_mode
from ansible_collections.strata.overlay2.plugins.module_utils._module.sizes import parse_size
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.image import ImageTask


def task(params: dict[str, t.Any]) -> t.Any:
    """Return the task that the parameters describe. Raises InvalidInput."""
    if params["state"] == "exported":
        return export_task(params)
    if params["state"] == "absent":
        return absent_task(params)
    source = ImageSource(
        params["src"] or "",
        params["image"],
        params["platform"] or platform_of(os.uname().machine),
        parse_size(params["max_size"], "max_size") or None,
        params["image_id"],
        params["manifest_digest"],
        params["chain_id"],
        params["layers_follow"],
        params["workers"],
        params["keep_exact"],
    )
    return ImageTask(params["home"], source, params["id"])


# The others are imported late: state present does not need them, and each host compiles each import.


def choice_of(params: dict[str, t.Any]) -> t.Any:
    """Return which image of the store is meant."""
    from ansible_collections.strata.overlay2.plugins.module_utils._driver.images.choice import ImageChoice

    given = (params[name] or None for name in ("image", "platform", "image_id", "manifest_digest", "chain_id", "id"))
    return ImageChoice(*given)


def absent_task(params: dict[str, t.Any]) -> t.Any:
    """Return the task of state absent. Raises InvalidInput."""
    from ansible_collections.strata.overlay2.plugins.module_utils._tasks.image_absent import AbsentImageTask

    return AbsentImageTask(params["home"], choice_of(params))


def export_task(params: dict[str, t.Any]) -> t.Any:
    """Return the task of state exported. Raises InvalidInput."""
    from ansible_collections.strata.overlay2.plugins.module_utils._driver.content.output_file import (
        WantedAccess,
        group_id,
        user_id,
    )
    from ansible_collections.strata.overlay2.plugins.module_utils._driver.images.export_state import ImageExport
    from ansible_collections.strata.overlay2.plugins.module_utils._tasks.image_export import ImageExportTask

    wanted = ImageExport(
        params["dest"] or "",
        params["format"],
        None if params["names"] is None else tuple(params["names"]),
        params["compression"],
        params["compression_level"],
        WantedAccess(user_id(params["owner"]), group_id(params["group"]), parse_mode(params["mode"])),
        tuple(params["has"]),
    )
    return ImageExportTask(params["home"], choice_of(params), wanted)


def main() -> None:
    """Run the module."""
    run_module(
        task,
        argument_spec={
            **home_argument(),
            **lock_argument(),
            "state": {"type": "str", "choices": ["present", "exported", "absent"], "default": "present"},
            "src": {"type": "path"},
            "remote_src": {"type": "bool", "default": False},
            "image": {"type": "str"},
            "platform": {"type": "str"},
            "image_id": {"type": "str"},
            "manifest_digest": {"type": "str"},
            "chain_id": {"type": "str"},
            "id": {"type": "str"},
            "max_size": {"type": "str"},
            "workers": {"type": "int", "default": 2},
            "keep_exact": {"type": "bool", "default": True},
            "dest": {"type": "path"},
            "format": {"type": "str", "choices": ["oci", "docker"], "default": "oci"},
            "names": {"type": "list", "elements": "str"},
            "compression": {"type": "str", "choices": ["none", "gzip", "zstd"], "default": "none"},
            "compression_level": {"type": "int"},
            "has": {"type": "list", "elements": "str", "default": []},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "raw"},
            "layers_follow": {"type": "bool", "default": False},
        },
    )


if __name__ == "__main__":
    main()
