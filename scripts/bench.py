#!/usr/bin/env python3
"""Times rootlay and its peers in turn and prints one table. Called by scripts/bench.

load   one gzip layer, of many small files or of one huge file, from an OCI layout. rootlay verifies the blob digest,
       its size and the diff ID, keeps the blob and unpacks. Peers: `tar -xzf` verifies nothing and keeps nothing,
       `umoci unpack` verifies.
mount  an image of many layers that is unpacked already. Peer: one plain `mount -t overlay` of as many directories.

Every run of load gets a fresh tmpfs; the commands take turns, so that a change of the machine's speed meets all of
them. Wall time is the median; CPU time and peak memory are the largest of all runs.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import pathlib
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import time

MIB = 1 << 20
PERFORMANCE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def blob(layout, data):
    digest = hashlib.sha256(data).hexdigest()
    path = layout / "blobs" / "sha256" / digest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def make_image(layout, tars):
    """An OCI layout of these uncompressed layers, base first, tagged `latest`."""
    layers, diff_ids = [], []
    for data in tars:
        diff_ids.append("sha256:" + hashlib.sha256(data).hexdigest())
        media = "application/vnd.oci.image.layer.v1.tar+gzip"
        layers.append({"mediaType": media, **blob(layout, gzip.compress(data, 6, mtime=0))})
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    config = {"architecture": arch, "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", **blob(layout, json.dumps(config).encode())}
    media = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": media, "config": config, "layers": layers}
    root = {"mediaType": media, **blob(layout, json.dumps(manifest).encode())}
    root["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [root]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return layout / "blobs" / layers[0]["digest"].replace(":", "/")


def tar_of(entries):
    """A tar of (name, content) pairs; a directory has no content."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            entry.mtime = 1_700_000_000
            if content is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def small_files(count):
    """Half text-like, half random content of 100 to 4,000 bytes: it compresses about as program files do."""
    source = random.Random(1)
    for number in range(count):
        if number % 100 == 0:
            yield f"d{number // 100}", None
        size = source.randrange(100, 4000)
        half = source.randbytes(size // 2)
        yield f"d{number // 100}/file-{number}", half + b"rootlay " * (size // 16)


def fresh_tmpfs(point):
    if os.path.ismount(point):
        subprocess.run(["umount", "-l", point], check=True)
    point.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0700", "rootlay-bench", point], check=True)


def run_once(command, scratch, cwd=None):
    """Wall seconds, CPU seconds and peak bytes of one run. GNU time is small, so its child starts with a low peak."""
    peak = scratch / "peak"
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(["/usr/bin/time", "-q", "-f", "%M", "-o", peak, *command], cwd=cwd, capture_output=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: exit {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, int(peak.read_text().split()[-1]) * 1024


def compare(title, cases, runs, scratch):
    """cases: (label, prepare, command, undo, cwd). Runs them in turn; the first is the one that ratios refer to."""
    results = {label: [] for label, *_ in cases}
    failed = {}
    for _ in range(runs):
        for label, prepare, command, undo, cwd in cases:
            if label in failed:
                continue
            prepare()
            try:
                results[label].append(run_once(command, scratch, cwd))
                undo()
            except (RuntimeError, subprocess.CalledProcessError) as error:
                failed[label] = str(error)
    own = cases[0][0]
    if own in failed:
        sys.exit(f"bench: {own}: {failed[own]}")
    base = statistics.median(run[0] for run in results[own])
    rows = []
    for label, *_ in cases:
        if label in failed:
            rows.append(f"| {title} | `{label}` | failed | | | |")
            print(f"bench: {label}: {failed[label]}", file=sys.stderr)
            continue
        wall = statistics.median(run[0] for run in results[label])
        cpu, peak = max(run[1] for run in results[label]), max(run[2] for run in results[label])
        rows.append(f"| {title} | `{label}` | {wall:.3f} s | {cpu:.3f} s | {peak / MIB:.1f} MiB | {wall / base:.2f} |")
    return rows, max(run[2] for run in results[own])


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=5, help="runs of each command (default 5)")
    options.add_argument("--entries", type=int, default=60_000, help="files in the layer of `load` (default 60000)")
    options.add_argument("--huge", type=int, default=512, help="MiB of the file that is a layer alone (default 512)")
    options.add_argument("--layers", type=int, default=500, help="layers of `mount` (default 500)")
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

    table = "\n".join(["| case | command | wall | CPU | peak memory | wall, × rootlay |", "|---|---|---|---|---|---|",
                       *rows, *more])
    table += f"\n\nPeak memory of `rootlay load` (limit: 64 MiB + 200 bytes per entry): {'; '.join(verdicts)}."
    print(table)
    if options.append:
        head = f"\n### {time.strftime('%Y-%m-%d')}: Linux {'.'.join(platform.release().split('.')[:2])}, {os.cpu_count()} cores, tmpfs\n\n"
        command = f"`scripts/bench --runs {options.runs} --entries {options.entries} --huge {options.huge}"
        command += f" --layers {options.layers}`\n\n"
        with PERFORMANCE.open("a") as file:
            file.write(head + command + table + "\n")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
