# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what prevents or limits a store at a place, and what to do about it. Pure. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import Overlay2Error, printable, shorten
from ..._store.codes import CARE, DAMAGE, NOTE
from .cache import TrialResults
from .filesystem import Filesystem

NEARLY_FULL_SHARE = 5  # percent
NEARLY_FULL_SPACE = 10 << 30  # bytes
NEARLY_FULL_INODES = 100_000


# The codes, which never change their meaning, by kind. Each of the first kind makes a store impossible.
BlockingCode = t.Literal[
    "not_root",  # the task does not run as root
    "unreachable",  # home cannot be reached: the facts are about the nearest directory that can
    "nested_overlay",  # the filesystem is an overlay
    "network_filesystem",
    "unsuitable_filesystem",  # it cannot hold an upperdir: aufs, ecryptfs, FAT, most of FUSE ...
    "read_only",
    "no_d_type",  # its directories do not hold the types of their entries
    "no_xattrs",  # it does not keep xattrs of the kind that overlays need
    "no_overlay",  # the kernel has no overlayfs, or refuses it, several lowers, or this filesystem as a lower
]
DamageCode = t.Literal[
    "damaged_store",  # no module changes it: its own file is unreadable, or of a newer format, or l/ is damaged
    "damaged_layers",  # the facts lack these layers: the message names them
]
CareCode = t.Literal[
    "nearly_full",  # less than 5 % and 10 GiB of space are free, or less than 5 % and 100,000 of the inodes
    "unclaimed_store",  # it has layers and no file of ours: only overlay2_init with adopt changes it
    "other_layout",  # home belongs to an engine whose layers have another layout: home is not a store
    "unread_layer",  # a file of a layer cannot be read: the facts lack its sizes, or it; the message has the path
]
NoteCode = t.Literal[
    "no_native_diff",  # a diff has to compare two trees
    "needs_userxattr",  # in a user namespace: overlays keep their marks in user xattrs; trusted mounts ignore these
    "no_project_quota",  # layers cannot have limits
    "not_persistent",  # the filesystem is a tmpfs: the next boot empties it
    "not_probed",  # the message says what could not be found out, and why
]
ProblemCode = t.Union[BlockingCode, DamageCode, CareCode, NoteCode]
BLOCKING = "blocking"
KINDS: dict[str, str] = {
    code: kind
    for kind, codes in ((BLOCKING, BlockingCode), (DAMAGE, DamageCode), (CARE, CareCode), (NOTE, NoteCode))
    for code in t.get_args(codes)
}
IN_THE_WAY = frozenset(t.get_args(BlockingCode))


class Problem(t.NamedTuple):
    """Something that is wrong with a place for a store."""

    code: ProblemCode
    message: str
    hint: str


_NETWORK = (
    *(
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "smb",
        "ceph",
        "9p",
        "afs",
        "coda",
        "lustre",
        "gpfs",
        "beegfs",
        "orangefs",
    ),
    *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph-fuse", "fuse.s3fs", "fuse.juicefs"),
)
_UNSUITABLE = (
    *("aufs", "ecryptfs", "fuse", "fuseblk", "vfat", "msdos", "exfat", "ntfs", "ntfs3", "hfs", "hfsplus", "ramfs"),
    *("squashfs", "cramfs", "erofs", "romfs", "iso9660", "udf", "proc", "sysfs", "cgroup2", "devtmpfs", "vxfs"),
)

_MOVE = "put the store on a local filesystem: XFS with ftype=1, ext4 or btrfs"
_KEEP = "put the store on XFS with ftype=1, ext4 or btrfs, if it has to survive a reboot"
_ROOT = "run the task as root: become: true"
_SPACE = "remove unused layers with strata.overlay2.overlay2_prune, or enlarge the filesystem"
_TRIAL = "strata.overlay2.overlay2_init tries a native diff on the filesystem"
# By hint that names a module of ours: the hint in another engine's store, which this module does not change.
_IN_STORE_OF_ENGINE = {
    _SPACE: "have {engine} remove what is unused, or enlarge the filesystem",
    _TRIAL: "strata.overlay2.overlay2_init tries a native diff if home is a new directory on the filesystem",
}
_D_TYPE_HINTS = {
    "xfs": "make the filesystem again with mkfs.xfs -n ftype=1",
    "extfs": "on the unmounted filesystem: tune2fs -O filetype, then e2fsck -fD; or make it again with mkfs.ext4",
}


def find_problems(filesystem: Filesystem, answers: TrialResults, *, is_root: bool) -> t.Iterator[Problem]:
    """Yield the problems, the worst first."""
    if not is_root:
        yield Problem(
            "not_root", "the task does not run as root: no trial mount was made, and no store can be changed", _ROOT
        )
    yield from _of_the_kind(filesystem)
    yield from _of_the_entries(filesystem, answers)
    if is_root:
        yield from _of_overlays(answers)
    if answers.userxattr:
        yield Problem(
            "needs_userxattr",
            "in this user namespace overlays keep their marks in user xattrs",
            "use the store from this user namespace only: a mount without userxattr shows removed files again",
        )
    if filesystem.quota_off:
        reason, hint = filesystem.quota_off
        yield Problem("no_project_quota", f"layers on {_name(filesystem)} cannot have limits: {reason}", hint)
    yield from _of_the_space(filesystem)


def for_engine(problem: Problem, engine: str | None) -> Problem:
    """Return *problem* with the hint for a store of *engine*, None for ours."""
    hint = _IN_STORE_OF_ENGINE.get(problem.hint) if engine else None
    return problem._replace(hint=hint.format(engine=engine)) if hint else problem


def damaged_store(error: Overlay2Error) -> Problem:
    """Return the problem of a store that is damaged as a whole; *error* says how."""
    return Problem("damaged_store", str(error), error.hint)


def unclaimed_store(error: Overlay2Error) -> Problem:
    """Return the problem of a store that may belong to another engine; *error* says why."""
    return Problem("unclaimed_store", str(error), error.hint)


def other_layout(error: Overlay2Error) -> Problem:
    """Return the problem of an engine's directory that is not a store; *error* says why."""
    return Problem("other_layout", str(error), error.hint)


def damaged_layers(ids: t.Sequence[str]) -> t.Iterator[Problem]:
    """Yield the problem of the damaged layers *ids*, nothing if there are none."""
    if ids:
        message = f"damaged layers are left out: {shorten(ids)}"
        yield Problem("damaged_layers", message, "gather the subset health: it says what is wrong, and what to do")


def unread_layer(layer_id: str, why: str) -> Problem:
    """Return the problem of a layer that cannot be read; why: names the file."""
    from ..._store.unusable import UNREAD_CURE  # few layers cannot be read

    return Problem("unread_layer", f"layer {layer_id} cannot be read: {why}", UNREAD_CURE)


def _of_the_kind(filesystem: Filesystem) -> t.Iterator[Problem]:
    kind = filesystem.kind
    name = _name(filesystem)
    if filesystem.backing_fs == "overlayfs":
        yield Problem("nested_overlay", f"{name} is an overlay, which cannot hold the upperdir of another", _MOVE)
    elif kind in _NETWORK:
        yield Problem("network_filesystem", f"{name} is a network filesystem, which cannot hold an upperdir", _MOVE)
    elif kind in _UNSUITABLE or kind.startswith("fuse."):
        yield Problem("unsuitable_filesystem", f"{name} is {printable(kind)}, which cannot hold an upperdir", _MOVE)
    elif kind == "tmpfs":
        yield Problem("not_persistent", f"{name} is a tmpfs, which does not survive a reboot", _KEEP)
    if filesystem.read_only:
        yield Problem("read_only", f"{name} is mounted read-only", "mount it read-write; the kernel's log may say why")


def _of_the_entries(filesystem: Filesystem, answers: TrialResults) -> t.Iterator[Problem]:
    name = _name(filesystem)
    if filesystem.supports_d_type is False:
        message = f"{name} does not keep the types of directory entries (d_type): overlays on it show removed files"
        yield Problem("no_d_type", message, _D_TYPE_HINTS.get(filesystem.backing_fs, _MOVE))
    elif filesystem.supports_d_type is None:
        message = f"d_type was not probed: no directory of {name} could be read"
        yield Problem("not_probed", message, _ROOT)
    xattrs = filesystem.user_xattrs if answers.userxattr else filesystem.trusted_xattrs
    if xattrs is False:
        kind = "user" if answers.userxattr else "trusted"
        yield Problem("no_xattrs", f"{name} does not keep {kind} xattrs, with which overlays mark removed files", _MOVE)


def _of_overlays(answers: TrialResults) -> t.Iterator[Problem]:
    why_no_overlay = answers.why_no_overlay or "unknown"
    if answers.overlay is None:
        yield Problem(
            "not_probed",
            f"overlays were not probed: {why_no_overlay}",
            "run the task where it may mount: not in a container without CAP_SYS_ADMIN",
        )
    elif not answers.overlay:
        yield Problem(
            "no_overlay",
            f"no overlay with several lowers can be mounted: {why_no_overlay}",
            "see the kernel's log; the kernel needs CONFIG_OVERLAY_FS, in a user namespace Linux 5.11",
        )
    elif answers.native_overlay_diff is None:
        message = f"native diff was not probed: {answers.why_no_native_diff}"
        yield Problem("not_probed", message, _TRIAL)
    elif not answers.native_overlay_diff:
        message = f"a diff has to compare two trees: {answers.why_no_native_diff}"
        yield Problem("no_native_diff", message, "use a newer kernel; with this kernel a diff is slower")


def _of_the_space(filesystem: Filesystem) -> t.Iterator[Problem]:
    name = _name(filesystem)
    if _is_low(filesystem.free, filesystem.size, NEARLY_FULL_SPACE):
        yield Problem("nearly_full", f"{name} has {filesystem.free} of {filesystem.size} bytes left", _SPACE)
    if _is_low(filesystem.inodes_free, filesystem.inodes, NEARLY_FULL_INODES):
        yield Problem("nearly_full", f"{name} has {filesystem.inodes_free} of {filesystem.inodes} inodes left", _SPACE)


def _is_low(free: int, size: int, limit: int) -> bool:
    return free * 100 < size * NEARLY_FULL_SHARE and free < limit


def _name(filesystem: Filesystem) -> str:
    return printable(filesystem.mount_point or filesystem.place)
