"""Searches for witnesses: short runs of a kernel that together reach every case of every rule and break every
must-fail invariant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

import msgspec

from sendright.mach.kernel.bases import base_of
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import Profile
from sendright.mach.kernel.unmodelled import Unmodelled, as_judged
from sendright.mach.signatures import with_defaults
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import RecordedCall, Witness, calls_of, replay
from sendright.model.proof.must_fail import MustFailWatch
from sendright.properties.generation.calls import BYTES_PER_CALL, Calls, near_limits
from sendright.properties.generation.scenarios import RARE_RUNS, RareRun, make
from sendright.properties.runs.judged_run import JudgedRun, can_make

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
    """Runs that reach the cases of ``profile``'s rules and break its must-fail invariants.

    Of ``recorded`` those of the profile are kept that the specification still allows and that show a case or must-fail
    invariant that none before them shows. Only for the others a run is looked for: first among the calls of the rest of
    ``recorded`` (of any profile), then among rare runs and random ones. Each new run is as short as dropping calls
    makes it. ``on_progress`` gets how many of how many cases are reached. Raises Violated if the implementation
    disagrees with the specification; Ctrl-C ends the search with what is missing by then.
    """
    limits = near_limits(profile)
    must_fail = {one.name for one in MustFailWatch(limits).invariants}
    missing = {*Oracle(limits).all_cases, *must_fail}
    every = len(missing)
    kept: list[Witness] = []
    found: list[Witness] = []
    others: list[Witness] = []

    def progress() -> None:
        if on_progress:
            on_progress(every - len(missing), every)

    for witness in recorded:
        shown = _shown_by(witness, profile, missing) if witness.profile in (profile.name, base_of(profile.name)) else set()
        (kept if shown else others).append(witness)
        missing -= shown
    progress()
    others.sort(key=lambda witness: witness.profile != profile.name)  # the profile's own first: they may only need new answers
    interrupted = False
    try:
        for start in _candidates(implementation, limits, others, Random(seed), runs, calls) if missing else ():
            watch = MustFailWatch(limits, missing & must_fail)
            run = start(watch.look)
            new = missing & {*watch.found}.union(*(step.cases for step in run.steps))
            if new and (made := _shortest(_made(run), partial(_enough, implementation, limits, new))):
                found.append(_record(_replayed(implementation(), limits, made), limits))
                missing -= new
                progress()
            if not missing:
                break
    except KeyboardInterrupt:
        interrupted = True
    return Found(tuple(kept), tuple(found), tuple(sorted(missing)), interrupted)


Visit = Callable[[Oracle], object]
"""Sees the specification's state after each call."""
Start = Callable[[Visit], JudgedRun]
"""Makes a run."""


def _candidates(
    implementation: Callable[[], Implementation], limits: Profile, recorded: Iterable[Witness], random: Random, runs: int, calls: int
) -> Iterator[Start]:
    for witness in recorded:
        made = [(task, call) for task, call in calls_of(witness) if limits.serves(call.name)]
        yield partial(_replayed, implementation(), limits, made)
    for rare in RARE_RUNS:
        yield partial(_rare_run, implementation(), limits, rare)
    for _ in range(runs):
        yield partial(_random_run, implementation(), limits, random.randbytes(BYTES_PER_CALL * calls), calls)


def _shown_by(witness: Witness, profile: Profile, wanted: set[str]) -> set[str]:
    """Which of the ``wanted`` cases and must-fail invariants a recorded run shows: none, if the specification no longer
    allows all of its answers, or if the profile doesn't model all of its numbers.
    """
    try:
        for _, call in calls_of(witness):
            as_judged(with_defaults(call), profile)
    except Unmodelled:
        return set()
    watch = MustFailWatch(profile, wanted)
    cases = replay(witness, profile, lambda oracle, _: watch.look(oracle))
    if len(cases) < len(witness.steps):
        return set()
    return wanted & {*watch.found}.union(*cases)


def _rare_run(implementation: Implementation, profile: Profile, rare: RareRun, visit: Visit) -> JudgedRun:
    oracle, run = _booted(implementation, profile)

    def call(task: int, call: Call) -> dict[str, Any]:
        with suppress(Unmodelled):  # a rare run may have what some profiles don't model
            step = run.call(task, call)
            visit(oracle)
            return step.outputs
        return {}

    make(rare, profile, call)
    return run


def _random_run(implementation: Implementation, profile: Profile, block: bytes, calls: int, visit: Visit) -> JudgedRun:
    oracle, run = _booted(implementation, profile)
    source = Calls(profile, block)
    while len(run.steps) < calls and not source.over(run.snapshot):
        task, call = source.next(run.snapshot)
        with suppress(Unmodelled):
            source.made(run.call(task, call))
            visit(oracle)
    return run


def _replayed(implementation: Implementation, profile: Profile, made: Iterable[tuple[int, Call]], visit: Visit = lambda oracle: None) -> JudgedRun:
    """The calls made again; those that can't be made any more are left out."""
    oracle, run = _booted(implementation, profile)
    for task, call in made:
        if can_make(run.snapshot, task, call):
            with suppress(Unmodelled):
                run.call(task, call)
                visit(oracle)
    return run


def _booted(implementation: Implementation, profile: Profile) -> tuple[Oracle, JudgedRun]:
    oracle = Oracle(profile)
    run = JudgedRun(implementation, oracle, profile, CALL_SECONDS)
    run.boot()
    return oracle, run


def _made(run: JudgedRun) -> Made:
    return [(step.task, step.made) for step in run.steps]


def _enough(implementation: Callable[[], Implementation], profile: Profile, wanted: set[str], made: Made) -> int:
    """How many of the calls are enough to go through all ``wanted`` cases and break all ``wanted`` must-fail
    invariants; 0: not even all are.
    """
    oracle, run = _booted(implementation(), profile)
    watch = MustFailWatch(profile, wanted)
    left = set(wanted)
    for count, (task, call) in enumerate(made, 1):
        if can_make(run.snapshot, task, call):
            with suppress(Unmodelled):
                left -= {*run.call(task, call).cases, *watch.look(oracle)}
            if not left:
                return count
    return 0


def _shortest(made: Made, enough: Callable[[Made], int]) -> Made:
    """``made`` without the calls that aren't needed: what follows the last one that is, halves, then single calls.

    Empty, if all of it isn't enough when it is made again.
    """
    made = made[: enough(made)]
    size = len(made) // 2
    while size:
        at = 0
        while at < len(made):
            fewer = made[:at] + made[at + size :]
            if count := enough(fewer):
                made = fewer[:count]
            else:
                at += size
        size //= 2
    return made


def _record(run: JudgedRun, profile: Profile) -> Witness:
    steps = tuple(RecordedCall(step.task, step.made, Result(step.code, step.outputs, step.created_task)) for step in run.steps)
    return Witness(profile.name, profile.urefs_max, profile.queue_limit, profile.pages, steps, profile.queue_limit_max)
