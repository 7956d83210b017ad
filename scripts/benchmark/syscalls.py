"""System calls of a load: what one more small file costs, and how often anything is synced."""

import subprocess

from .filesystems import FreshFileSystem
from .growth import image
from .synthetic import SmallFiles

ALLOWED = 5
# sync_file_range only begins to write and waits for nothing.
SYNCS = ["fsync", "fdatasync"]


def count(options, made, fresh):
    """Calls by name."""
    place, out = fresh.renew(), options.scratch / "strace"
    command = ["strace", "-c", "-f", "-U", "calls,name", "-o", out, options.rootlay, "--root", place / "state", "-q",
               *options.rootlay_options, "load", "--name", "bench", f"oci:{made.path}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    calls = {}
    for line in out.read_text().splitlines():
        words = line.split()
        if len(words) == 2 and words[0].isdigit() and words[1] != "total":
            calls[words[1]] = int(words[0])
    return calls


def small_files(options, report):
    step = max(100, int(10_000 * options.scale))
    sizes = [step, 2 * step]
    report.head(f"System calls of `load`, from {sizes[0]:,} to {sizes[1]:,} small files")
    with FreshFileSystem(options.fs[0], options.scratch) as fresh:
        few, many = (count(options, image(options.cache, f"small-{size}", SmallFiles(size), ""), fresh) for size in sizes)
    # A directory for each hundred files is among them.
    more = {name: (many[name] - few.get(name, 0)) / step for name in many}
    rows = [[f"`{name}`", f"{each:.3f}", f"{many[name]:,}"] for name, each in sorted(more.items(), key=lambda item: -item[1])
            if each >= 0.001]
    report.table(["call", "per file", f"for {sizes[1]:,} files"], rows)
    total = sum(each for each in more.values() if each > 0)
    report.limit(f"{total:.2f} system calls per small file (at most {ALLOWED})", total <= ALLOWED)
    report.limit(f"`syncfs`: {many.get('syncfs', 0)} (one)", many.get("syncfs", 0) == 1)
    syncs = sum(many.get(name, 0) - few.get(name, 0) for name in SYNCS)
    told = ", ".join(f"`{name}` {many[name]}" for name in SYNCS if name in many) or "none"
    report.limit(f"syncs of single files: {told}; more with more files: {syncs}", syncs == 0)
