"""Mutants of invariants: one that says less must be missed by some proof, and any other must be refuted.

An invariant that says the same as before, together with the others, survives: its clause follows from them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import z3

from sendright.mach.kernel.profiles import Profile
from sendright.mach.results.mutants import Judgement, Outcome
from sendright.model.invariants.catalogue import state_invariants
from sendright.model.invariants.steps import STEP_PROPERTIES
from sendright.model.language.invariant import INVARIANTS, VARIANTS
from sendright.model.language.sorts import UNBOUNDED, Term
from sendright.model.proof.any_state import ANY_STATE, ANYTHING
from sendright.model.proof.obligations import ProofTask
from sendright.model.proof.solver.cache import Proof
from sendright.properties.mutants.judging import Deadline, Enough, Findings, decide_part, try_little, wrong
from sendright.properties.mutants.meaning import meaning_of, served_rules
from sendright.properties.mutants.mutant import Mutant
from sendright.properties.mutants.source import Unit, code_of, names_in, running

Clauses = dict[int, list[Term]]


def subjects_of(unit: Unit) -> tuple[tuple[str, int], ...]:
    """The invariants and step properties whose clauses the function states, or helps to state."""
    function = unit.function()
    of_states = [*INVARIANTS.values(), *[variant for variants in VARIANTS.values() for variant in variants]]
    stated: list[tuple[str, int, Callable[..., object]]] = [("invariant", each.number, each.clauses) for each in of_states]
    stated += [("step invariant", each.number, each.clauses) for each in STEP_PROPERTIES.values()]

    def helps(clauses: Callable[..., object]) -> bool:
        return clauses is function or (clauses.__module__ == unit.module and unit.name in names_in(clauses))

    found = [(kind, number) for kind, number, clauses in stated if helps(clauses)]
    return tuple(dict.fromkeys(found))


def clauses_of(profile: Profile) -> Clauses:
    """The clauses of all invariants of the profile's states, as they are now."""
    return {invariant.number: [clause for _, clause in invariant.clauses(ANYTHING, ANY_STATE)] for invariant in state_invariants(profile)}


def by_proof_of_invariant(mutant: Mutant, profile: Profile, seconds: float, everything: bool = False) -> Judgement:
    """Whether something notices the mutant of an invariant. Run it in a child."""
    deadline, found = Deadline(seconds), Findings(everything)
    try_little()
    before = clauses_of(profile)
    original = partial(wrong, mutant.unit.function().__code__, mutant.unit)
    with wrong(code_of(mutant.unit, mutant.edits), mutant.unit):
        try:
            now = clauses_of(profile)
            parts = _cases(profile)
        except Exception as error:
            return Judgement(Outcome.NO_SPECIFICATION, f"{type(error).__name__}: {error}")
        numbers = [number for kind, number in mutant.subjects if kind == "step invariant" or _differ(now.get(number), before.get(number))]
        says_less = any(kind == "invariant" for kind, _ in mutant.subjects) and _follows(now, before)
        if says_less and _follows(before, now):
            return Judgement(Outcome.SURVIVED, "it says the same, together with the other invariants")
        only = None if says_less else tuple(numbers)
        work = [ProofTask("case", rule, index, only) for rule, index in parts]
        if not says_less:
            work.insert(0, ProofTask("base case", invariants=only))
        with suppress(Enough):
            for part in work:
                if deadline.passed:
                    break
                decide_part(profile, part, original, found)
    if says_less and not found.words:
        return Judgement(Outcome.OUT_OF_TIME if deadline.passed else Outcome.SURVIVED, "it says less, and no proof needs more")
    return found.judged(deadline.passed)


def changes_an_invariant(mutant: Mutant, profile: Profile) -> bool:
    """In ``profile`` some invariant says something else; True if it can't be stated, and for step properties."""
    if any(kind == "step invariant" for kind, _ in mutant.subjects):
        return True
    before = clauses_of(profile)
    with running(code_of(mutant.unit, mutant.edits), mutant.unit):
        try:
            now = clauses_of(profile)
        except Exception:
            return True
    return any(_differ(now[number], before[number]) for number in before)


def _differ(some: list[Term] | None, others: list[Term] | None) -> bool:
    if some is None or others is None or len(some) != len(others):
        return some is not others
    return any(not one.eq(other) for one, other in zip(some, others, strict=True))


def _follows(goals: Clauses, known: Clauses) -> bool:
    """All of the ``goals`` follow from what is ``known``."""
    assumed = [clause for clauses in known.values() for clause in clauses]
    left = [goal for clauses in goals.values() for goal in clauses if not any(goal.eq(one) for one in assumed)]
    proof = Proof(UNBOUNDED, list(UNBOUNDED.background), assumed)
    return all(proof.decide(goal) == z3.unsat for goal in left)


def _cases(profile: Profile) -> list[tuple[str, int]]:
    """All cases of the profile's rules; first those that do something: most proofs are of these."""
    found = [(case.does_something, rule, index) for rule in served_rules(profile) for index, case in enumerate(meaning_of(rule, profile)[1])]
    return [(rule, index) for _, rule, index in sorted(found, key=lambda one: not one[0])]
