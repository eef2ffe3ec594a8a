# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare the home directory of ansible-test: python3 ansible_test_home.py HOME USER_HOME

ansible-test passes HOME and PATH to its children, but no PIP_* variable, and HOME is not the user's. So this program
writes pip's settings from files and variables to pip.conf in HOME (private: an index address can hold a password).
"""

from __future__ import annotations

import ast
import configparser
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

from ansible_test._internal import python_requirements


def pip_settings(user_home: str) -> configparser.RawConfigParser:
    """Return pip's present settings. Variables come last, because they win."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        env={**os.environ, "HOME": user_home},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    ).stdout
    settings = configparser.RawConfigParser()
    settings.add_section("global")
    for line in sorted(listing.splitlines(), key=lambda line: line.startswith(":env:")):
        name, value = line.split("=", 1)
        section, option = name.rsplit(".", 1)
        section = "global" if section == ":env:" else section
        if not settings.has_section(section):
            settings.add_section(section)
        settings.set(section, option, ast.literal_eval(value))
    settings.set("global", "quiet", "1")
    return settings


def main() -> None:
    home, user_home = Path(sys.argv[1]), sys.argv[2]
    conf = home / ".config/pip/pip.conf"
    cache = home / ".ansible/test/cache"
    for directory in (conf.parent, cache):
        directory.mkdir(parents=True, exist_ok=True)
    with open(os.open(conf, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        pip_settings(user_home).write(file)

    # The file name contains the version of pip that this ansible-core puts into its environments.
    python = types.SimpleNamespace(version=f"{sys.version_info[0]}.{sys.version_info[1]}")
    pip_version = python_requirements.get_venv_packages(python)["pip"]
    shutil.copy(Path(__file__).with_name("get_pip.py"), cache / f"get_pip_{pip_version.replace('.', '_')}.py")


if __name__ == "__main__":
    main()
