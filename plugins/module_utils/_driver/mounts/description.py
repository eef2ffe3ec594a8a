# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The overlay of a layer, and how a mounted overlay differs from it. Nothing here mounts. PRIVATE to the collection."""

from __future__ import annotations

import os
import re
import typing as t

from ..._errors import InvalidInput, NotSupported, printable
from ..._linux import mountinfo
from ..._linux.overlay_mount import Overlay
from ..._linux.overlayfs import is_read_only, overlay_options

_LABEL = re.compile(r"[ !#-\[\]-~]+")  # printable ASCII without " and \, which mount data cannot escape


def describe_mount(
    home: str,
    id: str,
    lowers: t.Sequence[str],
    *,
    read_only: bool,
    options: t.Sequence[str],
    label: str | None = None,
    volatile: bool = False,
) -> Overlay:
    """Return the overlay of layer *id*, whose place is <home>/<id>/merged. Pure.

    home:      absolute.
    lowers:    link names, nearest first; at least one: a layer without parent needs no mount.
    read_only: for a committed layer. Its diff is then the first lower, and nothing can be written.
    options:   overlayfs options that go first, such as "index=off".
    label:     SELinux context of the whole mount; None or "": none.
    volatile:  skip syncs. A read-only overlay ignores it.
    raises:    InvalidInput for a label that cannot be in quotes; NotSupported if the mount data is too long.
    """
    if label and not _LABEL.fullmatch(label):
        raise InvalidInput(
            f'mount data cannot hold the mount label "{printable(label)}"',
            hint=r'use printable ASCII characters without " and \, as in system_u:object_r:container_file_t:s0:c1,c2',
        )
    all_options = (*options, "volatile") if volatile and not read_only else tuple(options)
    for directory, links, layer in _bases(home, id):
        paths = [links + link for link in lowers]
        if read_only:
            overlay = Overlay((f"{layer}/diff", *paths))
        else:
            overlay = Overlay(tuple(paths), f"{layer}/diff", f"{layer}/work")
        overlay = overlay._replace(options=all_options, label=label or "", directory=directory)
        length = len(os.fsencode(overlay.data))
        if length < os.sysconf("SC_PAGESIZE"):  # one byte ends the string; the kernel cuts off any more
            return overlay
    raise NotSupported(
        f"mount data too long for layer {printable(id)}: {length} bytes for {len(lowers)} lowers"
        + (f" and a mount label of {len(label)} characters" if label else ""),
        hint="use a shorter mount label, a shorter id or fewer layers: the mount data must fit into a page of memory",
    )


def _bases(home: str, id: str) -> t.Iterator[tuple[str | None, str, str]]:
    r"""Yield directory, prefix of a link name, and the layer's directory; the shortest form last.

    The first two forms are Docker's. The third saves two bytes a lower; an id of 255 characters with 128 lowers needs
    it.

    The data never holds a home with ``\``, ``:``, ``,`` or ``"``, not even with an escape: Linux 6.5.0 to 6.5.7 split
    at an escaped comma, and SELinux counts quotes before overlayfs reads the data.
    """
    if not re.search(r'[\\:,"]', home):
        yield None, f"{home}/l/", f"{home}/{id}"
    yield home, "l/", id
    yield f"{home}/l", "", f"../{id}"


def overlay_differs(
    home: str,
    id: str,
    lowers: t.Sequence[str],
    mounted: mountinfo.Mount,
    *,
    read_only: bool,
    label: str | None = None,
    volatile: bool = False,
    resolve: t.Callable[[str], str] = os.path.realpath,
) -> tuple[str, ...]:
    """Return which properties of *mounted*, an overlay on the layer's merged, differ from describe_mount()'s overlay.

    returns: words, sorted: "label", "lowers", "read_only", "upper", "volatile". Other options are not compared: the
             kernel does not show index=off, for example.
    resolve: returns the same path for all paths of a directory. The default asks the filesystem.
    """
    found = overlay_options(mounted)
    diff = f"{home}/{id}/diff"
    wanted_lowers = [*([diff] if read_only else []), *(f"{home}/l/{link}" for link in lowers)]

    def differ(wanted: t.Iterable[str], have: t.Iterable[str]) -> bool:
        return [resolve(path) for path in wanted] != [resolve(absolute(home, path)) for path in have]

    differs = {
        "label": found.others.get("context", "") != (label or ""),
        "lowers": differ(wanted_lowers, found.lowers),
        "read_only": is_read_only(mounted) is not read_only,
        "upper": differ([] if read_only else [diff], [] if found.upper is None else [found.upper]),
        "volatile": found.volatile is not (volatile and not read_only),
    }
    return tuple(word for word in sorted(differs) if differs[word])


def absolute(home: str, path: str) -> str:
    """Return *path*, from the data of a mount in the store, as an absolute path: see _bases.

    Relative paths of dockerd start at home, too.
    """
    if "/" not in path or path.startswith("../"):
        return f"{home}/l/{path}"
    return os.path.join(home, path)
