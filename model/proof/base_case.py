"""The base case: the boot state has every invariant.

A case is proved from invariants that are assumed. Contradictory ones would prove everything; the boot state is a model
of them all, and so is the state before each case that a witness goes through (``witnesses.py``).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from sendright.mach.abi.descriptors import PORT
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME
from sendright.mach.kernel.profiles import Profile
from sendright.mach.results.checks import Obligation
from sendright.mach.results.verdicts import Verdict
from sendright.model.execution.encoding import (
    BODY_SLOT,
    DESTINATION_SLOT,
    KERNEL_SLOT,
    NAME_SLOT,
    NO_OBJECT,
    NO_PORT,
    PLACE_SLOT,
    REPLY_SLOT,
    SlotTuple,
)
from sendright.model.execution.property_check import CompiledClause, broken_clause, compiled
from sendright.model.execution.snapshots import ghosts_of
from sendright.model.execution.state import ConcreteState
from sendright.model.execution.system import System
from sendright.model.language.invariant import Invariant
from sendright.model.language.sorts import PLACE

NEVER_MADE = 1 << 40
"""A task, port, name, message or object that no run ever makes."""

BOOT = "the boot state"


def every_point(state: ConcreteState, sorts: tuple[str, ...]) -> Iterable[tuple[Any, ...]]:
    """Values for bound variables: all that exist, and of every sort one that was never made, in all combinations."""
    f = state.fields
    members: dict[str, list[Any]] = {
        "Task": [*f["task_life"], NEVER_MADE],
        "Port": [*f["port_life"], NO_PORT, NEVER_MADE],
        "Name": [*{slot[2] for slot in f["kind"] if slot[0] == NAME_SLOT}, NULL_NAME, DEAD_NAME, NEVER_MADE],
        "Message": [*f["stage"], NEVER_MADE],
        "Object": [*f["content"], NO_OBJECT, NEVER_MADE],
        "Place": list(range(len(PLACE.members))),
        "Int": [-1, 0, 1, NEVER_MADE],
        "Bool": [False, True],
        "Layout": [(), (PORT,)],
    }
    members["Slot"] = list(dict.fromkeys([*f["kind"], *_slots(members)]))
    return product(*[members[sort] for sort in sorts])


def _slots(members: dict[str, list[Any]]) -> Iterator[SlotTuple]:
    for task in members["Task"]:
        yield from ((NAME_SLOT, task, name) for name in members["Name"])
        yield from ((PLACE_SLOT, task, place) for place in members["Place"])
    for message in members["Message"]:
        yield from ((DESTINATION_SLOT, message, 0), (REPLY_SLOT, message, 0))
        yield from ((BODY_SLOT, message, index) for index in members["Int"])
    yield from ((KERNEL_SLOT, port, 0) for port in members["Port"])


def base_case(profile: Profile, invariants: Iterable[Invariant]) -> list[Obligation]:
    """One obligation for each of ``invariants``: it holds in the boot state, for all that exists and for things not yet
    made.
    """
    state = ghosts_of(System(profile).state)
    found: list[Obligation] = []
    for invariant in invariants:
        start = time.perf_counter()
        where = next((w for clause in compiled(invariant) if (w := _broken(state, clause, profile)) is not None), None)
        found.append(
            Obligation(
                call="the specification",
                case=BOOT,
                property=f"invariant {invariant.number}",
                title=invariant.title if where is None else f"{invariant.title}: {where}",
                verdict=Verdict.PROVED if where is None else Verdict.REFUTED,
                seconds=time.perf_counter() - start,
                counterexample=None if where is None else f"the boot state of the profile {profile.name} breaks it: {where}",
                reachable="from boot",
            )
        )
    return found


def _broken(state: ConcreteState, clause: CompiledClause, profile: Profile) -> str | None:
    where = broken_clause(state, clause, profile, every_point)
    return None if where is None else f"{clause.title}, at {where}" if where else clause.title
