"""Judged runs of processes: kernels that choose pids otherwise or give wrong tasks, where rights by pid come from, and
runs as scripts.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from sendright.impl.reference import ReferenceKernel
from sendright.impl.reference.calls.processes.by_pid import _Codes
from sendright.impl.reference.calls.processes.own import own_process
from sendright.impl.reference.task import Task
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import XNU
from sendright.mach.state.snapshot import Slot
from sendright.mach.state.trace import Step
from sendright.model.execution.oracle import Oracle
from sendright.properties.provenance.derivation import derive
from sendright.properties.provenance.nodes import PortNode, RightNode
from sendright.properties.runs.judged_run import Violated
from sendright.properties.runs.run import Run
from sendright.properties.scripts.export import script_of
from sendright.properties.scripts.load import parse_script
from sendright.properties.scripts.replay import replay

ROOT, USER = 0, 1
"""Tasks of boot: a process of root's, and one of user 501."""
EXEC = {"set_user": 0, "set_group": 0xFFFFFFFF}


def lowest(used: set[int]) -> int:
    return next(number for number in range(1, len(used) + 2) if number not in used)


class Reuses(ReferenceKernel):
    """Gives the lowest pid that no process has."""

    def fork(self, caller: Task) -> Result:
        self.processes.pids = iter([lowest(self.taken())])
        return super().fork(caller)

    def taken(self) -> set[int]:
        """The pids that a new process doesn't get."""
        return {process.pid for process in (*self.processes.living(), *self.processes.zombies.values())}


class ReusesZombies(Reuses):
    """Gives the lowest pid that no living process has."""

    def taken(self) -> set[int]:
        return {process.pid for process in self.processes.living()}


class SwitchesEarly(ReferenceKernel):
    """Gives the new task of an exec by its pid before the pid denotes it."""

    def _reached(self, caller: Task, name: int, pid: int, codes: _Codes) -> Task:
        task = super()._reached(caller, name, pid, codes)
        new = (each for each in self.tasks.values() if each.process is not None and each.process.pid == pid and not each.process.has_begun)
        return next(new, task)


class SetsSavedUser(ReferenceKernel):
    """Sets the saved user with the effective one."""

    def seteuid(self, caller: Task, euid: int) -> Result:
        super().seteuid(caller, euid)
        return self._update(caller, replace(own_process(caller), saved_user=euid))


class ForgetsStatus(ReferenceKernel):
    """Keeps nothing of what a process gave to exit."""

    def exit(self, caller: Task, status: int) -> Result:
        return super().exit(caller, 0)


class Made:
    """A judged run of XNU."""

    def __init__(self, kernel: Callable[[], ReferenceKernel] = ReferenceKernel) -> None:
        self.run = Run(kernel(), Oracle(XNU), XNU)
        self.run.boot()

    def call(self, task: int, name: str, stop: bool = False, resume: bool = False, **arguments: object) -> Step:
        return self.run.step(task, Call(name, arguments, stop=stop, resume=resume))

    def own(self, task: int) -> int:
        name: int = self.call(task, "mach_task_self").outputs["port"]
        return name

    def child(self, task: int) -> int:
        made = self.call(task, "fork").created_task
        assert made is not None
        return made

    def ended_child(self, task: int) -> int:
        """The pid of a child that has ended."""
        child = self.child(task)
        process = self.run.snapshot.tasks[child].process
        assert process is not None
        self.call(child, "exit", status=1)
        return process.pid


@pytest.mark.parametrize("kernel", [Reuses, ReusesZombies])
def test_a_pid_is_free_when_its_process_is_forgotten(kernel: Callable[[], ReferenceKernel]) -> None:
    made = Made(kernel)
    pid = made.ended_child(USER)
    if kernel is Reuses:
        assert made.call(USER, "fork").outputs["pid"] != pid
        assert made.call(USER, "wait4", pid=pid).outputs == {"child": pid, "status": 256}
        assert made.call(USER, "fork").outputs["pid"] == pid
        made.run.finish()
    else:
        with pytest.raises(Violated, match="fresh name or number"):
            made.call(USER, "fork")


def test_a_task_that_the_pid_does_not_denote_yet_is_found() -> None:
    made = Made(SwitchesEarly)
    own, child = made.own(ROOT), made.child(ROOT)
    made.call(child, "execve", stop=True, **EXEC)
    with pytest.raises(Violated):
        made.call(ROOT, "task_for_pid", target_tport=own, pid=3)


def test_a_wrong_zombie_is_found_before_anyone_waits_for_it() -> None:
    made = Made(ForgetsStatus)
    child = made.child(USER)
    with pytest.raises(Violated, match="zombie"):
        made.call(child, "exit", status=1)


def test_a_wrong_id_is_found_at_once() -> None:
    made = Made(SetsSavedUser)
    with pytest.raises(Violated, match="saved user"):
        made.call(ROOT, "seteuid", euid=501)


@pytest.mark.parametrize("stops", range(4))
def test_every_right_of_an_exec_and_of_a_task_by_pid_has_a_source(stops: int) -> None:
    made = Made()
    own, child = made.own(USER), made.child(USER)
    held = made.call(USER, "task_for_pid", target_tport=own, pid=3)
    step = made.call(child, "execve", stop=stops > 0, **EXEC)
    for left in reversed(range(stops)):
        step = made.call(child, "execve", resume=True, stop=left > 0)
    assert step.code == ReturnCode.KERN_SUCCESS
    assert made.call(USER, "task_for_pid", target_tport=own, pid=3).code == ReturnCode.KERN_FAILURE
    name = made.call(ROOT, "task_name_for_pid", target_tport=made.own(ROOT), pid=3)
    made.run.finish()
    graph = derive(made.run.trace()).graph
    for task, given in ((USER, held), (ROOT, name)):
        [right] = [
            node
            for node in graph
            if isinstance(node, RightNode) and node.slot == Slot("name", task, given.outputs["port"]) and node.step == given.index
        ]
        assert [(source, edge["how"]) for source, _, edge in graph.in_edges(right, data=True)] == [(PortNode(right.port or 0), "given by pid")]


def test_a_run_of_processes_is_a_script() -> None:
    made = Made()
    own, child = made.own(USER), made.child(USER)
    made.call(USER, "task_for_pid", target_tport=own, pid=3)
    made.call(child, "execve", stop=True, **EXEC)
    made.call(child, "execve", resume=True, stop=True)
    made.call(child, "execve", resume=True)
    new = max(made.run.snapshot.tasks)
    made.call(new, "mach_task_self")
    made.call(new, "setuid", uid=0)
    made.call(new, "exit", status=2)
    made.call(USER, "wait4", pid=3)
    written = script_of(made.run.trace())
    assert [step.get("args", {}).get("pid") for step in written["cases"][0]["steps"] if step["call"] == "wait4"] == ["pid3"]
    for kernel in (ReferenceKernel, Reuses):
        [case] = replay([parse_script(json.dumps(written).encode(), "run.json")], kernel, Oracle).cases
        assert (case.verdict, case.reason) == ("passed", None)
        assert case.trace is not None
        assert len(case.trace.steps) == len(made.run.steps)
