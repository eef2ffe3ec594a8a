# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A finding of health, as data, and the report of it in words, with what to do. PRIVATE to the collection."""

from __future__ import annotations

import os
import shlex
import typing as t

from ..._errors import Overlay2Error, printable
from ..._store import texts
from ..._store.codes import DAMAGE, KINDS, LITTER, FindingCode
from ..._store.cures import COMMANDS, NO_USE, cure
from ..._store.damage import Damage
from ..._store.gone import Gone
from ..._store.layer import LayerFiles
from ..._store.repairs import Repair, repairs_of

_ORDER = {DAMAGE: 0, LITTER: 1}
OF_ACCESS = ("loose_mode", "owner_wrong")


AS_TOLD = "as_told"  # the error's own hint, whatever the engine
IN_THE_WAY = "in_the_way"  # the same; a repair of the layer changes nothing
OF_NO_USE = "of_no_use"  # the file means nothing to the engine of the store


class Finding(t.NamedTuple):
    """One thing that is wrong in a store.

    subject: the id of a layer, or a name in the store. path: an absolute path.
    cause:   which text of the code fits, "" for the usual one; of an error, which hint: AS_TOLD, IN_THE_WAY, OF_NO_USE.
    found:   what is there: a mode, an owner, a number of names, a type of filesystem. wanted: what should be there.
    target:  another path that the finding is about. detail: more of the reason, as text.
    about:   damage, a layer that does not exist, or an error with its own text, if the finding is one of these.
    """

    code: FindingCode
    subject: str
    path: str
    cause: str = ""
    found: str = ""
    wanted: str = ""
    target: str = ""
    detail: str = ""
    about: Damage | Gone | Overlay2Error | None = None

    @property
    def order(self) -> tuple[int, str, str, str]:
        """The place of the finding among others: damage, then litter, then the rest; each by subject."""
        return (_ORDER.get(KINDS[self.code], len(_ORDER)), self.subject, self.code, self.path)

    @property
    def key(self) -> tuple[str, str]:
        """What tells the finding from all others of the store."""
        return (self.code, self.path)


class Reported(t.NamedTuple):
    """What health reports of a finding; all texts are printable.

    kind:    of the code: damage, litter, care (a person has to decide) or note.
    repair:  what overlay2_repair does about it; None for nothing.
    certain: overlay2_repair does so without further options; in another engine's store, with foreign: repair.
    """

    code: str
    kind: str
    subject: str
    path: str
    message: str
    hint: str
    repair: str | None = None
    certain: bool = False


class Fix(t.NamedTuple):
    """What overlay2_repair does about a finding. evidence: sentences about why nothing else is right."""

    sentence: str
    evidence: tuple[str, ...] = ()


def may_end(finding: Finding) -> bool:
    """Tell whether overlay2_repair may end a finding of this kind by itself."""
    return KINDS[finding.code] == DAMAGE or finding.code in (*OF_ACCESS, "unsealed_parent")


def of_damage(damage: Damage) -> Finding:
    """Return the finding for damage of a layer; its subject is the layer, or a name in l/ that no layer needs."""
    subject = damage.link if damage.cause == "second_name" else damage.layer
    return Finding(damage.code, subject, damage.path, damage.cause, about=damage)


class Reporter:
    """Says *findings*, which are all of *store*, in words.

    staying: the keys of those that overlay2_repair does not end; None for all. repairs: what overlay2_repair does;
    None for what it does by itself.
    """

    def __init__(
        self,
        store: LayerFiles,
        findings: t.Collection[Finding],
        staying: t.Collection[tuple[str, str]] | None = None,
        repairs: t.Sequence[Repair] | None = None,
    ) -> None:
        self._staying = {finding.key for finding in findings} if staying is None else staying
        self._given = repairs
        self._home = store.home
        self._mending = store.mending
        self._files = store

    def report(self, finding: Finding) -> Reported:
        """Return what health reports of a finding. Raises OSError."""
        about = finding.about
        if isinstance(about, Damage):
            message, hint = self._of_damage(about)
        elif isinstance(about, Gone):
            message, hint = self._of_gone(finding, about)
        elif isinstance(about, Overlay2Error):
            has_own = finding.cause in (AS_TOLD, IN_THE_WAY)
            message, hint = str(about), about.hint if has_own else self._cure(finding, about.hint)
        else:
            message, hint = texts.message(finding.code, finding.cause, **self._values(finding)), self._cure(finding)
        fix = self.fix(finding)
        repair = printable(fix.sentence) if fix else None
        path = printable(finding.path)
        return Reported(
            finding.code, KINDS[finding.code], printable(finding.subject), path, message, hint, repair, fix is not None
        )

    def fix(self, finding: Finding) -> Fix | None:
        """Return how overlay2_repair ends a finding by itself, None if the finding stays. Raises OSError."""
        if finding.key in self._staying:
            return None
        path = printable(finding.path)
        if finding.code in OF_ACCESS:
            what = "mode" if finding.code == "loose_mode" else "owner"
            return Fix(f"set the {what} of {path} to {finding.wanted}", (f"the store needs {what} {finding.wanted}",))
        if finding.code == "link_missing" and finding.cause == AS_TOLD:
            return Fix(f"make {path} again, with the names of the layers", ("the link files of the layers hold them",))
        found: list[Repair] = []
        repairs = self._repairs
        if finding.code == "unsealed_parent":
            found = [repair for repair in repairs if repair.layer == finding.subject and repair.kind == "seal"]
        elif isinstance(finding.about, Damage):
            found = repairs_of(finding.about, repairs)
        sentences = dict.fromkeys(repair.sentence for repair in found)
        why = dict.fromkeys(sentence for repair in found for sentence in repair.evidence)
        if not found:
            return Fix("the repairs of other findings end it", ("it follows from other findings",))
        return Fix("; ".join(sentences), tuple(why))

    @property
    def _repairs(self) -> t.Sequence[Repair]:
        return self._files.solution.repairs if self._given is None else self._given

    def _of_damage(self, damage: Damage) -> tuple[str, str]:
        if damage.cause in ("same_name", "second_name"):
            return damage.message, self._mending.hint(damage)
        return f"layer {damage.layer} is damaged: {damage.message}", self._mending.hint(damage)

    def _of_gone(self, finding: Finding, gone: Gone) -> tuple[str, str]:
        message = texts.message(finding.code, subject=printable(gone.layer), detail=gone.record, others=gone.needed_by)
        return message, cure(self._mending.engine, finding.code, gone.command, stopped=gone.stopped)

    def _cure(self, finding: Finding, why: str = "") -> str:
        values = {**self._values(finding), "path": shlex.quote(printable(finding.path))}
        command = COMMANDS.get(finding.code, "").format(**values)
        if finding.cause == OF_NO_USE:
            why = NO_USE.format(engine=self._mending.engine, path=values["path"])
        return cure(self._mending.engine, finding.code, command, why=why, wanted=finding.wanted)

    def _values(self, finding: Finding) -> dict[str, str]:
        """Return what the texts of a finding name, printable."""
        values = {name: getattr(finding, name) for name in ("subject", "path", "found", "wanted", "target", "detail")}
        values["place"] = os.path.relpath(finding.path, self._home)
        return {name: printable(value) for name, value in values.items()}
