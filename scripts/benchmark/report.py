"""Tables, on standard output and in docs/performance.md."""

import os
import pathlib
import platform
import shlex
import time

from .measure import MIB

PERFORMANCE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "performance.md"
RESULTS = "## Results\n"
ADDED = len(["--scratch", "DIR", "--built", "FILE"])


class Report:
    """Prints what is found at once, and keeps it."""

    def __init__(self):
        self.kept, self.broken = [], []

    def say(self, *lines):
        self.kept.extend(lines)
        print(*lines, sep="\n", flush=True)

    def head(self, title):
        self.say("", f"#### {title}", "")

    def table(self, columns, rows):
        self.say("| " + " | ".join(columns) + " |", "|" + "---|" * len(columns))
        for row in rows:
            self.say("| " + " | ".join(map(str, row)) + " |")
        self.say("")

    def limit(self, text, met):
        """A figure that has a limit; what is above it makes the exit status 1."""
        self.say(f"- {text}: {'within the limit' if met else 'ABOVE THE LIMIT'}")
        if not met:
            self.broken.append(text)

    def results(self, results):
        """The table of commands that took turns; the ratios refer to the first."""
        base, rows = results[0].wall, []
        for result in results:
            label = f"`{result.case.label}`"
            if result.failure:
                rows.append([label, "failed", "", "", ""])
                continue
            rows.append([label, seconds(result.wall), seconds(result.cpu), f"{result.peak / MIB:.1f} MiB",
                         f"{result.wall / base:.2f}"])
        self.table(["command", "wall", "CPU", "peak memory", "wall, × the first"], rows)

    def append(self, arguments):
        """Puts everything at the end of the results in docs/performance.md, without what scripts/bench added in front."""
        kernel = ".".join(platform.release().split(".")[:2])
        head = f"### {time.strftime('%Y-%m-%d')}: Linux {kernel}, {os.cpu_count()} cores, {model()}\n\n"
        text = head + f"`scripts/bench {shlex.join(arguments[ADDED:])}`\n" + "\n".join(self.kept).rstrip() + "\n"
        before, mark, after = PERFORMANCE.read_text().partition(RESULTS)
        results, heading, rest = after.partition("\n## ")
        earlier = [results.strip("\n") + "\n"] if results.strip("\n") else []
        PERFORMANCE.write_text("\n".join([before + mark, *earlier, text]) + heading + rest)


def seconds(value):
    return f"{value:.3f} s" if value >= 0.1 else f"{value * 1000:.2f} ms"


def model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
