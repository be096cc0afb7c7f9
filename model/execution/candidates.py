"""Candidates: the points where a condition can hold, read off the condition, so that sweeps and quantifiers run over
few points.

What is derived is a superset, found by turning functions round: where ``port(slot)`` is one of the ports that die, the
index of ``port`` by value tells the slots. The condition is still evaluated at each candidate. Where nothing can be
derived, the answer is None: then all that exists has to be looked at. Rules and fields need not know of this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import z3

from sendright.model.language.sorts import Term
from sendright.model.language.state import FIELDS
from sendright.model.language.term_walk import children

BY_VALUE = ("port", "queue", "receiver", "ledger_parent", "wired", "paged", "waits_child", "pid", "mapped")
"""The fields of one argument (and ``mapped``) that have an index from values to points."""
BY_PART = ("known_as", "member", "mapped", "memory")
"""The fields of two arguments that have an index from each argument to points."""

PAGES = "pages"
"""The pages of tasks, mapped or not: of one task there are few."""


class Plan(NamedTuple):
    """How candidates are found."""

    cost: int
    """The less the better; ``MANY`` and more: all slots of a constructor."""
    source: str
    """Python source of an iterable of candidates. What it names, ``FunctionBuilder`` binds."""


MANY = 100


class Candidates:
    """Finds where a condition on ``variables`` can hold.

    A candidate is a value of the variable, or a point of the field ``of`` two.
    """

    def __init__(
        self,
        source: Callable[[Term], str],
        variables: Sequence[Term],
        of: str,
        chosen: Mapping[str, str],
        constructors: Mapping[str, int],
        positions: Mapping[str, int],
    ) -> None:
        """``source`` writes a term as Python; ``chosen``: the functions to Bool that are given as sets, and their names
        in Python.
        """
        self._source = source
        self._variables = [variable.get_id() for variable in variables]
        self._of = of
        self._chosen = chosen
        self._constructors = constructors
        self._positions = positions
        self._known: dict[int, bool] = {}

    def where(self, condition: Term, holds: bool = True) -> Plan | None:
        """Candidates for where ``condition`` holds (or doesn't)."""
        if not z3.is_app(condition):
            return None
        kind, parts = condition.decl().kind(), children(condition)
        match kind:
            case z3.Z3_OP_TRUE | z3.Z3_OP_FALSE:
                return None if holds == (kind == z3.Z3_OP_TRUE) else Plan(0, "()")
            case z3.Z3_OP_NOT:
                return self.where(parts[0], not holds)
            case z3.Z3_OP_AND | z3.Z3_OP_OR:
                plans = [self.where(part, holds) for part in parts]
                return _all_of(plans) if holds == (kind == z3.Z3_OP_AND) else _any_of(plans)
            case z3.Z3_OP_IMPLIES:
                plans = [self.where(parts[0], not holds), self.where(parts[1], holds)]
                return _any_of(plans) if holds else _all_of(plans)
            case z3.Z3_OP_ITE:
                test, then, other = parts
                return _any_of([_all_of([self.where(test), self.where(then, holds)]), _all_of([self.where(test, False), self.where(other, holds)])])
            case z3.Z3_OP_EQ:
                return self._equal(parts[0], parts[1], holds)
            case z3.Z3_OP_DISTINCT if len(parts) == 2:
                return self._equal(parts[0], parts[1], not holds)
            case z3.Z3_OP_DT_IS | z3.Z3_OP_DT_RECOGNISER if holds:
                return self._inverted(parts[0], f"built_by({self._constructors[recognised(condition.decl())]})", MANY)
            case z3.Z3_OP_UNINTERPRETED if holds:
                return self._true(condition.decl().name(), parts)
        return None

    # ---- atoms

    def _varies(self, term: Term) -> bool:
        """Whether a variable occurs in ``term``."""
        key: int = term.get_id()
        if key not in self._known:
            self._known[key] = key in self._variables or any(map(self._varies, children(term)))
        return self._known[key]

    def _equal(self, one: Term, other: Term, holds: bool) -> Plan | None:
        if z3.is_bool(one):  # where they differ, one of them is true
            return None if holds else _any_of([self.where(one), self.where(other)])
        if not self._varies(one):
            one, other = other, one
        if not self._varies(one) or self._varies(other):
            return None
        occupied = z3.is_app(one) and one.decl().name() == "kind" and z3.is_app(other) and other.decl().kind() == z3.Z3_OP_DT_CONSTRUCTOR
        if occupied and holds != (other.decl().name() == "NONE"):  # the slot isn't empty
            return self._occupied(one.arg(0))
        return self._inverted(one, f"({self._source(other)},)") if holds else None

    def _occupied(self, slot: Term) -> Plan | None:
        if not z3.is_app(slot) or slot.decl().name() not in self._constructors:
            return None
        constructor = self._constructors[slot.decl().name()]
        if slot.num_args() and not self._varies(slot.arg(0)):
            return self._inverted(slot, f"slots_of({constructor}, {self._source(slot.arg(0))})")
        return self._inverted(slot, f"built_by({constructor})", MANY)

    def _true(self, name: str, parts: list[Term]) -> Plan | None:
        if name in self._chosen and len(parts) == 1:
            return self._inverted(parts[0], self._chosen[name])
        if name in BY_PART and len(parts) == 2 and len(self._variables) == 1:
            for given, sought in ((0, 1), (1, 0)):
                if not self._varies(parts[given]) and self._varies(parts[sought]):
                    points = f"by_part({name!r}, {given}, {self._source(parts[given])})"
                    return self._inverted(parts[sought], f"(q[{sought}] for q in {points})")
        return None

    # ---- turning functions round

    def _inverted(self, term: Term, wanted: str, cost: int = 1) -> Plan | None:
        """Candidates for where the value of ``term`` is among those that ``wanted`` iterates over."""
        if term.get_id() in self._variables:
            return self._with_variable(self._variables.index(term.get_id()), wanted, cost)
        if not z3.is_app(term) or not self._varies(term):
            return None
        name, kind, parts = term.decl().name(), term.decl().kind(), children(term)
        if kind == z3.Z3_OP_ITE:
            return _any_of([self._inverted(part, wanted, cost) for part in parts[1:]])
        if kind == z3.Z3_OP_DT_CONSTRUCTOR and name in self._constructors:
            return self._arguments(name, parts, wanted, cost)
        if kind == z3.Z3_OP_DT_ACCESSOR and self._positions[name] == 1:
            constructor = self._constructors[_constructor_of(term)]
            return self._inverted(parts[0], f"(q for v in {wanted} for q in slots_of({constructor}, v))", cost + 1)
        if kind == z3.Z3_OP_UNINTERPRETED and name in BY_VALUE and len(parts) == 1 and len(FIELDS[name].domain) == 1:
            return self._inverted(parts[0], f"(q for v in {wanted} for q in by_value({name!r}, v))", cost + 1)
        return None

    def _with_variable(self, position: int, wanted: str, cost: int) -> Plan | None:
        if len(self._variables) == 1:
            return Plan(cost, wanted)
        if self._of in BY_PART:
            return Plan(cost, f"(q for v in {wanted} for q in by_part({self._of!r}, {position}, v))")
        if self._of == PAGES and position == 0:
            return Plan(cost, f"((v, n) for v in {wanted} for n in indices)")
        return None

    def _arguments(self, constructor: str, parts: list[Term], wanted: str, cost: int) -> Plan | None:
        number = self._constructors[constructor]
        if constructor == "name_slot" and self._is_known_as(parts):
            return Plan(cost, f"(q for v in {wanted} for q in known_by(v))")
        plans = [self._inverted(part, f"(v[{position}] for v in {wanted} if v[0] == {number})", cost) for position, part in enumerate(parts, 1)]
        return _all_of(plans)

    def _is_known_as(self, parts: list[Term]) -> bool:
        """``name_slot(task, known_as(task, port))`` with both variable: where the space knows the port by that name."""
        task, name = parts
        if not z3.is_app(name) or name.decl().name() != "known_as" or self._of != "known_as":
            return False
        return [task.get_id(), *[part.get_id() for part in name.children()]] == [self._variables[0], *self._variables]


def recognised(recogniser: Any) -> str:
    """The name of the constructor that a recogniser (``is_name_slot``) recognises."""
    constructor = recogniser.params()[0] if recogniser.params() else recogniser.name().removeprefix("is-")
    return str(constructor.name() if isinstance(constructor, z3.FuncDeclRef) else constructor)


def _constructor_of(accessor: Term) -> str:
    """The constructor whose argument ``accessor`` tells."""
    sort, name = accessor.arg(0).sort(), accessor.decl().name()
    for index in range(sort.num_constructors()):
        constructor = sort.constructor(index)
        if any(sort.accessor(index, position).name() == name for position in range(constructor.arity())):
            return str(constructor.name())
    raise AssertionError(f"{name} tells of no constructor")


def _all_of(plans: Sequence[Plan | None]) -> Plan | None:
    """All conditions hold: the best plan for one of them will do."""
    return min((plan for plan in plans if plan is not None), default=None, key=lambda plan: plan.cost)


def _any_of(plans: Sequence[Plan | None]) -> Plan | None:
    """One of the conditions holds: all plans are needed."""
    found = dict.fromkeys(plan for plan in plans if plan is not None and plan.source != "()")
    if None in plans:
        return None
    if len(found) <= 1:
        return next(iter(found), Plan(0, "()"))
    return Plan(max(plan.cost for plan in found), f"({', '.join(f'*{plan.source}' for plan in found)})")
