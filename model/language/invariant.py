"""The notation in which invariants of states are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import msgspec
import z3

from sendright.mach.kernel.profiles import Profile
from sendright.model.language.sorts import PLACE, Sorts, Term
from sendright.model.language.state import State

Clauses: TypeAlias = Callable[["Variables", State], Iterator[tuple[str, Term]]]


class Limits(msgspec.Struct, frozen=True):
    """The kernel's limits, as terms."""

    urefs_max: Term
    queue_limit: Term
    queue_limit_max: Term


LIMITS = Limits(z3.Int("urefs_max"), z3.Int("queue_limit"), z3.Int("queue_limit_max"))


class Variables:
    """Bound variables, one set for each universe of sorts."""

    def __init__(self, sorts: Sorts) -> None:
        self.sorts = sorts
        self.S = sorts.Slot
        self.t, self.u = z3.Const("t", sorts.Task), z3.Const("u", sorts.Task)
        self.p, self.q = z3.Const("p", sorts.Port), z3.Const("q", sorts.Port)
        self.n, self.n2 = z3.Const("n", sorts.Name), z3.Const("n2", sorts.Name)
        self.s, self.s2 = z3.Const("s", sorts.Slot), z3.Const("s2", sorts.Slot)
        self.m, self.m2 = z3.Const("m", sorts.Message), z3.Const("m2", sorts.Message)
        self.w = z3.Const("w", PLACE.sort)
        self.i, self.j = z3.Int("i"), z3.Int("j")
        self.o = z3.Const("o", sorts.Object)


class Invariant(msgspec.Struct, frozen=True):
    """A named invariant. Numbers up to 100 are those of the list of Mach's implicit invariants with which the project
    began; companions, which the others need, have numbers from 101.
    """

    number: int
    title: str
    about: str
    clauses: Clauses
    applies: Callable[[Profile], bool] = lambda profile: True
    """Whether the profile has this invariant."""


INVARIANTS: dict[int, Invariant] = {}
VARIANTS: dict[int, list[Invariant]] = {}
"""Other versions of invariants, for some profiles."""


def invariant(number: int, title: str, applies: Callable[[Profile], bool] = lambda profile: True) -> Callable[[Clauses], Clauses]:
    """Declare an invariant (of the profiles to which it ``applies``). Its docstring states it in words.

    Raises TypeError if there is one of this number already.
    """

    def declare(clauses: Clauses) -> Clauses:
        if number in INVARIANTS:
            raise TypeError(f"there is an invariant {number} already")
        INVARIANTS[number] = Invariant(number, title, " ".join((clauses.__doc__ or "").split()), clauses, applies)
        return clauses

    return declare


def variant(number: int, applies: Callable[[Profile], bool]) -> Callable[[Clauses], Clauses]:
    """Declare another version of the invariant of this number, for the profiles to which it ``applies``."""

    def declare(clauses: Clauses) -> Clauses:
        known = INVARIANTS[number]
        other = Invariant(number, known.title, " ".join((clauses.__doc__ or "").split()), clauses, applies)
        VARIANTS.setdefault(number, []).append(other)
        return clauses

    return declare


def of_profile(number: int, profile: Profile) -> Invariant:
    """The version of the invariant of this number that applies to ``profile``."""
    return next((other for other in VARIANTS.get(number, ()) if other.applies(profile)), INVARIANTS[number])


def forall(variables: list[Term], body: Term) -> Term:
    """``body`` for all ``variables``."""
    return z3.ForAll(variables, body)


def named(v: Variables) -> Term:
    """The slot of name n in task t's space."""
    return v.S.name_slot(v.t, v.n)
