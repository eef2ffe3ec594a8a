# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of moving content, beside tar, Docker, containers-storage, cp, find and rm: archives.py [ROUNDS [PART]]

A peer does the same work as our side: tar keeps xattrs and ACLs, and getfattr beside find reads capabilities. A second
row has the peer without these options: it shows what the options cost, and has no limit.
Each step has a fresh XFS, ends with `sync -f`, and alternates with its peer. The figures are medians of the ratios of
pairs: CPU of the process and its children, without the digest where the peer computes none (and raw), the same without
the sync, and wall time. PART: only the rows with PART in their names.
Environment: ROOTFS, the tar of a root filesystem; MOBY, the program of moby/main.go; STRATA_ENGINES, the directory of
the unpacked containers-storage.
"""

from __future__ import annotations

import os
import random
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.tests import engines

SIDE = [sys.executable, str(Path(__file__).with_name("side.py"))]
BIG = 1 << 30  # bytes
FILES = 50_000
FEW, MANY = 1_000, 1_000_000  # files: memory must be the same for both numbers
FLAT = 1.2  # the most memory that many files may take more than few


class Row(t.NamedTuple):
    """A step of ours beside a peer's.

    ours, theirs: shell commands; $D is the fresh filesystem in them, $I the directory of the inputs.
    before:       shell, not timed, on the fresh filesystem.
    hashed:       the file whose digest our side makes and the peer does not; "" if both or neither do.
    limit:        of the CPU ratio, without that digest; None if the peer does less than our side.
    wall:         the limit of the ratio of wall times; None for no limit.
    extra:        replaces ``{}`` in *theirs*; without it the peer does less than our side; "" if there is none.
    """

    name: str
    ours: str
    theirs: str
    before: str
    hashed: str
    limit: float | None
    extra: str = ""
    wall: float | None = None


class Cost(t.NamedTuple):
    cpu: float  # seconds
    wall: float  # seconds
    memory: int  # KiB at most, of the greatest process


class Step(t.NamedTuple):
    """The cost of one side: the command alone, and with the sync after it."""

    alone: Cost
    synced: Cost


_ENGINES = shlex.join(["env", *(f"{name}={value}" for name, value in engines.environment().items())])
_STORAGE = f"{_ENGINES} containers-storage --graph $D/g --run $D/r --storage-driver overlay"
_KEEP = "--xattrs --xattrs-include='*' --acls"
_UNPACK = "mkdir $D/x; tar -xpf $I/small.tar -C $D/x"
_FIND = "find $D/$d -printf '%P %y %m %U %G %s %T@ %n %i %D\\n' >/dev/null"
_GETFATTR = "getfattr -R -h -P -m security.capability --absolute-names $D/$d"

ROWS = [
    Row(
        "apply small files / tar -x",
        ours="$S apply $I/small.tar $D/x",
        theirs="tar {} -xpf $I/small.tar -C $D/x",
        before="mkdir $D/x",
        hashed="small.tar",
        limit=0.90,
        extra=_KEEP,
    ),
    Row(
        "apply root filesystem / tar -x",
        ours="$S apply $I/rootfs.tar $D/x",
        theirs="tar {} -xpf $I/rootfs.tar -C $D/x",
        before="mkdir $D/x",
        hashed="rootfs.tar",
        limit=0.75,
        extra=_KEEP,
    ),
    Row(
        "apply root filesystem / containers-storage",
        ours="$S apply $I/rootfs.tar $D/x",
        theirs=f"{_STORAGE} applydiff --file $I/rootfs.tar $(cat $D/base)",
        before=f"mkdir $D/x; {_STORAGE} create-layer >$D/base",
        hashed="",
        limit=0.20,
    ),
    *(
        Row(
            f"apply {what} / Docker's driver",
            ours=f"$S apply $I/{file} $D/x",
            theirs=f"$MOBY apply $I/{file} $D/x",
            before="mkdir $D/x",
            hashed="",
            limit=None,
            wall=1.0,
        )
        for what, file in (("small files", "small.tar"), ("root filesystem", "rootfs.tar"), ("1 GiB", "big.tar"))
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
        theirs="tar {} -xzpf $I/small.tar.gz -C $D/x",
        before="mkdir $D/x",
        hashed="",
        limit=0.85,
        extra=_KEEP,
    ),
    *(
        Row(
            f"apply {what} with a manifest / without",
            ours=f"$S note $I/{file} $D/x $D/manifest",
            theirs=f"$S apply $I/{file} $D/x",
            before="mkdir $D/x",
            hashed="",
            limit=1.05,
        )
        for what, file in (("small files", "small.tar"), ("root filesystem", "rootfs.tar"), ("1 GiB", "big.tar"))
    ),
    Row(
        "export small files / tar -c",
        ours="$S export $D/x $D/y",
        theirs="tar {} -cf $D/y -C $D/x .",
        before=_UNPACK,
        hashed="small.tar",
        limit=0.75,
        extra=_KEEP,
    ),
    Row(
        "export / tar -c | sha256sum",
        ours="$S export $D/x /dev/null",
        theirs="tar {} -c -C $D/x . | sha256sum",
        before=_UNPACK,
        hashed="",
        limit=0.50,
        extra=_KEEP,
    ),
    Row(
        "export / Docker's driver",
        ours="$S export $D/x $D/y",
        theirs="$MOBY export $D/x $D/y",
        before=_UNPACK,
        hashed="",
        limit=None,
        wall=1.0,
    ),
    Row(
        "inspect, 1 % changed / containers-storage",
        ours="$S inspect $D/g/overlay/$(cat $D/top)/diff $D/g/overlay/$(cat $D/base)/diff",
        theirs=f"{_STORAGE} changes $(cat $D/top)",
        before=f"{_STORAGE} create-layer >$D/base; {_STORAGE} applydiff --file $I/small.tar $(cat $D/base);"
        f" {_STORAGE} create-layer $(cat $D/base) >$D/top; {_STORAGE} applydiff --file $I/changed.tar $(cat $D/top)",
        hashed="",
        limit=1.5,
    ),
    Row(
        "compare / two find -printf",
        ours="$S compare $D/y $D/x",
        theirs=f"for d in x y; do {_FIND}{{}}; done",
        before=f"{_UNPACK}; mkdir $D/y; tar -xpf $I/small.tar -C $D/y",
        hashed="",
        limit=1.5,
        extra=f"; {_GETFATTR}",
    ),
    Row("remove / rm -rf", ours="$S remove $D/x", theirs="rm -rf $D/x", before=_UNPACK, hashed="", limit=1.1),
]


def with_and_without(row: Row) -> list[Row]:
    """Return the row, and a second row for a peer that does less, if there is one."""
    if not row.extra:
        return [row]
    less = row._replace(name=f"{row.name}, less", theirs=row.theirs.format(""), limit=None)
    return [row._replace(theirs=row.theirs.format(row.extra)), less]


def make_inputs(place: Path) -> None:
    """Make the inputs: files of 1 to 4 KiB, 100 a directory; 1 % of them anew; one big file; a root filesystem."""
    tree, changed = place / "small", place / "changed"
    chance = random.Random(1)
    noise = chance.randbytes(1 << 16)
    for number in range(FILES):
        size, start = chance.randrange(1024, 4096), chance.randrange(1 << 15)
        name = f"d{number // 100}/file-{number}"
        for top, more in ((tree, 0), (changed, 1)) if number % 100 == 0 else ((tree, 0),):
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_bytes(noise[start : start + size + more])
    with open(place / "big", "wb") as file:
        for _unused in range(BIG >> 20):
            file.write(chance.randbytes(1 << 20))
    (place / "rootfs.tar").symlink_to(os.environ["ROOTFS"])
    shell(
        f"cd {place} && tar -cf small.tar -C small . && tar -cf changed.tar -C changed . && gzip -k small.tar"
        " && tar -cf big.tar big && rm -r small changed"
    )


def shell(command: str, **variables: str) -> Cost:
    """Run a shell command; return its cost. Any output is a failure."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", command],
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
    )
    _unused, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command}: {process.returncode}")
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu, wall, used.ru_maxrss)


def timed(row: Row, command: str, place: Path) -> Step:
    """Run one side on a fresh filesystem."""
    image, target = place / "image", place / "mnt"
    target.mkdir(exist_ok=True)
    variables = {"D": str(target), "I": str(place), "S": " ".join(SIDE)}
    shell(f"rm -f {image}; truncate -s 4G {image}; mkfs.xfs -q {image}; mount -o loop {image} {target}")
    try:
        shell(f"{row.before}; sync -f $D", **variables)
        alone = shell(command, **variables)
        sync = shell("sync -f $D", **variables)
        return Step(alone, Cost(alone.cpu + sync.cpu, alone.wall + sync.wall, alone.memory))
    finally:
        shell(f"umount --recursive {target}")


def measure(row: Row, rounds: int, place: Path) -> bool:
    """Print a row's figures; tell whether its limit is kept."""
    ratios: dict[str, list[float]] = {"net": [], "raw": [], "alone": [], "wall": []}
    memory = 0
    for _unused in range(rounds):
        sides = {"ours": row.ours, "theirs": row.theirs}
        cost = {side: timed(row, sides[side], place) for side in random.sample(sorted(sides), 2)}
        digest = 0.0
        if row.hashed:
            side = " ".join(SIDE)
            digest = shell(f"{side} hash {place / row.hashed}").cpu - shell(f"{side} hash /dev/null").cpu
        ours, theirs = cost["ours"], cost["theirs"]
        ratios["net"].append((ours.synced.cpu - digest) / theirs.synced.cpu)
        ratios["raw"].append(ours.synced.cpu / theirs.synced.cpu)
        ratios["alone"].append((ours.alone.cpu - digest) / theirs.alone.cpu)
        ratios["wall"].append(ours.synced.wall / theirs.synced.wall)
        memory = max(memory, ours.alone.memory)
    found = {name: statistics.median(values) for name, values in ratios.items()}
    limits = {"net": row.limit, "wall": row.wall}
    kept = all(most is None or found[name] <= most for name, most in limits.items())
    most = [f"{name} at most {value:.2f}" for name, value in limits.items() if value is not None]
    wanted = f"   {', '.join(most)} {'ok' if kept else 'MISSED'}" if most else ""
    figures = "".join(f" {value:6.2f}" for value in found.values())
    print(f"{row.name:<42}{figures} {memory / 1024:6.0f} MiB{wanted}", flush=True)
    return kept


def measure_memory(operation: str, place: Path) -> bool:
    """Print the memory that few and many files take, empty ones, a hundred a directory; tell whether it is flat."""
    found = {}
    for count in (FEW, MANY):
        tree, tar, out = place / "tree", place / "many.tar", place / "out"
        shell(f"mkdir {tree}; cd {tree}; seq 0 {count // 100 - 1} | xargs mkdir")
        shell(f"cd {tree}; for d in *; do (cd $d; touch f{{0..99}}); done; tar -cf {tar} .")
        command = f"apply {tar} {out}" if operation == "apply" else f"export {tree} {out}"
        shell(f"rm -rf {tree}; mkdir {out}" if operation == "apply" else "true")
        found[count] = shell(f"exec {' '.join(SIDE)} {command}").memory
        shell(f"rm -rf {tree} {tar} {out}")
    flat = found[MANY] <= found[FEW] * FLAT
    figures = ", ".join(f"{count} files {memory / 1024:.0f} MiB" for count, memory in found.items())
    print(f"{operation + ', memory':<42} {figures}   at most {FLAT} times {'ok' if flat else 'MISSED'}", flush=True)
    return flat


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    part = sys.argv[2] if len(sys.argv) > 2 else ""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        place = Path(name)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12G,nr_inodes=4M", "tmpfs", place], check=True)
        try:
            make_inputs(place)
            print(f"{FILES} small files, {rounds} rounds; ratios: CPU net of the digest, CPU, net without sync, wall")
            rows = [each for row in ROWS if part in row.name for each in with_and_without(row)]
            kept = [measure(row, rounds, place) for row in rows]
            kept += [measure_memory(what, place) for what in ("apply", "export") if part in f"{what}, memory"]
        finally:
            subprocess.run(["umount", place], check=True)
    return not all(kept)


if __name__ == "__main__":
    sys.exit(main())
