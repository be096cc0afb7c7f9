"""Results of ``sendright compare``: what two kernels do differently."""

from __future__ import annotations

from typing import Any

import msgspec

from sendright.mach.results.checks import Obligation
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.trace import Trace


class CallComparison(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided of one call that both kernels serve, by the specification."""

    call: str
    verdict: Verdict
    """PROVED: in all states both do the same. REFUTED: there is a state in which they don't. UNDETERMINED: neither was
    found."""
    differences: tuple[Obligation, ...] = ()
    """The cases, of the call's rule and of the rules that are steps of it, in which they may differ."""
    steps_of_one: tuple[str, ...] = ()
    """Rules that are steps of the call in only one of the two profiles."""


class RunDifference(msgspec.Struct, frozen=True, kw_only=True):
    """The shortest run that was found on which two kernels differ for one cause."""

    behaves_as: str
    """The kernel that made the calls."""
    judged_as: str
    """The profile by which its answers were judged."""
    call: str
    clause: str
    """What the judging profile says of the last call."""
    words: str
    """What is different."""
    trace: Trace
    script: dict[str, Any] | None = None
    """The run as a script (docs/scripts.md)."""


class CompareResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of ``sendright compare``."""

    verdict: Verdict
    """PROVED: all calls that both serve are the same. FAILED: there is a difference. PASSED: no run differed, and there
    was nothing to prove. UNDETERMINED: no difference was found, and not all is proved.
    """
    first: str
    second: str
    only_first: tuple[str, ...] = ()
    """Calls that only the first one serves."""
    only_second: tuple[str, ...] = ()
    calls: tuple[CallComparison, ...] = ()
    """Empty, if one of the two isn't a profile."""
    runs: tuple[RunDifference, ...] = ()
    """The shortest first."""
    examples: int = 0
    """Number of runs."""
    judged: int = 0
    """Number of judged calls in all runs."""
    seconds: float = 0.0
    not_compared: tuple[str, ...] = ()
    interrupted: bool = False
