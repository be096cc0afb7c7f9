"""The base case: the boot state has every invariant.

A case is proved from invariants that are assumed. Contradictory ones would prove everything; the boot state is a model
of them all, and so is the state before each case that a witness goes through (``witnesses.py``).
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from sendright.mach.kernel.profiles import Profile
from sendright.mach.results.checks import Obligation
from sendright.mach.results.verdicts import Verdict
from sendright.model.execution.property_check import CompiledClause, broken_clause, compiled
from sendright.model.execution.satisfied import every_point
from sendright.model.execution.snapshots import ghosts_of
from sendright.model.execution.state import ConcreteState
from sendright.model.execution.system import System
from sendright.model.language.invariant import Invariant

BOOT = "the boot state"


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
