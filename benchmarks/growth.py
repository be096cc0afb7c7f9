"""How the cost of a judged call grows with the system: at 10, 100 and 1,000 tasks and ports.

At each size a system is built in which half of all that there is are tasks and half are ports that the tasks have made,
each with a message in its queue. Then the same calls are made at all sizes, and each is judged: the call itself, the
state after it, the specification's answer and state, and the comparison of both. All sizes are measured in turn,
several rounds in one run, and what counts are the ratios to the smallest size: they say the same on any machine.

    python benchmarks/growth.py [--rounds N] [--sizes N,N,...] [--json] [--plot FILE.svg]

``--plot`` needs matplotlib: ``pip install -r requirements/benchmark.txt``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Right
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import MANUAL
from sendright.model.execution.oracle import Oracle
from sendright.properties.runs.judged_run import JudgedRun

PROFILE = MANUAL
REPEATS = 20
"""How often each group of calls is made in a round."""


class Grown:
    """A judged run whose system has been built up to some size. The bootstrap task makes all calls."""

    def __init__(self, size: int) -> None:
        """``size`` tasks, each with its port, and as many ports that users made."""
        self.run = JudgedRun(ReferenceKernel(), Oracle(PROFILE), PROFILE, 60.0)
        self.run.boot()
        self.own = self.make("mach_task_self", "port")
        self.children = [self.make("task_create", "child_task", parent_task=self.own) for _ in range(size - 1)]
        self.ports = [self.port() for _ in range(size)]
        for port in self.ports:
            self.send(port)

    def make(self, name: str, /, output: str = "", **arguments: object) -> int:
        """A call that must succeed; one of its outputs."""
        result = self.run.call(0, Call(name, arguments))
        assert result.code == ReturnCode.KERN_SUCCESS, (name, result)
        return int(result.outputs[output]) if output else 0

    def port(self) -> int:
        return self.make("mach_port_allocate", "name", task=self.own, right=int(Right.RECEIVE))

    def send(self, port: int, **arguments: object) -> None:
        self.make("mach_msg_send", dest=port, dest_disposition=int(Disposition.MAKE_SEND_ONCE), **arguments)

    # ---- groups of calls; each leaves the system as large as it was

    def look(self) -> int:
        """Calls that change nothing."""
        self.make("mach_port_type", task=self.own, name=self.own)
        self.make("mach_port_get_refs", task=self.own, name=self.ports[0], right=int(Right.RECEIVE))
        return 2

    def send_and_receive(self) -> int:
        """A message with a right goes through a port of its own."""
        port = self.ports[-1]
        self.send(port, descriptors=((self.ports[0], int(Disposition.MAKE_SEND)),))
        self.make("mach_msg_receive", port=port)
        return 2

    def ports_come_and_go(self) -> int:
        """A port is made, gets a message, and is destroyed."""
        port = self.port()
        self.send(port)
        self.make("mach_port_destroy", task=self.own, name=port)
        return 3

    def tasks_come_and_go(self) -> int:
        """A task is made and ends."""
        child = self.make("task_create", "child_task", parent_task=self.own)
        self.make("task_terminate", task=child)
        self.make("mach_port_deallocate", task=self.own, name=child)
        return 3


GROUPS: dict[str, Callable[[Grown], int]] = {
    "look at a name": Grown.look,
    "send and receive": Grown.send_and_receive,
    "make and destroy a port": Grown.ports_come_and_go,
    "make and end a task": Grown.tasks_come_and_go,
}


@dataclass(frozen=True)
class Measured:
    """One size: what a judged call took of each group, in seconds, round by round."""

    size: int
    seconds: dict[str, list[float]] = field(default_factory=lambda: {group: [] for group in GROUPS})

    def median(self, group: str) -> float:
        """Seconds for a judged call of the group."""
        return statistics.median(self.seconds[group])

    @property
    def mean(self) -> float:
        """Seconds for a judged call, all groups alike."""
        return statistics.mean(self.median(group) for group in GROUPS)

    def plain(self, first: Measured) -> dict[str, object]:
        """For machines; ratios are to the ``first`` size."""
        groups = {name: {"seconds": self.seconds[name], "ratio": self.median(name) / first.median(name)} for name in GROUPS}
        return {"size": self.size, "groups": groups, "ratio": self.mean / first.mean}


def measure(sizes: list[int], rounds: int, repeats: int = REPEATS) -> list[Measured]:
    """All sizes, in turn."""
    console = Console(stderr=True)
    grown = [Grown(size) for size in track(sizes, "Building", console=console, transient=True)]
    found = [Measured(size) for size in sizes]
    for _ in track(range(rounds), "Measuring", console=console, transient=True):
        for system, measured in zip(grown, found, strict=True):
            for name, group in GROUPS.items():
                system.run.steps.clear()  # a trace is kept by whoever makes the run; it isn't what is measured
                began = time.perf_counter()
                calls = sum(group(system) for _ in range(repeats))
                measured.seconds[name].append((time.perf_counter() - began) / calls)
    return found


def plot(found: list[Measured], file: Path) -> None:
    """The ratios over the sizes, on logarithmic axes, beside a line for what is proportional to the size."""
    from matplotlib.figure import Figure  # type: ignore[import-not-found,unused-ignore]

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    sizes = [measured.size for measured in found]
    for name in GROUPS:
        axes.plot(sizes, [measured.median(name) / found[0].median(name) for measured in found], marker="o", label=name)
    axes.plot(sizes, [size / sizes[0] for size in sizes], linestyle=":", color="grey", label="proportional to the size")
    axes.set(xscale="log", yscale="log", xlabel="tasks, and as many ports", ylabel=f"cost of a judged call, to {sizes[0]} tasks")
    axes.legend()
    figure.savefig(file)


def table(found: list[Measured]) -> Table:
    """What people read."""
    shown = Table("", *(f"{measured.size:,} tasks and ports" for measured in found), title="A judged call")
    for name in GROUPS:
        shown.add_row(name, *(f"{1e6 * m.median(name):,.0f} µs ({m.median(name) / found[0].median(name):.1f} : 1)" for m in found))
    shown.add_row("all alike", *(f"{1e6 * m.mean:,.0f} µs ({m.mean / found[0].mean:.1f} : 1)" for m in found), style="bold")
    return shown


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="10,100,1000", help="numbers of tasks, and of ports, ascending (default: 10,100,1000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: 5)")
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"how often each group of calls is made in a round (default: {REPEATS})")
    parser.add_argument("--json", action="store_true", help="one JSON object, for machines")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="a picture, SVG or PNG by its name")
    asked = parser.parse_args(arguments)
    try:
        sizes = [int(size) for size in asked.sizes.split(",")]
    except ValueError:
        parser.error(f"--sizes: {asked.sizes!r} are no numbers")
    if min(asked.rounds, asked.repeats, *sizes) < 1:
        parser.error("sizes, --rounds and --repeats are at least 1")
    found = measure(sizes, asked.rounds, asked.repeats)
    if asked.plot:
        plot(found, asked.plot)
    if asked.json:
        json.dump({"sizes": [measured.plain(found[0]) for measured in found]}, sys.stdout)
        return
    console = Console()
    (console if console.is_terminal else Console(width=140)).print(table(found))


if __name__ == "__main__":
    main()
