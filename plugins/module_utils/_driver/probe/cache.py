# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of trial mounts, and their cache until the next boot. PRIVATE to the collection.

    /run/strata-overlay2/<major>-<minor>-<kind>.json    one filesystem; kind: the kernel's name

A file names the boot, kernel, user namespace, filesystem and parameters of the overlay module that its results are true
for. A file for other values, or an invalid file, is ignored and replaced. Only success is kept: the reason of a failure
may change before the next boot.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import typing as t

from ..._linux import module
from ..._linux.boot import boot_id
from ..._linux.noatime import read_quietly
from ..._store.run_directory import is_private, make_private
from .filesystem import Filesystem

FORMAT = 1


class Parameters(t.NamedTuple):
    """The overlay module's defaults for mounts. None: the kernel does not know the parameter."""

    index_on: bool | None
    redirect_dir_on: bool | None
    metacopy_on: bool | None


class TrialResults(t.NamedTuple):
    """The results of trial mounts with the options of mount_options(). None: unknown.

    userxattr:           overlays must, and can, keep their marks in user xattrs.
    overlay:             overlays with several lowers can be mounted, and with this filesystem as a lower.
    native_overlay_diff: an upperdir alone tells what changed.
    using_metacopy:      a change of mode or owner copies no content up.
    why_no_overlay, why_no_native_diff: the reason if the result is not True.
    """

    parameters: Parameters
    userxattr: bool | None
    overlay: bool | None = None
    native_overlay_diff: bool | None = None
    using_metacopy: bool | None = None
    why_no_overlay: str | None = None
    why_no_native_diff: str | None = None


def mount_options(parameters: Parameters, userxattr: bool | None) -> tuple[str, ...]:
    """Return the options of every overlay we mount: without them, the kernel's defaults could break native diff.

    userxattr itself excludes redirects and metacopy; kernels that still follow redirects refuse "redirect_dir=off"
    beside it.
    """
    options = ["index=off"] if parameters.index_on is not None else []
    if userxattr:
        return (*options, "userxattr")
    if parameters.redirect_dir_on:
        options.append("redirect_dir=off")
    if parameters.metacopy_on:
        options.append("metacopy=off")
    return tuple(options)


def read_parameters() -> Parameters:
    """Return the parameters as they are now: all None before the overlay module is loaded."""
    return Parameters(*(module.is_on("overlay", name) for name in ("index", "redirect_dir", "metacopy")))


def load(directory: str, filesystem: Filesystem) -> TrialResults | None:
    """Return the results kept for *filesystem* in *directory*; None without results that can be trusted."""
    try:
        if not is_private(directory):
            return None
        kept = json.loads(read_quietly(_path(directory, filesystem)))
        if kept["true_for"] != _true_for(filesystem):
            return None
        results = TrialResults(parameters=read_parameters(), **kept["answers"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return results if _is_sound(results) else None


def save(directory: str, filesystem: Filesystem, results: TrialResults) -> None:
    """Keep *results* in *directory* if all trials succeeded.

    Keep nothing if *directory* cannot be written, or if it is unknown what the results are true for: a kernel without
    user namespaces has no /proc/self/ns/user.
    """
    if not _is_sound(results) or results.parameters != read_parameters():
        return
    told = results._asdict()
    del told["parameters"]
    with contextlib.suppress(OSError):
        text = json.dumps({"true_for": _true_for(filesystem), "answers": told}, sort_keys=True) + "\n"
        if make_private(directory):
            from ..._store.json_writer import replace_unsynced  # a run that finds the results kept does not need it

            replace_unsynced(_path(directory, filesystem), text)  # two runs at once write the same


def _is_sound(results: TrialResults) -> bool:
    """Tell whether all results are known, and work. Native diff may be off: the same kernel never changes this."""
    switches = (results.userxattr, results.native_overlay_diff, results.using_metacopy)
    return (
        results.overlay is True
        and all(isinstance(switch, bool) for switch in switches)
        and results.why_no_overlay is None
        and isinstance(results.why_no_native_diff, str) is not results.native_overlay_diff
    )


def _true_for(filesystem: Filesystem) -> dict[str, t.Any]:
    return {
        "format": FORMAT,
        "boot_id": boot_id(),
        "kernel": os.uname().release,
        "user_namespace": os.stat("/proc/self/ns/user").st_ino,
        "filesystem": [filesystem.kind, filesystem.dev, filesystem.fsid],
        "parameters": list(read_parameters()),
    }


def _path(directory: str, filesystem: Filesystem) -> str:
    kind = re.sub("[^A-Za-z0-9.-]", "_", filesystem.kind)
    return os.path.join(directory, f"{os.major(filesystem.dev)}-{os.minor(filesystem.dev)}-{kind}.json")
