# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that a layer's tar is written to: whose it is, and who may read it. PRIVATE to the collection.

A symlink is never followed but replaced, so that who may write to the directory leads root to no other file.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import stat
import typing as t

from .._errors import InvalidInput, printable
from .._linux.quiet import open_quietly
from .._linux.subject import about
from .._linux.sync import sync_directory
from .run import Run
from .settings import ID_MAX
from .state import Action


class Access(t.NamedTuple):
    """Whose a file is, and its mode: permissions, setuid, setgid and sticky. An id is None where the kernel chooses."""

    uid: int | None
    gid: int | None
    mode: int

    def shown(self) -> dict[str, t.Any]:
        """Return it as results show it."""
        return {"owner": self.uid, "group": self.gid, "mode": f"{self.mode:04o}"}


_NAMELESS = os.O_TMPFILE
_CANNOT = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)  # what filesystems, and kernels, say that have no O_TMPFILE

NEW = Access(None, None, 0o600)  # of a new file, if nothing else is asked for


class WantedAccess(t.NamedTuple):
    """What is asked for; None: as it is. mode: makes of the mode a file has the one it is to have."""

    uid: int | None = None
    gid: int | None = None
    mode: t.Callable[[int], int] | None = None

    def of(self, have: Access) -> Access:
        """Return what a file with *have* is to have."""
        return Access(
            have.uid if self.uid is None else self.uid,
            have.gid if self.gid is None else self.gid,
            have.mode if self.mode is None else self.mode(have.mode),
        )


class Found(t.NamedTuple):
    """A regular file that is there. inode: device and number."""

    inode: tuple[int, int]
    access: Access


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
        except (KeyError, ValueError):  # ValueError: a NUL in it
            message, hint = f"there is no {option} '{printable(name)}' on this host", "make it first, or give its id"
            raise InvalidInput(message, hint=hint, option=option) from None
    if not 0 <= number <= ID_MAX:
        raise InvalidInput(f"{option} {number} is no id", hint=f"ids go from 0 to {ID_MAX}", option=option)
    return number


@contextlib.contextmanager
def opened(path: str) -> t.Iterator[t.BinaryIO | None]:
    """Open the regular file at *path*; None if there is none, or a symlink.

    raises: InvalidInput for anything else, OSError.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        mode = stat.S_IFLNK
    if stat.S_ISLNK(mode):
        yield None
        return
    if not stat.S_ISREG(mode):
        raise InvalidInput(f"dest {printable(path)} is no regular file", hint="give a file, or the name of a new one")
    with _file(path) as file:
        yield file


def found(file: t.BinaryIO) -> Found:
    """Return what an open file is. Raises OSError."""
    st = os.fstat(file.fileno())
    return Found((st.st_dev, st.st_ino), Access(st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)))


def difference(have: Access | None, planned: Access) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """Return what *planned* changes; have: None for a new file, of which what the kernel chooses is not told."""
    after = planned.shown()
    before = have.shown() if have else dict.fromkeys(after)
    changed = [key for key in after if before[key] != after[key]]
    return {key: before[key] for key in changed}, {key: after[key] for key in changed}


class NewFile:
    """A file that is going to be at *path*, with *access*, once it is whole.

    Until then it has no name, so that a run which is killed leaves nothing of it; where the filesystem cannot do that
    (O_TMPFILE), it has one of its own beside *path*. Raises OSError.
    """

    def __init__(self, path: str, access: Access) -> None:
        self._path = path
        self._access = access
        self._name = f"{path}.{os.urandom(6).hex()}.new"
        self._directory = os.path.dirname(path)
        self._named = False
        mode = access.mode & NEW.mode
        try:
            fd = os.open(self._directory, os.O_WRONLY | _NAMELESS | os.O_CLOEXEC, mode)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            fd = os.open(self._name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            self._named = True
        self.file: t.BinaryIO = open(fd, "wb")  # noqa: SIM115 # whoever makes it closes it

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write *data* at its end."""
        with about(self._path):
            self.file.write(data)

    def finish(self) -> None:
        """Give the file its access, and see that it is on the disk."""
        with about(self._path):
            self.file.flush()
            give(self.file.fileno(), self._access)
            os.fsync(self.file.fileno())

    def publish(self) -> None:
        """Let it be at its path, in place of what is there."""
        try:
            if not self._named:
                with about(self._name):
                    self._give_name()
            os.rename(self._name, self._path)
        except OSError:
            self.discard()
            raise
        with about(self._path):
            self.file.close()
        sync_directory(self._directory)

    def discard(self) -> None:
        """Have nothing left of it, if it is not published: after an error, which is not to be hidden by another."""
        with contextlib.suppress(OSError):
            self.file.close()  # writes what is buffered, which a full disk refuses
        if self._named:
            with contextlib.suppress(OSError):
                os.unlink(self._name)

    def _give_name(self) -> None:
        fd = os.open(self._directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:  # with a directory's fd, as without one link(2) is called, which follows no symlink
            link = f"/proc/self/fd/{self.file.fileno()}"
            os.link(link, os.path.basename(self._name), dst_dir_fd=fd, follow_symlinks=True)
        finally:
            os.close(fd)
        self._named = True


def give(fd: int, access: Access) -> None:
    """Give an open file *access*. At no moment may anybody do more than that, or than before. Raises OSError."""
    os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) & access.mode)
    os.fchown(fd, *(-1 if number is None else number for number in access[:2]))
    os.fchmod(fd, access.mode)  # after chown(2), which takes setuid away


class GiveAccess(Action):
    """Give a file, which holds what it is to hold, to other people."""

    def __init__(self, path: str, have: Found, access: Access) -> None:
        self.path = path
        self.access = access
        self._have = have

    def describe(self) -> str:
        changes = difference(self._have.access, self.access)[1]
        return f"set {', '.join(f'{key} {value}' for key, value in changes.items())} of {printable(self.path)}"

    def commit(self, run: Run) -> None:
        with _file(self.path) as file:
            if found(file).inode != self._have.inode:  # what is there now is nothing we have read
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), self.path)
            with about(self.path):
                give(file.fileno(), self.access)
                os.fsync(file.fileno())


def _file(path: str) -> t.BinaryIO:
    return t.cast(t.BinaryIO, open(open_quietly(path, os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0))
