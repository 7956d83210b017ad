#!/usr/bin/env python3
"""Times rootlay and its peers in turn and prints one table. Called by scripts/bench.

load   one gzip layer, of many small files or of one huge file, from an OCI layout. rootlay verifies the blob digest,
       its size and the diff ID, keeps the blob and unpacks. Peers: `tar -xzf` verifies nothing and keeps nothing,
       `umoci unpack` verifies.
mount  an image of many layers that is unpacked already. Peer: one plain `mount -t overlay` of as many directories.
pull   an image from a registry on loopback to a mounted view: see bench_registry.py.

Every run of load gets a fresh tmpfs; the commands take turns, so that a change of the machine's speed meets all of
them. Wall time is the median; CPU time and peak memory are the largest of all runs.
"""

import argparse
import os
import pathlib
import platform
import random
import shutil
import subprocess
import sys
import time

import bench_registry
from bench_parts import MIB, compare, fresh_tmpfs, make_image, small_files, tar_of

PERFORMANCE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=5, help="runs of each command (default 5)")
    options.add_argument("--entries", type=int, default=60_000, help="files in the layer of `load` (default 60000)")
    options.add_argument("--huge", type=int, default=512, help="MiB of the file that is a layer alone (default 512)")
    options.add_argument("--layers", type=int, default=500, help="layers of `mount` (default 500)")
    options.add_argument("--pull", type=int, default=1000, help="MiB of the image of `pull` (default 1000; 0: none)")
    options.add_argument("--append", action="store_true", help="also append the table to docs/performance.md")
    options.add_argument("--rootlay", help=argparse.SUPPRESS)
    options.add_argument("--scratch", type=pathlib.Path, help=argparse.SUPPRESS)
    options = options.parse_args()
    rootlay, scratch, tmp = options.rootlay, options.scratch, options.scratch / "run"
    if not rootlay or not scratch:
        sys.exit("bench: run scripts/bench")

    print("making the images", file=sys.stderr)
    stack = scratch / "stack"
    # Of a huge file, as of the small ones, half compresses well.
    block = random.Random(2).randbytes(MIB // 2) + b"rootlay " * (MIB // 16)
    layers = [("files", f"{options.entries:,} files", options.entries, small_files(options.entries)),
              ("huge", f"one file of {options.huge} MiB", 1, [("huge", block * options.huge)])]
    numbers = range(options.layers)
    make_image(stack, [tar_of([("shared", b"%d" % n), (f"file-{n}", b"%d" % n)]) for n in numbers])

    def fresh_with(name):
        def prepare():
            fresh_tmpfs(tmp)
            (tmp / name).mkdir()
        return prepare

    nothing = lambda: None  # noqa: E731
    state = ["--root", str(tmp / "state"), "-q"]
    rows, verdicts, within = [], [], True
    for name, title, entries, content in layers:
        layout = scratch / name
        layer = make_image(layout, [tar_of(content)])
        cases = [("rootlay load", lambda: fresh_tmpfs(tmp),
                  [rootlay, *state, "load", "--name", "bench", f"oci:{layout}"], nothing, None),
                 ("tar -xzf", fresh_with("out"), ["tar", "-xzf", layer, "-C", tmp / "out"], nothing, None)]
        if shutil.which("umoci"):
            unpack = ["umoci", "unpack", "--image", f"{layout}:latest", tmp / "bundle"]
            cases.append(("umoci unpack", lambda: fresh_tmpfs(tmp), unpack, nothing, None))
        more, peak = compare(f"load, {title}", cases, options.runs, scratch)
        rows += more
        limit = 64 * MIB + 200 * entries
        within &= peak <= limit
        verdict = "within" if peak <= limit else "ABOVE"
        verdicts.append(f"{title}: {peak / MIB:.1f} MiB, {verdict} {limit / MIB:.1f} MiB")

    fresh_tmpfs(tmp)
    subprocess.run([rootlay, *state, "load", "--name", "bench", f"oci:{stack}"], check=True, stdout=subprocess.DEVNULL)
    dirs = tmp / "dirs"
    for n in numbers:
        (dirs / str(n)).mkdir(parents=True)
        (dirs / str(n) / f"file-{n}").write_bytes(b"%d" % n)
    (dirs / "m").mkdir()
    lowers = ":".join(str(n) for n in reversed(numbers))
    unmount = lambda: subprocess.run([rootlay, *state, "umount", "bench"], check=True, capture_output=True)  # noqa: E731
    cases = [("rootlay mount", nothing, [rootlay, *state, "mount", "bench"], unmount, None),
             ("mount -t overlay", nothing, ["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lowers}", "m"],
              lambda: subprocess.run(["umount", dirs / "m"], check=True), dirs)]
    more, _ = compare(f"mount, {options.layers} layers", cases, max(options.runs, 20), scratch)

    # Figures of a wrong tree are worth nothing.
    merged = subprocess.run([rootlay, *state, "mount", "bench"], check=True, capture_output=True, text=True).stdout.strip()
    names, shared = len(os.listdir(merged)), pathlib.Path(merged, "shared").read_text()
    unmount()
    subprocess.run(["umount", "-l", tmp], check=True)
    if names != options.layers + 1 or shared != str(options.layers - 1):
        sys.exit(f"bench: expected {options.layers + 1} names, the top one from the last layer, got {names}, {shared}")

    if options.pull:
        more += bench_registry.rows(rootlay, scratch, options.pull, options.runs)
    table = "\n".join(["| case | command | wall | CPU | peak memory | wall, × rootlay |", "|---|---|---|---|---|---|",
                       *rows, *more])
    table += f"\n\nPeak memory of `rootlay load` (limit: 64 MiB + 200 bytes per entry): {'; '.join(verdicts)}."
    print(table)
    if options.append:
        head = f"\n### {time.strftime('%Y-%m-%d')}: Linux {'.'.join(platform.release().split('.')[:2])}, {os.cpu_count()} cores, tmpfs\n\n"
        command = f"`scripts/bench --runs {options.runs} --entries {options.entries} --huge {options.huge}"
        command += f" --layers {options.layers} --pull {options.pull}`\n\n"
        with PERFORMANCE.open("a") as file:
            file.write(head + command + table + "\n")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
