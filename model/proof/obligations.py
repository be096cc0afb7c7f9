"""The proof obligations of each case and each rule, and their decision."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import msgspec
import z3

from sendright.mach.kernel.profiles import Profile, profile_named
from sendright.mach.results.checks import Obligation
from sendright.mach.results.verdicts import Verdict, combine
from sendright.model import calls as _declared  # noqa: F401 - declares the rules
from sendright.model.invariants.catalogue import broken_invariants, state_invariants
from sendright.model.invariants.known_breaks import KnownBreak, known_break
from sendright.model.invariants.theorems import as_if_created_by_task_create
from sendright.model.language.rule import RULES, Case, Context, Rule, effective_guards
from sendright.model.language.sorts import UNBOUNDED, Term
from sendright.model.language.state import After
from sendright.model.proof.any_state import ANY_STATE, held_by_any_state
from sendright.model.proof.cache import Cache, Mark, Proof, keep_proofs_in
from sendright.model.proof.instantiate import follows_from_nothing
from sendright.model.proof.preconditions import holds, preconditions_of
from sendright.model.proof.properties import (
    DECIDED,
    THEOREMS,
    Goals,
    is_of_conservation,
    properties_of_case,
    properties_of_rule,
)


class ProofTask(msgspec.Struct, frozen=True):
    """One unit of proof work."""

    kind: str
    """``case``, ``rule``, ``sequence``, ``theorem 1``, ``base case``, ``reachable`` or ``must fail``."""
    rule: str = ""
    case: int = 0
    invariants: tuple[int | str, ...] | None = None
    """Only these, theorems as "T2"; None: all."""

    def wants(self, number: int | str) -> bool:
        return self.invariants is None or number in self.invariants


class CaseProof:
    """One case of one rule, ready for proofs."""

    def __init__(self, rule: Rule, index: int, profile: Profile) -> None:
        self.before = ANY_STATE
        self.k = Context(rule, self.before, profile)
        cases = list(rule.cases(self.k))
        self.case: Case = cases[index]
        self.guard = effective_guards(cases)[index]
        self.after = After(self.before, profile)
        self.case.effect(self.after)
        self.profile = profile

    def proof(self, more: Sequence[Term] = ()) -> Proof:
        """The case's assumptions: all invariants before it, its condition, what the kernel may choose."""
        facts = [*UNBOUNDED.background, *self.k.assumptions(), self.guard, *self.after.assumptions, *more]
        return Proof(UNBOUNDED, facts, held_by_any_state(self.profile))


def _this(proof: Proof) -> Callable[[], Proof]:
    return lambda: proof


def _decide(proof: Callable[[], Proof], goals: Iterable[tuple[str, Term]]) -> tuple[Verdict, float, str]:
    """Whether all goals follow, how long it took, and the first that doesn't."""
    start = time.perf_counter()
    for title, goal in goals:
        if not follows_from_nothing(goal) and proof().decide(goal) != z3.unsat:
            return Verdict.UNDETERMINED, time.perf_counter() - start, title
    return Verdict.PROVED, time.perf_counter() - start, ""


def decide_case(profile: Profile, part: ProofTask) -> list[Obligation]:
    """All invariants, step properties and theorems for one case of one rule."""
    rule = RULES[part.rule]
    unit = CaseProof(rule, part.case, profile)
    made: list[Proof] = []

    def proof() -> Proof:
        if not made:
            made.append(unit.proof())
        return made[0]

    def obligation(name: str, title: str, goals: Goals, using: Callable[[], Proof] = proof) -> Obligation:
        mark = Mark()
        known = known_break(name, profile, part.rule, unit.case.title)
        hazard = f"{known.hazard}: {known.words}" if known else None
        if known is not None:  # a counterexample makes a proof unnecessary
            found = _look_closer(profile, part, name, title, "", 0.0, known)
            if found.verdict is Verdict.REFUTED:
                return msgspec.structs.replace(found, verdict=Verdict.BREAKS_AS_KNOWN, hazard=hazard)
        verdict, seconds, failed = _decide(using, goals)
        if verdict is not Verdict.PROVED:
            return msgspec.structs.replace(_look_closer(profile, part, name, title, failed, seconds), hazard=hazard)
        return Obligation(
            call=part.rule,
            case=unit.case.id,
            property=name,
            title=title if known is None else f"{title}: no longer broken",
            verdict=verdict if known is None else Verdict.FAILED,
            seconds=seconds,
            untouched=not goals,
            cached=mark.all_from_cache,
            hazard=hazard,
        )

    found: list[Obligation] = []
    for one in properties_of_case(unit.k, unit.case, unit.after, part.wants):
        if one.assumptions and one.goals:
            with proof().with_more(one.assumptions) as whole:
                found.append(obligation(one.name, one.title, one.goals, _this(whole)))
        else:
            found.append(obligation(one.name, one.title, one.goals))
    if part.wants("T5"):
        found.append(_conserved([each for each in found if is_of_conservation(each.property)]))
    return found


def _conserved(made_of: list[Obligation]) -> Obligation:
    """Theorem 5 for one case: it holds if all its component properties hold."""
    return msgspec.structs.replace(
        made_of[0],
        property="theorem 5",
        title=THEOREMS[5],
        verdict=combine(each.verdict for each in made_of),
        seconds=0.0,
        untouched=all(each.untouched for each in made_of),
        cached=all(each.cached or each.untouched for each in made_of) and any(each.cached for each in made_of),
        scope=next((each.scope for each in made_of if each.scope), None),
        counterexample=next((each.counterexample for each in made_of if each.counterexample), None),
    )


def _look_closer(
    profile: Profile, part: ProofTask, name: str, title: str, clause: str, seconds: float, known: KnownBreak | None = None
) -> Obligation:
    """Search small scopes for a counterexample to an unproved property; for a ``known`` break, the scope that
    has one.
    """
    from sendright.model.proof.refute import SCOPES, refute

    start = time.perf_counter()
    for scope in (known.scope,) if known else SCOPES:
        outcome = refute(profile, part.rule, part.case, name, scope)
        if outcome.counterexample:
            break
    case = list(RULES[part.rule].cases(Context(RULES[part.rule], ANY_STATE, profile)))[part.case]
    verdict = Verdict.REFUTED if outcome.counterexample else Verdict.UNDETERMINED
    return Obligation(
        call=part.rule,
        case=case.id,
        property=name,
        title=f"{title}: {outcome.clause or clause}",
        verdict=verdict,
        seconds=seconds + time.perf_counter() - start,
        scope=outcome.scope,
        counterexample=outcome.counterexample,
        reachable="not known: the state before is any in which the invariants hold" if outcome.counterexample else None,
    )


def decide_rule(profile: Profile, part: ProofTask) -> list[Obligation]:
    """Decide of one rule: some case applies (the first one counts, so never two); authority (23); locality (26) of its
    conditions.
    """
    rule = RULES[part.rule]
    k = Context(rule, ANY_STATE, profile)
    invariants = held_by_any_state(profile)
    whole: list[Proof] = []

    def follow(assumed: list[Term], claims: list[Term], needs_invariants: bool) -> bool:
        left = [claim for claim in claims if not follows_from_nothing(claim)]
        if needs_invariants and left:
            if not whole:
                whole.append(Proof(UNBOUNDED, [*UNBOUNDED.background, *k.assumptions()], invariants))
            with whole[0].with_more(assumed) as more:
                return all(more.decide(claim) == z3.unsat for claim in left)
        for known in ([], invariants) if left else ():
            proof = Proof(UNBOUNDED, [*UNBOUNDED.background, *k.assumptions(), *assumed], known)
            left = [claim for claim in left if proof.decide(claim) != z3.unsat]
        return not left

    found: list[Obligation] = []

    def add(name: str, title: str, goals: Iterable[tuple[str, list[Term], list[Term]]], needs_invariants: bool) -> None:
        start, mark = time.perf_counter(), Mark()
        failed = next((goal for goal, assumed, claims in goals if not follow(assumed, claims, needs_invariants)), None)
        verdict = Verdict.PROVED if failed is None else Verdict.UNDETERMINED
        seconds, cached = time.perf_counter() - start, mark.all_from_cache
        case = failed or "all cases"
        found.append(Obligation(call=part.rule, case=case, property=name, title=title, verdict=verdict, seconds=seconds, cached=cached))

    for one in properties_of_rule(k, lambda number: part.invariants is None if number == DECIDED else part.wants(number)):
        add(one.name, one.title, one.goals(), one.needs_invariants)
    return found


def decide_sequence(profile: Profile, part: ProofTask) -> list[Obligation]:
    """Decide of one rule in a sequence: it establishes what the next rule requires."""
    found: list[Obligation] = []
    for precondition in preconditions_of(part.rule, profile):
        start, mark = time.perf_counter(), Mark()
        verdict = Verdict.PROVED if holds(precondition, profile) else Verdict.UNDETERMINED
        seconds, cached = time.perf_counter() - start, mark.all_from_cache
        case, title = f"{precondition.case}; {precondition.title}", "a rule establishes what the next one requires"
        found.append(Obligation(call=part.rule, case=case, property="sequence", title=title, verdict=verdict, seconds=seconds, cached=cached))
    return found


def decide_theorem_1(profile: Profile, part: ProofTask) -> list[Obligation]:
    """Decide theorem 1, "as if created by task_create"."""
    start, mark = time.perf_counter(), Mark()
    invariants = held_by_any_state(profile)
    failed = None
    proof: Proof | None = None
    assumed: list[Term] | None = None
    for name, assumptions, goal in as_if_created_by_task_create(profile):
        if proof is None or assumptions is not assumed:
            proof, assumed = Proof(UNBOUNDED, [*UNBOUNDED.background, *assumptions], invariants), assumptions
        if proof.decide(goal) != z3.unsat:
            failed = name
            break
    return [
        Obligation(
            call="host_security_create_task_token",
            case=failed or "all fields and codes",
            property="theorem 1",
            title=THEOREMS[1],
            verdict=Verdict.UNDETERMINED if failed else Verdict.PROVED,
            seconds=time.perf_counter() - start,
            cached=mark.all_from_cache,
        )
    ]


def decide_base_case(profile: Profile, part: ProofTask) -> list[Obligation]:
    """Decide that the boot state has the invariants."""
    from sendright.model.proof.base_case import base_case

    stated = [*state_invariants(profile), *broken_invariants(profile)]
    return base_case(profile, [invariant for invariant in stated if part.wants(invariant.number)])


def decide_reachable(profile: Profile, part: ProofTask) -> list[Obligation]:
    """Decide that a witness, from boot, reaches every case of every rule."""
    from sendright.model.execution.witnesses import reachable_cases

    return reachable_cases(profile)


def decide_must_fail(profile: Profile, part: ProofTask) -> list[Obligation]:
    """Decide that a reachable state breaks each must-fail invariant."""
    from sendright.model.proof.must_fail import decide_must_fail as decide

    return decide(profile)


_DECIDE: dict[str, Callable[[Profile, ProofTask], list[Obligation]]] = {
    "case": decide_case,
    "rule": decide_rule,
    "sequence": decide_sequence,
    "theorem 1": decide_theorem_1,
    "base case": decide_base_case,
    "reachable": decide_reachable,
    "must fail": decide_must_fail,
}


def decide(profile_name: str, part: ProofTask, cache: Cache | None = None) -> list[Obligation]:
    """Decide one task. Worker processes run this. ``cache``, if given, is used."""
    keep_proofs_in(cache)
    return _DECIDE[part.kind](profile_named(profile_name), part)
