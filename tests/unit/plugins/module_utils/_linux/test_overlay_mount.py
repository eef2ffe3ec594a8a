# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Overlays that the kernel mounts, and those that it refuses: what the error says then, and that nothing is left."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux import (
    fsmount,
    mountinfo,
    namespace,
    overlay_mount,
)
from ansible_collections.strata.overlay2.plugins.module_utils._linux.overlay_mount import (
    Overlay,
    mount_overlay,
    require_writable,
)

pytestmark = pytest.mark.root

EINVAL, ENOENT = os.strerror(errno.EINVAL), os.strerror(errno.ENOENT)


RECENT = [int(part) for part in os.uname().release.split(".")[:2]] >= [6, 18]  # overlayfs logs what is asked about here


def reason(key: str, value: str) -> str:
    """Return what an error of mount(2) is to end with: what the log of a context says of this parameter alone."""
    context = fsmount.fsopen("overlay")
    try:
        fsmount.set_string(context, key, value)
    except OSError:
        texts = [text for kind, text in fsmount.messages(context) if text.startswith("overlay: ")]
        assert texts or not RECENT
        return f" ({texts[0]})" if texts else ""
    finally:
        os.close(context)
    assert not RECENT
    return ""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("lower1", "lower2", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    (tmp_path / "lower1/one").touch()
    (tmp_path / "lower2/two").touch()
    return tmp_path


def attempt(overlay: Overlay, target: Path) -> tuple[str, str]:
    """Return text and file name of the refusal, after which the same mounts are there as before."""

    def mounts() -> list[mountinfo.Mount]:  # others come and go: what ends in our parent namespace ends here, too
        return [mount for mount in mountinfo.read() if mount.mount_point.startswith(f"{target.parent}/")]

    def there() -> tuple[str, str]:
        before = mounts()
        with pytest.raises(OSError) as caught:
            mount_overlay(overlay, str(target))
        assert mounts() == before
        return caught.value.strerror, caught.value.filename

    return namespace.in_private_mounts(there)


@pytest.mark.parametrize(
    ("overlay", "data"),
    [
        pytest.param(Overlay(("a", "b")), "lowerdir=a:b", id="lowers"),
        pytest.param(Overlay(("a",), "u", "w"), "lowerdir=a,upperdir=u,workdir=w", id="upper"),
        pytest.param(
            Overlay(("a",), "u", "w", ("index=off", "volatile"), "x:y,z"),
            'index=off,volatile,lowerdir=a,upperdir=u,workdir=w,context="x:y,z"',
            id="all",
        ),
    ],
)
def test_data(overlay, data):
    assert overlay.data == data


def test_paths_start_at_the_directory(place):
    def there() -> tuple[list[str], str, str]:
        before = os.getcwd()
        mount_overlay(Overlay(("lower2", "lower1"), directory=str(place)), str(place / "merged"))
        names = sorted(os.listdir(place / "merged"))
        return names, mountinfo.read()[-1].mount_point, os.path.relpath(os.getcwd(), before)

    assert namespace.in_private_mounts(there) == (["one", "two"], str(place / "merged"), ".")


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        mount_overlay(Overlay(("lower",), directory=str(tmp_path / "none")), str(tmp_path / "merged"))
    assert caught.value.filename == str(tmp_path / "none")


@pytest.mark.parametrize("upper", [True, False], ids=["rw", "ro"])
def test_without_upper_it_is_read_only(place, upper):
    def there() -> bool:
        paths = (f"{place}/upper", f"{place}/work") if upper else (None, None)
        mount_overlay(Overlay((f"{place}/lower2", f"{place}/lower1"), *paths), f"{place}/merged")
        return "ro" in mountinfo.read()[-1].options.split(",")

    assert namespace.in_private_mounts(there) is not upper


def test_only_a_refusal_asks_for_a_reason(place, monkeypatch):
    monkeypatch.setattr(fsmount, "SYS_FSOPEN", None)  # ctypes takes no None for a number
    overlay = Overlay((f"{place}/lower2", f"{place}/lower1"))
    namespace.in_private_mounts(lambda: mount_overlay(overlay, f"{place}/merged"))


@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(("nosuch=1",), "Unknown parameter 'nosuch'", id="an unknown option"),
        pytest.param(("nosuch",), "Unknown parameter 'nosuch'", id="an unknown flag"),
        pytest.param(("index=off", "metacopy=x"), "Bad value for 'metacopy'", id="a bad value"),
    ],
)
def test_the_error_ends_with_the_kernels_reason(place, relative, options, message):
    base = "" if relative else f"{place}/"
    overlay = Overlay((f"{base}lower2", f"{base}lower1"), f"{base}upper", f"{base}work", options)
    expected = reason(*f"{options[-1]}=x".split("=")[:2])
    assert expected in ("", f" (overlay: {message})")
    told = attempt(overlay._replace(directory=str(place) if relative else None), place / "merged")
    assert told == (EINVAL + expected, f"{place}/merged")


@pytest.mark.parametrize("wrong", ["nearest", "farthest", "upper", "work"])
@pytest.mark.parametrize("depth", [1, 128])
def test_a_file_is_named_at_every_depth(place, monkeypatch, depth, wrong):
    lowers = [f"{number:026}" for number in range(depth)]
    for name in lowers:
        (place / name).mkdir()
    name = {"nearest": lowers[0], "farthest": lowers[-1]}.get(wrong, wrong)
    (place / name).rmdir()
    (place / name).touch()
    monkeypatch.chdir(place)
    expected = reason(f"{wrong}dir" if wrong in ("upper", "work") else "lowerdir", name)
    text, path = attempt(Overlay(tuple(lowers), "upper", "work", directory=str(place)), place / "merged")
    assert path == f"{place}/merged"
    assert text in (EINVAL + expected, os.strerror(errno.ENOTDIR) + expected)
    assert not expected or name in expected


@pytest.mark.parametrize(
    "name", ["no lower", "n" * 250, "n" * 255 + "/" + "n" * 255], ids=["short", "long", "too long"]
)
def test_what_is_missing_needs_no_reason(place, name):
    overlay = Overlay(("lower1", name), "upper", "work", directory=str(place))
    assert attempt(overlay, place / "merged") == (ENOENT, f"{place}/merged")


def test_a_path_that_is_too_long_for_the_log_hides_no_other_reason(place, monkeypatch):
    long = "n" * 150 + "/" + "n" * 150
    (place / long).mkdir(parents=True)
    (place / "work").rmdir()
    (place / "work").touch()
    monkeypatch.chdir(place)
    expected = reason("workdir", "work")
    text, _unused = attempt(Overlay(("lower1", long), "upper", "work", directory=str(place)), place / "merged")
    assert text in (EINVAL + expected, os.strerror(errno.ENOTDIR) + expected)


def test_without_the_calls_the_error_stays(place, monkeypatch):
    monkeypatch.setattr(fsmount, "SYS_FSOPEN", 9999)
    overlay = Overlay((f"{place}/lower1", f"{place}/lower2"), options=("nosuch=1",))
    assert attempt(overlay, place / "merged") == (EINVAL, f"{place}/merged")


def test_lowers_are_cut_into_what_one_value_holds():
    lowers = ["a" * 26] * 100 + ["é" * 127, "b" * 300, "c"]
    pieces = list(overlay_mount._in_pieces(lowers, 255))
    assert ":".join(pieces) == ":".join(lowers)
    assert [piece for piece in pieces if len(piece.encode()) > 255] == ["b" * 300]
    assert len(pieces) == 12 + 3


@pytest.fixture
def small(tmp_path):
    """A filesystem with a few inodes, and on it all that an overlay needs."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=16", "small", tmp_path], check=True)
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    yield tmp_path
    subprocess.run(["umount", "--recursive", tmp_path], check=True)


def fill(base):
    with contextlib.suppress(OSError):
        for number in range(32):
            (base / str(number)).touch()


@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
def test_a_mount_that_came_out_read_only_does_not_stay(small, relative):
    fill(small)
    overlay = Overlay((f"{small}/lower",), f"{small}/upper", f"{small}/work")
    if relative:
        overlay = Overlay(("../lower",), "../upper", "../work", directory=f"{small}/lower")
    assert attempt(overlay, small / "merged") == (os.strerror(errno.ENOSPC), f"{small}/work/work")


def mount_it(base, how="rw"):
    data = f"{how},lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work"
    subprocess.run(["mount", "-t", "overlay", "-o", data, "overlay", base / "merged"], check=True)


def test_a_mount_that_can_be_written_to_passes(small):
    mount_it(small)
    require_writable(str(small / "merged"), str(small / "work"))


def test_without_space_the_reason_is_told(small):
    fill(small)
    mount_it(small)
    with pytest.raises(OSError) as error:
        require_writable(str(small / "merged"), str(small / "work"))
    assert error.value.errno == errno.ENOSPC


def test_a_mount_that_is_read_only_for_another_reason_is_named(small):
    mount_it(small, "ro")
    with pytest.raises(OSError) as error:
        require_writable(str(small / "merged"), str(small / "work"))
    assert (error.value.errno, error.value.filename) == (errno.EROFS, str(small / "merged"))
