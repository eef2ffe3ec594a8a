# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes and mounts that use layers, found in one pass over /proc. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._errors import printable, shorten
from ..._linux.mountinfo import Snapshot, is_below
from ..._store.layout import DIFF, MERGED, WORK
from . import proc
from .layer_mounts import Hit, LayerMount, LayerMounts


class User(t.NamedTuple):
    """A user of a layer: a process, with the first reason that was found; or the kernel itself.

    pid:     0 for the kernel, and for a mount in our own namespace.
    command: the process's program, without arguments; the loop device; otherwise "".
    how:     "root", "cwd", "open file", "mapped file", "mount", or "mount inside" of something in the layer's
             directory; "loop device", "swap file".
    path:    the path of what the user holds, in our own mount namespace if possible; of a mount, as the process sees
             it.
    """

    pid: int
    command: str
    how: str
    path: str

    @property
    def key(self) -> tuple[int, str]:
        """The identity of the user, which stays the same in the next scan, whatever reason is found first."""
        return self.pid, "" if self.pid else self.path


_CONTENT = (DIFF, WORK, MERGED)
_HOLDS = {
    "root": "its root in",
    "cwd": "its cwd in",
    "open file": "an open file,",
    "mapped file": "a mapped file,",
    "mount": "a mount of it on",
    "mount inside": "something mounted in it, on",
}
_BY_ITSELF = {
    "mount": "a mount of it on {path}",
    "mount inside": "something mounted in it, on {path}",
    "loop device": "{device}, which has {path} as its backing file",
    "swap file": "the kernel, which swaps to {path}",
}


def users_of_layers(
    home: str,
    ids: t.Collection[str] | None = None,
    *,
    whole: bool = False,
    ignored: t.Collection[str] = (),
    known: Snapshot | None = None,
) -> dict[str, list[User]]:
    """Return by id the users of the layers *ids*, or of any layer, of the store at *home*. Unused layers have no key.

    Users are found in any mount namespace, by any name: below the layer's directory, in an overlay of the layer, and
    through bind mounts of both. Mounts in the layer's directory are users, and files of the layer that the kernel has
    open for a loop device or as swap. The overlay on <home>/<id>/merged, and copies that vanish with it, are not users.
    Our own process is not a user. A process that has open only the layer's directory, which is how runs lock a layer,
    or a file beside its content, is a user only with *whole*. ignored: mount points whose mounts are not users.
    known: our own mounts; None to read them now. docs/cleanup-plan.md lists what cannot be seen. Raises OSError.
    """
    from .kernel_uses import kernel_uses  # the texts about users are needed without it

    layer_mounts = LayerMounts(home, ids, known)
    users: dict[str, dict[tuple[int, str], User]] = {}

    def note(layer_id: str, user: User) -> None:
        users.setdefault(layer_id, {}).setdefault(user.key, user)

    for thread in proc.threads():
        if layer_mounts.learn(thread) and thread.pid != os.getpid():
            for layer_id, user in _uses_of(layer_mounts, thread, whole):
                note(layer_id, user)
    for layer_id, mounts in layer_mounts.elsewhere().items():
        for mount in mounts:
            if not mount.goes_with_ours and mount.mount_point not in ignored:
                note(layer_id, user_of(mount))
    for layer_id, inside in layer_mounts.mounted_in().items():
        for pid, point in inside:
            note(layer_id, User(pid, proc.command_of(pid) if pid else "", "mount inside", point))
    for layer_id, device, how, name in kernel_uses(layer_mounts):
        note(layer_id, User(0, device, how, name))
    return {layer_id: sorted(found.values()) for layer_id, found in users.items()}


def user_of(mount: LayerMount) -> User:
    """Return a mount as a user; of a mount in another namespace, with a process that sees it."""
    return User(0 if mount.here else mount.pid, "" if mount.here else mount.command, "mount", mount.mount_point)


def describe_users(users: t.Sequence[User]) -> str:
    """Return "held by pid 123 (sleep) with its cwd in /store/a/diff", for a message."""
    return "held by " + shorten([_described(user) for user in users])


def _described(user: User) -> str:
    path = printable(user.path)
    if not user.pid:
        return _BY_ITSELF[user.how].format(path=path, device=user.command)
    return f"pid {user.pid} ({printable(user.command)}) with {_HOLDS[user.how]} {path}"


def _is_beside_content(path: str, layer: str) -> bool:
    """Tell whether *path* is the directory *layer* or lies in there, but not in diff, work or merged."""
    return path == layer or (is_below(path, layer) and path[len(layer) + 1 :].partition("/")[0] not in _CONTENT)


def _uses_of(layer_mounts: LayerMounts, thread: proc.Thread, whole: bool) -> t.Iterator[tuple[str, User]]:
    """Yield the layers that a thread uses, each once. whole: as for users_of_layers()."""
    found: set[str] = set()
    starts = layer_mounts.starts(thread.namespace)
    for how, link, path in _held(thread, starts):
        if not path.startswith(starts) and path != link:  # most files are in no layer: this test saves the calls below
            continue
        for hit in _hits(layer_mounts, thread, path, link):
            if hit.id in found:
                continue
            if how == "open file" and not whole and _is_beside_content(hit.name, f"{layer_mounts.home}/{hit.id}"):
                continue
            if _is_proved(layer_mounts, thread, hit, link):
                found.add(hit.id)
                yield hit.id, User(thread.pid, proc.command_of(thread.pid), how, hit.name)


def _hits(layer_mounts: LayerMounts, thread: proc.Thread, path: str, link: str) -> t.Sequence[Hit]:
    with contextlib.suppress(*proc.UNSEEN):  # the thread is gone
        return layer_mounts.hits(thread.namespace, path, link)
    return ()


def _is_proved(layer_mounts: LayerMounts, thread: proc.Thread, hit: Hit, link: str) -> bool:
    with contextlib.suppress(*proc.UNSEEN):  # as above
        return bool(layer_mounts.proved(thread.namespace, [hit], link))
    return False


def _held(thread: proc.Thread, starts: tuple[str, ...]) -> t.Iterator[tuple[str, str, str]]:
    """Yield how, and by which link in /proc, a thread holds a file, and the file's path.

    starts: yield only those mapped files whose paths start with one of these.
    The path of a deleted file ends with " (deleted)". A path too long to be read is the link itself.
    """
    yield "root", f"{thread.directory}/root", thread.root
    for how, link in _links(thread):
        path = ""
        with contextlib.suppress(*proc.UNSEEN):
            path = proc.path_of(link)
        if path.startswith("/"):  # otherwise the link leads to a socket, a pipe and the like
            yield how, link, path
    if thread.first:
        yield "mapped file", f"{thread.directory}/exe", thread.program
        for path, place in _mapped(thread.directory, starts):
            yield "mapped file", f"/proc/{thread.pid}/map_files/{place}", path


def _links(thread: proc.Thread) -> t.Iterator[tuple[str, str]]:
    yield "cwd", f"{thread.directory}/cwd"
    if thread.files:
        with contextlib.suppress(*proc.UNSEEN):
            for fd in os.listdir(f"{thread.directory}/fd"):
                yield "open file", f"{thread.directory}/fd/{fd}"


def _mapped(directory: str, starts: tuple[str, ...]) -> t.Iterator[tuple[str, str]]:
    """Yield the paths of a process's mapped files that start with one of *starts*, and their names in map_files."""
    data = b""
    with contextlib.suppress(*proc.UNSEEN), open(directory + "/maps", "rb") as file:
        data = file.read()
    found: dict[bytes, bytes] = {}
    for line in data.split(b"\n"):
        if b"/" in line:
            found.setdefault(line[line.index(b"/") :], line)
    for name, line in found.items():
        path = os.fsdecode(name).replace("\\012", "\n")
        if path.startswith(starts):
            yield path, _place(line)


def _place(line: bytes) -> str:
    """Return the name in map_files of the mapping in a line of maps: the same numbers without leading zeros."""
    start, _unused, end = line.split(b" ", 1)[0].partition(b"-")
    return f"{int(start, 16):x}-{int(end, 16):x}"
