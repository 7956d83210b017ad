"""Commands on a store that has everything already: mounting, and listings. The start of the process is part of it."""

import os
import pathlib
import subprocess
import sys

from . import layout
from .filesystems import FreshFileSystem, detach
from .measure import Case, compare
from .synthetic import Numbered

RUNS = 30
LIMITS = {10: 0.005, 500: 0.020}
LISTING = 0.010


def stack(options, count):
    place = options.cache / f"stack-{count}"
    layout.make(place, [Numbered(number) for number in range(count)])
    return place


def check(state, name, count):
    """Ends the benchmark where the mounted tree is not the stack's."""
    shown = pathlib.Path(run([*state, "mount", name]).strip())
    names, shared = len(os.listdir(shown)), (shown / "shared").read_text()
    run([*state, "umount", name])
    if names != count + 1 or shared != str(count - 1):
        sys.exit(f"bench: expected {count + 1} names, the top one from the last layer, got {names}, {shared}")


def run(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def plain(place, count):
    """One `mount` of as many directories. It runs in their directory: short names fit into a page."""
    for number in range(count):
        (place / str(number)).mkdir(parents=True)
    (place / "m").mkdir()
    lowers = ":".join(str(number) for number in reversed(range(count)))
    return Case("mount -t overlay", lambda _: [["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lowers}", "m"]],
                after=lambda _: detach(place / "m"), directory=place)


def measure(options, report):
    kinds = dict.fromkeys(options.fs)
    for kind in kinds:
        with FreshFileSystem(kind, options.scratch) as fresh:
            place = fresh.renew()
            state = [options.rootlay, "--root", place / "state", "-q"]
            for count, limit in LIMITS.items():
                name = f"stack{count}"
                run([*state, "load", "--name", name, f"oci:{stack(options, count)}"])
                check(state, name, count)
                own = Case("rootlay mount", lambda _, name=name: [[*state, "mount", name]],
                           after=lambda _, name=name: run([*state, "umount", name]))
                bare = Case("rootlay version", lambda _: [[*state, "version"]])
                peer = plain(place / f"plain{count}", count)
                report.head(f"Mounting {count} layers that are unpacked, on {kind}, {RUNS} runs")
                results = compare([own, peer, bare], RUNS, options.stopwatch)
                report.results(results)
                verdict(report, f"`mount` of {count} layers", results[0], limit)
            report.head(f"Listings of a small store on {kind}, {RUNS} runs")
            run([*state, "mount", "stack10"])
            listings = [Case(f"rootlay {name}", lambda _, name=name: [[*state, name]]) for name in ["images", "mounts"]]
            results = compare(listings, RUNS, options.stopwatch)
            run([*state, "umount", "stack10"])
            report.results(results)
            for result in results:
                verdict(report, f"`{result.case.label}`", result, LISTING)


def verdict(report, what, result, limit):
    report.limit(f"{what}: {result.wall * 1000:.2f} ms, the fastest run {result.fastest * 1000:.2f} ms (under {limit * 1000:.0f} ms)",
                 result.wall < limit)
