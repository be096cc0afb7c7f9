"""Counterexamples of proofs, for reports: a state, a call, and what it breaks."""

from __future__ import annotations

from typing import Any

import msgspec

from sendright.mach.state.trace import Trace


class Became(msgspec.Struct, frozen=True):
    """What one part of the state was before the step, and what it became."""

    where: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.where}: {self.before} → {self.after}" if self.before != self.after else f"{self.where}: {self.before}"


class Differs(msgspec.Struct, frozen=True):
    """What one part of the state is in each of two states."""

    where: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.where}: {self.first} in the first state, {self.second} in the second"


class SecondState(msgspec.Struct, frozen=True, kw_only=True):
    """A second state, which looks the same to the caller, and the same call in it."""

    sentence: str
    """What the caller can tell apart, in words."""
    told_apart: tuple[Differs, ...]
    """What the caller sees after the call, or gets from it, where that differs."""
    hidden: tuple[Differs, ...]
    """How the states differ before the call, where the caller doesn't see it."""
    trace: Trace
    """The second state, the same step, and the state after it."""


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a run from boot breaks the same property in the same case of the same rule."""

    words: str
    """``reached in 3 calls …``, or what was tried."""
    run: Trace | None = None
    """The run; None: none was found."""
    script: dict[str, Any] | None = None
    """The run as a script (docs/scripts.md) for ``sendright replay``."""


class Counterexample(msgspec.Struct, frozen=True, kw_only=True):
    """A small state in which all invariants hold, and a step from it that breaks a property."""

    broken: tuple[str, ...]
    """The titles of the property's clauses that are broken, the one that is explained first."""
    sentence: str
    """The property in its own words."""
    where: tuple[str, ...]
    """What the broken clause's variables are: ``port p is port 2, t0's own port``."""
    there: tuple[Became, ...]
    """What the clause speaks of, at these places."""
    changes: tuple[Became, ...]
    """Everything that the step changes."""
    who: tuple[str, ...]
    """The part that each task and port plays: ``t0 is the caller``."""
    also: tuple[str, ...] = ()
    """What the property compares the step with: a second caller, another state."""
    trace: Trace
    """The state before, the one step, and the state after."""
    second: SecondState | None = None
    """The other state, of a property that compares two."""
    reached: Reached | None = None
    """None: not tried."""
