"""What a formula speaks of."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.model.language.sorts import Term
from sendright.model.language.term_walk import applied_in, declaration_at

_names: dict[int, tuple[object, str]] = {}
"""The names of declarations, by the addresses of these, which are kept, so that the addresses stay theirs."""


def applications(term: Term) -> Iterator[tuple[str, int]]:
    """The names of the functions and constants in ``term``, quantified parts too, each with the number of its
    arguments.
    """
    for declaration, arguments in applied_in(term):
        if declaration not in _names:
            kept = declaration_at(declaration)
            _names[declaration] = kept, kept.name()
        yield _names[declaration][1], arguments


def without_quantifiers(formulas: list[Term]) -> list[Term]:
    """The formulas with a truth value of which nothing is known in place of each quantified part; equal parts get the
    same one. What follows from them so, follows from the formulas too.
    """
    found: dict[int, tuple[Term, Term]] = {}
    left, seen = list(formulas), set[int]()
    while left:
        one = left.pop()
        if one.get_id() in seen:
            continue
        seen.add(one.get_id())
        if z3.is_quantifier(one):
            found[one.get_id()] = (one, z3.FreshConst(z3.BoolSort(), "quantified"))
        elif z3.is_app(one):
            left += one.children()
    return [z3.substitute(formula, *found.values()) if found else formula for formula in formulas]
