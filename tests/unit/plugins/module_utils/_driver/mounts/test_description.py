# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.mounts import description as describe
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput, NotSupported
from ansible_collections.strata.overlay2.plugins.module_utils._linux import mountinfo, namespace
from ansible_collections.strata.overlay2.plugins.module_utils._linux.overlay_mount import mount_overlay

A, B = "A" * 26, "B" * 26
OFF = ("index=off", "redirect_dir=off", "metacopy=off")
NASTY = [
    "plain",
    "a:b",
    "a,b",
    "a\\b",
    'a"b',
    "a b",
    "a\nb",
    "\udcff",
    "a\\:b,c d\\",
    ",context=x",
    "lowerdir=,x",
    "a#=b",
]
LABEL = "system_u:object_r:container_file_t:s0:c1,c2"


def test_the_data_is_dockers():
    described = describe.describe_mount("/home", "app", [A, B], read_only=False, options=["index=off"], label=LABEL)
    assert described.directory is None
    assert described.data == (
        f'index=off,lowerdir=/home/l/{A}:/home/l/{B},upperdir=/home/app/diff,workdir=/home/app/work,context="{LABEL}"'
    )


def test_a_committed_layer_has_no_upper_and_is_read_only():
    described = describe.describe_mount("/home", "app", [A], read_only=True, options=(), volatile=True)
    assert (described.directory, described.upper, described.work) == (None, None, None)
    assert described.data == f"lowerdir=/home/app/diff:/home/l/{A}"


def test_volatile_is_an_option():
    described = describe.describe_mount("/home", "app", [A], read_only=False, options=["index=off"], volatile=True)
    assert described.data.startswith("index=off,volatile,lowerdir=")


@pytest.mark.parametrize("label", [None, ""])
def test_no_label_gives_no_context(label):
    described = describe.describe_mount("/home", "app", [A], read_only=False, options=(), label=label)
    assert "context" not in described.data


@pytest.mark.parametrize("label", ['a"b', "a\nb", "a\0b", "a\\b", "\udcff", "é"])
def test_a_label_that_cannot_be_quoted_is_refused(label):
    with pytest.raises(InvalidInput, match="mount label"):
        describe.describe_mount("/home", "app", [A], read_only=False, options=(), label=label)


@pytest.mark.parametrize(
    ("directory", "length"),
    [
        pytest.param(None, 4095, id="a page less one byte is absolute"),
        pytest.param("/home", 4096, id="a page is relative"),
    ],
)
def test_relative_paths_begin_at_a_page(directory, length):
    page = os.sysconf("SC_PAGESIZE")
    short = describe.describe_mount("/home", "app", [A] * 40, read_only=False, options=["x"])
    fill = "x" * (length - 4096 + page - len(short.data) + 1)
    described = describe.describe_mount("/home", "app", [A] * 40, read_only=False, options=[fill])
    assert described.directory == directory


def test_bytes_count_and_not_characters():
    home = "/" + "é" * 10
    page = os.sysconf("SC_PAGESIZE")
    short = describe.describe_mount(home, "app", [A], read_only=False, options=["x"])
    fill = "x" * (page - len(short.data))  # in characters, one less than a page
    assert describe.describe_mount(home, "app", [A], read_only=False, options=[fill]).directory == home


@pytest.mark.parametrize(
    ("id", "read_only", "directory"),
    [
        pytest.param("a" * 64, False, "/home", id="Docker's ids, relative to home"),
        pytest.param("a" * 64, True, "/home", id="read-only"),
        pytest.param("a" * 255, False, "/home/l", id="the longest id, relative to its links"),
    ],
)
def test_128_lowers_fit(id, read_only, directory):
    described = describe.describe_mount("/home", id, [A] * 128, read_only=read_only, options=OFF)
    assert described.directory == directory


def test_what_fits_in_no_form_is_refused_and_says_how_long_the_label_is():
    with pytest.raises(NotSupported, match=r"mount data too long for layer app: \d+ bytes for 128 lowers.* 900 char"):
        describe.describe_mount("/home", "app", [A] * 128, read_only=False, options=OFF, label="x" * 900)


def mounted_here(overlay, merged):
    """Mount it where nobody else sees it; return what is in it, and its line."""

    def there():
        mount_overlay(overlay, merged)
        return os.listdir(merged), mountinfo.read()[-1]

    return namespace.in_private_mounts(there)


@pytest.mark.root
@pytest.mark.parametrize("read_only", [False, True], ids=["rw", "ro"])
@pytest.mark.parametrize("name", NASTY)
def test_any_home_can_be_mounted(hand_made_store, name, read_only):
    store = hand_made_store(home=name)
    links = [store.add("near"), store.add("far")]
    store.add("app", work=True)
    description = describe.describe_mount(store.home, "app", links, read_only=read_only, options=OFF)
    names, line = mounted_here(description, f"{store.home}/app/merged")
    assert sorted(names) == ["app", "far", "near"]
    assert line.mount_point == f"{store.home}/app/merged"
    assert describe.overlay_differs(store.home, "app", links, line, read_only=read_only) == ()


@pytest.mark.root
@pytest.mark.parametrize("read_only", [False, True], ids=["rw", "ro"])
@pytest.mark.parametrize("id", ["a" * 64, "a" * 255], ids=["Docker's id", "the longest id"])
def test_128_lowers_can_be_mounted_and_are_recognised(hand_made_store, id, read_only):
    store = hand_made_store()
    links = [store.add(f"layer{number}") for number in range(128)]
    store.add(id, work=True)
    description = describe.describe_mount(store.home, id, links, read_only=read_only, options=OFF)
    assert description.directory is not None
    names, line = mounted_here(description, f"{store.home}/{id}/merged")
    assert len(names) == 129
    assert describe.overlay_differs(store.home, id, links, line, read_only=read_only) == ()
    assert describe.overlay_differs(store.home, id, links[:-1], line, read_only=read_only) == ("lowers",)


@pytest.mark.root
def test_volatile_is_recognised(hand_made_store):
    store = hand_made_store()
    links = [store.add("base")]
    store.add("app", work=True)
    description = describe.describe_mount(store.home, "app", links, read_only=False, options=OFF, volatile=True)
    _unused, line = mounted_here(description, f"{store.home}/app/merged")
    assert describe.overlay_differs(store.home, "app", links, line, read_only=False, volatile=True) == ()
    assert describe.overlay_differs(store.home, "app", links, line, read_only=False) == ("volatile",)


@pytest.mark.root
def test_a_failed_mount_names_the_target(hand_made_store):
    store = hand_made_store()
    store.add("app", work=True)
    description = describe.describe_mount(store.home, "app", [A], read_only=False, options=OFF)
    with pytest.raises(FileNotFoundError) as caught:
        mounted_here(description, f"{store.home}/app/merged")
    assert caught.value.filename == f"{store.home}/app/merged"


def line(data, options="rw"):
    text = f"66 43 0:39 / /home/app/merged {options} - overlay overlay {options},{data}\n"
    return mountinfo.parse(text.encode())[0]


UPPER = "upperdir=/home/app/diff,workdir=/home/app/work"


@pytest.mark.parametrize(
    ("mounted", "words"),
    [
        pytest.param(line(f"lowerdir=/home/l/{A}:/home/l/{B},{UPPER}"), (), id="as wanted"),
        pytest.param(
            line(f"lowerdir=l/{A}:l/{B},upperdir=app/diff,workdir=app/work"), (), id="relative, as dockerd's can be"
        ),
        pytest.param(
            line(f"lowerdir={A}:{B},upperdir=../app/diff,workdir=../app/work"), (), id="relative to the links"
        ),
        pytest.param(line(f"lowerdir=/home/base/diff:/home/l/{B},{UPPER}"), (), id="a link's target instead of it"),
        pytest.param(line(f"lowerdir=/home/l/{B}:/home/l/{A},{UPPER}"), ("lowers",), id="another order"),
        pytest.param(line(f"lowerdir=/home/l/{A}:/home/l/{B},{UPPER}", "ro"), ("read_only",), id="remounted read-only"),
        pytest.param(line(f"lowerdir=l/{A}:l/{B},upperdir=other/diff,workdir=x"), ("upper",), id="another upper"),
        pytest.param(
            line(f"lowerdir=/home/app/diff:/home/l/{A}:/home/l/{B}", "ro"),
            ("lowers", "read_only", "upper"),
            id="as a committed layer",
        ),
        pytest.param(line(f"lowerdir=l/{A}:l/{B},{UPPER},volatile"), ("volatile",), id="volatile"),
        pytest.param(line(f'context="{LABEL}",lowerdir=l/{A}:l/{B},{UPPER}'), ("label",), id="a label"),
    ],
)
def test_drift_is_told_in_words(mounted, words):
    def resolve(path):
        return {f"/home/l/{A}": "/home/base/diff", f"/home/l/{B}": "/home/far/diff"}.get(path, os.path.normpath(path))

    assert describe.overlay_differs("/home", "app", [A, B], mounted, read_only=False, resolve=resolve) == words


@pytest.mark.parametrize(("label", "words"), [(LABEL, ()), ("other", ("label",)), ("", ("label",)), (None, ("label",))])
def test_the_label_is_compared(label, words):
    mounted = line(f'context="{LABEL}",lowerdir=l/{A},{UPPER}')
    assert describe.overlay_differs("/home", "app", [A], mounted, read_only=False, label=label) == words
