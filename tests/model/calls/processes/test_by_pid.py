"""The ports of a task by the pid of its process, as the specification alone answers."""

from __future__ import annotations

import pytest
from support.specified_processes import NOBODY, ROOT, USER, Machine

from sendright.mach.abi.rights import PortObject, Right
from sendright.mach.kernel.profiles import XNU

CONTROL, NAME, INSPECT, READ = "task_for_pid", "task_name_for_pid", "task_inspect_for_pid", "task_read_for_pid"
KINDS = {CONTROL: PortObject.TASK, NAME: PortObject.TASK_NAME, INSPECT: PortObject.TASK_INSPECT, READ: PortObject.TASK_READ}
REFUSED = {CONTROL: "KERN_FAILURE", NAME: "KERN_FAILURE", INSPECT: "EPERM", READ: "EPERM"}
ACCESS = 9
"""The selector of the access port."""


class Asking(Machine):
    """A machine whose tasks ask for ports by pids."""

    def get(self, task: int, call: str, pid: int) -> str:
        """Ask for a port of the process with this pid; the code. The port is the process's, and as it should be."""
        own = self.does(task, "mach_task_self")
        code = self.code(task, call, target_tport=own, pid=pid)
        if code == "KERN_SUCCESS":
            shown = self.kernel.snapshot()
            port = shown.ports[shown.tasks[task].names[self.answer["port"]].port or 0]
            assert (port.object, port.task) == (KINDS[call], pid - 1)
        return code


@pytest.fixture
def machine() -> Asking:
    return Asking()


@pytest.mark.parametrize("call", KINDS)
def test_root_gets_all(machine: Asking, call: str) -> None:
    assert machine.get(ROOT, call, 2) == "KERN_SUCCESS"
    first = machine.answer["port"]
    assert machine.get(ROOT, call, 2) == "KERN_SUCCESS"
    assert machine.answer["port"] == first


@pytest.mark.parametrize("call", KINDS)
def test_a_process_gets_its_own_port(machine: Asking, call: str) -> None:
    assert machine.get(USER, call, 2) == "KERN_SUCCESS"
    assert machine.get(USER, call, 1) == REFUSED[call]


@pytest.mark.parametrize("call", KINDS)
def test_a_task_without_a_process_gets_nothing(machine: Asking, call: str) -> None:
    assert machine.get(NOBODY, call, 2) == REFUSED[call]


def test_there_has_to_be_a_process(machine: Asking) -> None:
    codes = {call: (machine.get(ROOT, call, 0), machine.get(ROOT, call, 3)) for call in KINDS}
    assert codes == {CONTROL: ("KERN_FAILURE",) * 2, NAME: ("KERN_FAILURE",) * 2, INSPECT: ("EPERM", "ESRCH"), READ: ("EPERM", "ESRCH")}


def test_the_caller_shows_a_right_to_a_tasks_port(machine: Asking) -> None:
    codes = [machine.code(ROOT, call, target_tport=1, pid=2) for call in KINDS]
    assert codes == ["KERN_FAILURE", "KERN_FAILURE", "EINVAL", "EINVAL"]


def test_one_user_and_the_same_groups(machine: Asking) -> None:
    """Root becomes user 501: then both are of one user, but its groups are others, and the target is of group 20."""
    machine.does(ROOT, "setuid", uid=501)
    assert machine.get(ROOT, CONTROL, 2) == "KERN_FAILURE"
    assert machine.get(ROOT, NAME, 2) == "KERN_SUCCESS"
    assert machine.get(USER, CONTROL, 1) == "KERN_FAILURE"


def test_a_group_of_three_is_enough(machine: Asking) -> None:
    machine.does(ROOT, "setregid", rgid=20)
    machine.does(ROOT, "setuid", uid=501)
    assert machine.get(ROOT, CONTROL, 2) == "KERN_SUCCESS"
    assert machine.get(ROOT, READ, 2) == "KERN_SUCCESS"


def test_a_process_that_is_marked_is_out_of_reach(machine: Asking) -> None:
    """Root becomes like process 2 in all but the mark."""
    machine.does(ROOT, "setgid", gid=20)
    machine.does(ROOT, "setuid", uid=501)
    assert machine.get(USER, CONTROL, 1) == "KERN_FAILURE"
    assert machine.get(USER, NAME, 1) == "KERN_SUCCESS"


def _with_access(machine: Asking, dies: bool = False, kernels: bool = False) -> None:
    """The access port of process 2 is set; the first process becomes like it, so that it could get its port."""
    there = len(XNU.bootstrap_names) + USER
    port = 1 if kernels else machine.does(ROOT, "mach_port_allocate", task=machine.does(ROOT, "mach_task_self"), right=Right.RECEIVE)
    own = machine.does(ROOT, "mach_task_self")
    if not kernels:
        machine.does(ROOT, "mach_port_insert_right", task=own, name=port, poly=port, disposition=20)
    machine.does(ROOT, "task_set_special_port", task=there, which=ACCESS, port=port)
    if dies:
        machine.does(ROOT, "mach_port_destroy", task=own, name=port)
    machine.does(ROOT, "setgid", gid=20)
    machine.does(ROOT, "setuid", uid=501)


@pytest.mark.parametrize("call", [CONTROL, INSPECT, READ])
def test_an_access_port_decides(machine: Asking, call: str) -> None:
    _with_access(machine)
    assert machine.get(ROOT, call, 2) == REFUSED[call]
    assert machine.get(USER, call, 2) == "KERN_SUCCESS"


@pytest.mark.parametrize(("call", "code"), [(CONTROL, "KERN_PROTECTION_FAILURE"), (INSPECT, "EACCES"), (READ, "EACCES")])
def test_a_dead_access_port(machine: Asking, call: str, code: str) -> None:
    _with_access(machine, dies=True)
    assert machine.get(ROOT, call, 2) == code


def test_a_kernels_port_is_no_access_port(machine: Asking) -> None:
    _with_access(machine, kernels=True)
    assert machine.get(ROOT, CONTROL, 2) == "KERN_SUCCESS"


def test_an_access_port_says_nothing_of_the_name_port_nor_to_root(machine: Asking) -> None:
    _with_access(machine)
    assert machine.get(ROOT, NAME, 2) == "KERN_SUCCESS"
