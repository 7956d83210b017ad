"""Measured runs: what a command costs, and commands that take turns."""

import dataclasses
import pathlib
import statistics
import subprocess
import sys

MIB = 1 << 20


@dataclasses.dataclass
class Cost:
    """Wall and CPU seconds of a run, and the largest peak of resident memory in bytes."""

    wall: float
    cpu: float
    peak: int


@dataclasses.dataclass
class Case:
    """One of the commands that take turns. `commands` and `before` get what `prepare` of the turn gave."""

    label: str
    commands: object
    before: object = None
    after: object = None
    # Changes the cost by what runs elsewhere, in a daemon.
    account: object = None
    verifies: bool = False
    directory: object = None


class Failed(Exception):
    """A command that was to be measured failed."""


def compile_c(name, scratch, *libraries):
    """Compiles one of the C programs of this directory."""
    source, program = pathlib.Path(__file__).with_name(f"{name}.c"), scratch / name
    if not program.exists():
        subprocess.run(["cc", "-O2", "-o", program, source, *libraries], check=True)
    return program


class Stopwatch:
    def __init__(self, scratch):
        self.program, self.result = compile_c("spawn", scratch), scratch / "cost"

    def run(self, *commands, cwd=None):
        """Runs commands one after the other; they count as one."""
        words = [word for command in commands for word in (";", *map(str, command))][1:]
        done = subprocess.run([self.program, self.result, *words], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()[-2000:]
            raise Failed(f"{commands[0][0]}: exit {done.returncode}: {said}")
        wall, user, system, peak = self.result.read_text().split()
        return Cost(float(wall), float(user) + float(system), int(peak) * 1024)


@dataclasses.dataclass
class Result:
    """All runs of one case."""

    case: Case
    costs: list = dataclasses.field(default_factory=list)
    failure: str = ""

    @property
    def wall(self):
        return statistics.median(cost.wall for cost in self.costs)

    @property
    def fastest(self):
        return min(cost.wall for cost in self.costs)

    @property
    def cpu(self):
        return statistics.median(cost.cpu for cost in self.costs)

    @property
    def peak(self):
        return max(cost.peak for cost in self.costs)


def compare(cases, runs, stopwatch, prepare=lambda: None):
    """Runs the cases in turn, so that a change of the machine's speed meets all of them. The first must not fail."""
    results = [Result(case) for case in cases]
    for _ in range(runs):
        for result in results:
            if not result.failure:
                attempt(result, stopwatch, prepare)
    if results[0].failure:
        sys.exit(f"bench: {cases[0].label}: {results[0].failure}")
    return results


def attempt(result, stopwatch, prepare):
    case, place = result.case, prepare()
    try:
        if case.before:
            case.before(place)
        cost = stopwatch.run(*case.commands(place), cwd=case.directory)
        result.costs.append(case.account(cost) if case.account else cost)
    except (Failed, OSError, subprocess.SubprocessError) as error:
        result.failure = str(error)
        print(f"bench: {case.label}: {error}", file=sys.stderr)
    finally:
        if case.after:
            case.after(place)
