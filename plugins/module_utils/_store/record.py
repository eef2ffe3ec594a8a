# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own record of a layer, ``<id>/.strata.json``: what Docker has no file for, and a second copy of what it has.

Format 1, whose readers ignore keys that they do not know. A layer of an older version gets the second copy (parent,
link, committed) from the first run that changes the layer. PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from .._linux.sync import sync_directory
from .json_file import read_file, read_or_corrupt, replace_file, unreadable_error
from .layout import COMMITTED, EXACT, LINK, MANIFEST, OWN_FILE
from .links import link_target, read_link
from .lower import PARENT, read_lower

_FLAG, _NAME = (bool, type(None)), (str, type(None))
_NO_DIGESTS = (None,) * 4
_DIGEST = re.compile(r"[!-~]{1,255}")


class Record(t.NamedTuple):
    """What our own file says of a layer.

    read_write:      the layer was made for a container; None if there is no record (dockerd made the layer).
    diff_id, digest: of the tar last applied as the whole content; None for no tar, or if the content changed since.
    merged_*:        the same of the tar last merged into the layer.
    parent:          id of the layer's parent, "" for no parent; None if there is no record, or an older one.
    link:            the layer's name in l/; None as for the parent.
    committed:       the layer is sealed; None as for the parent, and if the layer is not sealed.
    """

    read_write: bool | None = None
    diff_id: str | None = None
    digest: str | None = None
    merged_diff_id: str | None = None
    merged_digest: str | None = None
    parent: str | None = None
    link: str | None = None
    committed: bool | None = None


def record_content(home: str, layer_id: str, content: Record | None = None) -> None:
    """Write the digests of *content* durably to a layer's record; None erases them, the manifest and the exact record.

    These two go first: without digests no run would erase them before the content changes. If the record then cannot
    be written, only they are lost: the content can no longer be compared, and its tar not be written again.
    Nothing is written if the record has these digests already, so erasing them needs no space on a full filesystem.
    raises: StoreCorrupt, OSError.
    """
    path = f"{home}/{layer_id}/{OWN_FILE}"
    if content is None:
        for name in (MANIFEST, EXACT):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{home}/{layer_id}/{name}")
                sync_directory(f"{home}/{layer_id}")
    made = ("read_write", PARENT, LINK, COMMITTED)
    told = {name: value for name, value in (content or Record())._asdict().items() if name not in made}
    own = read_file(path) or {}
    if any(own.get(name) != told[name] for name in told):
        replace_file(path, {**own, **_made(home, layer_id, own), **told})


def sealed_record(home: str, layer_id: str) -> dict[str, t.Any]:
    """Return the content of a layer's record once the layer is sealed. Raises StoreCorrupt, OSError."""
    own = read_file(f"{home}/{layer_id}/{OWN_FILE}") or {}
    return {**own, **_made(home, layer_id, own), COMMITTED: True}


def new_record(home: str, layer_id: str) -> dict[str, t.Any]:
    """Return the content of a record for a layer that has none. Raises OSError."""
    marked = os.path.lexists(f"{home}/{layer_id}/{COMMITTED}")
    return {**_made(home, layer_id, {}), **({COMMITTED: True} if marked else {})}


def _made(home: str, layer_id: str, own: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Return the parent and the name of a layer, for its record *own*, which has none. Raises OSError.

    Nothing is recorded that may be wrong: the names lead where they should, and the chain goes on as the parent's.
    """
    link, lower = read_link(home, layer_id).name, read_lower(home, layer_id)
    if PARENT in own and LINK in own:
        return {}
    if not link or link_target(home, link) != layer_id or lower.damage:
        return {}
    parent = link_target(home, lower.names[0]) if lower.names else ""
    if parent is None or own.get(PARENT, parent) != parent:
        return {}
    if parent and (read_link(home, parent).name, *read_lower(home, parent).names) != lower.names:
        return {}
    return {PARENT: parent, LINK: link}


def read_record(path: str) -> Record:
    """Return our record of a layer; without any value if there is no record. Raises StoreCorrupt, OSError."""
    own = read_or_corrupt(path) or {}
    record = Record(*map(own.get, Record._fields))
    # Each type is from JSON, so none is a subclass; read for each layer of a store.
    if type(record.read_write) not in _FLAG or type(record.committed) not in _FLAG:
        raise unreadable_error(path)
    if type(record.parent) not in _NAME or type(record.link) not in _NAME:
        raise unreadable_error(path)
    digests = (record.diff_id, record.digest, record.merged_diff_id, record.merged_digest)
    if digests == _NO_DIGESTS:
        return record
    if not all(digest is None or (isinstance(digest, str) and _DIGEST.fullmatch(digest)) for digest in digests):
        raise unreadable_error(path)
    return record
