# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on a machine's disk: Debian, its kernel, and what the tests use. Pure, but for reading the requirements."""

from __future__ import annotations

import hashlib
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Suite(t.NamedTuple):
    """A Debian release: *requirements* names what pip gets for its Python, *hooks* what is run before apt starts."""

    kernel: str
    python: str
    requirements: str
    hooks: tuple[str, ...] = ()


# The archive of a release at the end of its life lists security updates that it has no more.
NO_SECURITY = (
    'printf "Package: *\\nPin: release l=Debian-Security\\nPin-Priority: -1\\n" >"$1/etc/apt/preferences.d/no-security"'
)

SUITES = {
    "bullseye": Suite("5.10", "3.9", "target-3.9.txt", (NO_SECURITY,)),
    "bookworm": Suite("6.1", "3.11", "target-3.14.txt"),
    "trixie": Suite("6.12", "3.13", "target-3.14.txt"),
    "forky": Suite("7", "3.14", "target-3.14.txt"),
}

# A machine that boots and answers; what targets have, and what the tests look at them with.
PACKAGES = tuple(
    " ".join(
        (
            "systemd-sysv dbus udev kmod initramfs-tools linux-image-cloud-amd64 iproute2 openssh-server",
            "python3 passwd sudo mount e2fsprogs xfsprogs btrfs-progs quota acl attr libcap2-bin",
            "uidmap zstd libarchive-tools strace procps psmisc fdisk parted busybox-static rsync",
        )
    ).split()
)

# Someone without rights, for rootless stores; useradd gives them ids in /etc/subuid, too.
USER = "worker"

# Run for the new root filesystem, which is $1.
HOOKS = (
    'printf "[Match]\\nName=en*\\n[Network]\\nAddress=10.0.2.15/24\\n" >"$1/etc/systemd/network/en.network"',
    'chroot "$1" systemctl --quiet enable systemd-networkd',
    # What would start by itself in the middle of a test.
    'chroot "$1" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service'
    " fstrim.timer systemd-networkd-wait-online.service man-db.timer dpkg-db-backup.timer",
    'printf "UseDNS no\\nMaxStartups 100\\nMaxSessions 100\\n" >"$1/etc/ssh/sshd_config.d/machine.conf"',
    'printf "/dev/vda / ext4 defaults 0 0\\n" >"$1/etc/fstab"',
    'echo machine >"$1/etc/hostname"',
    f'chroot "$1" useradd --create-home --shell /bin/bash {USER}',
    # A power cut is no reason to wait for somebody at the console.
    'printf "FSCKFIX=yes\\n" >"$1/etc/default/rcS"',
)

# Loaded before the memory is saved, so that no test pays for it.
MODULES = ("overlay", "xfs", "btrfs", "loop", "quota_v2")


def requirements(suite: str) -> Path:
    """Return the file that says what pip installs for the suite's Python."""
    return ROOT / "requirements" / SUITES[suite].requirements


def ansible_version(text: str) -> str:
    """Return the newest ansible-core that requirements/run.txt pins: its module_utils run on every target's Python."""
    pins = [line.split(";")[0].strip() for line in text.splitlines() if line.startswith("ansible-core==")]
    return max(pins, key=lambda pin: [int(number) for number in pin.split("==")[1].split(".")])


def recipe(suite: str) -> str:
    """Return a text that differs where the disks do."""
    ours = [Path(__file__).with_name("build.py"), requirements(suite), ROOT / "requirements/run.txt"]
    parts = [suite, repr(SUITES[suite]), repr(PACKAGES), repr(HOOKS), repr(MODULES)]
    return "\n".join([*parts, *(path.read_text(encoding="utf-8") for path in ours)])


def key(suite: str) -> str:
    """Return the name of the suite's image: another recipe makes another image."""
    return f"{suite}-{hashlib.sha256(recipe(suite).encode()).hexdigest()[:12]}"
