# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules on one store, with the interface of a graph driver."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.plugins.modules import (
    overlay2_diff,
    overlay2_diff_info,
    overlay2_init,
    overlay2_layer,
    overlay2_mount,
)
from ansible_collections.strata.overlay2.tests import modules


class Driver:
    """Calls them in the words that Docker has for what they do."""

    def __init__(self, home: Path, **params: t.Any) -> None:
        self.home = home
        self.ok(overlay2_init, **params)

    def run(self, module: t.Any, **params: t.Any) -> dict[str, t.Any]:
        result = modules.run_module(module.main, {"home": str(self.home), **params})
        assert result is not None
        return result

    def ok(self, module: t.Any, **params: t.Any) -> dict[str, t.Any]:
        result = self.run(module, **params)
        assert not result.get("failed"), result
        return result

    def create(self, layer_id: str, parent: str = "", read_write: bool = False) -> None:
        self.ok(overlay2_layer, id=layer_id, parent=parent, read_write=read_write)

    def get(self, layer_id: str) -> Path:
        return Path(self.ok(overlay2_mount, id=layer_id)["path"])

    def put(self, layer_id: str) -> None:
        self.ok(overlay2_mount, id=layer_id, state="unmounted")

    def remove(self, layer_id: str) -> None:
        assert self.ok(overlay2_layer, id=layer_id, state="absent")["changed"]
        assert not (self.home / layer_id).exists()

    def changes(self, layer_id: str, **params: t.Any) -> list[str]:
        """Return what the layer has other than its parent, such as "added /etc"."""
        return [f"{change['kind']} {change['path']}" for change in self.diff(layer_id, **params)["changes"]]

    def diff(self, layer_id: str, **params: t.Any) -> dict[str, t.Any]:
        """Look at a layer or, with a state, change or export it."""
        return self.ok(overlay2_diff if "state" in params else overlay2_diff_info, id=layer_id, **params)
