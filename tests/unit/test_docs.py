# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents about the collection are true."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe import problems
from ansible_collections.strata.overlay2.plugins.module_utils._store.codes import KINDS

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_errors_is_made_from_the_classes():
    spec = importlib.util.spec_from_file_location("errors_page", ROOT / "dev.d/errors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs/errors.md").read_text(encoding="utf-8") == module.page()
    codes = re.findall(r"^\| `(\w+)`", module.page(), re.MULTILINE)
    assert len(codes) == len(set(codes)) > 10


def test_every_error_is_had_on_a_real_condition():
    code = re.compile(r"^    code = \"(\w+)\"", re.MULTILINE)
    codes = set(code.findall((ROOT / "plugins/module_utils/_errors.py").read_text(encoding="utf-8")))
    table = (ROOT / "tests/integration/targets/errors/vars/main.yml").read_text(encoding="utf-8")
    asserted = set(re.findall(r"\berror: (\w+)", table))
    assert codes - {"overlay2_error"} == asserted


OF_QUOTAS = {"leaked_project", "project_doubled", "project_lost"}  # tests/conformance/test_quotas.py plants them


def test_every_finding_is_planted_in_a_store():
    table = (ROOT / "tests/integration/targets/overlay2_facts/vars/main.yml").read_text(encoding="utf-8")
    found = re.findall(r"finds: \[([^]]*)\]", table)
    alone = {"owner_wrong", "layer_gone"}  # in stores of their own
    tasks = (ROOT / "tests/integration/targets/overlay2_facts/tasks/damaged.yml").read_text(encoding="utf-8")
    assert {code for code in alone if f"'{code}'" not in tasks} == set()
    codes = KINDS.keys() - alone - {"orphan"} - OF_QUOTAS  # the first is of another engine's store
    assert codes == {finding.split()[0] for findings in found for finding in findings.split(", ")}


def test_every_finding_has_a_word_in_the_documentation():
    documented = (ROOT / "plugins/modules/overlay2_facts.py").read_text(encoding="utf-8")
    assert {code for code in KINDS if f"V({code})" not in documented} == set()


def test_the_page_of_codes_has_every_problem_and_every_finding_with_its_kind():
    page = (ROOT / "docs/codes.md").read_text(encoding="utf-8")
    rows = [re.findall(r"^\| `(\w+)` \| (\w+) \|", part, re.MULTILINE) for part in page.split("## Findings of health")]
    assert rows == [list(problems.KINDS.items()), list(KINDS.items())]


# What a reader of the site is likely to look for, and where the first page leads to. The build of the site fails if a
# link leads nowhere.
TASKS = {
    "install it": "install.md",
    "make stores": "uses.md#provision-build-hosts",
    "run a job": "uses.md#provision-build-hosts",
    "what fills the disks": "uses.md#ask-a-fleet",
    "part of a role": "uses.md#run-a-part",
    "Prometheus": "roles/store_report.md",
    "remove layers": "cleanup-plan.md",
    "a job that died": "procedures.md#my-job-died-free-its-layer",
    "new content to a base layer": "procedures.md#update-a-base-layer",
    "out of service": "procedures.md#take-a-host-out-of-service",
    "Docker, containerd or Podman": "engines.md",
    "damaged store": "damage.md",
    "a task that failed": "errors.md",
    "a code on the page": "codes.md",
    "look up an option": "collection/index.rst",
    "understand a word": "glossary.md",
}


def test_the_first_page_of_the_site_leads_to_every_likely_task():
    lines = (ROOT / "docs/site/index.md").read_text(encoding="utf-8").splitlines()
    for words, link in TASKS.items():
        (line,) = (line for line in lines if line.startswith("| ") and words in line.split(" | ")[0])
        assert f"]({link})" in line


def pages():
    spec = importlib.util.spec_from_file_location("site_pages", ROOT / "dev.d/pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_of_the_readme_lead_to_the_pages_of_the_site():
    text = "[a](docs/store.md#x) [b](roles/build_host/README.md) [c](LICENSE) [d](https://x.org/y) [e](#z)"
    there = "[a](store.md#x) [b](roles/build_host.md) [c](r/blob/main/LICENSE) [d](https://x.org/y) [e](#z)"
    assert pages().relinked(text, "r") == there


def test_a_page_of_antsibull_docs_loses_what_does_not_fit_the_site():
    note = ".. note::\n    This module is part of the X.\n\n    To install it, use Y.\n\n"
    contents = ".. contents::\n   :local:\n   :depth: 1\n\n"
    page = f"strata.overlay2.overlay2_x module -- Do it\n+++++\n\n{note}.. version_added\n\n{contents}Synopsis\n"
    assert pages().themed(page) == "overlay2_x -- Do it\n+++++++++++++++++++\n\n.. version_added\n\nSynopsis\n"


def test_a_wide_table_is_turned():
    page = "a\n\n| k | x | y |\n| --- | --- | --- |\n| one | 1 | 2 |\n| two | 3 | 4 |\n\nb\n"
    turned = "a\n\n| k | one | two |\n| --- | --- | --- |\n| x | 1 | 3 |\n| y | 2 | 4 |\n\nb\n"
    assert pages().transposed(page) == turned


def test_the_environment_has_the_collection_of_this_version():
    (version,) = re.findall(r"^version: (.*)$", (ROOT / "galaxy.yml").read_text(encoding="utf-8"), re.MULTILINE)
    environment = (ROOT / "execution-environment.yml").read_text(encoding="utf-8")
    assert environment.count(f"strata-overlay2-{version}.tar.gz") == environment.count("strata-overlay2-") == 2


def test_the_readme_names_every_module():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    modules = {path.stem for path in (ROOT / "plugins/modules").glob("*.py")}
    assert set(re.findall(r"`strata\.overlay2\.(overlay2_\w+)`", readme)) == modules


def test_the_action_group_names_every_module():
    text = (ROOT / "meta/runtime.yml").read_text(encoding="utf-8")
    modules = {path.stem for path in (ROOT / "plugins/modules").glob("*.py")}
    assert set(re.findall(r"^ +- (\w+)$", text, re.MULTILINE)) == modules


def test_every_module_is_run_under_mitogen():
    play = (ROOT / "tests/integration/targets/mitogen/files/play.yml").read_text(encoding="utf-8")
    modules = {path.stem for path in (ROOT / "plugins/modules").glob("*.py")}
    assert modules <= set(re.findall(r"^      strata\.overlay2\.(\w+):", play, re.MULTILINE))


def test_no_integration_target_is_called_like_a_role():
    """Ansible-test would run the role instead, and it would pass."""
    targets = {path.parent.name for path in (ROOT / "tests/integration/targets").glob("*/tasks")}
    roles = {path.parent.name for path in (ROOT / "roles").glob("*/tasks")}
    assert roles and not targets & roles


def test_the_readme_shows_every_playbook_and_role():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    playbooks = {path.stem for path in (ROOT / "playbooks").glob("*.yml")} - {"quickstart"}  # that is ./dev demo
    roles = {path.name for path in (ROOT / "roles").iterdir()}
    named = set(re.findall(r"strata\.overlay2\.(\w+)", readme))
    assert playbooks | roles <= named


def test_the_variables_of_a_role_are_in_its_readme():
    for role in (ROOT / "roles").iterdir():
        defaults = (role / "defaults/main.yml").read_text(encoding="utf-8")
        options = (role / "meta/argument_specs.yml").read_text(encoding="utf-8")
        names = set(re.findall(r"^(\w+):", defaults, re.MULTILINE)) | set(
            re.findall(rf"^ +({role.name}_\w+):", options, re.MULTILINE)
        )
        tasks = "".join(path.read_text(encoding="utf-8") for path in sorted((role / "tasks").glob("*.yml")))
        facts = set(re.findall(rf"set_fact:\n +({role.name}_\w+):", tasks))
        documented = set(re.findall(rf"`({role.name}_\w+)`", (role / "README.md").read_text(encoding="utf-8")))
        assert names == documented - facts


def test_every_unit_test_lies_where_the_code_that_it_tests_lies():
    tests = ROOT / "tests/unit"
    for path in (tests / "plugins").rglob("test_*.py"):
        code = ROOT / path.relative_to(tests).with_name(path.name[len("test_") :])
        assert code.exists(), f"{path.relative_to(ROOT)} tests no file of code"
