"""The least that unpacking an image can cost on this machine: each part alone, on one core, with the fastest library.

inflate   every layer with libdeflate and ISA-L, the faster one counts; zstd with libzstd
hash      SHA-256 of the blobs and of the tars, with OpenSSL; an uncompressed layer is hashed once
write     the files of the diff directories that rootlay made, and a copy of the blobs, on a fresh file system of the
          same kind: four system calls a file, directories open, all content in memory, nothing synced

No order of the parts on so many cores is faster than max(inflate of the longest layer, (inflate + hash + write) / cores).
"""

import dataclasses
import subprocess

from .filesystems import FreshFileSystem
from .measure import compile_c

LIBRARIES = ["-ldeflate", "-lisal", "-lcrypto", "-lzstd"]
MB = 1_000_000


@dataclasses.dataclass
class Parts:
    """Seconds of each part, and of how much."""

    inflate: list
    hash: float
    write: float
    blobs: int
    tars: int
    hashed: int
    entries: int
    written: int
    library: str
    synced: float
    syncing: float

    @property
    def longest(self):
        return max(self.inflate)

    @property
    def total(self):
        return sum(self.inflate) + self.hash + self.write

    def floor(self, cores):
        return max(self.longest, self.total / cores)

    def synced_floor(self, cores):
        """The least where the kernel writes back meanwhile, in threads of its own on the same cores."""
        return max(self.longest, (self.total + self.syncing) / cores)

    def rows(self):
        inflate = sum(self.inflate)
        speed = f"{self.tars / inflate / MB:.0f} of tar" if inflate else ""
        return [
            [f"inflate ({self.library})", f"{inflate:.3f}", f"{self.blobs / MB:.0f} → {self.tars / MB:.0f} MB", speed],
            ["inflate of the longest layer", f"{self.longest:.3f}", "", ""],
            ["SHA-256 (OpenSSL)", f"{self.hash:.3f}", f"{self.hashed / MB:.0f} MB", f"{self.hashed / self.hash / MB:.0f}"],
            ["write", f"{self.write:.3f}", f"{self.entries:,} entries, {self.written / MB:.0f} MB, and the blobs", ""],
            ["`syncfs` after it, not in the floor", f"{self.synced:.3f}", f"{self.syncing:.2f} s of work for all cores", ""],
        ]


def program(scratch):
    return compile_c("floor", scratch, *LIBRARIES)


def of_blobs(layers, scratch, rounds):
    """Inflating and hashing, which no file system changes."""
    inflate, hash_, blobs, tars, hashed, libraries = [], 0.0, 0, 0, 0, set()
    for layer in layers:
        done = subprocess.run([program(scratch), "blob", str(rounds), layer.blob], check=True, capture_output=True, text=True)
        blob, tar, inflating, of_blob, of_tar, library = done.stdout.split()
        inflate.append(float(inflating))
        hash_ += float(of_blob) + float(of_tar)
        blobs += int(blob)
        tars += int(tar)
        hashed += int(blob) + (int(tar) if library != "-" else 0)
        libraries.add(library)
    return inflate, hash_, blobs, tars, hashed, ", ".join(sorted(libraries - {"-"})) or "none"


def measure(image, fresh, rootlay, scratch, rounds):
    """All parts. The trees come from a store that rootlay made on a tmpfs."""
    inflate, hash_, blobs, tars, hashed, library = of_blobs(image.layers, scratch, rounds)
    store = scratch / "store"
    store.mkdir()
    try:
        with FreshFileSystem("tmpfs", store) as model:
            state = model.renew() / "state"
            subprocess.run([rootlay, "--root", state, "-q", "load", "--name", "bench", f"oci:{image.path}"], check=True,
                           stdout=subprocess.DEVNULL)
            trees = [state / "layers" / layer.diff_id.replace(":", "/") / "diff" for layer in image.layers]
            trees = list(dict.fromkeys(trees))
            best, least, work = float("inf"), float("inf"), float("inf")
            for _ in range(rounds):
                place = fresh.renew()
                done = subprocess.run([program(scratch), "write", str(blobs), *trees, place], check=True,
                                      capture_output=True, text=True)
                entries, written, took, synced, syncing = done.stdout.split()
                best, least, work = min(best, float(took)), min(least, float(synced)), min(work, float(syncing))
    finally:
        store.rmdir()
    return Parts(inflate, hash_, best, blobs, tars, hashed, int(entries), int(written), library, least, work)
