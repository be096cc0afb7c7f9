"""Verdicts and exit statuses, defined once. UNDETERMINED never rounds up."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, IntEnum


class Verdict(Enum):
    """The outcome of anything that sendright decides."""

    PROVED = "PROVED"  # prove: for every number of tasks, ports, names and messages
    PASSED = "PASSED"  # check, replay: all runs agreed; not a proof
    BREAKS_AS_KNOWN = "BREAKS AS KNOWN"  # prove: counterexamples only where the profile's kernel is known to break the property
    ACCEPTED = "ACCEPTED"  # there are findings, and a baseline (--baseline) accepts each of them
    REFUTED = "REFUTED"  # a counterexample was found
    FAILED = "FAILED"  # check, replay: a step disagreed
    CRASHED = "CRASHED"  # the checked implementation crashed or hung
    UNDETERMINED = "UNDETERMINED"  # none of these


_BAD = (Verdict.REFUTED, Verdict.FAILED)


class ExitStatus(IntEnum):
    """Exit statuses of every command, made for CI."""

    HOLDS = 0
    VIOLATION = 1
    BAD_INPUT = 2
    CRASHED = 3
    UNDETERMINED = 4


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict for several: a counterexample wins, then a crash, then UNDETERMINED, then a known break. None:
    UNDETERMINED."""
    seen = set(verdicts)
    for worst in (Verdict.REFUTED, Verdict.FAILED, Verdict.CRASHED, Verdict.UNDETERMINED, Verdict.BREAKS_AS_KNOWN):
        if worst in seen:
            return worst
    return seen.pop() if len(seen) == 1 else Verdict.UNDETERMINED


def exit_status(verdict: Verdict) -> ExitStatus:
    """The exit status for ``verdict``."""
    if verdict in _BAD:
        return ExitStatus.VIOLATION
    if verdict is Verdict.CRASHED:
        return ExitStatus.CRASHED
    if verdict is Verdict.UNDETERMINED:
        return ExitStatus.UNDETERMINED
    return ExitStatus.HOLDS
