# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare the pages of the site: python3 pages.py CHECKOUT PAGES

PAGES has copies of docs/, and in collection/ the pages that antsibull-docs made. This program adds the pages that come
from README.md and from the roles' READMEs, changes the pages of antsibull-docs so that they fit the theme, and appends
the tables of contents to the first page.
"""

from __future__ import annotations

import re
import sys
import typing as t
from pathlib import Path

CONTENTS = re.compile(r"^\.\. contents::\n(?:   :\w+:.*\n)*\n", re.MULTILINE)  # the theme has its own
NOTE = re.compile(r"^\.\. note::\n    This [\w ]+ is part of .*?(?=^\S)", re.MULTILINE | re.DOTALL)  # how to install
TABLE = re.compile(r"(?:^\|.*\|\n)+", re.MULTILINE)
TOCTREE = re.compile(r"^\.\. toctree::\n(?:    .*\n|\n)*", re.MULTILINE)
TITLE = re.compile(r"^strata\.overlay2\.(\w+) (module|lookup|role) -- (.*)\n\++\n", re.MULTILINE)


def sections(readme: str) -> dict[str, str]:
    """Return the text of each section of the README by its title."""
    parts = re.split(r"^## (.*)\n", readme, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def relinked(text: str, repository: str) -> str:
    """Return text of the README with links that hold in the site; to the repository, if the site lacks the file."""

    def page(match: re.Match[str]) -> str:
        path = match[1]
        for pattern, where in ((r"docs/(\w[\w-]*\.md.*)", r"\1"), (r"roles/(\w+)/README\.md", r"roles/\1.md")):
            if re.fullmatch(pattern, path):
                return f"]({re.sub(pattern, where, path)})"
        return f"]({repository}/blob/main/{path})"

    return re.sub(r"\]\((?!https?:|#)([^)]*)\)", page, text)


def from_readme(title: str, parts: t.Iterable[str], repository: str) -> str:
    """Return a page of sections of the README, whose subtitles become titles."""
    return relinked(f"# {title}\n" + "".join(part.replace("\n### ", "\n## ") for part in parts), repository)


def themed(page: str) -> str:
    """Return a page of antsibull-docs without its own table of contents, with a short title."""

    def title(match: re.Match[str]) -> str:
        text = f"{match[1]} -- {match[3]}"
        return f"{text}\n{'+' * len(text)}\n"

    return TITLE.sub(title, NOTE.sub("", CONTENTS.sub("", page)))


def transposed(page: str) -> str:
    """Return a page whose tables have a row for each column, because a wide table does not fit beside the sidebar."""

    def table(match: re.Match[str]) -> str:
        head, _line, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in match[0].splitlines())
        columns = list(zip(head, *rows))
        columns.insert(1, ("---",) * len(columns[0]))
        return "".join(f"| {' | '.join(column)} |\n" for column in columns)

    return TABLE.sub(table, page)


def toctree(caption: str, entries: t.Iterable[str]) -> str:
    """Return a table of contents, which the theme shows beside each page."""
    lines = "\n".join(entries)
    return f"\n```{{toctree}}\n:caption: {caption}\n:hidden:\n\n{lines}\n```\n"


def main() -> None:
    checkout, pages = Path(sys.argv[1]), Path(sys.argv[2])
    galaxy = (checkout / "galaxy.yml").read_text(encoding="utf-8")
    (repository,) = re.findall(r"^repository: (.*)$", galaxy, re.MULTILINE)
    parts = sections((checkout / "README.md").read_text(encoding="utf-8"))
    (uses,) = (text for title, text in parts.items() if title.endswith(" uses"))
    install = [parts["Installing it"], "\n## Requirements\n", parts["Requirements"]]
    (pages / "install.md").write_text(from_readme("Install", install, repository), encoding="utf-8")
    (pages / "uses.md").write_text(from_readme("Playbooks and a job", [uses], repository), encoding="utf-8")
    (pages / "roles").mkdir()
    for readme in sorted((checkout / "roles").glob("*/README.md")):
        name = readme.parent.name
        text = re.sub(r"^# strata\.overlay2\.", "# ", readme.read_text(encoding="utf-8"))
        text += f"\nThe types of all variables: [the role's options](../collection/{name}_role.rst).\n"
        (pages / f"roles/{name}.md").write_text(text, encoding="utf-8")
    for page in (pages / "collection").glob("*.rst"):
        page.write_text(themed(page.read_text(encoding="utf-8")), encoding="utf-8")
    listing = pages / "collection/index.rst"
    listing.write_text(":orphan:\n\n" + TOCTREE.sub("", listing.read_text(encoding="utf-8")), encoding="utf-8")
    kernels = pages / "kernels.md"  # ./dev kernels makes it
    if kernels.exists():
        kernels.write_text(transposed(kernels.read_text(encoding="utf-8")), encoding="utf-8")
    index = pages / "index.md"
    index.write_text(index.read_text(encoding="utf-8") + contents(pages), encoding="utf-8")


def contents(pages: Path) -> str:
    """Return the tables of contents of all pages. A page of docs/ that no table names is in the last one."""
    tables = {
        "Begin": ["install", "uses", "container-images"],
        "Roles": [f"{page.stem} <roles/{page.stem}>" for page in sorted((pages / "roles").glob("*.md"))],
        "Operate": ["procedures", "cleanup-plan", "damage", "engines", "errors", "codes"],
        "Modules": [
            f"{page.stem.rpartition('_')[0]} <collection/{page.stem}>"
            for kind in ("module", "lookup")
            for page in sorted((pages / "collection").glob(f"*_{kind}.rst"))
        ],
        "Understand": ["store", "layer-life", "glossary", "kernels", "comparison", "performance", "architecture"],
    }
    named = {entry for entries in tables.values() for entry in entries}
    there = {page.stem for page in pages.glob("*.md")} - {"index"}
    tables["Understand"] += sorted(there - named)
    return "".join(
        toctree(caption, [entry for entry in entries if "<" in entry or entry in there])
        for caption, entries in tables.items()
    )


if __name__ == "__main__":
    main()
