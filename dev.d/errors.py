# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/errors.md from the classes: python3 dev.d/errors.py"""

from __future__ import annotations

import importlib.util
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TITLE = """# Errors

The result of a task that fails has `msg` (the subject and the cause), `hint` (what to do) and `error`: one of these
codes. The codes never change. This page is made from the classes by `python3 dev.d/errors.py`.

| `error` | when |
|---|---|
"""


def load() -> types.ModuleType:
    """Return the module with the classes, without the collection around it."""
    spec = importlib.util.spec_from_file_location("errors", ROOT / "plugins/module_utils/_errors.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page() -> str:
    """Return the text of the page."""
    rows = [f"| `{kind.code}` | {kind.__doc__} |\n" for kind in load().Overlay2Error.__subclasses__()]
    other = "| `os_error` | Any other refusal of the kernel, with `errno` and `path`. |\n"
    return TITLE + "".join(rows) + other


if __name__ == "__main__":
    (ROOT / "docs/errors.md").write_text(page(), encoding="utf-8")
