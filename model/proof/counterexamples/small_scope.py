"""The prover's formulas, said of a small scope: the same terms over enumerated sorts.

A counterexample is looked for to exactly the formulas that weren't proved. So they aren't made again for a scope, but
translated: each sort, constructor and function of ``UNBOUNDED`` becomes that of the scope.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import z3

from sendright.model.language.ghosts import Number
from sendright.model.language.release import Release
from sendright.model.language.sorts import UNBOUNDED, Scope, Sorts, Term
from sendright.model.language.state import FIELDS, Field, State, sort_named

_SORTS = ("Task", "Port", "Name", "Message", "Object", "SecurityToken", "AuditToken", "Layout", "Slot")
_NAMED = ("host_port", "host_priv_port", "first_task", "second_task")
_FUNCTIONS = ("parts_of", "rights_of", "pages_of", "number_of", "security_token_of", "audit_token_of")


class SmallScope:
    """One small scope, and what was translated into it."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.sorts = Sorts(scope)
        self._of_sort = {getattr(UNBOUNDED, name).get_id(): getattr(self.sorts, name) for name in _SORTS}
        self._declared: dict[int, Callable[..., Term]] = {}
        self._keep: list[Any] = []
        """z3 gives the number of a term that is gone to another one."""
        self._known: dict[int, Term] = {}
        self._declare()

    def _declare(self) -> None:
        for name, members in UNBOUNDED.members.items():
            for member, there in zip(members, self.sorts.members[name], strict=False):
                self._declared[member.decl().get_id()] = _constant(there)
        for name in _NAMED:
            self._declared[getattr(UNBOUNDED, name).decl().get_id()] = _constant(getattr(self.sorts, name))
        for name in _FUNCTIONS:
            self._declared[getattr(UNBOUNDED, name).get_id()] = getattr(self.sorts, name)
        slot, there = UNBOUNDED.Slot, self.sorts.Slot
        for index in range(slot.num_constructors()):
            made = slot.constructor(index)
            self._declared[made.get_id()] = there.constructor(index)
            self._declared[slot.recognizer(index).get_id()] = there.recognizer(index)
            for part in range(made.arity()):
                self._declared[slot.accessor(index, part).get_id()] = there.accessor(index, part)

    def sort(self, sort: Any) -> Any:
        """The sort of this scope that stands for ``sort``."""
        return self._of_sort.get(sort.get_id(), sort)

    def term(self, term: Term) -> Term:
        """``term``, said of this scope."""
        found = self._known.get(term.get_id())
        if found is None:
            self._keep.append(term)
            found = self._known[term.get_id()] = self._translated(term)
        return found

    def _translated(self, term: Term) -> Term:
        if z3.is_quantifier(term):
            depth = len(self._keep)  # so that no variable is taken for one of an outer quantifier
            bound = [z3.Const(f"{term.var_name(index)}!{depth}", term.var_sort(index)) for index in range(term.num_vars())]
            body = self.term(z3.substitute_vars(term.body(), *reversed(bound)))
            return (z3.ForAll if term.is_forall() else z3.Exists)([self.term(variable) for variable in bound], body)
        declaration, arguments = term.decl(), [self.term(argument) for argument in term.children()]
        kind = declaration.kind()
        if kind == z3.Z3_OP_EQ:
            return arguments[0] == arguments[1]
        if kind == z3.Z3_OP_ITE:
            return z3.If(*arguments)
        if kind == z3.Z3_OP_DISTINCT:
            return z3.Distinct(*arguments)
        return self._function(declaration)(*arguments) if arguments or term.decl().get_id() in self._declared else self._leaf(term)

    def _leaf(self, term: Term) -> Term:
        sort = self.sort(term.sort())
        return term if sort is term.sort() or sort == term.sort() else z3.Const(term.decl().name(), sort)

    def _function(self, declaration: Any) -> Callable[..., Term]:
        found = self._declared.get(declaration.get_id())
        if found is None:
            self._keep.append(declaration)
            found = declaration
            if declaration.kind() == z3.Z3_OP_UNINTERPRETED:
                domain = [self.sort(declaration.domain(index)) for index in range(declaration.arity())]
                found = z3.Function(declaration.name(), *domain, self.sort(declaration.range()))
            self._declared[declaration.get_id()] = found
        return found

    def function(self, make: Callable[..., Term], domain: Sequence[str]) -> Callable[..., Term]:
        """``make``, which makes terms from terms of these sorts, as a function of terms of this scope."""
        points = [z3.Const(f"here{index}", sort_named(UNBOUNDED, name)) for index, name in enumerate(domain)]
        made: list[Term] = []

        def at(*values: Term) -> Term:
            if not made:
                made.append(self.term(make(*points)))
            return z3.substitute(made[0], *zip(map(self.term, points), values, strict=True)) if points else made[0]

        return at

    def state(self, state: State) -> State:
        """``state``, a state of the unbounded sorts, in this scope."""
        return State(self.sorts, {name: Field(name, self.function(field, FIELDS[name].domain)) for name, field in state.fields.items()})

    def released(self, releases: Iterable[Release], numbers: Iterable[Number]) -> ReleasesHere:
        """``releases`` and ``numbers`` in this scope."""
        return ReleasesHere([ReleaseHere(self, each) for each in releases], [NumberHere(self, each) for each in numbers])


class ReleaseHere:
    """What a release does, in a small scope."""

    def __init__(self, here: SmallScope, release: Release) -> None:
        self.notified = here.function(release.notified, ("Message",))


class NumberHere:
    """A number of slots of each port, in a small scope."""

    def __init__(self, here: SmallScope, number: Number) -> None:
        self._number = here.function(number.function, ("Port",))
        self.so = here.function(number.so, ("Slot",))
        self.port = here.function(number.port, ("Slot",))

    def __call__(self, port: Term) -> Term:
        return self._number(port)


@dataclass(frozen=True)
class ReleasesHere:
    """The releases of a step, and the numbers of slots that it uses, in a small scope."""

    releases: list[ReleaseHere]
    numbers: list[NumberHere]


def _constant(term: Term) -> Callable[..., Term]:
    return lambda: term


@cache
def small_scope(scope: Scope) -> SmallScope:
    """The scope of this size: one in a process, so that nothing is translated twice."""
    return SmallScope(scope)
