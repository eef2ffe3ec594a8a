# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._bolt.meta import Unreadable
from ansible_collections.strata.overlay2.plugins.module_utils._containerd import values
from ansible_collections.strata.overlay2.tests import containerd_records as made


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**40, 2**63 - 1])
def test_numbers_are_read(number):
    assert values.unsigned(made.unsigned(number)) == number
    assert values.signed(made.signed(number)) == number
    assert values.signed(made.signed(-number)) == -number


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 10, b"\xff" * 100_000])
def test_a_number_that_does_not_end_is_refused(data):
    with pytest.raises(Unreadable, match="cut off or too long"):
        values.unsigned(data)


def test_a_time_of_go_is_read():
    assert values.seconds(made.moment(1_796_042_165)) == 1_796_042_165
    # containerd 1.6.20 wrote it for a lease that its ctr lists as made at this time.
    written = b"\x01\x00\x00\x00\x0e\xe2\x9fe#1\xfeQ,\xff\xff"
    assert int(values.seconds(written)) == values.expiry("2026-11-30T12:37:55Z")
    assert values.seconds(None) is None
    with pytest.raises(Unreadable, match="time in it is cut off"):
        values.seconds(written[:10])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:01:00Z", 60),
        ("1970-01-01T00:01:00.999Z", 60),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:00-00:30", 1800),
    ],
)
def test_the_end_of_an_object_is_read(text, expected):
    assert values.expiry(text) == expected


@pytest.mark.parametrize(
    "text", [None, "", "soon", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "9" * 99]
)
def test_containerd_ignores_an_end_that_is_not_a_time(text):
    assert values.expiry(text) is None
