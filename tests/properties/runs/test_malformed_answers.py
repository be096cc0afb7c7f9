"""An answer that hasn't the form that its call's signature promises is a finding: a kernel may answer anything, and
sendright goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.faulty_kernels import Faulty
from support.profiles import MANUAL_FIRST
from support.report_runs import every_report

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import MANUAL, PROFILES, Profile
from sendright.mach.results.verdicts import Verdict
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.trace import contradiction
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import witnessed_calls
from sendright.properties.check import check
from sendright.properties.runs.answer_form import answer_error

OUTPUTS = sorted({output.name for signature in SIGNATURES.values() for output in signature.outputs})
NUMBERS = st.sampled_from([-(2**70), -(2**31), -1, 0, 1, 2, 3, 6, 999, 2**32, 2**64, 2**70])
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.floats(), st.text(max_size=3), st.just("\ud800"), st.binary(max_size=2))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple), max_leaves=6)
OTHERS: st.SearchStrategy[Any] = st.just({}) | st.dictionaries(
    st.integers(-1, 4) | SCALARS, VALUES | st.builds(Result, st.sampled_from([0, 4]), st.just({})), max_size=2
)
ANYTHING = st.one_of(VALUES, st.just({}))


@st.composite
def changes_of(draw: st.DrawFn) -> Callable[[Call, Result], Any]:
    """A way to answer something else than the kernel does."""
    part = draw(st.sampled_from(["code", "outputs", "more", "less", "output", "size", "created_task", "ended", "all"]))
    value, name, which = draw(ANYTHING), draw(st.sampled_from(OUTPUTS)), draw(st.integers(0, 9))
    code, others = draw(st.sampled_from(list(ReturnCode)) | NUMBERS | SCALARS), draw(OTHERS)

    def change(call: Call, answer: Result) -> Any:
        names = list(answer.outputs)
        one = names[which % len(names)] if names else name
        match part:
            case "code":
                return msgspec.structs.replace(answer, code=code)
            case "outputs":
                return msgspec.structs.replace(answer, outputs=value)
            case "more":
                return msgspec.structs.replace(answer, outputs={**answer.outputs, name: value})
            case "less":
                return msgspec.structs.replace(answer, outputs={key: each for key, each in answer.outputs.items() if key != one})
            case "output":
                return msgspec.structs.replace(answer, outputs={**answer.outputs, one: value})
            case "size":
                seen = answer.outputs.get(one)
                return msgspec.structs.replace(answer, outputs={**answer.outputs, one: (*seen, *seen, 1) if isinstance(seen, tuple) else (seen,)})
            case "created_task":
                return msgspec.structs.replace(answer, created_task=None if answer.created_task is not None and which < 2 else value)
            case "ended":
                return msgspec.structs.replace(answer, ended=others)
            case _:
                return Result(code, value, which, others)  # type: ignore[arg-type]

    return change


RUNS = {name: witnessed_calls(profile) for name, profile in PROFILES.items()}


@pytest.mark.parametrize("profile", MANUAL_FIRST)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(change=changes_of(), data=st.data())
def test_any_answer_is_judged(profile: Profile, change: Callable[[Call, Result], Any], data: st.DataObject) -> None:
    """Whatever it is: it is right, or a finding with reports."""
    run = data.draw(st.sampled_from(RUNS[profile.name]), label="run")
    at = data.draw(st.integers(1, len(run)), label="at")
    result = check(lambda: Faulty(at, change), Oracle, profile, 1, 1, first=[run], minimize_seconds=0)
    assert result.verdict in (Verdict.PASSED, Verdict.FAILED, Verdict.CRASHED)
    assert every_report(result)
    assert result.failure is None or contradiction(result.failure) is None


def test_a_task_that_no_call_created() -> None:
    """For every call that creates none, and for those that do when they fail or go on."""
    for signature in SIGNATURES.values():
        outputs: dict[str, Any] = {}
        failed = Result(ReturnCode.KERN_INVALID_TASK, outputs, created_task=1)
        assert answer_error(Call(signature.name, {}), failed) is not None
        wrong = answer_error(Call(signature.name, {}), Result(ReturnCode.MACH_RCV_IN_PROGRESS, outputs, created_task=1))
        assert (wrong is None) == signature.creates_task, signature.name
        if signature.creates_task:
            assert "before" in str(answer_error(Call(signature.name, {}, resume=True), Result(ReturnCode.KERN_SUCCESS, outputs, created_task=1)))


CREATED: list[tuple[Any, str]] = [
    (Result(ReturnCode.KERN_SUCCESS, {"port": 6}, created_task=1), "created_task is 1, but mach_task_self creates no task"),
    (Result(ReturnCode.KERN_SUCCESS, {"port": 6}, created_task=0), "created_task is 0, but mach_task_self creates no task"),
    (Result(ReturnCode.KERN_SUCCESS, {"port": 6, "name": 7}), "the results are port, name instead of port"),
    (Result(ReturnCode.KERN_SUCCESS, {}), "the results are none instead of port"),
    (Result(ReturnCode.KERN_SUCCESS, {"port": "6"}), "the result port is '6', which is not of type port"),
    (Result(ReturnCode.KERN_SUCCESS, {"port": (6,)}), "the result port is (6,), which is not of type port"),
    (Result(True, {}), "the return code is True, which is not a machine's number"),
    (Result(2**70, {}), f"the return code is {2**70}, which is not a machine's number"),
    (Result(0, {"port": 6}, ended=3), "ended is 3, not a dictionary of answers by tasks"),  # type: ignore[arg-type]
    (Result(0, {"port": 6}, ended={"1": Result(0)}), "ended has an answer of '1', which is not a task's number"),  # type: ignore[dict-item]
    (Result(0, {"port": 6}, ended={1: 0}), "the ended call of task 1 is int instead of a Result with a code and outputs"),  # type: ignore[dict-item]
    (Result(0, {"port": 6}, ended={0: Result(0)}), "the answer reports the end of a call of task 0, but task 0 has no pending call"),
    (Result(0, {"port": 6}, ended={7: Result(0)}), "the answer reports the end of a call of task 7, but task 7 has no pending call"),
]


@pytest.mark.parametrize(("answer", "words"), CREATED, ids=[words for _, words in CREATED])
def test_what_is_said_of_an_answer_without_form(answer: Any, words: str) -> None:
    result = check(lambda: Faulty(1, lambda call, right: answer), Oracle, MANUAL, 1, 1, first=[[(0, Call("mach_task_self", {}))]])
    assert result.verdict is Verdict.FAILED
    assert result.failure is not None
    [violation] = [violation for violation in result.failure.violations if violation.kind == "result"]
    assert (violation.step, violation.words) == (0, words)
    assert words.split(",")[0][:20] in every_report(result)


@pytest.mark.parametrize(("created", "seen"), [(None, "nothing"), (0, "0"), (7, "7")])
def test_a_created_task_that_is_none_or_another_one(created: int | None, seen: str) -> None:
    """Of a call that creates one: it is the next number, not none, nor one that exists or will."""

    def change(call: Call, answer: Result) -> Result:
        return msgspec.structs.replace(answer, created_task=created)

    calls = [(0, Call("mach_task_self", {})), (0, Call("task_create", {"parent_task": 6}))]
    result = check(lambda: Faulty(2, change), Oracle, MANUAL, 1, 1, first=[calls], minimize_seconds=0)
    assert result.verdict is Verdict.FAILED
    assert result.failure is not None
    assert f"number of the new task: expected 1, seen {seen}" in result.failure.violations[0].words
    assert every_report(result)


@pytest.mark.parametrize("seconds", [0, -1, 1e-9, 1e-3, 0.05])
def test_any_time_for_minimizing_will_do(seconds: float) -> None:
    """Without any, the run is reported as it was found, and the report says so."""
    calls = [(0, Call("mach_task_self", {})), (0, Call("mach_task_self", {})), (0, Call("mach_reply_port", {}))]
    wrong = Result(ReturnCode.KERN_SUCCESS, {"port": "6"})
    result = check(lambda: Faulty(3, lambda call, right: wrong), Oracle, MANUAL, 1, 1, first=[calls], minimize_seconds=seconds)
    assert result.verdict is Verdict.FAILED
    assert result.failure is not None
    if seconds <= 1e-9:
        assert len(result.failure.steps) == 3
        assert result.message.endswith("; not minimized, as there was no time for it: some calls may be unnecessary")
    assert "necessary" in result.message
    assert result.message in every_report(result)
