"""Witnesses for the specification: short runs of a kernel that between them go through every case of every rule, and break every twin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from random import Random
from typing import Any

import msgspec

from sendright.mach.calls import Call, Result
from sendright.mach.implementation import Implementation
from sendright.mach.profiles import Profile
from sendright.model.oracle import Oracle
from sendright.model.twins import TwinWatch
from sendright.model.witnesses import RecordedCall, Witness, calls_of, replay
from sendright.properties.generation import BYTES_PER_CALL, Calls, near_limits
from sendright.properties.judged_run import JudgedRun, can_make
from sendright.properties.rare_runs import RARE_RUNS, RareRun, make

Made = list[tuple[int, Call]]

CALL_SECONDS = 30.0
"""A call that takes longer hangs. Generous, because the search is offline and the machine may be loaded."""


class Found(msgspec.Struct, frozen=True):
    """The witnesses of one profile, and the cases that have none."""

    kept: tuple[Witness, ...]
    """Recorded before, and needed still."""
    new: tuple[Witness, ...]
    missing: tuple[str, ...]
    interrupted: bool = False
    """Ctrl-C ended the search."""


def find_witnesses(
    implementation: Callable[[], Implementation],
    profile: Profile,
    recorded: Sequence[Witness] = (),
    seed: int = 0,
    runs: int = 2000,
    calls: int = 100,
    on_progress: Callable[[int, int], None] | None = None,
) -> Found:
    """Runs that reach the cases of ``profile``'s rules and break its twins.

    Of ``recorded`` those of the profile are kept that the specification still allows and that show a case or twin that none
    before them shows. Only for the others a run is looked for: first among the calls of the rest of ``recorded`` (of any
    profile), then among rare runs and random ones. Each new run is as short as dropping calls makes it. ``on_progress`` gets
    how many of how many cases are reached. Raises Broken if the implementation disagrees with the specification; Ctrl-C ends
    the search with what is missing by then.
    """
    limits = near_limits(profile)
    twins = {twin.name for twin in TwinWatch(limits).twins}
    missing = {*Oracle(limits).all_cases, *twins}
    every = len(missing)
    kept: list[Witness] = []
    found: list[Witness] = []
    others: list[Witness] = []

    def progress() -> None:
        if on_progress:
            on_progress(every - len(missing), every)

    def reached(made: Made, wanted: set[str]) -> set[str]:
        watch = TwinWatch(limits, wanted & twins)
        return wanted & _reached(implementation(), limits, made, watch)

    for witness in recorded:
        shown = _shown_by(witness, profile, missing) if witness.profile == profile.name else set()
        (kept if shown else others).append(witness)
        missing -= shown
    progress()
    others.sort(key=lambda witness: witness.profile != profile.name)  # a run of the profile's own that a change spoilt may do with new answers
    interrupted = False
    try:
        for made in _candidates(implementation, limits, others, Random(seed), runs, calls) if missing else ():
            new = reached(made, missing)
            if new:
                run = _record(implementation(), limits, _shortest(made, partial(_equal, reached, new)))
                found.append(run)
                missing -= new
                progress()
            if not missing:
                break
    except KeyboardInterrupt:
        interrupted = True
    return Found(tuple(kept), tuple(found), tuple(sorted(missing)), interrupted)


def _candidates(
    implementation: Callable[[], Implementation], limits: Profile, recorded: Iterable[Witness], random: Random, runs: int, calls: int
) -> Iterator[Made]:
    for witness in recorded:
        yield [(task, call) for task, call in calls_of(witness) if limits.serves(call.name)]
    for rare in RARE_RUNS:
        yield _rare_run(implementation(), limits, rare)
    for _ in range(runs):
        yield _random_run(implementation(), limits, random.randbytes(BYTES_PER_CALL * calls), calls)


def _shown_by(witness: Witness, profile: Profile, wanted: set[str]) -> set[str]:
    """Which of the ``wanted`` cases and twins a recorded run shows: none, if the specification no longer allows all of its answers."""
    watch = TwinWatch(profile, wanted)
    broken: set[str] = set()
    cases = replay(witness, profile, lambda oracle, _: broken.update(watch.look(oracle)))
    if len(cases) < len(witness.steps):
        return set()
    return wanted & broken.union(*cases)


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
    """The calls made again; those that can't be made any more are left out. ``visit`` sees the oracle after each."""
    oracle = Oracle(profile)
    run = JudgedRun(implementation, oracle, profile, CALL_SECONDS)
    run.boot()
    for task, call in made:
        if can_make(run.snapshot, task, call):
            run.call(task, call)
            visit(oracle)
    return run


def _reached(implementation: Implementation, profile: Profile, made: Made, watch: TwinWatch) -> set[str]:
    """The cases that the calls go through, and the twins that they break."""
    broken: set[str] = set()
    run = _replayed(implementation, profile, made, lambda oracle: broken.update(watch.look(oracle)))
    return broken | {case for step in run.steps for case in step.cases}


def _equal(reached: Callable[[Made, set[str]], set[str]], wanted: set[str], made: Made) -> bool:
    return reached(made, wanted) == wanted


def _shortest(made: Made, enough: Callable[[Made], bool]) -> Made:
    """``made`` without the calls that aren't needed: halves first, then single calls."""
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
