"""Proofs without quantifiers: assumptions are instantiated at the terms that matter, and z3 decides the rest.

A solver left alone with quantified invariants runs in circles (a slot has a port, a port has a receiver, which is a
slot …). Here every assumption "for all …" is replaced by its instances at the terms that occur in the case and the
goal, and, in a second round, at those that the first round brought up. Leaving an instance out can only make a proof
fail: what is proved from instances is proved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import NamedTuple, TypeAlias

import z3

from sendright.model.language.sorts import PLACE, Sorts, Term
from sendright.model.language.term_walk import Body, assert_all, depth_of, has_quantifiers, new_applications, sort_of, term_at

ONE_PART = ("destination_slot", "reply_slot", "kernel_slot", "no_senders_slot", "port_destroyed_slot", "limbo_slot", "host_slot")


Point: TypeAlias = dict[tuple[str, int], Term]
"""Constants for bound variables, by the names and sorts of those."""


class Matters(NamedTuple):
    """What matters of the applications of one declaration: the sort under which they are noted, what makes them if they
    are slots, whether their two arguments are noted as a pair, and which of their arguments are integers to be noted.
    """

    sort: int | None = None
    slot: str | None = None
    pair: bool = False
    integers: tuple[int, ...] = ()

    @property
    def nothing(self) -> bool:
        return self == NOTHING_MATTERS


NOTHING_MATTERS = Matters()


class Terms:
    """The ground terms that have come up, by sort, and the pairs that index slots and memory."""

    def __init__(self, sorts: Sorts) -> None:
        S = self.S = sorts.Slot
        self.sorts = sorts
        self.by_sort: dict[int, dict[int, Term]] = {}
        self.pairs: dict[tuple[int, int], dict[tuple[int, int], tuple[Term, Term]]] = {}
        self.seen: set[int] = set()
        self.keep: list[Term] = []  # numbers and addresses stay valid only while the terms live
        self.matters: dict[int, Matters] = {}
        self.slot_id = S.get_id()
        self.int_id = z3.IntSort().get_id()
        self.interesting = {sort.get_id() for sort in (sorts.Task, sorts.Port, sorts.Name, sorts.Message, sorts.Object, S, PLACE.sort)}
        self.pair_sorts = {
            "name_slot": (sorts.Task, sorts.Name),
            "place_slot": (sorts.Task, PLACE.sort),
            "body_slot": (sorts.Message, z3.IntSort()),
            "request_slot": (sorts.Task, sorts.Name),
        }

    def copy(self) -> Terms:
        """The same terms, to be added to apart."""
        other = Terms.__new__(Terms)
        other.__dict__.update(self.__dict__)
        other.by_sort = {sort: dict(found) for sort, found in self.by_sort.items()}
        other.pairs = {sort: dict(found) for sort, found in self.pairs.items()}
        other.seen = set(self.seen)
        other.keep = list(self.keep)
        other.matters = dict(self.matters)
        return other

    def collect(self, formula: Term) -> None:
        """Note all ground terms of ``formula`` (quantified parts are skipped)."""
        self.keep.append(formula)
        for address, declaration, arguments in new_applications(formula, self.seen):
            alike = declaration if arguments else sort_of(address)  # of constants nothing but the sort matters
            matters = self.matters.get(alike)
            if matters is None:
                matters = self.matters[alike] = self._matters(address)
            if matters.nothing:
                continue
            if matters.sort is not None:
                term = term_at(address)
                self._note(matters.sort, term)
                if matters.slot is not None:
                    self._note_slot(term, matters.slot)
            if matters.pair:
                self._note_pair(term_at(arguments[0]), term_at(arguments[1]))
            for index in matters.integers:
                self._note(self.int_id, term_at(arguments[index]))

    def _matters(self, address: int) -> Matters:
        """What matters of all applications of the declaration that is applied at ``address``."""
        declaration = term_at(address).decl()
        sort, arity = declaration.range().get_id(), declaration.arity()
        domain = [declaration.domain(index) for index in range(arity)]
        if sort in self.interesting and declaration.kind() == z3.Z3_OP_ITE:
            return Matters()
        free = declaration.kind() == z3.Z3_OP_UNINTERPRETED
        return Matters(
            sort=sort if sort in self.interesting else None,
            slot=declaration.name() if sort == self.slot_id else None,
            pair=free and arity == 2 and (domain[1].get_id() == self.int_id or domain[1] == self.sorts.Name),
            integers=tuple(index for index in range(arity) if free and sort != self.slot_id and domain[index].get_id() == self.int_id),
        )

    def no_deeper_than(self, depth: int) -> Terms:
        """Of these terms those that are nested no deeper, to be instantiated at."""
        other = Terms(self.sorts)
        for sort, found in self.by_sort.items():
            other.by_sort[sort] = {number: term for number, term in found.items() if depth_of(term) <= depth}
        for sorts, pairs in self.pairs.items():
            other.pairs[sorts] = {numbers: pair for numbers, pair in pairs.items() if max(map(depth_of, pair)) <= depth}
        return other

    def _note(self, sort: int, term: Term) -> None:
        self.by_sort.setdefault(sort, {})[term.get_id()] = term

    def _note_pair(self, first: Term, second: Term) -> None:
        for term in (first, second):
            self._note(term.sort().get_id(), term)
        self.pairs.setdefault((first.sort().get_id(), second.sort().get_id()), {})[first.get_id(), second.get_id()] = (first, second)

    def _note_slot(self, term: Term, name: str) -> None:
        """``name`` is that of the function that makes the slot ``term``."""
        S = self.S
        if name in self.pair_sorts:
            self._note_pair(term.arg(0), term.arg(1))
        elif name in ONE_PART:
            self._note(term.arg(0).sort().get_id(), term.arg(0))
        else:  # a slot of unknown form: whatever it may turn out to be, of those forms that receive rights and messages have
            parts = [S.space(term), S.name(term), S.holder(term), S.place(term), S.destined(term), S.replied(term)]
            parts += [S.carrying(term), S.index(term), S.of(term)]
            self.keep += parts
            self._note_pair(parts[0], parts[1])
            self._note_pair(parts[2], parts[3])
            self._note_pair(parts[6], parts[7])
            for part in (parts[4], parts[5], parts[8]):
                self._note(part.sort().get_id(), part)

    def of(self, sort: int) -> list[Term]:
        return list(self.by_sort.get(sort, {}).values())

    def tuples(self, sorts: tuple[int, ...]) -> Iterator[tuple[Term, ...]]:
        """Candidate values for bound variables of these sorts."""
        if len(sorts) >= 2 and (sorts[0], sorts[1]) in self.pairs:
            pairs = self.pairs[sorts[0], sorts[1]].values()
            rest = [self.of(sort) for sort in sorts[2:]]
            for pair in pairs:
                for others in product(*rest):
                    yield (*pair, *others)
        else:
            yield from product(*[self.of(sort) for sort in sorts])


class Assumption:
    """A formula "for all variables: body"; without variables, the body alone."""

    def __init__(self, formula: Term) -> None:
        self.formula = formula
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

    def at(self, point: Point) -> Term | None:
        """The instance at ``point``. None if ``point`` lacks a constant for some variable."""
        values = [point.get(variable) for variable in self.variables]
        if not values or None in values:
            return None
        return self.body.at(values)

    def instances(self, terms: Terms) -> Iterator[Term]:
        """New instances at ``terms``."""
        if not self.sorts:
            if not self.done:
                self.done.add(())
                yield self.formula
            return
        for values in terms.tuples(self.sorts):
            key = tuple(value.get_id() for value in values)
            if key not in self.done:
                self.done.add(key)
                yield self.body.at(values)


_nnf = z3.Then(z3.With("simplify", elim_and=False), "nnf")


def prenex(formulas: Iterable[Term]) -> list[Term]:
    """The conjuncts of ``formulas`` in negation normal form: existential quantifiers gone (by new constants), the rest
    universal.
    """
    goal = z3.Goal()
    plain: list[Term] = []
    for formula in formulas:
        (goal.add if has_quantifiers(formula) else plain.append)(formula)
    if not goal.size():
        return plain
    [result] = _nnf(goal)
    return plain + list(result)


def ground(formula: Term, terms: Terms) -> Term:
    """``formula``, in negation normal form, with every universal quantifier replaced by its instances at ``terms``."""
    if z3.is_quantifier(formula):
        return z3.And(*[ground(instance, terms) for instance in Assumption(formula).instances(terms)])
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
    constants = [z3.Const(f"{clause.var_name(index)}!any", clause.var_sort(index)) for index in range(clause.num_vars())]
    point = {(clause.var_name(index), constant.sort().get_id()): constant for index, constant in enumerate(constants)}
    return z3.substitute_vars(clause.body(), *reversed(constants)), point


RLIMIT = 20_000_000
"""How much work the solver does for one question, in z3's own count: some seconds, but the same on a machine that is
busy. Of what is proved, nothing was seen to take more than a tenth of that.
"""

FIRST_EFFORT = 4_000_000
"""As ``RLIMIT``, for the first try: twice what was seen to be needed. Of what isn't proved with it a counterexample is
looked for before the solver goes on.
"""


class _Effort:
    first_only = False


@contextmanager
def first_effort() -> Iterator[None]:
    """As long as the block lasts, questions get ``FIRST_EFFORT`` instead of ``RLIMIT``."""
    _Effort.first_only = True
    try:
        yield
    finally:
        _Effort.first_only = False


DEPTHS = (3, 5)
"""Assumptions are first instantiated at the goal's terms up to this depth.

The many terms that are farther from the goal are seldom needed.
"""

ROUNDS = 2
"""How often assumptions are instantiated at the case's terms and the goal's, each time at those that came up the last
time.
"""


A_LOOK = 20_000
"""How much work, in the same count, goes into a test whether a goal holds without assumptions."""


def follows_from_nothing(goal: Term) -> bool:
    """The goal (a clause) holds without assumptions, as most clauses do that a case doesn't change."""
    if z3.is_true(z3.simplify(goal)):
        return True
    if _nested(goal):
        return False
    solver = z3.SimpleSolver()
    solver.set("rlimit", A_LOOK)
    solver.add(z3.Not(skolemize(goal)[0]))
    return bool(solver.check() == z3.unsat)


def _nested(goal: Term) -> bool:
    """There are quantifiers inside the goal."""
    return has_quantifiers(goal.body() if z3.is_quantifier(goal) else goal)


class Proof:
    """Assumptions of one case, instantiated once; goals are decided one after the other.

    The solver gets the assumptions' instances at the case's own terms once, for all goals. Each goal adds the instances
    at its own terms.
    """

    def __init__(self, sorts: Sorts, ground_facts: list[Term], universals: list[Term]) -> None:
        self.sorts = sorts
        self.solver = z3.SimpleSolver()
        self.solver.set("rlimit", RLIMIT)
        # z3 would keep track of the terms that its own quantifiers should look at: only a few goals bring any, and keeping track cost more
        self.solver.set("relevancy", 0)
        self.terms = Terms(sorts)
        self.universals = [Assumption(formula) for formula in universals]
        self.nested: list[Term] = []
        self._assume(ground_facts)
        self._begun = False

    def _assume(self, facts: list[Term]) -> None:
        normal = prenex(facts)
        nested = [fact for fact in normal if has_quantifiers(fact) and not z3.is_quantifier(fact)]
        plain = [fact for fact in normal if not has_quantifiers(fact)]
        self.nested = [*self.nested, *nested]
        self.universals = [*self.universals, *[Assumption(fact) for fact in normal if z3.is_quantifier(fact)]]
        for fact in (*plain, *nested):
            self.terms.collect(fact)
        assert_all(self.solver, plain)

    @contextmanager
    def with_more(self, universals: list[Term]) -> Iterator[Proof]:
        """The same proof with more assumptions, "for all …" or plain, as long as the block lasts."""
        self._begin()
        more = Proof.__new__(Proof)
        more.__dict__.update(self.__dict__)
        more.terms, more.universals = self.terms.copy(), [assumption.fork() for assumption in self.universals]
        more._begun = False
        self.solver.push()
        try:
            more._assume(universals)
            yield more
        finally:
            self.solver.pop()

    def _begin(self) -> None:
        """Instantiate at the case's own terms; ``brought_up`` are those and the ones that come up so, for a second
        round.
        """
        if self._begun:
            return
        self._begun = True
        self.brought_up = self.terms.copy()
        batch = [instance for assumption in self.universals for instance in assumption.instances(self.terms)]
        assert_all(self.solver, batch)
        self.solver.add([ground(fact, self.terms) for fact in self.nested])
        for instance in batch:
            self.brought_up.collect(instance)

    def decide(self, goal: Term) -> z3.CheckSatResult:
        """``unsat``: the goal (a clause) follows. Anything else: not proved.

        The assumptions are instantiated at more and more terms, until it follows: at the goal's own variables, at its
        terms (those that are nested least first), at the case's and its terms together.
        """
        self._begin()
        body, point = skolemize(goal)
        negated = z3.Not(body)
        self.solver.set("rlimit", min(RLIMIT, FIRST_EFFORT) if _Effort.first_only else RLIMIT)
        self.solver.push()
        try:
            self.solver.add(negated)
            for batch in self._batches(negated, point):
                assert_all(self.solver, batch)
                verdict = self.solver.check()
                if verdict == z3.unsat:
                    break
            return verdict
        finally:
            self.solver.pop()

    def _batches(self, negated: Term, point: Point) -> Iterator[list[Term]]:
        yield [instance for assumption in self.universals if (instance := assumption.at(point)) is not None]
        alone = Terms(self.sorts)
        alone.collect(negated)
        universals = [assumption.fork() for assumption in self.universals]
        for terms in (*map(alone.no_deeper_than, DEPTHS), alone):
            yield [instance for assumption in universals for instance in assumption.instances(terms)]
        news = [negated]
        for round_ in range(ROUNDS):
            terms = (self.brought_up if round_ else self.terms).copy()
            for new in news:
                terms.collect(new)
            batch = [instance for assumption in universals for instance in assumption.instances(terms)]
            yield [*batch, *[ground(fact, terms) for fact in self.nested]]
            news += batch
