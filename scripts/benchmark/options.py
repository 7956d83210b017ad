"""The options of scripts/bench."""

import argparse
import os
import pathlib
import sys

from . import filesystems, images, layout, peers

DESCRIPTION = """Times rootlay and its peers in turn, each run on a file system made for it, and prints tables: medians of wall
and CPU time, the largest peak of memory, ratios. Exits with 1 where a figure is above its limit.

Without a part --load, --layer, --mounts and --pull run.
"""
PARTS = {
    "load": "from an image on disk to a mounted view, beside the peers; its tree is compared with that of GNU tar first",
    "layer": "one layer alone: many small files, or one huge file",
    "mounts": "mount, images and mounts on a store that has everything",
    "pull": "from a registry on loopback to a mounted view",
    "cores": "the same load on one core and on all",
    "linear": "time by size, with a plot",
    "syscalls": "system calls per small file",
}
DEFAULT = {"load", "layer", "mounts", "pull"}
WITH_IMAGES = {"load", "cores", "memory", "pull", "profile"}
TOP = pathlib.Path(__file__).resolve().parents[2]


def names(allowed):
    def read(words):
        found = [word for word in words.split(",") if word]
        for word in found:
            if word not in allowed:
                raise argparse.ArgumentTypeError(f"expected some of {','.join(allowed)}, got {word!r}")
        return found
    return read


def numbers(words):
    return [int(word) for word in words.split(",")]


def named_path(word):
    name, equals, path = word.partition("=")
    if not equals or not pathlib.Path(path, "index.json").exists():
        raise argparse.ArgumentTypeError(f"expected NAME=OCI-LAYOUT, got {word!r}")
    return name, pathlib.Path(path).absolute()


def parser():
    made = argparse.ArgumentParser("scripts/bench", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = made.add_argument
    for name, text in PARTS.items():
        add(f"--{name}", action="append_const", dest="parts", const=name, help=text)
    add("--threads", type=numbers, metavar="N,…", help="peak memory of `load` with so many threads, beside the limit")
    add("--profile", metavar="IMAGE", help="write a flame graph of loading this image")
    add("--all", action="store_true", help="all parts, and --floor, but no flame graph")
    add("--floor", action="store_true", help="with --load: time each part alone with the fastest library there is")
    add("--fs", type=names(filesystems.KINDS), default=["tmpfs"], metavar="KIND,…",
        help=f"file systems: {','.join(filesystems.KINDS)} (default tmpfs)")
    add("--images", type=names(images.SHAPES), default=None, metavar="NAME,…",
        help=f"images made of the host's /usr: {','.join(images.SHAPES)} (default all, unless --image is there)")
    add("--image", type=named_path, action="append", default=[], metavar="NAME=OCI-LAYOUT", help="another image; again for more")
    add("--compression", type=names(layout.COMPRESSORS), default=None, metavar="NAME,…",
        help=f"of the layers: {','.join(layout.COMPRESSORS)} (default gzip)")
    add("--scale", type=float, default=1, help="size of the images, 1 for the usual one")
    add("--peers", type=names(peers.NAMES), default=peers.NAMES, metavar="NAME,…", help=f"of {','.join(peers.NAMES)} (default all)")
    add("--runs", type=int, default=5, help="runs of each command (default 5)")
    add("--entries", type=int, default=60_000, help="small files of --layer (default 60000)")
    add("--huge", type=int, default=512, help="MiB of the file of --layer (default 512)")
    add("--no-check", action="store_true", help="do not compare trees")
    add("--cache", type=pathlib.Path, help="where images are kept, to be used again (default: removed at the end)")
    add("--plots", type=pathlib.Path, help="where plots go (default target/plots; docs/plots with --append)")
    add("--append", action="store_true", help="also put the tables into docs/performance.md")
    add("--rootlay", type=pathlib.Path, help="measure this program (default: built in release mode)")
    add("--rootlay-option", dest="rootlay_options", action="append", default=[], metavar="OPTION",
        help="a global option of rootlay, as in --rootlay-option=--threads=1")
    add("--scratch", type=pathlib.Path, help=argparse.SUPPRESS)
    add("--built", type=pathlib.Path, help=argparse.SUPPRESS)
    return made


def parse(arguments):
    """The options, with what follows from them."""
    chosen = parser().parse_args(arguments)
    chosen.rootlay = chosen.rootlay or chosen.built
    if not chosen.rootlay or not chosen.scratch:
        sys.exit("bench: run scripts/bench")
    chosen.rootlay, chosen.scratch = chosen.rootlay.absolute(), chosen.scratch.absolute()
    chosen.parts = set(chosen.parts or [])
    if chosen.all:
        chosen.parts, chosen.floor, chosen.threads = set(PARTS), True, chosen.threads or [1, 2, 8]
    if chosen.threads:
        chosen.parts.add("memory")
    if chosen.profile:
        chosen.parts.add("profile")
    if chosen.floor and not chosen.parts:
        chosen.parts = {"load"}
    chosen.parts = chosen.parts or DEFAULT
    if chosen.images is None:
        chosen.images = [] if chosen.image else list(images.SHAPES)
    chosen.compression = chosen.compression or ["gzip"]
    chosen.cache = (chosen.cache or chosen.scratch / "cache").absolute()
    chosen.plots = (chosen.plots or TOP / ("docs/plots" if chosen.append else "target/plots")).absolute()
    chosen.cores_used = len(os.sched_getaffinity(0))
    return chosen
