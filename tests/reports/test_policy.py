"""The result of ``sendright policy`` in words."""

import io

from rich.console import Console

from sendright.mach.results.checks import Obligation
from sendright.mach.results.policies import BrokenCase, CheckedRun, MissingEdge, PolicyBreak, PolicyHop, PolicyResult
from sendright.mach.results.verdicts import Verdict
from sendright.reports.policy import SHOWN, terminal

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


def test_what_is_not_decided_is_not_called_a_break() -> None:
    text = text_of(result(Verdict.UNDETERMINED, broken(Verdict.UNDETERMINED)))
    assert text.startswith("UNDETERMINED: ")
    assert "deliver is not decided" in text
    assert "breaks the policy" not in text
    assert "only if it also has" not in text


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
