# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of an overlay: what its mount options claim, and what proves the claim. PRIVATE to the collection.

The kernel shows the names of lowers and upper as the mounter gave them: in another mount namespace, at another time, or
relative to an unknown directory. So a name alone proves nothing. The proofs, in this order:

1. An overlay on X/merged whose first name is absolute and X/diff: both names led to one place at the time of the mount,
   so the mount below the overlay tells whether the place is in our store.
2. The root of an overlay has the inode number of its upper, or without upper, of its nearest lower. The number tells
   whether this is the ``diff`` of a layer. Relative names beside it start at the same directory. The number is missing
   if the layers lie on several filesystems, or if a later mount hides the overlay.
   source: ovl_get_root() in fs/overlayfs/super.c; tried on Linux 6.18
3. An absolute name that leads into the store by the mounts of the overlay's namespace.
4. In a namespace of our own user namespace, an unproved claim counts: a name of our form, or an absolute name that
   leads into the store by our own mounts. In a user namespace below ours it does not count, because any user can mount
   overlays there.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ..._linux import mountinfo, openat2, statx
from ..._linux.overlayfs import OverlayOptions, overlay_options
from ..._store.layout import DIFF, LINKS, MERGED
from . import proc

_LINK = re.compile(r"(?:(?:.*/)?l/)?([A-Z2-7]{26})", re.DOTALL)
_DIFF = re.compile(r"(?:.*/)?([^/]+)/diff", re.DOTALL)
_OF_LAYER = re.compile(r"(.*)/([^/]+)/" + MERGED, re.DOTALL)
_MADE_UP = 4  # overlayfs counts from 1 if it has no inode number to show
_LOOKS = 5  # attempts while other processes write or rename
_FLAGGED = 1 << 56  # larger numbers contain the number of the filesystem
_CACHED_IN_ROOT = openat2.RESOLVE_CACHED | openat2.RESOLVE_IN_ROOT
_HERE = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Claim(t.NamedTuple):
    """The layer that a name in an overlay's options means. exact: its diff itself. proved: by mounts there."""

    id: str
    exact: bool
    proved: bool


class Claims:
    """The claims of overlays on the store at *home*, which lies at *place* within the filesystem *dev*."""

    def __init__(self, home: str, place: str, dev: str, own: proc.MountTable) -> None:
        self._home = home
        self._place = place
        self._dev = dev
        self._own = own
        self._options: dict[str, OverlayOptions] = {}
        self._inodes: dict[int, str] | None = None

    def layers_of(self, table: proc.MountTable, mount: mountinfo.Mount) -> tuple[bool, list[str]]:
        """Return whether the upper of the overlay *mount* in *table* is a layer, and this layer, or else its lowers.

        Of a chain of our links, return only the nearest lower, which is the child of the others.
        """
        if mount.dev not in self._options:
            self._options[mount.dev] = overlay_options(mount)
        options = self._options[mount.dev]
        names = [*([] if options.upper is None else [options.upper]), *options.lowers]
        if not names:
            return False, []
        in_place = self._in_place(table, mount, names[0])
        if in_place == "":
            return False, []
        first, base = self._first(table, mount, names) if in_place is None else (in_place, _base(names[0]))
        if options.upper is not None and first:
            return True, [first]
        lowers = [self._lower(table, name, first, base) for name in names[1:]]
        found = [layer_id for layer_id in (first, *lowers) if layer_id]
        by_links = any(self._behind(name) for name in options.lowers)
        return False, found[: 1 if by_links else None]

    def _in_place(self, table: proc.MountTable, mount: mountinfo.Mount, first: str) -> str | None:
        """Return the layer whose merged the overlay lies on; "" if the place is in another store, None if unknown."""
        match = _OF_LAYER.fullmatch(mount.mount_point)
        if match is None or mount.root != "/":
            return None
        directory, layer_id = match.groups()
        parent = table.below(mount.id)
        under = table.by_id.get(parent)
        is_ours = under is not None and under.dev == self._dev and proc.inside(under, directory) == (self._place or "/")
        if (
            first == f"{directory}/{layer_id}/{DIFF}"
            and table.has(parent)
            and not table.lies_in(parent, f"{directory}/{layer_id}")
        ):
            return layer_id if is_ours else ""
        return layer_id if is_ours and first in (f"{layer_id}/{DIFF}", f"../{layer_id}/{DIFF}") else None

    def _first(
        self, table: proc.MountTable, mount: mountinfo.Mount, names: t.Sequence[str]
    ) -> tuple[str | None, str | None]:
        """Return the layer that the first name means, and the directory at which other names of our store start.

        The directory is None if nothing is known about the other names.
        """
        name = names[0]
        by_form = self._by_form(name)
        claim = self._meant(table, name, by_form)
        is_relative = not name.startswith("/")
        known = self._by_inode(table, mount) if claim or by_form or is_relative else None
        if known and (known in (by_form, claim and claim.id) or self._may_be(table, name, known)):
            return known, _base(name)
        others_links = any(map(_LINK.fullmatch, names)) and not any(map(self._behind, names))
        if known == "" and (claim is None or claim.exact):
            return None, _base(name) if by_form or claim or others_links else None
        if claim is None and by_form and is_relative and not others_links:
            claim = Claim(by_form, True, False)
        if claim and (claim.proved or table.trusted):
            return claim.id, None
        return None, _base(name) if others_links and is_relative else None

    def _may_be(self, table: proc.MountTable, name: str, layer_id: str) -> bool:
        """Tell whether a name may mean the layer that an inode number tells, although it does not show the layer."""
        leads = self._leads_to(table, name, layer_id) if name.startswith("/") else None
        return leads or (leads is None and (table.trusted or name.rpartition("/")[2] == DIFF))

    def _lower(self, table: proc.MountTable, name: str, first: str | None, base: str | None) -> str | None:
        """Return the layer that a later name means. first, base: the results of _first."""
        by_form = self._by_form(name)
        if base is not None and by_form and (base == _base(name) or (first is None and not name.startswith("/"))):
            return by_form if first else None
        claim = self._meant(table, name, by_form)
        if claim is None and not name.startswith("/"):
            return by_form if table.trusted else None
        return claim.id if claim and (claim.proved or table.trusted) else None

    def _meant(self, table: proc.MountTable, name: str, by_form: str | None) -> Claim | None:
        """Return the claim of an absolute name by the mounts of *table*, or else by our own mounts.

        by_form: the layer if the name has our form; the name may then lead through a symlink.
        """
        if not name.startswith("/"):
            return None
        path = os.path.normpath(name)
        for known in (table, self._own):
            mount = known.by_id.get(known.mount_at(path))
            if mount is None or mount.dev != self._dev:
                continue
            inside = proc.inside(mount, path)
            layer_id = proc.name_in(self._place, inside)
            if layer_id == LINKS:
                target = self._behind(path)
                return Claim(target, True, known is table) if target else None
            if layer_id is not None:
                return Claim(layer_id, inside == f"{self._place}/{layer_id}/{DIFF}", known is table)
        if by_form is None:
            return None
        leads = self._leads_to(table, name, by_form)
        return Claim(by_form, True, leads is True) if leads or (leads is None and self._behind(name)) else None

    def _leads_to(self, table: proc.MountTable, name: str, layer_id: str) -> bool | None:
        """Tell whether an absolute name leads to a layer's diff for a process of *table*; None if unknown."""
        try:
            fd = self._open(table, name)
        except OSError:
            return None
        try:
            found, ours = os.lstat(f"{self._home}/{layer_id}/{DIFF}"), statx.inode_of(fd)
            return (found.st_dev, found.st_ino) == ours
        except OSError:
            return None
        finally:
            os.close(fd)

    def _by_form(self, name: str) -> str | None:
        """Return the layer that a name of our form means: a link in l/, or a layer's diff."""
        match = _DIFF.fullmatch(name)
        if match is not None and os.path.isdir(f"{self._home}/{match.group(1)}/{DIFF}"):
            return match.group(1)
        return self._behind(name)

    def _behind(self, name: str) -> str | None:
        """Return the layer that a name leads to if the name is one of our links."""
        match = _LINK.fullmatch(name)
        if match is None:
            return None
        try:
            target = _DIFF.fullmatch(os.readlink(f"{self._home}/{LINKS}/{match.group(1)}"))
        except OSError:
            return None
        return target and target.group(1)

    def _by_inode(self, table: proc.MountTable, mount: mountinfo.Mount) -> str | None:
        """Return the layer whose diff is the upper or else the nearest lower; "" for no layer, None if unknown."""
        if mount.root != "/":
            return None
        try:
            fd = self._open(table, mount.mount_point)
        except OSError:
            return None
        try:
            device, inode = statx.inode_of(fd)
            if f"{os.major(device)}:{os.minor(device)}" != mount.dev or not _MADE_UP <= inode < _FLAGGED:
                return None
            layer_id = self._diffs().get(inode, "")
            if not layer_id:
                return ""
            same = _same_filesystem(fd, f"{self._home}/{layer_id}/{DIFF}")
            return None if same is None else layer_id if same else ""
        except OSError:
            return None
        finally:
            os.close(fd)

    def _open(self, table: proc.MountTable, path: str) -> int:
        """Open a directory as a process of *table* sees it. Ask no filesystem: it may never answer.

        Raises OSError: EAGAIN if the filesystem would have to answer; EINVAL before Linux 5.12.
        """
        is_own = table is self._own
        if not is_own and mountinfo.is_below(path, table.root):
            path = path[len(table.root) :]
        root = os.open("/" if is_own else f"/proc/{table.pid}/root", _HERE)
        try:
            for attempt in range(_LOOKS):
                try:
                    return openat2.openat2(os.fsencode("/" + path), _HERE, _CACHED_IN_ROOT, root)
                except BlockingIOError:  # another process may have renamed something
                    if attempt == _LOOKS - 1:
                        raise
            raise AssertionError
        finally:
            os.close(root)

    def _diffs(self) -> dict[int, str]:
        """Return the ids of layers by the inode number of their diff."""
        if self._inodes is None:
            self._inodes = {}
            for layer_id in os.listdir(self._home):
                with contextlib.suppress(OSError):
                    self._inodes[os.lstat(f"{self._home}/{layer_id}/{DIFF}").st_ino] = layer_id
        return self._inodes


def _same_filesystem(fd: int, path: str) -> bool | None:
    """Tell whether two directories seem to be on one filesystem: same size, same use; None while the use changes.

    An overlay reports the size of its upper's filesystem. Inode numbers alone may be equal by chance. Raises OSError.
    """
    differed = False
    for _attempt in range(_LOOKS):
        before, its, after = (_how_full(found) for found in (os.statvfs(path), os.fstatvfs(fd), os.statvfs(path)))
        if its in (before, after):
            return True
        if its[0] != before[0] or (before == after and differed):
            return False
        differed = differed or before == after
    return None


def _how_full(found: os.statvfs_result) -> tuple[int, int, int]:
    return found.f_blocks, found.f_bfree, found.f_ffree


def _base(name: str) -> str:
    """Return the directory of l/ and the layers in a name of our form; "" for a relative name."""
    return name.rstrip("/").rpartition("/")[0].rpartition("/")[0] if name.startswith("/") else ""
