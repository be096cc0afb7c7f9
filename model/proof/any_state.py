"""A state of which nothing is known, and the invariants' clauses about it: the start of all proofs of rules.

Built once in a process.
"""

from __future__ import annotations

from functools import cache

from sendright.mach.kernel.profiles import Profile
from sendright.model.invariants.catalogue import state_invariants
from sendright.model.language.invariant import Invariant, Variables
from sendright.model.language.sorts import UNBOUNDED, Term
from sendright.model.language.state import Field, State

ANY_STATE, ANYTHING = State.arbitrary(UNBOUNDED), Variables(UNBOUNDED)
"""A state of which nothing is known, and the variables for it: what rules are proved of."""


class _FieldsRead(dict[str, Field]):
    """Fields that record which of them are read."""

    def __init__(self, fields: dict[str, Field]) -> None:
        super().__init__(fields)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Field:
        self.read.add(name)
        return super().__getitem__(name)


@cache
def _of_any_state(invariant: Invariant) -> tuple[tuple[tuple[str, Term], ...], frozenset[str]]:
    fields = _FieldsRead(ANY_STATE.fields)
    clauses = tuple(invariant.clauses(ANYTHING, State(UNBOUNDED, fields)))
    return clauses, frozenset(fields.read)


def of_any_state(invariant: Invariant) -> tuple[tuple[str, Term], ...]:
    """The clauses of ``invariant`` about ``ANY_STATE``."""
    return _of_any_state(invariant)[0]


def fields_of(invariant: Invariant) -> frozenset[str]:
    """The fields that ``invariant`` mentions."""
    return _of_any_state(invariant)[1]


def held_by_any_state(profile: Profile) -> list[Term]:
    """All clauses of ``profile``'s invariants about ``ANY_STATE``."""
    return [clause for invariant in state_invariants(profile) for _, clause in of_any_state(invariant)]
