"""OCI image layouts: written from tar streams, read, and compressed anew."""

import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import tempfile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
MEDIA = "application/vnd.oci.image."
COMPRESSORS = {"gzip": ["gzip", "-n", "-6"], "zstd": ["zstd", "-q", "-3", "-T1"], "none": None}
DECOMPRESSORS = {"gzip": ["gzip", "-dc"], "zstd": ["zstd", "-dcq"], "none": ["cat"]}
SUFFIXES = {"gzip": "+gzip", "zstd": "+zstd", "none": ""}


@dataclasses.dataclass
class Layer:
    """A layer: its blob, its compression, the digest of its tar."""

    blob: pathlib.Path
    compression: str
    diff_id: str


class TarSink:
    """A file to write a tar to: becomes a blob, compressed on the way."""

    def __init__(self, layout, compression):
        self.layout, self.compression, self.hash = layout, compression, hashlib.sha256()
        (layout / "blobs/sha256").mkdir(parents=True, exist_ok=True)
        self.file = tempfile.NamedTemporaryFile(dir=layout, delete=False)
        self.process, self.target = None, self.file
        if command := COMPRESSORS[compression]:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self.file)
            self.target = self.process.stdin

    def write(self, data):
        self.hash.update(data)
        return self.target.write(data)

    def finish(self):
        self.target.close()
        if self.process and self.process.wait() != 0:
            raise RuntimeError(f"{self.process.args[0]} failed")
        self.file.close()
        with open(self.file.name, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        blob = self.layout / "blobs/sha256" / digest
        os.rename(self.file.name, blob)
        return Layer(blob, self.compression, "sha256:" + self.hash.hexdigest())


def add_document(layout, media, document):
    data = json.dumps(document).encode()
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(data)
    return {"mediaType": MEDIA + media, "digest": f"sha256:{digest}", "size": len(data)}


def finish(layout, layers):
    """Writes the documents of an image of these layers, base first, tagged `latest`."""
    machine = ARCHITECTURES.get(platform.machine(), platform.machine())
    diff_ids = [layer.diff_id for layer in layers]
    config = {"architecture": machine, "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    manifest = {"schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json"}
    manifest["config"] = add_document(layout, "config.v1+json", config)
    manifest["layers"] = [{"mediaType": MEDIA + "layer.v1.tar" + SUFFIXES[layer.compression],
                           "digest": f"sha256:{layer.blob.name}", "size": layer.blob.stat().st_size} for layer in layers]
    root = add_document(layout, "manifest.v1+json", manifest)
    root["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    # The last of all: where it is there, the layout is whole.
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [root]}))


def layers(layout):
    """The layers of the first image of a layout, base first."""
    def document(path):
        return json.loads((layout / path).read_text())

    def blob(descriptor):
        return "blobs/" + descriptor["digest"].replace(":", "/")

    manifest = document(blob(document("index.json")["manifests"][0]))
    diff_ids = document(blob(manifest["config"]))["rootfs"]["diff_ids"]
    found = []
    for descriptor, diff_id in zip(manifest["layers"], diff_ids, strict=True):
        ending = descriptor["mediaType"].rsplit("+", 1)
        compression = ending[1] if len(ending) == 2 else "none"
        found.append(Layer(layout / blob(descriptor), compression, diff_id))
    return found


def make(layout, writers, compression="gzip"):
    """Makes a layout from functions that write one tar each, unless it is there. As many at once as there are cores;
    functions that another process can be sent are needed."""
    if (layout / "index.json").exists():
        return
    unfinished = layout.with_name(layout.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    with concurrent.futures.ProcessPoolExecutor() as pool:
        made = list(pool.map(write_layer, writers, [unfinished] * len(writers), [compression] * len(writers)))
    finish(unfinished, made)
    shutil.rmtree(layout, ignore_errors=True)
    unfinished.rename(layout)


def write_layer(writer, layout, compression):
    sink = TarSink(layout, compression)
    writer(sink)
    return sink.finish()


class Recompress:
    """Writes the tar of a layer that exists."""

    def __init__(self, layer):
        self.layer = layer

    def __call__(self, sink):
        command = [*DECOMPRESSORS[self.layer.compression], self.layer.blob]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            while data := process.stdout.read(1 << 20):
                sink.write(data)
        if process.returncode != 0:
            raise RuntimeError(f"{command[0]} failed")
