# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts' records on the controller, a file each. PRIVATE to the collection.

<directory>/<first 32 digits of the SHA-256 of the host's name>.json

The name of a host may hold anything, so it is in the file and not its name. A file is replaced in one step.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import typing as t

from ._record import FORMAT, STATES

LONGEST = 16 << 20  # bytes of a file; a record is some KiB, and the worst with a tree of MOST nodes 11 MB


def record_path(directory: str, host: str) -> str:
    """Return where the record of *host* lies."""
    name = hashlib.sha256(host.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return os.path.join(directory, f"{name}.json")


def write_record(directory: str, host: str, record: t.Mapping[str, t.Any]) -> str:
    """Keep a host's record, and return where. Raises OSError."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    fd, temporary = tempfile.mkstemp(prefix=".new-", dir=directory)
    try:
        with open(fd, "w", encoding="ascii") as file:
            json.dump(record, file, separators=(",", ":"))
        os.replace(temporary, path := record_path(directory, host))
    except BaseException:
        os.unlink(temporary)
        raise
    return path


def read_record(directory: str, host: str, since: float = 0.0) -> dict[str, t.Any] | None:
    """Return a host's record; None if there is none of *since* or later, in seconds since the epoch. Raises OSError."""
    try:
        with open(record_path(directory, host), encoding="ascii") as file:
            record = json.loads(file.read(LONGEST))
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("format") != FORMAT or record.get("state") not in STATES:
        return None
    return record if record["time"] >= since else None
