"""Called by scripts/bench. Makes the images, runs the parts that are asked for, in the order in which they are listed."""

import signal
import sys

from . import floor, flamegraph, growth, images, loading, made_up, mounts, options, peers, registry, syscalls
from .measure import Stopwatch
from .report import Report


def chosen_images(chosen):
    """The images that are asked for, in every compression that is asked for."""
    found = []
    for name in chosen.images:
        shape = images.SHAPES[name]
        found.append((name, images.of_host(chosen.cache, name, chosen.scale), shape.title, shape.small))
    found += [(name, path, name, False) for name, path in chosen.image]
    for name, path, title, small in found:
        for compression in chosen.compression:
            key = path.name if path.parent == chosen.cache else name
            place = images.variant(chosen.cache, key, path, compression)
            yield peers.Image(name if place == path else f"{name}-{compression}", place, title, small)


def main():
    # So that what is mounted is unmounted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = options.parse(sys.argv[1:])
    chosen.cache.mkdir(parents=True, exist_ok=True)
    chosen.stopwatch = Stopwatch(chosen.scratch)
    if chosen.floor:
        floor.program(chosen.scratch)
    report, parts = Report(), chosen.parts
    made = list(chosen_images(chosen)) if parts & options.WITH_IMAGES else []
    profiled = [image for image in made if image.name == chosen.profile]
    if chosen.profile and not profiled:
        sys.exit(f"bench: --profile: expected one of {', '.join(image.name for image in made)}, got {chosen.profile}")
    if "load" in parts:
        loading.against_peers(chosen, report, made)
    if "layer" in parts:
        made_up.measure(chosen, report)
    if "cores" in parts:
        loading.on_cores(chosen, report, made)
    if "mounts" in parts:
        mounts.measure(chosen, report)
    if "syscalls" in parts:
        syscalls.small_files(chosen, report)
    if "memory" in parts:
        growth.memory(chosen, report, made)
    if "linear" in parts:
        growth.linear(chosen, report)
    if "pull" in parts:
        registry.pulls(chosen, report, made)
    for image in profiled:
        flamegraph.record(chosen, report, image)
    if chosen.append:
        report.append(sys.argv[1:])
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
