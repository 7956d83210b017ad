"""The part of scripts/bench that needs a registry: Debian's docker-registry on loopback, its storage on tmpfs.

pull   an image of the host's own /usr, in four gzip layers, from the registry to a mounted view. Beside it what a pull
       is made of: `curl` fetches the same blobs, all at once, to tmpfs; `rootlay load` unpacks the same image from an
       OCI layout. Peer: `skopeo copy` into containers/storage, which unpacks but does not mount.
"""

import io
import os
import pathlib
import shutil
import socket
import subprocess
import tarfile
import time

from bench_parts import MIB, compare, fresh_tmpfs, make_image

LAYERS = 4
LARGEST = 64 * MIB


def tars_of_host(limit):
    """Tars of the first `limit` bytes of regular files below /usr, in about equal parts."""
    found, total = [[]], 0
    for directory, below, names in os.walk("/usr"):
        below.sort()
        for name in sorted(names):
            path = pathlib.Path(directory, name)
            if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST:
                continue
            total += path.stat().st_size
            found[-1].append(path)
            if total > limit * len(found) / LAYERS:
                found.append([])
            if total > limit:
                break
        if total > limit:
            break
    for paths in filter(None, found):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path in paths:
                tar.add(path, arcname=str(path).lstrip("/"))
        yield stream.getvalue()


class Registry:
    """A docker-registry on a free port of loopback, for the time of a `with` block."""

    def __init__(self, directory):
        self.directory = directory

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{free.getsockname()[1]}"
        self.directory.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "rootlay-bench", self.directory], check=True)
        config = self.directory / "config.yml"
        config.write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {self.directory}/data}}}}\n"
            f"http: {{addr: '{self.host}'}}\nlog: {{level: error, accesslog: {{disabled: true}}}}\n")
        self.process = subprocess.Popen(["docker-registry", "serve", config], stderr=subprocess.DEVNULL)
        for _ in range(100):
            try:
                socket.create_connection(self.host.split(":"), 1).close()
                return self
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("docker-registry does not listen")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        subprocess.run(["umount", "-l", self.directory], check=True)


def rows(rootlay, scratch, mebibytes, runs):
    """The rows of the table, or none where docker-registry, skopeo or curl is not installed."""
    if not all(map(shutil.which, ["docker-registry", "skopeo", "curl"])):
        return []
    layout, tmp = scratch / "pulled", scratch / "run"
    make_image(layout, list(tars_of_host(mebibytes * MIB)))
    state = ["--root", str(tmp / "state"), "-q"]
    fresh = lambda: fresh_tmpfs(tmp)  # noqa: E731
    with Registry(scratch / "registry") as registry:
        image = f"{registry.host}/bench:1"
        subprocess.run(["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{layout}:latest", f"docker://{image}"],
                       check=True)
        unmount = lambda: subprocess.run([rootlay, *state, "umount", "-a"], check=True, capture_output=True)  # noqa: E731
        blobs = [f"http://{registry.host}/v2/bench/blobs/sha256:{path.name}" for path in (layout / "blobs/sha256").iterdir()
                 if path.stat().st_size > MIB]
        curl = ["curl", "-sS", "--parallel", *(part for url in blobs for part in ("-o", f"{tmp}/{url[-64:]}", url))]
        driver = f"containers-storage:[overlay@{tmp}/graph+{tmp}/run]bench:1"
        cases = [
            ("rootlay mount --pull always", fresh, [rootlay, *state, "mount", "--pull", "always", image], unmount, None),
            ("curl --parallel", fresh, curl, lambda: None, None),
            ("rootlay load", fresh, [rootlay, *state, "load", "--name", "bench", f"oci:{layout}"], lambda: None, None),
            ("skopeo copy, containers/storage", fresh,
             ["skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{image}", driver],
             lambda: subprocess.run(["umount", "-l", f"{tmp}/graph/overlay"], capture_output=True), None),
        ]
        size = sum(path.stat().st_size for path in (layout / "blobs/sha256").iterdir()) / MIB
        table, _ = compare(f"pull, {mebibytes:,} MiB as {size:.0f} MiB of gzip, {LAYERS} layers", cases, runs, scratch)
        subprocess.run(["umount", "-l", tmp], check=True)
    return table
