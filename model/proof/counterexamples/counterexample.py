"""Looks for the smallest counterexample in a small scope.

A *question* is what was put to the prover: assumptions and goals, as terms over ``UNBOUNDED``. They are translated into
a small scope (``small_scope.py``) in which every quantifier is written out, and ghost counts are numbers of slots
(``refute.py``). The search begins with a state in which there is next to nothing: one task, three ports, no message and
nothing in any place. While there is no counterexample, the solver's core says which of these restrictions it needed;
the cheapest of them is lifted. Of the first counterexample, whatever can be left out is left out, one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, NamedTuple

import msgspec
import z3

from sendright.mach.abi.rights import Place
from sendright.mach.kernel.profiles import Profile
from sendright.model.invariants.catalogue import state_invariants
from sendright.model.language.ghosts import Number
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import Case, Context
from sendright.model.language.sorts import KIND, LIFE, PLACE, STAGE, UNBOUNDED, Scope, Sorts, Term
from sendright.model.language.state import FIELDS, After, State, sort_named
from sendright.model.language.term_walk import new_applications, term_at
from sendright.model.proof.any_state import held_by_any_state
from sendright.model.proof.counterexamples.recorded import Values, equations, values_of
from sendright.model.proof.counterexamples.refute import expand, meaning, nothing_beyond, nothing_elsewhere, sums
from sendright.model.proof.counterexamples.small_scope import SmallScope, small_scope

SCOPE = Scope(tasks=2, ports=6, names=3, messages=2, descriptors=1, objects=2, pages=1)
"""The largest scope that is searched."""
FIRST_PORTS = 3
"""The ports that a state begins with: a caller's own, the host's, and one more."""
RLIMIT = 200_000_000
"""How much work the solver does until it finds the first counterexample, in z3's own count: the same on a machine that
is busy. Most take a tenth of that.
"""
LEAVING_OUT = 6_000_000
"""As ``RLIMIT``, for one look whether something can be left out of a counterexample."""
ANOTHER = 15_000_000
"""As ``RLIMIT``, for another counterexample."""
MOST_LOOKS = 60
"""How often it is looked whether something can be left out."""

Goals = Sequence[tuple[str, Term]]


@dataclass(frozen=True)
class SecondState:
    """A second state, of a question about two that look the same to the caller."""

    k: Context
    cases: Sequence[Case]
    """The rule's cases there."""
    after: State | None
    """The state after the same case there."""


@dataclass(frozen=True)
class Question:
    """What was put to the prover and not proved, and the step that it is about."""

    k: Context
    """The rule of the step: its state before, its caller and its arguments."""
    goals: Goals
    """What should follow, each with a title."""
    assumptions: Sequence[Term]
    """What is assumed, beside the invariants of the state before."""
    case: Case | None = None
    after: State | None = None
    """The state after the case; None: the question is about the state before."""
    others: Sequence[Context] = field(default=())
    """Further rules, which run after this one in the same sequence."""
    second: SecondState | None = None
    """The other state, if the question compares two."""
    counts: bool = False
    """Whether it is also a violation if a ghost count differs, after the step, from what it counts."""

    @property
    def releases(self) -> list[Any]:
        """All releases in the step."""
        return [release for state in _steps_to(self.after) for release in state.releases]

    @property
    def numbers(self) -> list[Number]:
        """All numbers of slots that the step uses."""
        return [number for state in _steps_to(self.after) for number in state.numbers]


def _steps_to(state: State | None) -> Iterator[After]:
    """The state, if an effect made it, and the one before that …"""
    while isinstance(state, After):
        yield state
        state = state.before


@dataclass(frozen=True)
class Found:
    """A counterexample, as a model of the small scope."""

    question: Question
    here: SmallScope
    model: Any
    before: State
    after: State | None
    broken: tuple[tuple[str, tuple[tuple[str, Term], ...]], ...]
    """The goals that don't hold: the title of each and, for the variables that it speaks of, their names and where in
    the scope it doesn't hold.
    """
    profile: Profile
    second: State | None = None
    second_after: State | None = None
    """The other state, of a question that compares two, and the one after the step there."""
    goal: Term | None = None
    """The first goal that doesn't hold, of the question. (Several goals may have one title.)"""

    def value(self, term: Term) -> Term:
        """What the model says of a term of the small scope."""
        return self.model.eval(term, model_completion=True)


@dataclass(frozen=True)
class Nothing:
    """No counterexample was found."""

    scope: str
    finished: bool
    """Whether there is none in this scope. False: the solver gave up, or the scope has no room for the case."""


def search(profile: Profile, question: Question, recorded: Values | None = None) -> Found | Nothing:
    """The smallest counterexample to ``question`` that was found in a scope of at most ``SCOPE``'s size: the
    ``recorded`` one, if it still is one.
    """
    whole = Search(profile, question)
    return (recorded is not None and whole.again(recorded)) or whole.search()


@dataclass(frozen=True)
class _Absent:
    """Something that a state may do without."""

    formula: Term
    cost: int
    """The lower, the sooner it is added."""
    rare: str = ""
    """Which place, or which kind of slot, if few counterexamples need it."""


class _Violation(NamedTuple):
    """That a goal doesn't hold."""

    title: str
    there: Term
    places: tuple[tuple[str, Term], ...]
    """The variables that the goal speaks of, with where it doesn't hold."""
    goal: Term | None = None
    """The goal of the question; None: it is that a ghost count is right."""


class Search:
    """The search for counterexamples to one question."""

    def __init__(self, profile: Profile, question: Question, size: Scope = SCOPE, effort: int = RLIMIT, from_nothing: bool = True) -> None:
        """``size``: how large a state may be. ``from_nothing``: begin with a state in which there is next to nothing;
        else only without what the case doesn't touch of what is rare.
        """
        self.profile, self.question = profile, question
        scope = _scope_for(question, profile, size)
        self.here = here = small_scope(scope)
        self.before = here.state(question.k.before)
        self.after = here.state(question.after) if question.after is not None else None
        self.solver = z3.SimpleSolver()
        self.solver.set("arith.solver", 2)
        self.solver.add(_known(profile, scope))
        self.solver.add([expand(here.term(fact), here.sorts) for fact in question.assumptions])
        self.solver.add(meaning(self.before, here.sorts, here.released(question.releases, question.numbers)))
        slots = list(here.sorts.elements(here.sorts.Slot))
        for term in _slot_constants(question):
            self.solver.add(z3.Or(*[here.term(term) == slot for slot in slots]))
        self.solver.add(nothing_elsewhere(self.before, here.sorts))
        self.solver.add([*nothing_beyond(_spoken_of(question), here)])
        self.second = here.state(question.second.k.before) if question.second else None
        if question.second and self.second:
            self.solver.add([expand(here.term(clause), here.sorts) for clause in _held_by(profile, question.second.k.before)])
            steps = list(_steps_to(question.second.after))
            done = here.released([one for step in steps for one in step.releases], [one for step in steps for one in step.numbers])
            self.solver.add([*meaning(self.second, here.sorts, done), *nothing_elsewhere(self.second, here.sorts)])
        self.solver.add(here.sorts.background)
        self.solver.add(here.term(question.k.caller) == here.sorts.members["Task"][0])  # any other is as good
        self.goals = self._violations(question.goals)
        if question.counts and self.after is not None:
            self.goals += [_Violation(f"{ghost} counts", z3.Not(equation), ()) for ghost, equation in sums(self.after, here.sorts)]

        groups = list(_restrictions(self.before, here.sorts))
        if self.second:
            both = zip(groups, _restrictions(self.second, here.sorts), strict=True)
            groups = [replace(one, formula=z3.And(one.formula, other.formula)) for one, other in both]
        touched = set() if from_nothing else _touched(question)
        self.groups = [each for each in groups if from_nothing or (each.rare and each.rare not in touched)]
        self.solver.add([z3.Implies(z3.Bool(f"absent{index}"), group.formula) for index, group in enumerate(self.groups)])
        self.first: Any = None
        self.assumed: list[Term] = []
        """What the first counterexample was found with: that there is one, and which restrictions are left."""
        self.effort = effort
        """What is left of it, in z3's own count."""

    def _violations(self, goals: Goals) -> list[_Violation]:
        return [_Violation(title, *_violation(self.here.term(goal), self.here.sorts), goal) for title, goal in goals]

    def possible(self) -> bool:
        """A state in which all invariants hold satisfies all that the question assumes."""
        return bool(self._grow([]) == z3.sat)

    def search(self) -> Found | Nothing:
        """The smallest counterexample."""
        violated = z3.Bool("violated")
        self.solver.add(z3.Implies(violated, z3.Or(*[each.there for each in self.goals])))
        verdict = self._grow([violated])
        if verdict != z3.sat:
            possible = verdict == z3.unsat and self._grow([]) == z3.sat
            scope = str(self.here.scope)
            return Nothing(scope if possible or verdict != z3.unsat else f"{scope}: too small for the case", possible)
        with self._undone():
            self.solver.add(self.assumed)
            return self._found(self._shrink(self.first), self.goals)

    def again(self, recorded: Values) -> Found | None:
        """The ``recorded`` counterexample. None, if the solver doesn't find that it still is one."""
        with self._undone():
            self.solver.set("rlimit", LEAVING_OUT)
            self.solver.add(z3.Or(*[each.there for each in self.goals]))
            self.solver.add([*equations(recorded, self.here, self.before, self.question.k)])
            return self._found(self.solver.model(), self.goals) if self.solver.check() == z3.sat else None

    def another(self, goals: Goals, like: Found | None = None) -> Found | None:
        """A counterexample to these goals, which say less, as it comes and as sparse as the first one: with the same
        state and arguments as ``like``, if that is given. None: a bounded effort found none.
        """
        violations = self._violations(goals)
        with self._undone():
            self.solver.set("rlimit", ANOTHER)
            self.solver.add(z3.Or(*[each.there for each in violations]))
            if like is not None:
                self.solver.add([*equations(values_of(like), self.here, self.before, self.question.k)])
            return self._found(self.solver.model(), violations) if self.solver.check(self.assumed) == z3.sat else None

    def _found(self, model: Any, violations: list[_Violation]) -> Found:
        true = [each for each in violations if _holds(model, each.there)]
        broken, first = tuple((each.title, each.places) for each in true), true[0].goal if true else None
        told = self.question.second.after if self.question.second else None
        after = self.here.state(told) if told else None
        return Found(self.question, self.here, model, self.before, self.after, broken, self.profile, self.second, after, first)

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """What the solver gets in the block it forgets afterwards."""
        self.solver.push()
        try:
            yield
        finally:
            self.solver.pop()

    def _grow(self, wanted: list[Term]) -> z3.CheckSatResult:
        """Lift restrictions until there is a counterexample, or until none of them matters."""
        groups = self.groups
        left = {index: z3.Bool(f"absent{index}") for index in range(len(groups))}
        while True:
            verdict = self._look([*wanted, *left.values()])
            if verdict != z3.unsat:
                break
            core = {literal.get_id() for literal in self.solver.unsat_core()}
            needed = [index for index, literal in left.items() if literal.get_id() in core]
            if not needed:
                return verdict
            del left[min(needed, key=lambda index: (groups[index].cost, index))]
        if verdict == z3.sat:
            self.first = self.solver.model()  # which is gone when the solver gets more to do
            self.assumed = [*wanted, *left.values()]
        return verdict

    def _look(self, literals: list[Term]) -> z3.CheckSatResult:
        """One look for a model, with what is left of the effort."""
        if self.effort <= 0:
            return z3.unknown
        self.solver.set("rlimit", self.effort)
        before = _work_done(self.solver)
        verdict = self.solver.check(literals)
        self.effort -= _work_done(self.solver) - before
        return verdict

    def _shrink(self, model: Any) -> Any:
        """A model from which nothing can be left out, as far as a bounded effort shows, and with plain numbers."""
        self.solver.set("rlimit", LEAVING_OUT)
        todo = list(_things(self.before, self.here.sorts))
        if self.second:
            todo = [z3.And(one, other) for one, other in zip(todo, _things(self.second, self.here.sorts), strict=True)]
            todo = [*_no_difference(self.before, self.second, self.here.sorts), *todo]
        for _ in range(MOST_LOOKS):
            self.solver.add([formula for formula in todo if _holds(model, formula)])
            todo = [formula for formula in todo if not _holds(model, formula)]
            if not todo:
                break
            if self.solver.check(todo[0]) == z3.sat:
                model = self.solver.model()
            else:
                del todo[0]
        return self._plainest(model)

    def _plainest(self, model: Any) -> Any:
        plain = _plain(self.before, self.here, self.question, self.profile, model)
        literals = {literal.get_id(): literal for literal in (z3.Bool(f"plain{index}") for index in range(len(plain)))}
        self.solver.add([z3.Implies(literal, formula) for literal, formula in zip(literals.values(), plain, strict=True)])
        for _ in range(MOST_LOOKS):
            verdict = self.solver.check(list(literals.values()))
            if verdict == z3.sat:
                return self.solver.model()
            core = self.solver.unsat_core() if verdict == z3.unsat else ()
            if not len(core):
                break
            del literals[core[len(core) - 1].get_id()]
        return model


def _work_done(solver: z3.Solver) -> int:
    """How much work z3 has done so far, in its own count."""
    statistics = solver.statistics()
    return int(statistics.get_key_value("rlimit count")) if "rlimit count" in statistics.keys() else 0  # noqa: SIM118 - not a mapping


def _holds(model: Any, formula: Term) -> bool:
    return bool(z3.is_true(model.eval(formula, model_completion=True)))


def _scope_for(question: Question, profile: Profile, size: Scope) -> Scope:
    """A scope of this ``size``, with only those of its places of which the invariants, the step or the goals speak: the
    others would only be more of the same.
    """
    told = [*(goal for _, goal in question.goals), *question.assumptions, *held_by_any_state(profile)]
    names = {f"PLACE_{place.name}": place for place in Place}
    found = {names[name] for name in _mentioned_places(told) if name in names}
    return msgspec.structs.replace(size, places=tuple(place for place in size.places if place in found))


def _spoken_of(question: Question) -> Iterator[Term]:
    """What the step and the goals read of a state at points that aren't variables, and where a number is part of the
    point."""
    told = [*(goal for _, goal in question.goals), *question.assumptions]
    for term in mentioned(told):
        declaration = term.decl()
        if declaration.kind() == z3.Z3_OP_UNINTERPRETED and str(declaration.name()).partition("@")[0] in FIELDS:
            inside = list(mentioned([term])) if term.num_args() else []
            if any(part.sort() == z3.IntSort() and not z3.is_int_value(part) for part in inside[1:]) and not _has_variables(term):
                yield term


def _has_variables(term: Term) -> bool:
    return z3.is_var(term) or any(map(_has_variables, term.children()))


def mentioned(formulas: Iterable[Term]) -> Iterator[Term]:
    """All applications and constants in ``formulas``, in their quantified parts too."""
    seen: set[int] = set()
    keep: list[Term] = []  # numbers stay valid only while the terms live
    todo = list(formulas)
    while todo:
        formula = todo.pop()
        keep.append(formula)
        if z3.is_quantifier(formula):
            todo.append(formula.body())
            continue
        for address, _, arguments in new_applications(formula, seen):
            yield term_at(address)
            todo += [term_at(argument) for argument in arguments if z3.is_quantifier(term_at(argument))]


def _mentioned_places(formulas: Iterable[Term]) -> set[str]:
    return {term.decl().name() for term in mentioned(formulas) if term.sort() == PLACE.sort and z3.is_const(term)}


def _slot_constants(question: Question) -> list[Term]:
    """The arguments of the step, and of those after it, that are slots."""
    terms = [term for k in (question.k, *question.others) for term in k.constants.values()]
    return [term for term in terms if z3.is_expr(term) and term.sort() == UNBOUNDED.Slot]


def _known(profile: Profile, scope: Scope) -> list[Term]:
    """The invariants of the state before, written out."""
    here = small_scope(scope)
    return [expand(here.term(clause), here.sorts) for clause in held_by_any_state(profile)]


def _violation(goal: Term, sorts: Sorts) -> tuple[Term, tuple[tuple[str, Term], ...]]:
    """``goal`` doesn't hold; and, if it speaks "for all …", its variables, and where it doesn't hold: the solver finds
    that.
    """
    if not (z3.is_quantifier(goal) and goal.is_forall()):
        return z3.Not(expand(goal, sorts)), ()
    somewhere = [z3.FreshConst(goal.var_sort(index), "somewhere") for index in range(goal.num_vars())]
    there = [z3.Or(*[value == element for element in sorts.elements(value.sort())]) for value in somewhere]
    names = [goal.var_name(index).partition("!")[0] for index in range(goal.num_vars())]
    broken = z3.Not(expand(z3.substitute_vars(goal.body(), *reversed(somewhere)), sorts))
    return z3.And(*there, broken), tuple(zip(names, somewhere, strict=True))


def _held_by(profile: Profile, state: State) -> Iterator[Term]:
    """The invariants of a second state, as far as they aren't those of the first one."""
    known = {clause.get_id() for clause in held_by_any_state(profile)}
    clauses = (clause for invariant in state_invariants(profile) for _, clause in invariant.clauses(Variables(UNBOUNDED), state))
    return (clause for clause in clauses if clause.get_id() not in known)


def _no_difference(one: State, other: State, sorts: Sorts) -> Iterator[Term]:
    """Of each field, that the two states have the same."""
    for name, declaration in FIELDS.items():
        if not declaration.ghost:
            points = product(*[list(sorts.elements(sort_named(sorts, part))) for part in declaration.domain])
            yield z3.And(*[one.fields[name](*point) == other.fields[name](*point) for point in points])


def _touched(question: Question) -> set[str]:
    """The names of the places and kinds of slots that the case reads rights from, or puts them into."""
    slot = z3.Const("touched", UNBOUNDED.Slot)
    after = [] if question.after is None else [question.after.kind(slot), question.after.port(slot)]
    return {term.decl().name() for term in mentioned(after)}


def _slots(sorts: Sorts, *constructors: str, of: Term | None = None) -> Iterator[Term]:
    for slot in sorts.elements(sorts.Slot):
        if slot.decl().name() in constructors and (of is None or any(part.eq(of) for part in slot.children())):
            yield slot


_OF_MESSAGES = ("destination_slot", "reply_slot", "body_slot")
_OF_TASKS = ("name_slot", "place_slot", "request_slot")
_RARE = ("request_slot", "no_senders_slot", "port_destroyed_slot", "limbo_slot", "host_slot")


def _restrictions(b: State, sorts: Sorts) -> Iterator[_Absent]:
    """What a state does without at first."""

    def empty(slots: Iterable[Term]) -> list[Term]:
        return [b.empty(slot) for slot in slots]

    for port in sorts.members["Port"][1 + FIRST_PORTS :]:
        yield _Absent(b.port_life(port) == LIFE.UNBORN, 0)
    for message in sorts.members["Message"]:
        yield _Absent(z3.And(b.stage(message) == STAGE.FREE, *empty(_slots(sorts, *_OF_MESSAGES, of=message))), 1)
    for place in sorts.elements(PLACE.sort):
        yield _Absent(z3.And(*empty(_slots(sorts, "place_slot", of=place))), 2, rare=place.decl().name())
    for constructor in _RARE:
        yield _Absent(z3.And(*empty(_slots(sorts, constructor))), 3, rare=constructor)
    for task in sorts.members["Task"][1:]:
        yield _Absent(z3.And(b.task_life(task) == LIFE.UNBORN, *empty(_slots(sorts, *_OF_TASKS, of=task))), 4)


def _things(b: State, sorts: Sorts) -> Iterator[Term]:
    """What would best not be there: tasks first, then messages, ports, rights."""
    for task in sorts.members["Task"][1:]:
        yield b.task_life(task) == LIFE.UNBORN
    for message in sorts.members["Message"]:
        yield b.stage(message) == STAGE.FREE
    for port in reversed(sorts.members["Port"][1:]):
        yield b.port_life(port) == LIFE.UNBORN
    for slot in sorts.elements(sorts.Slot):
        yield b.empty(slot)


def _plain(b: State, here: SmallScope, question: Question, profile: Profile, model: Any) -> list[Term]:
    """Which values are the plainest: the kernel's own limits, no shortage, one reference, 0."""
    sorts, k = here.sorts, question.k
    plain = [getattr(k, name) == getattr(profile, name) for name in ("urefs_max", "queue_limit", "queue_limit_max", "pages")]
    for name, term in k.constants.items():
        if z3.is_expr(term) and name in ("shortage", "out_of_memory", "stop"):
            plain.append(z3.Not(term) if z3.is_bool(term) else term == 0)
    for slot in sorts.elements(sorts.Slot):
        if not z3.is_true(model.eval(b.empty(slot), model_completion=True)):
            plain += [b.kind(slot) != KIND.DEAD_NAME, z3.Or(b.urefs(slot) == 1, b.urefs(slot) == 0)]
    for port in sorts.members["Port"][1:]:
        plain.append(b.qlimit(port) == k.queue_limit)
    for name, declaration in FIELDS.items():
        if declaration.range in ("Int", "Bool") and not declaration.ghost and name not in ("urefs", "srights", "sorights", "msgcount", "qlimit"):
            for point in _points(declaration.domain, sorts):
                value = b.fields[name](*point)
                plain.append(z3.Not(value) if declaration.range == "Bool" else value == 0)
    return plain


def _points(domain: Sequence[str], sorts: Sorts) -> Iterator[tuple[Term, ...]]:
    """All points of a field whose domain has this sort or these."""
    if not domain:
        yield ()
    elif len(domain) == 1 and domain[0] != "Slot":
        yield from ((member,) for member in sorts.members.get(domain[0], ()))


__all__ = ["SCOPE", "Found", "Nothing", "Question", "Search", "mentioned", "search"]
