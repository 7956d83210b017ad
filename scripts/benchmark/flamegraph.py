"""A flame graph of a load: `perf record`, folded into stacks, drawn as SVG."""

import collections
import re
import subprocess
import zlib
from xml.sax.saxutils import escape, quoteattr

from .filesystems import FreshFileSystem

WIDTH, ROW, LEAST = 1400, 17, 0.3
FRAME = re.compile(r"^\s+[0-9a-f]+ (.+?)(?:\+0x[0-9a-f]+)? \((.*)\)$")
HASH = re.compile(r"::h[0-9a-f]{16}$")


def folded(script):
    """Stacks, outermost first, and how many samples each has, from the output of `perf script`."""
    stacks, command, frames = collections.Counter(), None, []
    for line in [*script.splitlines(), ""]:
        if not line.strip():
            if command:
                stacks[(command, *reversed(frames))] += 1
            command, frames = None, []
        elif not line[0].isspace():
            command = line.split()[0]
        elif found := FRAME.match(line):
            name = HASH.sub("", found[1])
            frames.append(f"{name} [kernel]" if "kernel" in found[2] or found[2] == "[unknown]" else name)
    return stacks


class Frame:
    """A function below its caller; `samples` counts what is below it as well."""

    def __init__(self):
        self.samples, self.below = 0, {}

    def add(self, stack, samples):
        self.samples += samples
        if stack:
            self.below.setdefault(stack[0], Frame()).add(stack[1:], samples)

    def depth(self):
        return 1 + max((frame.depth() for frame in self.below.values()), default=0)


def colour(name):
    hue = zlib.crc32(name.encode())
    if name.endswith("[kernel]"):
        return f"rgb({90 + hue % 60},{150 + hue % 50},{200 + hue % 50})"
    return f"rgb({225 + hue % 30},{90 + hue % 120},{50 + hue % 40})"


def boxes(name, frame, left, level, scale, total, height):
    width = frame.samples * scale
    if width < LEAST:
        return []
    top = height - (level + 1) * ROW
    title = f"{name}: {frame.samples} samples, {frame.samples / total:.1%}"
    fits = int(width / 6.6)
    short = name if len(name) <= fits else name[:max(0, fits - 1)] + "…"
    drawn = [f"<g><title>{escape(title)}</title>"
             f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{ROW - 1}" fill={quoteattr(colour(name))}/>'
             + (f'<text x="{left + 2:.1f}" y="{top + 12}">{escape(short)}</text>' if fits > 3 else "") + "</g>"]
    for below, inner in sorted(frame.below.items()):
        drawn += boxes(below, inner, left, level + 1, scale, total, height)
        left += inner.samples * scale
    return drawn


def svg(stacks, title):
    root = Frame()
    for stack, samples in stacks.items():
        root.add(stack, samples)
    height = root.depth() * ROW
    drawn = boxes(title, root, 0, 0, WIDTH / max(1, root.samples), max(1, root.samples), height)
    style = "text{font:11px monospace} rect{stroke:white;stroke-width:.3} g:hover rect{stroke:black}"
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">', f"<style>{style}</style>",
                      *drawn, "</svg>", ""])


def record(options, report, image):
    """Writes the graph of one load."""
    data, kind = options.scratch / "perf.data", options.fs[0]
    with FreshFileSystem(kind, options.scratch) as fresh:
        place = fresh.renew()
        command = ["perf", "record", "-q", "-F", "499", "--call-graph", "dwarf,16384", "-o", data, "--", options.rootlay,
                   "--root", place / "state", "-q", *options.rootlay_options, "load", "--name", "bench", f"oci:{image.path}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    script = subprocess.run(["perf", "script", "--no-inline", "-F", "comm,ip,sym,dso", "-i", data], check=True,
                            capture_output=True, text=True, errors="replace").stdout
    data.unlink()
    stacks = folded(script)
    options.plots.mkdir(parents=True, exist_ok=True)
    path = options.plots / f"flame-{image.name}.svg"
    path.write_text(svg(stacks, f"load of {image.name} on {kind}"))
    report.head(f"Where `load` of {image.title} on {kind} spends its time")
    own = collections.Counter()
    for stack, samples in stacks.items():
        own[stack[-1]] += samples
    total = max(1, sum(own.values()))
    report.table(["function", "samples of its own"], [[f"`{name}`", f"{samples / total:.1%}"] for name, samples in own.most_common(15)])
    report.say(f"- flame graph: `{path.name}`")
