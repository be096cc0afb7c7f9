"""Clauses of state invariants that follow from the others, and why they are kept.

``sendright prove --redundant`` finds such clauses, and fails for one that isn't listed here.
"""

from __future__ import annotations

import msgspec


class Lemma(msgspec.Struct, frozen=True):
    """One clause that follows from clauses of other invariants."""

    invariant: int
    clause: str
    """The clause's title."""
    follows_from: frozenset[int]
    """The numbers of the invariants from which it follows."""
    why: str
    """Why it is kept."""


LEMMAS = (
    Lemma(2, "no receive right", frozenset({10}), "the list states it of receive rights, and 10 states it of all rights"),
    Lemma(3, "both directions", frozenset({1, 10}), "the list states it of names, and 1 states it of all slots"),
)
"""All of them, in every profile."""


def lemma(invariant: int, clause: str) -> Lemma | None:
    """The entry for a clause, if it is listed."""
    return next((one for one in LEMMAS if (one.invariant, one.clause) == (invariant, clause)), None)
