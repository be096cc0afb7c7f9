"""A state of which nothing is known, and the invariants' clauses about it: the start of all proofs of rules.

Built once in a process.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import z3

from sendright.mach.kernel.profiles import Profile
from sendright.model.invariants.catalogue import state_invariants
from sendright.model.language.invariant import Invariant, Variables
from sendright.model.language.sorts import UNBOUNDED, Term
from sendright.model.language.state import FIELDS, State, sort_named
from sendright.model.language.term_walk import address_of, declarations_in

ANY_STATE, ANYTHING = State.arbitrary(UNBOUNDED), Variables(UNBOUNDED)
"""A state of which nothing is known, and the variables for it: what rules are proved of."""


def _declaration(name: str) -> Term:
    """The function that is the field of this name in ``ANY_STATE``."""
    point = [z3.Const(f"x{index}", sort_named(UNBOUNDED, part)) for index, part in enumerate(FIELDS[name].domain)]
    return ANY_STATE.fields[name](*point).decl()


_FIELD_AT = {address_of(_declaration(name)): name for name in FIELDS}
"""Where z3 has the functions that are the fields of ``ANY_STATE``."""


def fields_in(terms: Iterable[Term]) -> frozenset[str]:
    """The fields of ``ANY_STATE`` that occur in ``terms``, wherever they do."""
    seen: set[int] = set()
    return fields_at({declaration for term in terms for declaration in declarations_in(term, seen)})


def fields_at(declarations: set[int]) -> frozenset[str]:
    """The fields of ``ANY_STATE`` among ``declarations``, of which each is where z3 has it."""
    return frozenset(_FIELD_AT[declaration] for declaration in declarations & _FIELD_AT.keys())


@cache
def of_any_state(invariant: Invariant) -> tuple[tuple[str, Term], ...]:
    """The clauses of ``invariant`` about ``ANY_STATE``."""
    return tuple(invariant.clauses(ANYTHING, ANY_STATE))


@cache
def fields_of(invariant: Invariant) -> frozenset[str]:
    """The fields that ``invariant`` mentions: those that occur in its clauses, however it came by them."""
    return fields_in(clause for _, clause in of_any_state(invariant))


def held_by_any_state(profile: Profile) -> list[Term]:
    """All clauses of ``profile``'s invariants about ``ANY_STATE``."""
    return [clause for invariant in state_invariants(profile) for _, clause in of_any_state(invariant)]
