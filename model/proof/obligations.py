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
from sendright.model.invariants.known_breaks import known_break
from sendright.model.invariants.theorems import as_if_created_by_task_create
from sendright.model.language.rule import RULES, Case, Context, Rule, effective_guards
from sendright.model.language.sorts import UNBOUNDED, Term
from sendright.model.language.state import After
from sendright.model.proof.any_state import ANY_STATE, held_by_any_state
from sendright.model.proof.cache import Cache, Mark, Proof, keep_proofs_in
from sendright.model.proof.counterexample import Question
from sendright.model.proof.instantiate import first_effort, follows_from_nothing
from sendright.model.proof.preconditions import holds, preconditions_of
from sendright.model.proof.properties import (
    DECIDED,
    THEOREMS,
    Goals,
    in_own_words,
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

    @property
    def assumptions(self) -> list[Term]:
        """What is assumed of the case, beside the invariants before it: its condition, what the kernel may choose."""
        return [*self.k.assumptions(), self.guard, *self.after.assumptions]

    def proof(self, more: Sequence[Term] = ()) -> Proof:
        """The case's assumptions: all invariants before it, its condition, what the kernel may choose."""
        return Proof(UNBOUNDED, [*UNBOUNDED.background, *self.assumptions, *more], held_by_any_state(self.profile))


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

    def obligation(name: str, title: str, goals: Goals, using: Callable[[], Proof] = proof, more: Sequence[Term] = ()) -> Obligation:
        mark = Mark()

        def failing(clause: str = "", seconds: float = 0.0) -> Obligation:
            return Obligation(
                call=part.rule,
                case=unit.case.id,
                property=name,
                title=f"{title}: {clause}",
                verdict=Verdict.UNDETERMINED,
                seconds=seconds,
            )

        def look_closer(unproved: Obligation) -> Obligation:
            question = Question(unit.k, goals, [*unit.assumptions, *more], unit.case, unit.after)
            return looked_closer(profile, unproved, question)

        known = known_break(name, profile, part.rule, unit.case.title)
        hazard = f"{known.hazard}: {known.words}" if known else None
        if known is not None:  # a counterexample makes a proof unnecessary
            found = look_closer(failing())
            if found.verdict is Verdict.REFUTED:
                return msgspec.structs.replace(found, verdict=Verdict.BREAKS_AS_KNOWN, hazard=hazard)
        with first_effort():
            verdict, seconds, failed = _decide(using, goals)
        if verdict is not Verdict.PROVED:  # a counterexample is found sooner than the solver gives up
            found = look_closer(failing(failed, seconds))
            if found.verdict is not Verdict.REFUTED:
                verdict, more_seconds, _ = _decide(using, goals)
                seconds += more_seconds
            if verdict is not Verdict.PROVED:
                return msgspec.structs.replace(found, hazard=hazard)
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
                found.append(obligation(one.name, one.title, one.goals, _this(whole), one.assumptions))
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
        example=next((each.example for each in made_of if each.example), None),
    )


def looked_closer(profile: Profile, unproved: Obligation, question: Question) -> Obligation:
    """``unproved`` after the search of a small scope for a counterexample to what wasn't proved, the ``question``."""
    from sendright.model.proof.refute import refute

    start = time.perf_counter()
    outcome = refute(profile, question, in_own_words(unproved.property, profile))
    refuted = outcome.counterexample is not None
    title = unproved.title
    if refuted and outcome.clause:
        title = f"{title.partition(': ')[0]}: {outcome.clause}"
    return msgspec.structs.replace(
        unproved,
        title=title,
        verdict=Verdict.REFUTED if refuted else Verdict.UNDETERMINED,
        seconds=unproved.seconds + time.perf_counter() - start,
        scope=outcome.scope,
        counterexample=outcome.counterexample,
        example=outcome.example,
        reachable="not known: the state before is any in which the invariants hold" if refuted else None,
    )


def decide_rule(profile: Profile, part: ProofTask) -> list[Obligation]:
    """Decide of one rule: some case applies (the first one counts, so never two); authority (23); locality (26) of its
    conditions.
    """
    rule = RULES[part.rule]
    k = Context(rule, ANY_STATE, profile)
    invariants = held_by_any_state(profile)

    def follow(assumed: list[Term], claims: list[Term]) -> bool:
        left = [claim for claim in claims if not follows_from_nothing(claim)]
        for known in ([], invariants) if left else ():
            proof = Proof(UNBOUNDED, [*UNBOUNDED.background, *k.assumptions(), *assumed], known)
            left = [claim for claim in left if proof.decide(claim) != z3.unsat]
        return not left

    found: list[Obligation] = []

    def add(name: str, title: str, goals: Iterable[tuple[str, list[Term], list[Term]]]) -> None:
        start, mark = time.perf_counter(), Mark()
        failed = next((goal for goal in goals if not follow(*goal[1:])), None)
        verdict = Verdict.PROVED if failed is None else Verdict.UNDETERMINED
        seconds, cached = time.perf_counter() - start, mark.all_from_cache
        case = failed[0] if failed else "all cases"
        decided = Obligation(call=part.rule, case=case, property=name, title=title, verdict=verdict, seconds=seconds, cached=cached)
        if failed is not None:
            goal, assumed, claims = failed
            question = Question(k, [(goal, claim) for claim in claims], [*k.assumptions(), *assumed])
            decided = looked_closer(profile, decided, question)
        found.append(decided)

    for one in properties_of_rule(k, lambda number: part.invariants is None if number == DECIDED else part.wants(number)):
        add(one.name, one.title, one.goals())
    return found


def decide_sequence(profile: Profile, part: ProofTask) -> list[Obligation]:
    """Decide of one rule in a sequence: it establishes what the next rule requires."""
    found: list[Obligation] = []
    for precondition in preconditions_of(part.rule, profile):
        start, mark = time.perf_counter(), Mark()
        verdict = Verdict.PROVED if holds(precondition, profile) else Verdict.UNDETERMINED
        seconds, cached = time.perf_counter() - start, mark.all_from_cache
        case, title = f"{precondition.case}; {precondition.title}", "a rule establishes what the next one requires"
        decided = Obligation(call=part.rule, case=case, property="sequence", title=title, verdict=verdict, seconds=seconds, cached=cached)
        if verdict is not Verdict.PROVED:
            k = Context(RULES[part.rule], ANY_STATE, profile)
            goals = [(precondition.title, claim) for claim in precondition.claims]
            its_case = next((case for case in k.rule.cases(k) if case.id == precondition.case), None)
            decided = looked_closer(profile, decided, Question(k, goals, precondition.assumptions, its_case, precondition.after))
        found.append(decided)
    return found


def decide_theorem_1(profile: Profile, part: ProofTask) -> list[Obligation]:
    """Decide theorem 1, "as if created by task_create"."""
    start, mark = time.perf_counter(), Mark()
    invariants = held_by_any_state(profile)
    failed: tuple[str, list[Term], Term] | None = None
    proof: Proof | None = None
    assumed: list[Term] | None = None
    for name, assumptions, goal in as_if_created_by_task_create(profile):
        if proof is None or assumptions is not assumed:
            proof, assumed = Proof(UNBOUNDED, [*UNBOUNDED.background, *assumptions], invariants), assumptions
        if proof.decide(goal) != z3.unsat:
            failed = name, assumptions, goal
            break
    decided = Obligation(
        call="host_security_create_task_token",
        case=f"field {failed[0]}" if failed else "all fields",
        property="theorem 1",
        title=THEOREMS[1],
        verdict=Verdict.UNDETERMINED if failed else Verdict.PROVED,
        seconds=time.perf_counter() - start,
        cached=mark.all_from_cache,
    )
    if failed is None:
        return [decided]
    name, assumptions, goal = failed
    k = Context(RULES["host_security_create_task_token"], ANY_STATE, profile)
    question = Question(k, [(f"the field {name} is as task_create would leave it", goal)], assumptions)
    return [looked_closer(profile, decided, question)]


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
