# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layer -> mount description, and how a mount differs from one. PRIVATE to the collection.

Only perform() touches anything: what will be mounted can be shown, and compared, before it is.
"""

from __future__ import annotations

import os
import re
import typing as t

from ..._errors import InvalidInput, NotSupported, printable
from ..._linux import mount, mountinfo
from ..._linux.overlayfs import overlay_options

_LABEL = re.compile(r"[ !#-\[\]-~]+")  # printable ASCII without " and \, for which mount data knows no escape


class MountDescription(t.NamedTuple):
    """One call of mount(2).

    target:    <home>/<id>/merged.
    directory: where the relative paths in data start; None if it holds absolute ones.
    flags:     of mount(2).
    data:      as the kernel gets it.
    """

    target: str
    directory: str | None
    flags: int
    data: str


def describe_mount(
    home: str,
    id: str,
    lowers: t.Sequence[str],
    *,
    read_only: bool,
    options: t.Sequence[str],
    label: str | None = None,
    volatile: bool = False,
) -> MountDescription:
    """Return how layer *id* is mounted. Pure.

    home:      absolute.
    lowers:    link names, nearest first; at least one: a layer without parent needs no mount.
    read_only: of a committed layer: its diff is then the first lower, and nothing can be written.
    options:   overlayfs options that go first, such as "index=off".
    label:     SELinux context of the whole mount; None or "" means none.
    volatile:  skip syncs; means nothing, and is left out, where nothing is written.
    raises:    InvalidInput for a label that cannot be put in quotes; NotSupported if the data is too long.
    """
    if label and not _LABEL.fullmatch(label):
        raise InvalidInput(
            f'the mount label "{printable(label)}" cannot be given to the kernel',
            hint=r'use printable ASCII characters without " and \, as in system_u:object_r:container_file_t:s0:c1,c2',
        )
    before = [*options, "volatile"] if volatile and not read_only else [*options]
    after = [f'context="{label}"'] if label else []
    for directory, links, layer in _bases(home, id):
        paths = [links + link for link in lowers]
        if read_only:
            layers = [f"lowerdir={':'.join([f'{layer}/diff', *paths])}"]
        else:
            layers = [f"lowerdir={':'.join(paths)}", f"upperdir={layer}/diff", f"workdir={layer}/work"]
        data = ",".join([*before, *layers, *after])
        length = len(os.fsencode(data))
        if length < os.sysconf("SC_PAGESIZE"):  # one byte ends the string; the kernel cuts silently
            flags = mount.MS_RDONLY if read_only else 0
            return MountDescription(f"{home}/{id}/merged", directory, flags, data)
    raise NotSupported(
        f"mount data too long for layer {printable(id)}: {length} bytes for {len(lowers)} lowers"
        + (f" and a mount label of {len(label)} characters" if label else ""),
        hint="use a shorter mount label, a shorter id or fewer layers: a page of memory must hold it all",
    )


def _bases(home: str, id: str) -> t.Iterator[tuple[str | None, str, str]]:
    """Yield working directory, what stands before a link name, and the layer's directory; shortest form last.

    The first two are Docker's. The third saves two bytes a lower, without which an id of 255 characters would
    not go with 128 lowers.

    A home with a character that means something in mount data is never written there: it could be escaped, but
    Linux 6.5.0 to 6.5.7 split at an escaped comma, and SELinux counts quotes before overlayfs sees any of it.
    """
    if not re.search(r'[\\:,"]', home):
        yield None, f"{home}/l/", f"{home}/{id}"
    yield home, "l/", id
    yield f"{home}/l", "", f"../{id}"


def perform(description: MountDescription) -> None:
    """Mount it. Raises OSError with filename=target."""
    target, directory, flags, data = description
    if directory is None:
        mount.mount("overlay", target, "overlay", flags, data)
    else:
        mount.mount_from(directory, "overlay", target, "overlay", flags, data)


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
    """Return in what *mounted*, an overlay on the layer's merged directory, is not what describe_mount would make.

    returns: words, sorted: "label", "lowers", "read_only", "upper", "volatile". Options beside these are not
             compared: the kernel does not show index=off, for one.
    resolve: gives one path for all the paths of a directory. The default asks the filesystem.
    """
    found = overlay_options(mounted)
    diff = f"{home}/{id}/diff"
    wanted_lowers = [*([diff] if read_only else []), *(f"{home}/l/{link}" for link in lowers)]
    is_read_only = "ro" in mounted.options.split(",") or "ro" in found.others

    def differ(wanted: t.Iterable[str], have: t.Iterable[str]) -> bool:
        return [resolve(path) for path in wanted] != [resolve(absolute(home, path)) for path in have]

    differs = {
        "label": found.others.get("context", "") != (label or ""),
        "lowers": differ(wanted_lowers, found.lowers),
        "read_only": is_read_only is not read_only,
        "upper": differ([] if read_only else [diff], [] if found.upper is None else [found.upper]),
        "volatile": found.volatile is not (volatile and not read_only),
    }
    return tuple(word for word in sorted(differs) if differs[word])


def absolute(home: str, path: str) -> str:
    """Return *path*, from the data of one of the store's mounts, as an absolute one: see _bases.

    dockerd's relative paths start at home as well.
    """
    if "/" not in path or path.startswith("../"):
        return f"{home}/l/{path}"
    return os.path.join(home, path)
