# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building an image: mmdebstrap, pip, mke2fs. This file is part of the recipe: a change here builds all anew."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import suites


def build(suite: str, new: Path) -> None:
    """Fill the directory *new* with a kernel, a root filesystem and keys."""
    with open(new / "build.log", "wb") as log:
        try:
            _key(new, log)
            _root(suite, new, log)
            _disk(new, log)
        except subprocess.CalledProcessError as error:
            log.flush()
            print((new / "build.log").read_text(encoding="utf-8", errors="replace")[-4000:], file=sys.stderr)
            raise SystemExit(f"dev: cannot build a machine of Debian {suite}: {error.cmd[0]} failed") from error
    shutil.rmtree(new / "root")


def _key(new: Path, log: t.IO[bytes]) -> None:
    for name in ("id", "host"):
        _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "machine", "-f", str(new / name)], log)
    (new / "known_hosts").write_text(f"machine {(new / 'host.pub').read_text()}", encoding="ascii")


def _root(suite: str, new: Path, log: t.IO[bytes]) -> None:
    root = new / "root"
    hooks = [f"--setup-hook={hook}" for hook in suites.SUITES[suite].hooks]
    hooks += [f"--customize-hook={hook}" for hook in (*suites.HOOKS, *_keys(new))]
    _run(
        # In a mount namespace, so that an interrupted build leaves nothing mounted.
        ["unshare", "--mount", "--propagation", "private", "nice", "mmdebstrap", "--mode=root"]
        + [
            f"--keyring={os.environ['STRATA_KEYRING']}",
            "--variant=apt",
            "--format=directory",
            f"--include={','.join(suites.PACKAGES)}",
        ]
        # What is not released may have an index that is older than it says it can be.
        + ['--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=APT::Install-Recommends "false"']
        + [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale")]
        + [*hooks, suite, str(root)],
        log,
    )
    _wheels(suite, root, log)
    # The newest, if an update brought another.
    for name, what in (("vmlinuz", "vmlinuz-*"), ("initrd", "initrd.img-*")):
        shutil.copy(max((root / "boot").glob(what)), new / name)
    for place in ("var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(root / place)


def _keys(new: Path) -> t.Iterator[str]:
    """Yield the hooks that have the machine know our key, and have itself known by the other."""
    yield f'install -D -m 600 "{new}/id.pub" "$1/root"/.ssh/authorized_keys'
    yield f'rm "$1"/etc/ssh/ssh_host_*; install -m 600 "{new}/host" "$1/etc/ssh/ssh_host_ed25519_key"'


def _wheels(suite: str, root: Path, log: t.IO[bytes]) -> None:
    """What Debian's own packages are too old for: pytest in /site, and in /ansible what modules take from Ansible."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    pip += ["install", "--no-deps", "--no-compile"]
    ansible = suites.ansible_version((suites.ROOT / "requirements/run.txt").read_text(encoding="utf-8"))
    python = suites.SUITES[suite].python
    wanted = {"site": (python, "-r", str(suites.requirements(suite))), "ansible": ("3.14", ansible)}
    for target, (version, *what) in wanted.items():
        # Their Python is the machine's, and not the one that pip runs on and would compare.
        options = ["--only-binary=:all:", "--ignore-requires-python", "--python-version", version]
        options += ["--target", str(root / target)]
        _run([*pip, *options, *what], log, env={**os.environ, "HOME": os.environ.get("STRATA_USER_HOME", "/root")})
    whole, part = root / "ansible", root / "part"
    part.mkdir()
    for name in ("module_utils", "_vendor", "__init__.py", "release.py"):
        (whole / "ansible" / name).rename(part / name)
    shutil.rmtree(whole)
    whole.mkdir()
    part.rename(whole / "ansible")
    _run(["chroot", str(root), "python3", "-m", "compileall", "-q", "/site", "/ansible"], log)
    _run(["chroot", str(root), "env", "PYTHONPATH=/ansible", "python3", "-c", "import ansible.module_utils.basic"], log)


def _disk(new: Path, log: t.IO[bytes]) -> None:
    disk = new / "root.ext4"
    with open(disk, "wb") as file:
        file.truncate(8 << 30)
    _run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", str(new / "root"), str(disk)], log)


def _run(command: t.Sequence[str], log: t.IO[bytes], env: dict[str, str] | None = None) -> None:
    log.flush()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
