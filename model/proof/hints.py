"""Where proofs are likely to be found: what was seen of them, recorded in ``hints.json``.

Most goals follow by the assumptions' instances at their own variables. Of the others this says how far the solver had
to look, and which invariants it needed. A hint that is wrong or missing costs time and changes no verdict, because it
only says which instances are tried first. ``benchmarks/hints.py`` records them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TypeAlias

from sendright.mach.json_text import read_json
from sendright.mach.kernel.profiles import Profile, profile_named
from sendright.model.invariants.catalogue import state_invariants
from sendright.model.language.term_walk import number_of
from sendright.model.proof.any_state import of_any_state
from sendright.model.proof.solver.instantiate import Hint

FILE = Path(__file__).with_name("hints.json")

Recorded: TypeAlias = dict[str, dict[str, dict[str, str]]]
"""By rule, by case, by property and clause: how far the solver looks (``Hint.batch``), and which clauses of invariants
the proof needs, as in ``1 8.0 30.1``.
"""


@cache
def recorded() -> Recorded:
    """What ``hints.json`` has."""
    return read_json(FILE.read_bytes(), Recorded)


@cache
def clause_names(profile_name: str) -> dict[str, int]:
    """The numbers of the formulas of a profile's invariants about any state, by short names: ``8.0``, ``8.1`` …"""
    return {
        f"{invariant.number}.{index}": number_of(clause)
        for invariant in state_invariants(profile_named(profile_name))
        for index, (_, clause) in enumerate(of_any_state(invariant))
    }


@cache
def _hint(profile_name: str, needs: str) -> Hint:
    batch, *needed = needs.split()
    return Hint(int(batch), frozenset(number for name, number in clause_names(profile_name).items() if name not in needed))


class Hints:
    """The hints for one property of one case."""

    def __init__(self, profile: Profile, rule: str, case: str, name: str) -> None:
        self._profile, self._name = profile, name
        self._recorded = recorded().get(rule, {}).get(case, {})

    def of(self, title: str) -> Hint | None:
        """The hint for the clause with this title. None, if there is none."""
        needs = self._recorded.get(f"{self._name}: {title}")
        return None if needs is None else _hint(self._profile.name, needs)
