"""What is left to prove of two states that look the same to a caller (theorem 4).

The second state is the first one wherever the caller sees it (``invariants/consistency.py``). Of most claims nothing is
left, when the case's condition says that the caller sees what they speak of. A look at that needs no invariant.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import z3

from sendright.model.invariants.consistency import (
    APPLIES,
    DEATHS,
    RESULTS,
    Goal,
    Twins,
    applies,
    consistency,
    in_two_states,
    looks_the_same_after,
    the_same_die,
)
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import Context
from sendright.model.language.sorts import Term
from sendright.model.language.state import FIELDS, After
from sendright.model.language.term_walk import assert_all, new_applications, without_quantifiers
from sendright.model.proof.counterexamples.counterexample import Question, SecondState
from sendright.model.proof.solver.instantiate import solver_without_quantifiers
from sendright.model.proof.solver.questions import answered, query

Posed = tuple[str, list[Term], list[Term]]
"""A goal's name, what is assumed, and what has to follow."""
A_LOOK = 1_000_000
"""How much work, in z3's own count, goes into a look."""


class TwoStates:
    """Two states of one rule that look the same to its caller, and what is left to prove of them. (Rules for pending
    work have no caller.)
    """

    def __init__(self, k: Context, v: Variables) -> None:
        self.k, self.v, self.sorts = k, v, v.sorts
        self._known: list[list[Term]] = []
        """The facts that the solver knows, one level upon the other."""

    @cached_property
    def twins(self) -> Twins:
        """The two states: the second one in terms of the first."""
        return Twins(self.k, self.v)

    @cached_property
    def _all(self) -> list[Goal]:
        return [] if self.k.rule.pending else list(consistency(self.twins))

    @cached_property
    def _solver(self) -> z3.Solver:
        solver = solver_without_quantifiers()
        solver.set("rlimit", A_LOOK)
        solver.add([without_quantifiers(fact) for fact in self.k.assumptions()])
        return solver

    def goals(self) -> Iterator[Posed]:
        """Of each goal the name, what is assumed, and the claims that are left; those of which some are."""
        for goal in self._all:
            claims = [left for claim in goal.claims if not z3.is_true(left := self._left(claim, goal.guard, goal.pair.after))]
            if claims:
                yield goal.name, [*goal.guard, *self.twins.assumptions(*claims, *goal.guard)], claims

    def goals_in_full(self) -> Iterator[Posed]:
        """As ``goals``, with all claims."""
        for goal in self._all:
            yield goal.name, [*goal.guard, *self.twins.assumptions(*goal.claims, *goal.guard)], goal.claims

    def _left(self, claim: Term, facts: list[Term], after: After) -> Term:
        """``claim`` without the second state's values where the ``facts`` say that the caller sees the first's."""
        if z3.is_quantifier(claim):
            variables = [z3.Const(f"{claim.var_name(index)}!left", claim.var_sort(index)) for index in range(claim.num_vars())]
            told = list(self._told_of(variables[0], facts, after))
            left = self._left(z3.substitute_vars(claim.body(), *reversed(variables)), [*facts, *told], after)
            return left if z3.is_true(left) else claim
        if z3.is_implies(claim):
            left = self._left(claim.arg(1), [*facts, claim.arg(0)], after)
            return left if z3.is_true(left) else z3.Implies(claim.arg(0), left)
        seen = [(condition, z3.BoolVal(True)) for condition in self._conditions_in(claim) if self._follows(condition, facts)]
        left = z3.simplify(z3.substitute(claim, *seen)) if seen else claim
        return z3.BoolVal(True) if z3.is_true(left) or self._follows(left, facts) else left

    def _told_of(self, point: Term, facts: list[Term], after: After) -> Iterator[Term]:
        """What ``facts`` say of all, said of this point; of a message also what they say of the slot for which a
        release makes it.
        """
        points = [point]
        if point.sort() == self.sorts.Slot:
            points.append(self.sorts.message_of(point))
        points += [each.notified(one) for each in after.releases for one in points if one.sort() == self.sorts.Message]
        for fact in facts:
            if z3.is_quantifier(fact) and fact.is_forall() and fact.num_vars() == 1:
                yield from (z3.substitute_vars(fact.body(), one) for one in points if one.sort() == fact.var_sort(0))

    def _conditions_in(self, claim: Term) -> list[Term]:
        return [self.twins.open[address] for address, _, _ in new_applications(claim, set()) if address in self.twins.open]

    def _follows(self, claim: Term, facts: list[Term]) -> bool:
        """The claim follows from the facts and from what always holds for a caller, whatever these say of "all …"."""
        self._assume(facts)
        self._solver.push()
        assert_all(self._solver, [z3.Not(without_quantifiers(claim))])
        follows = self._solver.check() == z3.unsat
        if follows:
            query(from_cache=False)
            answered(self._solver.assertions, z3.unsat)
        self._solver.pop()
        return bool(follows)

    def _assume(self, facts: list[Term]) -> None:
        """The solver knows the ``facts`` and no others. Many claims in turn are about the same, or about more."""
        known = [fact for level in self._known for fact in level]
        while self._known and not (len(known) <= len(facts) and all(map(z3.eq, known, facts))):
            del known[-len(self._known.pop()) :]
            self._solver.pop()
        if new := facts[len(known) :]:
            self._known.append(new)
            self._solver.push()
            assert_all(self._solver, [without_quantifiers(fact) for fact in new])  # kept until the solver has them

    def questions(self, goal: str, claims: list[Term]) -> Iterator[Question]:
        """What a counterexample to the goal of this name shows: two states that look the same, in which the invariants
        hold, and in which the call does what its caller can tell apart. First they differ only in the fields of
        which the ``claims`` speak, then in any.
        """
        spoken_of = frozenset(self.twins.fields_in(claims))
        ghosts = {name for name, field in FIELDS.items() if field.ghost}
        counted = any(spoken_of & set(getattr(FIELDS[name].ghost, "reads", ())) for name in ghosts)
        yield self._question(goal, spoken_of | (ghosts if counted else set()))
        yield self._question(goal, frozenset(FIELDS))

    def _question(self, goal: str, apart: frozenset[str]) -> Question:
        twins = Twins(self.k, self.v, apart)
        case_id, _, what = goal.rpartition(": ")
        index = next(index for index, case in enumerate(twins.cases) if case.id == case_id)
        pair, here, there = in_two_states(twins, index)
        goals: list[tuple[str, Term]] = []
        if what == APPLIES:
            goals = [("the same case applies", z3.And(*applies(twins.cases_other, index)))]  # whatever the kernel would choose in it
            there = []
        elif what == RESULTS:
            goals = [(f"the result {name}", value == pair.again.outputs[name]) for name, value in pair.case.outputs.items()]
        elif what == DEATHS:
            goals = [("the same ports die", claim) for claim in the_same_die(twins, pair.after, pair.after_again)]
        else:
            goals = list(looks_the_same_after(twins, pair))
        assumptions = [*self.k.assumptions(), *twins.k_other.assumptions(), *here, *there, *twins.looks_alike()]
        second = SecondState(twins.k_other, twins.cases_other, pair.after_again if what != APPLIES else None)
        return Question(self.k, goals, assumptions, pair.case, pair.after, second=second)
