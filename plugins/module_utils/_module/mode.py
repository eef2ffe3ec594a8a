# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses the mode of a file in an option. PRIVATE to the collection."""

from __future__ import annotations

import os
import stat
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._errors import InvalidInput, printable

_ALL_BITS = 0o7777  # permissions, setuid, setgid and sticky


def parse_mode(mode: t.Any) -> t.Callable[[int], int] | None:
    """Return a function from the mode of a regular file to its new mode; None for None.

    mode:   as in ansible.builtin.file: a number, octal or symbolic.
    raises: InvalidInput.
    """
    if mode is None:
        return None

    def change(have: int) -> int:
        # ansible-core's own function gives the letters the same meaning; its public ones need an existing file.
        found = os.stat_result((stat.S_IFREG | have, *(0,) * 9))
        return int(AnsibleModule._symbolic_mode_to_octal(found, mode))

    try:
        if isinstance(mode, str) and any(operator in mode for operator in "+-="):
            change(0)
            return change
        number = int(mode, 8) if isinstance(mode, str) else mode
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= _ALL_BITS:
            raise ValueError(mode)
    except ValueError:
        hint = 'write it as "0640" or "u=rw,g=r"'
        raise InvalidInput(f"invalid mode '{printable(str(mode))}'", hint=hint, option="mode") from None
    return lambda _have: number
