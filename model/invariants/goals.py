"""Clauses of state invariants that no proof needs, and what they are for: they protect the users of a kernel, not other
proofs.

``sendright mutants --clauses`` finds such clauses, and fails for one that isn't listed here.
"""

from __future__ import annotations

import msgspec


class Goal(msgspec.Struct, frozen=True):
    """One clause that is a goal in itself."""

    invariant: int
    clause: str
    """The clause's title."""
    why: str
    """What it is for."""


GOALS: tuple[Goal, ...] = ()


def why_a_goal(invariant: int, clause: str) -> str:
    """What the clause is for, if it is listed; else empty."""
    return next((one.why for one in GOALS if (one.invariant, one.clause) == (invariant, clause)), "")
