"""Images of the host's own /usr, in the shape of common ones. The same host gives the same images.

Directories of /usr, each with the files right in it, are taken in an order that depends on their names alone. At every
step one is taken that brings the mean size of a file nearer to the wanted one, until there are enough bytes or files.
Where the host has too few small files, pieces of its text files are added. Then the directories, in the order of
their names, are cut into layers of about the same size.
"""

import dataclasses
import functools
import hashlib
import os
import pathlib
import random
import stat
import sys
import tarfile

from . import layout
from .measure import MIB
from .synthetic import TIME

TOP = "/usr"
LARGEST = 256 * MIB


@dataclasses.dataclass(frozen=True)
class Shape:
    """What an image is like before it is scaled."""

    title: str
    layers: int
    mebibytes: int
    entries: int
    # Small files decide how long it takes.
    small: bool = False


SHAPES = {
    "python": Shape("Debian + Python", 8, 547, 32_000),
    "compilers": Shape("Debian + compilers", 4, 1645, 58_000),
    "node": Shape("Debian + node packages", 6, 870, 134_000, small=True),
}


@dataclasses.dataclass
class Unit:
    """A directory and the names right in it that are files or symlinks."""

    path: str
    names: list
    size: int


@functools.cache
def units():
    found = []
    for path, directories, names in os.walk(TOP):
        directories[:] = [name for name in directories if not os.path.ismount(f"{path}/{name}")]
        kept, size = [], 0
        for name in sorted(names):
            status = os.lstat(f"{path}/{name}")
            if status.st_size <= LARGEST and (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
                kept.append(name)
                size += status.st_size if stat.S_ISREG(status.st_mode) else 0
        if kept:
            found.append(Unit(path, kept, size))
    return found


def choose(size, entries, made_up=False):
    """Units of about so many bytes and names, and how many names and bytes are missing. Where files may be made up, large
    ones do not take the place of small ones."""
    mean = size / entries
    ordered = sorted(units(), key=lambda unit: hashlib.sha256(unit.path.encode()).digest())
    small = [unit for unit in ordered if unit.size < mean * len(unit.names)][::-1]
    large = [unit for unit in ordered if unit.size >= mean * len(unit.names)][::-1]
    chosen, bytes_, names = [], 0, 0
    while (small or large) and bytes_ < size and names < entries:
        if made_up and not small and bytes_ >= mean * names:
            break
        pile = large if (bytes_ < mean * names and large) or not small else small
        unit = pile.pop()
        if bytes_ + unit.size <= size * 1.02 and names + len(unit.names) <= entries * 1.02:
            chosen.append(unit)
            bytes_ += unit.size
            names += len(unit.names)
    # Depth first, as archives are: `a/b` right after `a`, before `a-b`.
    return sorted(chosen, key=lambda unit: unit.path.split("/")), max(0, entries - names), max(0, size - bytes_)


def parts(chosen, count):
    """Cuts units into parts of about the same size and number of names."""
    weight = [unit.size + 4096 * len(unit.names) for unit in chosen]
    total, done, cut = sum(weight), 0, [[] for _ in range(count)]
    for unit, own in zip(chosen, weight):
        cut[min(count - 1, done * count // max(1, total))].append(unit)
        done += own
    return cut


class HostLayer:
    """Writes units, and pieces of the host's text files."""

    def __init__(self, chosen, number, pieces, size):
        self.units, self.number, self.pieces, self.size = chosen, number, pieces, size

    def __call__(self, sink):
        with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            seen = set()
            for unit in self.units:
                add_parents(tar, unit.path, seen)
                for name in unit.names:
                    add(tar, f"{unit.path}/{name}")
            self.add_pieces(tar)

    def add_pieces(self, tar):
        source, text = random.Random(self.number), texts() if self.pieces else b""
        place = f"opt/pieces-{self.number}"
        mean = self.size // max(1, self.pieces)
        for number in range(self.pieces):
            entry = tarfile.TarInfo(f"{place}/{number // 20}/file-{number}.js")
            entry.mtime = TIME
            if number == 0 or number % 20 == 0:
                for path in ([place] if number == 0 else []) + [f"{place}/{number // 20}"]:
                    directory = tarfile.TarInfo(path)
                    directory.type, directory.mode, directory.mtime = tarfile.DIRTYPE, 0o755, TIME
                    tar.addfile(directory)
            entry.size = min(int(source.expovariate(1 / max(1, mean))), len(text) // 2)
            start = source.randrange(len(text) - entry.size)
            tar.addfile(entry, Bytes(text[start:start + entry.size]))


class Bytes:
    """A file of these bytes that is read once."""

    def __init__(self, data):
        self.data = data

    def read(self, size):
        data, self.data = self.data[:size], self.data[size:]
        return data


@functools.cache
def texts():
    """64 MiB of text files of the host."""
    found = bytearray()
    for unit in units():
        for name in unit.names:
            if name.endswith((".py", ".h", ".js", ".pl", ".pm", ".txt", ".json")):
                path = pathlib.Path(unit.path, name)
                found += b"" if path.is_symlink() else path.read_bytes()
                if len(found) >= 64 * MIB:
                    return bytes(found)
    return bytes(found) or b"rootlay\n" * MIB


def add_parents(tar, path, seen):
    for directory in [*reversed(pathlib.PurePath(path).parents), pathlib.PurePath(path)][1:]:
        if directory not in seen:
            seen.add(directory)
            add(tar, str(directory))


def add(tar, path):
    """A name of the host, without sub-second times, which most images do not have, and without hard links."""
    tar.inodes.clear()
    entry = tar.gettarinfo(path)
    entry.mtime = int(entry.mtime)
    if entry.isreg():
        with open(path, "rb") as file:
            tar.addfile(entry, file)
    else:
        tar.addfile(entry)


def of_host(cache, name, scale):
    """The layout of one of the shapes, made unless the cache has it."""
    shape, place = SHAPES[name], cache / f"{name}-{scale:g}"
    if not (place / "index.json").exists():
        print(f"bench: making {place}", file=sys.stderr)
        size, entries = int(shape.mebibytes * MIB * scale), int(shape.entries * scale)
        chosen, missing, rest = choose(size, entries, shape.small)
        missing = missing // shape.layers if shape.small else 0
        writers = [HostLayer(part, number, missing, rest // shape.layers)
                   for number, part in enumerate(parts(chosen, shape.layers))]
        layout.make(place, writers)
    return place


def variant(cache, name, origin, compression):
    """The same layers, compressed in another way."""
    if all(layer.compression == compression for layer in layout.layers(origin)):
        return origin
    place = cache / f"{name}-{compression}"
    if not (place / "index.json").exists():
        print(f"bench: making {place}", file=sys.stderr)
        layout.make(place, [layout.Recompress(layer) for layer in layout.layers(origin)], compression)
    return place
