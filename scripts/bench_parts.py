"""What the benchmarks share: images, fresh file systems, measured runs."""

import gzip
import hashlib
import io
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tarfile
import time

MIB = 1 << 20


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
