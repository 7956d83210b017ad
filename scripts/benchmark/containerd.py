"""containerd, for the time of one run: a daemon of its own on a Unix socket, all of its state on the fresh file system."""

import os
import pathlib
import re
import shutil
import subprocess
import time

from . import filesystems
from .measure import Case, Cost

START_SECONDS = 20
CONFIG = """version = 2
root = "{place}/root"
state = "{place}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "{place}/socket"
"""
TICK = os.sysconf("SC_CLK_TCK")


class Daemon:
    """The process, and what it used since it was ready."""

    def __init__(self):
        self.process, self.used = None, 0.0

    def start(self, place):
        """The socket's path is short: a Unix socket has at most 107 bytes."""
        (place / "config.toml").write_text(CONFIG.format(place=place))
        with open(place / "log", "wb") as log:
            command = ["containerd", "--config", place / "config.toml"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + START_SECONDS
        while subprocess.run(["ctr", "--address", place / "socket", "version"], capture_output=True).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > end:
                said = (place / "log").read_text(errors="replace")[-500:]
                raise OSError(f"containerd does not start: {said}")
            time.sleep(0.1)
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        self.used = self.cpu()

    def cpu(self):
        """CPU seconds of the daemon and of its children that ended: it inflates with a program where there is one."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / TICK

    def account(self, cost):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024
        return Cost(cost.wall, cost.cpu + self.cpu() - self.used, max(cost.peak, peak))

    def stop(self, place):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
        for below in [place / "mnt", place / "root", place / "state"]:
            filesystems.detach(below)


def archive(image, scratch):
    """The layout as a tar, which is what `ctr` reads."""
    path = scratch / "archive.tar"
    mark = scratch / "archive.of"
    if not mark.exists() or mark.read_text() != str(image.path):
        subprocess.run(["tar", "-cf", path, "-C", image.path, "oci-layout", "index.json", "blobs"], check=True)
        mark.write_text(str(image.path))
    return path


def case(image, scratch):
    if not shutil.which("ctr"):
        return "ctr is not installed"
    source, daemon = archive(image, scratch), Daemon()

    def before(place):
        (place / "mnt").mkdir()
        daemon.start(place)

    def commands(place):
        ctr = ["ctr", "--address", place / "socket"]
        name = ["--base-name", "localhost/bench"]
        return [[*ctr, "images", "import", *name, source],
                [*ctr, "images", "mount", "localhost/bench:latest", place / "mnt"]]

    return Case("containerd: ctr images import + mount", commands, before, daemon.stop, daemon.account, verifies=True)
