# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write archives of images into the directory that is the first argument, and print what they hold, as JSON."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import sys
import tarfile

TYPE = "application/vnd.oci.image."
REF_NAME = "org.opencontainers.image.ref.name"


def digest(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def path_of(found):
    return "blobs/" + found.replace(":", "/")


def as_json(value):
    return json.dumps(value).encode()


def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            file.addfile(info, io.BytesIO(data))
    return out.getvalue()


def layer(number):
    return tar({f"data{number}": random.Random(number).randbytes(100_000)})


def config_of(layers):
    diff_ids = [digest(one) for one in layers]
    return as_json(
        {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    )


def layout(images):
    """Return an OCI image layout. images: the layers of each, by its name."""
    files, listed = {"oci-layout": as_json({"imageLayoutVersion": "1.0.0"})}, []

    def blob(data, kind):
        files[path_of(digest(data))] = data
        return {"mediaType": TYPE + kind, "digest": digest(data), "size": len(data)}

    for name, layers in images.items():
        blobs = [blob(one, "layer.v1.tar") for one in layers]
        manifest = {"schemaVersion": 2, "config": blob(config_of(layers), "config.v1+json"), "layers": blobs}
        listed.append({**blob(as_json(manifest), "manifest.v1+json"), "annotations": {REF_NAME: name}})
    return {**files, "index.json": as_json({"schemaVersion": 2, "manifests": listed})}


def saved(name, layers):
    files = {f"{number}.tar": one for number, one in enumerate(layers)}
    entry = {"Config": "config.json", "RepoTags": [name], "Layers": list(files)}
    return {**files, "config.json": config_of(layers), "manifest.json": as_json([entry])}


def main():
    os.chdir(sys.argv[1])
    layers = [layer(number) for number in range(6)]
    images = {"first": layers[:2], "second": layers[:3], "third": [*layers[:2], layers[3]]}
    lie = layout({"lie:1": [*layers[:2], layers[5]]})
    lie[path_of(digest(layers[5]))] = layers[4]
    delta = layout({"delta:1": [layers[4], layers[5]]})
    del delta[path_of(digest(layers[4]))]
    archives = {
        "first": layout({"app:1": images["first"]}),
        "second": layout({"app:2": images["second"]}),
        "saved": saved("app:2", images["second"]),
        "renamed": layout({"app:stable": images["second"]}),
        "other": layout({"other:1": layers[4:]}),
        "lie": lie,
        "delta": delta,
    }
    for name, files in archives.items():
        with open(f"{name}.tar", "wb") as file:
            file.write(tar(files))
    for name, data in layout({"app:2": images["second"], "app:3": images["third"]}).items():
        os.makedirs(os.path.dirname(f"layout/{name}"), exist_ok=True)
        with open(f"layout/{name}", "wb") as file:
            file.write(data)
    told = {
        name: {"image_id": digest(config_of(found)), "diff_ids": [digest(one) for one in found]}
        for name, found in images.items()
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
