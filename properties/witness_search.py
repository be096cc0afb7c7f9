"""Searches for witnesses: short runs of a kernel that together reach every case of every rule and break every
must-fail invariant."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from random import Random
from typing import Any

from sendright.mach.calls import Call, Result
from sendright.mach.implementation import Implementation
from sendright.mach.profiles import Profile
from sendright.model.oracle import Oracle
from sendright.model.twins import TwinWatch
from sendright.model.witnesses import RecordedCall, Witness
from sendright.properties.generation import BYTES_PER_CALL, Calls, near_limits
from sendright.properties.judged_run import JudgedRun, can_make
from sendright.properties.rare_runs import RARE_RUNS, RareRun, make

Made = list[tuple[int, Call]]

CALL_SECONDS = 30.0
"""A call that takes longer counts as hung. Generous, because the search is offline and the machine may be loaded."""


def find_witnesses(
    implementation: Callable[[], Implementation],
    profile: Profile,
    seed: int = 0,
    runs: int = 2000,
    calls: int = 100,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Witness], tuple[str, ...]]:
    """Runs that reach the cases of ``profile``'s rules, each shortened by dropping calls, and the cases that no run
    reached.

    ``on_progress`` gets the numbers of reached and of all cases. Raises Violated if the implementation violates the
    specification.
    """
    limits = near_limits(profile)
    missing = {*Oracle(limits).all_cases, *(twin.name for twin in TwinWatch(limits).twins)}
    every = len(missing)
    random = Random(seed)
    found: list[Witness] = []
    twins = {twin.name for twin in TwinWatch(limits).twins}

    def reached(made: Made, wanted: set[str]) -> set[str]:
        watch = TwinWatch(limits, wanted & twins)
        return wanted & _reached(implementation(), limits, made, watch)

    rare = (_rare_run(implementation(), limits, run) for run in RARE_RUNS)
    for made in chain(rare, (_random_run(implementation(), limits, random.randbytes(BYTES_PER_CALL * calls), calls) for _ in range(runs))):
        if not missing:
            break
        new = reached(made, missing)
        if new:
            missing -= new
            found.append(_record(implementation(), limits, _shortest(made, partial(_equal, reached, new))))
            if on_progress:
                on_progress(every - len(missing), every)
    return found, tuple(sorted(missing))


def _rare_run(implementation: Implementation, profile: Profile, rare: RareRun) -> Made:
    run = JudgedRun(implementation, Oracle(profile), profile, CALL_SECONDS)
    run.boot()
    made: Made = []

    def call(task: int, call: Call) -> dict[str, Any]:
        made.append((task, call))
        return run.call(task, call).outputs

    make(rare, profile, call)
    return made


def _random_run(implementation: Implementation, profile: Profile, block: bytes, calls: int) -> Made:
    run = JudgedRun(implementation, Oracle(profile), profile, CALL_SECONDS)
    run.boot()
    source = Calls(profile, block)
    made: Made = []
    while len(made) < calls and not source.over(run.snapshot):
        task, call = source.next(run.snapshot)
        made.append((task, call))
        run.call(task, call)
        source.made(run.steps[-1])
    return made


def _replayed(
    implementation: Implementation, profile: Profile, made: Iterable[tuple[int, Call]], visit: Callable[[Oracle], object] = lambda oracle: None
) -> JudgedRun:
    """Make the calls again, except those that are no longer possible. ``visit`` gets the oracle after each."""
    oracle = Oracle(profile)
    run = JudgedRun(implementation, oracle, profile, CALL_SECONDS)
    run.boot()
    for task, call in made:
        if can_make(run.snapshot, task, call):
            run.call(task, call)
            visit(oracle)
    return run


def _reached(implementation: Implementation, profile: Profile, made: Made, watch: TwinWatch) -> set[str]:
    """The cases that the calls reach, and the must-fail invariants that they break."""
    broken: set[str] = set()
    run = _replayed(implementation, profile, made, lambda oracle: broken.update(watch.look(oracle)))
    return broken | {case for step in run.steps for case in step.cases}


def _equal(reached: Callable[[Made, set[str]], set[str]], wanted: set[str], made: Made) -> bool:
    return reached(made, wanted) == wanted


def _shortest(made: Made, enough: Callable[[Made], bool]) -> Made:
    """``made`` without unnecessary calls: dropped first in halves, then singly."""
    size = len(made) // 2
    while size:
        at = 0
        while at < len(made):
            fewer = made[:at] + made[at + size :]
            if enough(fewer):
                made = fewer
            else:
                at += size
        size //= 2
    return made


def _record(implementation: Implementation, profile: Profile, made: Made) -> Witness:
    run = _replayed(implementation, profile, made)
    steps = tuple(RecordedCall(step.task, step.made, Result(step.code, step.outputs, step.created_task)) for step in run.steps)
    return Witness(profile.name, profile.urefs_max, profile.queue_limit, profile.pages, steps, profile.queue_limit_max)
