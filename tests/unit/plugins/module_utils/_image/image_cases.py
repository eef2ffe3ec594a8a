# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that every reader should take, and archives that lie: what is wrong with each, and the error it is."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.strata.overlay2.plugins.module_utils._errors import (
    ArchiveRejected,
    DepthExceeded,
    DigestMismatch,
    InvalidInput,
    NotSupported,
    Overlay2Error,
)
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    archive,
    directory,
    hardlink,
    member,
    symlink,
)
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_archives import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEX,
    LAYER_TYPES,
    OCI,
    Document,
    Files,
    Layout,
    Link,
    as_json,
    config_of,
    digest,
    for_platform,
    index_of,
    one_image,
    packed,
    path_of,
    saved,
    saved_since_25,
    sorted_files,
)

BASE = archive(
    directory("./"),
    directory("./bin/"),
    member("./bin/tool", body=b"#!/bin/true\n" * 40, mode=0o755),
    hardlink("./bin/alias", "./bin/tool", mode=0o755),
    symlink("./bin/sh", "tool"),
    directory("./etc/"),
    member("./etc/passwd", body=b"root:x:0:0::/:/bin/sh\n"),
    directory("./opt/"),
    *(member(f"./opt/{name}", body=b"1") for name in "abc"),
    directory("./var/"),
    member("./var/old", body=b"old"),
    member("./big", body=bytes(range(256)) * 400),
)
SECOND = archive(directory("opt/"), member("opt/.wh.b"), member("opt/a", body=b"2"))
THIRD = archive(directory("var/"), member("var/.wh..wh..opq"), member("var/new", body=b"new"))
LATE = archive(directory("var/"), member("var/new", body=b"new"), member("var/.wh..wh..opq"))
OTHER = archive(directory("etc/"), member("etc/passwd", body=b"root:x:0:0::/:/bin/sh\napp:x:1:1::/:/bin/sh\n"))
NOTHING = bytes(1024)
THREE = (BASE, SECOND, THIRD)
TWICE = [BASE, SECOND, NOTHING, OTHER, NOTHING, SECOND]

Built = t.Union[Files, bytes]  # the files of an archive, or the bytes of a tar


class Good(t.NamedTuple):
    """An archive whose image, asked for with *image* and *platform*, has these *layers*."""

    files: Files
    layers: t.Sequence[bytes]
    names: tuple[str, ...] = ("test",)
    image: str | None = None
    platform: str = "linux/amd64"
    missing: int = 0  # layers that the archive lacks, the first ones


def small(number: int) -> bytes:
    return archive(member(f"n{number}", body=b"%d" % number))


def platforms(layout: Layout) -> list[Document]:
    """Return the images of an index for several platforms, as BuildKit makes it, with an attestation."""
    arms = [
        layout.image([BASE, SECOND], config=config_of([BASE, SECOND], "arm", variant=variant))
        for variant in ("v6", "v7")
    ]
    amd, amd3 = layout.image(THREE), layout.image([BASE, OTHER], config=config_of([BASE, OTHER], variant="v3"))
    arm64 = layout.image([BASE, THIRD], config=config_of([BASE, THIRD], "arm64", variant="v8"))
    statement = [b'{"_type":"https://in-toto.io/Statement/v0.1"}']
    beside = for_platform(
        layout.image(statement, config=config_of(statement, "unknown", os="unknown")), "unknown", "unknown"
    )
    return [
        for_platform(arms[0], "arm", variant="v6"),
        for_platform(arms[1], "arm", variant="v7"),
        for_platform(amd, "amd64"),
        for_platform(amd3, "amd64", variant="v3"),
        for_platform(arm64, "arm64", variant="v8"),
        {**beside, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
    ]


def nested() -> Files:
    layout = Layout()
    return layout.add(layout.index(platforms(layout))).whole()


def flat() -> Files:
    layout = Layout()
    for image in platforms(layout):
        layout.add(image, "test", **image.get("annotations", {}))
    return layout.whole()


def sparse() -> Files:
    """Return an archive of several platforms with the blobs of one alone."""
    layout = Layout()
    images = platforms(layout)
    layout.add(layout.index(images))
    for image in (images[0], images[1], images[4]):
        del layout.files[path_of(image)]
    return layout.whole()


def docker_list() -> Files:
    layout = Layout()
    amd = for_platform(layout.image(THREE, docker=True), "amd64")
    arm = for_platform(
        layout.image([BASE, OTHER], docker=True, config=config_of([BASE, OTHER], "arm64")), "arm64", variant="v8"
    )
    return layout.add(layout.index([amd, arm], DOCKER_LIST)).whole()


def two_images() -> Files:
    layout = one_image(THREE, name="a")
    other = layout.image([BASE, OTHER])
    return layout.add(other, "b:1").add(other, "b:2").whole()


def attested() -> Files:
    layout = one_image(THREE)
    beside = layout.image([OTHER])
    return layout.add(beside, None, **{"vnd.docker.reference.type": "attestation-manifest"}).whole()


def two_saved_since_25() -> Files:
    """Return an archive with two images in both lists."""
    one, other = saved_since_25(THREE, ["test/a:1"]), saved_since_25([BASE, OTHER], ["test/b:1"])
    lists = [json.loads(t.cast(bytes, layout.files["manifest.json"])) for layout in (one, other)]
    one.files.update(other.files)
    one.entries += other.entries
    return one.whole(**{"manifest.json": as_json([*lists[0], *lists[1]])})


def delta() -> Files:
    layout = one_image([*THREE, OTHER])
    for place in range(3):
        layout.files.pop(layout.layer_path(place), None)
    return layout.whole()


def odd() -> Files:
    layout = one_image(THREE)
    layout.blob(b"a blob that nobody names", "text/plain")
    layout.entries.insert(0, {"mediaType": "application/vnd.example+json", "digest": "sha512:0", "size": -5})
    return layout.whole(extra=b"not an error")


def without_media_types() -> Files:
    layout = one_image(THREE, name=None, change=lambda manifest: manifest.pop("mediaType"))
    return layout.whole(**{"index.json": as_json({"schemaVersion": 2, "manifests": layout.entries})})


def good() -> dict[str, Good]:
    two = saved((THREE, ["test/a:1"]), ([BASE, SECOND, OTHER], ["test/b:1", "test/b:2"]))
    arm = {"platform": "linux/arm/v7"}
    return {
        **{f"OCI, layers {how}": Good(one_image(THREE, how).whole(), THREE) for how in LAYER_TYPES},
        "OCI, one layer": Good(one_image([BASE]).whole(), [BASE]),
        "OCI, the same layer twice": Good(one_image(TWICE).whole(), TWICE),
        "OCI, Docker's media types": Good(one_image(THREE, docker=True).whole(), THREE),
        "OCI, no name and no media types": Good(without_media_types(), THREE, ()),
        "OCI, an opaque marker at the end": Good(one_image([BASE, LATE]).whole(), [BASE, LATE]),
        "OCI, other files and entries": Good(odd(), THREE),
        "OCI, several platforms": Good(nested(), THREE),
        "OCI, several platforms, another": Good(nested(), [BASE, SECOND], **arm),
        "OCI, several platforms, a better variant": Good(nested(), [BASE, OTHER], platform="linux/amd64/v4"),
        "OCI, several platforms, flat": Good(flat(), THREE),
        "OCI, several platforms, flat, another": Good(flat(), [BASE, THIRD], platform="linux/arm64/v8"),
        "OCI, one of several platforms": Good(sparse(), THREE),
        "OCI, Docker's list": Good(docker_list(), THREE),
        "OCI, two images": Good(two_images(), [BASE, OTHER], ("b:1", "b:2"), image="b:2"),
        "OCI, an attestation that looks like an image": Good(attested(), THREE),
        "OCI, 129 layers": Good(one_image([*map(small, range(129))]).whole(), [*map(small, range(129))]),
        "OCI, a delta": Good(delta(), [*THREE, OTHER], missing=3),
        "docker save": Good(saved((THREE, ["test/a:1"])), THREE, ("test/a:1",)),
        "docker save, no name": Good(saved((THREE, None)), THREE, ()),
        "docker save, the same layer twice": Good(saved((TWICE, ["test/a:1"])), TWICE, ("test/a:1",)),
        "docker save, two images": Good(two, [BASE, SECOND, OTHER], ("test/b:1", "test/b:2"), image="test/b:1"),
        "docker save since 25.0, two images": Good(
            two_saved_since_25(), [BASE, OTHER], ("docker.io/test/b:1", "1"), image="docker.io/test/b:1"
        ),
        "docker save since 25.0": Good(saved_since_25(THREE, ["test/a:1"]).whole(), THREE, ("docker.io/test/a:1", "1")),
    }


class Bad(t.NamedTuple):
    """An archive and the error that it is, with a part of the message; no error if the archive is odd, but taken."""

    built: t.Callable[[], Built]
    error: type[Overlay2Error] | None = None
    message: str = ""


def _changed(change: t.Callable[[Document], object], layers: t.Sequence[bytes] = THREE, **options: t.Any) -> Files:
    return one_image(layers, change=change, **options).whole()


def _layer_says(**said: t.Any) -> Files:
    """Return an image whose manifest says this of its second layer."""
    return _changed(lambda manifest: manifest["layers"][1].update(said))


def _layer_is(content: t.Callable[[bytes], bytes], how: str = "gzip") -> Files:
    """Return an image whose second layer has another content than its digest says."""
    layout = one_image(THREE, how)
    path = layout.layer_path(1)
    layout.files[path] = content(t.cast(bytes, layout.files[path]))
    return layout.whole()


def _size_more(by: int) -> Files:
    return _changed(lambda manifest: manifest["layers"][1].update(size=manifest["layers"][1]["size"] + by))


def _config_says(layers: t.Sequence[bytes] = THREE, **said: t.Any) -> Files:
    return one_image(layers, config=config_of(layers, **said)).whole()


def _diff_ids(*diff_ids: str) -> Files:
    return _config_says(rootfs={"type": "layers", "diff_ids": list(diff_ids)})


def _file(name: t.Callable[[Layout], str], content: bytes | Link | None) -> Files:
    """Return an image in which one file is another one; None removes the file."""
    layout = one_image(THREE)
    files = layout.whole()
    path = name(layout)
    del files[path]
    return files if content is None else {**files, path: content}


def _second(layout: Layout) -> str:
    return layout.layer_path(1)


def _manifest(layout: Layout) -> str:
    return path_of(layout.entries[0])


def _config(layout: Layout) -> str:
    return path_of(layout.manifest()["config"])


def _top(**files: bytes | Link) -> Files:
    return one_image(THREE).whole(**{name.replace("_", "."): content for name, content in files.items()})


def _flipped(name: t.Callable[[Layout], str], old: bytes, new: bytes) -> Files:
    layout = one_image(THREE)
    path = name(layout)
    layout.files[path] = t.cast(bytes, layout.files[path]).replace(old, new)
    return layout.whole()


def _indexes(depth: int, width: int) -> Files:
    """Return indexes in indexes; each names the one below *width* times."""
    layout = Layout()
    here = layout.image(THREE)
    for _unused in range(depth):
        here = layout.index([here] * width)
    return layout.add(here).whole()


def _cycle() -> Files:
    layout = Layout()
    itself = {"mediaType": INDEX, "digest": f"sha256:{'1' * 64}", "size": 200}
    data = as_json(index_of([itself])).ljust(200)
    layout.files[path_of(itself)] = data
    return layout.add(itself).whole()


def _many_names() -> Files:
    layout = Layout()
    image = layout.image(THREE)
    for number in range(15_000):
        layout.add(image, f"t{number}")
    return layout.whole()


def _linked(target: str) -> Files:
    layout = one_image(THREE)
    path = layout.layer_path(1)
    content = layout.files.pop(path)
    return {**layout.whole(), "elsewhere": content, path: Link(target)}


def _doubled(name: t.Callable[[Layout], str], content: bytes | None = None) -> bytes:
    layout = one_image(THREE)
    files = layout.whole()
    path = name(layout)
    return packed([*files.items(), (path, files[path] if content is None else content)])


def _same_name() -> Files:
    layout = one_image(THREE)
    return layout.add(layout.image([BASE, OTHER])).whole()


def _foreign(here: bool) -> Files:
    said = {"mediaType": f"{OCI}layer.nondistributable.v1.tar+gzip", "urls": ["http://127.0.0.1:9/never"]}
    layout = one_image(THREE, change=lambda manifest: manifest["layers"][1].update(said))
    if not here:
        del layout.files[layout.layer_path(1)]
    return layout.whole()


def _two_truths() -> Files:
    layout = saved_since_25([BASE, OTHER], ["test/a:1"])
    other = one_image(THREE)
    layout.files.update(other.files)
    layout.entries = other.entries
    return layout.whole()


def _saved(change: t.Callable[[Files, Document], object]) -> Files:
    """Return an archive of docker save with a change to its files and to its entry of manifest.json."""
    files = saved((THREE, ["test/a:1"]))
    entry = json.loads(t.cast(bytes, files["manifest.json"]))[0]
    change(files, entry)
    if "manifest.json" in files:
        files["manifest.json"] = as_json([entry])
    return files


def _layer_link(*links: Link) -> Files:
    """Return an archive of docker save in which the second layer is a link, and the links after it lie beside it."""

    def change(files: Files, entry: Document) -> None:
        path = entry["Layers"][1]
        files["real"] = files[path]
        files[path] = links[0]
        files.update({f"mid{place}": link for place, link in enumerate(links[1:])})

    return _saved(change)


def _cut(by: int, how: str = "none") -> bytes:
    data = packed(sorted_files(one_image(THREE).whole()), how)
    return data[: len(data) // 2] if not by else data[:-by]


def _headers(count: int) -> bytes:
    return archive(*(member(f"f{number}") for number in range(count)))


NO_DIGEST = "not sha256: and 64"
S512 = f"sha512:{'0' * 128}"
HUGE = archive(member("zeros", body=bytes(64 << 20)))


def bad() -> dict[str, Bad]:
    ids = [digest(layer) for layer in THREE]
    return {
        # A layer that is not what the documents say.
        "a layer's bytes changed": Bad(lambda: _layer_is(lambda old: old[:-12] + bytes(4) + old[-8:]), DigestMismatch),
        "another layer": Bad(lambda: _layer_is(lambda old: old.replace(b"2", b"3"), "none"), DigestMismatch, "digest"),
        "another tar": Bad(
            lambda: _layer_is(lambda old: OTHER.ljust(len(old), b"\0"), "none"), DigestMismatch, "digest"
        ),
        "a layer cut off": Bad(lambda: _layer_is(lambda old: old[:-30]), DigestMismatch, "size"),
        "a size of one more": Bad(lambda: _size_more(1), DigestMismatch, "size"),
        "a size of one less": Bad(lambda: _size_more(-1), DigestMismatch, "size"),
        "a negative size": Bad(lambda: _layer_says(size=-1), ArchiveRejected, "size"),
        "a size as text": Bad(lambda: _layer_says(size="12"), ArchiveRejected, "size"),
        "a size of 2**63": Bad(lambda: _layer_says(size=1 << 63), ArchiveRejected, "size"),
        "a size with 5,000 digits": Bad(
            lambda: _flipped(_manifest, b'"size":', b'"size":' + b"9" * 5000), DigestMismatch
        ),
        "a layer missing": Bad(lambda: _file(_second, None), ArchiveRejected, "lacks layer sha256:"),
        "a layer's media type is unknown": Bad(
            lambda: _layer_says(mediaType="application/x-new"), ArchiveRejected, "application/x-new"
        ),
        "a layer is encrypted": Bad(
            lambda: _layer_says(mediaType=f"{LAYER_TYPES['gzip']}+encrypted"), NotSupported, "encrypted"
        ),
        "a gzip layer said to be plain": Bad(lambda: _layer_says(mediaType=LAYER_TYPES["none"])),
        "a plain layer said to be gzip": Bad(
            lambda: _changed(lambda found: found["layers"][1].update(mediaType=LAYER_TYPES["gzip"]), how="none")
        ),
        "a foreign layer that is here": Bad(lambda: _foreign(True)),
        "a foreign layer that is missing": Bad(lambda: _foreign(False), ArchiveRejected, "lacks layer"),
        "a layer's digest leads out": Bad(
            lambda: _layer_says(digest="sha256:../../../etc/passwd"), ArchiveRejected, NO_DIGEST
        ),
        "a digest without algorithm": Bad(lambda: _layer_says(digest="../../oci-layout"), ArchiveRejected, NO_DIGEST),
        "a digest of md5": Bad(lambda: _layer_says(digest=f"md5:{'0' * 32}"), ArchiveRejected, NO_DIGEST),
        "a digest of sha512": Bad(lambda: _layer_says(digest=S512), ArchiveRejected, NO_DIGEST),
        # A config that lies.
        "diff ids swapped": Bad(lambda: _diff_ids(ids[1], ids[0], ids[2]), DigestMismatch, "diff id"),
        "the last diff id is another": Bad(lambda: _diff_ids(*ids[:2], digest(b"lie")), DigestMismatch, "diff id"),
        "too few diff ids": Bad(lambda: _diff_ids(*ids[:2]), ArchiveRejected, "3 layers, but its config has 2"),
        "too many diff ids": Bad(lambda: _diff_ids(*ids, ids[0]), ArchiveRejected, "3 layers, but its config has 4"),
        "a diff id leads out": Bad(lambda: _diff_ids(*ids[:2], "sha256:../../etc"), ArchiveRejected, NO_DIGEST),
        "a diff id in capitals": Bad(lambda: _diff_ids(*ids[:2], f"sha256:{'A' * 64}"), ArchiveRejected, NO_DIGEST),
        "a diff id of sha512": Bad(lambda: _diff_ids(*ids[:2], S512), ArchiveRejected, NO_DIGEST),
        "a diff id is a number": Bad(lambda: _diff_ids(*ids[:2], t.cast(str, 5)), ArchiveRejected, NO_DIGEST),
        "rootfs of another type": Bad(
            lambda: _config_says(rootfs={"type": "weird", "diff_ids": ids}), ArchiveRejected, "weird"
        ),
        "no rootfs": Bad(lambda: _config_says(rootfs=None), ArchiveRejected, "rootfs"),
        "no architecture": Bad(lambda: _config_says(architecture=None), ArchiveRejected, "architecture"),
        "an endless architecture": Bad(lambda: _config_says(architecture="x" * 999), ArchiveRejected, "999"),
        "a history that lies": Bad(lambda: _config_says(history=[{"empty_layer": True}] * 5)),
        "no layers": Bad(lambda: _config_says([]), ArchiveRejected, "has no layers"),
        "130 layers": Bad(lambda: one_image([*map(small, range(130))]).whole(), DepthExceeded, "130"),
        "a config of 5 MiB": Bad(lambda: _config_says(author="x" * (5 << 20)), ArchiveRejected, "4194304"),
        # Documents that are missing, or not what their digest says.
        "the config is missing": Bad(lambda: _file(_config, None), ArchiveRejected, "lacks this file"),
        "the config is another": Bad(lambda: _flipped(_config, b"amd64", b"arm64"), DigestMismatch, "digest"),
        "the manifest is another": Bad(lambda: _flipped(_manifest, b"2", b"3"), DigestMismatch, "digest"),
        "the manifest is missing": Bad(lambda: _file(_manifest, None), ArchiveRejected, "it lacks blobs/sha256/"),
        "an index names itself": Bad(_cycle, DigestMismatch),
        "60 indexes in each other": Bad(lambda: _indexes(60, 1), ArchiveRejected, "more than 4 indexes"),
        "24 indexes, each named twice": Bad(lambda: _indexes(24, 2), ArchiveRejected, "more than 4 indexes"),
        "3 indexes, each named 200 times": Bad(lambda: _indexes(3, 200)),
        "15,000 names of one image": Bad(_many_names),
        "an index and a manifest at once": Bad(
            lambda: _changed(lambda found: found.update(manifests=[])), ArchiveRejected, "at once"
        ),
        "a manifest of another media type": Bad(
            lambda: _changed(lambda found: found.update(mediaType=DOCKER_MANIFEST)), ArchiveRejected, "mediaType"
        ),
        "a manifest of schema 1": Bad(
            lambda: _changed(lambda found: found.update(schemaVersion=1)), ArchiveRejected, "schemaVersion"
        ),
        "an artifact": Bad(
            lambda: _changed(lambda found: found["config"].update(mediaType="application/x-helm")),
            ArchiveRejected,
            "artifact",
        ),
        "two images of one name": Bad(_same_name, ArchiveRejected, "2 images in the archive have the name test"),
        "two images": Bad(two_images, InvalidInput, "2 images"),
        "for another processor": Bad(lambda: _config_says(architecture="arm64"), InvalidInput, "linux/arm64"),
        # The files at the top.
        "100,000 brackets": Bad(lambda: _top(index_json=b"[" * 100_000), ArchiveRejected, "deep"),
        "a million lists": Bad(lambda: _top(index_json=b"[" + b"[]," * 1_000_000 + b"[]]"), ArchiveRejected, "values"),
        "a key twice": Bad(
            lambda: _top(index_json=b'{"schemaVersion":2,"manifests":[],"manifests":[]}'), ArchiveRejected, "twice"
        ),
        "something after the index": Bad(
            lambda: _top(index_json=as_json(index_of([])) + b"more"), ArchiveRejected, "JSON"
        ),
        "an index that is not UTF-8": Bad(lambda: _top(index_json=b"\xff\xfe{}"), ArchiveRejected, "UTF-8"),
        "an index with NaN": Bad(lambda: _top(index_json=b'{"schemaVersion":NaN}'), ArchiveRejected, "NaN"),
        "an index that is a list": Bad(lambda: _top(index_json=b"[]"), ArchiveRejected, "not an object"),
        "an empty index": Bad(lambda: _top(index_json=as_json(index_of([]))), ArchiveRejected, "names no image"),
        "an index of 5 MiB": Bad(lambda: _top(index_json=b" " * (5 << 20)), ArchiveRejected, "4194304"),
        "a layout of version 2": Bad(
            lambda: _top(**{"oci-layout": b'{"imageLayoutVersion":"2.0.0"}'}), ArchiveRejected, "2.0.0"
        ),
        "no oci-layout": Bad(lambda: _file(lambda _layout: "oci-layout", None)),
        "control characters in a name": Bad(lambda: one_image(THREE, name="a\n\x1b[31m\u202e\ud800").whole()),
        "a path as a name": Bad(lambda: one_image(THREE, name="../../../etc/cron.d/evil").whole()),
        "an annotation that is not text": Bad(
            lambda: _top(index_json=as_json(index_of([{**one_image(THREE).entries[0], "annotations": {"a": 1}}]))),
            ArchiveRejected,
            "annotation",
        ),
        # The tar around it.
        "a name that leads out": Bad(lambda: packed([("../../out", b"no"), *one_image(THREE).whole().items()])),
        "a blob is a symlink out": Bad(lambda: _file(_second, Link("/etc/hostname")), ArchiveRejected, "leads out"),
        "a blob is a symlink up": Bad(lambda: _file(_second, Link("../../../x")), ArchiveRejected, "leads out"),
        "a blob is a symlink": Bad(lambda: _linked("../../elsewhere")),
        "the index is a directory": Bad(lambda: packed([("index.json/", b"")]), ArchiveRejected, "regular file"),
        "the index twice": Bad(
            lambda: _doubled(lambda _layout: "index.json", as_json(index_of([]))), ArchiveRejected, "several files"
        ),
        "the index and a link of its name": Bad(
            lambda: packed([*one_image(THREE).whole().items(), ("./index.json", Link("blobs"))]),
            ArchiveRejected,
            "several files",
        ),
        "a blob twice": Bad(lambda: _doubled(_second)),
        "a blob twice, the second another": Bad(lambda: _doubled(_second, OTHER), DigestMismatch),
        "half an archive": Bad(lambda: _cut(0), ArchiveRejected, "ends within"),
        "an archive without its last block": Bad(lambda: _cut(1200), ArchiveRejected, "ends within"),
        "half a gzip archive": Bad(lambda: _cut(0, "gzip"), ArchiveRejected, "cut off"),
        "an archive without an end mark": Bad(lambda: _cut(1024)),
        "an empty file": Bad(lambda: b"", ArchiveRejected, "empty"),
        "a short text": Bad(lambda: b"hello\n", ArchiveRejected, "not a tar: it has 6 bytes"),
        "a text": Bad(lambda: b"hello\n" * 100, ArchiveRejected, "not a tar"),
        "a layer's tar": Bad(lambda: BASE, ArchiveRejected, "not an image"),
        "60,000 files": Bad(lambda: _headers(60_000), ArchiveRejected, "50000 headers"),
        "a PAX header of 64 MiB": Bad(
            lambda: archive(member("pax", b"x", bytes(64 << 20))), ArchiveRejected, "67108864"
        ),
        "9 MiB of names": Bad(
            lambda: packed([(f"{'d/' * 250_000}{number}", b"") for number in range(18)]), ArchiveRejected, "names"
        ),
        # Archives of docker save.
        "saved: no manifest": Bad(
            lambda: _saved(lambda files, _entry: (files.pop("manifest.json"), files.pop("repositories"))),
            ArchiveRejected,
            "not an image",
        ),
        "saved: by Docker 1.9": Bad(
            lambda: _saved(lambda files, _entry: files.pop("manifest.json")), ArchiveRejected, "1.10"
        ),
        "saved: null": Bad(lambda: {**saved(), "manifest.json": b"null"}, ArchiveRejected, "not a list"),
        "saved: a manifest": Bad(
            lambda: {**saved(), "manifest.json": b'{"schemaVersion": 2}'}, ArchiveRejected, "the manifest of one image"
        ),
        "saved: no image": Bad(saved, ArchiveRejected, "names no image"),
        "saved: a layer is missing": Bad(
            lambda: _saved(lambda files, entry: files.pop(entry["Layers"][1])), ArchiveRejected, "lacks layer"
        ),
        "saved: a config outside": Bad(
            lambda: _saved(lambda _files, entry: entry.update(Config="../../etc/hostname")),
            ArchiveRejected,
            "leads out",
        ),
        "saved: a layer outside": Bad(
            lambda: _saved(
                lambda _files, entry: entry["Layers"].insert(1, "../../etc/hostname") or entry["Layers"].pop()
            ),
            ArchiveRejected,
            "leads out",
        ),
        "saved: a config by another name": Bad(
            lambda: _saved(lambda files, entry: (files.update(x=files.pop(entry["Config"])), entry.update(Config="x")))
        ),
        "saved: no config": Bad(lambda: _saved(lambda _files, entry: entry.pop("Config")), ArchiveRejected, "Config"),
        "saved: a missing config": Bad(
            lambda: _saved(lambda files, entry: files.pop(entry["Config"])), ArchiveRejected, "lacks this file"
        ),
        "saved: too few layers": Bad(
            lambda: _saved(lambda _files, entry: entry["Layers"].pop()),
            ArchiveRejected,
            "2 layers, but its config has 3",
        ),
        "saved: layers in another order": Bad(
            lambda: _saved(lambda _files, entry: entry["Layers"].reverse()), DigestMismatch, "diff id"
        ),
        "saved: a symlink out": Bad(lambda: _layer_link(Link("/etc/hostname")), ArchiveRejected, "leads out"),
        "saved: a symlink to itself": Bad(lambda: _layer_link(Link("layer.tar")), ArchiveRejected, "more than 8 links"),
        "saved: a symlink to a symlink": Bad(lambda: _layer_link(Link("../mid0"), Link("real"))),
        "saved: a hard link": Bad(lambda: _layer_link(Link("real", hard=True))),
        "saved: control characters in a name": Bad(
            lambda: _saved(lambda _files, entry: entry.update(RepoTags=["Bad\x1b[31m:1", "../../x:y"]))
        ),
        "two truths": Bad(_two_truths, ArchiveRejected, "index.json does not name"),
        # Layers that are true, and that only unpacking tells.
        "a layer that is cut off, but true": Bad(lambda: one_image([BASE, SECOND[:700]]).whole()),
        "a layer that is not a tar, but true": Bad(lambda: one_image([BASE, b"not a tar" * 100]).whole()),
        "a layer of no bytes": Bad(lambda: one_image([BASE, b""]).whole()),
        "a layer with a second tar": Bad(lambda: one_image([BASE, SECOND + OTHER]).whole()),
        "a layer of 64 MiB of zeros": Bad(lambda: one_image([HUGE]).whole()),
    }
