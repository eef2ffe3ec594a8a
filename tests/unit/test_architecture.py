# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The floors of docs/architecture.md hold. The test reads the source, so that lazy and typing-only imports count:
AnsiballZ ships them too.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.strata.overlay2"
UTILS = "plugins.module_utils."

# What each part of the collection may import of the others. Its own files are always allowed.
MAY_IMPORT: dict[str, set[str]] = {
    "_errors": set(),
    "_chain_ids": set(),
    "_linux": set(),
    "_bolt": set(),
    "_archive": {"_errors", "_linux"},
    "_image": {"_errors", "_chain_ids", "_linux", "_archive"},
    "_store": {"_errors", "_chain_ids", "_linux", "_bolt"},
    "_containerd": {"_errors", "_linux", "_bolt"},
    "_driver": {"_errors", "_chain_ids", "_linux", "_bolt", "_store", "_containerd"},
    "_tasks": {"_errors", "_linux", "_store", "_driver"},
    "_module": {"_errors", "_linux", "_store", "_driver"},
    "modules": {"_errors", "_driver", "_tasks", "_module"},
    "action": {"_errors", "_image", "plugin_utils"},
    "lookup": {"plugin_utils"},
    "plugin_utils": set(),
    "doc_fragments": set(),
}
# The rooms of _driver, and the files in no room, from the ground up: each may import those before it.
ROOMS = (
    *("state", "plan", "undo", "quota", "in_use", "probe", "store", "task", "run"),
    *("mounts", "layers", "content", "images", "stores", "prune", "host", "snapshots", "facts", "repair"),
)
ROOMS_OF_TARS = {f"{UTILS}_driver.content.": {"_archive"}, f"{UTILS}_driver.images.": {"_archive", "_image"}}
MODULES_THAT_ONLY_READ = {"plugins.modules.overlay2_facts"}
MOUNTER = f"{UTILS}_linux.overlay_mount"  # the one file that mounts overlays
MODULES_THAT_MOVE_TARS = {
    f"plugins.modules.overlay2_{name}" for name in ("diff", "diff_info", "image", "image_info", "repair")
}
PARTS_ON_ANSIBLE = {"_module", "modules", "action", "lookup"}
# The one that ends a module, and what it ends it by.
ENGINE = {f"plugins.module_utils._module.{name}" for name in ("engine", "query", "failure", "ansible_module")}
ENGINE_ONLY = {"check_mode", "exit_json", "fail_json"}
FILE_LINES = 300
FUNCTION_LINES = 60


class Source(t.NamedTuple):
    """One Python file. *name* is dotted, from the collection's root; a package is named as its directory."""

    name: str
    is_package: bool
    text: str

    @property
    def part(self) -> str:
        """The row of MAY_IMPORT it belongs to; "" for module_utils/__init__.py."""
        return part_of(self.name)

    def imports(self) -> t.Iterator[str]:
        """Every module imported, ours as dotted names from the collection's root, and names imported from it."""
        yield from self._imports(ast.walk(ast.parse(self.text)))

    def runtime_imports(self) -> t.Iterator[str]:
        """As imports(), but for what only types need."""
        tree = ast.parse(self.text)
        for_types = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
            for inner in ast.walk(node)
        }
        yield from self._imports(node for node in ast.walk(tree) if id(node) not in for_types)

    def _imports(self, nodes: t.Iterable[ast.AST]) -> t.Iterator[str]:
        for node in nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield ours(alias.name)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    package = self.name.split(".") if self.is_package else self.name.split(".")[:-1]
                    above = package[: len(package) - (node.level - 1)]
                    base = ".".join([*above, node.module] if node.module else above)
                yield ours(base)
                yield from (f"{ours(base)}.{alias.name}" for alias in node.names)


def ours(name: str) -> str:
    return name[len(COLLECTION) + 1 :] if name.startswith(COLLECTION + ".") else name


def part_of(name: str) -> str:
    """The row of MAY_IMPORT a dotted name belongs to, or "" if it is none of ours."""
    if name.startswith(UTILS):
        return name[len(UTILS) :].split(".")[0]
    return name.split(".")[1] if name.startswith("plugins.") and name != UTILS[:-1] else ""


def sources(root: Path) -> dict[str, Source]:
    found = {}
    for path in sorted((root / "plugins").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        found[name] = Source(name, is_package, path.read_text(encoding="utf-8"))
    return found


def wrong_floor(files: dict[str, Source]) -> t.Iterator[str]:
    for file in files.values():
        for name in file.imports():
            part = part_of(name)
            allowed = MAY_IMPORT.get(file.part, set()) | {file.part}
            for room, parts in ROOMS_OF_TARS.items():
                if file.name.startswith(room):
                    allowed = allowed | parts
            if part and part not in allowed:
                yield f"{file.name} imports {name}"


def room_of(name: str) -> str | None:
    """The room, or the file in no room, of _driver that a dotted name lies in; None for what is not _driver's."""
    below = name[len(UTILS) :].split(".")
    if not name.startswith(UTILS) or below[0] != "_driver" or len(below) == 1:
        return None
    return below[1]


def wrong_room(files: dict[str, Source]) -> t.Iterator[str]:
    for file in files.values():
        room = room_of(file.name)
        if room is None or file.is_package:
            continue
        if room not in ROOMS:
            yield f"{file.name} is in no room"
            continue
        for name in file.runtime_imports():
            other = room_of(name)
            if name in files and other in ROOMS and ROOMS.index(other) > ROOMS.index(room):
                yield f"{file.name} imports {name}"


def circle(files: dict[str, Source]) -> t.Iterator[str]:
    """Of files that import each other, typing-only imports apart: they make no difference to what runs."""
    above: dict[str, set[str]] = {
        name: {other for other in file.runtime_imports() if other in files} - {name}
        for name, file in files.items()
        if not file.is_package
    }
    while True:
        ends = {name for name, others in above.items() if not others & above.keys()}
        if not ends:
            break
        above = {name: others for name, others in above.items() if name not in ends}
    for name in sorted(above):
        yield f"{name} is in, or above, a circle"


# What a file is that changes a store, and what a file is that only reads one.
CHANGES = re.compile(
    r"\._driver\.(.*\.(actions|sweep|removal|trial)|run)$|\._store\.(staging|delete)$|\._linux\.rename$"
)
READS = re.compile(
    r"\._driver\.(.*\.(observe|check|status|subsets|state|sizes)|store|(in_use|probe|host)\..*|facts\..*)$"
)
PLANS = re.compile(r"\._driver\..*\.(plan|warnings)$")


def reader_that_changes(files: dict[str, Source]) -> t.Iterator[str]:
    for file in files.values():
        if not READS.search(file.name) and file.name not in MODULES_THAT_ONLY_READ:
            continue
        for name in sorted(reached_from(file.name, files)):
            if CHANGES.search(name):
                yield f"{file.name} ships {name}"


def planner_that_opens(files: dict[str, Source]) -> t.Iterator[str]:
    for file in files.values():
        if not PLANS.search(file.name):
            continue
        for node in ast.walk(ast.parse(file.text)):
            if isinstance(node, ast.Name) and node.id == "open":
                yield f"{file.name} opens files"
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "os"
                and node.attr not in ("path", "fsencode", "fsdecode")
            ):
                yield f"{file.name} uses os.{node.attr}"


def second_mounter(files: dict[str, Source]) -> t.Iterator[str]:
    for file in files.values():
        if file.name == MOUNTER:
            continue
        for node in ast.walk(ast.parse(file.text)):
            if not isinstance(node, ast.Call) or not re.search("mount|fsopen", ast.dump(node.func)):
                continue
            arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            if any(isinstance(argument, ast.Constant) and argument.value == "overlay" for argument in arguments):
                yield f"{file.name}:{node.lineno} mounts an overlay"


def reached_from(name: str, files: dict[str, Source]) -> set[str]:
    seen: set[str] = set()
    todo = [name]
    while todo:
        found = todo.pop()
        if found in files and found not in seen:
            seen.add(found)
            todo += files[found].imports()
    return seen - {name}


def unknown_part(files: dict[str, Source]) -> t.Iterator[str]:
    for file in files.values():
        if file.part and file.part not in MAY_IMPORT:
            yield f"{file.name} is on no floor"


def foreign_import(files: dict[str, Source]) -> t.Iterator[str]:
    for file in files.values():
        for name in file.imports():
            top = name.split(".")[0]
            allowed = (
                top == "plugins"
                or top in sys.stdlib_module_names
                or (top == "ansible" and file.part in PARTS_ON_ANSIBLE)
            )
            if not allowed:
                yield f"{file.name} imports {name}"


def second_engine(files: dict[str, Source]) -> t.Iterator[str]:
    for file in files.values():
        if not file.name.startswith(UTILS) or file.name in ENGINE:
            continue
        for node in ast.walk(ast.parse(file.text)):
            # As an attribute, or as a string for getattr.
            word = getattr(node, "attr", None) or getattr(node, "value", None)
            if isinstance(word, str) and word in ENGINE_ONLY:
                yield f"{file.name} uses {word}"


def filled_init(files: dict[str, Source]) -> t.Iterator[str]:
    for file in files.values():
        if file.is_package and file.text:
            yield f"{file.name}/__init__.py is not empty"


def too_long(files: dict[str, Source]) -> t.Iterator[str]:
    for file in files.values():
        lines = len(file.text.splitlines())
        if file.name.startswith(UTILS) and lines > FILE_LINES:
            yield f"{file.name} has {lines} lines"
        for node in ast.walk(ast.parse(file.text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    yield f"{file.name}.{node.name} has {lines} lines"


def relative_module(files: dict[str, Source]) -> t.Iterator[str]:
    """AnsiballZ takes both forms; mitogen runs a module as a file that lies in no package."""
    for file in files.values():
        for node in ast.walk(ast.parse(file.text)):
            if file.part == "modules" and isinstance(node, ast.ImportFrom) and node.level:
                yield f"{file.name} imports {node.module} by a relative name"


def needless_archive(files: dict[str, Source]) -> t.Iterator[str]:
    for file in files.values():
        if file.part != "modules" or file.name in MODULES_THAT_MOVE_TARS:
            continue
        for name in sorted(reached_from(file.name, files)):
            if part_of(name) == "_archive":
                yield f"{file.name} ships {name}"


STDLIB_NAMES = pytest.mark.skipif(sys.version_info < (3, 10), reason="sys.stdlib_module_names came with Python 3.10")


@pytest.mark.parametrize(
    "rule",
    [
        wrong_floor,
        wrong_room,
        circle,
        reader_that_changes,
        planner_that_opens,
        second_mounter,
        unknown_part,
        pytest.param(foreign_import, marks=STDLIB_NAMES),
        second_engine,
        filled_init,
        too_long,
        relative_module,
        needless_archive,
    ],
)
def test_the_collection_keeps_the_rule(rule):
    files = sources(ROOT)
    assert "plugins.module_utils._errors" in files
    assert list(rule(files)) == []


LONG_FUNCTION = "def f():\n" + "    x = 1\n" * FUNCTION_LINES


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        pytest.param(wrong_floor, "module_utils/_linux/a.py", "from .._errors import E", id="_linux takes _errors"),
        pytest.param(
            wrong_floor, "module_utils/_store/a.py", "from .._archive.tar import T", id="_store takes _archive"
        ),
        pytest.param(wrong_floor, "module_utils/_bolt/a.py", "from .._linux import libc", id="_bolt takes _linux"),
        pytest.param(wrong_floor, "module_utils/_archive/a.py", "from .. import _store", id="_archive takes _store"),
        pytest.param(wrong_floor, "module_utils/_errors.py", "from ._linux import mount", id="_errors takes _linux"),
        pytest.param(
            wrong_floor,
            "module_utils/_store/a.py",
            f"def f():\n    import {COLLECTION}.plugins.module_utils._driver.layers.plan",
            id="lazily, by the full name",
        ),
        pytest.param(
            wrong_floor, "module_utils/_driver/a.py", "from .._archive.tar import T", id="_driver takes _archive"
        ),
        pytest.param(
            wrong_floor,
            "modules/a.py",
            "from ..module_utils._store.lock import L",
            id="a module takes the store itself",
        ),
        pytest.param(unknown_part, "module_utils/_common/a.py", "", id="a part nobody planned"),
        pytest.param(foreign_import, "module_utils/_store/a.py", "import yaml", marks=STDLIB_NAMES, id="third party"),
        pytest.param(
            foreign_import,
            "module_utils/_driver/a.py",
            "from ansible.module_utils.basic import AnsibleModule",
            marks=STDLIB_NAMES,
            id="ansible below _module",
        ),
        pytest.param(
            second_engine, "module_utils/_driver/a.py", "def f(m):\n    m.fail_json()", id="fail_json elsewhere"
        ),
        pytest.param(second_engine, "module_utils/_module/a.py", "getattr(m, 'check_mode')", id="check_mode by name"),
        pytest.param(
            second_mounter,
            "module_utils/_driver/a.py",
            "mount.mount('overlay', path, 'overlay', 0, data)",
            id="a second mounter",
        ),
        pytest.param(
            second_mounter, "module_utils/_driver/a.py", "fsmount.fsopen(fstype='overlay')", id="by the new calls"
        ),
        pytest.param(filled_init, "module_utils/_store/__init__.py", "from .a import b\n", id="a re-export"),
        pytest.param(too_long, "module_utils/_store/a.py", "\n" * (FILE_LINES + 1), id="a long file"),
        pytest.param(too_long, "modules/a.py", LONG_FUNCTION, id="a long function"),
        pytest.param(relative_module, "modules/a.py", "from ..module_utils._errors import E", id="what mitogen lacks"),
        pytest.param(
            needless_archive,
            "modules/overlay2_layer.py",
            f"from {COLLECTION}.plugins.module_utils._driver.content.actions import D",
            id="a stowaway",
        ),
    ],
)
def test_a_breach_is_found(rule, path, text, tmp_path):
    content = tmp_path / "plugins/module_utils/_driver/content/actions.py"
    tar = tmp_path / "plugins/module_utils/_archive/tar.py"
    for file, code in ((content, "from ..._archive.tar import T\n"), (tar, "import struct\n")):
        file.parent.mkdir(parents=True)
        file.write_text(code, encoding="utf-8")
    assert list(rule(sources(tmp_path))) == []

    breach = tmp_path / "plugins" / path
    breach.parent.mkdir(parents=True, exist_ok=True)
    breach.write_text(text, encoding="utf-8")
    assert list(rule(sources(tmp_path))) != []


def below_ansible() -> list[str]:
    return [file.name for file in sources(ROOT).values() if file.part not in PARTS_ON_ANSIBLE | {"", "doc_fragments"}]


@pytest.mark.parametrize("name", below_ansible())
def test_it_imports_on_this_python_without_ansible(name):
    importlib.import_module(f"{COLLECTION}.{name}")
