# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The features of kernel and backing filesystem, probed without a trace. PRIVATE to the collection.

Trial mounts are made in a private mount namespace, once a boot: a run that finds kept results makes no trial mount.
"""

from __future__ import annotations

import errno
import os
import typing as t

from ..._errors import NotPermitted, NotSupported, Overlay2Error, QuotaNotSupported, printable
from ..._linux import module
from ..._linux.mountinfo import Snapshot
from ..._linux.user_namespace import in_user_namespace
from ..._store.layout import MAX_DEPTH
from ..._store.run_directory import RUN_DIRECTORY
from . import cache, filesystem
from .cache import Parameters, TrialResults
from .problems import IN_THE_WAY, Problem, find_problems


class Features(t.NamedTuple):
    """The features that a store at home can rely on. None: unknown, and a problem says why.

    backing_fs:          the filesystem, as moby calls it; "<unknown>" if it has no name there.
    supports_d_type:     directories hold the types of their entries.
    native_overlay_diff, using_metacopy, userxattr: of overlays as we mount them; see TrialResults.
    index_off:           the kernel knows the mount option.
    project_quota:       layers can have limits; otherwise project_quota_reason says why not.
    overlay:             overlays with several lowers work.
    max_depth:           lowers a layer can have.
    filesystem:          device, mount_point, options (str), size, free (bytes), inodes, inodes_free. For results.
    parameters:          what the overlay module does by default.
    """

    backing_fs: str
    supports_d_type: bool | None
    native_overlay_diff: bool | None
    using_metacopy: bool | None
    userxattr: bool | None
    index_off: bool | None
    project_quota: bool
    project_quota_reason: str | None
    kernel: str
    in_user_namespace: bool
    overlay: bool | None
    max_depth: int
    filesystem: dict[str, t.Any]
    parameters: Parameters
    problems: tuple[Problem, ...]

    @property
    def supported(self) -> bool:
        """Whether layers can be created; False also if it is unknown."""
        in_the_way = any(problem.code in IN_THE_WAY for problem in self.problems)
        return self.overlay is True and self.supports_d_type is True and not in_the_way


def probe(
    home: str,
    *,
    trial: TrialResults | None = None,
    cache_directory: str = RUN_DIRECTORY,
    known: Snapshot | None = None,
) -> Features:
    """Return the features for a store at *home*; before home exists, at the place where it would be.

    trial:  the results of trial_on(), which tries more than a trial without a trace can.
    cache_directory: where trial results are kept until the next boot.
    known:  the mounts; None to read them now.
    raises: OSError if the filesystem cannot be read.
    """
    found = filesystem.look_at(home, known)
    is_root = os.geteuid() == 0
    if trial is None:
        trial = _trial_results(found, cache_directory) if is_root else _untried()
    problems = [*_of_the_way(home, found.place), *find_problems(found, trial, is_root=is_root)]
    return Features(
        backing_fs=found.backing_fs,
        supports_d_type=found.supports_d_type,
        native_overlay_diff=trial.native_overlay_diff,
        using_metacopy=trial.using_metacopy,
        userxattr=trial.userxattr,
        index_off=_index_off(trial),
        project_quota=found.quota_off is None,
        project_quota_reason=found.quota_off.reason if found.quota_off else None,
        kernel=os.uname().release,
        in_user_namespace=in_user_namespace(),
        overlay=trial.overlay,
        max_depth=MAX_DEPTH,
        filesystem=_for_results(found),
        parameters=trial.parameters,
        problems=tuple(problems),
    )


def mount_options(features: Features) -> tuple[str, ...]:
    """Return the options that every overlay of ours gets, in order."""
    return cache.mount_options(features.parameters, features.userxattr)


def status_rows(features: Features) -> dict[str, str]:
    """Return the rows that `docker info` shows, in the same order and words; "unknown" for None."""
    return {
        "Backing Filesystem": features.backing_fs,
        "Supports d_type": _word(features.supports_d_type),
        "Using metacopy": _word(features.using_metacopy),
        "Native Overlay Diff": _word(features.native_overlay_diff),
        "userxattr": _word(features.userxattr),
    }


def not_supported_error(features: Features) -> Overlay2Error | None:
    """Return the error for a run that creates a layer; None if layers can be created. Unknown features are refused."""
    if features.supported:
        return None
    reasons = [problem for problem in features.problems if problem.code in IN_THE_WAY]
    reasons += [problem for problem in features.problems if problem.code == "not_probed"]
    kind = NotPermitted if reasons[0].code == "not_root" else NotSupported
    return kind(reasons[0].message, hint=reasons[0].hint)


def quota_not_supported_error(features: Features) -> Overlay2Error | None:
    """Return the error for a run that limits a layer; None if limits can be set."""
    for problem in features.problems:
        if problem.code == "no_project_quota":
            return QuotaNotSupported(problem.message, hint=problem.hint)
    return None


def _word(value: bool | None) -> str:
    return "unknown" if value is None else str(value).lower()


def _trial_results(found: filesystem.Filesystem, cache_directory: str) -> TrialResults:
    kept = cache.load(cache_directory, found)
    if kept is None:
        from .trial_mounts import trial_without_trace  # most runs do not need it

        kept = trial_without_trace(found.place)
        cache.save(cache_directory, found, kept)
    return kept


def _untried() -> TrialResults:
    return TrialResults(cache.read_parameters(), userxattr=None if in_user_namespace() else False)


def _index_off(trial: TrialResults) -> bool | None:
    """Tell whether the kernel knows index=off; None before the module is loaded, which a trial does."""
    if trial.overlay is None and not module.is_loaded("overlay"):
        return None
    return trial.parameters.index_on is not None


def _of_the_way(home: str, place: str) -> t.Iterator[Problem]:
    """Yield a problem if *home* cannot be reached: *place* may then be on another filesystem."""
    try:
        os.stat(home)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            message = f"{printable(home)} is out of reach ({error.strerror}): the facts are about {printable(place)}"
            yield Problem("unreachable", message, "correct home, or run the task as a user who may enter it")


def _for_results(found: filesystem.Filesystem) -> dict[str, t.Any]:
    names = {
        name: None if value is None else printable(value)
        for name, value in (
            ("device", found.device),
            ("mount_point", found.mount_point),
            ("options", found.options),
        )
    }
    return {**names, "size": found.size, "free": found.free, "inodes": found.inodes, "inodes_free": found.inodes_free}
