# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trial mounts of overlays, in a private mount namespace: nobody sees them, and a kill ends them. PRIVATE.

source: the questions are those of moby, daemon/graphdriver/overlayutils and graphdriver/overlay2/check.go. moby tries
its own options; this file tries the options of the collection's mounts.
"""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t

from ..._errors import printable
from ..._linux import mount, namespace
from ..._linux.namespace import OUT_OF_THE_WAY
from ..._linux.overlay_mount import Overlay, mount_overlay
from ..._linux.user_namespace import in_user_namespace
from .cache import TrialResults, mount_options, read_parameters


def trial_without_trace(place: str) -> TrialResults:
    """Return what overlays can do on this kernel. Writes nothing, and mounts nothing outside a private tmpfs.

    place: a directory of the filesystem to try. This filesystem is tried as a lower only: the uppers of the trials are
           on the tmpfs, so their answers are about the kernel.
    """
    in_userns = in_user_namespace()

    def in_private() -> TrialResults:
        os.chdir(place)  # before the tmpfs hides anything; a relative path needs no escape
        mount.mount("strata-overlay2", OUT_OF_THE_WAY, "tmpfs", 0, "mode=0700")
        here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        os.chdir(OUT_OF_THE_WAY)
        return try_overlays(in_userns, lambda options: _refusal_of_lower(here, options))

    try:
        return namespace.in_private_mounts(in_private)
    except OSError as error:
        return not_tried(error, in_userns)


def not_tried(error: OSError, in_userns: bool, trial: str = "") -> TrialResults:
    """Return the answers for *error*, which prevented the trial. trial: its directory, a name that says nothing."""
    where = f" ({printable(error.filename)})" if error.filename and error.filename != trial else ""
    return TrialResults(
        parameters=read_parameters(),
        userxattr=None if in_userns else False,
        why_no_overlay=f"no trial mount could be made: {_why(error)}{where}",
    )


def try_overlays(in_userns: bool, refusal_of_lower: t.Callable[[t.Sequence[str]], str | None]) -> TrialResults:
    """Return what overlays can do whose directories lie in the working directory, which is empty and private."""
    userxattr = in_userns and _refusal(["userxattr"]) is None
    refusal = None if userxattr else _refusal([])
    parameters = read_parameters()  # known now: a trial loads the module
    options = mount_options(parameters, userxattr)
    refusal = refusal or _refusal(options) or refusal_of_lower(options)
    if refusal:
        return TrialResults(parameters, userxattr, overlay=False, why_no_overlay=refusal)
    answers = TrialResults(parameters, userxattr, overlay=True, using_metacopy=_uses_metacopy(options, userxattr))
    if in_userns and not userxattr:
        reason = "in a user namespace, native diff needs the mount option userxattr of Linux 5.11"
        return answers._replace(native_overlay_diff=False, why_no_native_diff=reason)
    try:
        why_not = _why_no_native_diff(options, userxattr)
    except OSError as error:
        return answers._replace(why_no_native_diff=f"the trial failed: {_why(error)}")
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
            mount_overlay(Overlay((".", lower), options=tuple(options)), merged)
        except OSError as error:
            return _refused(error)
        finally:
            os.chdir(os.path.dirname(merged))
        mount.umount("merged", mount.MNT_DETACH)
    return None


def _refused(error: OSError) -> str:
    """Return the kernel's reason for refusing a mount. Raises *error* if a full or broken filesystem caused it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOMEM):
        raise error
    if error.errno == errno.ENODEV:
        return "the kernel has no overlayfs"
    return f"mount: {_why(error)}"


def _why(error: OSError) -> str:
    """Return the text of *error*, on one line: the reason in the text can hold a file name."""
    return printable(error.strerror or str(error))


def _why_no_native_diff(options: t.Sequence[str], userxattr: bool) -> str | None:
    """Return why an upperdir does not tell exactly what changed; None if it does. Raises OSError."""
    opaque, redirect = _mark("opaque", userxattr), _mark("redirect", userxattr)
    with _directories("lower1/d", "lower1/d1", "lower2/d"):
        os.setxattr("lower2/d", opaque, b"y")
        with _mounted(options, "lower2", "lower1"):
            os.close(os.open("merged/d/f", os.O_WRONLY | os.O_CREAT, 0o644))
            try:
                os.rename("merged/d1", "merged/d2")
            except OSError as error:
                if error.errno != errno.EXDEV:  # the right answer: a directory of a lower cannot be renamed
                    raise
        if _xattr("upper/d", opaque) == b"y":
            return "the kernel copies the opaque flag up; Linux 4.8 and newer do not"
        if os.path.lexists("upper/d2") and _xattr("upper/d2", redirect) is not None:
            return "the kernel renames directories by redirects, and has no option against that"
    return None


def _uses_metacopy(options: t.Sequence[str], userxattr: bool) -> bool:
    """Tell whether overlayfs leaves the content of a file in the lower when the mode changes. Raises OSError."""
    with _directories("lower1"):
        os.close(os.open("lower1/f", os.O_WRONLY | os.O_CREAT, 0o700))
        with _mounted(options, "lower1"):
            os.chmod("merged/f", 0o600)
        return _xattr("upper/f", _mark("metacopy", userxattr)) is not None


@contextlib.contextmanager
def _directories(*names: str) -> t.Iterator[None]:
    """Work in a new directory that has *names* and what an overlay needs."""
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
    """Mount an overlay of *lowers* and the working directory's upper on its merged, for as long as this lasts."""
    mount_overlay(Overlay(lowers, "upper", "work", tuple(options)), "merged")
    try:
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
