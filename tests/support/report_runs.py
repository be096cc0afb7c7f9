"""Runs for tests of reports: real kernels, real calls, and what a judge would say of them."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console

from sendright.impl.faults import FAULTS
from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import CALL_GOES_ON, ReturnCode
from sendright.mach.abi.rights import Disposition, Right, SlotKind
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.results.checks import CaseResult, CheckResult, Obligation, ProofResult, ReplayResult
from sendright.mach.results.counterexamples import Became, Counterexample, Reached
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.snapshot import EMPTY, Change, Difference, Entry, Slot, changes, differences
from sendright.mach.state.trace import Step, Trace, Violation, ViolationKind
from sendright.reports.html import page
from sendright.reports.junit import junit
from sendright.reports.rerun import Rerun, script_text
from sendright.reports.sarif import sarif
from sendright.reports.terminal import terminal
from sendright.reports.write import scripts, trace_text

Calls = Sequence[tuple[int, str, dict[str, Any], int]]


def run(kernel: Implementation, calls: Calls, violations: tuple[Violation, ...] = ()) -> Trace:
    """Make ``calls`` (task, call, arguments, shortage) on ``kernel``."""
    kernel.boot(MANUAL)
    initial = before = kernel.snapshot()
    steps = []
    for index, (task, call, arguments, shortage) in enumerate(calls):
        made = Call(call, arguments, shortage)
        result = kernel.call(task, made)
        after = kernel.snapshot()
        steps.append(Step.of(index, task, made, result, changes(before, after), (f"{call}/KERN_SUCCESS/done",)))
        before = after
    return Trace(
        implementation=kernel.name,
        profile="manual",
        urefs_max=MANUAL.urefs_max,
        queue_limit=MANUAL.queue_limit,
        initial=initial,
        steps=tuple(steps),
        final=before,
        violations=violations,
    )


MOVE_TO_CHILD: Calls = (
    (0, "mach_task_self", {}, 0),
    (0, "host_security_create_task_token", {"host_security": 3, "parent_task": 6, "security_token": (501, 20)}, 0),
    (0, "mach_port_allocate", {"task": 6, "right": Right.RECEIVE}, 0),
    (0, "mach_port_insert_right", {"task": 6, "name": 8, "poly": 8, "disposition": Disposition.MAKE_SEND}, 0),
    (0, "mach_msg_send", {"dest": 8, "descriptors": ((3, Disposition.COPY_SEND), (7, Disposition.COPY_SEND))}, 0),
    (0, "mach_port_insert_right", {"task": 7, "name": 3, "poly": 8, "disposition": Disposition.MOVE_SEND}, 0),
)


def forged(trace: Trace) -> Trace:
    """The trace of a kernel whose last call brings one right more, from nowhere."""
    last, slot, right = trace.steps[-1], Slot("name", 0, 77), Entry(SlotKind.SEND, 2, 1)
    step = msgspec.structs.replace(last, changes=(*last.changes, Change(slot, EMPTY, right)))
    task = trace.final.tasks[0]
    tasks = {**trace.final.tasks, 0: msgspec.structs.replace(task, names={**task.names, 77: right})}
    return msgspec.structs.replace(trace, steps=(*trace.steps[:-1], step), final=msgspec.structs.replace(trace.final, tasks=tasks))


def failing_check() -> CheckResult:
    """The fault move-send-keeps-sender, seen by a judge who knows the sound kernel."""
    seen = run(FAULTS["move-send-keeps-sender"].kernel(), MOVE_TO_CHILD)
    expected = run(ReferenceKernel(), MOVE_TO_CHILD)
    violation = Violation(
        step=5,
        kind="state",
        clause="mach_port_insert_right, KERN_SUCCESS: a send right goes under a free name",
        words="With MOVE_SEND the caller gives its user reference up; here it still holds the right that it moved.",
        differences=differences(expected.final, seen.final),
    )
    trace = run(FAULTS["move-send-keeps-sender"].kernel(), MOVE_TO_CHILD, (violation,))
    return CheckResult(
        verdict=Verdict.FAILED,
        implementation=trace.implementation,
        profile="manual",
        seed=7,
        examples=12,
        calls=1203,
        seconds=0.8,
        codes={"mach_task_self": {"KERN_SUCCESS": 31}, "mach_port_insert_right": {"KERN_SUCCESS": 12, "KERN_INVALID_NAME": 3}},
        cases_reached={"mach_task_self/KERN_SUCCESS/done": 31},
        cases_missed=("task_terminate/KERN_SUCCESS/ends",),
        situations_reached={"a task ends": 1017},
        situations_missed=("a task that waits in mach_msg_send ends",),
        failure=trace,
        minimized_from=90,
        script={"format": "mach-cases/1", "profile": "manual", "cases": [{"id": "found", "title": "</script><b>", "steps": []}]},
    )


def result_of(trace: Trace, verdict: Verdict = Verdict.FAILED) -> CheckResult:
    """A check that found ``trace``."""
    return msgspec.structs.replace(failing_check(), verdict=verdict, failure=trace, implementation=trace.implementation)


HOSTILE = "</script></style><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202e'\"&\x00"
"""What a name or a word may be when somebody means harm."""


def hostile_check() -> CheckResult:
    """A failing check in which everything that is text is hostile."""
    trace = failing_check().failure
    assert trace is not None
    steps = [
        *trace.steps[:-1],
        msgspec.structs.replace(
            trace.steps[-1], call=HOSTILE, arguments={HOSTILE: HOSTILE, "task": [HOSTILE]}, outputs={HOSTILE: {HOSTILE: 1}}, cases=(HOSTILE,)
        ),
    ]
    violation = Violation(
        step=5,
        kind="state",
        clause=HOSTILE,
        words=HOSTILE,
        differences=(Difference(HOSTILE, HOSTILE, HOSTILE), Difference(f"task 0, {HOSTILE}", "", HOSTILE)),
    )
    hostile = msgspec.structs.replace(trace, implementation=HOSTILE, profile=HOSTILE, steps=tuple(steps), violations=(violation,))
    return msgspec.structs.replace(
        failing_check(),
        implementation=HOSTILE,
        profile=HOSTILE,
        failure=hostile,
        codes={HOSTILE: {HOSTILE: 1}},
        cases_missed=(HOSTILE,),
        message=HOSTILE,
    )


def crashed_check(kind: ViolationKind = "crash") -> CheckResult:
    """A kernel that died in its third call."""
    trace = run(ReferenceKernel(), MOVE_TO_CHILD[:3])
    last = msgspec.structs.replace(trace.steps[-1], code=ReturnCode.MIG_SERVER_DIED, outputs={}, changes=(), missing="answer")
    trace = msgspec.structs.replace(trace, steps=(*trace.steps[:-1], last))
    violation = Violation(step=2, kind=kind, clause="mach_port_allocate", words="mach_port_allocate raised ZeroDivisionError: division by zero")
    return result_of(msgspec.structs.replace(trace, violations=(violation,)), Verdict.CRASHED)


def replay_result() -> ReplayResult:
    """One case of each kind."""
    failing = failing_check().failure
    assert failing is not None
    cases = (
        CaseResult(id="good", title="all as expected", verdict="passed", steps=3),
        CaseResult(
            id="bad",
            title="a moved right stays",
            verdict="failed",
            steps=3,
            step=2,
            call="mach_port_insert_right",
            expected="KERN_SUCCESS",
            seen="KERN_INVALID_NAME",
            violation=failing.violations[0],
            trace=failing,
        ),
        CaseResult(id="later", title="an unknown call", verdict="not_modelled", steps=1, step=1, call="mach_port_guard", reason="unknown call"),
        CaseResult(id="dead", title="a crash", verdict="crashed", steps=0, step=0, call="task_create", expected="an answer", seen="RuntimeError: no"),
    )
    return ReplayResult(
        verdict=Verdict.FAILED, implementation="a kernel", passed=1, failed=1, not_modelled=1, crashed=1, cases=cases, files=("some cases.json",)
    )


def proof_result() -> ProofResult:
    """Two calls, three properties; one refuted, one undetermined."""

    def one(call: str, case: str, property_: str, verdict: Verdict = Verdict.PROVED, **more: Any) -> Obligation:
        return Obligation(call=call, case=case, property=property_, title=f"the title of {property_}", verdict=verdict, seconds=0.25, **more)

    obligations = (
        one("task_create", "KERN_SUCCESS/made", "invariant 8"),
        one("task_create", "KERN_INVALID_ARGUMENT/no parent", "invariant 8"),
        one("task_create", "KERN_SUCCESS/made", "theorem 1", Verdict.UNDETERMINED, scope="2 tasks, 3 ports"),
        one(
            "mach_port_insert_right",
            "KERN_SUCCESS/free name",
            "invariant 8",
            Verdict.REFUTED,
            scope="3 tasks, 4 ports",
            counterexample="task 0 holds <name 3>\ncall: MOVE_SEND",
            reachable="not known",
        ),
    )
    return ProofResult(verdict=Verdict.REFUTED, profile="manual", obligations=obligations, seconds=1.0, solver="z3 5.4.1")


def one_step() -> Trace:
    """The first call of a run, as a step of a rule that calls share."""
    run = failing_check().failure
    assert run is not None
    step = msgspec.structs.replace(run.steps[0], call="copy in a right", arguments={"disposition": 17, "name": "name 3"}, code=CALL_GOES_ON)
    return msgspec.structs.replace(run, steps=(step,), violations=())


def refuted(reached: Reached | None = None) -> ProofResult:
    """As ``proof_result``, with a counterexample."""
    example = Counterexample(
        broken=("the count",),
        sentence="A count counts <slots>.",
        where=("port p is port 7",),
        there=(Became("port 7, send rights", "1", "1"), Became("port 7, slots", "1", "2")),
        changes=(Became("task 0, name 3", "nothing", "send right to port 7"),),
        who=("t0 is the caller", "port 7 is the port of t0"),
        also=("other caller is t1",),
        trace=one_step(),
        reached=reached,
    )
    result = proof_result()
    obligations = [msgspec.structs.replace(one, example=example) if one.verdict is Verdict.REFUTED else one for one in result.obligations]
    return msgspec.structs.replace(result, obligations=tuple(obligations))


def every_report(result: CheckResult) -> str:
    """The words of a check's page and of what a terminal shows, on one line, once all reports of it are made."""
    written = {name: script_text(script) for name, script in scripts(result).items()}
    shown = page(result, Rerun(commands=("sendright check",), scripts=written))
    assert junit(result)
    assert sarif(result, "1")
    assert result.failure is None or trace_text(result.failure)
    console = Console(file=io.StringIO(), width=10_000)
    console.print(terminal(result, 100, verbose=True))
    words = html.unescape(re.sub("<[^>]*>", " ", shown)) + console.file.getvalue()  # type: ignore[attr-defined]
    return " ".join(words.split())
