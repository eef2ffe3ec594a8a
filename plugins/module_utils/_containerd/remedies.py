# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who removes what nothing needs in a containerd store, and by which command. Pure. PRIVATE to the collection.

The collection never runs these commands: a person decides. containerd's collector runs at once after a client has asked
to wait for it (--sync); an idle containerd may not run it for days. Source: containerd plugins/gc/scheduler.go; tried.
"""

from __future__ import annotations

import shlex
import typing as t

from .._errors import printable
from . import marking, unneeded

if t.TYPE_CHECKING:
    from .look import Look
    from .metadata import Namespace
    from .owners import Owner

ENGINE, USER = "engine", "user"
_NAMES = 8  # in one command
_SWEEP = "strata-sweep"  # what the commands make and remove to have the collector look at everything
_PLAIN = {"k8s.io": "crictl rmi --prune", "moby": "docker image prune --all"}
# Clients that keep records of their own: what removes an object in their namespaces.
_BY_CLIENT = {
    ("k8s.io", marking.CONTAINER): "crictl rm -f",
    ("k8s.io", marking.IMAGE): "crictl rmi",
    ("moby", marking.IMAGE): "docker rmi -f",
    ("moby", marking.LEASE): "docker rm -f",  # the lease of a container has the container's id
}
_KINDS = (marking.CONTAINER, marking.LEASE, marking.IMAGE)  # in the order of their removal


class Remedy(t.NamedTuple):
    """by: ENGINE or USER. policy: it is needed by nothing that runs, and may be wanted all the same."""

    by: str
    run: str
    policy: bool


def remedy(found: unneeded.Unneeded, ctr: str, namespace: str) -> Remedy:
    """Return what to do about *found*.

    ctr: the command that talks to this containerd. namespace: for what lies in none, one that exists.
    """
    command = f"{ctr} -n {_word(found.namespace or namespace)}"
    collect = _collect(command)
    if found.code in (unneeded.ORPHAN_DIRECTORY, unneeded.UNLISTED_RECORD):
        # A snapshotter looks at its directories only after one of its snapshots was removed.
        snapshots = f"{command} snapshots --snapshotter {_word(found.snapshotter)}"
        return Remedy(ENGINE, f"{snapshots} prepare {_SWEEP} '' && {snapshots} rm {_SWEEP} && {collect}", False)
    if found.code == unneeded.STRAY_BLOB:
        return Remedy(ENGINE, f"echo {_SWEEP} | {command} content ingest {_SWEEP} && {collect}", False)
    if found.code == unneeded.LEFT_LEASE:
        return Remedy(ENGINE, _of_names(f"{command} leases delete --sync", list(found.subjects)), False)
    if found.code == unneeded.KEPT_BY_LABEL:
        keys = [key.partition("/")[2] for key in found.subjects]
        remove = f"{command} snapshots --snapshotter {_word(found.snapshotter)} rm"
        return Remedy(USER, _of_names(remove, keys, f" && {collect}"), False)
    if found.code == unneeded.UNUSED_IMAGE:
        plain = _PLAIN.get(found.namespace)
        return Remedy(USER, plain or _of_names(f"{command} images rm --sync", list(found.subjects)), True)
    return Remedy(ENGINE, collect, False)


def removal_of_gone(look: Look, snapshotter: str, name: str, owners: t.Sequence[Owner], ctr: str) -> str:
    """Return the command that removes the record of a snapshot without a directory, and all that needs the snapshot.

    name: of the snapshot, in the snapshotter's database. owners: what needs it. ctr: as for remedy().
    """
    found = [
        (space, namespace, key)
        for space, namespace in look.metadata.namespaces.items()
        for key, snapshot in namespace.snapshots.items()
        if snapshot.name == name and key.startswith(f"{snapshotter}/")
    ]
    if not found:
        record = unneeded.Unneeded(unneeded.UNLISTED_RECORD, "", snapshotter, {name: None})
        return remedy(record, ctr, next(iter(look.metadata.namespaces), "default")).run
    commands = [command for kind in _KINDS for one in owners if one.kind == kind for command in _removal(one, ctr)]
    if not commands:
        for space, namespace, key in found:
            words = [each.partition("/")[2] for each in _with_children(namespace, key)]
            remove = f"{ctr} -n {_word(space)} snapshots --snapshotter {_word(snapshotter)} rm"
            commands.append(" ".join([remove, *map(_word, words)]))
    spaces = dict.fromkeys(space for space, _namespace, _key in found if (space, marking.IMAGE) not in _BY_CLIENT)
    commands += [_collect(f"{ctr} -n {_word(space)}") for space in spaces]
    return " && ".join(dict.fromkeys(commands))


def _removal(owner: Owner, ctr: str) -> t.Iterator[str]:
    """Yield the command that removes an object."""
    command = f"{ctr} -n {_word(owner.namespace)}"
    by_ctr = {
        marking.CONTAINER: f"{command} containers rm",
        marking.LEASE: f"{command} leases delete --sync",
        marking.IMAGE: f"{command} images rm --sync",
    }
    name = owner.id if owner.kind == marking.CONTAINER else owner.name
    yield f"{_BY_CLIENT.get((owner.namespace, owner.kind)) or by_ctr[owner.kind]} {_word(name)}"


def _with_children(namespace: Namespace, key: str) -> list[str]:
    """Return a snapshot with all that are built on it, each before its parent."""
    found: list[str] = []
    waiting = [key]
    while waiting and len(found) <= len(namespace.snapshots):
        one = waiting.pop()
        found.append(one)
        snapshotter, _slash, own = one.partition("/")
        waiting += [
            child
            for child, snapshot in namespace.snapshots.items()
            if snapshot.parent == own and child.startswith(f"{snapshotter}/")
        ]
    return found[::-1]


def _collect(command: str) -> str:
    return f"{command} leases create --id {_SWEEP} && {command} leases delete --sync {_SWEEP}"


def _of_names(command: str, names: list[str], then: str = "") -> str:
    left_out = f" # and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return " ".join([command, *map(_word, names[:_NAMES])]) + then + left_out


def _word(text: str) -> str:
    return shlex.quote(printable(text))
