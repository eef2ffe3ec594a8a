# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about whatever can be wrong in a store, by who manages it. Pure. PRIVATE to the collection.

Each cure can be followed as it stands: an option that it names exists, a step of ours is not refused in that store, and
a command, which stands between backticks, can be given to a shell of root. PARENT in a command stands for an id that
nothing on disk tells.
"""

from __future__ import annotations

from .engine import CONTAINERS_STORAGE, DOCKER, SOMEBODY

_OURS = "strata.overlay2.overlay2_"
_RUN = "{quiet}run `{command}`"  # left out where there is no command
_MEND = (_RUN, "{anew}")
_SWEEP = _OURS + "prune sweeps it"
_SWEEP_FOREIGN = "{stop}: then " + _SWEEP + " with foreign: remove"
_NEEDED = ", unless a lower file holds the name: then see what is told of that layer"
_FOREIGN = "foreign"  # any engine
# By code, then by engine, "" for ours and those not named: alternatives, the best first.
CURES: dict[str, dict[str, tuple[str, ...]]] = {
    # Damage.
    "link_missing": {"": _MEND},
    "link_empty": {"": _MEND},
    "link_doubled": {"": _MEND},
    "link_astray": {"": _MEND},
    "lower_missing": {"": _MEND},
    "lower_malformed": {"": _MEND},
    "lower_unresolved": {"": (_RUN, "put the layer that is lost back from a backup", "{anew}")},
    "diff_missing": {"": ("put its content back from a backup", "{anew}")},
    "work_missing": {"": _MEND},
    "store_file_unreadable": {"": ("{why}",)},
    # Litter.
    "dangling_link": {"": (_SWEEP + _NEEDED,), _FOREIGN: (_SWEEP_FOREIGN + _NEEDED,)},
    "staging_leftover": {
        "": (_SWEEP + ", and so does the next run that changes something in the store",),
        _FOREIGN: (_SWEEP_FOREIGN,),
    },
    "dead_holder": {
        "": ("it means nothing: the next mount of the layer writes it again, and " + _SWEEP,),
        _FOREIGN: ("it means nothing; " + _SWEEP_FOREIGN,),
    },
    "leaked_project": {"": (_OURS + "prune takes them off",), _FOREIGN: (_SWEEP_FOREIGN,)},
    # The rest.
    "orphan": {
        "": ("{stop} and look again: then " + _OURS + "prune removes it with orphans_only: true and foreign: remove",)
    },
    "layer_gone": {"": ("{when}run `{command}`, and pull or make again what that removes",)},
    "unsealed_parent": {"": ("run `{command}`; until then its children stand for it",)},
    "stale_volatile": {
        "": ("check its content, then mount it by " + _OURS + "mount with force: true",),
        _FOREIGN: ("check its content; then {quiet}run `{command}`",),
    },
    "loose_mode": {"": ("run `{command}`",)},
    "owner_wrong": {"": ("run `{command}`",)},
    "hidden_mount": {"": ("{why}",)},
    "stranger": {"": ("no module changes it: see what it is, and move it out of the store",)},
    "stray_files": {"": ("move what is needed to another place, then run `{command}`",)},
}
_TAKE_OVER = "if no engine needs the store, take it over with " + _OURS + "init and adopt: true; then "
_STOP = {DOCKER: "stop docker", CONTAINERS_STORAGE: "end podman and buildah"}
_ANEW = {
    "": "remove the layer by " + _OURS + "layer with state: absent and recursive: true, and make again what is lost",
    DOCKER: "have docker remove what needs the layer, with docker rm and docker rmi, and pull or build that again",
    CONTAINERS_STORAGE: "have podman remove what needs the layer, with podman rm and podman rmi, and pull or build that"
    " again",
}


def cure(
    engine: str | None, code: str, command: str = "", *, stopped: bool = False, alone: bool = False, why: str = ""
) -> str:
    """Return what to do about *code* in a store of *engine*, None for ours.

    command: for a shell, "" where there is none that is sure to help; stopped: the engine must not run meanwhile,
    where the text depends on that; alone: nothing but the command helps. why: the hint of an error that was met.
    """
    if engine == SOMEBODY:  # as in ours, once it is
        ours = cure(None, code, command, stopped=stopped, alone=alone, why=why)
        return "; or ".join(_TAKE_OVER + way if _OURS in way else way for way in ours.split("; or "))
    by_engine = CURES[code]
    alternatives = by_engine.get(engine or "") or (by_engine.get(_FOREIGN) if engine else None) or by_engine[""]
    stop = _STOP.get(engine or "", f"stop {engine}")
    quiet = f"{stop}, and " if engine else ""
    anew = _ANEW.get(engine or "", f"have {engine} remove what needs the layer, and make that again")
    told = [text for text in alternatives if command or text != _RUN][: 1 if alone else None]
    when = quiet if stopped else ""
    return "; or ".join(told).format(command=command, quiet=quiet, when=when, stop=stop, anew=anew, why=why)
