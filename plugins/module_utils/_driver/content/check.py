# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the content of many layers with their manifests, within a time. Only reads. PRIVATE to the collection.

No lock is taken. A run that changes a layer's content erases the manifest first, and this file looks afterwards whether
the manifest is still the same: if not, the layer is left to a later run.
"""

from __future__ import annotations

import os
import time
import typing as t

from ..._archive.manifest_reader import Manifest, ManifestError
from ..._errors import LayerInUse, NotSupported, StoreCorrupt
from ..._linux.noatime import open_quietly
from ..._store.layout import DIFF, MANIFEST, OWN_FILE
from ..._store.lock import Deadline
from ..._store.record import read_record
from ..._store.verified import LastLook, read_last_look
from .verify import DAMAGED, UNREADABLE, Difference, Verified, verify_layer

TOLD = 100  # differences of one layer


class Checked(t.NamedTuple):
    """What came of the comparison of one layer.

    differences: the first ones; truncated: there are more. diff_id: of the recorded tar.
    unknown:     why the content cannot be compared; "" if it was compared.
    look:        the comparison, to be noted; None for none, or if there are differences.
    """

    layer: str
    differences: tuple[Difference, ...] = ()
    truncated: bool = False
    diff_id: str = ""
    unknown: str = ""
    look: LastLook | None = None


class Contents(t.NamedTuple):
    """What came of the comparison of many layers.

    layers:  the layers that were compared to their end. files, size: the files that were read, and their bytes.
    pending: the layers that were not, because the time was up or another run changed them.
    oldest:  seconds since the last comparison of the layer that was not compared for longest; 0 for no layer.
    """

    checked: tuple[Checked, ...] = ()
    layers: int = 0
    files: int = 0
    size: int = 0
    pending: int = 0
    oldest: int = 0


def check_contents(
    home: str, layer_ids: t.Iterable[str], *, unverified_for: float = 0, until: Deadline | None = None
) -> Contents:
    """Compare layers with their manifests: first one that was begun, then that which was not compared for longest.

    unverified_for: seconds; leave out layers that were compared within this time. until: None for no limit.
    raises: OSError.
    """
    now = time.time()
    looks = {layer_id: read_last_look(home, layer_id) for layer_id in sorted(layer_ids)}
    checked = [Checked(layer_id, unknown="no manifest of it was kept") for layer_id, look in looks.items() if not look]
    found = {layer_id: look for layer_id, look in looks.items() if look}
    due = [layer_id for layer_id, look in found.items() if look.after or now - look.at >= unverified_for]
    layers = files = size = pending = 0
    for layer_id in sorted(due, key=lambda layer_id: (not found[layer_id].after, found[layer_id].at)):
        if until and until.passed:
            pending += 1
            continue
        one, verified = _check(home, layer_id, found[layer_id], until)
        if verified:
            files += verified.files
            size += verified.size
        if one:
            checked.append(one)
        if one and one.look and not one.look.after:
            found[layer_id] = one.look
        whole = verified is not None and verified.after is None and one is not None
        layers += whole
        pending += not whole and not (one and one.unknown)
    oldest = max((now - look.at for look in found.values()), default=0)
    return Contents(tuple(checked), layers, files, size, pending, max(0, int(oldest)))


def _check(home: str, layer_id: str, last: LastLook, until: Deadline | None) -> tuple[Checked | None, Verified | None]:
    """Return what came of one layer; None if another run changed the layer meanwhile. Raises OSError."""
    try:
        record = read_record(f"{home}/{layer_id}/{OWN_FILE}")
        verified = _verify(home, layer_id, record.diff_id, last, until)
    except ManifestError as error:
        return Checked(layer_id, unknown=f"its manifest cannot be used: {error}"), None
    except NotSupported as error:
        return Checked(layer_id, unknown=str(error)), None
    except (LayerInUse, StoreCorrupt, FileNotFoundError, NotADirectoryError):
        return None, None  # another run changes the layer; or other findings say that the layer is damaged
    again = read_last_look(home, layer_id)
    if again is None or again.manifest != last.manifest:
        return None, verified
    look: LastLook | None = LastLook(last.manifest, time.time())
    if verified.differences:
        look = None
    elif verified.after is not None:
        look = last._replace(after=os.fsdecode(verified.after))
    return Checked(layer_id, verified.differences, verified.truncated, record.diff_id or "", look=look), verified


def _verify(home: str, layer_id: str, diff_id: str | None, last: LastLook, until: Deadline | None) -> Verified:
    path = f"{home}/{layer_id}/{MANIFEST}"
    with (
        open(open_quietly(path, os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0) as file,
        Manifest(file.read) as told,
    ):
        if told.diff_id != diff_id:
            raise ManifestError("it is of another tar than the record")
        try:
            return verify_layer(
                f"{home}/{layer_id}/{DIFF}",
                told.expected(),
                most=TOLD,
                after=os.fsencode(last.after),
                is_late=lambda: until is not None and until.passed,
            )
        except OSError as error:
            if error.errno not in DAMAGED:
                raise
            name = os.fsencode(error.filename or "")
            return Verified(0, 0, (Difference(name, UNREADABLE),), False)
