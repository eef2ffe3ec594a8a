# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation of all modules says alike."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragments, by the name after the dot in extends_documentation_fragment."""

    DOCUMENTATION = r"""
options:
  home:
    description:
      - The store, laid out as Docker's C(overlay2) driver does.
      - A directory is a store if it has C(l/) holding nothing but store links; an empty or missing one can become one.
      - Directories in it that have no part of a layer, and files, are strangers. No module changes or removes them.
      - A store that has layers and no C(.strata.json) was made by somebody else. It is read, and every change of it is
        C(store_foreign), until M(strata.overlay2.overlay2_init) takes it over.
    type: path
    default: /var/lib/overlay2
"""

    LOCK = r"""
options:
  lock_timeout:
    description: How many seconds to wait for another run that holds a lock, before the task fails with C(store_busy).
    type: int
    default: 60
"""

    ATTRIBUTES = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
    details:
      - Nothing is left behind, and C(changed), C(actions) and C(diff) are those of the real run.
  diff_mode:
    description: Will return details on what has changed, or would change in C(check_mode), when in diff mode.
    support: full
  idempotent:
    description: The second identical run changes nothing.
    support: full
requirements:
  - Linux 5.10 or newer
  - Python 3.9 or newer
"""

    ATTRIBUTES_OF_A_LOOK = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Will return details on what has changed, or would change in C(check_mode), when in diff mode.
    support: none
  idempotent:
    description: The second identical run changes nothing.
    support: full
requirements:
  - Linux 5.10 or newer
  - Python 3.9 or newer
"""
