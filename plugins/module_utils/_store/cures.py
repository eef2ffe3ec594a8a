# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about each finding, by the engine that the store belongs to. Pure. PRIVATE to the collection.

A person can follow each cure as it is: an option that a cure names exists, the store does not refuse a module that a
cure names, and root can give a command, which is between backticks, to a shell. PARENT in a command is an id that no
file on disk holds.
"""

from __future__ import annotations

import os
import shlex
import typing as t

from .._errors import printable
from .engine import CONTAINERS_STORAGE, DOCKER, SOMEBODY

if t.TYPE_CHECKING:
    from .gone import User

_OURS = "strata.overlay2.overlay2_"
REPAIR = _OURS + "repair"
_BY_REPAIR = "{command}"  # left out as _RUN is
_RUN = "{quiet}run `{command}`"  # left out if there is no command
_BY_FOREIGN_REPAIR = "{stop}: then " + REPAIR + " repairs it with foreign: repair"
_SWEEP = _OURS + "prune sweeps it"
_SWEEP_FOREIGN = "{stop}: then " + _SWEEP + " with foreign: remove"
_NEEDED = ", unless a lower file holds the name: then see the finding about the layer of that file"
_FOREIGN = "foreign"  # any engine
_MEND: dict[str, tuple[str, ...]] = {"": (_BY_REPAIR, "{anew}"), _FOREIGN: (_RUN, "{anew}")}
# By code, then by engine, "" for ours and all others: alternatives, the best first.
CURES: dict[str, dict[str, tuple[str, ...]]] = {
    # Damage.
    "link_missing": _MEND,
    "link_empty": _MEND,
    "link_doubled": _MEND,
    "link_astray": _MEND,
    "lower_missing": _MEND,
    "lower_malformed": _MEND,
    "lower_unresolved": {
        "": (_BY_REPAIR, "restore the lost layer from a backup", "{anew}"),
        _FOREIGN: (_RUN, "restore the lost layer from a backup", "{anew}"),
    },
    "diff_missing": {"": ("restore its content from a backup", "{anew}")},
    "work_missing": _MEND,
    "committed_missing": {"": (_BY_REPAIR,)},
    "store_file_unreadable": {"": ("{why}",)},
    # Litter.
    "dangling_link": {"": (_SWEEP + _NEEDED,), _FOREIGN: (_SWEEP_FOREIGN + _NEEDED,)},
    "staging_leftover": {
        "": (_SWEEP + ", and so does the next run that changes something in the store",),
        _FOREIGN: (_SWEEP_FOREIGN,),
    },
    "dead_holder": {
        "": ("it does no harm: the next mount of the layer writes it again, and " + _SWEEP,),
        _FOREIGN: ("it does no harm; " + _SWEEP_FOREIGN,),
    },
    "leaked_project": {"": (_OURS + "prune removes the limits",), _FOREIGN: (_SWEEP_FOREIGN,)},
    # The rest.
    "orphan": {
        "": (
            "{stop} and gather the subset health again: then "
            + _OURS
            + "prune removes the layer with orphans_only: true"
            " and foreign: remove",
        )
    },
    "layer_gone": {"": ("{when}run `{command}`, and pull or make again what the command removes",)},
    "unsealed_parent": {
        "": (REPAIR + " seals it; until then its children show that the layer is sealed",),
        _FOREIGN: ("run `{command}`; until then its children show that the layer is sealed",),
    },
    "stale_volatile": {
        "": ("check its content, then mount it by " + _OURS + "mount with force: true",),
        _FOREIGN: ("check its content; then {quiet}run `{command}`",),
    },
    "loose_mode": {"": (REPAIR + " sets it to {wanted}",), _FOREIGN: ("run `{command}`",)},
    "owner_wrong": {"": (REPAIR + " sets it to {wanted}",)},
    "hidden_mount": {"": ("{command}",)},
    "project_doubled": {
        "": ("run `{command}`, and set the limits of the layer again with " + _OURS + "layer: size and inodes",)
    },
    "project_lost": {"": ("run `{command}`",)},
    "stranger": {"": ("no module changes it: look what it is, and move it out of the store",)},
    "held_long": {"": ("{command}", _OURS + "prune with drop_holders lets go of such holders")},
    "stray_files": {"": ("move what is needed to another place, then run `{command}`",)},
}
# A walk through the layer, which changes what counts for which limit: so a person decides. Links have no project.
_GIVE_PROJECT = (
    "find {path} -xdev -type d -exec chattr +P -p {wanted} {{}} + -o -type f -exec chattr -p {wanted} {{}} +"
)
# What a person runs or does, by code; paths are quoted for a shell.
COMMANDS = {
    "unsealed_parent": "touch {path}",
    "stale_volatile": "rm -r {path}",
    "loose_mode": "chmod {wanted} {path}",
    "owner_wrong": "chown {wanted} {path}",
    "project_doubled": _GIVE_PROJECT,
    "project_lost": _GIVE_PROJECT,
    "stray_files": "find {path} -xdev -mindepth 1 -delete",
    "held_long": "if its work has ended, unmount it by " + _OURS + "mount with state: unmounted and holder: {target}",
    "hidden_mount": "end what uses {target} and unmount it; then run umount {path}, and mount {target} again",
}
MOVE_BACK = "if the directory lies elsewhere, move it back to {path}; or "
MOVE_AWAY = "move {path} out of the store, then gather the subset health again: its finding has the next step"
KEEP_NAME = "do not remove the name: layer {child} knows layer {target} by it, if it is built on layer {target}"
NO_USE = "it means nothing to {engine}: run `rm {path}`"
# By engine: what removes an image or a container, which cannot be used without a layer whose content is lost.
_REMOVE = {
    DOCKER: {"container": "docker rm -f", "image": "docker rmi -f"},
    CONTAINERS_STORAGE: {"container": "podman rm -f", "image": "podman rmi -f"},
}
_TAKE_OVER = "if no engine needs the store, take it over with " + _OURS + "init and adopt: true; then "
_STOP = {DOCKER: "stop docker", CONTAINERS_STORAGE: "end podman and buildah"}
_ANEW = {
    "": "remove the layer by " + _OURS + "layer with state: absent and recursive: true, and make the lost layers again",
    DOCKER: "have docker remove what needs the layer, with docker rm and docker rmi, and pull or build that again",
    CONTAINERS_STORAGE: "have podman remove what needs the layer, with podman rm and podman rmi, and pull or build that"
    " again",
}


def cure(
    engine: str | None,
    code: str,
    command: str = "",
    *,
    stopped: bool = False,
    alone: bool = False,
    by_repair: bool = False,
    why: str = "",
    wanted: str = "",
) -> str:
    """Return what to do about *code* in a store of *engine*, None for ours.

    command: for a shell, or in a store of ours what overlay2_repair does; "" if neither is sure to help. stopped: the
    engine must not run meanwhile, if the text depends on that. alone: only the command helps. by_repair: a run of
    overlay2_repair mends the store. why: the hint of the error that says what is wrong. wanted: what a mode or an owner
    should be.
    """
    if engine == SOMEBODY:  # as in a store of ours, after it was taken over
        ours = cure(None, code, command, stopped=stopped, alone=alone, why=why, wanted=wanted)
        return "; or ".join(_TAKE_OVER + way if _OURS in way else way for way in ours.split("; or "))
    by_engine = CURES[code]
    alternatives = by_engine.get(engine or "") or (by_engine.get(_FOREIGN) if engine else None) or by_engine[""]
    stop = _STOP.get(engine or "", f"stop {engine}")
    quiet = f"{stop}, and " if engine else ""
    anew = _ANEW.get(engine or "", f"have {engine} remove what needs the layer, and make that again")
    told = [_BY_FOREIGN_REPAIR] if by_repair else []
    told += [text for text in alternatives if command or text not in (_RUN, _BY_REPAIR)][: 1 if alone else None]
    when = quiet if stopped else ""
    values = {"command": command, "quiet": quiet, "when": when, "stop": stop, "anew": anew, "why": why}
    return "; or ".join(told).format(**values, wanted=wanted)


def removal_of_users(engine: str, layer: str, record: str, users: t.Sequence[User]) -> str:
    """Return the shell command that removes all that names the layer *layer*, which does not exist.

    record: the path of the record that names the layer; users: what needs the layer.
    """
    if not users and engine == DOCKER:
        return f"rm -r {shlex.quote(printable(os.path.dirname(record)))}"
    if not users:
        return f"containers-storage delete-layer {shlex.quote(printable(layer))}"
    words = _REMOVE[engine]
    return " && ".join(f"{words[user.kind]} {shlex.quote(printable(user.name or user.id))}" for user in users)
