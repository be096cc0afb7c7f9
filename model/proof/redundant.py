"""Clauses of state invariants that follow from the others: ``sendright prove --redundant``.

Such a clause says nothing new. It is dropped, or listed in ``model/invariants/lemmas.py`` with the invariants from
which it follows and the reason why it is kept. A clause of which the solver finds no proof counts as one that says
something.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable

import z3

from sendright.mach.interrupt import stop_if_interrupted
from sendright.mach.kernel.profiles import Profile
from sendright.mach.results.checks import Obligation, ProofResult
from sendright.mach.results.verdicts import Verdict, combine
from sendright.model.invariants.catalogue import state_invariants
from sendright.model.invariants.lemmas import lemma
from sendright.model.language.invariant import LIMITS, Invariant
from sendright.model.language.sorts import UNBOUNDED, Term
from sendright.model.proof.any_state import of_any_state
from sendright.model.proof.catalogue import SPECIFICATION
from sendright.model.proof.solver.cache import Proof

Progress = Callable[[int, int, str], None]
_LIMITS = [LIMITS.urefs_max >= 2, LIMITS.queue_limit >= 0, LIMITS.queue_limit_max >= 0]
"""What every rule assumes of the kernel's limits."""


def follows(clause: Term, others: Iterable[Term]) -> bool:
    """The clause is proved to follow from the others."""
    proof = Proof(UNBOUNDED, [*UNBOUNDED.background, *_LIMITS], list(others))
    return bool(proof.decide(clause) == z3.unsat)


def from_what(invariant: Invariant, index: int, profile: Profile) -> frozenset[int] | None:
    """The numbers of invariants from which the clause of this index follows, none of which can be left out; None: it
    isn't proved to follow.
    """
    others = [(each.number, clause) for each in state_invariants(profile) for clause in _clauses(each) if (each, clause) != (invariant, index)]
    clause = of_any_state(invariant)[index][1]

    def of(numbers: Collection[int]) -> list[Term]:
        return [
            of_any_state(each)[at][1] for each in state_invariants(profile) for number, at in others if number == each.number and number in numbers
        ]

    left = {number for number, _ in others}
    if not follows(clause, of(left)):
        return None
    for number in sorted(left):
        if follows(clause, of(left - {number})):
            left.remove(number)
    return frozenset(left)


def _clauses(invariant: Invariant) -> range:
    return range(len(of_any_state(invariant)))


def _in_words(numbers: frozenset[int]) -> str:
    return f"invariant{'' if len(numbers) == 1 else 's'} {', '.join(map(str, sorted(numbers)))}"


def judged(invariant: Invariant, title: str, found: frozenset[int] | None, seconds: float) -> Obligation | None:
    """What is said of a clause that follows, or that is listed; None: nothing."""
    listed = lemma(invariant.number, title)
    if found is None and listed is None:
        return None
    verdict, words = Verdict.PROVED, f"follows from {_in_words(found or frozenset())}"
    if found is None:
        verdict, words = Verdict.UNDETERMINED, "is listed in model/invariants/lemmas.py, but isn't proved to follow: remove its line"
    elif listed is None:
        verdict, words = Verdict.FAILED, f"{words}: drop it, or list it in model/invariants/lemmas.py"
    elif found != listed.follows_from:
        verdict, words = Verdict.FAILED, f"{words}, and model/invariants/lemmas.py says {_in_words(listed.follows_from)}"
    else:
        words = f"{words}; kept, since {listed.why}"
    return Obligation(call=SPECIFICATION, case=title, property=f"invariant {invariant.number}", title=words, verdict=verdict, seconds=seconds)


def redundant(profile: Profile, on_progress: Progress | None = None) -> ProofResult:
    """Each clause of the profile's state invariants that follows from the others, with the invariants that it follows
    from: PROVED if it is listed as a lemma, else FAILED.
    """
    start = time.perf_counter()
    clauses = [(invariant, index) for invariant in state_invariants(profile) for index in _clauses(invariant)]
    found: list[Obligation] = []
    for done, (invariant, index) in enumerate(clauses, 1):
        stop_if_interrupted()
        began = time.perf_counter()
        follows_from = from_what(invariant, index, profile)
        one = judged(invariant, of_any_state(invariant)[index][0], follows_from, time.perf_counter() - began)
        if one is not None:
            found.append(one)
        if on_progress is not None:
            on_progress(done, len(clauses), f"invariant {invariant.number}")
    return ProofResult(
        verdict=combine(one.verdict for one in found) if found else Verdict.PROVED,
        profile=profile.name,
        obligations=tuple(found),
        seconds=time.perf_counter() - start,
        solver=f"z3 {z3.get_version_string()}",
        assumed=f"of {len(clauses)} clauses, {len(clauses) - len(found)} aren't shown, as no proof from the others was found",
    )
