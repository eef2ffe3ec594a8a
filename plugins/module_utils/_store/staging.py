# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make and remove layers in one step each: the only code that renames or deletes layers. PRIVATE to the collection.

A new layer is made in a staging directory, synced, linked in l/, and renamed to its place; the rename commits it.
A removal does the steps in reverse order. So a kill at any moment only leaves litter: a dangling link in l/, or an
unlocked staging directory.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._linux.noatime import open_quietly, read_quietly
from .._linux.rename import rename_noreplace
from .._linux.subject import about
from .delete import delete_tree
from .json_writer import stage_file, write_new
from .layout import (
    COMMITTED,
    DIFF,
    DIFF_MODE,
    FILE_MODE,
    LAYER_MODE,
    LINK,
    LINK_NAME,
    LINKS,
    LOWER,
    OWN_FILE,
    STAGING,
    VANISHED,
    WORK,
    WORK_MODE,
    is_id,
)
from .leftovers import RETIRED, layers_in, leftovers, mark_of
from .links import link_target
from .listing import directories_in
from .lock import Deadline, try_lock
from .lower import PARENT
from .recognition import is_directory, is_layer

_BASE32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 8  # by byte: each character for the same number of bytes


class NewLayer(t.NamedTuple):
    """A layer to make.

    link, lowers: names in l/, the lowers nearest first. uid, gid: the remapped root, 0 and 0 without remapping.
    parent: the parent's id, "" without parent; None: do not record it. sealed: the layer is committed from the start.
    """

    id: str
    link: str
    lowers: tuple[str, ...]
    read_write: bool
    uid: int = 0
    gid: int = 0
    parent: str | None = None
    sealed: bool = False


class Staging:
    """Our directory ``<parent>/.staging/<random>``, locked until it is deleted. parent: home or a layer's directory."""

    def __init__(self, parent: str) -> None:
        """Make the directory. Raises StoreCorrupt if something else is in the place of .staging, OSError."""
        self._all = os.path.join(parent, STAGING)
        self.path = os.path.join(self._all, os.urandom(8).hex())
        self._fd = self._make()

    def close(self, until: Deadline | None = None) -> None:
        """Delete the directory with its content, until *until*. Raises OSError. A later run sweeps what is left."""
        try:
            delete_tree(self.path, until)
            with contextlib.suppress(OSError):  # other runs still have staging directories in it
                os.rmdir(self._all)
        finally:
            os.close(self._fd)

    def _make(self) -> int:
        while True:
            with contextlib.suppress(FileExistsError):
                os.mkdir(self._all, 0o700)
            try:
                if os.path.lexists(self._all) and not is_directory(self._all):
                    from .unusable import blocked_staging  # few stores have it, and each import is compiled

                    raise blocked_staging(self._all)
                os.mkdir(self.path, 0o700)
                fd = open_quietly(self.path, os.O_DIRECTORY)
            except FileNotFoundError:  # another run has just removed the empty directory, or swept ours
                continue
            except OSError:
                with contextlib.suppress(OSError):
                    os.rmdir(self._all)
                raise
            if try_lock(fd) and os.path.lexists(self.path):
                return fd
            os.close(fd)  # another run sweeps the directory, or tests whether it is a leftover
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
            self.path = os.path.join(self._all, os.urandom(8).hex())


class Retired:
    """A removed layer under a hidden name in home, locked until it is deleted. Needs no space, unlike a Staging."""

    def __init__(self, home: str, layer_id: str, link: str) -> None:
        """Hide the layer as retire_layer does, by a rename that needs no new directory. Raises OSError."""
        self.path = os.path.join(home, RETIRED + os.urandom(8).hex())
        self._fd = open_quietly(os.path.join(home, layer_id), os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            try_lock(self._fd)  # the lock moves with the layer; it fails if our run holds it already
            _take_away(home, layer_id, link, self.path)
        except BaseException:
            os.close(self._fd)
            raise

    def close(self, until: Deadline | None = None) -> None:
        """Delete the layer, until *until*. Raises OSError. The next run sweeps what is left."""
        try:
            delete_tree(self.path, until)
        finally:
            os.close(self._fd)


def new_link() -> str:
    """Return a new name for l/: 26 characters of base32, 130 random bits, as moby's GenerateID."""
    return os.urandom(26).translate(_BASE32).decode()


def stage_layer(staging: str, layer: NewLayer, begin: t.Callable[[str], object] = str) -> None:
    """Make the complete directory of *layer* in *staging*. Raises OSError, and what *begin* raises.

    begin: called with the path of the directory while it is empty.
    """
    path = f"{staging}/{layer.id}"
    _make_directory(path, LAYER_MODE, 0, layer.gid)
    begin(path)
    _make_directory(f"{path}/{DIFF}", DIFF_MODE, layer.uid, layer.gid)
    write_new(f"{path}/{LINK}", layer.link.encode(), FILE_MODE)
    if layer.lowers:
        lower = ":".join(f"{LINKS}/{link}" for link in layer.lowers)
        write_new(f"{path}/{LOWER}", lower.encode(), FILE_MODE)
        _make_directory(f"{path}/{WORK}", WORK_MODE, layer.uid, layer.gid)
    recorded: dict[str, str | bool] = {} if layer.parent is None else {PARENT: layer.parent, LINK: layer.link}
    if layer.sealed:
        seal_layer(staging, layer.id)
        recorded[COMMITTED] = True
    stage_file(f"{path}/{OWN_FILE}", {"read_write": layer.read_write, **recorded})


def mark_chain(staging: str, chain: str) -> None:
    """Mark that our run makes a layer with this chain id in *staging*. Raises OSError."""
    write_new(f"{staging}/{mark_of(chain)}", b"", FILE_MODE)


def publish_layer(home: str, staging: str, layer: NewLayer) -> None:
    """Link a staged layer in l/, and move it to its place. Raises OSError; FileExistsError if the id is taken."""
    link = f"{home}/{LINKS}/{layer.link}"
    with about(link):
        os.symlink(f"../{layer.id}/{DIFF}", link)
    try:
        rename_noreplace(f"{staging}/{layer.id}", f"{home}/{layer.id}")
    except OSError:
        with contextlib.suppress(OSError):  # a link that stays is dangling: litter
            os.unlink(link)
        raise


def seal_layer(home: str, layer_id: str) -> None:
    """Mark a layer as committed, if it is not marked yet. Raises OSError."""
    path = f"{home}/{layer_id}/{COMMITTED}"
    with about(path):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def retire_layer(home: str, staging: str, layer_id: str, link: str) -> None:
    """Move a layer to *staging*, and remove its link in l/. Raises OSError; the layer is unchanged then.

    link: "" for a layer whose link is lost.
    """
    _take_away(home, layer_id, link, os.path.join(staging, layer_id))


def unlink_leftovers(home: str, paths: t.Iterable[str]) -> None:
    """Remove the links in l/ of the layers in the leftovers *paths*. The caller holds the store's lock."""
    for layer in layers_in(paths):
        with contextlib.suppress(OSError):
            _unlink_dangling(home, os.fsdecode(read_quietly(os.path.join(layer, LINK))))


def sweep_layers(home: str, until: Deadline | None = None) -> None:
    """Delete the unfinished content that killed runs left in layers. Needs no lock.

    raises: OSError for the first failure.
    """
    failed: OSError | None = None
    try:
        names = directories_in(home)
    except VANISHED:  # the store has just been removed
        return
    for name in names:
        directory = f"{home}/{name}"
        if os.path.lexists(f"{directory}/{STAGING}"):
            try:
                if is_id(name) and is_layer(directory):
                    sweep(directory, leftovers(directory), until)
            except OSError as error:
                failed = failed or error
    if failed is not None:
        raise failed


def sweep_links(home: str, links: t.Iterable[str]) -> None:
    """Remove the dangling links among *links* in l/. Raises OSError. The caller holds the store's lock."""
    for link in links:
        target = link_target(home, link)
        if target is None or not os.path.lexists(os.path.join(home, target)):
            with contextlib.suppress(FileNotFoundError):  # it was removed with its leftover
                os.unlink(os.path.join(home, LINKS, link))


def sweep(parent: str, paths: t.Iterable[str], until: Deadline | None = None) -> None:
    """Lock and delete each of the leftovers *paths* in *parent*. Raises OSError for the first failure."""
    failed: OSError | None = None
    for path in paths:
        try:
            _sweep(path, until)
        except FileNotFoundError:
            pass
        except OSError as error:
            failed = failed or error
    with contextlib.suppress(OSError):
        os.rmdir(os.path.join(parent, STAGING))
    if failed is not None:
        raise failed


def _sweep(path: str, until: Deadline | None) -> None:
    try:
        fd = open_quietly(path, os.O_DIRECTORY | os.O_NOFOLLOW)
    except NotADirectoryError:  # no run makes a file there, and none locks it
        return os.unlink(path)
    try:
        if try_lock(fd):
            delete_tree(path, until)
    finally:
        os.close(fd)


def _make_directory(path: str, mode: int, uid: int, gid: int) -> None:
    os.mkdir(path, mode)
    os.chmod(path, mode)  # independent of the umask
    if uid or gid:
        os.chown(path, uid, gid)


def _take_away(home: str, layer_id: str, link: str, path: str) -> None:
    """Move a layer to *path* and remove its link in l/, or change nothing. Raises OSError."""
    place = os.path.join(home, layer_id)
    rename_noreplace(place, path)
    try:
        _unlink_dangling(home, link)
    except OSError:
        try:
            rename_noreplace(path, place)
        except OSError:
            return  # the layer stays removed: its link is litter
        raise


def _unlink_dangling(home: str, link: str) -> None:
    """Remove l/*link* if it leads to a missing layer. Raises OSError."""
    layer_id = link_target(home, link) if LINK_NAME.fullmatch(link) else None
    if layer_id is not None and not os.path.lexists(os.path.join(home, layer_id)):
        os.unlink(os.path.join(home, LINKS, link))
