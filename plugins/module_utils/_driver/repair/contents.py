# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of layers: what of it differs from what was applied, in words, and putting it back. PRIVATE."""

from __future__ import annotations

import os
import typing as t

from ..._errors import InvalidInput, StoreCorrupt, printable
from ..._store.codes import DAMAGE, NOTE
from ..._store.cures import REPAIR
from ..._store.layout import DIFF, OWN_FILE
from ..._store.layout import LINKS as NAMES
from ..._store.lock import Deadline, layer_not_found_error
from ..._store.recognition import has_content, is_store
from ..._store.record import read_record
from ..content.check import TOLD, Checked, Contents, check_contents
from ..content.free import check_unmounted
from ..content.verify import (
    ADDED,
    CONTENT,
    DEVICE,
    LINKS,
    LOST,
    MODE,
    OWNER,
    SIZE,
    TARGET,
    TYPE,
    UNREADABLE,
    XATTRS,
)
from ..facts.finding import Fix, Reported
from ..store import Store
from .observe import layers_among
from .state import Asked, RepairState

ROTTEN, UNKNOWN = "content_rotten", "content_unknown"  # health does not look for these
# By what differs.
_MESSAGES = {
    LOST: "{path}, which was applied, is gone",
    ADDED: "{path} was not applied",
    TYPE: "{path} is of another type than was applied",
    CONTENT: "{path} has other bytes than were applied",
    UNREADABLE: "{path} cannot be read",
    MODE: "{path} has another mode than was applied",
    OWNER: "{path} has another owner than was applied",
    SIZE: "{path} has another size than was applied",
    XATTRS: "{path} has other extended attributes than were applied",
    TARGET: "the symlink {path} has another target than was applied",
    DEVICE: "{path} has another device number than was applied",
    LINKS: "{path} is no longer a hard link of the file that it was applied as",
}
_CURE = f"give {REPAIR} the tar with the diff id {{}} as src; or restore the content from a backup"
_NO_CURE = "it may be sound: only a tar that strata.overlay2.overlay2_diff applies to the layer is noted file by file"


def read_contents(home: str, asked: Asked) -> Contents:
    """Compare the layers that *asked* names with their manifests. Raises InvalidInput, LayerNotFound, OSError."""
    if not is_store(home):
        return Contents()
    store = Store(home)
    for layer_id in asked.src:
        _check_source(store, layer_id)
    given = check_contents(home, asked.src)
    if not asked.contents:
        return given
    until = None if asked.max_seconds is None else Deadline(asked.max_seconds)
    others = [id for id in layers_among(store, asked) if id not in asked.src and _is_filled(home, id)]
    found = check_contents(home, others, unverified_for=asked.unverified_for, until=until)
    return Contents(
        (*given.checked, *found.checked),
        given.layers + found.layers,
        given.files + found.files,
        given.size + found.size,
        given.pending + found.pending,
        max(given.oldest, found.oldest),
    )


def _check_source(store: Store, layer_id: str) -> None:
    if layer_id not in store.files.ids:
        raise layer_not_found_error(store.home, layer_id)
    if not read_record(store.path(layer_id, OWN_FILE)).diff_id:
        raise InvalidInput(
            f"src: the diff id of layer {layer_id} is not recorded, so no tar is known to be its content",
            hint="leave the layer out of src, and apply the tar by strata.overlay2.overlay2_diff",
            id=layer_id,
        )


def _is_filled(home: str, layer_id: str) -> bool:
    """Tell whether a layer has content that can have been applied. Raises OSError."""
    try:
        return read_record(f"{home}/{layer_id}/{OWN_FILE}").read_write is False and bool(
            os.listdir(f"{home}/{layer_id}/{DIFF}")
        )
    except (StoreCorrupt, FileNotFoundError, NotADirectoryError):
        return False  # other findings say so


def with_contents(store: Store, have: RepairState, contents: Contents, asked: Asked) -> RepairState:
    """Return *have* with what is wrong with the content of layers, and what ends that.

    raises: LayerInUse for a layer that cannot get its content back now; OSError.
    """
    if not have.exists:
        return have
    rotten = {one.layer for one in contents.checked if one.differences}
    back = tuple(id for id in sorted(asked.src) if id in rotten or not has_content(have.home, id))
    for layer_id in back:
        check_unmounted(store, layer_id)
    found: list[tuple[Reported, Fix | None]] = list(zip(have.found, have.fixes))
    left = list(have.left)
    ended = {path: _fix(layer_id) for layer_id in back for path in _paths_of_loss(store, layer_id)}
    found = [(one, fix) if one.path not in ended else _mended(one, ended[one.path]) for one, fix in found]
    left = [one for one in left if one.path not in ended]
    for checked in contents.checked:
        fix = _fix(checked.layer) if checked.layer in back else None
        for one in _reported(have.home, checked):
            repair = fix.sentence if fix and one.code == ROTTEN else None
            found.append((one._replace(repair=repair), fix if repair else None))
            if not repair:
                left.append(one)
    found.sort(key=lambda pair: _order(pair[0]))
    return have._replace(
        found=tuple(one for one, _fix in found),
        fixes=tuple(fix for _one, fix in found),
        left=tuple(sorted(left, key=_order)),
        back=tuple(layer for layer in map(store.salvage, back) if layer),
        contents=contents,
        settings=store.settings if back else have.settings,
        userxattr=bool(back) and bool(store.features.userxattr),
    )


def _paths_of_loss(store: Store, layer_id: str) -> list[str]:
    """Return the paths of the findings about a lost diff: of the layer, and of the layers above it. Raises OSError."""
    if has_content(store.home, layer_id):
        return []
    names = (store.path(NAMES, name) for name in store.files.names_of(layer_id))
    return [printable(path) for path in (store.path(layer_id, DIFF), *names)]


def _mended(one: Reported, fix: Fix) -> tuple[Reported, Fix]:
    return one._replace(repair=fix.sentence), fix


def _fix(layer_id: str) -> Fix:
    return Fix(f"put the content of layer {layer_id} back", ("the tar has the recorded diff id",))


def _order(one: Reported) -> tuple[bool, str, str, str]:
    return (one.kind != DAMAGE, one.subject, one.code, one.path)


def _reported(home: str, checked: Checked) -> t.Iterator[Reported]:
    """Yield what the comparison of a layer found."""
    diff = f"{home}/{checked.layer}/{DIFF}"
    if checked.unknown:
        message = f"the content of layer {checked.layer} cannot be compared: {printable(checked.unknown)}"
        yield Reported(UNKNOWN, NOTE, checked.layer, printable(diff), message, _NO_CURE)
    for difference in checked.differences:
        path = printable(f"{diff}/{os.fsdecode(difference.path)}")
        yield _rotten(checked, path, _MESSAGES[difference.what].format(path=path))
    if checked.truncated:
        yield _rotten(checked, printable(diff), f"more than {TOLD} files differ from what was applied")


def _rotten(checked: Checked, path: str, what: str) -> Reported:
    message = f"the content of layer {checked.layer} changed: {what}"
    return Reported(ROTTEN, DAMAGE, checked.layer, path, message, _CURE.format(checked.diff_id))
