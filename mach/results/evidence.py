"""What a clause of the specification rests on, in the form that results and reports have it."""

from __future__ import annotations

from enum import Enum

import msgspec


class EvidenceKind(Enum):
    """How we know that a kernel does what a clause says, from the strongest evidence to the weakest."""

    LIVE_RUN = "live run"
    """A live kernel made the call. Its answer, and what it showed, agreed."""
    CODE_RUN = "real code run"
    """The kernel's own code ran as a program, and agreed."""
    TEST_SUITE = "test suite"
    """A test of the kernel's own test suite asserts it."""
    SOURCE = "source read"
    """We read the kernel's source."""
    MANUAL = "manual page"
    """The manual page says it."""
    DECISION = "our decision"
    """No source says it. We decided, for a reason that is given."""


STRENGTH = {kind: place for place, kind in enumerate(EvidenceKind)}
"""The place of each kind: 0 is the strongest."""


class EvidenceItem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a clause rests on in one profile."""

    kind: EvidenceKind
    words: str
    """Where to look, or why we decided so."""
    url: str = ""
    """Where to open it, if it is on the web."""


class EvidenceCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many cases of a profile rest on which kind of evidence. A case counts once, for the strongest that it has."""

    profile: str
    cases: int
    counts: dict[str, int]
    """Kind of evidence -> cases."""
    without: int = 0
    """Cases that rest on nothing."""
