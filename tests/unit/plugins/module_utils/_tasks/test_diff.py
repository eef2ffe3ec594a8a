# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.content import output_file
from ansible_collections.strata.overlay2.plugins.module_utils._driver.content.source import Source
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.diff import ApplyTask, Export, ExportTask


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_what_is_no_path_is_refused(tmp_path, name):
    path = f"{tmp_path}/{name}"
    with pytest.raises(InvalidInput, match=r"dest .* is not a path"):
        ExportTask(str(tmp_path), "a", None, Export(path, "none", None, False, output_file.WantedAccess()))
    with pytest.raises(InvalidInput, match=r"src .* is not a path"):
        ApplyTask(str(tmp_path), "a", Source(path, None, None, False, None))
