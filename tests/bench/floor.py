# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the time goes: the cost of the necessary system calls alone, called from Python.

python3 floor.py [ROUNDS]: for each operation on 50,000 small files, on a fresh XFS, the microseconds of CPU per file of
these calls alone, of all our work (without digests), and of the peer's process. The least of all rounds, unsynced.
"""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import apply_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.collected import Counted
from ansible_collections.strata.overlay2.plugins.module_utils._archive.export import export_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.naive_diff import tree_changes
from ansible_collections.strata.overlay2.plugins.module_utils._store.delete import delete_tree

FILES, IN_EACH, SIZE = 50_000, 100, 2560  # files; in a directory; bytes
BODY = os.urandom(SIZE)
_BUFFER = memoryview(bytearray(1 << 18))
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NOATIME | os.O_NONBLOCK


def make(name: str, fd: int) -> None:
    file = os.open(name, _NEW, 0o644, dir_fd=fd)
    os.write(file, BODY)
    os.utime(file, ns=(1, 1))
    os.close(file)


def read(name: str, fd: int) -> None:
    file = os.open(name, _OLD, dir_fd=fd)
    os.fstat(file)
    os.listxattr(file)
    os.readv(file, [_BUFFER[: SIZE + 1]])
    os.close(file)


def look(name: str, fd: int) -> None:
    os.stat(name, dir_fd=fd, follow_symlinks=False)
    os.listxattr(name, follow_symlinks=False)


def unlink(name: str, fd: int) -> None:
    os.unlink(name, dir_fd=fd)


def each(call: t.Callable[[str, int], None], *trees: Path) -> None:
    """Call that for each file of the trees, which has its directory open and as working directory."""
    for tree in trees:
        for directory in range(FILES // IN_EACH):
            path = tree / f"d{directory}"
            path.mkdir(exist_ok=True)
            os.chdir(path)
            fd = os.open(path, os.O_RDONLY)
            for number in range(IN_EACH):
                call(f"file-{number}", fd)
            os.close(fd)
    os.chdir("/")


def apply(tar: Path, tree: Path) -> None:
    with open(tar, "rb", buffering=0) as file:
        apply_layer(file.read, str(tree))


def export(tree: Path, tar: Path) -> None:
    with open(tar, "wb", buffering=0) as file:
        export_layer(str(tree), file.write)


def compare(new: Path, old: Path) -> None:
    tree_changes(str(new), str(old), Counted())


def cost(work: t.Callable[[], object]) -> float:
    """Return microseconds of CPU, our own and of what was waited for, a file."""
    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    work()
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    spent = sum(b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime for a, b in zip(before, after))
    return spent * 1e6 / FILES


def shell(command: str) -> None:
    subprocess.run(["sh", "-euc", command], check=True, stdout=subprocess.DEVNULL)


def one_round(place: Path) -> dict[str, tuple[float, float, float]]:
    """Return by operation what the calls alone cost, what we do, and the peer. On a fresh filesystem at *place*."""
    a, b, c, tar = place / "a", place / "b", place / "c", place / "tar"
    find = "find {} -printf '%P %y %m %U %G %s %T@ %n %i %D\\n'"
    for directory in (a, b, c):
        directory.mkdir()
    found = {}
    bare = cost(lambda: each(make, a))
    shell(f"tar -cf {tar} -C {a} .")
    found["apply / tar -x"] = bare, cost(lambda: apply(tar, b)), cost(lambda: shell(f"tar -xpf {tar} -C {c}"))
    ours = cost(lambda: export(b, tar))
    found["export / tar -c"] = cost(lambda: each(read, a)), ours, cost(lambda: shell(f"tar -cf {tar} -C {c} ."))
    ours = cost(lambda: compare(c, b))
    peer = cost(lambda: shell(f"{find.format(b)}; {find.format(c)}"))
    found["compare / find, twice"] = cost(lambda: each(look, b, c)), ours, peer
    ours = cost(lambda: delete_tree(str(b)))
    found["remove / rm -r"] = cost(lambda: each(unlink, a)), ours, cost(lambda: shell(f"rm -rf {c}"))
    return found


def main() -> int:
    gc.disable()  # as the modules do
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    results = []
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        image, place = Path(name, "image"), Path(name, "mnt")
        place.mkdir()
        for _unused in range(rounds):
            shell(f"rm -f {image}; truncate -s 4G {image}; mkfs.xfs -q {image}; mount -o loop {image} {place}")
            try:
                results.append(one_round(place))
            finally:
                shell(f"umount {place}")
    print(f"{'us of CPU a file, of ' + str(FILES):<28} {'calls alone':>12} {'all of ours':>12} {'peer':>8}")
    for operation in results[0]:
        bare, ours, peer = (min(result[operation][column] for result in results) for column in range(3))
        print(f"{operation:<28} {bare:12.1f} {ours:12.1f} {peer:8.1f}   {bare / peer:5.2f} {ours / peer:5.2f} of it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
