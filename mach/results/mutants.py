"""The result of ``sendright mutants``."""

from __future__ import annotations

from enum import Enum

import msgspec

from sendright.mach.results.verdicts import Verdict


class Outcome(Enum):
    """What one judge says of one mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    NO_SPECIFICATION = "no specification"  # it can't even be built
    OUT_OF_TIME = "out of time"
    LOST = "lost"  # the process that worked on it crashed or hung
    NOT_TRIED = "not tried"


HOLE = "hole:"
"""How the reason begins for a mutant that ought to be noticed, and isn't yet."""


class Judgement(msgspec.Struct, frozen=True):
    """One judge's answer."""

    outcome: Outcome
    words: str = ""
    """What killed it: an obligation, or the case of a judged run. Or how it was lost."""
    seconds: float = 0.0


class MutantResult(msgspec.Struct, frozen=True, kw_only=True):
    """One mutant, and what was found out about it."""

    id: str
    operator: str
    where: str
    """File and line."""
    change: str
    prove: Judgement
    check: Judgement
    reason: str = ""
    """Why nothing can be wrong with it, if it survives: from the file of survivors."""

    @property
    def is_specification(self) -> bool:
        """It can be built: one that can't is noticed at once, and counts for nothing."""
        return self.prove.outcome is not Outcome.NO_SPECIFICATION

    @property
    def killed(self) -> bool:
        return Outcome.KILLED in (self.prove.outcome, self.check.outcome)

    @property
    def survived(self) -> bool:
        """No judge noticed it, and none of them was cut short."""
        return self.is_specification and not self.killed and not self.undecided

    @property
    def hole(self) -> bool:
        """It should be noticed: the reason says what is missing."""
        return self.reason.startswith(HOLE)

    @property
    def undecided(self) -> bool:
        """No judge noticed it, but one didn't end."""
        cut = (Outcome.OUT_OF_TIME, Outcome.LOST)
        return not self.killed and (self.prove.outcome in cut or self.check.outcome in cut)


class MutantsResult(msgspec.Struct, frozen=True, kw_only=True):
    """All of them."""

    verdict: Verdict
    profile: str
    seed: int
    mutants: tuple[MutantResult, ...]
    seconds: float
    population: dict[str, int]
    """How many mutants there are of each operator that was chosen."""
    unchanged: int
    """How many were drawn, and put back, because they change no rule of the profile."""
    without_need: tuple[str, ...] = ()
    """Mutants in the file of survivors that were killed now: their reasons are wrong."""
    command: str = ""
    interrupted: bool = False


class ClauseNeed(msgspec.Struct, frozen=True, kw_only=True):
    """One clause of a state invariant, dropped from what proofs assume."""

    invariant: int
    clause: str
    """Its title."""
    uses: int
    """How many proofs of anything else used it."""
    needed_by: str
    """One that is lost without it; empty: none was found."""
    reason: str = ""
    """What it is for, if no proof needs it."""


class ClausesResult(msgspec.Struct, frozen=True, kw_only=True):
    """All clauses."""

    verdict: Verdict
    profile: str
    clauses: tuple[ClauseNeed, ...]
    questions: int
    """How many goals were decided."""
    seconds: float
    command: str = ""
    interrupted: bool = False
