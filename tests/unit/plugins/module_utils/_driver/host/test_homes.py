# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host import homes
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host.state import Candidate

pytestmark = pytest.mark.root

ANN, BOB = 12345, 12346


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Give a directory in place of the host, with the homes of ann and, who is gone, bob."""
    host = tmp_path.resolve()
    for name, uid in (("ann", ANN), ("bob", BOB)):
        (host / f"home/{name}/.config/containers").mkdir(parents=True)
        give(host / f"home/{name}", uid)
    (host / "passwd").write_text(f"root:x:0:0::/root:/bin/sh\nann:x:{ANN}:1::{host}/home/ann:/bin/sh\n")
    monkeypatch.setattr(homes, "_PASSWD", str(host / "passwd"))
    monkeypatch.setattr(homes, "_HOME", str(host / "home"))
    return host


def give(top, uid):
    for directory, _unused, names in os.walk(top):
        for path in (directory, *(f"{directory}/{name}" for name in names)):
            os.chown(path, uid, uid, follow_symlinks=False)


def write(host, text, name="ann", uid=ANN):
    path = host / f"home/{name}/.config/containers/storage.conf"
    path.write_text(text)
    os.chown(path, uid, uid)
    return path


def of_users(slow=(), patterns=()):
    return [one for one in homes.of_homes(patterns, slow) if one.found_by == "config"]


def test_the_storage_conf_of_a_user_names_stores_of_this_user(host):
    write(
        host, '[storage]\ngraphroot = "${HOME}/x/$USER-$UID"\nimagestore = "/i/$LOGNAME"\nrootless_storage_path = "/r"'
    )
    assert of_users() == [
        Candidate(f"{host}/home/ann/x/ann-{ANN}", "config", ANN),
        Candidate("/i/ann", "config", ANN),
    ]
    write(host, '[storage]\nrootless_storage_path = "/r/$UID"')
    assert of_users() == [Candidate(f"/r/{ANN}", "config", ANN)]


def test_variables_that_are_not_known_stay(host):
    write(host, '[storage]\ngraphroot = "/x/$USER/$USERNAME/${XDG_DATA_HOME}/$UID"', "bob", BOB)
    assert of_users() == [Candidate(f"/x/$USER/$USERNAME/${{XDG_DATA_HOME}}/{BOB}", "config", BOB)]


def test_what_root_names_for_each_user_is_expanded(host):
    assert of_users(patterns=["/data/$USER/${UID}"]) == [
        Candidate("/data/root/0", "config", None),
        Candidate(f"/data/ann/{ANN}", "config", None),
    ]


@pytest.mark.parametrize("harm", ["symlink", "directory link", "fifo", "other's", "huge", "no toml", "missing"])
def test_a_file_that_is_not_plainly_the_users_says_nothing(host, harm):
    path = write(host, '[storage]\ngraphroot = "/x"')
    assert len(of_users()) == 1
    (host / "other").mkdir()
    path.rename(host / "other/storage.conf")
    if harm == "symlink":
        path.symlink_to(host / "other/storage.conf")
        os.chown(path, ANN, ANN, follow_symlinks=False)
    elif harm == "directory link":
        path.parent.rmdir()
        path.parent.symlink_to(host / "other")
        os.chown(path.parent, ANN, ANN, follow_symlinks=False)
    elif harm == "fifo":
        os.mkfifo(path)
        os.chown(path, ANN, ANN)
    elif harm == "other's":
        write(host, '[storage]\ngraphroot = "/x"', uid=BOB)
    elif harm == "huge":
        write(host, '[storage]\ngraphroot = "/x"\n' + "#" * (64 << 10))
    elif harm == "no toml":
        write(host, '[storage]\ngraphroot = "/x"\n"')
    assert of_users() == []


def test_a_home_that_a_server_holds_is_not_entered(host):
    write(host, '[storage]\ngraphroot = "/x"')
    assert of_users(slow={f"{host}/home/ann"}) == []


def test_a_storage_conf_below_directories_of_root_is_not_the_word_of_a_user(host):
    write(host, '[storage]\ngraphroot = "/x"', uid=0)
    assert len(of_users()) == 1  # root put it there for ann
    give(host / "home/ann", 0)
    assert of_users() == []
