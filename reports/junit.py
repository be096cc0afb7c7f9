"""JUnit XML, for CI systems.

A failure becomes ``<failure>``; a crash or an undetermined result becomes ``<error>``; a case that isn't modelled
becomes ``<skipped>``. The suite's properties list what the run doesn't cover.
"""

from __future__ import annotations

from collections.abc import Iterator

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from sendright.mach.extensions import extensions
from sendright.mach.results.checks import CaseResult, CheckResult, ProofResult, ReplayResult
from sendright.mach.results.policies import PolicyResult
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.trace import Trace
from sendright.reports.call_text import call_line
from sendright.reports.escape import one_line, visible
from sendright.reports.findings import AnyResult, Finding, call_at, findings, not_compared


def junit(result: AnyResult) -> str:
    """``result`` as a JUnit XML document."""
    suite = TestSuite(visible(_suite_name(result)))
    for added in extensions():
        suite.add_property("plugin", one_line(added.words))
    for words in not_compared(result):
        suite.add_property("not compared", one_line(words))
    if isinstance(result, ReplayResult):
        suite.add_testcases(list(_replayed(result)))
    elif isinstance(result, CheckResult):
        suite.add_testcases(list(_checked(result)))
    elif isinstance(result, PolicyResult):
        suite.add_testcases(list(_kept(result)))
    else:
        suite.add_testcases(list(_proved(result)))
    if result.interrupted and not isinstance(result, CheckResult):
        suite.add_testcase(_interrupted(result))
    document = JUnitXml("sendright")
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]
    text: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return text.decode().replace("<testsuites", "<!-- written by sendright -->\n<testsuites", 1)


def _interrupted(result: ReplayResult | ProofResult | PolicyResult) -> TestCase:
    """A failing test case that makes an interrupted run fail in CI, even if everything so far passed."""
    classname = "replay" if isinstance(result, ReplayResult) else f"{'policy' if isinstance(result, PolicyResult) else 'prove'}.{result.profile}"
    case = _case("the run is complete", classname)
    case.result = [Error("interrupted: this is only what was found so far", "interrupted")]
    return case


def _suite_name(result: AnyResult) -> str:
    if isinstance(result, CheckResult):
        return f"sendright check: {result.implementation}, profile {result.profile}"
    if isinstance(result, ReplayResult):
        return f"sendright replay: {result.implementation}"
    if isinstance(result, PolicyResult):
        return f"sendright policy: {result.policy}, profile {result.profile}"
    return f"sendright prove: profile {result.profile}"


def _case(name: str, classname: str, seconds: float = 0.0) -> TestCase:
    return TestCase(visible(name), classname=visible(classname), time=round(seconds, 3))


def _body(finding: Finding) -> str:
    return visible("\n".join(line for line in (finding.about, *lines_of(finding)) if line))


def lines_of(finding: Finding, indent: str = "") -> list[str]:
    """``finding`` line by line: the fault, the differences, the clause, the frames of the code, and the calls."""
    words = finding.words.splitlines()
    lines = [*words, *(f"{indent}{difference}" for difference in finding.differences if str(difference) not in words)]
    rules = finding.clause.splitlines()
    if finding.violation is None:  # the clause says what was expected
        lines = [*rules, *(line for line in lines if line not in rules)]
    elif finding.clause != finding.words:
        lines += [f"{finding.clause_label}:", *(f"  {rule}" for rule in rules)] if len(rules) > 1 else [finding.labelled_clause]
    if finding.frames:
        lines += ["Frames of the implementation, the innermost last:", *(f"  {frame}" for frame in finding.frames)]
    return lines + ([] if finding.example else calls(finding.trace, finding.step))


def calls(trace: Trace | None, failing: int | None) -> list[str]:
    """The calls of ``trace``, one on each line, with ``>`` before the failing one."""
    if trace is None:
        return []
    return [f"{'>' if step.index == failing else ' '} {step.index + 1}. {call_line(step, trace.profile)}" for step in trace.steps]


def _bad(finding: Finding) -> Failure | Error:
    undecided = finding.level == "warning" or finding.rule.endswith(("/crash", "/hang", "/crashed"))
    element = (Error if undecided else Failure)(one_line(f"{finding.title}: {finding.one_line}"), finding.rule)
    element.text = _body(finding)
    return element


def _outcome(finding: Finding) -> Failure | Error | Skipped:
    return _bad(finding) if finding.accepted is None else Skipped(one_line(f"{finding.title}: {finding.accepted.words()}"))


def _checked(result: CheckResult) -> Iterator[TestCase]:
    """One test for each call that was made, and one for the whole run."""
    bad = findings(result)
    failing = {call_at(finding.trace, finding.step) for finding in bad}
    classname = f"check.{result.profile}"
    for name in sorted(result.codes.keys() | {call for call in failing if call}):
        case = _case(name, classname)
        case.result = [_outcome(finding) for finding in bad if call_at(finding.trace, finding.step) == name]
        codes = result.codes.get(name, {})
        case.system_out = visible("\n".join(f"{code}: {count}" for code, count in sorted(codes.items())))
        yield case
    whole = _case("the whole run", classname, result.seconds)
    whole.result = [_outcome(finding) for finding in bad if call_at(finding.trace, finding.step) is None]
    yield whole


def _kept(result: PolicyResult) -> Iterator[TestCase]:
    """One test for each case of a call, and one for each run that was compared."""
    bad = iter(findings(result))
    for one in result.obligations:
        case = _case(f"{one.case}: {one.title}", f"policy.{result.profile}.{one.call}", one.seconds)
        case.result = [] if one.verdict is Verdict.PROVED else [_outcome(next(bad))]
        yield case
    for run in result.runs:
        case = _case(run.source, f"policy.{run.profile}.runs")
        case.result = [] if run.broken is None else [_outcome(next(bad))]
        yield case
    for finding in bad:  # cases of scripts that ended early
        case = _case(finding.about, f"policy.{result.profile}.runs")
        case.result = [_outcome(finding)]
        yield case


def _replayed(result: ReplayResult) -> Iterator[TestCase]:
    bad = iter(findings(result))
    for one in result.cases:
        case = _case(one.id, f"replay.{result.implementation}")
        if one.verdict in ("failed", "crashed"):
            case.result = [_outcome(next(bad))]
        elif one.verdict != "passed":
            case.result = [Skipped(visible(not_modelled(one)))]
        yield case


def not_modelled(case: CaseResult) -> str:
    """Why ``case`` did not run to its end."""
    where = f"step {case.step + 1}, {case.call}: " if case.step is not None else ""
    return f"{where}{case.reason or case.verdict.replace('_', ' ')}"


def _proved(result: ProofResult) -> Iterator[TestCase]:
    bad = iter(findings(result))
    for one in result.obligations:
        case = _case(f"{one.case}: {one.property} ({one.title})", f"prove.{result.profile}.{one.call}", one.seconds)
        if one.verdict is Verdict.BREAKS_AS_KNOWN:
            finding = next(bad)
            case.result = [Skipped(one_line(finding.title))]
            case.system_out = _body(finding)
        elif one.verdict is not Verdict.PROVED:
            case.result = [_outcome(next(bad))]
        yield case
    for finding in bad:  # what a second solver says against it
        case = _case(f"{finding.about}: {finding.rule.removeprefix('prove/')} ({finding.clause})", f"prove.{result.profile}.second solver")
        case.result = [_outcome(finding)]
        yield case
