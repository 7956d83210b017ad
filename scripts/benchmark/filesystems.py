"""Fresh file systems: every run gets one that was made for it.

On ext4, files that are made within a minute after many were deleted take many times longer: the allocator of inodes
passes by those that were deleted recently. So no run may meet what another one removed.
"""

import pathlib
import subprocess

MKFS = {
    "ext4": ["mkfs.ext4", "-q", "-F"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
}
# Otherwise a thread of the kernel writes inode tables while the run is measured.
MOUNT = {"ext4": ["-o", "loop,noinit_itable"], "xfs": ["-o", "loop"], "btrfs": ["-o", "loop"]}
KINDS = ["tmpfs", *MKFS]


def mounts_below(top):
    """Mount points at and below a directory, the latest first."""
    found = []
    with open("/proc/self/mountinfo") as table:
        for line in table:
            point = line.split()[4].encode().decode("unicode_escape")
            if point == str(top) or point.startswith(f"{top}/"):
                found.append(point)
    return found[::-1]


def detach(top):
    """Unmounts what is mounted at and below a directory."""
    for point in mounts_below(top):
        subprocess.run(["umount", "-l", point], check=True)


class FreshFileSystem:
    """A mount point with a new file system of one kind. The ones on a block device are on a sparse file on tmpfs; the
    loop device goes with the mount."""

    def __init__(self, kind, scratch, gibibytes=24):
        self.kind, self.size = kind, gibibytes << 30
        self.point, self.memory = scratch / "fresh", scratch / "memory"

    def __enter__(self):
        self.point.mkdir()
        self.memory.mkdir()
        return self

    def __exit__(self, *_):
        self.remove()
        self.point.rmdir()
        self.memory.rmdir()

    def remove(self):
        detach(self.point)
        detach(self.memory)

    def renew(self):
        """Makes the next one; gives its mount point."""
        self.remove()
        limit = f"mode=0700,size={self.size}"
        if self.kind == "tmpfs":
            mount("-t", "tmpfs", "-o", limit, "rootlay-bench", self.point)
            return self.point
        mount("-t", "tmpfs", "-o", limit, "rootlay-bench", self.memory)
        device = pathlib.Path(self.memory, "device")
        with device.open("wb") as file:
            file.truncate(self.size)
        subprocess.run([*MKFS[self.kind], device], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        mount("-t", self.kind, *MOUNT[self.kind], device, self.point)
        return self.point


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)
