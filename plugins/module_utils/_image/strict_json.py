# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse JSON from outside in bounded time and memory. PRIVATE to the collection."""

from __future__ import annotations

import json
import math
import typing as t

from .errors import quoted

LIMIT = 4 << 20  # bytes of a document; registries and their clients have the same limit for a manifest
_VALUES = 1 << 17  # objects, lists and their members in one document: parsed, so many take up to 30 MiB
_DEPTH = 100  # lists and objects in each other; Ansible and the next reader descend into a result by recursion
_TOO_DEEP = "its JSON is nested too deeply"
_DIGITS = 20  # of a number: Python before 3.11 takes quadratic time for a longer one


def parse_json(data: bytes) -> t.Any:
    """Return the JSON value in *data*.

    raises: ValueError with the cause if *data* is not JSON, holds too many values or nests them too deeply, or has an
            object with the same key twice: readers differ in which of the two counts.
    """
    if data.count(b",") + data.count(b"[") + data.count(b"{") > _VALUES:
        raise ValueError(f"it has more than {_VALUES} values")
    try:
        found = json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not valid JSON: {error}") from error
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    _check_depth(found)
    return found


def _check_depth(value: t.Any) -> None:
    level = [value]
    for _depth in range(_DEPTH):
        outer = [each for each in level if isinstance(each, (dict, list))]
        if not outer:
            return
        level = [inner for each in outer for inner in (each.values() if isinstance(each, dict) else each)]
    if any(isinstance(each, (dict, list)) for each in level):
        raise ValueError(_TOO_DEEP)


def _object(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _value in pairs]
        doubled = next(key for key in found if keys.count(key) > 1)
        raise ValueError(f"the key {quoted(doubled)} stands twice in one object")
    return found


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"the number {quoted(text)} is too large")
    return int(text)


def _float(text: str) -> float:
    found = float(text)
    if math.isinf(found):  # as JSON, it would be written as Infinity, which no other reader accepts
        raise ValueError(f"the number {quoted(text)} is too large")
    return found


def _constant(text: str) -> t.Any:
    raise ValueError(f"it is not valid JSON: {text}")
