"""Commands that unpack an image: rootlay and what else a distribution has. All write below the directory they get."""

import shutil

from . import containerd, filesystems, layout
from .measure import Case

NAMES = ["tar", "bsdtar", "umoci", "skopeo", "buildah", "containerd"]


class Image:
    """An image on disk with its name, and what peers need to know of it."""

    def __init__(self, name, path, title=None, small=False):
        self.name, self.path, self.title, self.small = name, path, title or name, small
        self.layers = layout.layers(path)

    @property
    def compression(self):
        return self.layers[0].compression


def rootlay(program, image, *options):
    """`load`, then `mount`."""
    def state(place):
        return [program, "--root", place / "state", "-q", *options]

    def commands(place):
        return [[*state(place), "load", "--name", "bench", f"oci:{image.path}"], [*state(place), "mount", "bench"]]

    def after(place):
        # Not with `umount`: that would be another run of rootlay, and nothing depends on it.
        filesystems.detach(place / "state")

    return Case("rootlay load + mount", commands, after=after, verifies=True)


def of_tar(program):
    def make(image, _):
        def before(place):
            for number in range(len(image.layers)):
                (place / str(number)).mkdir()

        def commands(place):
            return [[program, "-xpf", layer.blob, "-C", place / str(number)] for number, layer in enumerate(image.layers)]

        return Case(f"{program} -xpf, layer by layer", commands, before)
    return make


def umoci(image, _):
    if image.compression == "zstd":
        return "no zstd"
    source = f"{image.path}:latest"
    return Case("umoci raw unpack", lambda place: [["umoci", "raw", "unpack", "--image", source, place / "rootfs"]],
                verifies=True)


def umoci_bundle(image, _):
    if image.compression == "zstd":
        return "no zstd"
    return Case("umoci unpack", lambda place: [["umoci", "unpack", "--image", f"{image.path}:latest", place / "bundle"]],
                verifies=True)


def skopeo(image, _):
    def commands(place):
        store = f"containers-storage:[overlay@{place}/graph+{place}/run]bench:1"
        return [["skopeo", "copy", "--quiet", f"oci:{image.path}:latest", store]]

    return Case("skopeo copy, containers/storage", commands, after=lambda place: filesystems.detach(place / "graph"),
                verifies=True)


def buildah(image, _):
    def commands(place):
        own = ["buildah", "--root", place / "graph", "--runroot", place / "run", "--storage-driver", "overlay"]
        return [[*own, "from", "--quiet", "--name", "bench", f"oci:{image.path.name}:latest"], [*own, "mount", "bench"]]

    # It names the image after the path, and a name has no capital letters.
    return Case("buildah from + mount", commands, after=lambda place: filesystems.detach(place / "graph"), verifies=True,
                directory=image.path.parent)


MAKERS = {
    "tar": [("tar", of_tar("tar"))],
    "bsdtar": [("bsdtar", of_tar("bsdtar"))],
    "umoci": [("umoci", umoci), ("umoci", umoci_bundle)],
    "skopeo": [("skopeo", skopeo)],
    "buildah": [("buildah", buildah)],
    "containerd": [("containerd", containerd.case)],
}


def cases(image, wanted, scratch):
    """The cases of the peers that are here, and why the others are not."""
    found, absent = [], []
    for name in wanted:
        for program, make in MAKERS[name]:
            case = make(image, scratch) if shutil.which(program) else f"{program} is not installed"
            if isinstance(case, str):
                absent.append(f"{name}: {case}")
            else:
                found.append(case)
    return found, list(dict.fromkeys(absent))
