"""The notation of step properties: what holds of every step from one state to the next. Their numbers are those of the
list of Mach's implicit invariants with which the project began.

Some invariants are about changes: which task may gain a right, what may change a token. They are proved of each case of
each rule, for any state in which the state invariants hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import msgspec
import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.model.language.invariant import Variables
from sendright.model.language.sorts import Term
from sendright.model.language.transition import Transition

IN_PROGRESS = (ReturnCode.MACH_SEND_IN_PROGRESS, ReturnCode.MACH_RCV_IN_PROGRESS)
"""The codes of calls that wait."""

Clauses: TypeAlias = Callable[[Variables, Transition], Iterator[tuple[str, Term]]]


class StepProperty(msgspec.Struct, frozen=True):
    """A named property of steps."""

    number: int
    title: str
    about: str
    clauses: Clauses
    looks_at_order: bool = False
    """It is about the case's place among the cases of its rule (``Transition.whole_case``)."""
    of_whole_calls: bool = False
    """It also holds from the beginning of a call to its end, whatever rules run in between, so runs of kernels are
    judged by it.
    """


STEP_PROPERTIES: dict[int, StepProperty] = {}


def step_property(number: int, title: str, looks_at_order: bool = False, of_whole_calls: bool = False) -> Callable[[Clauses], Clauses]:
    """Declare a step property. Its docstring states it in words. Raises TypeError if there is one of this number
    already.
    """

    def declare(clauses: Clauses) -> Clauses:
        if number in STEP_PROPERTIES:
            raise TypeError(f"there is a step property {number} already")
        STEP_PROPERTIES[number] = StepProperty(number, title, " ".join((clauses.__doc__ or "").split()), clauses, looks_at_order, of_whole_calls)
        return clauses

    return declare


def forall(variables: list[Term], body: Term) -> Term:
    """``body`` for all ``variables``."""
    return z3.ForAll(variables, body)
