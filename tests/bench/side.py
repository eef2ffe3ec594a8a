# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our side of archives.py, in its own process like the peers: python3 side.py OPERATION PATH...

apply FILE DIRECTORY        unpack a layer's file into a new directory, with digests
note FILE DIRECTORY OTHER   the same, and write the manifest to the file OTHER
export DIRECTORY FILE       write the tar of an upperdir with all xattrs, with its digest
inspect UPPER LOWER         the changes of an upperdir to one lower
compare NEW OLD             the differences between two trees
remove DIRECTORY            delete a tree
hash FILE                   the digest of a file alone
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import typing as t

_HOME = "ansible_collections.strata.overlay2.plugins.module_utils"


def _load(file: str) -> t.Any:
    """Import only the files of one operation, as a module does."""
    return importlib.import_module(f"{_HOME}.{file}")


def apply(source: str, directory: str) -> str:
    apply_layer = _load("_archive.apply").apply_layer
    with open(source, "rb", buffering=0) as file, _load("_archive.compression").ArchiveReader(file.read) as reader:
        apply_layer(reader.read, directory)
        return str(reader.diff_id)


def note(source: str, directory: str, manifest: str) -> str:
    apply_layer, ManifestWriter = _load("_archive.apply").apply_layer, _load("_archive.manifest").ManifestWriter
    with (
        open(source, "rb", buffering=0) as file,
        _load("_archive.compression").ArchiveReader(file.read) as reader,
        open(manifest, "wb") as out,
    ):
        writer = ManifestWriter(out.write)
        apply_layer(reader.read, directory, manifest=writer)
        writer.finish(reader.diff_id)
        return str(reader.diff_id)


def export(directory: str, dest: str) -> str:
    with open(dest, "wb", buffering=0) as file, _load("_archive.compression").ArchiveWriter(file.write) as writer:
        _load("_archive.export").export_layer(directory, writer.write, xattrs=True)
        writer.finish()
        return str(writer.diff_id)


def inspect(upper: str, lower: str) -> str:
    changes = _load("_archive.collected").First(1 << 30)
    _load("_archive.native_diff").upper_changes(upper, [lower], changes)
    return str(len(changes.listed()))


def compare(new: str, old: str) -> str:
    changes = _load("_archive.collected").First(1 << 30)
    _load("_archive.naive_diff").tree_changes(new, old, changes)
    return str(len(changes.listed()))


def remove(directory: str) -> str:
    _load("_store.delete").delete_tree(directory)
    return str(os.path.exists(directory))


def hash(path: str) -> str:
    with open(path, "rb", buffering=0) as file, _load("_archive.compression").ArchiveReader(file.read) as reader:
        while reader.read(1 << 18):
            pass
        return str(reader.digest)


if __name__ == "__main__":
    gc.disable()  # as the modules do
    operations = {f.__name__: f for f in (apply, note, export, inspect, compare, remove, hash)}
    print(operations[sys.argv[1]](*sys.argv[2:]))
