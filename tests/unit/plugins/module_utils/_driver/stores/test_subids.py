# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import grp
import pwd

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.stores.subids import remapped
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput
from ansible_collections.strata.overlay2.plugins.module_utils._store.settings import IdRange

UID = pwd.getpwnam("daemon").pw_uid
GROUP = "tty"  # not named as any user
GID = grp.getgrnam(GROUP).gr_gid


@pytest.fixture
def files(tmp_path):
    """Give a function that writes both files and returns their paths."""

    def write(subuid: str, subgid: str) -> tuple[str, str]:
        for name, text in (("subuid", subuid), ("subgid", subgid)):
            (tmp_path / name).write_text(text)
        return str(tmp_path / "subuid"), str(tmp_path / "subgid")

    return write


LINE = "daemon:100000:65536\n"


@pytest.mark.parametrize(
    ("text", "subuid", "subgid"),
    [
        pytest.param("daemon", "other:1:2\n# no\n" + LINE, LINE, id="by name"),
        pytest.param("daemon", f"{UID}:100000:65536\n", LINE, id="by number in the file"),
        pytest.param(str(UID), LINE, LINE, id="by number"),
        pytest.param(f"{UID}:{GID}", LINE, f"{GID}:100000:65536\n", id="both by number"),
        pytest.param(f"daemon:{GROUP}", LINE, f"{GROUP}:100000:65536\n", id="the group's, where the user has none"),
        pytest.param(f"daemon:{GROUP}", LINE, f"{GROUP}:5:6\n{LINE}", id="the user's before the group's"),
    ],
)
def test_a_users_ranges(files, text, subuid, subgid):
    expected = (IdRange(0, 100000, 65536),)
    assert remapped(text, *files(subuid, subgid)) == (expected, expected)


def test_several_ranges_are_joined_in_order(files):
    uid_map, gid_map = remapped("daemon", *files("daemon:300000:1000\ndaemon:100000:65536\n", LINE))
    assert uid_map == (IdRange(0, 300000, 1000), IdRange(1000, 100000, 65536))
    assert gid_map == (IdRange(0, 100000, 65536),)


@pytest.mark.parametrize("text", ["", "root", "0"])
def test_none(files, text):
    assert remapped(text, *files("", "")) == ((), ())


@pytest.mark.parametrize(
    ("text", "subuid", "words"),
    [
        ("nobody-knows", LINE, "there is no user 'nobody-knows'"),
        ("daemon:nobody-knows", LINE, "there is no group 'nobody-knows'"),
        ("daemon:", LINE, "there is no group ''"),
        ("daemon:daemon:daemon", LINE, "there is no group 'daemon:daemon'"),
        ("default:daemon", LINE, "'dockremap'"),
        ("99999999999999999999", LINE, "there is no user"),
        ("9" * 5000, LINE, "there is no user"),
        ("dae\0mon", LINE, "there is no user"),
        ("\ud800", LINE, "there is no user"),
        ("daemon:" + "9" * 5000, LINE, "there is no group"),
        ("daemon:\0", LINE, "there is no group"),
        ("daemon", "", "has no range for 'daemon'"),
        ("daemon", f"daemon:{'9' * 5000}:1\n", "has a line that is not a range"),
        ("daemon", "daemon:9999999999:1\n", "is not a range of ids"),
        ("daemon", "daemon:1\n", "not a range: 'daemon:1'"),
        ("daemon", "daemon:-1:5\n", "not a range: 'daemon:-1:5'"),
        ("daemon", "daemon:1:10\ndaemon:5:10\n", "two ranges overlap"),
        ("daemon", "daemon:1:0\n", "is not a range of ids"),
    ],
)
def test_what_gives_no_map_is_refused(files, text, subuid, words):
    with pytest.raises(InvalidInput, match=words) as error:
        remapped(text, *files(subuid, LINE))
    assert error.value.hint
    str(error.value).encode()


def test_missing_files(tmp_path):
    with pytest.raises(InvalidInput, match="has no range"):
        remapped("daemon", str(tmp_path / "a"), str(tmp_path / "b"))
