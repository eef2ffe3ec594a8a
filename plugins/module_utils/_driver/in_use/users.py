# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes and mounts use a layer: one pass over /proc for any number of layers. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._errors import printable, shorten
from ..._linux.mountinfo import is_below
from ..._store.layout import DIFF, MERGED, WORK
from . import proc
from .kernel_uses import kernel_uses
from .layer_mounts import Hit, LayerMount, LayerMounts


class User(t.NamedTuple):
    """What uses a layer: a process, for one reason, the first that was found; or the kernel itself.

    pid:     0 for the kernel, and for a mount in our own namespace.
    command: the program that the process runs, without arguments; for a loop device that; "" for all else.
    how:     "root", "cwd", "open file", "mapped file", "mount", or "mount inside" of something in the layer's
             directory; "loop device", "swap file".
    path:    what it holds, by its name in our own mount namespace if it has one; for a mount always as the process
             sees it.
    """

    pid: int
    command: str
    how: str
    path: str

    @property
    def key(self) -> tuple[int, str]:
        """What tells it from others: the same in the next scan, whatever is found first then."""
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
    home: str, ids: t.Collection[str] | None = None, *, whole: bool = False, ignored: t.Collection[str] = ()
) -> dict[str, list[User]]:
    """Return who uses the layers *ids* of the store at *home*, or any layer. Unused layers are left out.

    Found in any mount namespace, by any name: below the layer's directory, in an overlay of it, and through bind mounts
    of both; what is mounted in its directory; and what the kernel has open of it for a loop device, or to swap to. The
    overlay on <home>/<id>/merged is no user itself, nor are copies of it that go with it. Neither is our own process,
    nor one that has nothing open but the layer's directory, which is how layers are locked, or a file that tells about
    the layer; with *whole* that counts as well. ignored: mount points; what is mounted there is no user. What nobody
    can see stands in docs/cleanup-plan.md. Raises OSError.
    """
    layer_mounts = LayerMounts(home, ids)
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


def mounts_elsewhere(home: str, ids: t.Collection[str] | None = None) -> dict[str, list[LayerMount]]:
    """Return the mounts that show the layers *ids*, or any, besides those on <home>/<id>/merged in our own namespace.

    Looks at the mounts alone, so costs less than users_of_layers(). Raises OSError.
    """
    layer_mounts = LayerMounts(home, ids)
    for thread in proc.threads():
        layer_mounts.learn(thread)
    return layer_mounts.elsewhere()


def mounted_in(home: str, ids: t.Collection[str]) -> dict[str, str]:
    """Return in words what we see mounted in the directories of layers, not on merged, by id. Raises OSError."""
    found = LayerMounts(home, ids).mounted_in()
    return {layer_id: shorten([printable(point) for _pid, point in inside]) for layer_id, inside in found.items()}


def independent_mounts(home: str, layer_id: str) -> list[LayerMount]:
    """Return the overlays of layer *id* that will still be there when ours is unmounted. Raises OSError."""
    mounts = mounts_elsewhere(home, [layer_id]).get(layer_id, [])
    return [mount for mount in mounts if mount.shows == "merged" and not mount.goes_with_ours]


def user_of(mount: LayerMount) -> User:
    """Return a mount as a user: in another namespace, a process that sees it."""
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
    """Yield the layers that a thread uses, each once. whole: as in users_of_layers()."""
    found: set[str] = set()
    for how, link, path in _held(thread):
        for hit in _hits(layer_mounts, thread, path, link):
            if hit.id in found:
                continue
            if how == "open file" and not whole and _is_beside_content(hit.name, f"{layer_mounts.home}/{hit.id}"):
                continue
            if _is_proved(layer_mounts, thread, hit, link):
                found.add(hit.id)
                yield hit.id, User(thread.pid, proc.command_of(thread.pid), how, hit.name)


def _hits(layer_mounts: LayerMounts, thread: proc.Thread, path: str, link: str) -> t.Sequence[Hit]:
    with contextlib.suppress(*proc.UNSEEN):  # it is gone
        return layer_mounts.hits(thread.namespace, path, link)
    return ()


def _is_proved(layer_mounts: LayerMounts, thread: proc.Thread, hit: Hit, link: str) -> bool:
    with contextlib.suppress(*proc.UNSEEN):  # as above
        return bool(layer_mounts.proved(thread.namespace, [hit], link))
    return False


def _held(thread: proc.Thread) -> t.Iterator[tuple[str, str, str]]:
    """Yield how and by which link in /proc a thread holds something, and the path; " (deleted)" at its end if it is.

    That is the link itself where it is too long to be told.
    """
    yield "root", f"{thread.directory}/root", thread.root
    for how, link in _links(thread):
        path = ""
        with contextlib.suppress(*proc.UNSEEN):
            path = proc.path_of(link)
        if path.startswith("/"):  # otherwise a socket, a pipe and the like
            yield how, link, path
    if thread.first:
        yield "mapped file", f"{thread.directory}/exe", thread.program
        for path, place in _mapped(thread.directory).items():
            yield "mapped file", f"/proc/{thread.pid}/map_files/{place}", path


def _links(thread: proc.Thread) -> t.Iterator[tuple[str, str]]:
    yield "cwd", f"{thread.directory}/cwd"
    if thread.files:
        with contextlib.suppress(*proc.UNSEEN):
            for fd in os.listdir(f"{thread.directory}/fd"):
                yield "open file", f"{thread.directory}/fd/{fd}"


def _mapped(directory: str) -> dict[str, str]:
    """Return the paths of a process's mapped files, each with its name in map_files."""
    data = b""
    with contextlib.suppress(*proc.UNSEEN), open(directory + "/maps", "rb") as file:
        data = file.read()
    found: dict[bytes, bytes] = {}
    for line in data.split(b"\n"):
        if b"/" in line:
            found.setdefault(line[line.index(b"/") :], line)
    return {os.fsdecode(path).replace("\\012", "\n"): _place(line) for path, line in found.items()}


def _place(line: bytes) -> str:
    """Return what map_files calls the mapping that a line of maps is about: without the leading zeros of that."""
    start, _unused, end = line.split(b" ", 1)[0].partition(b"-")
    return f"{int(start, 16):x}-{int(end, 16):x}"
