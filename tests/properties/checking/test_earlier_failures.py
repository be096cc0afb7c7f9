"""The database of failing runs: tried first, bounded, and opened as if an attacker had filled it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis.database import InMemoryExampleDatabase

from sendright.impl.faults import FAULTS
from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.profiles import MANUAL, OSF
from sendright.mach.results.checks import CheckResult, OtherFailure
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.trace import Trace
from sendright.model.execution.oracle import Oracle
from sendright.properties.check import check
from sendright.properties.checking.earlier_failures import LARGEST, MOST, EarlierFailures

WRONG = FAULTS["move-send-keeps-sender"].kernel


@pytest.fixture(scope="module")
def failing() -> Trace:
    found = check(WRONG, Oracle, MANUAL, 100, 20, seed=5).failure
    assert found is not None
    return found


@pytest.fixture
def database(failing: Trace) -> InMemoryExampleDatabase:
    made = InMemoryExampleDatabase()
    earlier(made).update(result_of(failing))
    return made


def result_of(*failing: Trace, settled: tuple[int, ...] = ()) -> CheckResult:
    """The result of a check in which these runs failed."""
    nothing: dict[str, Any] = {"seed": 0, "examples": 0, "calls": 0, "seconds": 0, "codes": {}, "cases_reached": {}, "cases_missed": ()}
    passed = CheckResult(verdict=Verdict.PASSED, implementation="kernel", profile="manual", **nothing)
    others = tuple(OtherFailure(failure=trace, script={}, message="") for trace in failing[1:])
    return msgspec.structs.replace(passed, failure=failing[0] if failing else None, others=others, earlier_settled=settled)


def earlier(database: InMemoryExampleDatabase) -> EarlierFailures:
    return EarlierFailures(database, "kernel", MANUAL)


def content_of(database: InMemoryExampleDatabase) -> list[dict[str, Any]]:
    [[value]] = database.data.values()
    run: list[dict[str, Any]] = json.loads(value)
    return run


def with_content(content: bytes | list[dict[str, Any]]) -> InMemoryExampleDatabase:
    made = InMemoryExampleDatabase()
    made.save(earlier(made).key, content if isinstance(content, bytes) else json.dumps(content).encode())
    return made


def test_an_earlier_failure_is_tried_first(database: InMemoryExampleDatabase, failing: Trace) -> None:
    runs = earlier(database).runs
    result = check(WRONG, Oracle, MANUAL, 100, 20, seed=77, earlier=runs)
    assert (result.verdict, result.examples, result.earlier) == (Verdict.FAILED, 1, 1)
    assert result.failure is not None
    assert [step.call for step in result.failure.steps] == [step.call for step in failing.steps]
    assert "found in run 1, which failed in an earlier check too" in result.message
    mended = check(ReferenceKernel, Oracle, MANUAL, 2, 5, earlier=runs)
    assert (mended.verdict, mended.examples) == (Verdict.PASSED, 3)


def test_only_what_is_settled_is_forgotten(database: InMemoryExampleDatabase, failing: Trace) -> None:
    earlier(database).update(result_of())
    assert len(earlier(database).runs) == 1
    earlier(database).update(result_of(failing, settled=(0,)))
    assert len(earlier(database).runs) == 1
    earlier(database).update(result_of(settled=(0,)))
    assert earlier(database).runs == []


def test_a_run_that_fails_again_beside_another_is_kept(database: InMemoryExampleDatabase, failing: Trace) -> None:
    """Of each kind of failure only the first run is minimized and reported. The others still fail."""
    longer = result_of(msgspec.structs.replace(failing, steps=(failing.steps[0], *failing.steps)))
    earlier(database).update(longer)
    runs = earlier(database).runs
    assert len(runs) == 2
    result = check(WRONG, Oracle, MANUAL, 2, 5, earlier=runs, keep_going=True)
    assert result.earlier_settled == (0,)
    earlier(database).update(result)
    assert len(earlier(database).runs) == 2


def test_a_run_that_is_cut_short_is_kept(database: InMemoryExampleDatabase) -> None:
    result = check(ReferenceKernel, Oracle, MANUAL, 2, 5, earlier=earlier(database).runs, max_seconds=0)
    assert (result.time_is_up, result.earlier_settled) == (True, ())
    passed = check(ReferenceKernel, Oracle, MANUAL, 2, 5, earlier=earlier(database).runs)
    assert passed.earlier_settled == (0,)


def test_without_a_database_nothing_is_kept(failing: Trace) -> None:
    nothing = EarlierFailures(None, "kernel", MANUAL)
    nothing.update(result_of(failing))
    assert nothing.runs == []


def test_kernels_profiles_and_limits_have_their_own(database: InMemoryExampleDatabase) -> None:
    limited = msgspec.structs.replace(MANUAL, urefs_max=7)
    others = [EarlierFailures(database, "another", MANUAL), EarlierFailures(database, "kernel", OSF), EarlierFailures(database, "kernel", limited)]
    assert [each.runs for each in others] == [[], [], []]


def test_the_shortest_are_tried_first_and_not_too_many(database: InMemoryExampleDatabase, failing: Trace) -> None:
    lengths = range(2, MOST + 5)
    longer = [msgspec.structs.replace(failing, steps=failing.steps * length) for length in lengths]
    earlier(database).update(result_of(*longer))
    runs = earlier(database).runs
    assert len(runs) == MOST
    assert [len(run) for run in runs] == sorted(len(run) for run in runs)


HOSTILE: list[Any] = [
    b"",
    b"\xff\xfe",
    b"[" * 100_000,
    b"{}",
    b"[]",
    b" " * (LARGEST + 1),
    {"name": "no_such_call"},
    {"arguments": {"no": 1}},
    {"arguments": {}},
    {"arguments": {"task": 1, "name": [[[[[[[1]]]]]]], "poly": 1, "disposition": 1}},
    {"arguments": {"task": 1, "name": "x", "poly": {"call": "a"}, "disposition": 10**30}},
    {"arguments": {"task": 1, "name": [1], "poly": 1, "disposition": 17}},
    {"caller": -1},
    {"shortage": 10**12},
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_run_is_left_out(database: InMemoryExampleDatabase, content: Any) -> None:
    if isinstance(content, dict):
        run = content_of(database)
        next(call for call in run if call["arguments"]).update(content)
        content = run
    assert earlier(with_content(content)).runs == []


@pytest.mark.parametrize("value", ["x", True, None, 1 << 63, -1, 0xFFFFFFFF])
def test_strange_values_do_no_harm(database: InMemoryExampleDatabase, value: Any) -> None:
    run = content_of(database)
    for call in run:
        call["arguments"] = {name: value if not isinstance(old, list) else old for name, old in call["arguments"].items()}
    result = check(ReferenceKernel, Oracle, MANUAL, 1, 3, earlier=earlier(with_content(run)).runs)
    assert result.verdict is Verdict.PASSED
