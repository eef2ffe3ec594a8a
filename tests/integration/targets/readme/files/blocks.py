# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what README.md shows to files: python3 blocks.py README DIRECTORY

A YAML block goes to the file that its first line names. The ansible-playbook commands go to "commands", one a line. The
blocks of the section about installing go to "install", as they stand.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def main() -> None:
    readme, directory = Path(sys.argv[1]).read_text(encoding="utf-8"), Path(sys.argv[2])
    commands = []
    for language, body in re.findall(r"^```(\w+)\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL):
        name = re.match(r"# ([\w.]+)\n", body)
        if language == "yaml":
            if name is None:
                sys.exit(f"a block has no file name in its first line:\n{body}")
            (directory / name[1]).write_text(body, encoding="utf-8")
            # A playbook is run where it stands; an inventory is what the commands name.
            if body.partition("\n")[2].startswith("- hosts:"):
                commands.append(f"ansible-playbook -i hosts.yml {name[1]}")
        commands += [line.split("#")[0].strip() for line in body.splitlines() if line.startswith("ansible-playbook")]
    (section,) = re.findall(r"^## Installing it\n(.*?)^## ", readme, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    install = [block for block in blocks if not block.startswith("./dev shell")]
    (directory / "install").write_text("".join(install), encoding="utf-8")
    (directory / "commands").write_text("".join(f"{command}\n" for command in commands), encoding="utf-8")


if __name__ == "__main__":
    main()
