"""task_suspend and task_resume."""

import pytest
from support.kernel import Actor, Machine

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, Disposition
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, Profile

NAMES = ["manual", "osf", "gnumach"]


@pytest.fixture
def root() -> Actor:
    return Machine().root


def test_suspensions_are_counted(root: Actor) -> None:
    child = root.child()
    for count in (1, 2):
        root.does("task_suspend", task=child.seen_as)
        assert child.shown.suspend_count == count
    for count in (1, 0):
        root.does("task_resume", task=child.seen_as)
        assert child.shown.suspend_count == count


def test_a_suspended_task_makes_no_calls(root: Actor) -> None:
    child = root.child()
    for _ in range(2):
        root.does("task_suspend", task=child.seen_as)
    root.does("task_resume", task=child.seen_as)
    with pytest.raises(ValueError, match="task 1 is suspended"):
        root.machine.kernel.call(child.number, Call("mach_task_self", {}))
    root.does("task_resume", task=child.seen_as)
    child.does("mach_task_self")


def test_a_task_can_suspend_itself(root: Actor) -> None:
    root.does("task_suspend")
    assert root.shown.suspend_count == 1
    with pytest.raises(ValueError, match="task 0 is suspended"):
        root.machine.kernel.call(root.number, Call("task_resume", {"task": root.me}))


def test_a_suspended_task_is_still_there_for_others(root: Actor) -> None:
    port, child = root.port_with_send(), root.child()
    root.does("task_suspend", task=child.seen_as)
    root.gives(child, port, Disposition.MOVE_RECEIVE, name=9)
    root.sends(port)
    assert len(root.port_of(port).queue) == 1
    root.does("task_terminate", task=child.seen_as)
    assert port in root.names


def test_a_child_is_not_suspended(root: Actor) -> None:
    child = root.child()
    root.does("task_suspend", task=child.seen_as)
    grandchild = root.does("task_create", parent_task=child.seen_as)
    assert root.machine.snapshot().tasks[2].suspend_count == 0
    assert root.number_of(grandchild) == root.machine.snapshot().tasks[2].port


@pytest.mark.parametrize(("profile", "code"), [(MANUAL, "KERN_SUCCESS"), (OSF, "KERN_FAILURE"), (GNUMACH, "KERN_FAILURE")], ids=NAMES)
def test_resuming_a_task_that_runs(profile: Profile, code: str) -> None:
    root = Machine(profile).root
    before = root.machine.snapshot()
    assert ReturnCode(root.result("task_resume").code).name == code
    assert root.machine.snapshot() == before


@pytest.mark.parametrize("call", ["task_suspend", "task_resume"])
def test_a_task_is_needed(root: Actor, call: str) -> None:
    assert root.refused(call, task=1) == "KERN_INVALID_ARGUMENT"
    assert root.refused(call, task=DEAD_NAME) == "MACH_SEND_INVALID_DEST"
