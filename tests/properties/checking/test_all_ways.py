"""A check that goes on after a failure: each different failure is found, and a check that ended early says so."""

from __future__ import annotations

import time
from datetime import date
from itertools import count
from typing import Any

import pytest

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.results.baselines import Accepted, Baseline
from sendright.mach.results.checks import CheckResult
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.trace import Trace
from sendright.model.execution.oracle import Oracle
from sendright.properties import check as checking
from sendright.properties.check import WorkersDied, check
from sendright.reports.baseline import with_baseline
from sendright.reports.findings import findings
from sendright.reports.fingerprints import fingerprint

MANUAL = PROFILES["manual"]


class TwoCrashes(ReferenceKernel):
    """``mach_port_type`` crashes in one of two ways."""

    def call(self, task: int, call: Call) -> Result:
        if call.name == "mach_port_type" and call.arguments["name"] == 0:
            raise KeyError("no such name")
        if call.name == "mach_port_type":
            raise IndexError("17")
        return super().call(task, call)


class AlwaysCrashes(ReferenceKernel):
    """Every call crashes."""

    def call(self, task: int, call: Call) -> Result:
        raise KeyError("no such name")


def run(kernel: Any, **options: Any) -> CheckResult:
    return check(kernel, Oracle, MANUAL, examples=12, steps=20, keep_going=True, minimize_seconds=2.0, **options)


def accepted(result: CheckResult) -> CheckResult:
    entries = {fingerprint(one): Accepted(fingerprint=fingerprint(one), by="Ann", why="known", until="2030-01-01") for one in findings(result)}
    return with_baseline(result, Baseline(file="b.toml", entries=tuple(entries.values())), "check", date(2026, 1, 1))


def test_two_crashes_of_one_call_are_two_failures() -> None:
    result = run(TwoCrashes, first=[[(0, Call("mach_port_type", {"task": 1, "name": name}))] for name in (5, 0)])
    assert result.failure is not None
    traces: list[Trace] = [result.failure, *(other.failure for other in result.others)]
    assert {trace.violations[0].crash for trace in traces} == {"mach_port_type raised KeyError", "mach_port_type raised IndexError"}
    assert len({fingerprint(one) for one in findings(result)}) == 2
    assert result.cut_short == ""
    assert accepted(result).verdict is Verdict.ACCEPTED


def test_a_check_that_ended_early_is_not_accepted() -> None:
    result = run(AlwaysCrashes, most_ways=2)
    assert result.cut_short.startswith("the check ended after 2 different failures, ")
    found = accepted(result)
    assert found.verdict is Verdict.CRASHED
    [last] = [one for one in findings(found) if one.level != "note"]
    assert (last.rule, last.acceptable) == ("check/undetermined", False)


def test_failures_before_the_first_random_run_are_not_all(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = count()
    monkeypatch.setattr("sendright.properties.checking.runs.time.monotonic", lambda: float(next(seconds)))
    known = [[(0, Call("mach_port_type", {"task": 1, "name": 0}))]] * 3
    result = run(TwoCrashes, first=known, max_seconds=8)
    assert result.failure is not None
    assert result.cut_short == "the time was up before the first random run"
    assert accepted(result).verdict is Verdict.CRASHED


def test_with_a_time_limit_all_failures_are_minimized_within_one_share(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []
    whole = checking.Minimizer

    def minimizer(*arguments: Any, seconds: float, **options: Any) -> Any:
        shares.append(seconds)
        return whole(*arguments, seconds=seconds, **options)

    monkeypatch.setattr(checking, "Minimizer", minimizer)
    known = [[(0, Call("mach_port_type", {"task": 1, "name": name}))] for name in (5, 0)]
    run(TwoCrashes, first=known)
    assert shares == [2.0, 2.0]
    shares.clear()
    ticks = count()
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks) / 10)
    assert run(TwoCrashes, first=known, max_seconds=3.0).time_is_up
    first, second = shares
    assert 0 < first <= 1.0, "half of the time for one"
    assert 0 < second < 2.0, "what the first has left"


def test_failures_are_not_lost_with_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    takes = checking._Checker._take

    def take(self: Any, found: Any) -> None:
        takes(self, found)
        if self.failing:
            raise WorkersDied("3 runs are lost: the processes died")

    monkeypatch.setattr(checking._Checker, "_take", take)
    result = run(AlwaysCrashes)
    assert result.failure is not None
    assert result.cut_short == "3 runs are lost: the processes died"
    assert accepted(result).verdict is Verdict.CRASHED
