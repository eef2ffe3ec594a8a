# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of dev.d/machines that need no QEMU."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "dev.d/machines"))
import accelerator
import images
import machine
import qemu
import suites

USERNET = """\
net:
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[HOST_FORWARD]  13       127.0.0.1 44897       10.0.2.15    22     0     0
  TCP[ESTABLISHED]   17       127.0.0.1 44898       10.0.2.15    22     0     0
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    images.cache().mkdir(parents=True)
    return images.cache()


def test_each_suite_has_an_image_of_its_own():
    keys = [suites.key(suite) for suite in suites.SUITES]
    assert len(set(keys)) == len(keys) == 4
    assert keys == [suites.key(suite) for suite in suites.SUITES]
    assert all(key.startswith(f"{suite}-") for key, suite in zip(keys, suites.SUITES))


def test_the_recipe_holds_what_an_image_is_made_of():
    recipe = suites.recipe("bullseye")
    assert "xfsprogs" in recipe
    assert "pytest==" in recipe
    assert "def build(" in recipe


def test_the_shell_knows_the_same_suites():
    text = (suites.ROOT / "dev.d/machines.sh").read_text(encoding="utf-8")
    assert f"MACHINE_SUITES='{' '.join(suites.SUITES)}'" in text


def test_the_newest_ansible_is_taken():
    text = "# a comment\nansible-core==2.9.27\nansible-core==2.19.14; python_version < '3'\nansible-core==2.21.5; x\n"
    assert suites.ansible_version(text) == "ansible-core==2.21.5"


@pytest.mark.parametrize("cache", ["unsafe", "writeback"])
def test_both_disks_have_the_same_cache(cache: str):
    argv = qemu.whole("tcg", Path("/images/a b"), cache)
    drives = [argv[at + 1] for at, word in enumerate(argv) if word == "-drive"]
    assert [drive.split(",")[0] for drive in drives] == ["file=root.qcow2", "file=data.qcow2"]
    assert all(f"cache={cache}" in drive.split(",") for drive in drives)
    assert "/images/a b/vmlinuz" in argv


def test_the_forwarded_port_is_the_one_qemu_listens_on():
    assert qemu.forwarded_port(USERNET) == 44897


def test_no_forwarded_port_is_an_error():
    with pytest.raises(ValueError, match="forwards no port"):
        qemu.forwarded_port(USERNET.replace("HOST_FORWARD", "SYN_SENT"))


@pytest.fixture
def sleeping() -> t.Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def started(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19]


def test_a_process_is_known_by_when_it_started(tmp_path: Path, sleeping: subprocess.Popen[bytes]):
    here = qemu.Qemu(tmp_path)
    assert here.pid() is None
    (tmp_path / "pid").write_text(f"{sleeping.pid} {started(sleeping.pid)}")
    assert here.pid() == sleeping.pid
    (tmp_path / "pid").write_text(f"{sleeping.pid} 1")
    assert here.pid() is None
    assert not here.kill()
    assert sleeping.poll() is None


def test_a_killed_machine_is_gone_though_nobody_has_reaped_it(tmp_path: Path, sleeping: subprocess.Popen[bytes]):
    here = qemu.Qemu(tmp_path)
    (tmp_path / "pid").write_text(f"{sleeping.pid} {started(sleeping.pid)}")
    assert here.kill()
    assert here.pid() is None


def test_a_qemu_that_does_not_start_is_told_with_what_it_said(tmp_path: Path):
    with pytest.raises(qemu.Lost, match="no such accelerator"):
        qemu.Qemu(tmp_path).start(["sh", "-c", "echo no such accelerator >&2; exit 1"])


def test_who_asks_a_qemu_that_is_gone_is_told_so(tmp_path: Path):
    with pytest.raises(qemu.Lost, match="does not answer"):
        qemu.Qemu(tmp_path).ask("stop")


def test_a_machine_that_is_not_there_is_an_error_but_for_its_end(tmp_path: Path):
    here = machine.Machine(tmp_path / "none")
    for act in (here.boot, here.cut_power, here.ssh):
        with pytest.raises(qemu.Lost, match="none"):
            act()
    assert here.destroy() is False


def test_images_that_nobody_uses_go_after_a_while(cache: Path):
    long_ago = time.time() - images.UNUSED - 60
    for name in ("bookworm-old", "bookworm-used", "bookworm-new", "trixie-old"):
        (cache / name).mkdir()
    held = images.use(cache / "bookworm-used")
    for name in ("bookworm-old", "bookworm-used", "trixie-old"):
        os.utime(cache / name, (long_ago, long_ago))
    images.remove_unused("bookworm")
    os.close(held)
    assert sorted(path.name for path in cache.iterdir()) == ["bookworm-new", "bookworm-used", "trixie-old"]


def test_using_an_image_makes_it_young(cache: Path):
    (cache / "image").mkdir()
    os.utime(cache / "image", (1, 1))
    os.close(images.use(cache / "image"))
    assert (cache / "image").stat().st_mtime > 1


def test_an_accelerator_is_tried_once_a_boot(tmp_path: Path):
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    (tmp_path / f"accelerator-{boot}").write_text("kvm", encoding="ascii")
    assert accelerator.choose(tmp_path) == "kvm"
