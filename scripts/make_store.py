#!/usr/bin/env python3
"""Makes a state root with many images, to measure listings with.

usage: make_store.py ROOT [IMAGES [LAYERS]]

The layers are empty directories: they can be listed and inspected, not mounted. ROOT must not exist.
"""

import hashlib
import json
import os
import sys

LAYERS_OF_AN_IMAGE = 8


def digest(content):
    return hashlib.sha256(content).hexdigest()


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def main():
    root = sys.argv[1]
    images = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    layers = int(sys.argv[3]) if len(sys.argv) > 3 else 5000
    for folder in ["blobs", "layers", "images"]:
        os.makedirs(f"{root}/{folder}/sha256", mode=0o700)
    write(f"{root}/version", b"1\n")
    stack = [digest(b"layer %d" % number) for number in range(layers)]
    for layer in stack:
        place = f"{root}/layers/sha256/{layer}"
        os.makedirs(f"{place}/diff")
        summary = {"format": 1, "diff_id": f"sha256:{layer}", "entries": 0, "bytes": 1000000, "marks": 0}
        summary |= {"opaque_root": False, "empty": False}
        write(f"{place}/layer.json", json.dumps(summary).encode() + b"\n")
        write(f"{place}/commit.json", b'{"boot":""}\n')
    for number in range(images):
        own = [f"sha256:{stack[(number * 5 + place) % layers]}" for place in range(LAYERS_OF_AN_IMAGE)]
        created = f"2024-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z"
        config = {"architecture": "amd64", "os": "linux", "created": created}
        config |= {"config": {"Labels": {"number": str(number)}}, "rootfs": {"type": "layers", "diff_ids": own}}
        content = json.dumps(config).encode()
        manifest = f"sha256:{digest(b'manifest %d' % number)}"
        blobs = [f"sha256:{digest(layer.encode())}" for layer in own]
        origin = {"media_type": "application/vnd.oci.image.manifest.v1+json", "digest": manifest, "size": 1000}
        origin |= {"indexes": [], "layers": blobs, "origin": "docker://localhost/app", "added": created}
        name = {"reference": f"localhost/app{number}:1", "manifest": manifest, "generation": 1, "tagged": created}
        record = {"id": f"sha256:{digest(content)}", "platform": {"os": "linux", "architecture": "amd64"}}
        record |= {"diff_ids": own, "created": created, "size": 8000000, "manifests": [origin], "names": [name]}
        write(f"{root}/blobs/sha256/{digest(content)}", content)
        write(f"{root}/images/sha256/{digest(content)}.json", json.dumps(record, indent=2).encode())


if __name__ == "__main__":
    main()
