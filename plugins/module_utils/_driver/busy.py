# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes and mounts use a layer: one pass over /proc for any number of layers. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._errors import printable
from .._linux.mountinfo import is_below
from .._store.layout import DIFF, MERGED, WORK
from . import namespaces
from .elsewhere import LayerMount, View

SHOWN = 5  # users in a message


class User(t.NamedTuple):
    """A process that uses a layer; one reason is enough, the first that was found.

    command: the program it runs, without arguments.
    how:  "root", "cwd", "open file", "mapped file", "mount", or "mount inside" of something in the layer's directory.
    path: what it holds, by its name in our own mount namespace if it has one; for a mount always as the process
          sees it.
    """

    pid: int
    command: str
    how: str
    path: str


_CONTENT = (DIFF, WORK, MERGED)
_HOLDS = {
    "root": "its root in",
    "cwd": "its cwd in",
    "open file": "an open file,",
    "mapped file": "a mapped file,",
    "mount": "a mount of it on",
    "mount inside": "something mounted in it, on",
}


def scan(home: str, ids: t.Collection[str] | None = None, *, whole: bool = False) -> dict[str, list[User]]:
    """Return who uses the layers *ids* of the store at *home*, or any layer. Unused layers are left out.

    Found in any mount namespace, by any name: below the layer's directory, in an overlay of it, and through bind mounts
    of both; and what is mounted in its directory. The overlay on <home>/<id>/merged is no user itself, nor are copies
    of it that go with it. Neither is our own process, nor one that has nothing open but the layer's directory, which is
    how layers are locked, or a file that tells about the layer; with *whole* that counts as well. Raises OSError.
    """
    view = View(home, ids)
    users: dict[str, dict[int, User]] = {}
    for task in namespaces.tasks():
        table = view.table(task)
        if table is None or task.pid == os.getpid():
            continue
        for how, where, path in _held(view, task, table):
            for id, name in view.layers_at(where, path):
                if not whole and how == "open file" and _is_beside_content(name, f"{view.home}/{id}"):
                    continue
                found = users.setdefault(id, {})
                if task.pid not in found:
                    found[task.pid] = User(task.pid, namespaces.command_of(task.pid), how, name)
    for id, mounts in view.elsewhere().items():
        for mount in mounts:
            if not mount.goes_with_ours:
                user = User(mount.pid, mount.command, "mount", mount.mount_point)
                users.setdefault(id, {}).setdefault(mount.pid, user)
    for id, inside in view.mounted_in().items():
        for pid, point in inside:
            user = User(pid, namespaces.command_of(pid), "mount inside", point)
            users.setdefault(id, {}).setdefault(pid, user)
    return {id: sorted(found.values()) for id, found in users.items()}


def mounts_elsewhere(home: str, ids: t.Collection[str] | None = None) -> dict[str, list[LayerMount]]:
    """Return the mounts that show the layers *ids*, or any, besides those on <home>/<id>/merged in our own namespace.

    Looks at the mounts alone, so costs less than scan(). Raises OSError.
    """
    view = View(home, ids)
    for task in namespaces.tasks():
        view.table(task)
    return view.elsewhere()


def mounted_in(home: str, ids: t.Collection[str]) -> dict[str, str]:
    """Return in words what we see mounted in the directories of layers, not on merged, by id. Raises OSError."""
    found = View(home, ids).mounted_in()
    return {id: ", ".join(printable(point) for _pid, point in inside[:SHOWN]) for id, inside in found.items()}


def independent_mounts(home: str, id: str) -> list[LayerMount]:
    """Return the overlays of layer *id* that will still be there when ours is unmounted. Raises OSError."""
    mounts = mounts_elsewhere(home, [id]).get(id, [])
    return [mount for mount in mounts if mount.shows == "merged" and not mount.goes_with_ours]


def describe_users(users: t.Sequence[User]) -> str:
    """Return "held by pid 123 (sleep) with its cwd in /store/a/diff", for a message."""
    each = [
        f"pid {user.pid} ({printable(user.command)}) with {_HOLDS[user.how]} {printable(user.path)}"
        for user in users[:SHOWN]
    ]
    more = [f"{len(users) - SHOWN} more"] if len(users) > SHOWN else []
    return "held by " + ", ".join(each + more)


def _is_beside_content(path: str, layer: str) -> bool:
    """Tell whether *path* is the directory *layer* or lies in there, but not in diff, work or merged."""
    return path == layer or (is_below(path, layer) and path[len(layer) + 1 :].partition("/")[0] not in _CONTENT)


def _held(view: View, task: namespaces.Task, table: namespaces.Table) -> t.Iterator[tuple[str, namespaces.Table, str]]:
    """Yield how and what a task holds, and in which table that is named; with " (deleted)" where that is so."""
    links = [("root", "root"), ("cwd", "cwd")]
    if task.first:
        links.append(("mapped file", "exe"))
        with contextlib.suppress(*namespaces.UNSEEN):
            links += [("open file", f"fd/{fd}") for fd in os.listdir(task.directory + "/fd")]
    for how, link in links:
        where, path = table, ""
        with contextlib.suppress(*namespaces.UNSEEN):
            where, path = view.named(table, f"{task.directory}/{link}")
        if path.startswith("/"):  # otherwise a socket, a pipe and the like
            yield how, where, path
    if task.first:
        for path in _mapped(task.directory):
            yield "mapped file", table, path


def _mapped(directory: str) -> set[str]:
    """Return the paths of a process's mapped files."""
    data = b""
    with contextlib.suppress(*namespaces.UNSEEN), open(directory + "/maps", "rb") as file:
        data = file.read()
    found = {line[line.index(b"/") :] for line in data.split(b"\n") if b"/" in line}
    return {os.fsdecode(path).replace("\\012", "\n") for path in found}
