# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An overlay before the mount, and the one function that mounts overlays. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t

from . import mount
from .child import in_child
from .subject import about

if t.TYPE_CHECKING:
    from .fsmount import Message


class Overlay(t.NamedTuple):
    """An overlay that can be mounted. It is read-only without *upper*.

    lowers:    the nearest first.
    upper:     with *work*, or both are None.
    options:   other options of overlayfs, such as "index=off".
    label:     SELinux context of the whole mount; "" for none.
    directory: the paths above are absolute or start here; None: at the working directory of the caller.
    """

    lowers: tuple[str, ...]
    upper: str | None = None
    work: str | None = None
    options: tuple[str, ...] = ()
    label: str = ""
    directory: str | None = None

    @property
    def data(self) -> str:
        r"""The data of mount(2). Paths are not escaped: they must not contain ``\``, ``,``, ``:`` or ``"``."""
        paths = [("lowerdir", ":".join(self.lowers)), ("upperdir", self.upper), ("workdir", self.work)]
        after = [f'context="{self.label}"'] if self.label else []
        return ",".join([*self.options, *(f"{key}={path}" for key, path in paths if path is not None), *after])


def mount_overlay(overlay: Overlay, target: str) -> None:
    """Mount *overlay* on *target*, or leave nothing mounted. With a directory, the mount takes a forked child.

    target: absolute if *overlay* has a directory.
    raises: OSError with filename=target, or the directory if that cannot be entered. The text of the error ends with
            the kernel's own reason, where the kernel logs one.
    """
    if overlay.directory is None:
        _mount(overlay, target)
    else:
        with about(target):
            in_child(lambda: _mount(overlay, target))
    if overlay.work is None:
        return
    try:
        require_writable(target, os.path.normpath(os.path.join(overlay.directory or "", overlay.work)))
    except OSError:
        with contextlib.suppress(OSError):
            mount.umount(target, mount.MNT_DETACH | mount.UMOUNT_NOFOLLOW)
        raise


def _mount(overlay: Overlay, target: str) -> None:
    """Mount *overlay* from this process, whose working directory becomes that of *overlay*. Raises OSError."""
    if overlay.directory is not None:
        os.chdir(overlay.directory)
    try:
        mount.mount("overlay", target, "overlay", mount.MS_RDONLY if overlay.upper is None else 0, overlay.data)
    except OSError as error:
        reason = _reason(overlay, error.errno)
        if reason:
            error.strerror = f"{error.strerror} ({reason})"
        raise


def _reason(overlay: Overlay, refused: int | None) -> str | None:
    """Return the kernel's own reason for refusing *overlay* with the errno *refused*; None if the kernel logs none.

    mount(2) sends the reason to the log of the whole kernel. A filesystem context has a log of its own, so the same
    parameters are set there. No superblock is made: overlayfs logs nothing in the context for that step (Linux 6.18).
    Before Linux 6.5 overlayfs does not check parameters of a context, so nothing fails here.
    """
    from . import fsmount  # only a refusal needs it

    try:
        context = fsmount.fsopen("overlay")
    except OSError:
        return None
    try:
        for key, value in _parameters(overlay, fsmount.LONGEST_STRING):
            try:
                if value is None:
                    fsmount.set_flag(context, key)
                else:
                    fsmount.set_string(context, key, value)
            except OSError as error:
                return _of_overlayfs(fsmount.messages(context)) if error.errno == refused else None
    finally:
        os.close(context)
    return None


def _of_overlayfs(messages: t.Iterable[Message]) -> str | None:
    """Return the errors of overlayfs among *messages*, not the generic "VFS: ...", which are about other limits."""
    with contextlib.suppress(OSError):
        texts = [text for kind, text in messages if kind == "e" and text.startswith("overlay: ")]
        return "; ".join(texts) or None
    return None


def _parameters(overlay: Overlay, longest: int) -> t.Iterator[tuple[str, str | None]]:
    """Yield the parameters of *overlay* for a context: keys and values; None as the value of a flag.

    A value has at most *longest* bytes. The lowers are cut into several values of lowerdir: each replaces the one
    before, and the kernel checks all of them. A single path that is too long is left out.
    """
    for option in overlay.options:
        key, equals, value = option.partition("=")
        yield key, value if equals else None
    values = [*(("lowerdir", piece) for piece in _in_pieces(overlay.lowers, longest))]
    values += [("upperdir", overlay.upper or ""), ("workdir", overlay.work or ""), ("context", overlay.label)]
    for key, value in values:
        if value and len(os.fsencode(value)) <= longest:
            yield key, value


def _in_pieces(lowers: t.Sequence[str], longest: int) -> t.Iterator[str]:
    """Yield all of *lowers*, joined by colons, in pieces of at most *longest* bytes; a longer path is a piece."""
    piece = ""
    for lower in lowers:
        longer = f"{piece}:{lower}" if piece else lower
        if piece and len(os.fsencode(longer)) > longest:
            yield piece
            longer = lower
        piece = longer
    yield piece


def require_writable(merged: str, work: str) -> None:
    """Raise OSError if the overlay on *merged* is read-only because overlayfs could not use *work*.

    overlayfs then mounts read-only and reports success: on a full filesystem, for example.
    source: ovl_get_workdir() and ovl_make_workdir(), fs/overlayfs/super.c: "mounting read-only".
    """
    if not os.statvfs(merged).f_flag & os.ST_RDONLY:
        return
    with contextlib.suppress(FileExistsError):
        os.mkdir(os.path.join(work, "work"), 0)  # fails as for the kernel, which writes the reason to its log only
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), merged)
