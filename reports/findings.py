"""Findings: the form of a result's faults that the page, JUnit, SARIF and the terminal share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from sendright.mach.abi.codes import code_name
from sendright.mach.results.baselines import Accepted
from sendright.mach.results.checks import Basis, CaseResult, CheckResult, Obligation, ProofResult, ReplayResult
from sendright.mach.results.counterexamples import Counterexample
from sendright.mach.results.policies import BrokenCase, CheckedRun, PolicyResult
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.snapshot import Difference
from sendright.mach.state.trace import Trace, Violation
from sendright.reports import policy
from sendright.reports.counterexample import lines

AnyResult: TypeAlias = CheckResult | ReplayResult | ProofResult | PolicyResult

HEADLINES = {
    "result": "{call} returned a result that is not as specified",
    "state": "{call} left a state that is not as specified",
    "invariant": "{call} broke an invariant",
    "derivation": "After {call}, a right exists that no earlier right explains",
    "expectation": "{call} did not meet the script's expectation",
    "discipline": "After {call}, a server holds other rights than it should",
    "crash": "The implementation crashed during {call}",
    "hang": "The implementation hung during {call}",
}
"""The headline for each kind of violation."""

CLAUSE_LABELS = {
    "result": "By the specification",
    "state": "By the specification",
    "invariant": "Broken invariant",
    "derivation": "Broken rule",
    "expectation": "Expectation in the script",
    "discipline": "Broken rule of servers",
    "crash": "Crashed in",
    "hang": "Hung in",
}
"""The label of the clause for each kind of violation."""

_CASE = re.compile(r"(?P<rule>[^/]+)/(?P<code>[A-Z][A-Z0-9_]*)/(?P<title>.+)")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One fault. The level ``warning``: it is undecided. The level ``note``: this kernel is known to break the
    invariant."""

    rule: str
    """Stable name of the broken property: ``check/state``, ``replay/expectation``, ``prove/invariant 8``."""
    level: str = "error"
    title: str
    about: str = ""
    """The case of a script, or of a call's rule."""
    clause: str
    """The rule that was broken. If the call went through several cases of the specification: one case on each line."""
    words: str
    """What happened instead."""
    differences: tuple[Difference, ...] = ()
    trace: Trace | None = None
    violation: Violation | None = None
    step: int | None = None
    """The failing step, counted from 0."""
    example: Counterexample | None = None
    """Of a property that isn't proved: the counterexample."""
    profile: str = ""
    """The profile, if it isn't that of ``trace``."""
    file: str = ""
    """The script or policy file that it is about."""
    line: int | None = None
    """The line in ``file``, from 1."""
    accepted: Accepted | None = None
    """If a baseline accepts it: by whom and why. The level is ``note`` then."""
    found_as: str = ""
    """If it is accepted: the level that it has otherwise."""
    acceptable: bool = True
    """False: what is checked isn't at fault. Something wasn't decided."""

    @property
    def clause_label(self) -> str:
        """The label of ``clause``; empty for a finding without a violation."""
        return CLAUSE_LABELS[self.violation.kind] if self.violation is not None else ""

    @property
    def labelled_clause(self) -> str:
        """The clause on one line, after its label."""
        clause = "; ".join(self.clause.splitlines())
        return f"{self.clause_label}: {clause}" if self.clause_label else clause

    @property
    def one_line(self) -> str:
        """The fault on one line. For a run: what happened, rather than the clause, which says what should have
        happened."""
        return " ".join((self.words if self.words and self.violation is not None else self.clause).split())

    @property
    def frames(self) -> tuple[str, ...]:
        """Frames of the implementation's code where it crashed or hung, the innermost last."""
        return self.violation.frames if self.violation is not None else ()


def findings(result: AnyResult) -> tuple[Finding, ...]:
    """All findings of ``result``, in its order; empty if it holds."""
    return tuple(_with_acceptance(result))


def _with_acceptance(result: AnyResult) -> Iterator[Finding]:
    """The findings; those that a baseline accepts are notes."""
    from sendright.reports.fingerprints import fingerprint

    known = {} if result.baseline is None else {entry.fingerprint: entry for entry in result.baseline.accepted}
    for finding in _findings(result):
        entry = known.get(fingerprint(finding)) if known and finding.acceptable and finding.level != "note" else None
        yield finding if entry is None else msgspec.structs.replace(finding, level="note", found_as=finding.level, accepted=entry)


def _findings(result: AnyResult) -> Iterator[Finding]:
    if isinstance(result, CheckResult):
        yield from _of_check(result)
    elif isinstance(result, ReplayResult):
        yield from (_of_case(case) for case in result.cases if case.verdict in ("failed", "crashed"))
    elif isinstance(result, PolicyResult):
        yield from map(_of_broken_case, result.broken)
        yield from (_of_run(run) for run in result.runs if run.broken is not None)
        yield from (
            Finding(rule="policy/run", level="warning", title="A run ended early", about=words, clause="", words=words, acceptable=False)
            for words in result.not_run
        )
    else:
        yield from (_of_obligation(one, result.profile) for one in result.obligations if one.verdict is not Verdict.PROVED)
        yield from (_of_second(one, result) for one in result.obligations if one.second is not None and one.second.verdict is not Verdict.PROVED)


def _of_check(result: CheckResult) -> Iterator[Finding]:
    if result.failure is not None and result.failure.violations:
        for violation in result.failure.violations:
            yield _of_violation("check", violation, result.failure)
        for other in result.others:
            yield from (_of_violation("check", violation, other.failure) for violation in other.failure.violations)
        if result.cut_short:
            yield _undecided("check/undetermined", "Other failures may be missing", result.cut_short)
    elif result.verdict not in (Verdict.PASSED, Verdict.ACCEPTED):
        level = "warning" if result.verdict is Verdict.UNDETERMINED else "error"
        words = result.message or ("the check was interrupted" if result.interrupted else result.cut_short or "no call was made")
        title = "The check is undetermined" if level == "warning" else "The check failed"
        yield _undecided(f"check/{result.verdict.value.lower()}", title, words, level, result.failure)


def _undecided(rule: str, title: str, words: str, level: str = "warning", trace: Trace | None = None) -> Finding:
    """What is checked isn't at fault: something wasn't decided."""
    return Finding(rule=rule, level=level, title=title, clause=words, words=words, trace=trace, acceptable=False)


def _of_violation(command: str, violation: Violation, trace: Trace | None, about: str = "") -> Finding:
    in_words = {str(difference) for difference in violation.differences}
    differences = tuple(sorted(violation.differences, key=_importance))
    words = violation.words
    if violation.kind == "state" and set(words.split("; ")) <= in_words:
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


def _importance(difference: Difference) -> tuple[bool, bool]:
    """A sort key: differences in tasks first, then in ports, then in counts of ports."""
    return (not difference.where.startswith("task "), ", " in difference.where)


def _state_words(trace: Trace | None, index: int, differences: tuple[Difference, ...]) -> str:
    """A sentence for a state that isn't as specified, of which nothing but ``differences`` is known."""
    step = next((step for step in trace.steps if step.index == index), None) if trace is not None else None
    first = differences[0]
    returned = f"The return code, {code_name(step.code)}, is as specified. But " if step is not None else ""
    count = len(differences) - 1
    more = f" ({count} more difference{'s' if count > 1 else ''} below)" if count else ""
    return f"{returned}{first.where} is {first.seen}; expected: {first.expected}{more}."


def call_at(trace: Trace | None, index: int | None) -> str | None:
    """The call of step ``index`` of ``trace``; None if there is no such step."""
    return next((step.call for step in trace.steps if step.index == index), None) if trace is not None else None


def case_words(case: str) -> str:
    """A case of the specification, ``rule/CODE/title``, in words. Any other text is returned unchanged."""
    parts = _CASE.fullmatch(case)
    if parts is None:
        return case
    code = "" if parts["code"] == "CONTINUES" else f", {parts['code']}"
    return f"{parts['rule']}{code}: {parts['title']}"


def _of_case(case: CaseResult) -> Finding:
    about = f"case {case.id}: {case.title}"
    if case.violation is not None:
        return msgspec.structs.replace(_of_violation("replay", case.violation, case.trace, about), file=case.file, line=case.line)
    if case.lost:
        lost = _undecided("replay/lost", "The case has no result", case.reason or "")
        return msgspec.structs.replace(lost, about=about, file=case.file, line=case.line)
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
        file=case.file,
        line=case.line,
    )


def _of_obligation(one: Obligation, profile: str) -> Finding:
    refuted, as_known = one.verdict in (Verdict.REFUTED, Verdict.FAILED), one.verdict is Verdict.BREAKS_AS_KNOWN
    crashed = one.verdict is Verdict.CRASHED
    words = "\n".join(lines(one.example)) if one.example else one.counterexample or ""
    if one.scope and one.counterexample:
        words = words if one.example else f"searched up to {one.scope}:\n{words}"
    elif one.scope:
        words = f"no counterexample up to {one.scope}; no proof for all sizes" if one.scope[:1].isdigit() else one.scope
    if one.reachable and (one.example is None or one.example.reached is None):
        words += f"\nReachable: {one.reachable}"
    if one.hazard and not as_known:
        words = f"hazard {one.hazard}: this case is listed as breaking it. {words}".rstrip()
    if as_known:
        outcome = f"breaks, as known: hazard {one.hazard}"
    elif one.verdict is Verdict.FAILED:
        outcome = "is no longer broken"
    elif crashed:
        outcome = "is not decided"
    else:
        outcome = f"is {'refuted' if refuted else one.verdict.value.lower()}"
    return Finding(
        rule=f"prove/{one.property}",
        level="note" if as_known else "error" if refuted else "warning",
        title=f"{one.property} {outcome}",
        about=f"{one.call}, {one.case.replace('/', ': ', 1)}",
        clause=one.title,
        words=words or "neither a proof nor a counterexample was found",
        trace=one.example.trace if one.example else None,
        step=0 if one.example else None,
        example=one.example,
        profile=profile,
        acceptable=not crashed,
    )


def _of_second(one: Obligation, result: ProofResult) -> Finding:
    """What a second solver said against an obligation."""
    assert one.second is not None
    solver = result.second_solver or "the second solver"
    outcome = {Verdict.FAILED: "contradicts", Verdict.CRASHED: "died over"}.get(one.second.verdict, "does not confirm")
    return Finding(
        rule=f"prove/second solver, {one.property}",
        level="error" if one.second.verdict is Verdict.FAILED else "warning",
        title=f"{solver} {outcome} {one.property}",
        about=f"{one.call}, {one.case.replace('/', ': ', 1)}",
        clause=one.title,
        words=f"{one.second.words}; {result.solver} has it {one.verdict.value}",
        profile=result.profile,
        acceptable=one.second.verdict is not Verdict.CRASHED,
    )


def _of_broken_case(broken: BrokenCase) -> Finding:
    """A case of a call that doesn't keep a policy."""
    refuted = broken.verdict is Verdict.REFUTED
    words = "\n".join(lines(broken.example)) if broken.example else broken.counterexample or policy.no_state(broken)
    return Finding(
        rule=f"policy/{broken.clause}" if refuted else f"policy/not decided, {broken.clause}",
        level="error" if refuted else "warning",
        title=f"{'Not kept' if refuted else 'Not decided'}: {broken.clause}",
        about=f"{broken.rule}, {broken.case.replace('/', ': ', 1)}",
        clause="; ".join([broken.clause, *(f"missing: {missing.words}" for missing in broken.missing)]),
        words=words,
        trace=broken.example.trace if broken.example else None,
        step=0 if broken.example else None,
        example=broken.example,
        acceptable=broken.verdict is not Verdict.CRASHED,
    )


def _of_run(run: CheckedRun) -> Finding:
    """The first state of a run that a policy doesn't allow."""
    assert run.broken is not None
    words = "\n".join([run.broken.words, *(policy.hop_in_words(hop) for hop in run.broken.path)])
    return Finding(
        rule="policy/run",
        title=policy.when(run.broken),
        about=run.source,
        clause=f"missing: {run.broken.missing.words}",
        words=words,
        trace=run.trace,
        step=run.broken.step,
    )


def second_solver_words(result: ProofResult) -> str:
    """What the second solver said, in a sentence without its end; empty if there was none."""
    if result.second_solver is None:
        return ""
    opinions = [one.second for one in result.obligations if one.second is not None]
    count = Counter(opinion.verdict for opinion in opinions)
    against = {Verdict.FAILED: "contradicts", Verdict.CRASHED: "died over", Verdict.UNDETERMINED: "leaves open"}
    words = [f"{result.second_solver} confirms {count[Verdict.PROVED]:,} of the {len(opinions):,} obligations that need a solver"]
    words += [f"{word} {count[verdict]:,}" for verdict, word in against.items() if count[verdict]]
    return f"{', '.join(words)}, with {sum(opinion.seconds for opinion in opinions):.1f} s of processor time"


def not_compared(result: AnyResult) -> tuple[str, ...]:
    """What ``result`` doesn't cover because the implementation doesn't support it, one sentence for each.

    Calls in scripts aren't included: a case that the implementation can't run is reported as not modelled.
    """
    if isinstance(result, ProofResult | PolicyResult):
        return ()
    if isinstance(result, ReplayResult):
        return result.not_compared
    made = (f"{count:,} call{'s' if count != 1 else ''} that it can't make: {reason}" for reason, count in result.not_made.items())
    return (*result.not_compared, *made, *_drawn(result))


def _drawn(result: CheckResult) -> tuple[str, ...]:
    """The numbers that were drawn and not used, in one sentence; none, if there are none."""
    if not result.not_modelled:
        return ()
    end = f" is not modelled in profile {result.profile}"
    count = sum(result.not_modelled.values())
    numbers = "; ".join(words.removesuffix(end) for words in result.not_modelled)
    return (f"numbers that aren't modelled in {result.profile}, drawn {count:,} time{'s' if count != 1 else ''}: {numbers}",)


def _with_seed(result: CheckResult) -> str:
    """The seed, and what came before the random runs, in sentences."""
    earlier = f" {result.earlier} earlier failing run{'s were' if result.earlier > 1 else ' was'} tried first." if result.earlier else ""
    return f" Seed {result.seed}, profile {result.profile}.{earlier}"


_BASES = {
    Basis.INVARIANTS: "put to the solver with the invariants",
    Basis.NOTHING: "follow without assumptions",
    Basis.UNTOUCHED: "with nothing to ask",
    Basis.OTHERS: "repeat others",
}


def summary(result: AnyResult) -> str:
    """``result`` in one sentence, the verdict first."""
    stopped = " Interrupted: this is only what was found so far." if result.interrupted else ""
    if isinstance(result, CheckResult):
        count = len(result.cases_missed)
        missed = f"; {count} case{'s' if count != 1 else ''} of the specification not reached" if count and not result.failure else ""
        count = len(result.situations_missed)
        missed += f"; {count} situation{'s' if count != 1 else ''} not reached" if count and not result.failure else ""
        others = f"; {len(result.others) + 1} different failures" if result.others else ""
        judged = f"{result.calls:,} judged calls on {result.implementation} in {result.seconds:.1f} s"
        judged += f"; the time was up after {result.examples:,} of {result.planned:,} runs" if result.time_is_up else ""
        drawn = sum(result.not_modelled.values())
        unmodelled = f"; {drawn:,} drawn number{'s' if drawn != 1 else ''} not modelled" if drawn else ""
        return f"{result.verdict.value}: {judged}{others}{missed}{unmodelled}.{_with_seed(result)}{stopped}"
    if isinstance(result, ReplayResult):
        crashed = f", {result.crashed} crashed" if result.crashed else ""
        plural = "" if result.passed == 1 else "s"
        unreadable = f" ({result.unreadable} of them can't be read)" if result.unreadable else ""
        counts = f"{result.passed} case{plural} passed, {result.failed} failed, {result.not_modelled} not modelled{unreadable}{crashed}"
        return f"{result.verdict.value}: {counts}.{stopped}"
    if isinstance(result, PolicyResult):
        return f"{result.verdict.value}: {policy.summary(result)}.{stopped}"
    proved = sum(one.verdict is Verdict.PROVED for one in result.obligations)
    total = len(result.obligations)
    apart = ", ".join(f"{count:,} {_BASES[basis]}" for basis, count in result.counts.items())
    cached = sum(one.cached for one in result.obligations)
    apart += f"; {cached:,} from the cache" if cached else ""
    broken = sorted({one.hazard.partition(":")[0] for one in result.obligations if one.hazard and one.verdict is Verdict.BREAKS_AS_KNOWN})
    count = sum(one.verdict is Verdict.BREAKS_AS_KNOWN for one in result.obligations)
    assumed = f"; {count} broken, as known: hazard{'s' if len(broken) > 1 else ''} {', '.join(broken)}" if broken else ""
    assumed += f"; {result.assumed}" if result.assumed else ""
    assumed += f"; {second_solver_words(result)}" if result.second_solver else ""
    decided = f"{proved:,} of {total:,} obligations proved ({apart}) in {result.seconds:.1f} s with {result.solver}"
    return f"{result.verdict.value}: {decided}{assumed}.{stopped}"
