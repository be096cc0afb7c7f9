"""The result of ``sendright policy`` in words."""

import io
import json
from datetime import date

import msgspec
from rich.console import Console
from support.report_runs import MOVE_TO_CHILD, run

from sendright.impl.reference import ReferenceKernel
from sendright.mach.results.baselines import Accepted, Baseline
from sendright.mach.results.checks import Obligation
from sendright.mach.results.counterexamples import Counterexample
from sendright.mach.results.policies import BrokenCase, CheckedRun, MissingEdge, PolicyBreak, PolicyHop, PolicyResult
from sendright.mach.results.verdicts import Verdict
from sendright.reports.baseline import with_baseline
from sendright.reports.findings import findings
from sendright.reports.fingerprints import fingerprint
from sendright.reports.html import page
from sendright.reports.junit import junit
from sendright.reports.policy import SHOWN, terminal
from sendright.reports.rerun import Rerun
from sendright.reports.sarif import sarif
from sendright.reports.terminal import terminal as whole
from sendright.reports.write import _files

CASE = "KERN_SUCCESS/the message is queued"


def text_of(result: PolicyResult) -> str:
    console = Console(file=io.StringIO(), width=200, markup=False, highlight=False)
    for part in terminal(result):
        console.print(part)
    written: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in written.splitlines())


def broken(verdict: Verdict) -> BrokenCase:
    missing = (MissingEdge("b may send to a", '[[allow]] who = "b"'),) if verdict is Verdict.REFUTED else ()
    return BrokenCase(
        rule="deliver", calls=("mach_msg_send",), case=CASE, clause="who sends to whom", verdict=verdict, missing=missing, scope="2 tasks"
    )


def result(verdict: Verdict, *cases: BrokenCase) -> PolicyResult:
    obligations = tuple(
        Obligation(call=one.rule, case=one.case, property="policy", title="the policy is kept", verdict=one.verdict, seconds=1.0) for one in cases
    )
    return PolicyResult(
        verdict=verdict, policy="p", file="p.toml", profile="manual", trusted=("a",), obligations=obligations, broken=cases, solver="z3"
    )


def test_what_breaks_the_policy_comes_with_what_is_missing() -> None:
    text = text_of(result(Verdict.REFUTED, broken(Verdict.REFUTED)))
    assert text.startswith("REFUTED: the policy 'p', profile manual: 0 of 1 cases proved")
    assert ", 1 refuted, " in text
    assert f"deliver breaks the policy: {CASE} (mach_msg_send)\n    who sends to whom; looked for in 2 tasks\n    missing: b may send to a" in text
    assert text.count('[[allow]] who = "b"') == 1


def test_a_lost_case_can_not_be_accepted() -> None:
    [finding] = findings(result(Verdict.CRASHED, broken(Verdict.CRASHED)))
    assert not finding.acceptable
    assert findings(result(Verdict.UNDETERMINED, broken(Verdict.UNDETERMINED)))[0].acceptable
    assert ", 1 lost, " in text_of(result(Verdict.CRASHED, broken(Verdict.CRASHED)))


def test_what_is_accepted_is_told() -> None:
    known = result(Verdict.REFUTED, broken(Verdict.REFUTED))
    [finding] = findings(known)
    baseline = Baseline(file="b.toml", entries=(Accepted(fingerprint=fingerprint(finding), by="Ann", why="known", until="2030-01-01"),))
    accepted = with_baseline(known, baseline, "policy", date(2026, 6, 15))
    assert accepted.verdict is Verdict.ACCEPTED
    console = Console(file=io.StringIO(), width=200, markup=False, highlight=False)
    console.print(whole(accepted, 200))
    assert "Baseline b.toml: 1 accepted" in console.file.getvalue()  # type: ignore[attr-defined]
    assert "The baseline accepts the one finding" in page(accepted, Rerun())
    assert "<failure" not in junit(accepted)


def example() -> Counterexample:
    trace = run(ReferenceKernel(), MOVE_TO_CHILD)
    return Counterexample(
        broken=("who sends to whom: the policy lacks “b may send to a”",),
        sentence="The policy allows every right.",
        where=("slot s is t1, name 3",),
        there=(),
        changes=(),
        who=("t1 has the label b",),
        trace=msgspec.structs.replace(trace, steps=trace.steps[:1]),
    )


def test_all_reports_show_the_state_and_what_is_missing() -> None:
    with_state = msgspec.structs.replace(broken(Verdict.REFUTED), example=example())
    undecided = broken(Verdict.UNDETERMINED)
    late = msgspec.structs.replace(result(Verdict.REFUTED, with_state, undecided), interrupted=True, not_run=("s.json, case c: why",))
    texts = [page(late, Rerun(commands=("sendright policy p.toml",))), junit(late), sarif(late, "1")]
    for text in texts:
        assert "b may send to a" in text
        assert f"deliver, {CASE.replace('/', ': ')}" in text
        assert "Not kept: who sends to whom" in text
        assert "t1 has the label b" in text
        assert "no state that breaks it was found in 2 tasks" in text
        assert "s.json, case c: why" in text
    assert "Not decided: who sends to whom" in texts[1]
    assert "<svg" in texts[0]
    assert "a task of a gives away only what the policy allows" in texts[0]
    assert "sendright policy p.toml" in texts[0]
    assert [texts[1].count(word) for word in ("<testcase", "<failure", "<error")] == [4, 1, 3]
    assert [one["level"] for one in json.loads(texts[2])["runs"][0]["results"]] == ["error", "warning", "warning"]
    assert not any(name.startswith("trace") for name, _ in _files(late, Rerun(), "1"))
    assert "t1 has the label b" in text_of(late)


def test_what_holds_is_said_in_all_reports() -> None:
    good = result(Verdict.PROVED)
    assert "The calls keep the policy" in page(msgspec.structs.replace(good, obligations=(PROVED,)), Rerun())
    assert "<failure" not in junit(good)
    assert json.loads(sarif(good, "1"))["runs"][0]["results"] == []


PROVED = Obligation(call="deliver", case=CASE, property="policy", title="the policy is kept", verdict=Verdict.PROVED, seconds=1.0)


def test_what_is_not_decided_is_not_called_a_break() -> None:
    text = text_of(result(Verdict.UNDETERMINED, broken(Verdict.UNDETERMINED)))
    assert text.startswith("UNDETERMINED: ")
    assert "deliver is not decided" in text
    assert "breaks the policy" not in text
    assert "There are two ways out" not in text


def test_many_broken_cases_are_counted() -> None:
    text = text_of(result(Verdict.REFUTED, *[broken(Verdict.REFUTED)] * (SHOWN + 3)))
    assert text.count("deliver breaks the policy") == SHOWN
    assert "… and 3 more cases: see the report, or --json" in text
    assert text.count('[[allow]] who = "b"') == 1, "what is missing is listed once"


def test_a_run_that_breaks_it_shows_the_way() -> None:
    path = (
        PolicyHop(None, "", "granted at boot", "port 8"),
        PolicyHop(2, "mach_port_insert_right", "made", "send right to port 8 at task 0, name 8"),
    )
    found = PolicyBreak(
        step=2,
        task=0,
        call="mach_port_insert_right",
        words="task 0, name 8 (a): \x1b[31m",
        missing=MissingEdge("a may send to b", "entry"),
        path=path,
    )
    runs = (CheckedRun(source="run.json", profile="manual", states=4, broken=found), CheckedRun(source="state.json", profile="manual", states=1))
    text = text_of(PolicyResult(verdict=Verdict.FAILED, policy="p", file="p.toml", profile="manual", runs=runs, not_run=("s.json, case c: why",)))
    assert "1 of 2 runs break it (states compared: 5; cases not run to their end: 1)" in text
    assert "run.json: call 3, mach_port_insert_right by task 0, breaks the policy" in text
    assert "      granted at boot: port 8\n      call 3, mach_port_insert_right: made: send right" in text
    assert "state.json: 1 state keeps the policy" in text
    assert "s.json, case c: why: not compared to its end" in text
    assert "\x1b[31m" not in text
