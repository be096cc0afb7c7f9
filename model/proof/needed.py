"""Which clauses of state invariants the proofs need: ``sendright mutants --clauses``.

Every proof assumes all clauses. Here each clause has a mark, and the solver says which marks it has used. Then it tries
again without the clause. A clause is *needed* if some proof of anything else is lost without it. One that no proof
needs protects users rather than proofs, and is listed with its reason in ``model/invariants/goals.py``, or in
``model/invariants/lemmas.py`` if it follows from others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

import z3

from sendright.mach.interrupt import stop_if_interrupted
from sendright.mach.kernel.profiles import Profile
from sendright.mach.results.mutants import ClauseNeed, ClausesResult
from sendright.mach.results.verdicts import Verdict
from sendright.model.invariants.catalogue import state_invariants
from sendright.model.invariants.goals import why_a_goal
from sendright.model.invariants.known_breaks import known_break
from sendright.model.invariants.lemmas import lemma
from sendright.model.language.rule import RULES
from sendright.model.language.sorts import UNBOUNDED, Term
from sendright.model.proof.any_state import of_any_state
from sendright.model.proof.follow_ups import follow_ups, kept_between, quiescence
from sendright.model.proof.obligations import AnyCase, CaseProof
from sendright.model.proof.preconditions import preconditions_of
from sendright.model.proof.properties import everything
from sendright.model.proof.prove import proof_tasks
from sendright.model.proof.solver import instantiate
from sendright.model.proof.solver.instantiate import follows_from_nothing

TRIES = 12
"""How many proofs of each rule that use a clause are tried without it."""

Progress = Callable[[int, int, str], None]


class _Goal(NamedTuple):
    """One goal of a proof."""

    name: str
    clause: tuple[str, str]
    """The property and clause that it is about."""
    term: Term


class _Question(NamedTuple):
    """Goals with the same assumptions."""

    assumptions: list[Term]
    goals: list[_Goal]


def _of_rule(rule: str, profile: Profile) -> Iterator[_Question]:
    """All goals of a rule's cases, and of the sequences in which it is."""
    among = AnyCase(RULES[rule], profile)
    for index, case in enumerate(among.cases):
        unit, goals = CaseProof(RULES[rule], index, profile, among), list[_Goal]()
        for one in unit.properties(everything):
            if one.refused or known_break(one.name, profile, rule, case.title):
                continue
            mine = [_Goal(f"{one.name} of {case.id}", (one.name, title), goal) for title, goal in one.goals if not follows_from_nothing(goal)]
            if one.assumptions:
                yield _Question([*unit.assumptions, *one.assumptions], mine)
            else:
                goals += mine
        yield _Question(unit.assumptions, goals)
    of_rows = follow_ups(rule, profile) if RULES[rule].pending else chain(preconditions_of(rule, profile), kept_between(rule, profile))
    for goal in of_rows:
        yield _Question(goal.assumptions, [_Goal(f"sequence: {goal.case}; {goal.title}", ("", ""), claim) for claim in goal.claims])


def _of_all(profile: Profile) -> Iterator[_Question]:
    """The goals of the whole specification."""
    for goal in quiescence(profile):
        yield _Question(goal.assumptions, [_Goal(f"follow-up: {goal.title}", ("", ""), claim) for claim in goal.claims])


class _Clauses:
    """The clauses of a profile's state invariants, and what was found out about each."""

    def __init__(self, profile: Profile) -> None:
        self.clauses = [(each.number, title) for each in state_invariants(profile) for title, _ in of_any_state(each)]
        terms = [term for each in state_invariants(profile) for _, term in of_any_state(each)]
        self.marks = [z3.Bool(f"mark {index}") for index in range(len(terms))]
        self.marked = [_if_marked(mark, term) for mark, term in zip(self.marks, terms, strict=True)]
        self._number = {mark.get_id(): index for index, mark in enumerate(self.marks)}
        self.uses = [0] * len(terms)
        self.tried = [0] * len(terms)
        self.needed = [""] * len(terms)
        self.questions = 0

    def ask(self, asked: _Question) -> None:
        """Decide these goals, and see which clauses they need."""
        goals = [goal for goal in asked.goals if not follows_from_nothing(goal.term)]
        if not goals:
            return
        proof = instantiate.Proof(UNBOUNDED, [*UNBOUNDED.background, *asked.assumptions], self.marked)
        check, solver = proof.solver.check, proof.solver

        def decided(goal: Term, without: int | None = None) -> bool:
            marks = [mark for index, mark in enumerate(self.marks) if index != without]
            solver.check = lambda: check(*marks)
            return bool(proof.decide(goal) == z3.unsat)

        for goal in goals:
            self.questions += 1
            core: list[int] = []
            proof.on_answer = lambda _, verdict, core=core: core.extend(self._used(solver)) if verdict == z3.unsat else None
            if not decided(goal.term):
                continue
            proof.on_answer = None
            for index in core:
                number, title = self.clauses[index]
                if goal.clause == (f"invariant {number}", title):
                    continue  # it helps to keep itself, and nothing else
                self.uses[index] += 1
                if not self.needed[index] and self.tried[index] < TRIES:
                    self.tried[index] += 1
                    if not decided(goal.term, index):
                        self.needed[index] = goal.name

    def _used(self, solver: z3.Solver) -> list[int]:
        return sorted(self._number[mark.get_id()] for mark in solver.unsat_core())


def _if_marked(mark: Term, clause: Term) -> Term:
    """The clause, if it is marked. A universal quantifier stays outermost."""
    if not z3.is_quantifier(clause):
        return z3.Implies(mark, clause)
    constants = [z3.Const(clause.var_name(index), clause.var_sort(index)) for index in range(clause.num_vars())]
    return z3.ForAll(constants, z3.Implies(mark, z3.substitute_vars(clause.body(), *reversed(constants))))


def needed_clauses(profile: Profile, command: str = "", on_progress: Progress | None = None) -> ClausesResult:
    """For each clause of the profile's state invariants: how many proofs use it, and one that is lost without it.

    On KeyboardInterrupt the result holds what was found, and says so.
    """
    start = time.monotonic()
    rules = list(dict.fromkeys(task.rule for task in proof_tasks(profile) if task.kind == "cases"))
    found, whole = _Clauses(profile), True
    try:
        for done, rule in enumerate(["", *rules]):
            found.tried = [0] * len(found.tried)
            for asked in _of_rule(rule, profile) if rule else _of_all(profile):
                stop_if_interrupted()
                found.ask(asked)
            if on_progress is not None:
                on_progress(done, len(rules), rule or "all rules")
    except KeyboardInterrupt:
        whole = False
    clauses = []
    for (number, title), uses, needed in zip(found.clauses, found.uses, found.needed, strict=True):
        listed = lemma(number, title)
        reason = why_a_goal(number, title) or (f"follows from others: {listed.why}" if listed else "")
        clauses.append(ClauseNeed(invariant=number, clause=title, uses=uses, needed_by=needed, reason="" if needed else reason))
    unknown = [one for one in clauses if not one.needed_by and not one.reason]
    return ClausesResult(
        verdict=Verdict.PASSED if not unknown else Verdict.FAILED if whole else Verdict.UNDETERMINED,
        profile=profile.name,
        clauses=tuple(clauses),
        questions=found.questions,
        seconds=time.monotonic() - start,
        command=command,
        interrupted=not whole,
    )
