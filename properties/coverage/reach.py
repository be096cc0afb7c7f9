"""Looks for a run from boot that breaks a property as a counterexample does: among the recorded witnesses first, then
among rare runs and random ones, within a bounded time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random

import msgspec

from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import Profile
from sendright.mach.kernel.unmodelled import Unmodelled
from sendright.mach.results.checks import Obligation, ProofResult
from sendright.mach.results.counterexamples import Reached
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.trace import LIMITS
from sendright.model.execution.witnesses import Witness, calls_of, witnesses
from sendright.model.language.sequences import rules_of
from sendright.model.proof.counterexamples.reach import CannotBeSeen, Target, WatchingOracle
from sendright.properties.coverage.witness_search import CALL_SECONDS
from sendright.properties.generation.calls import BYTES_PER_CALL, Calls, near_limits
from sendright.properties.minimization.minimizer import Minimizer
from sendright.properties.runs.judged_run import JudgedRun, Violated, can_make
from sendright.properties.scripts.export import script_of

RANDOM_CALLS = 60
"""Calls of a random run."""
LEAST_SECONDS = 1.0
"""How long a run that was found is made shorter, at the least."""
MOST = 10
"""Counterexamples for which a run is looked for: the first ones."""

Factory = Callable[[], Implementation]


Progress = Callable[[float, float | None, str], None]
"""Called with how many counterexamples are done, how many there are, and the one that is next."""


def with_runs(result: ProofResult, implementation: Factory, profile: Profile, seconds: float, on_progress: Progress) -> ProofResult:
    """``result``, in which the first counterexamples say whether a run from boot was found. All together get this many
    ``seconds`` of processor time.
    """
    deadline = time.process_time() + seconds
    refuted = [one for one in result.obligations if one.example is not None and one.verdict is Verdict.REFUTED][:MOST]
    told: dict[int, Obligation] = {}
    for number, one in enumerate(refuted):
        on_progress(number, len(refuted), f"{one.call}, {one.property}")
        share = max(0.0, deadline - time.process_time()) / (len(refuted) - number)
        reached = reach(one, implementation, profile, share)
        assert one.example is not None
        example = msgspec.structs.replace(one.example, reached=reached)
        told[id(one)] = msgspec.structs.replace(one, example=example, reachable=f"from boot: {reached.words}")
    return msgspec.structs.replace(result, obligations=tuple(told.get(id(one), one) for one in result.obligations))


def reach(one: Obligation, implementation: Factory, profile: Profile, seconds: float) -> Reached:
    """A run from boot that breaks the same property in the same case, looked for as long as this many ``seconds`` of
    processor time.
    """
    target = Target(one.call, one.case, one.property)
    try:
        WatchingOracle(profile, target)
    except CannotBeSeen as error:
        return Reached(words=f"not looked for: {error}")
    deadline = time.process_time() + seconds
    runs = calls = 0
    for run in _runs(implementation, profile, target):
        runs, calls = runs + 1, calls + len(run.steps)
        if run.violations and run.violations[0].kind == "result":
            return _reached(run, implementation, target, deadline - time.process_time())
        if time.process_time() > deadline:
            break
    within = f"{runs:,} run{'' if runs == 1 else 's'} of {calls:,} call{'' if calls == 1 else 's'} in all"
    return Reached(words=f"not reached within {within}, recorded runs first (--reach SECONDS looks longer)")


def _reached(run: JudgedRun, implementation: Factory, target: Target, seconds: float) -> Reached:
    minimizer = Minimizer(
        run.trace(),
        implementation,
        lambda limits: WatchingOracle(limits, target),
        run.profile,
        seconds=max(seconds, LEAST_SECONDS),
        invariants=lambda snapshot, profile: (),
        call_seconds=CALL_SECONDS,
    )
    trace = msgspec.structs.replace(minimizer.minimize().trace, violations=())
    count = len(trace.steps)
    words = f"reached in {count} call{'' if count == 1 else 's'}; the last one breaks the same clause in the same case"
    return Reached(words=words, run=trace, script=script_of(trace, id="reached", title=f"breaks {target.property}"))


def _runs(implementation: Factory, profile: Profile, target: Target) -> Iterator[JudgedRun]:
    """Runs up to what is looked for: the recorded ones, those first that make a call with the rule, the shortest first;
    then random ones.
    """

    def far(witness: Witness) -> tuple[bool, int]:
        return not any(target.rule in rules_of(step.call.name, profile) for step in witness.steps), len(witness.steps)

    for witness in sorted(witnesses(profile), key=far):
        run = _booted(implementation(), msgspec.structs.replace(profile, **{name: getattr(witness, name) for name in LIMITS}), target)
        with suppress(Violated):
            for task, call in calls_of(witness):
                if can_make(run.snapshot, task, call):
                    with suppress(Unmodelled):
                        run.call(task, call)
        yield run
    limits, random = near_limits(profile), Random(0)
    while True:
        run, source = _booted(implementation(), limits, target), Calls(limits, random.randbytes(BYTES_PER_CALL * RANDOM_CALLS))
        with suppress(Violated):
            while len(run.steps) < RANDOM_CALLS and not source.over(run.snapshot):
                run.call(*source.next(run.snapshot))
                source.made(run.steps[-1])
        yield run


def _booted(implementation: Implementation, limits: Profile, target: Target) -> JudgedRun:
    run = JudgedRun(implementation, WatchingOracle(limits, target), limits, CALL_SECONDS)
    run.boot()
    return run


__all__ = ["reach", "with_runs"]
