"""Where rights to a task's further ports come from, and who can get them."""

import msgspec
import pytest
from support.agreed_runs import Recorded
from support.kernel import Actor, Machine

from sendright.mach.abi.rights import Disposition, PortObject, Right
from sendright.mach.kernel.profiles import XNU
from sendright.mach.state.trace import Trace
from sendright.properties.minimization.symbolic_calls import ResultRef, to_symbolic
from sendright.properties.provenance.authority import Authority, authority
from sendright.properties.provenance.derivation import unexplained
from sendright.properties.provenance.origins import Rights

THEIRS = 1 + len(XNU.bootstrap_names)
"""The bootstrap task's name for the port of task 1."""
READ, NAME = 6, 3


@pytest.mark.parametrize("which", XNU.flavour_ports)
def test_the_kernel_makes_them(which: int) -> None:
    recorded = Recorded(XNU)
    for _ in range(2):
        recorded.does(0, "task_get_special_port", task=THEIRS, which=which)
    assert unexplained(recorded.run.trace()) == ()


def test_the_kernel_makes_a_resume_port() -> None:
    """The name of the right is in no result."""
    recorded = Recorded(XNU)
    for call in ("task_suspend", "task_suspend", "task_resume", "task_resume", "task_suspend"):
        recorded.does(0, call, task=THEIRS)
    trace: Trace = recorded.run.trace()
    assert unexplained(trace) == ()
    rights = Rights(trace.initial, trace.profile)
    for step in trace.steps:
        rights.advance(step)
    [port] = rights.ports_of(PortObject.TASK_RESUME)
    assert rights.task_of[port] == 1


def test_a_right_to_a_resume_port_comes_with_nothing_else() -> None:
    """Without a suspension of the caller's, such a right has no explanation."""
    recorded = Recorded(XNU)
    recorded.does(0, "task_suspend", task=THEIRS)
    trace: Trace = recorded.run.trace()
    [step] = trace.steps
    other = msgspec.structs.replace(step, call="task_resume")
    assert unexplained(msgspec.structs.replace(trace, steps=(other,))) != ()


def test_who_can_get_a_right_to_a_resume_port(root: Actor) -> None:
    """A task that controls the other, or has its read port, suspends it."""
    read = root.does("task_get_special_port", task=THEIRS, which=READ)
    root.does("task_suspend", task=THEIRS)
    [resume] = [name for name in root.names if root.port_of(name).object is PortObject.TASK_RESUME]
    port = root.number_of(resume)
    assert authority(root.machine.snapshot(), port, XNU).stands_for == "resume port of task 1"
    root.does("mach_port_destroy", name=resume)
    assert calls(authority(root.machine.snapshot(), port, XNU))[0] == 1
    root.does("mach_port_deallocate", name=THEIRS)
    assert calls(authority(root.machine.snapshot(), port, XNU, trusted=(1, 2)))[0] == 1
    root.does("mach_port_deallocate", name=read)
    assert calls(authority(root.machine.snapshot(), port, XNU, trusted=(1, 2)))[0] is None


def test_a_request_through_one_is_sent_to_the_kernel() -> None:
    recorded = Recorded(XNU)
    me = recorded.does(0, "mach_task_self")
    name = recorded.does(0, "task_get_special_port", task=THEIRS, which=NAME)
    queue = recorded.does(0, "mach_port_allocate", task=me, right=Right.RECEIVE)
    recorded.does(
        0, "mach_msg_send", dest=name, dest_disposition=Disposition.COPY_SEND, id=5, reply=queue, reply_disposition=Disposition.MAKE_SEND_ONCE
    )
    recorded.does(0, "mach_msg_receive", port=queue)
    assert unexplained(recorded.run.trace()) == ()


def test_an_answer_that_waits_goes_where_the_reply_right_leads() -> None:
    recorded = Recorded(XNU)
    me = recorded.does(0, "mach_task_self")
    queue = recorded.does(0, "mach_port_allocate", task=me, right=Right.RECEIVE)
    recorded.does(0, "mach_port_set_attributes", task=me, name=queue, flavor=1, info=(1,))
    recorded.does(0, "mach_msg_send", dest=queue, dest_disposition=Disposition.MAKE_SEND)
    theirs = XNU.chosen_name(50)
    recorded.does(0, "mach_port_insert_right", task=THEIRS, name=theirs, poly=queue, disposition=Disposition.MAKE_SEND)
    own = recorded.does(1, "mach_task_self")
    given = {"reply": theirs, "reply_disposition": Disposition.MOVE_SEND}
    recorded.does(1, "mach_msg_send", dest=own, dest_disposition=Disposition.COPY_SEND, **given, wait=True)
    recorded.does(0, "mach_msg_receive", port=queue)
    recorded.goes_on(1, "mach_msg_send")
    recorded.does(0, "mach_msg_receive", port=queue)
    trace: Trace = recorded.run.trace()
    assert unexplained(trace) == ()
    assert sum(step.task == 1 for step in trace.steps) == 3


def test_a_run_is_made_shorter_with_the_names_of_the_task_behind_one() -> None:
    """What a call through a read port names is in the space of the port's task."""
    recorded = Recorded(XNU)
    own = recorded.does(1, "mach_task_self")
    name = recorded.does(1, "mach_port_allocate", task=own, right=Right.PORT_SET)
    target = recorded.does(0, "task_get_special_port", task=THEIRS, which=READ)
    recorded.does(0, "mach_port_get_set_status", task=target, name=name)
    trace: Trace = recorded.run.trace()
    last = to_symbolic(trace.steps, trace.initial)[-1]
    assert isinstance(last.arguments["task"], ResultRef)
    assert isinstance(last.arguments["name"], ResultRef)


def calls(asked: Authority) -> list[int | None]:
    return [reach.calls for reach in asked.tasks]


@pytest.fixture
def root() -> Actor:
    """A task of a kernel in which no task gets another one's ports by a pid."""
    return Machine(msgspec.structs.replace(XNU, processes=0)).root


def test_who_can_get_one(root: Actor) -> None:
    """A task that controls the other asks the kernel for it; a weaker port of the other doesn't do for a stronger
    one.
    """
    read, name = (root.number_of(root.does("task_get_special_port", task=THEIRS, which=which)) for which in (READ, NAME))
    for held in [entry for entry in root.names if root.names[entry].port in (read, name)]:
        root.does("mach_port_deallocate", name=held)
    state = root.machine.snapshot()
    assert [calls(authority(state, port, XNU))[0] for port in (read, name)] == [1, 1]
    inspect = root.does("task_get_special_port", task=THEIRS, which=5)
    root.does("mach_port_deallocate", name=THEIRS)
    state = root.machine.snapshot()
    assert root.machine.port(root.number_of(inspect)).object is PortObject.TASK_INSPECT
    assert [calls(authority(state, port, XNU, trusted=(1, 2)))[0] for port in (read, name)] == [None, 1]


def test_one_gives_no_control(root: Actor) -> None:
    for which in XNU.flavour_ports:
        root.does("task_get_special_port", task=THEIRS, which=which)
    root.does("mach_port_deallocate", name=THEIRS)
    port = root.number_of(root.port())
    state = root.machine.snapshot()
    assert calls(authority(state, port, XNU))[1] is None
    assert authority(state, state.tasks[1].port, XNU, trusted=(1, 2)).tasks[0].calls is None


@pytest.mark.parametrize(("which", "words"), [(NAME, "name port of task 1"), (5, "inspect port of task 1"), (READ, "read port of task 1")])
def test_what_one_stands_for(root: Actor, which: int, words: str) -> None:
    number = root.number_of(root.does("task_get_special_port", task=THEIRS, which=which))
    assert authority(root.machine.snapshot(), number, XNU).stands_for == words
