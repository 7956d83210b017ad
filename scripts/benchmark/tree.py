"""Compares a merged tree with what GNU tar makes of the same layers. Figures of a wrong tree are worth nothing.

The images have no whiteouts, so extracting one layer over the other gives the merged tree.
"""

import filecmp
import os
import pathlib
import stat
import subprocess

# Without the last one the time of a directory that is come back to is that of the extraction.
EXACT = ["--same-owner", "--numeric-owner", "--delay-directory-restore"]


def extract(layers, place):
    for layer in layers:
        subprocess.run(["tar", "-xpf", layer.blob, *EXACT, "-C", place], check=True)


def implied(layers):
    """Directories that a layer has files in and no entry for: what their metadata is, tar and OverlayFS see in different
    ways."""
    found = {"."}
    for layer in layers:
        listing = subprocess.run(["tar", "-tf", layer.blob, "--quoting-style=literal"], check=True, capture_output=True).stdout
        names = {name.removeprefix("./") for name in os.fsdecode(listing).split("\n") if name}
        have = {name.rstrip("/") for name in names if name.endswith("/")}
        found |= {str(parent) for name in names for parent in parents(name) if str(parent) not in have}
    return found


def parents(name):
    return pathlib.PurePosixPath(name.rstrip("/")).parents


def listing(top):
    """(path below top, status) of everything, in the order of the paths."""
    found = {}
    for directory, below, names in os.walk(top):
        for name in below + names:
            path = os.path.join(directory, name)
            found[os.path.relpath(path, top)] = os.lstat(path)
    return found


def facts(status, known):
    size = status.st_size if stat.S_ISREG(status.st_mode) else 0
    if not known:
        return stat.S_IFMT(status.st_mode)
    return status.st_mode, status.st_uid, status.st_gid, size, status.st_mtime_ns, status.st_rdev


def differences(merged, expected, skipped, limit=10):
    """What is not the same in two trees."""
    left, right, found = listing(merged), listing(expected), []
    found += [f"{path}: only in one tree" for path in sorted(left.keys() ^ right.keys())[:limit]]
    first_left, first_right = {}, {}
    for path in sorted(left.keys() & right.keys()):
        one, other = left[path], right[path]
        here, there = os.path.join(merged, path), os.path.join(expected, path)
        known = path not in skipped
        if facts(one, known) != facts(other, known):
            found.append(f"{path}: {facts(one, known)} instead of {facts(other, known)}")
        elif stat.S_ISLNK(one.st_mode) and os.readlink(here) != os.readlink(there):
            found.append(f"{path}: another target")
        elif stat.S_ISREG(one.st_mode):
            # The first name of the same inode must be the same name.
            if first_left.setdefault(one.st_ino, path) != first_right.setdefault(other.st_ino, path):
                found.append(f"{path}: a link to another file")
            elif not filecmp.cmp(here, there, shallow=False):
                found.append(f"{path}: other content")
        if len(found) >= limit:
            break
    return found, len(right)
