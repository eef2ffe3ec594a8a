# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of documentation that several modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragments, named as after the last dot in extends_documentation_fragment."""

    DOCUMENTATION = r"""
options:
  home:
    description:
      - The directory of the store, laid out as Docker's C(overlay2) driver does.
      - A directory is a store if its C(l/) holds nothing but store links. An empty or missing directory can become a
        store.
      - Files in a store, and directories without any part of a layer, are strangers. No module changes or removes
        strangers.
      - A store that has layers and no C(.strata.json) was made by somebody else. The modules only read it, and every
        change is C(store_foreign), until M(strata.overlay2.overlay2_init) takes the store over.
    type: path
    default: /var/lib/overlay2
"""

    LOCK = r"""
options:
  lock_timeout:
    description: How many seconds to wait for a lock that another run holds, before the task fails with C(store_busy).
    type: int
    default: 60
"""

    ACCESS = r"""
options:
  owner:
    description: Owner of O(dest), a user's name or id. Omitted, the owner stays; a new file belongs to root.
    type: str
  group:
    description:
      - Group of O(dest), a name or id.
      - Omitted, the group stays. A new file gets root's group, or the group of its directory if the directory hands its
        group down.
    type: str
  mode:
    description:
      - Permissions of O(dest), as in M(ansible.builtin.file), V("0640") or V(u=rw,g=r). Quote an octal mode.
      - Omitted, the permissions stay. A new file gets V("0600"), and a symbolic mode starts from V("0600").
      - While a new file is written, nobody whom O(mode) excludes can read it.
    type: raw
"""

    ATTRIBUTES = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
    details:
      - Check mode leaves nothing behind, and its C(changed), C(actions) and C(diff) are those of the real run.
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
