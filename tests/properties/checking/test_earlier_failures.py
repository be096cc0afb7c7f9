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
    earlier(made).replace(0, [failing])
    return made


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


def test_what_fails_no_more_is_forgotten_if_it_was_tried(database: InMemoryExampleDatabase, failing: Trace) -> None:
    earlier(database).replace(0, [])
    assert len(earlier(database).runs) == 1
    earlier(database).replace(1, [failing])
    assert len(earlier(database).runs) == 1
    earlier(database).replace(1, [])
    assert earlier(database).runs == []


def test_without_a_database_nothing_is_kept(failing: Trace) -> None:
    nothing = EarlierFailures(None, "kernel", MANUAL)
    nothing.replace(0, [failing])
    assert nothing.runs == []


def test_kernels_profiles_and_limits_have_their_own(database: InMemoryExampleDatabase) -> None:
    limited = msgspec.structs.replace(MANUAL, urefs_max=7)
    others = [EarlierFailures(database, "another", MANUAL), EarlierFailures(database, "kernel", OSF), EarlierFailures(database, "kernel", limited)]
    assert [each.runs for each in others] == [[], [], []]


def test_the_shortest_are_tried_first_and_not_too_many(database: InMemoryExampleDatabase, failing: Trace) -> None:
    lengths = range(2, MOST + 5)
    earlier(database).replace(0, [msgspec.structs.replace(failing, steps=failing.steps * length) for length in lengths])
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
