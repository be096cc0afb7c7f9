"""A check by several processes: its result is that of one process, and its time can be limited."""

from __future__ import annotations

import os
import signal
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from sendright.impl.faults import FAULTS
from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.results.checks import CheckResult
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.trace import Trace
from sendright.model.execution.oracle import Oracle
from sendright.properties import check as checks
from sendright.properties.check import WorkersDied, check
from sendright.properties.checking import runs


def timeless(result: CheckResult) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(result, seconds=0.0))


@pytest.mark.parametrize("kernel", [ReferenceKernel, FAULTS["move-send-keeps-sender"].kernel], ids=["right", "wrong"])
def test_any_number_of_processes_gives_the_same_result(kernel: type[ReferenceKernel]) -> None:
    seen: dict[int, list[Trace]] = {1: [], 3: []}
    found = {jobs: check(kernel, Oracle, MANUAL, 10, 12, seed=5, jobs=jobs, on_run=seen[jobs].append) for jobs in seen}
    assert timeless(found[1]) == timeless(found[3])
    assert (found[1].failure is None) == (kernel is ReferenceKernel)
    assert [len(trace.steps) for trace in seen[1]] == [len(trace.steps) for trace in seen[3]], "in the order of the runs"


def test_what_differs_is_found_in_each_way_by_any_number_of_processes() -> None:
    kernel = FAULTS["move-send-keeps-sender"].kernel
    found = [check(kernel, Oracle, MANUAL, 12, 60, seed=1, jobs=jobs, keep_going=True, minimize_seconds=0) for jobs in (1, 2)]
    assert timeless(found[0]) == timeless(found[1])
    ways = [(one.violations[0].kind, one.violations[0].clause) for one in (found[0].failure, *(each.failure for each in found[0].others)) if one]
    assert len(ways) > 1, "there is more than one way"
    assert len(ways) == len(set(ways)), "none is told twice"


@pytest.fixture
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which 20 ms pass each time a check looks at it."""
    seconds = count(0.0, 0.02)
    for module in (checks, runs):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(seconds)))


@pytest.mark.usefixtures("_clock")
@pytest.mark.parametrize("jobs", [1, 2])
def test_the_time_is_up(jobs: int) -> None:
    result = check(ReferenceKernel, Oracle, MANUAL, 10_000, 4, jobs=jobs, max_seconds=0.4)
    assert result.time_is_up
    assert result.verdict is Verdict.PASSED
    assert 0 < result.examples < result.planned == 10_000


@pytest.mark.usefixtures("_clock")
def test_a_check_without_a_random_run_is_undetermined() -> None:
    known = [[(0, Call("mach_task_self", {}))] * 500]
    result = check(ReferenceKernel, Oracle, MANUAL, 10, 4, first=known, max_seconds=0.5)
    assert (result.verdict, result.time_is_up, result.examples) == (Verdict.UNDETERMINED, True, 0)


class Dying(ReferenceKernel):
    """It kills its process at the first call of a test's choice."""

    at = "mach_port_allocate"
    parent = os.getpid()

    def call(self, task: int, call: Call) -> Result:
        if call.name == self.at and os.getpid() != self.parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().call(task, call)


def test_processes_that_die_are_told() -> None:
    with pytest.raises(WorkersDied, match="runs are lost: the processes that worked on it died, the last one with SIGKILL"):
        check(Dying, Oracle, MANUAL, 50, 30, jobs=2)


class Buggy(Oracle):
    """An oracle that has a bug."""

    def judge(self, *_: object) -> object:  # type: ignore[override]
        raise ZeroDivisionError("in the oracle")


def test_a_bug_in_a_process_is_told_as_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError, match="in the oracle"):
        check(ReferenceKernel, Buggy, MANUAL, 5, 5)  # type: ignore[type-abstract]
    known = [[]]  # the first process makes a run to warm up: one without calls
    with pytest.raises(WorkersDied, match="ZeroDivisionError: in the oracle"):
        check(ReferenceKernel, Buggy, MANUAL, 5, 5, first=known, jobs=2)  # type: ignore[type-abstract, arg-type]


def test_no_process_is_left(tmp_path: Path) -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    if not children.exists():
        pytest.skip("the system doesn't list children")
    check(ReferenceKernel, Oracle, MANUAL, 4, 4, jobs=2)  # the keeper begins, and stays
    before = children.read_text().split()
    check(ReferenceKernel, Oracle, MANUAL, 4, 4, jobs=2)
    assert children.read_text().split() == before
