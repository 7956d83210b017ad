"""How cost grows with the size of a layer: time with files and bytes, memory with entries and threads."""

import subprocess

from . import layout, peers, plot
from .filesystems import FreshFileSystem
from .measure import MIB, Case, compare
from .synthetic import HugeFiles, SmallFiles

FILES, MEBIBYTES = [20_000, 60_000, 200_000], [100, 300, 1000]
# Each of the large files has so many MiB.
LARGE = 10
ALLOWED = 0.15
PEAK, PEAK_PER_ENTRY = 64 * MIB, 200


def image(cache, name, writer, title):
    place = cache / name
    layout.make(place, [writer])
    return peers.Image(name, place, title)


def scaled(numbers, scale, unit):
    return list(dict.fromkeys(max(unit, int(number * scale) // unit * unit) for number in numbers))


def series(options):
    """(what grows, unit, sizes with their images)."""
    files = scaled(FILES, options.scale, 100)
    sizes = scaled(MEBIBYTES, options.scale, LARGE)
    yield "small files", "files", [(count, image(options.cache, f"small-{count}", SmallFiles(count), "")) for count in files]
    yield "large files", "MiB", [(size, image(options.cache, f"large-{size}", HugeFiles(size, size // LARGE), ""))
                                 for size in sizes]


def linear(options, report):
    """Time of a load against its size, as a table and a plot."""
    report.head("Time of `load` + `mount` by size")
    panels, rows, worst = [], [], 0
    for what, unit, sizes in series(options):
        lines = {}
        for kind in options.fs:
            with FreshFileSystem(kind, options.scratch) as fresh:
                cases = [peers.rootlay(options.rootlay, made, *options.rootlay_options) for _, made in sizes]
                results = compare(cases, options.runs, options.stopwatch, fresh.renew)
            line = lines[kind] = [(size, result.wall) for (size, _), result in zip(sizes, results)]
            first = line[0][1] / line[0][0]
            worst = max(worst, abs(line[-1][1] / line[-1][0] / first - 1))
            for size, wall in line:
                deviation = wall / size / first - 1
                rows.append([what, kind, f"{size:,} {unit}", f"{wall:.3f} s", f"{wall / size * 1e6:.1f} µs", f"{deviation:+.0%}"])
        panels.append(plot.Panel(what, unit, "seconds", lines))
    report.table(["layer", "file system", "size", "wall", "per file or MiB", "beside the smallest"], rows)
    report.limit(f"deviation from proportionality, smallest to largest size: {worst:.0%} (at most {ALLOWED:.0%})",
                 worst <= ALLOWED)
    options.plots.mkdir(parents=True, exist_ok=True)
    path = options.plots / "linear.svg"
    path.write_text(plot.svg(panels))
    report.say(f"- plot: `{path.name}`")


def entries(made):
    """Entries of all layers together, and of the largest."""
    counts = []
    for layer in made.layers:
        names = subprocess.run(["tar", "-tf", layer.blob], check=True, capture_output=True).stdout
        counts.append(names.count(b"\n"))
    return sum(counts)


def has_threads(program):
    return "--threads" in subprocess.run([program, "--help"], capture_output=True, text=True).stdout


def memory(options, report, images):
    """Peak memory of `load` with so many threads."""
    report.head("Peak memory of `load`")
    if not has_threads(options.rootlay):
        report.say("- not measured: rootlay has no `--threads`")
        return
    rows, above = [], []
    with FreshFileSystem("tmpfs", options.scratch) as fresh:
        for made in images:
            limit = PEAK + PEAK_PER_ENTRY * entries(made)
            for threads in options.threads:
                command = [options.rootlay, "--threads", threads, "-q"]
                case = Case(f"{threads} threads", lambda place, command=command, made=made: [
                    [*command, "--root", place / "state", "load", "--name", "bench", f"oci:{made.path}"]])
                [result] = compare([case], options.runs, options.stopwatch, fresh.renew)
                rows.append([made.title, threads, f"{result.wall:.3f} s", f"{result.peak / MIB:.1f} MiB", f"{limit / MIB:.1f} MiB"])
                above += [f"{made.title}, {threads} threads"] if result.peak > limit else []
    report.table(["image", "threads", "wall", "peak memory", "limit"], rows)
    report.limit("64 MiB + 200 bytes per entry" + "".join(f"; {name}" for name in above), not above)
