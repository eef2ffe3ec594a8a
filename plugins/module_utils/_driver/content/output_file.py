# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file for a layer's tar, with its owner, group and mode. PRIVATE to the collection.

A symlink is replaced, never followed: otherwise a user who may write to the directory could lead root to another file.
A file that another user has put there is replaced, too.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import stat
import typing as t

from ..._errors import InvalidInput, printable
from ..._store.settings import ID_MAX
from .place import Place


class FileAccess(t.NamedTuple):
    """Owner, group and mode (permissions, setuid, setgid, sticky) of a file. An id is None if the kernel chooses it."""

    uid: int | None
    gid: int | None
    mode: int

    def shown(self) -> dict[str, t.Any]:
        """Return owner, group and mode as results show them."""
        return {"owner": self.uid, "group": self.gid, "mode": f"{self.mode:04o}"}


_NAMELESS = os.O_TMPFILE
_CANNOT = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)  # the errors of filesystems and kernels without O_TMPFILE

NEW = FileAccess(None, None, 0o600)  # of a new file, by default


class WantedAccess(t.NamedTuple):
    """The requested access; None: no change. mode: a function from the current mode to the requested mode."""

    uid: int | None = None
    gid: int | None = None
    mode: t.Callable[[int], int] | None = None

    def of(self, have: FileAccess) -> FileAccess:
        """Return the requested access of a file that has *have*."""
        return FileAccess(
            have.uid if self.uid is None else self.uid,
            have.gid if self.gid is None else self.gid,
            have.mode if self.mode is None else self.mode(have.mode),
        )

    def allows(self, have: FileAccess, place: Place) -> bool:
        """Tell whether a file may stay: only root writes to *place*, or root or the requested owner has the file."""
        return place.private or have.uid in (0, self.uid)


class ExistingFile(t.NamedTuple):
    """A regular file that exists. inode: device and inode number."""

    inode: tuple[int, int]
    access: FileAccess


def user_id(owner: str | None) -> int | None:
    """Return the uid of *owner*, a name or a number; None for None. Raises InvalidInput."""
    return _id(owner, "owner", lambda name: pwd.getpwnam(name).pw_uid)


def group_id(group: str | None) -> int | None:
    """Return the gid of *group*, a name or a number; None for None. Raises InvalidInput."""
    return _id(group, "group", lambda name: grp.getgrnam(name).gr_gid)


def _id(name: str | None, option: str, look_up: t.Callable[[str], int]) -> int | None:
    if name is None:
        return None
    try:
        number = int(name)
    except ValueError:
        try:
            return look_up(name)
        except (KeyError, ValueError):  # ValueError: a NUL in the name
            message, hint = f"there is no {option} '{printable(name)}' on this host", "create it first, or give its id"
            raise InvalidInput(message, hint=hint, option=option) from None
    if not 0 <= number <= ID_MAX:
        raise InvalidInput(f"{option} {number} is not an id", hint=f"ids go from 0 to {ID_MAX}", option=option)
    return number


def stat_file(file: t.BinaryIO) -> ExistingFile:
    """Return the identity and the access of an open file. Raises OSError."""
    st = os.fstat(file.fileno())
    return ExistingFile((st.st_dev, st.st_ino), FileAccess(st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)))


def difference(have: FileAccess | None, planned: FileAccess) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """Return the changes of *planned*: before, after. have: None for a new file, whose ids may be unknown."""
    after = planned.shown()
    before = have.shown() if have else dict.fromkeys(after)
    changed = [key for key in after if before[key] != after[key]]
    return {key: before[key] for key in changed}, {key: after[key] for key in changed}


class NewFile:
    """A file that appears at *place*, with *access*, once its content is whole.

    Until then the file has no name (O_TMPFILE), so that a killed run leaves nothing. On a filesystem without O_TMPFILE
    the file has a temporary name beside its place. Every OSError of this class names the path.
    """

    def __init__(self, place: Place, access: FileAccess) -> None:
        self._place = place
        self._access = access
        self._name = f"{place.name}.{os.urandom(6).hex()}.new"
        self._named = False
        mode = access.mode & NEW.mode
        with self._explained():
            try:
                self.fd = os.open(".", os.O_WRONLY | _NAMELESS | os.O_CLOEXEC, mode, dir_fd=place.fd)
            except OSError as error:
                if error.errno not in _CANNOT:
                    raise
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self.fd = os.open(self._name, flags, mode, dir_fd=place.fd)
                self._named = True

    def write(self, piece: bytes | memoryview) -> None:
        """Add all of *piece*."""
        rest = memoryview(piece)
        with self._explained():
            while rest:
                rest = rest[os.write(self.fd, rest) :]

    def write_at(self, piece: bytes, offset: int) -> None:
        """Write *piece* over what was written before. Raises OSError."""
        with self._explained():
            while piece:
                written = os.pwrite(self.fd, piece, offset)
                piece, offset = piece[written:], offset + written

    def cut(self, size: int) -> None:
        """Forget all but the first *size* bytes. Raises OSError."""
        with self._explained():
            os.ftruncate(self.fd, size)
            os.lseek(self.fd, size, os.SEEK_SET)

    def finish(self) -> None:
        """Set the access of the file, and sync it."""
        with self._explained():
            set_access(self.fd, self._access)
            os.fsync(self.fd)

    def publish(self) -> None:
        """Move the file to its place, over an older file."""
        directory = self._place.fd
        try:
            with self._explained():
                if not self._named:
                    self._give_name()
                os.rename(self._name, self._place.name, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError:
            self.discard()
            raise
        with self._explained():
            os.close(self.fd)
            self._place.sync()

    def discard(self) -> None:
        """Remove the unpublished file after an error. Suppress new errors, which would hide the first."""
        with contextlib.suppress(OSError):
            os.close(self.fd)
        if self._named:
            with contextlib.suppress(OSError):
                os.unlink(self._name, dir_fd=self._place.fd)

    def _give_name(self) -> None:
        # With dst_dir_fd Python calls linkat(2), which can follow the symlink in /proc; link(2) cannot.
        os.link(f"/proc/self/fd/{self.fd}", self._name, dst_dir_fd=self._place.fd, follow_symlinks=True)
        self._named = True

    @contextlib.contextmanager
    def _explained(self) -> t.Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename, error.filename2 = self._place.path, None
            raise


def set_access(fd: int, access: FileAccess) -> None:
    """Set owner, group and mode of an open file. No user gets more rights in between. Raises OSError."""
    os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) & access.mode)
    os.fchown(fd, *(-1 if number is None else number for number in access[:2]))
    os.fchmod(fd, access.mode)  # after chown(2), which clears setuid
