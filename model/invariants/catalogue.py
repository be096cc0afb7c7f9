"""The state invariants, which hold in every reachable state. Their numbers are those of the list of Mach's implicit
invariants with which the project began.

Each invariant has one or more clauses. A clause is a formula over one state, true for all tasks, ports, slots and
messages. All are proved together: a call that begins in a state where all hold ends in a state where all hold.
"""

from __future__ import annotations

from sendright.mach.kernel.profiles import Profile
from sendright.model.invariants import ledgers, messages, processes, rights, tasks  # noqa: F401 - declares the invariants
from sendright.model.invariants.known_breaks import is_broken
from sendright.model.language.invariant import INVARIANTS, Invariant, of_profile


def state_invariants(profile: Profile) -> list[Invariant]:
    """The invariants of a profile's states. (Kernels without ledgers have no invariants of ledgers.)"""
    return [each for each in _of_profile(profile) if not is_broken(f"invariant {each.number}", profile)]


def broken_invariants(profile: Profile) -> list[Invariant]:
    """The invariants that the profile's kernel breaks (``known_breaks.py``). No proof assumes them."""
    return [each for each in _of_profile(profile) if is_broken(f"invariant {each.number}", profile)]


def _of_profile(profile: Profile) -> list[Invariant]:
    return [of_profile(number, profile) for number, each in sorted(INVARIANTS.items()) if each.applies(profile)]
