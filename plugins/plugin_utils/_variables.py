# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds variables that have a role's prefix and that the role does not know. Pure. PRIVATE to the collection."""

from __future__ import annotations

import difflib
import typing as t


def known_variables(specs: t.Any) -> set[str]:
    """Return the names of the variables in a role's meta/argument_specs.yml, of all entry points."""
    points = specs["argument_specs"].values()
    return {str(name) for point in points for name in point.get("options") or {}}


def unknown_variables(role: str, names: t.Iterable[t.Any], known: t.Collection[str]) -> list[str]:
    """Return a sentence about each of *names* that begins with the role's name and is not known, sorted."""
    prefix = role + "_"
    unknown = sorted(name for name in names if isinstance(name, str) and name.startswith(prefix) and name not in known)
    return [
        f"{name} is not a variable of the role strata.overlay2.{role}: {_hint(role, name, known)}" for name in unknown
    ]


def _hint(role: str, name: str, known: t.Collection[str]) -> str:
    prefix = role + "_"
    shortened = {other.removeprefix(prefix): other for other in sorted(known)}
    near = difflib.get_close_matches(name.removeprefix(prefix), shortened, n=1)
    if near:
        return f"did you mean {shortened[near[0]]}?"
    return f"ansible-doc -t role strata.overlay2.{role} lists its variables"
