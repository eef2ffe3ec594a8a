# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux import child, mount, mountinfo, namespace
from ansible_collections.strata.overlay2.plugins.module_utils._linux.overlayfs import OverlayOptions, overlay_options

ROOT = b"27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n"
# Captured on Linux 6.18; the directory is named a\:b,c d\
ODD = (
    rb"66 43 0:39 / /a\134:b,c\040d\134/m rw,relatime - overlay overlay rw,"
    rb"lowerdir=/a\134\134\134:b\134\054c\040d\134\134/l1:/a\134\134\134:b\134\054c\040d\134\134/l2,"
    rb"upperdir=/a\134\134\134:b\134\054c\040d\134\134/up,workdir=/a\134\134\134:b\134\054c\040d\134\134/wk,uuid=on"
    b"\n"
)


def line(super_options: str) -> mountinfo.Mount:
    (mount,) = mountinfo.parse(f"66 43 0:39 / /m ro - overlay overlay {super_options}\n".encode())
    return mount


def test_every_field_of_a_line_has_its_name():
    assert mountinfo.parse(ROOT) == [
        mountinfo.Mount(27, 1, "254:0", "/", "/", "rw,relatime", ("shared:1",), "ext4", "/dev/vda", "rw,discard")
    ]


@pytest.mark.parametrize(
    ("fields", "propagation"),
    [
        pytest.param(b"rw - ", (), id="private"),
        pytest.param(b"rw shared:7 master:3 - ", ("shared:7", "master:3"), id="shared and slave"),
        pytest.param(b"rw master:3 propagate_from:2 - ", ("master:3", "propagate_from:2"), id="a distant master"),
    ],
)
def test_optional_fields_are_kept_in_order(fields, propagation):
    (mount,) = mountinfo.parse(b"1 2 0:3 / /m " + fields + b"tmpfs none rw\n")
    assert (mount.propagation, mount.fstype) == (propagation, "tmpfs")


@pytest.mark.parametrize(
    ("escaped", "path"),
    [
        pytest.param(rb"/a\040b", "/a b", id="space"),
        pytest.param(rb"/a\011b", "/a\tb", id="tab"),
        pytest.param(rb"/a\012b", "/a\nb", id="newline"),
        pytest.param(rb"/a\134b", "/a\\b", id="backslash"),
        pytest.param(rb"/a\134040b", "/a\\040b", id="an escaped escape is not one"),
        pytest.param(b"/a\xffb", "/a\udcffb", id="not UTF-8"),
        pytest.param("/a\u2028\x85\x0cb".encode(), "/a\u2028\x85\x0cb", id="what only Python takes for a line's end"),
    ],
)
def test_paths_are_unescaped(escaped, path):
    (mount,) = mountinfo.parse(b"1 2 0:3 " + escaped + b" " + escaped + b" rw - bind " + escaped + b" rw\n")
    assert (mount.root, mount.mount_point, mount.source) == (path, path, path)


def test_an_odd_directory_comes_back_from_both_escapes():
    (mount,) = mountinfo.parse(ODD)
    odd = "/a\\:b,c d\\"
    assert mount.mount_point == odd + "/m"
    assert overlay_options(mount) == OverlayOptions(
        (odd + "/l1", odd + "/l2"), odd + "/up", odd + "/wk", False, {"rw": "", "uuid": "on"}
    )


@pytest.mark.parametrize(
    ("options", "lowers"),
    [
        pytest.param("ro,lowerdir=l/AB:l/CD", ("l/AB", "l/CD"), id="relative"),
        pytest.param(r"ro,lowerdir=/a\134:b:/c", ("/a:b", "/c"), id="an escaped colon splits nothing"),
        pytest.param("ro,lowerdir=/a::/d1::/d2", ("/a", "/d1", "/d2"), id="data-only lowers"),
        pytest.param("ro,datadir+=/d,lowerdir+=/a:b,lowerdir+=/c", ("/a:b", "/c", "/d"), id="one option each"),
        pytest.param(r"ro,lowerdir+=/a\134:b", ("/a\\:b",), id="one option each is not escaped twice"),
        pytest.param("ro", (), id="none"),
    ],
)
def test_lowers_are_told_nearest_first(options, lowers):
    assert overlay_options(line(options)).lowers == lowers


@pytest.mark.parametrize(
    ("options", "others"),
    [
        pytest.param("rw,index=on,xino=off", {"rw": "", "index": "on", "xino": "off"}, id="plain"),
        pytest.param(
            'rw,context="s:o:r:c1,c2",index=on', {"rw": "", "context": "s:o:r:c1,c2", "index": "on"}, id="MCS"
        ),
        pytest.param("rw,context=s:o:r,fscontext=x", {"rw": "", "context": "s:o:r", "fscontext": "x"}, id="no quotes"),
        pytest.param('rw,key=a"b,c="', {"rw": "", "key": 'a"b', "c": '"'}, id="other quotes mean nothing"),
    ],
)
def test_other_options_are_kept(options, others):
    assert overlay_options(line(options)).others == others


@pytest.mark.parametrize("options", ["rw,volatile", "rw,fsync=volatile"])
def test_volatile_is_told_in_both_forms(options):
    assert overlay_options(line(options)).volatile


def test_the_mount_of_an_open_file_is_found_by_its_id():
    fd = os.open("/proc/self", os.O_RDONLY)
    try:
        found = mountinfo.mount_of_fd(fd, mountinfo.read())
    finally:
        os.close(fd)
    assert found is not None
    assert (found.mount_point, found.fstype) == ("/proc", "proc")


@pytest.mark.root
@pytest.mark.parametrize("name", ["plain", "a:b", "a,b", "a\\b", "a b", "a\\:b,c d\\", "tab\tnewline\nx", "\udcff"])
def test_the_kernel_shows_what_we_read(tmp_path, name):
    base = os.path.join(tmp_path, name)
    for part in ("lower1", "lower2", "upper", "work", "merged"):
        os.makedirs(os.path.join(base, part))
    escaped = base.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
    data = f"lowerdir={escaped}/lower2:{escaped}/lower1,upperdir={escaped}/upper,workdir={escaped}/work"

    def there() -> list[mountinfo.Mount]:
        mount.mount("overlay", base + "/merged", "overlay", 0, data)
        return mountinfo.read()

    merged = namespace.in_private_mounts(there)[-1]
    options = overlay_options(merged)
    assert merged.mount_point == base + "/merged"
    assert options[:3] == ((base + "/lower2", base + "/lower1"), base + "/upper", base + "/work")


def test_read_of_a_process_that_is_gone():
    gone = child.in_child(os.getpid)
    with pytest.raises((FileNotFoundError, ProcessLookupError)):
        mountinfo.read(gone)


@pytest.mark.root
def test_the_paths_to_a_directory(tmp_path):
    """By bind mounts of the directory, of one above and of the whole filesystem; not by names that a mount hides."""
    for name in ("fs", "again", "above", "own", "hidden"):
        (tmp_path / name).mkdir()
    filesystem = tmp_path / "fs"
    with contextlib.ExitStack() as mounted:

        def put(source, place, flags=0):
            mount.mount(str(source), str(tmp_path / place), "" if flags else "tmpfs", flags)
            mounted.callback(mount.umount, str(tmp_path / place))

        put("tmpfs", "fs")
        mount.mount("", str(filesystem), "", mount.MS_PRIVATE)
        (filesystem / "a b/store").mkdir(parents=True)
        for source, place in (("", "again"), ("a b", "above"), ("a b/store", "own"), ("a b/store", "hidden")):
            put(filesystem / source, place, mount.MS_BIND)
        put("tmpfs", "hidden")
        put("tmpfs", "above/store")
        names = [os.path.relpath(path, tmp_path) for path in mountinfo.paths_to(str(tmp_path / "own"))]
        # A mount on above/store does not hide the files beside it.
        assert names[0] == "own" and sorted(names) == ["above/store", "again/a b/store", "fs/a b/store", "own"]
        assert mountinfo.place_of(str(tmp_path / "own"), mountinfo.read())[1] == "/a b/store"


def test_a_directory_that_is_not_there_has_one_path(tmp_path):
    assert list(mountinfo.paths_to(str(tmp_path / "missing"))) == [str(tmp_path / "missing")]


def mount_line(id, parent, point):
    return f"{id} {parent} 0:{id} / {point} rw - tmpfs tmpfs rw\n".encode()


@pytest.mark.parametrize(
    ("lines", "seen", "hidden"),
    [
        pytest.param([(2, 1, "/s/a/merged")], [2], [], id="on the mount of the directory"),
        pytest.param([(2, 9, "/s/a/merged")], [], [2], id="on another that is hidden"),
        pytest.param([(2, 1, "/s/a/merged"), (3, 2, "/s/a/merged")], [2, 3], [], id="one on another"),
        pytest.param([(2, 1, "/s/a/merged"), (3, 1, "/s/a")], [3], [2], id="below a later one"),
        pytest.param([(2, 1, "/s/a"), (3, 2, "/s/a/merged")], [2, 3], [], id="on a bind mount of the layer"),
        pytest.param([(2, 1, "/s"), (3, 1, "/sa/merged"), (4, 1, "/else")], [], [], id="not in it"),
        pytest.param([(3, 2, "/s/a/b"), (2, 1, "/s/a"), (4, 2, "/s/a/b/c")], [2, 3], [4], id="in any order"),
    ],
)
def test_what_is_seen_below_a_directory_goes_by_parents(lines, seen, hidden):
    found = mountinfo.split("/s", 1, mountinfo.parse(b"".join(mount_line(*line) for line in lines)))
    assert sorted(mount.id for mount in found.seen) == seen
    assert [mount.id for mount in found.hidden] == hidden


def test_nothing_is_mounted_below_what_is_missing(tmp_path):
    assert mountinfo.below(str(tmp_path / "none")) == ([], [])
    assert mountinfo.below("/dev/null/none") == ([], [])
    assert len(mountinfo.below("/").seen) >= 1


@pytest.mark.root
def test_a_snapshot_stays_as_it_was_first_read(tmp_path):
    place = tmp_path / "mounted"
    place.mkdir()

    def there() -> list[list[str]]:
        before = mountinfo.Snapshot()
        assert before.mounts
        mount.mount("tmpfs", str(place), "tmpfs")
        return [
            [one.mount_point for one in mountinfo.below(str(tmp_path), known).seen]
            for known in (before, mountinfo.Snapshot(), None)
        ]

    assert namespace.in_private_mounts(there) == [[], [str(place)], [str(place)]]
