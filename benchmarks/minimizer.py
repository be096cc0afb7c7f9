"""How often does the minimizer give a longer run than another seed's for the same fault?

Each seed makes random runs of a kernel with a fault until one fails. That run is minimized twice: as ``sendright
check`` does it, and by local reductions only. The runs that show the same fault in the same way (``minimizer.Fault``)
are compared: the shortest of any seed, by either way, is the shortest that is known. The shares come from one run, so
they don't depend on how fast the machine is.

    python benchmarks/minimizer.py [--seeds N] [--fault F …] [--examples N] [--seconds S] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import deep_faults
from rich.console import Console
from rich.progress import track
from rich.table import Table

from sendright.impl.faults import FAULTS
from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.state.trace import Trace
from sendright.model.execution.oracle import Oracle
from sendright.properties.check import check
from sendright.properties.generation.calls import near_limits
from sendright.properties.minimization.minimizer import Fault, Minimizer

PROFILE = PROFILES["manual"]
WAYS = ("local", "whole")


class LocalMinimizer(Minimizer):
    """The minimizer without changes of a run's structure."""

    def _restructure(self) -> bool:
        return False


Seeded = tuple[Callable[[], Implementation], Callable[[], AbstractContextManager[None]]]


def all_faults() -> dict[str, Seeded]:
    """Kernels with a fault: of each what builds it, and the block in which it has the fault."""
    kernels: dict[str, Seeded] = {name: (fault.kernel, nullcontext) for name, fault in FAULTS.items()}
    deep = [fault for fault in deep_faults.FAULTS.values() if fault.change is not None and PROFILE.name in fault.profiles]
    return kernels | {fault.name: (ReferenceKernel, fault.seeded) for fault in deep}


def failing(kernel: Callable[[], Implementation], seed: int, examples: int) -> Trace | None:
    """The first random run that fails, as it was; None: none did."""
    return check(kernel, Oracle, PROFILE, examples=examples, seed=seed, minimize_seconds=0).failure


def minimized(way: str, trace: Trace, kernel: Callable[[], Implementation], seconds: float) -> tuple[int, int, float]:
    """The length of the minimized run, the number of runs tried, and how long that took."""
    start = time.process_time()
    minimizer = (LocalMinimizer if way == "local" else Minimizer)(trace, kernel, Oracle, near_limits(PROFILE), seconds=seconds)
    found = minimizer.minimize()
    return len(found.trace.steps), found.runs, time.process_time() - start


def measured(names: list[str], seeds: int, examples: int, seconds: float) -> Iterator[tuple[str, int, dict[str, tuple[int, int, float]]]]:
    """For each failing run: the fault that it shows, the seed, and what each way made of it."""
    kernels = all_faults()
    work = [(name, seed) for name in names for seed in range(seeds)]
    for name, seed in track(work, "minimizing", console=Console(stderr=True), transient=True):
        kernel, seeded = kernels[name]
        with seeded():
            trace = failing(kernel, seed, examples)
            if trace is not None:
                fault = Fault.of(trace.violations[0], trace)
                shown = f"{name}: {fault.kind} by {fault.call} {fault.code} {' '.join(fault.codes)} {fault.clause}".strip()
                yield shown, seed, {way: minimized(way, trace, kernel, seconds) for way in WAYS}


def main() -> int:
    """Measure and print. The exit status is 1 if runs longer than the shortest known are more than one in twenty."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="seeds for each fault")
    parser.add_argument("--fault", action="append", choices=sorted(all_faults()), help="only this fault; may be repeated")
    parser.add_argument("--examples", type=int, default=200, help="random runs at most, until one fails")
    parser.add_argument("--seconds", type=float, default=20.0, help="time for minimizing one run")
    parser.add_argument("--json", action="store_true", help="print one JSON value")
    options = parser.parse_args()
    groups: dict[str, list[dict[str, tuple[int, int, float]]]] = defaultdict(list)
    for shown, _, ways in measured(options.fault or sorted(all_faults()), options.seeds, options.examples, options.seconds):
        groups[shown].append(ways)
    summary = {way: summed(groups, way) for way in WAYS}
    if options.json:
        print(
            json.dumps({"ways": summary, "groups": {shown: {way: [each[way][0] for each in runs] for way in WAYS} for shown, runs in groups.items()}})
        )
    else:
        table = Table("fault, and how it shows", *(f"lengths, {way}" for way in WAYS))
        for shown, runs in sorted(groups.items()):
            table.add_row(shown, *(" ".join(map(str, sorted(each[way][0] for each in runs))) for way in WAYS))
        Console().print(table)
        for way, told in summary.items():
            share = f"{told['longer']} of {told['runs']} results are longer than the shortest known"
            print(f"{way}: {share}; {told['tried']} runs tried, {told['seconds']:.1f} s of processor time")
    runs = summary["whole"]["runs"]
    return int(runs == 0 or summary["whole"]["longer"] > runs / 20)


def summed(groups: dict[str, list[dict[str, tuple[int, int, float]]]], way: str) -> dict[str, float]:
    """How many results of ``way`` are longer than the shortest of their group, and what they cost."""
    longer = 0
    for runs in groups.values():
        shortest = min(each[other][0] for each in runs for other in WAYS)
        longer += sum(each[way][0] > shortest for each in runs)
    every = [each[way] for runs in groups.values() for each in runs]
    return {"runs": len(every), "longer": longer, "tried": sum(tried for _, tried, _ in every), "seconds": sum(spent for *_, spent in every)}


if __name__ == "__main__":
    sys.exit(main())
