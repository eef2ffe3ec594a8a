# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The id and the time of this boot. PRIVATE to the collection."""

from __future__ import annotations

import time


def boot_id() -> str:
    """Return the kernel's random id of this boot. Raises OSError. source: random(4)."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def boot_time() -> float:
    """Return the time of the host's boot, in seconds since the epoch."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
