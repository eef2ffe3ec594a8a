# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.facts.access import find_access
from ansible_collections.strata.overlay2.plugins.module_utils._driver.facts.finding import Reporter
from ansible_collections.strata.overlay2.plugins.module_utils._store import staging
from ansible_collections.strata.overlay2.plugins.module_utils._store.engine import CONTAINERS_STORAGE, DOCKER
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import LayerFiles
from ansible_collections.strata.overlay2.plugins.module_utils._store.settings import IdRange, Settings

pytestmark = pytest.mark.root

REMAPPED = Settings(0, 0, (IdRange(0, 100000, 65536),), (IdRange(0, 200000, 65536),))


def make_store(home, settings):
    """A store with base <- job, as we make it for the settings."""
    home.mkdir(mode=0o710)
    home.chmod(0o710)
    os.chown(home, 0, settings.root[1])
    (home / "l").mkdir(mode=0o700)
    lowers = ()
    for id in ("base", "job"):
        new = staging.NewLayer(id, staging.new_link(), lowers, id == "job", *settings.root)
        room = staging.Staging(str(home))
        staging.stage_layer(room.path, new)
        staging.publish_layer(str(home), room.path, new)
        room.close()
        lowers = (new.link,)
    return home


def look(home, settings, engine=None):
    return [(found.code, below(home, found)) for found in find_access(str(home), ("base", "job"), settings, engine)]


def below(home, found):
    """Return the path of a finding from home, "" for home."""
    return found.path[len(str(home)) :].lstrip("/")


def reported(home, found):
    return Reporter(LayerFiles(str(home)), [found]).report(found)


@pytest.mark.parametrize("settings", [Settings(), REMAPPED])
def test_a_store_as_we_make_it_is_sound_whoever_the_content_belongs_to(tmp_path, settings):
    home = make_store(tmp_path / "store", settings)
    assert look(home, settings) == []
    os.chown(home / "job/diff", settings.root[0] + 33, settings.root[1] + 33)  # a tar, or a task, gave it that
    (home / "job/diff").chmod(0o1777)
    assert look(home, settings) == []


@pytest.mark.parametrize("path", ["job", "job/work"])
@pytest.mark.parametrize("settings", [Settings(), REMAPPED])
@pytest.mark.parametrize("owner", [(1000, 1000), (-1, 1000), (1000, -1)])
def test_who_has_a_directory_that_is_not_his_is_told_with_the_owner_that_overlay2_repair_gives_it(
    tmp_path, path, settings, owner
):
    home = make_store(tmp_path / "store", settings)
    os.chown(home / path, *owner)
    (found,) = find_access(str(home), ("base", "job"), settings, None)
    assert (found.code, found.subject, below(home, found)) == ("owner_wrong", "job", path)
    told = reported(home, found)
    assert told.hint.endswith(f"strata.overlay2.overlay2_repair sets it to {found.wanted}")
    assert f"{path} belongs to" in told.message
    os.chown(home / path, *map(int, found.wanted.split(":")))
    assert look(home, settings) == []


def test_a_remapped_store_that_was_copied_without_its_owners_is_told(tmp_path):
    home = make_store(tmp_path / "store", Settings())
    wrong = [("owner_wrong", path) for path in ("base", "base/diff", "job", "job/work", "job/diff")]
    assert look(home, REMAPPED) == wrong


def test_an_older_dockerd_made_the_layers_own_directories_the_remapped_roots(tmp_path):
    home = make_store(tmp_path / "store", REMAPPED)
    os.chown(home / "job", *REMAPPED.root)
    assert look(home, REMAPPED) == []


def test_what_lets_in_too_many_is_told_with_its_name(tmp_path):
    home = make_store(tmp_path / "store", Settings())
    for path, mode in (("", 0o711), ("l", 0o755), ("base", 0o755), ("job/work", 0o755)):
        (home / path).chmod(mode)
    findings = [*find_access(str(home), ("base", "job"), Settings(), None)]
    told = [(below(home, found), found.wanted) for found in findings]
    assert told == [("", "0710"), ("l", "0700"), ("base", "0710"), ("job/work", "0700")]
    hints = [reported(home, found).hint for found in findings]
    assert [hint.rpartition("overlay2_repair ")[2] for hint in hints] == [f"sets it to {mode}" for _path, mode in told]
    messages = [reported(home, found).message for found in findings]
    names = [f"{home}", f"{home}/l", "layer base", "work of layer job"]
    assert [text.split(" has mode ")[0] for text in messages] == names and "0711" in messages[0]


def test_another_engines_owners_are_its_own_business_and_so_is_the_l_of_containers_storage(tmp_path):
    home = make_store(tmp_path / "store", REMAPPED)
    (home / "l").chmod(0o755)
    assert look(home, None, CONTAINERS_STORAGE) == []
    assert look(home, None, DOCKER) == [("loose_mode", "l")]
