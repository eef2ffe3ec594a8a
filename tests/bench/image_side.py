# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our side of images.py, as Ansible runs a module: python3 image_side.py WHAT [PARAMETERS]

present JSON      overlay2_image with these parameters
empty             a module that does nothing
delta ARCHIVE OUT write the delta of an archive for a store that has all layers but the last
"""

from __future__ import annotations

import json
import sys
import typing as t


def present(params: str) -> None:
    from ansible.module_utils.testing import patch_module_args
    from ansible_collections.strata.overlay2.plugins.modules import overlay2_image

    with patch_module_args(json.loads(params)):
        overlay2_image.main()


def empty() -> None:
    from ansible.module_utils.basic import AnsibleModule
    from ansible.module_utils.testing import patch_module_args

    with patch_module_args({}):
        AnsibleModule({}).exit_json()


def delta(archive: str, out: str) -> None:
    from ansible_collections.strata.overlay2.plugins.module_utils._image.archive import read_image
    from ansible_collections.strata.overlay2.plugins.module_utils._image.delta import write_delta
    from ansible_collections.strata.overlay2.plugins.module_utils._image.platforms import parse_platform
    from ansible_collections.strata.overlay2.plugins.module_utils._image.source import open_files

    with open_files(archive) as files, open(out, "wb") as file:
        image = read_image(files, None, parse_platform("linux/amd64"))
        write_delta(files, image, [image.layers[-1].chain_id], file.write)


if __name__ == "__main__":
    sides: dict[str, t.Callable[..., None]] = {side.__name__: side for side in (present, empty, delta)}
    sides[sys.argv[1]](*sys.argv[2:])
