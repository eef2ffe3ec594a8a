# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A place for the images of one case, and the boots of the machine."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import typing as t
import uuid
from pathlib import Path

from ansible_collections.strata.overlay2.tests.crash.playing import unmount_below
from ansible_collections.strata.overlay2.tests.power import devices, recorder

BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Bench:
    """A directory, a tmpfs, for the images of one case on one filesystem, and the place where they are mounted."""

    def __init__(self, directory: Path, kind: str) -> None:
        self.directory = directory
        self.kind = kind
        self.area = directory / "area"
        self._numbers = itertools.count()

    @contextlib.contextmanager
    def opened(self) -> t.Iterator[Bench]:
        """Keep the directory in memory, and own the id of the boot, while the block runs."""
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", self.directory], check=True)
        try:
            self.area.mkdir()
            self.boot()
            subprocess.run(["mount", "--bind", self._boot_file, BOOT_ID], check=True)
            try:
                yield self
            finally:
                subprocess.run(["umount", BOOT_ID], check=True)
        finally:
            subprocess.run(["umount", self.directory], check=True)

    @property
    def _boot_file(self) -> Path:
        return self.directory / "boot_id"

    def boot(self) -> None:
        """From now on, modules see another boot."""
        self._boot_file.write_text(f"{uuid.uuid4()}\n")

    @contextlib.contextmanager
    def new_file(self) -> t.Iterator[Path]:
        """Give the path of a file that nobody used before; with its companions, it is gone after the block."""
        path = self.directory / f"device-{next(self._numbers)}"
        try:
            yield path
        finally:
            for file in self.directory.glob(f"{path.name}*"):
                if file.name.partition(".")[0] == path.name:
                    file.unlink()

    @contextlib.contextmanager
    def mounted(self, image: devices.Image) -> t.Iterator[None]:
        """Mount a copy of *image* after another boot. All mounts in it end with the block."""
        with self.new_file() as path:
            image.write(path)
            self.boot()
            with devices.mounted(path, self.kind, self.area):
                try:
                    yield
                finally:
                    unmount_below(self.area)

    @contextlib.contextmanager
    def recorded(self, image: devices.Image) -> t.Iterator[recorder.Device]:
        """Mount a copy of *image* on a recorded device."""
        with self.new_file() as path:
            image.write(path)
            self.boot()
            with recorder.recorded(path, self.kind, self.area) as device:
                try:
                    yield device
                finally:
                    unmount_below(self.area)
