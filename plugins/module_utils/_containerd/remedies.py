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
from . import unneeded

ENGINE, USER = "engine", "user"
_NAMES = 8  # in one command
_SWEEP = "strata-sweep"  # what the commands make and remove to have the collector look at everything
_PLAIN = {"k8s.io": "crictl rmi --prune", "moby": "docker image prune --all"}


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
    collect = f"{command} leases create --id {_SWEEP} && {command} leases delete --sync {_SWEEP}"
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


def _of_names(command: str, names: list[str], then: str = "") -> str:
    left_out = f" # and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return " ".join([command, *map(_word, names[:_NAMES])]) + then + left_out


def _word(text: str) -> str:
    return shlex.quote(printable(text))
