# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import string
import typing as t

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store import codes, texts
from ansible_collections.strata.overlay2.plugins.module_utils._store.cures import CURES
from ansible_collections.strata.overlay2.plugins.module_utils._store.damage import Cause, Damage


def test_every_code_of_a_finding_has_texts_and_a_cure():
    assert texts.MESSAGES.keys() == CURES.keys() == codes.KINDS.keys()
    assert texts.SWEPT.keys() == {code for code, kind in codes.KINDS.items() if kind == codes.LITTER}


def test_every_cause_of_damage_has_one_text():
    damage = [code for code, kind in codes.KINDS.items() if kind == codes.DAMAGE]
    causes = [cause for code in damage for cause in texts.MESSAGES[code]]
    assert sorted(causes) == sorted(t.get_args(Cause))


@pytest.mark.parametrize("code", codes.KINDS)
def test_a_text_names_only_what_a_finding_has(code):
    names = {name for text in texts.MESSAGES[code].values() for _text, name, *_rest in string.Formatter().parse(text)}
    of_damage = {"link", "target", "detail", "others", "name", "path"}
    of_finding = {"subject", "path", "place", "found", "wanted", "target", "detail"}
    gone = {"others"} if code == "layer_gone" else set()
    assert names - {None} <= (of_damage if codes.KINDS[code] == codes.DAMAGE else of_finding | gone)


def test_names_in_a_text_are_printable():
    damage = Damage("link_astray", "top", "/store/top/link", "not_a_link_name", detail="\n\udcff")
    assert damage.message == "its link file holds '\\x0a\\xff', which is not a link name"
