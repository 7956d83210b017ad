"""From an image on disk to a mounted view: rootlay beside its peers, and beside the floor of the machine."""

import subprocess
import sys

from . import floor, peers, tree
from .filesystems import FreshFileSystem
from .measure import MIB, compare

FASTEST_PEER, FASTEST_PEER_SMALL, ABOVE_FLOOR = 1.8, 3.0, 1.15
# Seconds; on tmpfs there is nothing to sync.
WORTH_SYNCING = 0.01


def check(program, image, scratch):
    """Ends the benchmark where the merged tree is not what GNU tar makes."""
    print(f"bench: comparing the tree of {image.name} with that of GNU tar", file=sys.stderr)
    with FreshFileSystem("tmpfs", scratch) as fresh:
        place = fresh.renew()
        state = [program, "--root", place / "state", "-q"]
        subprocess.run([*state, "load", "--name", "bench", f"oci:{image.path}"], check=True, stdout=subprocess.DEVNULL)
        shown = subprocess.run([*state, "mount", "bench"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        expected = place / "expected"
        expected.mkdir()
        tree.extract(image.layers, expected)
        found, entries = tree.differences(shown, expected, tree.implied(image.layers))
        if found:
            sys.exit("\n".join([f"bench: {image.name}: the tree is wrong:", *found]))
    return f"The tree of {image.name} ({entries:,} names) is the one that GNU tar makes."


def describe(image):
    blobs = sum(layer.blob.stat().st_size for layer in image.layers)
    return f"{image.title}, {len(image.layers)} layers, {blobs / MIB:.0f} MiB {image.compression}"


def against_peers(options, report, images):
    """Figures beside those of peers, and of the floor where it is asked for."""
    for image in images:
        if not options.no_check:
            report.say("", check(options.rootlay, image, options.scratch))
    for kind in options.fs:
        for image in images:
            report.head(f"load + mount on {kind}: {describe(image)}")
            with FreshFileSystem(kind, options.scratch) as fresh:
                own = peers.rootlay(options.rootlay, image, *options.rootlay_options)
                others, absent = peers.cases(image, options.peers, options.scratch)
                results = compare([own, *others], options.runs, options.stopwatch, fresh.renew)
                report.results(results)
                for reason in absent:
                    report.say(f"- not measured: {reason}")
                compare_with_fastest(report, image, results)
                if options.floor:
                    below(options, report, image, kind, fresh, results[0])


def compare_with_fastest(report, image, results):
    verifying = [result for result in results[1:] if result.case.verifies and not result.failure]
    if not verifying:
        return
    best = min(verifying, key=lambda result: result.wall)
    ratio, wanted = best.wall / results[0].wall, FASTEST_PEER_SMALL if image.small else FASTEST_PEER
    report.limit(f"the fastest peer that verifies, `{best.case.label}`, takes {ratio:.2f} × (at least {wanted})", ratio >= wanted)


def below(options, report, image, kind, fresh, own):
    parts = floor.measure(image, fresh, options.rootlay, options.scratch, options.runs)
    report.table(["part, on one core", "seconds", "of", "MB/s"], parts.rows())
    cores = options.cores_used
    least = parts.floor(cores)
    report.say(f"- floor with {cores} cores: max({parts.longest:.3f}, {parts.total:.3f} / {cores}) = {least:.3f} s")
    median, fastest = own.wall / least, own.fastest / least
    report.limit(f"`load` + `mount` takes {median:.2f} × the floor, the fastest run {fastest:.2f} × (at most {ABOVE_FLOOR})",
                 median <= ABOVE_FLOOR)
    if parts.synced >= WORTH_SYNCING:
        synced = parts.synced_floor(cores)
        report.say(f"- rootlay syncs: it takes {own.wall / (least + parts.synced):.2f} × the floor and then that `syncfs`, and "
                   f"{own.wall / synced:.2f} × the {synced:.3f} s of a floor that the kernel writes back meanwhile on the same cores, "
                   f"which is itself {synced / least:.2f} × the floor")


def on_cores(options, report, images):
    """The same load on one core and on all."""
    rows = []
    for kind in options.fs:
        for image in images:
            with FreshFileSystem(kind, options.scratch) as fresh:
                own = peers.rootlay(options.rootlay, image, *options.rootlay_options)
                pinned = peers.rootlay(options.rootlay, image, *options.rootlay_options)
                pinned.label += ", one core"
                both = own.commands
                pinned.commands = lambda place: [["taskset", "-c", "0", *command] for command in both(place)]
                many, one = compare([own, pinned], options.runs, options.stopwatch, fresh.renew)
            rows.append([image.title, kind, f"{one.wall:.3f} s", f"{many.wall:.3f} s", f"{one.wall / many.wall:.2f}"])
    report.head(f"1 core and {options.cores_used} cores")
    report.table(["image", "file system", "1 core", f"{options.cores_used} cores", "gain"], rows)
    gain = min(float(row[-1]) for row in rows)
    report.limit(f"lowest gain {gain:.2f} × (at least 1.7 from 1 to 2 cores)", gain >= 1.7)
