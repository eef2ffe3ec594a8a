# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe a kernel's abilities by trial, not by version: python3 probe.py DISK, as root in a machine of ./dev kernels.

Prints JSON: columns of docs/kernels.md. DISK is a block device, which is overwritten.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe import features
from ansible_collections.strata.overlay2.plugins.module_utils._linux import quotactl
from ansible_collections.strata.overlay2.plugins.module_utils._linux.openat2 import has_openat2

PARAMETERS = "/sys/module/overlay/parameters"
SYS_FSOPEN, SYS_FSCONFIG = 430, 431  # the same on every machine
FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE = 1, 6  # include/uapi/linux/mount.h
FILESYSTEMS = {
    "XFS": (["mkfs.xfs", "-q", "-f"], "xfs"),
    "ext4": (["mkfs.ext4", "-q", "-F", "-O", "quota,project", "-E", "quotatype=prjquota"], "ext4"),
}

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


@contextlib.contextmanager
def mounted(disk: str, make: t.Sequence[str], kind: str) -> t.Iterator[Path]:
    """Format the disk and mount it with project quotas."""
    subprocess.run([*make, disk], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["mount", "-t", kind, "-o", "prjquota", disk, place], check=True)
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", place], check=True)


def takes(place: Path, *options: str, before: t.Sequence[str] = ()) -> bool:
    """Tell whether an overlay with these options can be mounted, and has them afterwards.

    before: a command that runs the mount.
    """
    names = [place / name for name in ("lower", "upper", "work", "merged")]
    for name in names:
        name.mkdir(mode=0o777, exist_ok=True)
        name.chmod(0o777)
    lower, upper, work, merged = names
    data = ",".join([f"lowerdir={lower},upperdir={upper},workdir={work}", *options])
    script = 'mount -t overlay -o "$1" overlay "$2" && findmnt --noheadings --output OPTIONS "$2" && umount "$2"'
    command = [*before, "unshare", "--mount", "sh", "-c", script, "sh", data, str(merged)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0 and set(options) <= set(done.stdout.strip().split(","))


def default(name: str) -> str:
    """Return the default options of mounts."""
    try:
        value = Path(PARAMETERS, name).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return "not known"
    return {"Y": "on", "N": "off"}.get(value, value)


def option(place: Path, name: str) -> str:
    """Return whether the kernel takes NAME=on, and what it does by default."""
    return f"{'yes' if takes(place, f'{name}=on') else 'no'}, {default(name)} by default"


def takes_lowers_apart() -> bool:
    """Tell whether fsconfig(2) takes the lowers one by one, as lowerdir+.

    Only the creation of the superblock tells: an old kernel accepts any word before.
    """
    context = libc.syscall(ctypes.c_long(SYS_FSOPEN), ctypes.c_char_p(b"overlay"), ctypes.c_uint(0))
    if context < 0:
        raise OSError(ctypes.get_errno(), "fsopen(overlay)")
    with tempfile.TemporaryDirectory() as place:
        try:
            for name in ("first", "second"):
                os.mkdir(f"{place}/{name}")
                fsconfig(context, FSCONFIG_SET_STRING, b"lowerdir+", f"{place}/{name}".encode())
            fsconfig(context, FSCONFIG_CMD_CREATE, None, None)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return False
            raise
        finally:
            os.close(context)
    return True


def fsconfig(context: int, command: int, key: bytes | None, value: bytes | None) -> None:
    words = (ctypes.c_uint(command), ctypes.c_char_p(key), ctypes.c_char_p(value), ctypes.c_int(0))
    if libc.syscall(ctypes.c_long(SYS_FSCONFIG), ctypes.c_int(context), *words) < 0:
        raise OSError(ctypes.get_errno(), "fsconfig(overlay)")


def has_quotactl_fd(place: Path) -> bool:
    """Tell whether the kernel answers quota calls by an open file, on a filesystem with quotas."""
    fd = os.open(place, os.O_RDONLY)
    try:
        return quotactl.state_by_fd(fd) != 0
    except OSError as error:
        if error.errno == errno.ENOSYS:
            return False
        raise
    finally:
        os.close(fd)


def word(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "not known"}[value]


def ask(place: Path) -> dict[str, str]:
    """Return the findings on a filesystem with quotas."""
    place.chmod(0o777)
    rootless = ["setpriv", "--reuid=worker", "--regid=worker", "--clear-groups", "unshare", "--user", "--map-root-user"]
    return {
        "index": option(place, "index"),
        "metacopy": option(place, "metacopy"),
        "redirect_dir": option(place, "redirect_dir"),
        "userxattr": word(takes(place, "userxattr")),
        "mounts without root": word(takes(place, "userxattr", before=rootless)),
        "native diff": word(features.probe(str(place / "store")).native_overlay_diff),
        "quotactl_fd": word(has_quotactl_fd(place)),
        "openat2": word(has_openat2()),
        "lowerdir+": word(takes_lowers_apart()),
    }


def main() -> None:
    asked: dict[str, str] = {}
    quotas: dict[str, str] = {}
    for name, (make, kind) in FILESYSTEMS.items():
        with mounted(sys.argv[1], make, kind) as place:
            quotas[f"quotas on {name}"] = word(features.probe(str(place / "store")).project_quota)
            asked = asked or ask(place)
    python = ".".join(map(str, sys.version_info[:2]))
    json.dump({"Linux": ".".join(os.uname().release.split(".")[:2]), "Python": python, **asked, **quotas}, sys.stdout)


if __name__ == "__main__":
    main()
