"""Decides mutants: whether proofs notice the mistake, and whether a checked run of a kernel does."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from sendright.mach.kernel.profiles import profile_named
from sendright.mach.results.mutants import Judgement, MutantResult, Outcome
from sendright.properties.mutants.children import NoAnswer, in_child
from sendright.properties.mutants.drawing import original_meaning
from sendright.properties.mutants.mutant import Mutant
from sendright.properties.mutants.of_invariants import by_proof_of_invariant
from sendright.properties.mutants.of_rules import ImplementationFactory, affected, by_proof, by_runs, recorded_runs


class Settings(msgspec.Struct, frozen=True):
    """How mutants are decided."""

    profile: str
    kernel: ImplementationFactory
    seed: int = 0
    seconds: float = 60.0
    """Processor time for each judge of each mutant."""
    everything: bool = False
    """Go on after the first thing that notices a mutant."""


def decide_mutant(settings: Settings, mutant: Mutant) -> MutantResult:
    """What becomes of one mutant. Worker processes run this: each judge works in a child of theirs, which it leaves
    changed.
    """
    profile = profile_named(settings.profile)
    for rule in affected(mutant, profile):
        original_meaning(rule, profile.name)
    recorded_runs(settings.kernel, profile.name)
    proof = by_proof_of_invariant if mutant.subjects else by_proof
    limits = settings.seconds, settings.everything
    prove = _judged(settings, lambda: proof(mutant, profile, *limits))
    check = Judgement(Outcome.NOT_TRIED)
    if prove.outcome is not Outcome.NO_SPECIFICATION:
        check = _judged(settings, lambda: by_runs(mutant, profile, settings.kernel, settings.seed, *limits))
    return MutantResult(id=mutant.id, operator=mutant.operator, where=mutant.where, change=mutant.words, prove=prove, check=check)


def _judged(settings: Settings, judge: Callable[[], Judgement]) -> Judgement:
    start = time.monotonic()
    try:
        found = in_child(judge, settings.seconds)
    except NoAnswer as lost:
        found = Judgement(Outcome.LOST, str(lost))
    return msgspec.structs.replace(found, seconds=round(time.monotonic() - start, 2))
