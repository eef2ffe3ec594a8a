# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of ./dev that users type install what a user needs, and no tools of the tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The whole file of a command, without the files that it sources: each environment that it asks for is printed.
ASKED = """
ready() { printf '%s ' "$1"; }
galaxy() { :; }
PATH=$2:$PATH
text=$(sed '/^[.] /d' "dev.d/$1.sh")
set -- true
eval "$text"
"""
# setup.sh's own venv(), with stand-ins for what installs.
INSTALLED = """
. dev.d/setup.sh
packages() { :; }
pip_install() { printf '%s ' "$*"; }
CACHE=$2 VENV=$2/venv
mkdir -p "$VENV"
sed -n '/^venv() {/,/^}/p' dev.d/setup.sh | sed 's,/usr/bin/python3,true,' >"$2/venv.sh"
. "$2/venv.sh"
venv "$1"
"""


def run(script, *arguments):
    start = f"ROOT={ROOT} CACHE=$PWD/.cache FROM=$PWD; say() {{ :; }}; die() {{ exit 1; }}\n"
    command = ["sh", "-euc", start + script, "sh", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.mark.parametrize("command", ["shell", "build"])
def test_what_a_user_types_asks_for_ansible_alone(command, tmp_path):
    stand_in = tmp_path / "ansible-galaxy"
    stand_in.write_text("#!/bin/sh\n", encoding="ascii")
    stand_in.chmod(0o755)
    assert run(ASKED, command, tmp_path) == "run "


def test_ansible_alone_is_without_the_tools_of_the_tests(tmp_path):
    assert run(INSTALLED, "run", tmp_path / "one") == "-r requirements/run.txt "
    assert run(INSTALLED, "test", tmp_path / "other") == "-r requirements/run.txt -r requirements/test.txt "
