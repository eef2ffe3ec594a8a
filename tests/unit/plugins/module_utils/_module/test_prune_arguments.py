# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.state import Amount
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput
from ansible_collections.strata.overlay2.plugins.module_utils._module.prune_arguments import (
    parse_duration,
    parse_number,
    parse_room,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("0s", 0),
        ("90m", 5400),
        ("36h", 129600),
        ("7d", 604800),
        ("7 d", 604800),
        ("2w", 1209600),
        ("1h30m", 5400),
        ("1w 2d 3h 4m 5s", 788645),
    ],
)
def test_a_duration(text, seconds):
    assert parse_duration(text, "unused_for") == seconds


@pytest.mark.parametrize(
    "text",
    ["", "7", "-7d", "7D", "1.5h", "12h7d", "1h1h", "1h30", "1m30", " ", " 7d", "7y", "9" * 5000 + "d", "\udcff"],
)
def test_no_duration(text):
    with pytest.raises(InvalidInput, match="invalid unused_for") as error:
        parse_duration(text, "unused_for")
    str(error.value).encode()
    assert error.value.details == {"option": "unused_for"}


@pytest.mark.parametrize(
    ("text", "room"),
    [
        (None, None),
        ("0", Amount(0)),
        ("20G", Amount(20 << 30)),
        ("1.5g", Amount(3 << 29)),
        ("15%", Amount(15, percent=True)),
        ("2.5 %", Amount(2.5, percent=True)),
        ("100%", Amount(100, percent=True)),
    ],
)
def test_room(text, room):
    assert parse_room(text, "until_free") == room


@pytest.mark.parametrize("text", ["", "-1G", "101%", "%", "15 percent", "20X", "9999P", "\udcff"])
def test_no_room(text):
    with pytest.raises(InvalidInput, match="invalid until_free") as error:
        parse_room(text, "until_free")
    assert error.value.hint == 'write it as "20G" or "15%"'


@pytest.mark.parametrize(
    ("text", "number", "shown"),
    [
        ("0", Amount(0), "0"),
        ("50", Amount(50), "50"),
        ("2.5 %", Amount(2.5, percent=True), "2.5%"),
        (None, None, "None"),
    ],
)
def test_number(text, number, shown):
    assert parse_number(text, "max_remove") == number
    assert str(number) == shown


@pytest.mark.parametrize("text", ["", "-1", "101%", "1.5", "20G", "many", "9" * 10, "\udcff"])
def test_no_number(text):
    with pytest.raises(InvalidInput, match="invalid max_remove") as error:
        parse_number(text, "max_remove")
    assert error.value.hint == 'write it as "50" or "20%"'
