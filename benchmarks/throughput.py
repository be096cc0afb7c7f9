"""How many calls a second: the reference kernel alone, with the specification, with Hypothesis in front; and
Hypothesis's own machine.

All are measured in turn, several rounds in one run, over the same calls. What counts are the ratios: they say the same
on any machine.

    python benchmarks/throughput.py [--rounds N] [--runs N] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from rich.console import Console
from rich.progress import track
from rich.table import Table

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import MANUAL
from sendright.model.execution.oracle import Oracle
from sendright.properties.check import check
from sendright.properties.generation.calls import BYTES_PER_CALL, Calls, near_limits
from sendright.properties.runs.run import Run

STEPS = 100
"""Calls in a run."""
PROFILE = near_limits(MANUAL)
Recorded = list[list[tuple[int, Call]]]
"""Of each run, who made which call."""


def record(runs: int) -> Recorded:
    """Random calls, as ``sendright check`` makes them."""
    recorded: Recorded = []
    kernel = ReferenceKernel()
    for seed in range(runs):
        run = Run(kernel, Oracle(PROFILE), PROFILE)
        run.boot()
        calls = Calls(PROFILE, Random(seed).randbytes(STEPS * BYTES_PER_CALL))
        made = []
        while len(made) < STEPS and not calls.over(run.snapshot):
            made.append(calls.next(run.snapshot))
            calls.made(run.step(*made[-1]))
        recorded.append(made)
    return recorded


def kernel_alone(recorded: Recorded) -> int:
    """The calls, and nothing else."""
    kernel = ReferenceKernel()
    for run in recorded:
        kernel.boot(PROFILE)
        for task, call in run:
            kernel.call(task, call)
    return sum(map(len, recorded))


def kernel_and_snapshots(recorded: Recorded) -> int:
    """The calls, and all that there is after each."""
    kernel = ReferenceKernel()
    for run in recorded:
        kernel.boot(PROFILE)
        for task, call in run:
            kernel.call(task, call)
            kernel.snapshot()
    return sum(map(len, recorded))


def judged(recorded: Recorded) -> int:
    """The calls, each judged by the specification; the end of each run, by the invariants and the derivation of all
    rights.
    """
    kernel = ReferenceKernel()
    for calls in recorded:
        run = Run(kernel, Oracle(PROFILE), PROFILE)
        run.boot()
        for task, call in calls:
            run.step(task, call)
        run.finish()
    return sum(map(len, recorded))


def judged_behind_hypothesis(recorded: Recorded) -> int:
    """As many runs of ``sendright check``."""
    return check(ReferenceKernel, Oracle, MANUAL, examples=len(recorded), steps=STEPS).calls


def empty_machine(recorded: Recorded) -> int:
    """Hypothesis's RuleBasedStateMachine with one rule that does nothing; fewer runs, since it takes long."""
    steps = 0

    class Empty(RuleBasedStateMachine):
        @rule()
        def nothing(self) -> None:
            nonlocal steps
            steps += 1

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Empty,
        settings=settings(
            max_examples=max(1, len(recorded) // 5),
            stateful_step_count=STEPS,
            database=None,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
    return steps


@dataclass(frozen=True)
class Measured:
    """One way to make calls, and how many it made a second, round by round."""

    words: str
    make: Callable[[Recorded], int]
    rates: list[float]

    @property
    def median(self) -> float:
        """Calls a second."""
        return statistics.median(self.rates)


def measure(rounds: int, runs: int) -> list[Measured]:
    """All ways, in turn."""
    ways = [
        Measured("reference kernel alone", kernel_alone, []),
        Measured("… and snapshots", kernel_and_snapshots, []),
        Measured("… judged by the specification", judged, []),
        Measured("… with Hypothesis in front (sendright check)", judged_behind_hypothesis, []),
        Measured("RuleBasedStateMachine, one empty rule", empty_machine, []),
    ]
    recorded = record(runs)
    for _ in track(range(rounds), "Measuring", console=Console(stderr=True), transient=True):
        for way in ways:
            began = time.perf_counter()
            made = way.make(recorded)
            way.rates.append(made / (time.perf_counter() - began))
    return ways


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: 5)")
    parser.add_argument("--runs", type=int, default=50, help=f"runs of {STEPS} calls in each round (default: 50)")
    parser.add_argument("--json", action="store_true", help="one JSON object, for machines")
    asked = parser.parse_args()
    if asked.rounds < 1 or asked.runs < 1:
        parser.error("--rounds and --runs are at least 1")
    ways = measure(asked.rounds, asked.runs)
    alone, empty = ways[0].median, ways[-1].median
    if asked.json:
        rows = [{"what": way.words, "calls_per_second": way.rates, "to_alone": way.median / alone, "to_empty": way.median / empty} for way in ways]
        json.dump(rows, sys.stdout)
        return
    table = Table("", "calls a second (median)", "least", "most", "to the kernel alone", "to the empty machine")
    for way in ways:
        ratios = f"1 : {alone / way.median:.1f}", f"{way.median / empty:.1f} : 1"
        table.add_row(way.words, *(f"{rate:,.0f}" for rate in (way.median, min(way.rates), max(way.rates))), *ratios)
    console = Console()
    (console if console.is_terminal else Console(width=140)).print(table)


if __name__ == "__main__":
    main()
