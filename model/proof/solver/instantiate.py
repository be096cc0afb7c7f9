"""Proofs without quantifiers: assumptions are instantiated at the terms that matter, and z3 decides the rest.

A solver left alone with quantified invariants runs in circles (a slot has a port, a port has a receiver, which is a
slot …). Here every assumption "for all …" is replaced by its instances at the terms that occur in the case and the
goal, and, in a second round, at those that the first round brought up. Leaving an instance out can only make a proof
fail: what is proved from instances is proved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple, TypeAlias

import z3

from sendright.model.language.sorts import Sorts, Term
from sendright.model.language.term_walk import (
    Body,
    Formulas,
    address_of,
    assert_all,
    assert_at,
    body_with,
    bound_at,
    has_quantifiers,
    number_of,
    term_at,
    without_quantifiers,
)
from sendright.model.proof.solver.ground_terms import Reader, Terms

Point: TypeAlias = dict[tuple[str, int], Term]
"""Constants for bound variables, by the names and sorts of those."""


class Assumption:
    """A formula "for all variables: body"; without variables, the body alone."""

    def __init__(self, formula: Term) -> None:
        self.formula = formula
        self.number = number_of(formula)
        self.sorts: tuple[int, ...] = ()
        self.variables: tuple[tuple[str, int], ...] = ()
        if z3.is_quantifier(formula):
            self.sorts = tuple(formula.var_sort(index).get_id() for index in range(formula.num_vars()))
            self.variables = tuple(zip((formula.var_name(index) for index in range(formula.num_vars())), self.sorts, strict=True))
            self.body = Body(formula.body(), len(self.sorts))
        self.done: set[tuple[int, ...]] = set()

    def fork(self) -> Assumption:
        """The same assumption, with its own record of what was instantiated."""
        other = Assumption.__new__(Assumption)
        other.__dict__.update(self.__dict__)
        other.done = set(self.done)
        return other

    def at(self, point: Point, instances: Formulas) -> None:
        """Add the instance at ``point``. None, if ``point`` lacks a constant for some variable."""
        values = [point.get(variable) for variable in self.variables]
        if values and None not in values:
            instances.add(self.body.address_at(list(map(address_of, values))))

    def instantiate(self, terms: Terms, instances: Formulas) -> None:
        """Add the new instances at ``terms``."""
        if not self.sorts:
            if not self.done:
                self.done.add(())
                instances.add(address_of(self.formula))
            return
        done, address_at = self.done, self.body.address_at
        for values in terms.tuples(self.sorts):
            key = tuple([number for number, _ in values])
            if key not in done:
                done.add(key)
                instances.add(address_at([address for _, address in values]))


_assumptions: dict[int, Assumption] = {}


def _assumption(formula: Term) -> Assumption:
    """``formula`` as an assumption. Many proofs have the same, so it is taken apart once, and kept."""
    number = formula.get_id()
    if number not in _assumptions:
        _assumptions[number] = Assumption(formula)
    return _assumptions[number].fork()


_normal: dict[int, tuple[Term, list[Term]]] = {}
"""Formulas with quantifiers, each with its conjuncts in normal form, by their numbers. Many cases have some in
common.
"""

_nnf = z3.Then(z3.With("simplify", elim_and=False), "nnf")


def prenex(formulas: Iterable[Term]) -> list[Term]:
    """The conjuncts of ``formulas`` in negation normal form: existential quantifiers gone (by new constants), the rest
    universal.
    """
    found: list[Term] = []
    for formula in formulas:
        if not has_quantifiers(formula):
            found.append(formula)
            continue
        number = number_of(formula)
        if number not in _normal:
            goal = z3.Goal()
            goal.add(formula)
            [result] = _nnf(goal)
            _normal[number] = formula, list(result)
        found += _normal[number][1]
    return found


def ground(formula: Term, terms: Terms) -> Term:
    """``formula``, in negation normal form, with every universal quantifier replaced by its instances at ``terms``."""
    if z3.is_quantifier(formula):
        instances = Formulas()
        Assumption(formula).instantiate(terms, instances)
        return z3.And(*[ground(term_at(instance), terms) for instance in instances.addresses])
    if (z3.is_and(formula) or z3.is_or(formula)) and has_quantifiers(formula):
        children = [ground(child, terms) for child in formula.children()]
        return z3.And(*children) if z3.is_and(formula) else z3.Or(*children)
    return formula


def skolemize(clause: Term) -> tuple[Term, Point]:
    """The body of a universally quantified ``clause`` at constants of which nothing else speaks, and those.

    The constants are the same for all clauses, since one clause is decided at a time.
    """
    if not z3.is_quantifier(clause):
        return clause, {}
    point: Point = {}
    constants: list[Term] = []
    for index, variable in enumerate(bound_at(address_of(clause))):
        if variable not in _constants:
            name, sort = clause.var_name(index), clause.var_sort(index)
            _constants[variable] = (name, sort.get_id()), z3.Const(f"{name}!any", sort)
        key, constant = _constants[variable]
        point[key] = constant
        constants.append(constant)
    return body_with(clause, constants), point


_constants: dict[tuple[int, int], tuple[tuple[str, int], Term]] = {}
"""The constants for variables, by where z3 has the names and the sorts of these. The constants keep the sorts."""


RLIMIT = 20_000_000
"""How much work the solver does for one question, in z3's own count: some seconds, but the same on a machine that is
busy. Of what is proved, nothing was seen to take more than a tenth of that.
"""

FIRST_EFFORT = 4_000_000
"""As ``RLIMIT``, for the first try: twice what was seen to be needed. Of what isn't proved with it a counterexample is
looked for before the solver goes on.
"""


class _Effort:
    most = RLIMIT


@contextmanager
def first_effort(most: int = FIRST_EFFORT) -> Iterator[None]:
    """As long as the block lasts, questions get ``most`` instead of ``RLIMIT``."""
    before, _Effort.most = _Effort.most, most
    try:
        yield
    finally:
        _Effort.most = before


DEPTHS = (3, 5)
"""Assumptions are first instantiated at the goal's terms up to this depth.

The many terms that are farther from the goal are seldom needed.
"""

ROUNDS = 2
"""How often assumptions are instantiated at the case's terms and the goal's, each time at those that came up the last
time.
"""


class Hint(NamedTuple):
    """Where a proof is likely to be found. A wrong hint costs time and nothing else: it only selects instances."""

    batch: int
    """Which of the batches of instances it needs, by number: 0 is the one at the goal's own variables."""
    without: frozenset[int] = frozenset()
    """The assumptions that it doesn't need, by the numbers of their formulas, which live as long as the process."""


def solver_without_quantifiers() -> z3.Solver:
    """A solver for questions that have next to no quantifiers."""
    solver = z3.SimpleSolver()
    # z3 would keep track of the terms that its own quantifiers should look at: only a few goals bring any, and keeping track cost more
    solver.set("relevancy", 0)
    solver.set("arith.solver", 2)  # the older one, which begins sooner: the sums here are small
    return solver


A_LOOK = 20_000
"""How much work, in the same count, goes into a test whether a goal holds without assumptions."""


_looked_at: dict[int, tuple[Term, bool]] = {}
"""What was found of goals, by their numbers. Many cases have goals in common."""


def follows_from_nothing(goal: Term) -> bool:
    """The goal (a clause) holds without assumptions, as most clauses do that a case doesn't change."""
    number = goal.get_id()
    if number not in _looked_at:
        _looked_at[number] = goal, _follows_from_nothing(goal)  # the goal is kept, since z3 reuses the number of a term that is gone
    return _looked_at[number][1]


def _follows_from_nothing(goal: Term) -> bool:
    if z3.is_true(z3.simplify(goal)):
        return True
    solver = _knowing_nothing()
    with _scope(solver):
        solver.add(z3.Not(without_quantifiers(skolemize(goal)[0])))  # whatever may stand for them, so for them too
        return bool(solver.check() == z3.unsat)


@cache
def _knowing_nothing() -> z3.Solver:
    """A solver for all these looks: making one takes longer than most looks."""
    solver = solver_without_quantifiers()
    solver.set("rlimit", A_LOOK)
    return solver


def _nested(goal: Term) -> bool:
    """There are quantifiers inside the goal."""
    return has_quantifiers(goal.body() if z3.is_quantifier(goal) else goal)


class Proof:
    """Assumptions of one case, instantiated once; goals are decided one after the other.

    The solver gets the assumptions' instances at the case's own terms once, for all goals. Each goal adds the instances
    at its own terms.
    """

    on_answer: Callable[[Callable[[], Sequence[Term]], z3.CheckSatResult], object] | None = None
    """Gets what the solver was last asked about each goal (on request), and its answer."""

    def __init__(self, sorts: Sorts, ground_facts: list[Term], universals: list[Term], shallow: bool = False) -> None:
        """``shallow``: assumptions are instantiated only at the goal's own terms, up to the last of ``DEPTHS``."""
        self.sorts, self.shallow = sorts, shallow
        self.solver = solver_without_quantifiers()
        self.terms = Terms(Reader(sorts))
        self.universals = [_assumption(formula) for formula in universals]
        self.nested: list[Term] = []
        self._assume(ground_facts)
        self._begun = False
        self._options: dict[str, int] = {}
        """The solver's, which proofs with more assumptions have, too."""
        self._follow: dict[int, Term] = {}
        """Goals that were found to follow, by their numbers."""

    def _limit(self, effort: int) -> None:
        if self._options.get("rlimit") != effort:  # setting it takes as long as a small question
            self._options["rlimit"] = effort
            self.solver.set(rlimit=effort)

    def _assume(self, facts: list[Term]) -> None:
        normal = prenex(facts)
        nested = [fact for fact in normal if has_quantifiers(fact) and not z3.is_quantifier(fact)]
        plain = [fact for fact in normal if not has_quantifiers(fact)]
        self.nested = [*self.nested, *nested]
        self.universals = [*self.universals, *[_assumption(fact) for fact in normal if z3.is_quantifier(fact)]]
        for fact in (*plain, *nested):
            self.terms.collect(fact)
        assert_all(self.solver, plain)

    @contextmanager
    def with_more(self, universals: list[Term]) -> Iterator[Proof]:
        """The same proof with more assumptions, "for all …" or plain, as long as the block lasts."""
        more = Proof.__new__(Proof)
        more.__dict__.update(self.__dict__)
        more.terms, more.universals = self.terms.copy(), [assumption.fork() for assumption in self.universals]
        more._begun = False
        self._begin()
        with _scope(self.solver):
            more._assume(universals)
            yield more

    def _begin(self) -> None:
        """Instantiate at the case's own terms."""
        if self._begun:
            return
        self._begun = True
        self._own = _instances([] if self.shallow else self.universals, self.terms)
        self._brought_up: Terms | None = None
        assert_at(self.solver, self._own.addresses)
        assert_all(self.solver, [ground(fact, self.terms) for fact in self.nested])

    @property
    def brought_up(self) -> Terms:
        """The case's own terms and those that come up by instantiating there."""
        if self._brought_up is None:
            self._brought_up = self.terms.copy()
            self._collect(self._brought_up, self._own)
        return self._brought_up

    @staticmethod
    def _collect(terms: Terms, instances: Formulas) -> None:
        terms.reader.keep.append(instances)
        for instance in instances.addresses:
            terms.collect_at(instance)

    def decide_together(self, goals: Iterable[Term]) -> None:
        """Find out whether all goals follow by instances at their own variables, so that ``decide`` knows.

        One question for all of them takes the solver hardly longer than one for each. If not all follow, nothing is
        learned. Goals with quantifiers inside are left alone: one of those could take all the time.
        """
        together = [goal for goal in goals if not _nested(goal)]
        if len(together) < 2:
            return
        self._begin()
        negated: list[Term] = []
        point: Point = {}
        for goal in together:
            body, own = skolemize(goal)
            negated.append(z3.Not(body))
            point |= own  # a constant stands for the same variable in all of them: some value violates one of them, if any does
        self._limit(min(RLIMIT, FIRST_EFFORT))
        with _scope(self.solver):
            assert_all(self.solver, [z3.Or(*negated)])
            instances = self._at(point)
            assert_at(self.solver, instances.addresses)
            if self.solver.check() == z3.unsat:
                self._follow = self._follow | {number_of(goal): goal for goal in together}

    def looks_contradictory(self) -> bool:
        """The assumptions can't hold together, as their instances at the case's own terms show. False: not known."""
        self._begin()
        self._limit(min(RLIMIT, FIRST_EFFORT))
        return bool(self.solver.check() == z3.unsat)

    def decide(self, goal: Term, hint: Hint | None = None) -> z3.CheckSatResult:
        """``unsat``: the goal (a clause) follows. Anything else: not proved.

        The assumptions are instantiated at more and more terms, until it follows: at the goal's own variables, at its
        terms (those that are nested least first), at the case's and its terms together. What the ``hint`` says is tried
        before that.
        """
        if number_of(goal) in self._follow:
            return z3.unsat
        self._begin()
        body, point = skolemize(goal)
        negated = z3.Not(body)
        verdict: z3.CheckSatResult | None = None
        with _scope(self.solver):
            assert_all(self.solver, [negated])
            for number, batch in enumerate(self._batches(negated, point, hint)):
                if verdict == z3.sat and not len(batch):
                    continue  # it would be the same question
                hinted = hint is not None and not number
                # a hint that tells of no instances tells that the question is hard; a wrong one may cost no more than a first try
                most = min(RLIMIT, FIRST_EFFORT if hint and hint.batch else RLIMIT) if hinted else min(RLIMIT, _Effort.most)
                self._limit(most)
                assert_at(self.solver, batch.addresses)
                verdict = self.solver.check()
                if verdict == z3.unsat:
                    break
            assert verdict is not None
            if self.on_answer is not None:
                self.on_answer(self.solver.assertions, verdict)
            return verdict

    def _at(self, point: Point) -> Formulas:
        """The assumptions' instances at ``point``."""
        found = Formulas()
        for assumption in self.universals:
            assumption.at(point, found)
        return found

    def _batches(self, negated: Term, point: Point, hint: Hint | None) -> Iterator[Formulas]:
        alone = Terms(self.terms.reader)
        if hint is not None:
            yield self._as_hinted(negated, point, hint)
        yield self._at(point)
        alone.collect(negated)
        universals = [assumption.fork() for assumption in self.universals]
        for terms in map(alone.no_deeper_than, DEPTHS):
            yield _instances(universals, terms)
        if self.shallow:
            return
        yield _instances(universals, alone)
        news: list[Formulas] = []
        for round_ in range(ROUNDS):
            terms = (self.brought_up if round_ else self.terms).copy()
            terms.collect(negated)
            for new in news:
                self._collect(terms, new)
            news.append(_instances(universals, terms))
            yield self._with_nested(news[-1], terms)

    def _as_hinted(self, negated: Term, point: Point, hint: Hint) -> Formulas:
        found = Formulas()
        needed = [assumption for assumption in self.universals if assumption.number not in hint.without]
        for assumption in needed:
            assumption.at(point, found)
        if hint.batch:
            terms = Terms(self.terms.reader)
            terms.collect(negated)
            if hint.batch <= len(DEPTHS):
                terms = terms.no_deeper_than(DEPTHS[hint.batch - 1])
            for assumption in needed:
                assumption.fork().instantiate(terms, found)
        return found

    def _with_nested(self, instances: Formulas, terms: Terms) -> Formulas:
        """``instances``, and the assumptions that have quantifiers inside, these written out for ``terms``."""
        if not self.nested:
            return instances
        found = Formulas()
        for address in instances.addresses:
            found.add(address)
        for fact in self.nested:
            written_out = ground(fact, terms)  # kept until z3 keeps it: an address alone keeps nothing
            found.add(address_of(written_out))
        return found


@contextmanager
def _scope(solver: z3.Solver) -> Iterator[None]:
    """What the solver gets here it forgets afterwards."""
    solver.push()
    try:
        yield
    finally:
        solver.pop()


def _instances(universals: Iterable[Assumption], terms: Terms) -> Formulas:
    """The new instances of ``universals`` at ``terms``."""
    found = Formulas()
    for assumption in universals:
        assumption.instantiate(terms, found)
    return found
