"""From a registry to a mounted view: Debian's docker-registry on loopback, its storage on tmpfs.

Beside it what a pull is made of: `curl` fetches the same blobs, all at once; `rootlay load` unpacks the same image from
an OCI layout. Peer: `skopeo copy` into containers/storage, which unpacks but does not mount.
"""

import shutil
import socket
import subprocess
import time

from . import filesystems, peers
from .filesystems import FreshFileSystem, mount
from .measure import MIB, Case, compare

ALLOWED = 1.10


class Registry:
    """A docker-registry on a free port of loopback, for the time of a `with` block."""

    def __init__(self, directory):
        self.directory = directory

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{free.getsockname()[1]}"
        self.directory.mkdir()
        mount("-t", "tmpfs", "rootlay-bench", self.directory)
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
        self.__exit__()
        raise RuntimeError("docker-registry does not listen")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        filesystems.detach(self.directory)
        self.directory.rmdir()


def cases(options, image, host):
    reference = f"{host}/bench:1"
    urls = [f"http://{host}/v2/bench/blobs/sha256:{layer.blob.name}" for layer in image.layers]

    def state(place):
        return [options.rootlay, "--root", place / "state", "-q", *options.rootlay_options]

    def curl(place):
        return [["curl", "-sS", "--parallel", *(part for url in urls for part in ("-o", f"{place}/{url[-64:]}", url))]]

    def skopeo(place):
        store = f"containers-storage:[overlay@{place}/graph+{place}/run]bench:1"
        return [["skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{reference}", store]]

    yield Case("rootlay mount --pull always", lambda place: [[*state(place), "mount", "--pull", "always", reference]],
               after=lambda place: filesystems.detach(place / "state"))
    yield Case("curl --parallel", curl)
    yield peers.rootlay(options.rootlay, image, *options.rootlay_options)
    if "skopeo" in options.peers:
        yield Case("skopeo copy, containers/storage", skopeo, after=lambda place: filesystems.detach(place / "graph"))


def pulls(options, report, images):
    missing = [name for name in ["docker-registry", "skopeo", "curl"] if not shutil.which(name)]
    if missing:
        report.say(f"- pull is not measured: {', '.join(missing)} not installed")
        return
    with Registry(options.scratch / "registry") as registry:
        for image in images:
            target = f"docker://{registry.host}/bench:1"
            subprocess.run(["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{image.path}:latest", target],
                           check=True)
            size = sum(layer.blob.stat().st_size for layer in image.layers) / MIB
            for kind in options.fs:
                report.head(f"pull + mount from loopback on {kind}: {image.title}, {size:.0f} MiB {image.compression}")
                with FreshFileSystem(kind, options.scratch) as fresh:
                    results = compare(list(cases(options, image, registry.host)), options.runs, options.stopwatch, fresh.renew)
                report.results(results)
                pull, download, unpack = results[:3]
                if not download.failure and not unpack.failure:
                    ratio = pull.wall / max(download.wall, unpack.wall)
                    report.limit(f"a pull takes {ratio:.2f} × the longer of download and unpacking (at most {ALLOWED})",
                                 ratio <= ALLOWED)
