"""One layer alone, that is the same on every machine: many small files, or one huge file."""

from . import peers
from .filesystems import FreshFileSystem
from .growth import PEAK, PEAK_PER_ENTRY, image
from .measure import MIB, compare
from .synthetic import HugeFiles, SmallFiles


def measure(options, report):
    files, huge = max(100, int(options.entries * options.scale)), max(1, int(options.huge * options.scale))
    layers = [(files, image(options.cache, f"small-{files}", SmallFiles(files), f"{files:,} small files")),
              (1, image(options.cache, f"huge-{huge}", HugeFiles(huge), f"one file of {huge} MiB"))]
    for kind in options.fs:
        for entries, layer in layers:
            report.head(f"load + mount on {kind}: one layer, {layer.title}")
            with FreshFileSystem(kind, options.scratch) as fresh:
                own = peers.rootlay(options.rootlay, layer, *options.rootlay_options)
                others, absent = peers.cases(layer, [name for name in options.peers if name in ("tar", "umoci")], options.scratch)
                results = compare([own, *others], options.runs, options.stopwatch, fresh.renew)
            report.results(results)
            for reason in absent:
                report.say(f"- not measured: {reason}")
            limit = PEAK + PEAK_PER_ENTRY * entries
            report.limit(f"peak memory {results[0].peak / MIB:.1f} MiB (64 MiB + 200 bytes per entry: {limit / MIB:.1f} MiB)",
                         results[0].peak <= limit)
