"""Doubles for tests of random runs: kernels that go wrong in one way, and oracles that see nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any

from sendright.impl.reference import ReferenceKernel
from sendright.mach.calls import Call, Result
from sendright.mach.implementation import Implementation
from sendright.mach.profiles import MANUAL, Profile
from sendright.mach.snapshot import Difference, Snapshot
from sendright.properties.generation import BYTES_PER_CALL, Calls, near_limits
from sendright.properties.judged_run import JudgedRun

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


class WrongAt(ReferenceKernel):
    """A kernel that does ``wrong`` instead of answering the call named ``at``."""

    name = "a kernel that goes wrong"
    at = "mach_port_names"
    wrong: Callable[[WrongAt], Any]

    def call(self, task: int, call: Call) -> Result:
        if call.name == self.at:
            result: Result = type(self).wrong(self)
            return result
        return super().call(task, call)


class Crashing(WrongAt):
    def wrong(self) -> Any:
        raise ZeroDivisionError("in the kernel")


class Hanging(WrongAt):
    def wrong(self) -> Any:
        time.sleep(60)


class Garbled(WrongAt):
    def wrong(self) -> Any:
        return Result(0, {"names": 5, "types": ()})


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
