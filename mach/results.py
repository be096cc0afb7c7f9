"""Results of the commands: what ``--json`` prints and reports are made of."""

from __future__ import annotations

from typing import Any

import msgspec

from sendright.mach.trace import Trace, Violation
from sendright.mach.verdicts import Verdict


class OtherFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a check that failed in another way than the first one that did."""

    failure: Trace
    """The minimized failing run."""
    script: dict[str, Any] | None
    message: str


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """``sendright check``: random sequences on one implementation."""

    verdict: Verdict
    implementation: str
    profile: str
    seed: int
    examples: int
    calls: int
    """Judged calls."""
    seconds: float
    codes: dict[str, dict[str, int]]
    """Calls per return code: call name -> code name -> how many."""
    cases_reached: dict[str, int]
    """Specification case -> how many steps went through it."""
    cases_missed: tuple[str, ...]
    """Cases of the specification that no step went through."""
    failure: Trace | None = None
    """The minimized failing run."""
    minimized_from: int = 0
    """How many calls the failing run had when it was found."""
    script: dict[str, Any] | None = None
    """The failing run as a script (docs/scripts.md), to be run by ``sendright replay``."""
    others: tuple[OtherFailure, ...] = ()
    """Where the check went on after a failing run: those that failed in other ways."""
    not_compared: tuple[str, ...] = ()
    """What the implementation doesn't have or doesn't show, in words, so that nothing is said of it."""
    not_made: dict[str, int] = {}
    """Why calls were drawn that the implementation can't make, and how many for each reason."""
    interrupted: bool = False
    message: str = ""


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """One case of a script."""

    id: str
    title: str
    verdict: str
    """``passed``, ``failed``, ``not_modelled`` or ``crashed``."""
    steps: int
    """Steps of the script that were run and judged."""
    step: int | None = None
    """The first step that failed or isn't modelled, from 0."""
    call: str | None = None
    expected: str | None = None
    seen: str | None = None
    reason: str | None = None
    violation: Violation | None = None
    trace: Trace | None = None


class ReplayResult(msgspec.Struct, frozen=True, kw_only=True):
    """``sendright replay``: scripts on one implementation."""

    verdict: Verdict
    implementation: str
    passed: int
    failed: int
    not_modelled: int
    crashed: int = 0
    cases: tuple[CaseResult, ...]
    files: tuple[str, ...]
    not_compared: tuple[str, ...] = ()
    """As in ``CheckResult``."""
    interrupted: bool = False


class Obligation(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that ``sendright prove`` decided."""

    call: str
    case: str
    """The case of the call's rule, ``CODE/title``."""
    property: str
    """``invariant 8``, ``theorem 2``, ``reachable``, ``decided`` …"""
    title: str
    verdict: Verdict
    seconds: float
    scope: str | None = None
    """For what is not proved: how far it was looked at, e.g. ``2 tasks, 3 ports``."""
    untouched: bool = False
    """There was nothing to prove: the case changes nothing that the property speaks of."""
    cached: bool = False
    """All of it was proved before, from the same formulas: the solver wasn't asked again."""
    counterexample: str | None = None
    """A concrete state and call, in words."""
    hazard: str | None = None
    """For what is known to be broken in this profile: the hazard's number and what it is, in words."""
    reachable: str | None = None
    """``from boot`` with a script, or ``not known``, for a counterexample."""


class ProofResult(msgspec.Struct, frozen=True, kw_only=True):
    """``sendright prove``."""

    verdict: Verdict
    profile: str
    obligations: tuple[Obligation, ...]
    seconds: float
    solver: str
    assumed: str = ""
    """What a selection (``--call``, ``--invariant``) left out, in words: it is assumed, not decided."""
    interrupted: bool = False


class ClauseTrace(msgspec.Struct, frozen=True, kw_only=True):
    """``sendright trace-spec``: one clause, and what covers it."""

    id: str
    """``call/PART.ordinal``."""
    words: str
    cases: tuple[str, ...]
    """Cases of the specification: ``CODE/title`` of the call's rule, or ``rule: CODE/title``."""
    properties: tuple[str, ...]
    """What is proved of these cases, as ``sendright prove`` names it."""
    tests: tuple[str, ...]
    """``file::function``."""
    changes: tuple[str, ...] = ()
    """The parts of the state that these cases may change."""
    lacks: tuple[str, ...] = ()
    """What is missing, in words: a test, a case that there is …"""


class CallTrace(msgspec.Struct, frozen=True, kw_only=True):
    """The clauses of one call, or of a rule that several calls run through."""

    name: str
    section: str
    about: str
    effect: str
    """The rule's own words."""
    then: tuple[str, ...]
    """The rules that the call goes on with, which have clauses of their own."""
    clauses: tuple[ClauseTrace, ...]


class TraceabilityResult(msgspec.Struct, frozen=True, kw_only=True):
    """``sendright trace-spec``."""

    verdict: Verdict
    profile: str
    titles: dict[str, str]
    """Property -> its title."""
    calls: tuple[CallTrace, ...]
    problems: tuple[str, ...]
    """What isn't covered, and references to nothing, each with the clause."""
    tests: str
    """Where tests were looked for; empty: they were not looked at."""
