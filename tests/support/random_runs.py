"""Runs of random calls on the reference kernel, which no specification judges."""

from __future__ import annotations

from random import Random

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import MANUAL, Profile
from sendright.mach.state.snapshot import Difference, Snapshot
from sendright.properties.generation.calls import BYTES_PER_CALL, Calls, near_limits
from sendright.properties.runs.judged_run import JudgedRun

SMALL = near_limits(MANUAL)
LONGEST_RUN = 500


class Agreed:
    """A judgement that finds nothing wrong."""

    agreed = True
    cases: tuple[str, ...] = ()
    clause = ""
    words = ""
    differences: tuple[Difference, ...] = ()


class Agreeing:
    """An oracle that takes everything that an implementation does for right."""

    all_cases: tuple[str, ...] = ()

    def __init__(self, implementation: Implementation) -> None:
        self.implementation = implementation

    def judge(self, task: int, call: Call, result: Result, shown: Snapshot | None = None) -> Agreed:
        return Agreed()

    def snapshot(self) -> Snapshot:
        return self.implementation.snapshot()


def random_run(seed: int, calls: int, profile: Profile = SMALL, kernel: Implementation | None = None) -> tuple[JudgedRun, Calls]:
    """A run of random calls that nobody judges, and the source of more calls."""
    kernel = kernel or ReferenceKernel()
    run = JudgedRun(kernel, Agreeing(kernel), profile, 5.0)
    run.boot()
    source = Calls(profile, Random(seed).randbytes(LONGEST_RUN * BYTES_PER_CALL))
    go_on(run, source, calls)
    return run, source


def go_on(run: JudgedRun, source: Calls, calls: int) -> None:
    """Make more calls."""
    for _ in range(calls):
        if source.over(run.snapshot):
            return
        run.call(*source.next(run.snapshot))
        source.made(run.steps[-1])
