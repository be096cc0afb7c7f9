"""The counterexamples to known breaks as they were last found, recorded in ``recorded.json``.

A search that begins with a recorded state has next to nothing to do: the solver only decides whether this state, and
the step from it, break the property today. If they don't, the search begins as it does without a record. So a record
that is wrong or missing costs time and changes no verdict. ``benchmarks/hints.py`` records them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import z3

from sendright.mach.json_text import read_json
from sendright.mach.kernel.bases import base_of
from sendright.model.language.rule import Context
from sendright.model.language.sorts import Sorts, Term
from sendright.model.language.state import FIELDS, State, sort_named
from sendright.model.proof.counterexamples.refute import first_of
from sendright.model.proof.counterexamples.small_scope import SmallScope

if TYPE_CHECKING:
    from sendright.model.proof.counterexamples.counterexample import Found

FILE = Path(__file__).with_name("recorded.json")

Values: TypeAlias = dict[str, str]
"""A state and the arguments of a step: what has another value than the first one of its sort, and which."""
Recorded: TypeAlias = dict[str, dict[str, dict[str, dict[str, Values]]]]
"""By profile, by rule, by case, by property: the counterexample."""


@cache
def recorded() -> Recorded:
    """What ``recorded.json`` has."""
    return read_json(FILE.read_bytes(), Recorded)


def recorded_values(profile_name: str, rule: str, case: str, name: str) -> Values | None:
    """The recorded counterexample to the property of this name. None, if there is none."""
    return recorded().get(base_of(profile_name), {}).get(rule, {}).get(case, {}).get(name)


def values_of(found: Found) -> Values:
    """A counterexample, to be recorded."""
    values: Values = {}
    for term in _terms(found.here, found.before, found.question.k):
        value = found.value(term)
        if not value.eq(first_of(term.sort(), found.here.sorts)):
            values[_text(term)] = _text(value)
    return values


def equations(values: Values, here: SmallScope, before: State, k: Context) -> Iterator[Term]:
    """What ``values`` say of a small scope. A value that the scope doesn't have says nothing."""
    for term in _terms(here, before, k):
        value = _value(values.get(_text(term)), term.sort(), here.sorts)
        if value is not None:
            yield term == value


def _terms(here: SmallScope, before: State, k: Context) -> Iterator[Term]:
    """Every field of the state at every point, and the arguments of the step."""
    for name, declaration in FIELDS.items():
        for point in product(*[list(here.sorts.elements(sort_named(here.sorts, part))) for part in declaration.domain]):
            yield before.fields[name](*point)
    yield from (here.term(term) for term in k.constants.values() if z3.is_expr(term))


def _value(text: str | None, sort: z3.SortRef, sorts: Sorts) -> Term | None:
    """The value that ``text`` says. None: there is none."""
    if text is None:
        return first_of(sort, sorts)
    if sort == z3.BoolSort():
        return z3.BoolVal(text == "True")
    if sort == z3.IntSort():
        return z3.IntVal(text) if text.isascii() and text.removeprefix("-").isdecimal() else None
    return next((element for element in sorts.elements(sort) if _text(element) == text), None)


def _text(term: Term) -> str:
    """A term without the numbers that make its names fresh. (z3's own text would be in several lines.)"""
    if z3.is_int_value(term):
        return str(term.as_long())
    name = "True" if z3.is_true(term) else str(term.decl().name()).partition("!")[0]
    return f"{name}({', '.join(map(_text, term.children()))})" if term.num_args() else name


__all__ = ["Recorded", "Values", "equations", "recorded", "recorded_values", "values_of"]
