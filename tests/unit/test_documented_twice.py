# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation that stands in several places is the same everywhere, because Ansible has no fragments for RETURN."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))

# Keys lead from a block of a module's documentation to a part of the block.
SAME = {
    "the status facts": [
        ("overlay2_init", "RETURN", "features", "contains"),
        ("overlay2_facts", "RETURN", "ansible_facts", "contains", "overlay2", "contains"),
    ],
    "Docker's rows": [
        ("overlay2_init", "RETURN", "features", "contains", "status"),
        ("overlay2_init", "RETURN", "status"),
    ],
    "a layer": [
        ("overlay2_layer", "RETURN", "layer", "contains"),
        ("overlay2_layer", "RETURN", "layers", "contains"),
        ("overlay2_mount", "RETURN", "layer", "contains"),
    ],
    "the holders of a mount": [
        ("overlay2_mount", "RETURN", "holders"),
        ("overlay2_mount", "RETURN", "layer", "contains", "holders"),
    ],
    **{
        f"{key} of a diff": [("overlay2_diff", "RETURN", key), ("overlay2_diff_info", "RETURN", key)]
        for key in ("size", "native")
    },
    "the id of a layer": [
        (module, "DOCUMENTATION", "options", "id")
        for module in ("overlay2_diff", "overlay2_diff_info", "overlay2_mount")
    ],
    **{
        f"{key} of a finding": [
            (
                "overlay2_facts",
                "RETURN",
                "ansible_facts",
                "contains",
                "overlay2",
                "contains",
                "health",
                "contains",
                key,
            ),
            ("overlay2_prune", "RETURN", "litter", "contains", key),
            ("overlay2_repair", "RETURN", "findings", "contains", key),
        ]
        for key in ("subject", "path")
    },
    **{
        f"{key} of a finding of health": [
            (
                *("overlay2_facts", "RETURN", "ansible_facts", "contains", "overlay2", "contains", "health"),
                *("contains", key),
            ),
            ("overlay2_repair", "RETURN", "findings", "contains", key),
        ]
        for key in ("message", "repair", "certain")
    },
}


@functools.cache
def block(module: str, name: str):
    """Return DOCUMENTATION or RETURN of a module."""
    tree = ast.parse((ROOT / f"plugins/modules/{module}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and [target.id for target in node.targets] == [name]:
            return yaml.safe_load(ast.literal_eval(node.value))
    raise AssertionError(f"{module} has no {name}")


def part(module: str, name: str, *keys: str):
    """Return the part of a block that the keys lead to."""
    found = block(module, name)
    for key in keys:
        found = found[key]
    return found


def texts(documented):
    """Return a part without what rightly differs: samples, and when a value is returned."""
    if isinstance(documented, dict):
        return {key: texts(value) for key, value in documented.items() if key not in ("sample", "returned")}
    return documented


@pytest.mark.parametrize("places", SAME.values(), ids=SAME)
def test_what_stands_in_several_places_is_documented_in_the_same_words(places):
    first, *others = (texts(part(*place)) for place in places)
    for other in others:
        assert {key: value for key, value in other.items() if key in first} == first


@pytest.mark.parametrize("key", ["error", "hint"])
def test_all_modules_document_a_failure_in_the_same_words(key):
    found = [part(module, "RETURN", key)["description"] for module in MODULES if key in block(module, "RETURN")]
    assert len(found) >= len(MODULES) - 1
    assert len(set(found)) == 1


def test_all_modules_that_change_a_store_document_their_actions_in_the_same_words():
    changing = [module for module in MODULES if "actions" in block(module, "RETURN") and not module.endswith("_info")]
    assert len(changing) == 7
    assert len({part(module, "RETURN", "actions")["description"] for module in changing}) == 1


def test_the_two_modules_about_a_diff_describe_it_in_the_same_words():
    """In both, a sentence on each of: where a native diff comes from, and the mounts of a naive one."""
    described = [
        set(part(module, "DOCUMENTATION", "description")) for module in ("overlay2_diff", "overlay2_diff_info")
    ]
    assert len(described[0] & described[1]) == 2


def options_of_role(role: str):
    """Return the options of a role's entry point main."""
    text = (ROOT / f"roles/{role}/meta/argument_specs.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["argument_specs"]["main"]["options"]


@pytest.mark.parametrize("key", ["home", "prune", "hosts", "since"])
def test_the_roles_for_a_fleet_document_their_options_in_the_same_words(key):
    cleanup, report = (options_of_role(role)[f"{role}_{key}"] for role in ("layer_cleanup", "store_report"))
    assert {**cleanup, "default": None} == {**report, "default": None}


def test_the_role_for_a_build_host_documents_an_id_map_as_the_module_does():
    maps = part("overlay2_init", "DOCUMENTATION", "options", "uid_map", "suboptions")
    assert options_of_role("build_host")["build_host_uid_map"]["options"] == maps
