# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes control characters from everything that a module returns. PRIVATE to the collection."""

from __future__ import annotations

import json
import re
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._errors import harmless

_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\[bfnrtu]")  # how JSON writes a control character


class HarmlessModule(AnsibleModule):
    """Escapes control characters in results, failures, parameters and warnings.

    Code that puts a name into a text uses printable(), which also keeps different names different. This class is for
    the places that forget printable(): no control character from outside reaches a terminal or a log.
    """

    def exit_json(self, **result: t.Any) -> None:
        super().exit_json(**_harmless(result))

    def fail_json(self, msg: str, **result: t.Any) -> None:
        super().fail_json(harmless(msg), **_shown(result))

    def warn(self, warning: str, **more: t.Any) -> None:
        super().warn(harmless(warning), **more)


def _harmless(result: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return a result without control characters.

    To check the whole result as JSON costs a fifth of a check of each text, and almost no result has such a character.
    """
    try:
        whole = json.dumps(result, ensure_ascii=False)
    except (TypeError, ValueError):  # a value that only Ansible's encoder can write
        return t.cast("dict[str, t.Any]", _shown(result))
    if whole.isprintable() and ("\\" not in whole or not _ESCAPE.search(whole)):
        return result
    return t.cast("dict[str, t.Any]", _shown(result))


def _shown(value: t.Any) -> t.Any:
    """Return a part of a result without control characters."""
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, dict):
        return {_shown(key): _shown(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shown(item) for item in value]
    return value
