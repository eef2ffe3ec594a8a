# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read whole images, and tell the memory that this takes: python3 whole_image.py ARCHIVE..."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import CHUNK
from ansible_collections.strata.overlay2.plugins.module_utils._errors import Overlay2Error
from ansible_collections.strata.overlay2.plugins.module_utils._image.archive import read_image
from ansible_collections.strata.overlay2.plugins.module_utils._image.layer_file import open_layer
from ansible_collections.strata.overlay2.plugins.module_utils._image.platforms import parse_platform
from ansible_collections.strata.overlay2.plugins.module_utils._image.source import open_files


def read_whole(path: str | os.PathLike[str]) -> None:
    """Read the image at *path*, all its layers included."""
    with open_files(str(path)) as files:
        for layer in read_image(files, None, parse_platform("linux/amd64")).layers:
            with open_layer(files, layer) as reader:
                for _piece in iter(lambda: reader.read(CHUNK), b""):
                    pass


def peak_of(path: str) -> int:
    """Read an archive in a child; return the most memory that the child had, in KiB."""
    answer, question = os.pipe()
    child = os.fork()
    if not child:
        with contextlib.suppress(Overlay2Error):
            read_whole(path)
        status = Path("/proc/self/status").read_text(encoding="ascii")
        os.write(question, status.partition("VmHWM:")[2].split()[0].encode())
        os._exit(0)
    os.close(question)
    with open(answer, encoding="ascii") as file:
        peak = int(file.read())
    os.waitpid(child, 0)
    return peak


if __name__ == "__main__":
    for archive in sys.argv[1:]:
        print(peak_of(archive))
