# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store.docker_ids import why_not_id, why_not_parent

CHAIN = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("content", "ids", "why"),
    [
        pytest.param("b" * 64, [], "", id="a layer of Docker that is gone"),
        pytest.param("a1" * 12 + "z", [], "", id="a layer of BuildKit that is gone"),
        pytest.param("app", ["app"], "", id="a layer that exists"),
        pytest.param("", ["app"], "it is empty", id="empty"),
        pytest.param("\0" * 64, [], "which is not the id of a layer", id="full of NULs"),
        pytest.param("b" * 63, [], "which is not the id of a layer", id="cut off"),
        pytest.param("b" * 25, ["b" * 64], "cut off", id="cut off to the length of BuildKit's ids"),
    ],
)
def test_the_content_of_an_id_is_checked(content, ids, why):
    found = why_not_id(content, ids)
    assert why in found and bool(found) is bool(why)


@pytest.mark.parametrize(
    ("content", "known", "why"),
    [
        pytest.param(CHAIN, True, "", id="a chain"),
        pytest.param(CHAIN, False, "of which there is no record", id="a chain without a record"),
        pytest.param(CHAIN[:-1], True, "which is not a chain id", id="cut off"),
        pytest.param("", True, "which is not a chain id", id="empty"),
    ],
)
def test_the_content_of_a_parent_is_checked(content, known, why):
    asked = []
    found = why_not_parent(content, lambda path: asked.append(path) or known)
    assert why in found and bool(found) is bool(why)
    assert asked == (["sha256/" + "a" * 64] if content == CHAIN else [])
