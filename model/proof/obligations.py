"""The proof obligations of each case and each rule, and their decision."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import chain, islice

import msgspec
import z3

from sendright.mach.extensions import PluginError
from sendright.mach.kernel.profiles import Profile, profile_named
from sendright.mach.results.checks import Basis, Obligation
from sendright.mach.results.verdicts import Verdict, combine
from sendright.model import calls as _declared  # noqa: F401 - declares the rules
from sendright.model.invariants.catalogue import broken_invariants, state_invariants
from sendright.model.invariants.known_breaks import KnownBreak, known_break
from sendright.model.invariants.theorems import as_if_created_by_task_create
from sendright.model.language.rule import RULES, Case, Context, Rule, effective_guards
from sendright.model.language.sorts import UNBOUNDED, Term
from sendright.model.language.state import After
from sendright.model.language.term_walk import number_of
from sendright.model.language.transition import Transition
from sendright.model.proof.any_state import ANY_STATE, ANYTHING, held_by_any_state
from sendright.model.proof.catalogue import SPECIFICATION
from sendright.model.proof.choices import CHOICES, decide_choices
from sendright.model.proof.counterexamples.counterexample import Question
from sendright.model.proof.counterexamples.recorded import recorded_values
from sendright.model.proof.follow_ups import follow_ups, kept_between, quiescence
from sendright.model.proof.hints import Hints
from sendright.model.proof.preconditions import Precondition, holds, preconditions_of
from sendright.model.proof.processes.workers import note
from sendright.model.proof.properties import (
    COUNTING,
    DECIDED,
    THEOREMS,
    Goals,
    OfCase,
    OfRule,
    Wants,
    in_own_words,
    is_of_conservation,
    properties_of_answer,
    properties_of_case,
    properties_of_own,
    properties_of_rule,
)
from sendright.model.proof.solver.cache import Cache, Proof, keep_proofs_in
from sendright.model.proof.solver.instantiate import first_effort, follows_from_nothing, skolemize
from sendright.model.proof.solver.questions import Also, Mark, Script, answered, doing, wants_scripts, write_script
from sendright.model.proof.well_formed import faults
from sendright.model.proof.whole_calls import whole_call


class ProofTask(msgspec.Struct, frozen=True):
    """One unit of proof work."""

    kind: str
    """``cases`` (all of a rule), ``case`` (one), ``rule``, ``sequence``, ``follow-up``, ``theorem 1``, ``base case``,
    ``reachable`` or ``must fail``.
    """
    rule: str = ""
    case: int = 0
    invariants: tuple[int | str, ...] | None = None
    """Only these, theorems as "T2"; None: all."""

    def wants(self, number: int | str) -> bool:
        return self.invariants is None or number in self.invariants


class AnyCase:
    """One rule in any state: its cases, when each applies, and what has to be shown of those that change nothing."""

    def __init__(self, rule: Rule, profile: Profile) -> None:
        self.k = Context(rule, ANY_STATE, profile)
        self.cases = list(rule.cases(self.k))
        self.guards = effective_guards(self.cases)
        self._at_rest: dict[tuple[object, ...], tuple[Case, list[OfCase]]] = {}

    def properties_at_rest(self, case: Case, wants: Wants) -> list[OfCase]:
        """The properties of ``case``, which changes nothing.

        They are the same for all such cases that answer the same, because a property sees of a case no more than the
        states before and after it, and the answer.
        """
        outputs = tuple((name, value.get_id()) for name, value in case.outputs.items())
        answer = case.code, outputs, case.replies
        if answer not in self._at_rest:  # the case is kept, since z3 reuses the number of a term that is gone
            nothing_changed = After(self.k.before, self.k.profile)
            self._at_rest[answer] = case, list(properties_of_answer(self.k, case, nothing_changed, wants))
        return self._at_rest[answer][1]


class CaseProof:
    """One case of one rule, ready for proofs."""

    def __init__(self, rule: Rule, index: int, profile: Profile, among: AnyCase | None = None) -> None:
        self.among = among or AnyCase(rule, profile)
        self.before = ANY_STATE
        self.k = self.among.k
        self.case = self.among.cases[index]
        self.guard = self.among.guards[index]
        self.after = After(self.before, profile)
        self.case.effect(self.after)
        self.profile = profile

    def properties(self, wants: Wants) -> Iterable[OfCase]:
        """What has to be shown of the case."""
        if any(map(self.after.changed, self.after.fields)) or self.after.releases:
            return properties_of_case(self.k, self.case, self.after, wants)
        shared = self.among.properties_at_rest(self.case, wants)
        return [*shared, *properties_of_own(self.k, self.case, self.after, shared, wants)]

    @property
    def assumptions(self) -> list[Term]:
        """What is assumed of the case, beside the invariants before it: its condition, what the kernel may choose."""
        return [*self.k.assumptions(), self.guard, *self.after.assumptions]

    def proof(self, more: Sequence[Term] = ()) -> Proof:
        """The case's assumptions: all invariants before it, its condition, what the kernel may choose."""
        return Proof(UNBOUNDED, [*UNBOUNDED.background, *self.assumptions, *more], held_by_any_state(self.profile))


def _this(proof: Proof) -> Callable[[], Proof]:
    return lambda: proof


def _follows_alone(goal: Term) -> bool:
    """As ``follows_from_nothing``, of which a second solver hears, too."""
    if not follows_from_nothing(goal):
        return False
    answered(lambda: [z3.Not(skolemize(goal)[0])], z3.unsat)
    return True


def _decide(proof: Callable[[], Proof], goals: Iterable[tuple[str, Term]], hints: Hints) -> tuple[Verdict, float, str]:
    """Whether all goals follow, how long it took, and the first that doesn't."""
    start = time.perf_counter()
    for title, goal in goals:
        if not _follows_alone(goal) and proof().decide(goal, hints.of(title)) != z3.unsat:
            return Verdict.UNDETERMINED, time.perf_counter() - start, title
    return Verdict.PROVED, time.perf_counter() - start, ""


def decide_cases(profile: Profile, part: ProofTask) -> list[Obligation]:
    """All invariants, step properties and theorems for every case of one rule."""
    among = AnyCase(RULES[part.rule], profile)
    numbers = range(len(among.cases))
    return [found for index in numbers for found in decide_case(profile, msgspec.structs.replace(part, case=index), among=among)]


LookCloser = Callable[[Obligation, Question, KnownBreak | None], Obligation]
"""What becomes of an obligation that isn't proved, or is known to be broken. By default: ``looked_closer``."""


def decide_case(profile: Profile, part: ProofTask, closer: LookCloser | None = None, among: AnyCase | None = None) -> list[Obligation]:
    """All invariants, step properties and theorems for one case of one rule.

    What isn't proved goes to ``closer``, which by default looks for a counterexample. ``among``: all cases of the rule.
    """
    look = closer or partial(looked_closer, profile)
    unit = CaseProof(RULES[part.rule], part.case, profile, among)
    made: list[Proof] = []
    decided = _Goals()

    def proof() -> Proof:
        if not made:
            made.append(unit.proof())
            made[0].expect(at_once([one for one in properties if not one.assumptions]))
        return made[0]

    def hints(name: str) -> Hints:
        return Hints(profile, part.rule, unit.case.id, name)

    def at_once(several: list[OfCase]) -> list[Term]:
        """The goals of properties that probably follow with no hint."""
        hopeful = [one for one in several if not known_break(one.name, profile, part.rule, unit.case.title)]
        goals = [(number_of(goal), goal, hints(one.name).of(title)) for one in hopeful for title, goal in one.goals]
        hinted = {number for number, _, hint in goals if hint is not None}
        return [goal for number, goal, _ in goals if number not in hinted and not follows_from_nothing(goal)]

    def obligation(
        name: str, title: str, goals: Goals, using: Callable[[], Proof] = proof, more: Sequence[Term] = (), known: KnownBreak | None = None
    ) -> Obligation:
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

        def question() -> Question:
            return Question(unit.k, goals, [*unit.assumptions, *more], unit.case, unit.after, counts=name == COUNTING)

        hazard = f"{known.hazard}: {known.words}" if known else None
        if known is not None:  # a counterexample makes a proof unnecessary
            found = look(failing(), question(), known)
            if found.verdict is Verdict.REFUTED:
                return msgspec.structs.replace(found, verdict=Verdict.BREAKS_AS_KNOWN, hazard=hazard)
        new = goals if using is not proof else decided.new(goals)
        with first_effort():
            verdict, seconds, failed = _decide(using, new, hints(name))
        if verdict is not Verdict.PROVED:  # a counterexample is found sooner than the solver gives up
            found = look(failing(failed, seconds), question(), None)
            if found.verdict is not Verdict.REFUTED:
                verdict, more_seconds, _ = _decide(using, new, hints(name))
                seconds += more_seconds
            if verdict is not Verdict.PROVED:
                return mark.settled(msgspec.structs.replace(found, hazard=hazard))
        if using is proof:
            decided.add(goals)
        return mark.settled(
            Obligation(
                call=part.rule,
                case=unit.case.id,
                property=name,
                title=title if known is None else f"{title}: no longer broken",
                verdict=verdict if known is None else Verdict.FAILED,
                seconds=seconds,
                basis=Basis.UNTOUCHED if not goals else mark.basis if new else Basis.OTHERS,
                hazard=hazard,
            )
        )

    found: list[Obligation] = []
    properties = list(unit.properties(part.wants))
    for one in properties:
        if one.refused:
            title = f"{one.title}: {one.refused}"
            found.append(Obligation(call=part.rule, case=unit.case.id, property=one.name, title=title, verdict=Verdict.FAILED, seconds=0.0))
            continue
        known = known_break(one.name, profile, part.rule, unit.case.title)
        using = proof().with_more(one.assumptions) if one.assumptions and one.goals else nullcontext(None)
        with using as whole:
            if whole is not None:
                whole.expect(at_once([one]))
            for name, title, goals, broken in _parts(one, known, unit):
                found.append(obligation(name, title, goals, proof if whole is None else _this(whole), one.assumptions, broken))
                if goals and wants_scripts():
                    alone = found[-1].basis is Basis.NOTHING
                    write_script(found[-1], [([] if alone else [*proof().assumptions, *one.assumptions], [goal for _, goal in goals])])
    if part.wants(CHOICES):
        found += decide_choices(unit.k, unit.case, unit.guard, unit.after)
    if part.wants("T5"):
        found.append(_conserved([each for each in found if is_of_conservation(each.property)]))
    return found


def _parts(one: OfCase, known: KnownBreak | None, unit: CaseProof) -> Iterator[tuple[str, str, Goals, KnownBreak | None]]:
    """The obligations of one property, each with its name, title and goals. If the case is known to break it, there are
    two: what is known to be broken, and what must hold all the same.
    """
    yield one.name, one.title, one.goals, known
    if known is not None:
        step = Transition(unit.k, unit.case, unit.after)
        rest = [(title, known.but_for(ANYTHING, step, goal)) for title, goal in one.goals]
        yield f"but for {known.hazard}: {one.name}", f"{one.title} in all but what {known.hazard} does", rest, None


class _Goals:
    """The goals of a case that follow from its assumptions, so that none is decided twice."""

    def __init__(self) -> None:
        self._proved: dict[int, Term] = {}

    def add(self, goals: Goals) -> None:
        self._proved |= {goal.get_id(): goal for _, goal in goals}

    def new(self, goals: Goals) -> Goals:
        """Those of ``goals`` that aren't known to follow."""
        return [(title, goal) for title, goal in goals if goal.get_id() not in self._proved]


def _conserved(made_of: list[Obligation]) -> Obligation:
    """Theorem 5 for one case: it holds if all its component properties hold."""
    return msgspec.structs.replace(
        made_of[0],
        property="theorem 5",
        title=THEOREMS[5],
        verdict=combine(each.verdict for each in made_of),
        seconds=0.0,
        basis=Basis.OTHERS,
        cached=False,
        second=None,
        scope=next((each.scope for each in made_of if each.scope), None),
        counterexample=next((each.counterexample for each in made_of if each.counterexample), None),
        example=next((each.example for each in made_of if each.example), None),
    )


def looked_closer(profile: Profile, unproved: Obligation, question: Question, known: KnownBreak | None = None) -> Obligation:
    """``unproved`` after the search of a small scope for a counterexample to what wasn't proved, the ``question``; of a
    ``known`` break, too.
    """
    from sendright.model.proof.counterexamples.refute import refute

    start = time.perf_counter()
    note(f"looking for a counterexample: {unproved.call}, {unproved.property}")
    known_state = recorded_values(profile.name, unproved.call, unproved.case, unproved.property)
    outcome = refute(profile, question, in_own_words(unproved.property, profile), known_state)
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
    conditions. A rule that isn't as it must be (``well_formed.py``) is FAILED.
    """
    rule = RULES[part.rule]
    k = Context(rule, ANY_STATE, profile)
    invariants = held_by_any_state(profile)
    whole: list[Proof] = []

    def assumptions(assumed: list[Term]) -> list[Term]:
        return [*UNBOUNDED.background, *k.assumptions(), *assumed]

    def not_following(hints: Hints, goal: str, assumed: list[Term], claims: list[Term], two_states: bool) -> list[Term]:
        """Those of the claims that don't follow; of two states, the first of them."""
        left = [(claim, hints.of(f"{goal} {number}")) for number, claim in enumerate(claims) if not _follows_alone(claim)]
        if two_states and left:
            if not whole:
                whole.append(Proof(UNBOUNDED, assumptions([]), invariants, shallow=True))
            with whole[0].with_more(assumed) as more:
                more.expect([claim for claim, hint in left if hint is None])
                return list(islice((claim for claim, hint in left if more.decide(claim, hint) != z3.unsat), 1))
        for known in ([], invariants) if left else ():
            proof = Proof(UNBOUNDED, assumptions(assumed), known)
            hopeless = [hint is not None and not known for _, hint in left]  # what has a hint was seen to need invariants
            left = [one for one, skipped in zip(left, hopeless, strict=True) if skipped or proof.decide(*one) != z3.unsat]
        return [claim for claim, _ in left]

    found: list[Obligation] = []

    def add(of: OfRule) -> None:
        start, mark = time.perf_counter(), Mark()
        goals, hints = list(of.goals()), Hints(profile, part.rule, "all cases", of.name)
        tried = ((goal, not_following(hints, *goal, of.states is not None)) for goal in goals)
        failed, left = next(((goal, left) for goal, left in tried if left), (None, []))
        verdict = Verdict.PROVED if failed is None else Verdict.UNDETERMINED
        seconds, case = time.perf_counter() - start, failed[0] if failed else "all cases"
        one = Obligation(call=part.rule, case=case, property=of.name, title=of.title, verdict=verdict, seconds=seconds, basis=mark.basis)
        if failed is not None:
            goal, assumed, claims = failed
            question = Question(k, [(goal, claim) for claim in claims], [*k.assumptions(), *assumed])
            for each in of.states.questions(goal, left) if of.states else [question]:
                if one.verdict is not Verdict.REFUTED:
                    one = looked_closer(profile, one, each)
        found.append(mark.settled(one))
        if wants_scripts():
            alone = one.basis is Basis.NOTHING
            in_full = of.states.goals_in_full() if of.states else goals
            write_script(one, [([] if alone else [*assumptions(assumed), *invariants], claims) for _, assumed, claims in in_full])

    for one in properties_of_rule(k, lambda number: part.invariants is None if number == DECIDED else part.wants(number)):
        add(one)
    found += [
        Obligation(
            call=part.rule, case=case, property="well formed", title=f"what is proved is what runs: {words}", verdict=Verdict.FAILED, seconds=0.0
        )
        for case, words in faults(rule, profile)
    ]
    return found


def decide_sequence(profile: Profile, part: ProofTask, closer: LookCloser | None = None) -> list[Obligation]:
    """Decide of one rule in a sequence: it establishes what the next rule requires, and so it stays in between; the
    whole call carries what it should. What isn't proved goes to ``closer``, as in ``decide_case``.
    """
    title = "a rule establishes what the next one requires"
    goals = chain(whole_call(part.rule, profile), preconditions_of(part.rule, profile), kept_between(part.rule, profile))
    return [_established(profile, part.rule, "sequence", title, goal, closer) for goal in goals]


def decide_follow_up(profile: Profile, part: ProofTask) -> list[Obligation]:
    """Decide of one follow-up rule that it leaves alone what it should; of all, that nothing is left after them."""
    goals, title = follow_ups(part.rule, profile) if part.rule else quiescence(profile), "between the rules of a row"
    return [_established(profile, part.rule or SPECIFICATION, "follow-up", title, goal) for goal in goals]


def _established(profile: Profile, call: str, name: str, title: str, goal: Precondition, closer: LookCloser | None = None) -> Obligation:
    start, mark = time.perf_counter(), Mark()
    hints = Hints(profile, call, goal.case, f"{name}, {goal.title}")
    left = [claim for claim in goal.claims if not _follows_alone(claim)]
    proved = not left or holds(msgspec.structs.replace(goal, claims=left), profile, hints)
    verdict = Verdict.PROVED if proved else Verdict.UNDETERMINED
    seconds, case = time.perf_counter() - start, f"{goal.case}; {goal.title}"
    found = Obligation(call=call, case=case, property=name, title=title, verdict=verdict, seconds=seconds, basis=mark.basis)
    if verdict is not Verdict.PROVED and call in RULES:
        k = Context(RULES[call], ANY_STATE, profile)
        its_case = next((case for case in k.rule.cases(k) if case.id == goal.case), None)
        question = Question(k, [(goal.title, claim) for claim in goal.claims], goal.assumptions, its_case, goal.after)
        found = (closer or partial(looked_closer, profile))(found, question, None)
    found = mark.settled(found)
    if wants_scripts():
        write_script(found, [([*UNBOUNDED.background, *goal.assumptions, *held_by_any_state(profile)], goal.claims)])
    return found


def decide_theorem_1(profile: Profile, part: ProofTask) -> list[Obligation]:
    """Decide theorem 1, "as if created by task_create"."""
    start, mark = time.perf_counter(), Mark()
    invariants = held_by_any_state(profile)
    failed: tuple[str, list[Term], Term] | None = None
    proof: Proof | None = None
    assumed: list[Term] | None = None
    parts: list[tuple[list[Term], list[Term]]] = []
    for name, assumptions, goal in as_if_created_by_task_create(profile):
        if proof is None or assumptions is not assumed:
            proof, assumed = Proof(UNBOUNDED, [*UNBOUNDED.background, *assumptions], invariants), assumptions
            parts.append((proof.assumptions, []))
        parts[-1][1].append(goal)
        if failed is None and proof.decide(goal) != z3.unsat:
            failed = name, assumptions, goal
    found = Obligation(
        call="host_security_create_task_token",
        case=failed[0] if failed else "all fields and codes",
        property="theorem 1",
        title=THEOREMS[1],
        verdict=Verdict.UNDETERMINED if failed else Verdict.PROVED,
        seconds=time.perf_counter() - start,
        basis=mark.basis,
    )
    if failed is not None:
        name, assumptions, goal = failed
        k = Context(RULES["host_security_create_task_token"], ANY_STATE, profile)
        question = Question(k, [(f"{name}: as task_create would leave it", goal)], assumptions)
        found = looked_closer(profile, found, question)
    found = mark.settled(found)
    if wants_scripts():
        write_script(found, parts)
    return [found]


def decide_base_case(profile: Profile, part: ProofTask) -> list[Obligation]:
    """Decide that the boot state has the invariants."""
    from sendright.model.proof.base_case import base_case

    stated = [*state_invariants(profile), *broken_invariants(profile)]
    return _evaluated(base_case(profile, [invariant for invariant in stated if part.wants(invariant.number)]))


def decide_reachable(profile: Profile, part: ProofTask) -> list[Obligation]:
    """Decide that a witness, from boot, reaches every case of every rule, with all that the case assumes."""
    from sendright.model.execution.witnesses import reachable_cases
    from sendright.model.proof.counterexamples.possible import possible

    return _evaluated(reachable_cases(profile, partial(possible, profile)))


def decide_must_fail(profile: Profile, part: ProofTask) -> list[Obligation]:
    """Decide that a reachable state breaks each must-fail invariant."""
    from sendright.model.proof.must_fail import decide_must_fail as decide

    return _evaluated(decide(profile))


def _evaluated(found: list[Obligation]) -> list[Obligation]:
    """What was decided in concrete states, where no solver and no assumption is needed."""
    return [msgspec.structs.replace(one, basis=Basis.NOTHING) for one in found]


_DECIDE: dict[str, Callable[[Profile, ProofTask], list[Obligation]]] = {
    "cases": decide_cases,
    "case": decide_case,
    "rule": decide_rule,
    "sequence": decide_sequence,
    "follow-up": decide_follow_up,
    "theorem 1": decide_theorem_1,
    "base case": decide_base_case,
    "reachable": decide_reachable,
    "must fail": decide_must_fail,
}


def decide(profile_name: str, part: ProofTask, cache: Cache | None = None) -> list[Obligation]:
    """Decide one task. ``cache``, if given, is used."""
    keep_proofs_in(cache)
    return _DECIDE[part.kind](profile_named(profile_name), part)


MEMORY_LIMIT = 2048
"""MiB that z3 may use in one process. A worker was seen to have 235 MiB in all, late in a whole run."""


class Decided(msgspec.Struct, frozen=True):
    """What came of one task."""

    obligations: list[Obligation]
    scripts: list[Script] = []
    """The same as SMT-LIB, if that was wanted."""


def decide_and_do(profile_name: str, part: ProofTask, cache: Cache | None, also: Also) -> Decided:
    """Decide one task, and do ``also``. Worker processes run this.

    If a rule or a property raises an exception, that is the task's result (CRASHED); other tasks don't suffer from it.
    """
    z3.set_param("memory_max_size", MEMORY_LIMIT)  # beyond it z3 gives up: UNDETERMINED
    with doing(also) as scripts:
        try:
            found = decide(profile_name, part, cache)
        except PluginError:  # the input is wrong, not the prover
            raise
        except Exception as error:
            found = [_raised(part, error)]
        return Decided(found, scripts)


def _raised(part: ProofTask, error: Exception) -> Obligation:
    where = traceback.extract_tb(error.__traceback__)[-1]
    return Obligation(
        call=part.rule or SPECIFICATION,
        case="all cases",
        property="everything" if part.kind in ("cases", "case", "rule") else part.kind,
        title="this proof task is decided",
        verdict=Verdict.CRASHED,
        seconds=0.0,
        scope=f"not decided: {type(error).__name__}: {error} ({os.path.basename(where.filename)}, line {where.lineno}, {where.name})",
    )
