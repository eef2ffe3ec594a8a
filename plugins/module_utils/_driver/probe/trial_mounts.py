# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trial mounts of overlays, in a private mount namespace: nobody sees them, and killed they are gone. PRIVATE.

source: the questions are those of moby, daemon/graphdriver/overlayutils and graphdriver/overlay2/check.go. Unlike there
they are put with the options of the real mounts.
"""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t

from ..._errors import printable
from ..._linux import mount, namespace
from ..._linux.overlayfs import require_writable
from .cache import TrialResults, mount_options, read_parameters

# Where the tmpfs of a trial goes: we cannot work without it, and nothing on the way to a store or to Python's modules
# is hidden by it.
_OUT_OF_THE_WAY = "/proc"


def trial_without_trace(place: str) -> TrialResults:
    """Return what overlays can do here. Writes nothing and makes no mount outside a private tmpfs.

    place: a directory of the filesystem in question. That can only be tried as a lower; what an upper can do is tried
           on the tmpfs, so is the kernel's answer.
    """
    in_userns = namespace.in_user_namespace()

    def in_private() -> TrialResults:
        os.chdir(place)  # before anything is hidden, and so that no path needs escaping
        mount.mount("strata-overlay2", _OUT_OF_THE_WAY, "tmpfs", 0, "mode=0700")
        here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        os.chdir(_OUT_OF_THE_WAY)
        return try_overlays(in_userns, lambda options: _refusal_of_lower(here, options))

    try:
        return namespace.in_private_mounts(in_private)
    except OSError as error:
        return not_tried(error, in_userns)


def not_tried(error: OSError, in_userns: bool, trial: str = "") -> TrialResults:
    """Return the answers where no trial was possible. trial: its directory, whose name tells nobody anything."""
    where = f" ({printable(error.filename)})" if error.filename and error.filename != trial else ""
    return TrialResults(
        parameters=read_parameters(),
        userxattr=None if in_userns else False,
        why_no_overlay=f"no trial mount could be made: {error.strerror}{where}",
    )


def try_overlays(in_userns: bool, refusal_of_lower: t.Callable[[t.Sequence[str]], str | None]) -> TrialResults:
    """Try everything in the working directory, which is empty and ours."""
    userxattr = in_userns and _refusal(["userxattr"]) is None
    refusal = None if userxattr else _refusal([])
    parameters = read_parameters()  # now that the module is loaded
    options = mount_options(parameters, userxattr)
    refusal = refusal or _refusal(options) or refusal_of_lower(options)
    if refusal:
        return TrialResults(parameters, userxattr, overlay=False, why_no_overlay=refusal)
    answers = TrialResults(parameters, userxattr, overlay=True, using_metacopy=_uses_metacopy(options, userxattr))
    if in_userns and not userxattr:
        reason = "in a user namespace it needs the mount option userxattr, which Linux 5.11 brought"
        return answers._replace(native_overlay_diff=False, why_no_native_diff=reason)
    try:
        why_not = _why_no_native_diff(options, userxattr)
    except OSError as error:
        return answers._replace(why_no_native_diff=f"the trial failed: {error.strerror}")
    return answers._replace(native_overlay_diff=why_not is None, why_no_native_diff=why_not)


def _refusal(options: t.Sequence[str]) -> str | None:
    """Return why no overlay with several lowers can be mounted with *options*; None if one can. Raises OSError."""
    with _directories("lower1", "lower2"):
        try:
            with _mounted(options, "lower2", "lower1"):
                return None
        except OSError as error:
            return _refused(error)


def _refusal_of_lower(fd: int, options: t.Sequence[str]) -> str | None:
    """Return why the directory *fd* cannot be a lower; None if it can."""
    with _directories("lower1"):
        lower, merged = os.path.abspath("lower1"), os.path.abspath("merged")
        os.chdir(fd)
        try:
            data = ",".join([*options, f"lowerdir=.:{lower}"])
            mount.mount("overlay", merged, "overlay", mount.MS_RDONLY, data)
        except OSError as error:
            return _refused(error)
        finally:
            os.chdir(os.path.dirname(merged))
        mount.umount("merged", mount.MNT_DETACH)
    return None


def _refused(error: OSError) -> str:
    """Return what the kernel has against it. Raises OSError for what says nothing about the kernel."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOMEM):
        raise error
    if error.errno == errno.ENODEV:
        return "the kernel has no overlayfs"
    return f"mount: {error.strerror}"


def _why_no_native_diff(options: t.Sequence[str], userxattr: bool) -> str | None:
    """Return what an upperdir would hide or make up; None if it tells exactly what changed. Raises OSError."""
    opaque, redirect = _mark("opaque", userxattr), _mark("redirect", userxattr)
    with _directories("lower1/d", "lower1/d1", "lower2/d"):
        os.setxattr("lower2/d", opaque, b"y")
        with _mounted(options, "lower2", "lower1"):
            os.close(os.open("merged/d/f", os.O_WRONLY | os.O_CREAT, 0o644))
            try:
                os.rename("merged/d1", "merged/d2")
            except OSError as error:
                if error.errno != errno.EXDEV:  # how a directory of a lower should be: not to be renamed
                    raise
        if _xattr("upper/d", opaque) == b"y":
            return "the kernel copies the opaque flag up, which Linux 4.8 mended"
        if os.path.lexists("upper/d2") and _xattr("upper/d2", redirect) is not None:
            return "the kernel renames directories by redirects, and cannot be told not to"
    return None


def _uses_metacopy(options: t.Sequence[str], userxattr: bool) -> bool:
    """Tell whether a change of mode leaves the content in the lower. Raises OSError."""
    with _directories("lower1"):
        os.close(os.open("lower1/f", os.O_WRONLY | os.O_CREAT, 0o700))
        with _mounted(options, "lower1"):
            os.chmod("merged/f", 0o600)
        return _xattr("upper/f", _mark("metacopy", userxattr)) is not None


@contextlib.contextmanager
def _directories(*names: str) -> t.Iterator[None]:
    """Be in a new directory that has *names* and what an overlay needs."""
    path = os.urandom(8).hex()
    os.mkdir(path)
    os.chdir(path)
    for name in (*names, "upper", "work", "merged"):
        os.makedirs(name)
    try:
        yield
    finally:
        os.chdir("..")


@contextlib.contextmanager
def _mounted(options: t.Sequence[str], *lowers: str) -> t.Iterator[None]:
    """Have an overlay of the working directory's upper and *lowers* on its merged."""
    data = ",".join([*options, "lowerdir=" + ":".join(lowers), "upperdir=upper", "workdir=work"])
    mount.mount("overlay", "merged", "overlay", 0, data)
    try:
        require_writable("merged", "work")
        yield
    finally:
        mount.umount("merged", mount.MNT_DETACH)


def _mark(name: str, userxattr: bool) -> str:
    return ("user" if userxattr else "trusted") + ".overlay." + name


def _xattr(path: str, name: str) -> bytes | None:
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP):
            raise
        return None
