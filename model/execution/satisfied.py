"""Whether a state and the kernel's choices satisfy everything that a case assumes: what its rule requires, and what the
kernel's choices must be, assumptions about ghosts and counts included.

A proof from assumptions that contradict each other says nothing. A run that reaches a case in a state that satisfies
all of them shows that they don't. The oracle doesn't look at all of them: it skips what is about ghosts, or about
messages that aren't made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import product
from typing import Any

import z3

from sendright.mach.abi.descriptors import PORT
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME
from sendright.model.execution.compiler import CompiledCase, FunctionBuilder, compile_function, identifier
from sendright.model.execution.encoding import (
    BODY_SLOT,
    DESTINATION_SLOT,
    KERNEL_SLOT,
    NAME_SLOT,
    NO_OBJECT,
    NO_PORT,
    PLACE_SLOT,
    REPLY_SLOT,
    REQUEST_SLOT,
    SlotTuple,
)
from sendright.model.execution.state import ConcreteState
from sendright.model.language.rule import Context
from sendright.model.language.sorts import NUMBERED_ENUMERATIONS, UNBOUNDED, Term

NEVER_MADE = 1 << 40
"""A task, port, name, message or object that no run ever makes."""


def every_point(state: ConcreteState, sorts: tuple[str, ...], messages: Iterable[int] = ()) -> Iterable[tuple[Any, ...]]:
    """Values for bound variables: all that exist, and of every sort one that was never made, in all combinations.

    ``messages`` are about to be made.
    """
    f = state.fields
    members: dict[str, list[Any]] = {
        "Task": [*f["task_life"], NEVER_MADE],
        "Port": [*f["port_life"], NO_PORT, NEVER_MADE],
        "Name": [*{slot[2] for slot in f["kind"] if slot[0] in (NAME_SLOT, REQUEST_SLOT)}, NULL_NAME, DEAD_NAME, NEVER_MADE],
        "Message": [*f["stage"], *messages, NEVER_MADE],
        "Object": [*f["content"], NO_OBJECT, NEVER_MADE],
        "Int": [*range(-1, 10), NEVER_MADE],
        "Bool": [False, True],
        "Layout": [(), (PORT,)],
    }
    members |= {enumeration.sort.name(): list(range(len(enumeration.members))) for enumeration in NUMBERED_ENUMERATIONS}
    if "Slot" in sorts:
        members["Slot"] = list(dict.fromkeys([*f["kind"], *_slots(members)]))
    return product(*[members[sort] for sort in sorts])


def _slots(members: dict[str, list[Any]]) -> Iterable[SlotTuple]:
    for task in members["Task"]:
        yield from ((NAME_SLOT, task, name) for name in members["Name"])
        yield from ((PLACE_SLOT, task, place) for place in members["Place"])
    for message in members["Message"]:
        yield from ((DESTINATION_SLOT, message, 0), (REPLY_SLOT, message, 0))
        yield from ((BODY_SLOT, message, index) for index in members["Int"])
    yield from ((KERNEL_SLOT, port, 0) for port in members["Port"])


class Assumption:
    """One assumption of a case, as Python."""

    def __init__(self, term: Term, parameters: list[str]) -> None:
        self.term, self.takes = term, len(parameters)
        body, variables = term, []
        if z3.is_quantifier(term) and term.is_forall():
            variables = [z3.Const(f"x{index}", term.var_sort(index)) for index in range(term.num_vars())]
            body = z3.substitute_vars(term.body(), *reversed(variables))
        self.sorts = tuple(variable.sort().name() for variable in variables)
        builder = FunctionBuilder("holds", [*parameters, *[identifier(variable.decl().name()) for variable in variables]], [body])
        builder.lines.append(f"    return {builder.value(body)}")
        self.holds: Callable[..., bool] = compile_function(builder.finish(), "holds")

    @property
    def words(self) -> str:
        """The assumption as z3 writes it, on one line."""
        return " ".join(str(self.term).split())


class CaseAssumptions:
    """All that the proofs of a case assume, besides the invariants and the case's condition."""

    def __init__(self, case: CompiledCase) -> None:
        self._case = case

    @cached_property
    def _compiled(self) -> list[Assumption]:
        terms = self._case.terms
        takes = [*terms.parameters, *[identifier(number.function.name()) for number in terms.numbers]]
        return [*_of_rule(self._case), *[Assumption(term, takes) for term in terms.assumptions]]

    @cached_property
    def _counted(self) -> list[Assumption]:
        """Of each number of slots that the effect uses, and that no release says: which slots it counts."""
        slot, terms = z3.Const("counted", UNBOUNDED.Slot), self._case.terms
        return [Assumption(z3.ForAll([slot], number.so(slot)), terms.parameters) for number in terms.numbers]

    def _numbers(self, state: ConcreteState, env: dict[str, Any], values: list[Any]) -> list[Callable[[int], int]]:
        """These numbers, as functions of ports."""
        kind, port = state.fields["kind"], state.fields["port"]
        counted = [[slot for slot in kind if each.holds(state.fields, env, *values[: each.takes], slot)] for each in self._counted]
        return [Counter(port[slot] for slot in slots).__getitem__ for slots in counted]

    def unmet(self, state: ConcreteState, env: dict[str, Any], values: list[Any]) -> str:
        """The first assumption that doesn't hold in ``state``, whose ghosts are counted; empty if all do.

        ``values`` are those of the case's parameters. Raises Unknown if one can't be evaluated.
        """
        try:
            values = [*values, *self._numbers(state, env, values)]
            for assumption in self._compiled:
                for point in every_point(state, assumption.sorts, env["notifications"]) if assumption.sorts else [()]:
                    if not assumption.holds(state.fields, env, *values[: assumption.takes], *point):
                        return assumption.words
        except Exception as error:  # whatever the evaluation of a term may raise that a rule's author wrote
            raise Unknown(f"{type(error).__name__}: {error}") from error
        return ""


_OF_RULES: dict[int, tuple[Context, list[Assumption]]] = {}


def _of_rule(case: CompiledCase) -> list[Assumption]:
    """What is assumed of all cases of the rule of ``case``."""
    context = case.context
    if id(context) not in _OF_RULES:
        compiled = [Assumption(term, case.parameters) for term in context.assumptions()]
        _OF_RULES[id(context)] = context, compiled  # keeps the context alive, so that its id stays its own
    return _OF_RULES[id(context)][1]


class Unknown(Exception):
    """An assumption can't be evaluated."""
