"""task_suspend and task_resume."""

import pytest
from support.kernel import Actor, Machine

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, Disposition, Notification, PortObject
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, PROFILES, XNU, Profile

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


# In XNU a suspender holds a send right to the task's resume port (``task_suspend``, ``task_resume``, ``task_suspension_no_senders``).

RESUME = PortObject.TASK_RESUME


class Suspended:
    """A task, by default the last of boot, with two tasks that suspend it: the bootstrap task and another."""

    def __init__(self, task: int = 2) -> None:
        self.machine = Machine(XNU)
        self.root = self.machine.root
        self.other = self.machine.booted(3 - task)
        self.task = self.machine.booted(task)
        self.seen_as = {self.root: self.task.seen_as, self.other: self.root.gives(self.other, self.task.seen_as, Disposition.COPY_SEND)}

    def suspend(self, *actors: Actor) -> None:
        for actor in actors:
            actor.does("task_suspend", task=self.seen_as[actor])

    def resume(self, actor: Actor) -> str:
        return ReturnCode(actor.result("task_resume", task=self.seen_as[actor]).code).name

    @property
    def count(self) -> int:
        return self.task.shown.suspend_count

    def held(self, actor: Actor) -> int:
        """How many references the actor has to the resume port."""
        return sum(entry.urefs for entry in actor.names.values() if entry.port is not None and self.machine.port(entry.port).object is RESUME)

    def hold(self, actor: Actor) -> int:
        """The actor's name for the resume port."""
        return next(name for name, entry in actor.names.items() if entry.port is not None and self.machine.port(entry.port).object is RESUME)


@pytest.fixture
def suspended() -> Suspended:
    return Suspended()


def test_each_suspension_gives_a_reference(suspended: Suspended) -> None:
    root = suspended.root
    suspended.suspend(root, root, suspended.other)
    assert (suspended.count, suspended.held(root), suspended.held(suspended.other)) == (3, 2, 1)
    port = root.port_of(suspended.hold(root))
    assert (port.task, port.send_rights, port.make_send_count) == (2, 2, 3)
    for count, held in ((2, 1), (1, 0)):
        assert suspended.resume(root) == "KERN_SUCCESS"
        assert (suspended.count, suspended.held(root)) == (count, held)
    assert suspended.resume(suspended.other) == "KERN_SUCCESS"
    assert (suspended.count, suspended.held(suspended.other)) == (0, 0)


def test_the_port_stays_when_no_suspender_is_left(suspended: Suspended) -> None:
    root = suspended.root
    suspended.suspend(root)
    number = root.number_of(suspended.hold(root))
    suspended.resume(root)
    assert suspended.machine.port(number).send_rights == 0
    suspended.suspend(root)
    assert root.number_of(suspended.hold(root)) == number
    root.does("task_terminate", task=suspended.task.seen_as)
    assert number not in suspended.machine.snapshot().ports


@pytest.mark.parametrize("call", ["mach_port_destroy", "mach_port_deallocate"])
def test_the_last_right_that_goes_ends_all_suspensions(suspended: Suspended, call: str) -> None:
    root = suspended.root
    suspended.suspend(root, root, suspended.other)
    suspended.resume(suspended.other)
    for _ in range(1 if call == "mach_port_destroy" else 2):
        assert suspended.count == 2
        root.does(call, name=suspended.hold(root))
    assert suspended.count == 0
    suspended.task.does("mach_task_self")


def test_a_suspender_that_ends_leaves_the_count_while_others_hold() -> None:
    suspended = Suspended(task=1)
    suspended.suspend(suspended.root, suspended.other)
    suspended.root.does("task_terminate", task=suspended.other.seen_as)
    assert suspended.count == 2
    assert suspended.resume(suspended.root) == "KERN_SUCCESS"
    assert suspended.count == 0


def test_a_suspender_that_ends_alone_resumes() -> None:
    suspended = Suspended(task=1)
    suspended.suspend(suspended.other, suspended.other)
    suspended.root.does("task_terminate", task=suspended.other.seen_as)
    assert suspended.count == 0


def test_anothers_resume_takes_the_suspenders(suspended: Suspended) -> None:
    """The suspender's own then fails, and its right is gone whole."""
    root, other = suspended.root, suspended.other
    suspended.suspend(root, root)
    assert [suspended.resume(other), suspended.resume(other)] == ["KERN_SUCCESS"] * 2
    assert (suspended.count, suspended.held(root), suspended.held(other)) == (0, 2, 0)
    assert suspended.resume(root) == "KERN_FAILURE"
    assert suspended.held(root) == 0
    assert suspended.resume(root) == "KERN_FAILURE"


def test_a_right_in_a_message_holds_too(suspended: Suspended) -> None:
    root = suspended.root
    suspended.suspend(root)
    queue = root.port()
    root.sends(queue, Disposition.MAKE_SEND, descriptors=((suspended.hold(root), Disposition.MOVE_SEND),))
    assert (suspended.count, suspended.held(root)) == (1, 0)
    root.does("mach_port_destroy", name=queue)
    assert suspended.count == 0


def test_a_task_that_suspends_itself_holds_its_own_right(suspended: Suspended) -> None:
    task = suspended.task
    task.does("task_suspend")
    assert (suspended.count, suspended.held(task)) == (1, 1)
    assert suspended.resume(suspended.root) == "KERN_SUCCESS"
    assert (suspended.count, suspended.held(task)) == (0, 1)
    suspended.root.does("task_terminate", task=suspended.task.seen_as)


def test_the_resume_port_dies_with_its_task_as_the_last_of_its_ports(suspended: Suspended) -> None:
    root = suspended.root
    suspended.suspend(root)
    watch, hold = root.port(), suspended.hold(root)
    names = [hold, *(root.does("task_get_special_port", task=suspended.task.seen_as, which=which) for which in XNU.flavour_ports)]
    for name in names:
        root.asks(name, Notification.DEAD_NAME, watch)
    root.does("task_terminate", task=suspended.task.seen_as)
    assert root.mail(watch)[-1] == (Notification.DEAD_NAME, hold)


def test_the_resume_port_is_no_authority(suspended: Suspended) -> None:
    root = suspended.root
    suspended.suspend(root)
    assert root.refused("task_resume", task=suspended.hold(root)) == "KERN_INVALID_ARGUMENT"


@pytest.mark.parametrize("profile", [profile for profile in PROFILES.values() if profile is not XNU], ids=lambda profile: profile.name)
def test_elsewhere_a_suspension_is_only_counted(profile: Profile) -> None:
    root = Machine(profile).root
    child = root.child()
    names = root.names
    root.does("task_suspend", task=child.seen_as)
    assert root.names == names
