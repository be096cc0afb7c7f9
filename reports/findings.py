"""What is wrong, one by one: the common form in which the page, SARIF and the terminal tell it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from sendright.mach.codes import code_name
from sendright.mach.results import CaseResult, CheckResult, Obligation, ProofResult, ReplayResult
from sendright.mach.snapshot import Difference
from sendright.mach.trace import Trace, Violation
from sendright.mach.verdicts import Verdict

AnyResult: TypeAlias = CheckResult | ReplayResult | ProofResult

HEADLINES = {
    "result": "{call} answered otherwise than the specification says",
    "state": "{call} left another state than the specification says",
    "invariant": "{call} broke an invariant",
    "derivation": "After {call} a right is held that nobody gave",
    "expectation": "{call} did not do what the script expects",
    "crash": "The implementation crashed during {call}",
    "hang": "The implementation hung during {call}",
}
"""What each kind of violation means, as a headline."""

RULES = {
    "result": "The case of the specification that applies",
    "state": "The case of the specification that applies",
    "invariant": "The invariant that does not hold",
    "derivation": "The rule that is broken",
    "expectation": "What the script says of it",
    "crash": "What was asked of the implementation",
    "hang": "What was asked of the implementation",
}
"""What the clause of each kind of violation is."""

_CASE = re.compile(r"(?P<rule>[^/]+)/(?P<code>[A-Z][A-Z0-9_]*)/(?P<title>.+)")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong or, with the level ``warning``, could not be decided, or, with the level ``note``, is broken as is known."""

    rule: str
    """Stable name of what was broken: ``check/state``, ``replay/expectation``, ``prove/invariant 8``."""
    level: str = "error"
    title: str
    about: str = ""
    """Which case of a script, or which case of a call's rule."""
    clause: str
    """The rule that it is judged by; where the call went through several cases of the specification, one a line."""
    words: str
    """What that means."""
    differences: tuple[Difference, ...] = ()
    trace: Trace | None = None
    violation: Violation | None = None
    step: int | None = None
    """From 0."""

    @property
    def rule_is(self) -> str:
        """What ``clause`` is, in words; empty where that needs no saying."""
        return RULES[self.violation.kind] if self.violation is not None else ""

    @property
    def told_clause(self) -> str:
        """The clause on one line, after what it is."""
        clause = "; ".join(self.clause.splitlines())
        return f"{self.rule_is}: {clause}" if self.rule_is else clause

    @property
    def what(self) -> str:
        """What is wrong, on one line: of a run, not the rule that it is judged by, which says what would be right."""
        return " ".join((self.words if self.words and self.violation is not None else self.clause).split())

    @property
    def frames(self) -> tuple[str, ...]:
        """Where in its own code the implementation crashed or hung, the innermost frame last."""
        return self.violation.frames if self.violation is not None else ()


def findings(result: AnyResult) -> tuple[Finding, ...]:
    """Everything that ``result`` has to complain of, in its order; empty when it holds."""
    return tuple(_findings(result))


def _findings(result: AnyResult) -> Iterator[Finding]:
    if isinstance(result, CheckResult):
        yield from _of_check(result)
    elif isinstance(result, ReplayResult):
        yield from (_of_case(case) for case in result.cases if case.verdict in ("failed", "crashed"))
    else:
        yield from (_of_obligation(one) for one in result.obligations if one.verdict is not Verdict.PROVED)


def _of_check(result: CheckResult) -> Iterator[Finding]:
    if result.failure is not None and result.failure.violations:
        for violation in result.failure.violations:
            yield _of_violation("check", violation, result.failure)
        for other in result.others:
            yield from (_of_violation("check", violation, other.failure) for violation in other.failure.violations)
    elif result.verdict is not Verdict.PASSED:
        level = "warning" if result.verdict is Verdict.UNDETERMINED else "error"
        words = result.message or ("it was interrupted" if result.interrupted else "the run gave no verdict")
        title = "The check could not be decided" if level == "warning" else "The check failed"
        yield Finding(rule=f"check/{result.verdict.value.lower()}", level=level, title=title, clause=words, words=words, trace=result.failure)


def _of_violation(command: str, violation: Violation, trace: Trace | None, about: str = "") -> Finding:
    told = {str(difference) for difference in violation.differences}
    differences = tuple(sorted(violation.differences, key=_telling_first))
    words = violation.words
    if violation.kind == "state" and set(words.split("; ")) <= told:
        words = _state_words(trace, violation.step, differences)
    return Finding(
        rule=f"{command}/{violation.kind}",
        title=HEADLINES[violation.kind].format(call=call_at(trace, violation.step) or "booting"),
        about=about,
        clause="\n".join(case_words(part) for part in violation.clause.split("; ")),
        words=words,
        differences=differences,
        trace=trace,
        violation=violation,
        step=violation.step,
    )


def _telling_first(difference: Difference) -> tuple[bool, bool]:
    """What tasks are and hold tells more than what ports are, and that more than counts of ports."""
    return (not difference.where.startswith("task "), ", " in difference.where)


def _state_words(trace: Trace | None, index: int, differences: tuple[Difference, ...]) -> str:
    """A sentence for a state that is wrong, when there are only differences to tell of it."""
    step = next((step for step in trace.steps if step.index == index), None) if trace is not None else None
    first = differences[0]
    answered = f"The call answers {code_name(step.code)}, and so says the specification. " if step is not None else ""
    count = len(differences) - 1
    more = f" ({count} more {'difference is' if count == 1 else 'differences are'} below)" if count else ""
    return f"{answered}But then {first.where} is {first.seen}, where the specification has {first.expected}{more}."


def call_at(trace: Trace | None, index: int | None) -> str | None:
    """The name of the call that is step ``index`` of ``trace``, if there is one."""
    return next((step.call for step in trace.steps if step.index == index), None) if trace is not None else None


def case_words(case: str) -> str:
    """A case of the specification, ``rule/CODE/title``, in words; anything else stays as it is."""
    parts = _CASE.fullmatch(case)
    if parts is None:
        return case
    code = "" if parts["code"] == "CONTINUES" else f", {parts['code']}"
    return f"{parts['rule']}{code}: {parts['title']}"


def _of_case(case: CaseResult) -> Finding:
    about = f"case {case.id}: {case.title}"
    if case.violation is not None:
        return _of_violation("replay", case.violation, case.trace, about)
    crashed = case.verdict == "crashed"
    words = case.reason or ""
    if case.expected is not None or case.seen is not None:
        words = f"expected {case.expected}, seen {case.seen}" + (f"; {words}" if words else "")
    return Finding(
        rule="replay/crash" if crashed else "replay/expectation",
        title=HEADLINES["crash" if crashed else "expectation"].format(call=case.call or "a call"),
        about=about,
        clause=f"{case.call or 'the script'}: {case.expected or case.reason or case.verdict}",
        words=words or case.verdict,
        trace=case.trace,
        step=case.step,
    )


def _of_obligation(one: Obligation) -> Finding:
    refuted, as_known = one.verdict in (Verdict.REFUTED, Verdict.FAILED), one.verdict is Verdict.BREAKS_AS_KNOWN
    words = one.counterexample or ""
    if one.scope and words:
        words = f"looked at up to {one.scope}:\n{words}"
    elif one.scope:
        words = f"holds up to {one.scope}, unbounded proof open" if one.scope[:1].isdigit() else one.scope
    if one.reachable:
        words += f"\nReachable: {one.reachable}"
    if one.hazard and not as_known:
        words = f"hazard {one.hazard}: this case is listed as one that breaks it. {words}".rstrip()
    told = f"breaks, as known: hazard {one.hazard}" if as_known else "no longer broken" if one.verdict is Verdict.FAILED else None
    return Finding(
        rule=f"prove/{one.property}",
        level="note" if as_known else "error" if refuted else "warning",
        title=f"{one.property} {told}" if as_known else f"{one.property} is {told or ('refuted' if refuted else one.verdict.value.lower())}",
        about=f"{one.call}, {one.case.replace('/', ': ', 1)}",
        clause=one.title,
        words=words or "neither a proof nor a counterexample was found",
    )


def not_compared(result: AnyResult) -> tuple[str, ...]:
    """What ``result`` says nothing of, because the implementation doesn't have, show or make it, one sentence each. Cases of scripts that have
    such calls are not modelled, and say so themselves."""
    if isinstance(result, ProofResult):
        return ()
    if isinstance(result, ReplayResult):
        return result.not_compared
    made = (f"{count:,} call{'s' if count != 1 else ''} that it can't make: {reason}" for reason, count in result.not_made.items())
    return (*result.not_compared, *made)


def summary(result: AnyResult) -> str:
    """What ``result`` says, in one sentence."""
    stopped = " Interrupted: this is what was found so far." if result.interrupted else ""
    if isinstance(result, CheckResult):
        count = len(result.cases_missed)
        missed = f"; {count} case{'s' if count != 1 else ''} of the specification never reached" if count and not result.failure else ""
        others = f"; it failed in {len(result.others) + 1} ways" if result.others else ""
        told = f"{result.calls:,} judged calls of {result.implementation} in {result.seconds:.1f} s"
        return f"{result.verdict.value}: {told}{others}{missed}.{stopped}"
    if isinstance(result, ReplayResult):
        crashed = f", {result.crashed} crashed" if result.crashed else ""
        plural = "" if result.passed == 1 else "s"
        counts = f"{result.passed} case{plural} passed, {result.failed} failed, {result.not_modelled} not modelled{crashed}"
        return f"{result.verdict.value}: {counts}.{stopped}"
    proved = sum(one.verdict is Verdict.PROVED for one in result.obligations)
    total = len(result.obligations)
    untouched = sum(one.untouched for one in result.obligations)
    apart = f" ({untouched:,} of them with nothing to prove: the case changes nothing that they speak of)" if untouched else ""
    cached = sum(one.cached for one in result.obligations)
    apart += f", {cached:,} from the cache," if cached else ""
    broken = sorted({one.hazard.partition(":")[0] for one in result.obligations if one.hazard and one.verdict is Verdict.BREAKS_AS_KNOWN})
    count = sum(one.verdict is Verdict.BREAKS_AS_KNOWN for one in result.obligations)
    assumed = f"; {count} broken, as known: hazard{'s' if len(broken) > 1 else ''} {', '.join(broken)}" if broken else ""
    assumed += f"; {result.assumed}" if result.assumed else ""
    decided = f"{proved:,} of {total:,} obligations proved{apart} in {result.seconds:.1f} s with {result.solver}"
    return f"{result.verdict.value}: {decided}{assumed}.{stopped}"
