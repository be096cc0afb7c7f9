"""Mutants of rules and actions: does a proof notice the mistake, does a judged run of a kernel?

Only what a mutant can affect is tried: the cases whose meaning differs, the rules that they are of, the sequences in
which these are; recorded runs that go through these rules, and random runs that make their calls often.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from itertools import chain
from random import Random

from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import Profile, profile_named
from sendright.mach.kernel.unmodelled import Unmodelled
from sendright.mach.results.mutants import Judgement, Outcome
from sendright.mach.signatures import SIGNATURES
from sendright.model.execution.compiler import CompiledRule
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.system import compiled_rules
from sendright.model.execution.witnesses import witnessed_calls
from sendright.model.language.rule import RULES, Context
from sendright.model.language.sequences import rules_of
from sendright.model.language.sorts import UNBOUNDED
from sendright.model.language.state import State
from sendright.model.proof.obligations import ProofTask
from sendright.properties.check import KnownRun
from sendright.properties.generation.calls import BYTES_PER_CALL, Calls, near_limits
from sendright.properties.mutants.drawing import original_meaning
from sendright.properties.mutants.judging import Deadline, Enough, Findings, decide_part, forget_what_is_known, try_little, wrong
from sendright.properties.mutants.meaning import RuleMeaning, meaning_of, served_rules
from sendright.properties.mutants.mutant import Mutant
from sendright.properties.mutants.source import code_of, running
from sendright.properties.runs.judged_run import Violated, callers, can_make
from sendright.properties.runs.run import Run

ImplementationFactory = Callable[[], Implementation]

RUNS, CALLS = 40, 60
"""How many random runs judge a mutant, and of how many calls."""
MANY_CALLS = 12
"""A rule that more calls use than this isn't reached sooner by making these calls more often."""
CREATIONS = ("task_create", "host_security_create_task_token")
"""The calls that theorem 1 compares."""


def affected(mutant: Mutant, profile: Profile) -> list[str]:
    """The rules of ``profile`` that the mutant can affect."""
    served = served_rules(profile)
    return [rule for rule in mutant.rules if rule in served]


def by_proof(mutant: Mutant, profile: Profile, seconds: float, everything: bool = False) -> Judgement:
    """Whether something that is proved of the original isn't proved of the mutant. Run it in a child."""
    deadline, found = Deadline(seconds), Findings(everything)
    try_little()
    try:
        code = code_of(mutant.unit, mutant.edits)
    except SyntaxError as error:
        return Judgement(Outcome.NO_SPECIFICATION, str(error))
    meanings = {rule: original_meaning(rule, profile.name) for rule in affected(mutant, profile)}
    original = partial(wrong, mutant.unit.function().__code__, mutant.unit)
    with wrong(code, mutant.unit):
        try:
            parts = _parts(mutant, profile, meanings)
        except Exception as error:
            return Judgement(Outcome.NO_SPECIFICATION, f"{type(error).__name__}: {error}")
        with suppress(Enough):
            for part in parts:
                if deadline.passed:
                    break
                decide_part(profile, part, original, found)
    return found.judged(deadline.passed)


def _parts(mutant: Mutant, profile: Profile, meanings: dict[str, RuleMeaning]) -> list[ProofTask]:
    """What of a proof the mutant can affect; first what most likely notices it: the cases that do something else.

    Raises whatever building the changed rules raises.
    """
    found: list[tuple[int, int, ProofTask]] = []
    for rule, (assumed, cases) in meanings.items():
        now_assumed, now = meaning_of(rule, profile)
        if mutant.calls:
            found.append((1, 0, ProofTask("sequence", rule)))
        if (now_assumed, now) == (assumed, cases):
            continue
        known = {case.effect for case in cases}
        for index, case in enumerate(now):
            if now_assumed != assumed or case not in cases:
                found.append((2 if case.effect in known else 0, index, ProofTask("case", rule, index)))
        found.append((1, 0, ProofTask("rule", rule)))
        found += [(1, 1, ProofTask("follow-up", one)) for one in (rule, "")] if RULES[rule].pending else [(1, 1, ProofTask("sequence", rule))]
        if now_assumed != assumed:
            calls = [rules_of(call, profile) for call in SIGNATURES if profile.serves(call) and rule in rules_of(call, profile)]
            found += [(1, 2, ProofTask("sequence", each)) for each in dict.fromkeys(chain(*calls)) if each != rule]
        if rule in CREATIONS:
            found.append((3, 0, ProofTask("theorem 1")))
    found.sort(key=lambda one: one[:2])
    return list(dict.fromkeys(part for _, _, part in found))


@cache
def recorded_runs(kernel: ImplementationFactory, profile: str) -> tuple[tuple[KnownRun, frozenset[str]], ...]:
    """The recorded runs of a profile that ``kernel`` passes, and the rules that each goes through.

    What is compiled for that stays compiled in children.
    """
    limits = near_limits(profile_named(profile))
    found = []
    for known in witnessed_calls(limits):
        run = Run(kernel(), Oracle(limits), limits)
        with suppress(Violated):
            _make(run, known)
            rules = frozenset(case.partition("/")[0] for step in run.steps for case in step.cases)
            found.append((known, rules))
    return tuple(found)


def _make(run: Run, known: KnownRun) -> None:
    """Make the calls of a recorded run, and judge its end. Raises Violated."""
    run.boot()
    for task, call in known:
        if can_make(run.snapshot, task, call):
            with suppress(Unmodelled):
                run.step(task, call)
    run.finish()


def _draw(run: Run, limits: Profile, random: Random, often: Sequence[str]) -> None:
    """Make random calls, every third of them one of ``often``. Raises Violated."""
    run.boot()
    calls = Calls(limits, random.randbytes(CALLS * BYTES_PER_CALL))
    while calls.count < CALLS and not calls.over(run.snapshot):
        only = random.choice(often) if often and callers(run.snapshot) and random.randrange(3) == 0 else None
        index = len(run.steps)
        run.step(*calls.next(run.snapshot, only))
        for step in run.steps[index:]:
            calls.made(step)
    run.finish()


def by_runs(mutant: Mutant, profile: Profile, kernel: ImplementationFactory, seed: int, seconds: float, everything: bool = False) -> Judgement:
    """Whether a run of ``kernel`` isn't as the mutant specifies, or breaks it. Run it in a child."""
    deadline, found = Deadline(seconds), Findings(everything)
    limits = near_limits(profile)
    changed = set(affected(mutant, profile))
    often = [call for call in SIGNATURES if profile.serves(call) and (call in mutant.calls or not changed.isdisjoint(rules_of(call, profile)))]
    recorded = [known for known, rules in recorded_runs(kernel, profile.name) if mutant.subjects or not changed.isdisjoint(rules)]
    runs: list[Callable[[Run], None]] = [partial(_make, known=known) for known in sorted(recorded, key=len)]
    for number in range(RUNS):
        random = Random(f"{seed} {mutant.id} {number}")
        runs.append(partial(_draw, limits=limits, random=random, often=often if len(often) <= MANY_CALLS else ()))
    with running(code_of(mutant.unit, mutant.edits), mutant.unit), suppress(Enough):
        try:
            if mutant.subjects:
                forget_what_is_known(mutant.unit)
            before, compiled = State.arbitrary(UNBOUNDED), compiled_rules(limits)
            for rule in changed:
                compiled[rule] = CompiledRule(Context(RULES[rule], before, limits))
            for make in runs:
                if deadline.passed:
                    break
                run = Run(kernel(), Oracle(limits), limits)
                try:
                    make(run)
                except Violated as broken:
                    found.add(f"{broken.violation.clause}: {broken.violation.words}")
        except Exception as error:
            if isinstance(error, Enough):
                raise
            found.add(f"the specification can't be run: {type(error).__name__}: {error}")
    return found.judged(deadline.passed)
