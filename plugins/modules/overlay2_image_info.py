#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the images in a store, or in an archive."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_image_info
short_description: List the images in a store or in an archive
version_added: 1.0.0
description:
  - Lists the images that M(strata.overlay2.overlay2_image) put into a store, or the images in an archive on the target,
    and tells which of their layers the store has.
  - Of an archive, the module reads and verifies the documents. It reads no layer.
  - The module changes nothing and takes no lock.
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.attributes_of_a_look
options:
  src:
    description:
      - The archive of images on the target, in any form that M(strata.overlay2.overlay2_image) reads.
      - Omitted, the images of the store are listed.
    type: path
  image:
    description: List only images with this name or digest.
    type: str
  platform:
    description:
      - List only images for this platform, as C(OS/ARCHITECTURE[/VARIANT]). An older variant of the same architecture
        is listed, too.
    type: str
  chain_ids:
    description:
      - Only tell which of these layers the store has, as RV(present). RV(images) is empty then.
      - Give the chain ids of an image, base first.
    type: list
    elements: str
notes:
  - An image of the store whose record is damaged is not listed. A warning names the file and the cure, and the other
    images are listed. The subset C(health) of M(strata.overlay2.overlay2_facts) names the file, too.
  - At most 1,000 images with 20,000 layers together are listed. RV(truncated) tells whether there are more.
seealso:
  - module: strata.overlay2.overlay2_image
"""

EXAMPLES = r"""
- name: List the images of the store
  strata.overlay2.overlay2_image_info:
  register: store

- name: List what an archive holds, and which of the layers are there
  strata.overlay2.overlay2_image_info:
    src: /srv/images/base.tar
  register: archive
"""

RETURN = r"""
images:
  description: The images. Those of a store are sorted by image id, those of an archive are in its order.
  returned: success
  type: list
  elements: dict
  contains:
    image_id:
      description: Digest of the config of the image.
      type: str
      sample: "sha256:9f2c1b7d4e5a60718293a4b5c6d7e8f90123456789abcdef0123456789abcdef"
    manifest_digest:
      description: Digest of the manifest of the image; V(none) in the archive of C(docker save) before 25.0.
      type: str
      sample: "sha256:1d4f6a8b0c2e3f5a7b9c1d3e5f60718293a4b5c6d7e8f9012345678abcdef012"
    chain_id:
      description: Chain id of the top layer.
      type: str
      sample: "sha256:c3a5e7092b4d6f80a1b3c5d7e9f0011223344556677889900aabbccddeeff001"
    top:
      description: Id of the top layer, the parent for layers on the image; V(none) if the store lacks it.
      type: str
      sample: c3a5e7092b4d6f80a1b3c5d7e9f0011223344556677889900aabbccddeeff001
    names:
      description: The names of the image.
      type: list
      elements: str
      sample: ["docker.io/library/debian:12"]
    platform:
      description: The platform that the image is for.
      type: str
      sample: linux/amd64
    config:
      description: The config of the image, as OCI describes it; V(none) if it has more than 64 KiB, or if several
        images are listed.
      type: dict
      sample: {Cmd: [bash], Env: ["PATH=/usr/bin:/bin"]}
    chain_ids:
      description: The chain ids of all layers, base first.
      type: list
      elements: str
      sample: ["sha256:c3a5e7092b4d6f80a1b3c5d7e9f0011223344556677889900aabbccddeeff001"]
    layers:
      description: The layers of the image, base first.
      type: list
      elements: dict
      contains:
        id:
          description: Id of the layer in the store; V(none) if the store lacks it.
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
          description: Whether the store has the layer.
          type: bool
          sample: true
        exact:
          description: Whether the store can write the same tar of the layer again.
          type: bool
          sample: true
    exact:
      description: Whether the store can write the same tars of all layers again.
      type: bool
      sample: true
present:
  description: Those of O(chain_ids) that the store has, each with all before it.
  returned: success
  type: list
  elements: str
  sample: [c3a5e7092b4d6f80a1b3c5d7e9f0011223344556677889900aabbccddeeff001]
platform:
  description: The platform of the target, which M(strata.overlay2.overlay2_image) asks for by default.
  returned: success
  type: str
  sample: linux/amd64
truncated:
  description: Whether more images were found than are listed.
  returned: success
  type: bool
  sample: false
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
from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import home_argument
from ansible_collections.strata.overlay2.plugins.module_utils._module.query import run_query
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.image_info import look, look_for


def query(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the result for the parameters. Raises Overlay2Error, OSError."""
    if params["chain_ids"] is not None:
        return {**look_for(params["home"], params["chain_ids"]), "platform": platform()}
    listed = look(params["home"], params["src"], params["image"], params["platform"])
    return {**listed, "present": [], "platform": platform()}


def platform() -> str:
    """Return the platform of this host."""
    return platform_of(os.uname().machine)


def main() -> None:
    """Run the module."""
    run_query(
        query,
        argument_spec={
            **home_argument(),
            "src": {"type": "path"},
            "image": {"type": "str"},
            "platform": {"type": "str"},
            "chain_ids": {"type": "list", "elements": "str"},
        },
    )


if __name__ == "__main__":
    main()
