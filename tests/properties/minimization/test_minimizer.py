"""A minimized run is as short as any that is known, fails in the same way, and is one that a reviewer would write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from sendright.cli.main import main
from sendright.impl.faults import FAULTS
from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.state.trace import Trace
from sendright.model.execution.oracle import Oracle
from sendright.properties.generation.calls import near_limits
from sendright.properties.minimization.minimizer import Fault, MinimizedRun, Minimizer, measure
from sendright.properties.runs.judged_run import Violated
from sendright.properties.runs.run import Run

PROFILE = near_limits(MANUAL)


class Wrong(ReferenceKernel):
    """Answers KERN_FAILURE to the calls of which ``wrong`` says so."""

    name = "wrong kernel"

    def __init__(self, wrong: Callable[[ReferenceKernel, int, Call, Result], bool]) -> None:
        super().__init__()
        self._wrong = wrong

    def call(self, task: int, call: Call) -> Result:
        right = super().call(task, call)
        return Result(ReturnCode.KERN_FAILURE, {}) if self._wrong(self, task, call, right) else right


def failing(kernel: Callable[[], Implementation], calls: Sequence[tuple[int, str, Any]]) -> Trace:
    """A run that fails by its last call. An argument ``(number, output)`` is a result of an earlier call."""
    run = Run(kernel(), Oracle(PROFILE), PROFILE)
    run.boot()
    for task, name, given in calls:
        arguments = {key: run.steps[value[0]].outputs[value[1]] if isinstance(value, tuple) else value for key, value in given.items()}
        try:
            run.step(task, Call(name, arguments))
        except Violated:
            return run.trace()
    raise AssertionError("the run doesn't fail")


def minimized(kernel: Callable[[], Implementation], trace: Trace) -> MinimizedRun:
    return Minimizer(trace, kernel, Oracle, PROFILE, seconds=60).minimize()


def shape(trace: Trace) -> list[tuple[int, str]]:
    return [(step.task, step.call) for step in trace.steps]


def names_of(kernel: ReferenceKernel, task: int, call: Call, result: Result) -> bool:
    return call.name == "mach_port_names" and result.code == ReturnCode.KERN_SUCCESS


def test_a_childs_calls_are_made_by_the_first_task() -> None:
    """The child looks at its own space: caller and target change together, and the child isn't needed."""
    calls = [
        (0, "mach_task_self", {}),
        (0, "task_create", {"parent_task": (0, "port"), "inherit_memory": False}),
        (MANUAL.boot_tasks, "mach_task_self", {}),
        (MANUAL.boot_tasks, "mach_port_allocate", {"task": (2, "port"), "right": 1}),
        (MANUAL.boot_tasks, "mach_port_names", {"task": (2, "port")}),
    ]
    trace = failing(lambda: Wrong(names_of), calls)
    found = minimized(lambda: Wrong(names_of), trace)
    assert found.minimal
    assert len(found.trace.steps) <= 2
    assert all(step.task == 0 and step.created_task is None for step in found.trace.steps)


def test_what_is_wrong_stays_what_is_wrong() -> None:
    """A call that is wrong in two ways: the smaller way is another fault."""

    def wrong(kernel: ReferenceKernel, task: int, call: Call, result: Result) -> bool:
        return call.name == "mach_port_deallocate"

    calls = [
        (0, "mach_task_self", {}),
        (0, "mach_port_allocate", {"task": (0, "port"), "right": 1}),
        (0, "mach_port_insert_right", {"task": (0, "port"), "name": (1, "name"), "poly": (1, "name"), "disposition": 20}),
        (0, "mach_port_deallocate", {"task": (0, "port"), "name": (1, "name")}),
    ]
    trace = failing(lambda: Wrong(wrong), calls)
    found = minimized(lambda: Wrong(wrong), trace)
    before, after = (Fault.of(each.violations[0], each) for each in (trace, found.trace))
    assert before.codes == after.codes == ("KERN_SUCCESS", "KERN_FAILURE")
    assert before.is_shown_by(after)


def test_of_equal_length_the_run_succeeds_before_the_end() -> None:
    found = minimized(FAULTS["move-send-keeps-sender"].kernel, failing_check("move-send-keeps-sender", 3))
    assert measure(found.trace)[1:3] == (0, 0), "no task is made and no call before the last one fails"


def failing_check(name: str, seed: int) -> Trace:
    from sendright.properties.check import check

    trace = check(FAULTS[name].kernel, Oracle, MANUAL, examples=100, seed=seed, minimize_seconds=0).failure
    assert trace is not None
    return trace


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["move-send-keeps-sender", "special-port-swap-in-two-steps"])
def test_every_seed_finds_the_same_length(name: str) -> None:
    lengths: dict[Fault, list[int]] = {}
    for seed in range(4):
        trace = failing_check(name, seed)
        fault = Fault.of(trace.violations[0], trace)
        key = next((known for known in lengths if known.is_shown_by(fault)), fault)
        lengths.setdefault(key, []).append(len(minimized(FAULTS[name].kernel, trace).trace.steps))
    assert any(len(found) > 1 for found in lengths.values()), "two seeds show the same fault"
    assert all(len(set(found)) == 1 for found in lengths.values()), lengths


def test_all_shortest_are_as_short_and_fail_alike() -> None:
    trace = failing_check("move-send-keeps-sender", 0)
    found = minimized(FAULTS["move-send-keeps-sender"].kernel, trace)
    assert found.shortest[0] == found.trace
    assert {len(each.steps) for each in found.shortest} == {len(found.trace.steps)}
    shapes = [shape(each) for each in found.shortest]
    assert len(set(map(tuple, shapes))) == len(shapes)
    fault = Fault.of(trace.violations[0], trace)
    assert all(fault.is_shown_by(Fault.of(each.violations[0], each)) for each in found.shortest)


def test_all_shortest_are_listed(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", "-q", "--fault", "move-send-keeps-sender", "--all-shortest"]) == 1
    text = capsys.readouterr().out
    assert "of this length" in text
    assert main(["check", "-q", "--fault", "move-send-keeps-sender"]) == 1
    assert "of this length" not in capsys.readouterr().out
