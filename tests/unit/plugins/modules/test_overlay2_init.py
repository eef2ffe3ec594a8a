# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput
from ansible_collections.strata.overlay2.plugins.modules.overlay2_init import size_of


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ([], ""),
        (["overlay2.size=20G"], "20G"),
        ([" overlay2.size = 20G "], "20G"),
        (["Overlay2.Size=1g"], "1g"),
        (["overlay2.size=1G", "overlay2.size=2G"], "2G"),
        (["overlay2.override_kernel_check=T"], ""),
        (["overlay2.override_kernel_check=false", "overlay2.size=0"], "0"),
    ],
)
def test_storage_options(options, size):
    assert size_of(options) == size


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("overlay2.size", "has no value"),
        ("overlay2.override_kernel_check=yes", "invalid value in storage option"),
        ("overlay2.override_kernel_check", "invalid value in storage option"),
        ("size=1G", "unknown storage option"),
        ("", "unknown storage option"),
    ],
)
def test_what_dockerd_would_not_take(option, words):
    with pytest.raises(InvalidInput, match=words) as error:
        size_of([option])
    assert error.value.hint
