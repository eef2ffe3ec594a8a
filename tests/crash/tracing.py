# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module under strace(1): record the steps that change files, and let one of them fail.

A step is a system call that succeeds in an undisturbed run, by name and number: the Nth call of its name in a process.
The module is forked from a process that has imported everything, so the steps are the same in each run. strace counts
in each process separately. In a child of the module, only calls with numbers that the module itself does not reach can
be chosen.
"""

from __future__ import annotations

import collections
import functools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.tests import modules

KILL = "SIGKILL"

# All that changes a file, its place, its attributes, or a mount, and what makes it durable. Not every architecture has
# all of them.
CALLS = """
    mkdir mkdirat mknod mknodat open openat link linkat symlink symlinkat unlink unlinkat rmdir
    rename renameat renameat2 chmod fchmod fchmodat chown fchown lchown fchownat utimensat setxattr lsetxattr fsetxattr
    removexattr lremovexattr fremovexattr write pwrite64 truncate ftruncate fallocate copy_file_range sendfile
    fsync fdatasync syncfs mount umount2 ioctl quotactl quotactl_fd
"""
_SET = ",".join(f"?{name}" for name in CALLS.split())
_CALL = re.compile(r"(\d+) +(\w+)\((.*)")
_READING = {
    name: re.compile(pattern)
    for names, pattern in (
        ("open openat", r"O_RDONLY(?!.*O_CREAT)|O_PATH"),
        ("ioctl", r"^(?!.*FS_IOC_FSSETXATTR)"),
        ("quotactl quotactl_fd", r"^(?!.*Q_X?SET)"),
    )
    for name in names.split()
}
_ELSEWHERE = re.compile(r'"/|<[^>]*[:/]')  # a path, or what -y shows of an fd: a path, a pipe


class Step(t.NamedTuple):
    """The *number*th call of *name* in the module's own process, or in one that it makes. text: as strace shows it.

    before: how many calls of each name the module's own process had made until then.
    """

    name: str
    number: int
    own: bool
    text: str
    before: t.Mapping[str, int]

    def __str__(self) -> str:
        return f"{self.name} number {self.number}{'' if self.own else ' in a child'}: {self.text}"


class Outcome(t.NamedTuple):
    """result: None if the module was killed. hit: what strace says of the calls it let fail."""

    result: dict[str, t.Any] | None
    hit: list[str]


def record(main: t.Callable[[], None], params: dict[str, t.Any], area: Path) -> list[Step]:
    """Run a module; return the steps it takes below *area*, of a child's those that are none of the module's own."""
    _result, lines = _run(main, params, "-f", "-e", f"trace={_SET}")
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    steps: dict[tuple[str, int], Step] = {}
    module_pid = lines[0].split()[0]
    for line in lines:
        call = _CALL.match(line)
        if call is None:  # the rest of a call, an exit
            continue
        pid, name, text = call.groups()
        counts[pid, name] += 1
        if not _changes(name, text, str(area)):
            continue
        before = {other: count for (caller, other), count in counts.items() if caller == module_pid}
        step = Step(name, counts[pid, name], pid == module_pid, text, {**before, name: counts[pid, name] - 1})
        if step.own or step[:2] not in steps:
            steps[step[:2]] = step
    return [step for step in steps.values() if step.own or step.number > counts[module_pid, step.name]]


def interrupt(main: t.Callable[[], None], params: dict[str, t.Any], step: Step, fault: str) -> Outcome:
    """Run a module and let *step* fail with *fault*, or end it there by SIGKILL."""
    how = f"signal={fault}" if fault == KILL else f"error={fault}"
    children = () if step.own else ("-f",)
    inject = f"inject={step.name}:{how}:when={step.number}"
    result, lines = _run(main, params, *children, "-e", f"trace={step.name}", "-e", inject)
    return Outcome(result, [line for line in lines if "(INJECTED)" in line or f"killed by {KILL}" in line])


def spoil(main: t.Callable[[], None], params: dict[str, t.Any], path: str, calls: str, error: str = "EIO") -> Outcome:
    """Run a module and let all *calls*, separated by commas, about *path*, or names right in it, fail with *error*."""
    names = ",".join(f"?{name}" for name in calls.split(","))
    options = ("-P", path, "-e", f"trace={names}", "-e", f"inject={names}:error={error}")
    result, lines = _run(main, params, *options)
    return Outcome(result, [line for line in lines if "(INJECTED)" in line])


def fail_from(
    main: t.Callable[[], None], params: dict[str, t.Any], step: Step, fault: str, names: t.Sequence[str]
) -> Outcome:
    """Run a module and let *step* fail with *fault*, and from then on each call of its name or of one of *names*."""
    firsts = {name: step.before.get(name, 0) + 1 for name in names} if step.own else {}
    firsts[step.name] = step.number
    injections = [f"inject=?{name}:error={fault}:when={first}+" for name, first in firsts.items()]
    children = () if step.own else ("-f",)
    options = [word for injection in injections for word in ("-e", injection)]
    result, lines = _run(main, params, *children, "-e", "trace=" + ",".join(f"?{name}" for name in firsts), *options)
    return Outcome(result, [line for line in lines if "(INJECTED)" in line])


def pause(
    main: t.Callable[[], None], params: dict[str, t.Any], step: Step, deed: t.Callable[[], object]
) -> dict[str, t.Any] | None:
    """Run a module, stop it right after *step*, do *deed*, let it go on; return its result."""

    def meanwhile(pid: int, log: t.Callable[[], str]) -> None:
        while "--- stopped by SIGSTOP ---" not in log():
            assert "+++" not in log(), f"it ended before {step}"
            time.sleep(0.005)
        deed()
        os.kill(pid, signal.SIGCONT)

    inject = f"inject={step.name}:signal=SIGSTOP:when={step.number}"
    return _run(main, params, "-e", f"trace={step.name}", "-e", inject, meanwhile=meanwhile)[0]


@functools.cache
def why_not() -> str | None:
    """Return why strace cannot be used here; None if it can."""
    if shutil.which("strace") is None:
        return "needs strace"
    command = ["strace", "-e", "inject=getppid:error=EIO", "true"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if run.returncode == 0 else f"ptrace(2) is not possible here: {run.stderr.strip()}"


def _run(
    main: t.Callable[[], None],
    params: dict[str, t.Any],
    *options: str,
    meanwhile: t.Callable[[int, t.Callable[[], str]], None] = lambda pid, log: None,
) -> tuple[dict[str, t.Any] | None, list[str]]:
    gate, opener = os.pipe()
    tracers: list[subprocess.Popen[str]] = []
    with tempfile.NamedTemporaryFile("r", encoding="utf-8", errors="replace") as log:

        def wait() -> None:
            os.close(opener)
            os.read(gate, 1)

        def attach(pid: int) -> None:
            command = ["strace", "-y", "-o", log.name, *options, "-p", str(pid)]
            tracers.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
            assert tracers[0].stderr
            said = tracers[0].stderr.readline()
            while "resolved into" in said:  # a symlink that is to be spoiled
                said = tracers[0].stderr.readline()
            os.close(opener)  # goes on, attached or not
            assert "attached" in said, said
            try:
                meanwhile(pid, Path(log.name).read_text)
            except BaseException:
                os.kill(pid, signal.SIGKILL)
                raise

        try:
            result = modules.run_module(main, params, wait, attach)
        finally:
            os.close(gate)
            for tracer in tracers:
                tracer.communicate()
        return result, log.read().splitlines()


def _changes(name: str, text: str, area: str) -> bool:
    reading = _READING.get(name)
    if " = -1 " in text or (reading and reading.search(text)):
        return False
    return area in text or not _ELSEWHERE.search(text)
