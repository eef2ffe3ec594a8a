# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collectors of changes: a count, the first ones, all in order."""

from __future__ import annotations

import random

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive import collected
from ansible_collections.strata.overlay2.plugins.module_utils._archive.collected import Change, Counted, First, Ordered


def some(seed, number=500):
    """Return changes in no order, no path twice."""
    chance = random.Random(seed)
    paths = {
        b"/" + b"/".join(chance.choices([b"a", b"a-b", b"b.c", b"\xff"], k=chance.randint(1, 6)))
        for _unused in range(999)
    }
    found = [Change(chance.choice(["added", "modified", "deleted"]), path) for path in sorted(paths)[:number]]
    chance.shuffle(found)
    return found


def filled(collector, changes):
    for change in changes:
        collector.record(*change)
    return collector


def test_all_are_counted_whatever_is_kept():
    changes = some(0)
    counts = {kind: sum(change.kind == kind for change in changes) for kind in ("added", "modified", "deleted")}
    for collector in (Counted(), First(0), First(3), Ordered()):
        assert filled(collector, changes).summary == counts


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [0, 1, 7, 100, 10_000])
def test_the_first_ones_are_kept(seed, count):
    changes = some(seed)
    first = filled(First(count), changes)
    expected = sorted(changes, key=lambda change: change.path)[:count]
    assert [(item["kind"], item["path"]) for item in first.listed()] == [
        (kind, path.decode(errors="backslashreplace")) for kind, path in expected
    ]
    assert first.truncated == (count < len(changes))


@pytest.mark.parametrize("seed", range(5))
def test_their_paths_take_no_more_than_there_may_be(seed, monkeypatch):
    monkeypatch.setattr(collected, "MAX_LISTED", 300)
    changes = some(seed)
    first = filled(First(10_000), changes)
    listed = first.listed()
    assert 250 < sum(len(item["path"]) for item in listed) <= 300  # printable: a bad byte becomes four characters
    in_order = sorted(changes, key=lambda change: change.path)
    assert [item["kind"] for item in listed] == [change.kind for change in in_order[: len(listed)]]
    assert first.truncated


def test_nothing_is_not_truncated():
    first = First(0)
    assert (first.listed(), first.truncated) == ([], False)


@pytest.mark.parametrize("seed", range(5))
def test_all_come_in_order(seed):
    changes = some(seed)
    assert list(filled(Ordered(), changes)) == sorted(changes, key=lambda change: change.path)
