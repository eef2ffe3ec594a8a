# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last gate that a result passes on its way out. PRIVATE to the collection."""

from __future__ import annotations

import json
import re
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._errors import harmless

_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\[bfnrtu]")  # how JSON writes a control character


class HarmlessModule(AnsibleModule):
    """Lets no control character out, whatever result, failure, parameter or warning it stands in.

    Names are made harmless where they are put into a text, by printable(), which also tells them apart. This is for
    what was forgotten: nothing from outside reaches a terminal or a log as it is.
    """

    def exit_json(self, **result: t.Any) -> None:
        super().exit_json(**_harmless(result))

    def fail_json(self, msg: str, **result: t.Any) -> None:
        super().fail_json(harmless(msg), **_shown(result))

    def warn(self, warning: str, **more: t.Any) -> None:
        super().warn(harmless(warning), **more)


def _harmless(result: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return a result without control characters.

    One look at the whole as JSON costs a fifth of a look at each text, and there is next to never anything to be found.
    """
    try:
        whole = json.dumps(result, ensure_ascii=False)
    except (TypeError, ValueError):  # a value that only Ansible's own encoder knows
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
