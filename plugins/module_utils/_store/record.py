# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own record of a layer, ``<id>/.strata.json``: what Docker has no file for, and a second copy of what it has.

Format 1, whose readers ignore keys that they do not know. A layer of an older version gets the second copy (parent,
link, committed) from the first run that changes the layer. PRIVATE to the collection.
"""

from __future__ import annotations

import re
import typing as t

from .json_file import read_or_corrupt, unreadable_error

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
