"""Results of the commands: ``--json`` prints them, and reports are made from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

import msgspec

from sendright.mach.results.baselines import BaselineUse
from sendright.mach.results.counterexamples import Counterexample
from sendright.mach.results.evidence import EvidenceCount, EvidenceItem
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.trace import Trace, Violation


class OtherFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A failing run of a check whose failure differs in kind from the first one."""

    failure: Trace
    """The minimized failing run."""
    script: dict[str, Any] | None
    message: str


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of ``sendright check``: random sequences on one implementation."""

    verdict: Verdict
    implementation: str
    profile: str
    seed: int
    examples: int
    calls: int
    """Judged calls."""
    seconds: float
    codes: dict[str, dict[str, int]]
    """Call name -> name of the return code -> number of calls."""
    cases_reached: dict[str, int]
    """Case of the specification -> number of steps that reached it."""
    cases_missed: tuple[str, ...]
    """Cases of the specification that no step reached."""
    situations_reached: dict[str, int] = {}
    """Situation, in words -> number of steps that reached it."""
    situations_missed: tuple[str, ...] = ()
    """Situations that no step reached."""
    failure: Trace | None = None
    """The minimized failing run."""
    minimized_from: int = 0
    """Number of calls in the failing run before minimizing."""
    script: dict[str, Any] | None = None
    """The failing run as a script (docs/scripts.md) for ``sendright replay``."""
    others: tuple[OtherFailure, ...] = ()
    """If the check continued after a failing run: the runs that failed in other ways."""
    shortest: tuple[Trace, ...] = ()
    """With ``--all-shortest``: the runs as short as ``failure`` that fail in the same way. It is the first of them."""
    not_compared: tuple[str, ...] = ()
    """What could not be compared, because the implementation doesn't have it or doesn't show it, in words."""
    not_made: dict[str, int] = {}
    """Reason why the implementation couldn't make a drawn call -> number of such calls."""
    not_modelled: dict[str, int] = {}
    """Number of an argument that the profile doesn't model, in words -> how often it was drawn. No call had it."""
    interrupted: bool = False
    earlier: int = 0
    """How many runs that failed in earlier checks were tried first."""
    earlier_settled: tuple[int, ...] = ()
    """Which of these, from 0, need not be kept: they passed to their end, or a failing run of this result was made from
    them.
    """
    planned: int = 0
    """How many runs there would have been, if nothing had failed and nothing had stopped the check; 0: not known."""
    baseline: BaselineUse | None = None
    """If the findings were compared with a baseline: what came of it."""
    time_is_up: bool = False
    """The check was stopped because it had taken as long as it may (``--max-time``)."""
    cut_short: str = ""
    """Why too few runs were made to say anything of those that weren't, in words; empty: enough were made."""
    message: str = ""


CAN_NOT_BE_READ = "can't be read"
"""So begins the reason of a case with a fault of its own."""


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """One case of a script."""

    id: str
    title: str
    verdict: str
    """``passed``, ``failed``, ``not_modelled`` or ``crashed``."""
    steps: int
    """Number of the script's steps that were run and judged."""
    step: int | None = None
    """The first step that failed or isn't modelled, from 0."""
    call: str | None = None
    expected: str | None = None
    seen: str | None = None
    reason: str | None = None
    violation: Violation | None = None
    trace: Trace | None = None
    file: str = ""
    """The script; empty if it isn't a file."""
    line: int | None = None
    """The line of the script in which the case has its id, from 1."""
    lost: bool = False
    """Whether the case has no result, as what ran it died. ``reason`` says how, and the case counts as crashed."""


class ReplayResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of ``sendright replay``: scripts on one implementation."""

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
    baseline: BaselineUse | None = None
    """If the findings were compared with a baseline: what came of it."""

    @classmethod
    def of(
        cls, implementation: str, cases: Sequence[CaseResult], files: Sequence[str], not_compared: Iterable[str], interrupted: bool
    ) -> ReplayResult:
        """The result with these cases: their counts, and the verdict that follows from them."""
        counts = {verdict: sum(case.verdict == verdict for case in cases) for verdict in ("passed", "failed", "not_modelled", "crashed")}
        if counts["failed"]:
            verdict = Verdict.FAILED
        elif counts["crashed"]:
            verdict = Verdict.CRASHED
        else:
            verdict = Verdict.PASSED if counts["passed"] and not interrupted else Verdict.UNDETERMINED
        return cls(
            verdict=verdict,
            implementation=implementation,
            passed=counts["passed"],
            failed=counts["failed"],
            not_modelled=counts["not_modelled"],
            crashed=counts["crashed"],
            cases=tuple(cases),
            files=tuple(files),
            not_compared=tuple(not_compared),
            interrupted=interrupted,
        )

    @property
    def unreadable(self) -> int:
        """How many of the cases that aren't modelled have a fault of their own."""
        return sum((case.reason or "").startswith(CAN_NOT_BE_READ) for case in self.cases)


class Basis(Enum):
    """What the decision of an obligation rests on. Every obligation counts under exactly one of these."""

    INVARIANTS = "put to the solver with the invariants"
    """The goal needs assumptions: the invariants before the call, and the case's condition."""
    NOTHING = "follows without assumptions"
    """The goal holds in any state. Or no solver is needed, because it is about the boot state or a recorded run."""
    UNTOUCHED = "nothing to ask"
    """The case changes nothing that the property mentions."""
    OTHERS = "repeats others"
    """All its goals are goals of other obligations of the same case."""


class SecondOpinion(msgspec.Struct, frozen=True, kw_only=True):
    """What a second solver says to the questions of one obligation, which the first solver has answered."""

    verdict: Verdict
    """PROVED: it gives the same answers. FAILED: it gives another answer. UNDETERMINED: one of the two solvers gave no
    answer. CRASHED: the second solver's process died or hung.
    """
    questions: int
    seconds: float
    """Processor time of the second solver."""
    words: str = ""
    """If the answers aren't the same: which, and why."""
    question: str | None = None
    """The first question, as SMT-LIB, to which the solvers gave different answers."""


class Obligation(msgspec.Struct, frozen=True, kw_only=True):
    """One obligation that ``sendright prove`` decided."""

    call: str
    case: str
    """The case of the call's rule, ``CODE/title``."""
    property: str
    """``invariant 8``, ``theorem 2``, ``reachable``, ``decided`` …"""
    title: str
    verdict: Verdict
    seconds: float
    scope: str | None = None
    """If not proved: the bounds within which it was checked, such as ``2 tasks, 3 ports``."""
    basis: Basis = Basis.INVARIANTS
    cached: bool = False
    """Whether all of it was proved before, from the same formulas, so that the solver didn't run."""
    counterexample: str | None = None
    """A concrete state and call, in words."""
    example: Counterexample | None = None
    """The same for reports: snapshots, the step, and what it breaks. None: there is none, or the words say it all."""
    hazard: str | None = None
    """If this profile is known to break it: the hazard's number and description."""
    reachable: str | None = None
    """For a counterexample: ``from boot`` with a script, or ``not known``."""
    second: SecondOpinion | None = None
    """If there is a second solver, and the obligation put questions to the first one."""


class ProofResult(msgspec.Struct, frozen=True, kw_only=True):
    """``sendright prove``."""

    verdict: Verdict
    profile: str
    obligations: tuple[Obligation, ...]
    seconds: float
    solver: str
    second_solver: str | None = None
    """The solver that got the same questions again."""
    assumed: str = ""
    """What a selection (``--call``, ``--invariant``) left out, in words: the proof assumes it."""
    interrupted: bool = False
    baseline: BaselineUse | None = None
    """If the findings were compared with a baseline: what came of it."""

    @property
    def counts(self) -> dict[Basis, int]:
        """How many obligations count under each basis. The numbers add up to the number of all obligations."""
        found = Counter(one.basis for one in self.obligations)
        return {basis: found[basis] for basis in Basis}

    @property
    def asked_of_no_case(self) -> tuple[str, ...]:
        """The step invariants that rest on no assumption in any of the cases: there was nothing to ask, or they follow
        without assumptions.
        """
        steps = {one.property for one in self.obligations if one.property.startswith("step invariant ")}
        asked = {one.property for one in self.obligations if one.basis in (Basis.INVARIANTS, Basis.OTHERS)}
        return tuple(sorted(steps - asked, key=lambda name: int(name.split()[-1])))


class ClauseTrace(msgspec.Struct, frozen=True, kw_only=True):
    """One clause in the result of ``sendright trace-spec``, and what covers it."""

    id: str
    """``call/PART.ordinal``."""
    words: str
    cases: tuple[str, ...]
    """Cases of the specification: ``CODE/title`` of the call's rule, or ``rule: CODE/title``."""
    properties: tuple[str, ...]
    """The properties that are proved for these cases, by their names in ``sendright prove``."""
    tests: tuple[str, ...]
    """``file::function``."""
    changes: tuple[str, ...] = ()
    """The parts of the state that these cases may change."""
    lacks: tuple[str, ...] = ()
    """What is missing, in words: a test, a case, a property, evidence."""
    evidence: dict[str, tuple[EvidenceItem, ...]] = {}
    """Case -> what it rests on in this profile, the strongest first."""


class CallTrace(msgspec.Struct, frozen=True, kw_only=True):
    """The clauses of one call, or of a rule that several calls share."""

    name: str
    section: str
    about: str
    effect: str
    """The rule's docstring."""
    then: tuple[str, ...]
    """The rules that run next in the call, which have clauses of their own."""
    clauses: tuple[ClauseTrace, ...]


class TraceabilityResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of ``sendright trace-spec``."""

    verdict: Verdict
    profile: str
    titles: dict[str, str]
    """Property -> its title."""
    calls: tuple[CallTrace, ...]
    problems: tuple[str, ...]
    """Clauses that aren't covered, and dangling references, each with the clause."""
    tests: str
    """The directory searched for tests; empty: none was."""
    changed_tests: tuple[str, ...] = ()
    """The tests that changed since their answers were recorded: they cover nothing."""
    sources: tuple[str, ...] = ()
    """The versions of the sources that are cited, each with its address."""
    counts: tuple[EvidenceCount, ...] = ()
    """How many cases of each profile rest on which kind of evidence; empty if the result is of one call."""
