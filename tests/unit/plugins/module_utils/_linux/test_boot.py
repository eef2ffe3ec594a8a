# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import uuid

from ansible_collections.strata.overlay2.plugins.module_utils._linux.boot import boot_id


def test_it_is_one_uuid_for_the_whole_boot():
    assert str(uuid.UUID(boot_id())) == boot_id()
