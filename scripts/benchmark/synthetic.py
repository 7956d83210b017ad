"""Images that are made up: many small files, one huge one, many layers. The same on every machine."""

import io
import random
import tarfile

from .measure import MIB

TIME = 1_700_000_000


def write_tar(sink, entries):
    """A tar of (name, content) pairs; a directory has no content."""
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            entry.mtime = TIME
            if content is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))


class SmallFiles:
    """Half text-like, half random content of 100 to 4,000 bytes: it compresses about as program files do."""

    def __init__(self, count):
        self.count = count

    def __call__(self, sink):
        write_tar(sink, self.entries())

    def entries(self):
        source = random.Random(1)
        for number in range(self.count):
            if number % 100 == 0:
                yield f"d{number // 100}", None
            size = source.randrange(100, 4000)
            half = source.randbytes(size // 2)
            yield f"d{number // 100}/file-{number}", half + b"rootlay " * (size // 16)


class HugeFiles:
    """Files of many MiB; of them, as of the small ones, half compresses well."""

    def __init__(self, mebibytes, files=1):
        self.mebibytes, self.files = mebibytes, files

    def __call__(self, sink):
        block = random.Random(2).randbytes(MIB // 2) + b"rootlay " * (MIB // 16)
        write_tar(sink, ((f"huge-{n}", block * (self.mebibytes // self.files)) for n in range(self.files)))


class Numbered:
    """One of many tiny layers: a file of its own, and one that all have."""

    def __init__(self, number):
        self.number = number

    def __call__(self, sink):
        content = b"%d" % self.number
        write_tar(sink, [("shared", content), (f"file-{self.number}", content)])
