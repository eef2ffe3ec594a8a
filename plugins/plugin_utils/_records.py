# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts' records on the controller, one file per host. PRIVATE to the collection.

<directory>/<first 32 digits of the SHA-256 of the host's name>.json

A host's name can contain any character, so the file holds the name and is not named by it. Writing replaces a file in
one step.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
import typing as t

from ._stored import restore

LONGEST = 16 << 20  # bytes of a file; most records have some KiB, the largest, with a tree of MOST nodes, 11 MB


def record_path(directory: str, host: str) -> str:
    """Return the path of the record of *host*."""
    name = hashlib.sha256(host.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return os.path.join(directory, f"{name}.json")


def write_record(directory: str, host: str, record: t.Mapping[str, t.Any]) -> str:
    """Write a host's record, and return its path. Raises OSError."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    fd, temporary = tempfile.mkstemp(prefix=".new-", dir=directory)
    try:
        with open(fd, "w", encoding="ascii") as file:
            json.dump(record, file, separators=(",", ":"))
        os.replace(temporary, path := record_path(directory, host))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return path


def read_record(
    directory: str, host: str, since: float = 0.0, warn: t.Callable[[str], object] = lambda text: None
) -> dict[str, t.Any] | None:
    """Return a host's record; None if no record is as new as *since*, in seconds since the epoch.

    Others may be able to write to the directory. A file that is not a record is left out, and *warn* gets a text about
    the file.
    """
    path = record_path(directory, host)
    try:
        record = restore(json.loads(_read(path).decode("ascii")), host)
        why = "" if record else "its content is not a record of this host, in the form that overlay2_report writes"
    except FileNotFoundError:
        return None
    except _Refused as refused:
        record, why = None, str(refused)
    except OSError as error:
        record, why = None, error.strerror or "it cannot be read"
    except (ValueError, RecursionError):
        record, why = None, "its content is not JSON that overlay2_report writes"
    if record is None:
        warn(f"the file {path} is left out, so {host} has no record: {why}")
        return None
    return record if record["time"] >= since else None


class _Refused(Exception):
    """The file cannot be a record, whatever its content; the message says why."""


def _read(path: str) -> bytes:
    """Return the content of a file. Never blocks, and follows no symlink. Raises _Refused, OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise _Refused("it is not a regular file")
        # The owner of the directory can replace its files anyway. Where nobody else can write, the owner is root or us.
        if found.st_uid not in (0, os.geteuid(), os.stat(os.path.dirname(path)).st_uid):
            raise _Refused(f"it belongs to the user with the id {found.st_uid}")
        data = file.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise _Refused(f"it has more than {LONGEST} bytes")
    return data
