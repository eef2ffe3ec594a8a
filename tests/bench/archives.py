# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What moving content costs, against GNU tar, cp, find and rm in the same run: python3 archives.py [ROUNDS [FILES]]

Each step has a fresh XFS, ends with `sync -f`, and alternates with its peer. The figures are medians of the ratios of
pairs: CPU of the process and its children, net of the digest where the peer makes none (and raw), and wall time.
"""

from __future__ import annotations

import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

SIDE = [sys.executable, str(Path(__file__).with_name("side.py"))]
BIG = 1 << 30  # bytes


class Row(t.NamedTuple):
    """A step of ours beside a peer's.

    ours, theirs: shell commands; in them $D is the fresh filesystem, $I where the inputs lie.
    before:       shell, not timed, on the fresh filesystem.
    hashed:       the file whose digest our side makes and the peer does not; "" if both or neither do.
    limit:        of the CPU ratio, net of that.
    """

    name: str
    ours: str
    theirs: str
    before: str
    hashed: str
    limit: float


class Cost(t.NamedTuple):
    cpu: float  # seconds
    wall: float  # seconds
    memory: int  # KiB at most, of the greatest process


_UNPACK = "mkdir $D/x; tar -xpf $I/small.tar -C $D/x"
_FIND = "for d in x y; do find $D/$d -printf '%P %y %m %U %G %s %T@ %n %i %D\\n' >/dev/null; done"

ROWS = [
    Row(
        "apply small files / tar -x",
        ours="$S apply $I/small.tar $D/x",
        theirs="tar -xpf $I/small.tar -C $D/x",
        before="mkdir $D/x",
        hashed="small.tar",
        limit=0.90,
    ),
    Row(
        "apply 1 GiB / cp",
        ours="$S apply $I/big.tar $D/x",
        theirs="cp $I/big $D/x",
        before="mkdir $D/x",
        hashed="big.tar",
        limit=1.3,
    ),
    Row(
        "apply .tar.gz / tar -xz",
        ours="$S apply $I/small.tar.gz $D/x",
        theirs="tar -xzpf $I/small.tar.gz -C $D/x",
        before="mkdir $D/x",
        hashed="",
        limit=0.85,
    ),
    Row(
        "export small files / tar -c",
        ours="$S export $D/x $D/y",
        theirs="tar -cf $D/y -C $D/x .",
        before=_UNPACK,
        hashed="small.tar",
        limit=0.75,
    ),
    Row(
        "export / tar -c | sha256sum",
        ours="$S export $D/x /dev/null",
        theirs="tar -c -C $D/x . | sha256sum",
        before=_UNPACK,
        hashed="",
        limit=0.50,
    ),
    Row(
        "compare / two find -printf",
        ours="$S compare $D/y $D/x",
        theirs=_FIND,
        before=f"{_UNPACK}; mkdir $D/y; tar -xpf $I/small.tar -C $D/y",
        hashed="",
        limit=1.5,
    ),
    Row("remove / rm -rf", ours="$S remove $D/x", theirs="rm -rf $D/x", before=_UNPACK, hashed="", limit=1.1),
]


def make_inputs(place: Path, files: int) -> None:
    """Make the inputs: files of 1 to 4 KiB, 100 a directory, and one big file."""
    tree = place / "small"
    chance = random.Random(1)
    noise = chance.randbytes(1 << 16)
    for number in range(files):
        directory = tree / f"d{number // 100}"
        directory.mkdir(parents=True, exist_ok=True)
        size, start = chance.randrange(1024, 4096), chance.randrange(1 << 15)
        (directory / f"file-{number}").write_bytes(noise[start : start + size])
    with open(place / "big", "wb") as file:
        for _unused in range(BIG >> 20):
            file.write(chance.randbytes(1 << 20))
    shell(f"cd {place} && tar -cf small.tar -C small . && gzip -k small.tar && tar -cf big.tar big && rm -r small")


def shell(command: str, **variables: str) -> Cost:
    """Run a shell command; return what it cost. Whatever it says is a failure."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", command], env={**os.environ, **variables}, stdout=subprocess.DEVNULL
    )
    _unused, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command}: {process.returncode}")
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu, wall, used.ru_maxrss)


def timed(row: Row, command: str, place: Path) -> Cost:
    """Run one side on a fresh filesystem."""
    image, target = place / "image", place / "mnt"
    target.mkdir(exist_ok=True)
    variables = {"D": str(target), "I": str(place), "S": " ".join(SIDE)}
    shell(f"rm -f {image}; truncate -s 4G {image}; mkfs.xfs -q {image}; mount -o loop {image} {target}")
    try:
        shell(f"{row.before}; sync -f $D", **variables)
        return shell(f"{command}; sync -f $D", **variables)
    finally:
        shell(f"umount {target}")


def measure(row: Row, rounds: int, place: Path) -> bool:
    """Print a row's figures; tell whether its limit is kept."""
    net, raw, wall, memory = [], [], [], []
    for _unused in range(rounds):
        sides = {"ours": row.ours, "theirs": row.theirs}
        cost = {side: timed(row, sides[side], place) for side in random.sample(sorted(sides), 2)}
        digest = shell(f"{' '.join(SIDE)} hash {place / row.hashed}").cpu if row.hashed else 0.0
        start = shell(f"{' '.join(SIDE)} hash /dev/null").cpu if row.hashed else 0.0
        ours, theirs = cost["ours"], cost["theirs"]
        raw.append(ours.cpu / theirs.cpu)
        net.append((ours.cpu - digest + start) / theirs.cpu)
        wall.append(ours.wall / theirs.wall)
        memory.append(ours.memory)
    ratio = statistics.median(net)
    kept = ratio <= row.limit
    print(
        f"{row.name:<30} {ratio:6.2f} {statistics.median(raw):6.2f} {statistics.median(wall):6.2f}"
        f" {max(memory) / 1024:6.0f} MiB   at most {row.limit:.2f} {'ok' if kept else 'MISSED'}",
        flush=True,
    )
    return kept


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    files = int(sys.argv[2]) if len(sys.argv) > 2 else 50_000
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        place = Path(name)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12G", "tmpfs", place], check=True)
        try:
            make_inputs(place, files)
            print(f"{files} small files, {rounds} rounds; ratios of CPU net of the digest, CPU, wall; peak memory")
            kept = [measure(row, rounds, place) for row in ROWS]
        finally:
            subprocess.run(["umount", place], check=True)
    return not all(kept)


if __name__ == "__main__":
    sys.exit(main())
