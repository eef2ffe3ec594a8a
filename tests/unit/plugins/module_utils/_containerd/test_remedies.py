# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shlex

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._bolt.meta import newest_meta
from ansible_collections.strata.overlay2.plugins.module_utils._bolt.tree import root_bucket
from ansible_collections.strata.overlay2.plugins.module_utils._containerd import unneeded
from ansible_collections.strata.overlay2.plugins.module_utils._containerd.look import Look
from ansible_collections.strata.overlay2.plugins.module_utils._containerd.metadata import read_metadata
from ansible_collections.strata.overlay2.plugins.module_utils._containerd.owners import Owner
from ansible_collections.strata.overlay2.plugins.module_utils._containerd.remedies import remedy, removal_of_gone
from ansible_collections.strata.overlay2.plugins.module_utils._containerd.unneeded import Unneeded
from ansible_collections.strata.overlay2.tests import containerd_records as made
from ansible_collections.strata.overlay2.tests.bolt import written

CODES = [
    value for name, value in vars(unneeded).items() if name[0] != "_" and name.isupper() and isinstance(value, str)
]


def test_each_code_has_a_remedy_and_only_policy_is_marked_as_such():
    assert len(CODES) == 9
    for code in CODES:
        found = remedy(Unneeded(code, "default", "overlayfs", {"overlayfs/a": 1}), "ctr", "other")
        assert found.by == ("user" if code in ("kept_by_label", "unused_image") else "engine")
        assert found.run
        assert found.policy == (code == "unused_image")


@pytest.mark.parametrize(
    ("found", "run"),
    [
        (Unneeded("left_lease", "k8s.io", "", {"a": 1, "b": 2}), "ctr -n k8s.io leases delete --sync a b"),
        (Unneeded("unused_image", "k8s.io", "", {"a": 1}), "crictl rmi --prune"),
        (Unneeded("unused_image", "x", "", {"a:1": 1}), "ctr -n x images rm --sync a:1"),
        (
            Unneeded("kept_by_label", "x", "overlayfs", {"overlayfs/a/b": 1}),
            "ctr -n x snapshots --snapshotter overlayfs rm a/b"
            " && ctr -n x leases create --id strata-sweep && ctr -n x leases delete --sync strata-sweep",
        ),
    ],
)
def test_a_command_names_what_has_to_go(found, run):
    assert remedy(found, "ctr", "other").run == run


def test_what_lies_in_no_namespace_is_swept_in_one_that_exists():
    run = remedy(Unneeded("orphan_directory", "", "overlayfs", {"7": None}), "k3s ctr", "k8s.io").run
    assert run.startswith("k3s ctr -n k8s.io snapshots --snapshotter overlayfs prepare strata-sweep '' && ")
    assert run.endswith("k3s ctr -n k8s.io leases delete --sync strata-sweep")


def test_a_hostile_name_stays_one_word():
    name = "x; rm -rf $HOME \x1b[2J\nid '"
    run = remedy(Unneeded("left_lease", name, "", {name: 1}), "ctr", "other").run
    words = shlex.split(run)
    assert len(words) == 7
    assert words[2] == words[-1] == r"x; rm -rf $HOME \x1b[2J\x0aid '"


def test_a_command_names_at_most_eight_things():
    run = remedy(Unneeded("left_lease", "x", "", {f"lease{n}": 1 for n in range(20)}), "ctr", "other").run
    assert run.count("lease") == 8 + len(["leases"])
    assert run.endswith("# and 12 more")


def removal(space, *owners, snapshots=None):
    """Return the command for a snapshot that is gone and that *owners*, kinds with names, need."""
    snapshots = {"a": made.snapshot(f"{space}/1/a")} if snapshots is None else snapshots
    data = written(made.metadata(**{space: made.namespace(snapshots=snapshots)}))
    look = Look({}, read_metadata(root_bucket(data, newest_meta(data))), frozenset())
    users = [Owner(kind, name, f"{name}-id", space, "") for kind, name in owners]
    return removal_of_gone(look, "overlayfs", f"{space}/1/a", users, "ctr")


def test_the_clients_of_namespaces_remove_what_needs_a_snapshot_that_is_gone():
    users = (("image", "i"), ("container", "c"))
    assert removal("k8s.io", *users) == "crictl rm -f c-id && crictl rmi i"
    assert removal("moby", ("image", "i"), ("lease", "x")) == "docker rm -f x && docker rmi -f i"
    assert removal("x", *users).startswith("ctr -n x containers rm c-id && ctr -n x images rm --sync i && ")


def test_a_snapshot_that_is_gone_and_that_nothing_needs_goes_with_its_children_first():
    snapshots = {"a": made.snapshot("x/1/a"), "b": made.snapshot("x/2/b", "a"), "c": made.snapshot("x/3/c", "b")}
    sweep = "ctr -n x leases create --id strata-sweep && ctr -n x leases delete --sync strata-sweep"
    assert removal("x", snapshots=snapshots) == f"ctr -n x snapshots --snapshotter overlayfs rm c b a && {sweep}"
    circle = {"a": made.snapshot("x/1/a", "a")}
    assert removal("x", snapshots=circle).endswith(sweep)
    assert removal("x", snapshots={}).startswith("ctr -n x snapshots --snapshotter overlayfs prepare strata-sweep ''")
