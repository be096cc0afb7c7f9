"""Blocked sends and receives in the specification: answers written by hand, from the decisions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from support.by_hand import CHILD, ME, ByHand, received, send

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Right, SlotKind
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, Profile
from sendright.mach.state.snapshot import PendingCall

RECEIVE, MAKE_ONCE, COPY = int(Disposition.MOVE_RECEIVE), int(Disposition.MAKE_SEND_ONCE), int(Disposition.COPY_SEND)
P, Q, OWN = 40, 41, 50
IN_PROGRESS, WAITS = ReturnCode.MACH_SEND_IN_PROGRESS, ReturnCode.MACH_RCV_IN_PROGRESS


@pytest.fixture
def run() -> ByHand:
    """The bootstrap task's port 7 holds one message and has no room for more; its child, task 1, can send there, and
    receives at 50.
    """
    run = ByHand(msgspec.structs.replace(MANUAL, queue_limit=1))
    run.port(P)
    run.child(P)
    run.port(OWN, CHILD)
    return run


def fill(run: ByHand) -> None:
    run.says("mach_msg_send", send(P, id=1))


def begin_to_send(run: ByHand, *descriptors: Any, **more: Any) -> None:
    run.fails(IN_PROGRESS, "mach_msg_send", {**send(P, *descriptors), "dest_disposition": COPY, "wait": True, **more}, by=1)


def waiting(run: ByHand) -> PendingCall:
    found = run.state.tasks[1].waiting
    assert found is not None
    return found


def test_a_send_waits_until_there_is_room(run: ByHand) -> None:
    fill(run)
    begin_to_send(run, id=2, reply=OWN, reply_disposition=MAKE_ONCE)
    message = waiting(run).message
    assert message is not None
    assert (message.id, message.destination.port, message.reply.entry.kind) == (2, 7, SlotKind.SEND_ONCE)
    assert run.state.ports[7].send_rights == 3, "the child's, that of the message in the queue, and that of the one that waits"
    run.resumed("mach_msg_send", 1, IN_PROGRESS)
    run.says("mach_msg_receive", {"port": P}, **received(P, id=1))
    run.says("task_suspend", {"task": CHILD})
    run.says("task_resume", {"task": CHILD})
    run.resumed("mach_msg_send", 1)
    assert run.state.tasks[1].waiting is None
    assert [message.id for message in run.queue(7)] == [2]


def test_a_resumed_send_that_answers_wrongly(run: ByHand) -> None:
    fill(run)
    begin_to_send(run)
    assert not run.would(1, Call("mach_msg_send", {}, resume=True), Result(0)).agreed
    assert not run.would(1, Call("mach_msg_send", {}, resume=True), Result(ReturnCode.MACH_SEND_TIMED_OUT)).agreed


def test_with_room_a_send_does_not_wait(run: ByHand) -> None:
    run.says("mach_msg_send", {**send(P), "wait": True})
    assert run.state.tasks[0].waiting is None


def test_a_send_whose_port_dies(run: ByHand) -> None:
    fill(run)
    begin_to_send(run, (OWN, RECEIVE))
    run.says("mach_port_destroy", {"task": ME, "name": P})
    message = waiting(run).message
    assert message is not None
    assert message.destination.kind == SlotKind.DEAD_NAME
    assert 9 in run.state.ports, "what it carries lives on"
    run.resumed("mach_msg_send", 1)
    assert 9 not in run.state.ports


def test_a_task_that_ends_gives_up_its_message(run: ByHand) -> None:
    port = run.port(Q)
    run.says("mach_port_insert_right", {"task": CHILD, "name": Q, "poly": Q, "disposition": MAKE_ONCE})
    fill(run)
    begin_to_send(run, (OWN, RECEIVE), reply=Q, reply_disposition=int(Disposition.MOVE_SEND_ONCE))
    run.says("task_terminate", {"task": CHILD})
    assert set(run.state.tasks) == {0}
    assert [message.id for message in run.queue(port)] == [71]
    assert 9 not in run.state.ports
    assert run.state.ports[7].send_rights == 1, "that of the message in the queue"


def test_a_message_that_waits_is_on_its_way(run: ByHand) -> None:
    """The child waits to send its port to 7; 7 in a message to that port would go round in a circle."""
    run.says("mach_port_extract_right", {"task": CHILD, "name": OWN, "disposition": Disposition.MAKE_SEND}, poly=60, acquired=17)
    fill(run)
    begin_to_send(run, (OWN, RECEIVE))
    run.says("mach_msg_send", {**send(60, (P, RECEIVE)), "dest_disposition": COPY})
    assert 7 not in run.state.ports, "destroyed"


# ---- receive


def begin_to_receive(run: ByHand, name: int = OWN, **more: Any) -> None:
    run.fails(WAITS, "mach_msg_receive", {"port": name, "wait": True, **more}, by=1)


def reach(run: ByHand) -> None:
    """The bootstrap task gets a send right to the child's port, as 60."""
    run.says("mach_port_extract_right", {"task": CHILD, "name": OWN, "disposition": Disposition.MAKE_SEND}, poly=60, acquired=17)


def send_there(run: ByHand, **more: Any) -> None:
    run.says("mach_msg_send", {**send(60, **more), "dest_disposition": COPY})


def test_a_receive_waits_for_a_message(run: ByHand) -> None:
    reach(run)
    begin_to_receive(run, limit=36, large=True, trailer=0)
    assert waiting(run) == PendingCall(call="mach_msg_receive", name=OWN, port=8 + 1, limit=36, large=True, trailer=0)
    run.resumed("mach_msg_receive", 1, WAITS)
    send_there(run)
    run.says("mach_port_rename", {"task": CHILD, "old_name": OWN, "new_name": 70})
    assert waiting(run).name == 70
    told = received(70, trailer_size=8, sequence_number=-1, security_token=(), audit_token=())
    run.resumed("mach_msg_receive", 1, **told)
    assert run.state.tasks[1].waiting is None


def test_a_resumed_receive_of_what_is_too_large(run: ByHand) -> None:
    reach(run)
    begin_to_receive(run, limit=36, large=True)
    send_there(run)
    run.resumed("mach_msg_receive", 1, ReturnCode.MACH_RCV_TOO_LARGE, size=28)
    assert run.state.tasks[1].waiting is None
    assert len(run.queue(9)) == 1


def test_a_receive_whose_port_dies(run: ByHand) -> None:
    begin_to_receive(run)
    run.says("mach_port_destroy", {"task": CHILD, "name": OWN})
    run.says("mach_port_allocate_name", {"task": CHILD, "right": Right.RECEIVE, "name": OWN}, name=OWN)
    run.resumed("mach_msg_receive", 1, ReturnCode.MACH_RCV_PORT_DIED)
    assert run.state.tasks[1].waiting is None


def test_a_receive_whose_right_goes_elsewhere(run: ByHand) -> None:
    begin_to_receive(run)
    run.says("mach_port_extract_right", {"task": CHILD, "name": OWN, "disposition": RECEIVE}, poly=60, acquired=16)
    assert not run.would(1, Call("mach_msg_receive", {}, resume=True), Result(ReturnCode.MACH_RCV_PORT_DIED)).agreed
    run.resumed("mach_msg_receive", 1, ReturnCode.MACH_RCV_PORT_CHANGED)


@pytest.mark.parametrize("profile", [MANUAL, OSF], ids=lambda profile: profile.name)
def test_a_receive_whose_port_goes_into_a_set(profile: Profile) -> None:
    run = ByHand(profile)
    run.child()
    run.port(OWN, CHILD)
    run.says("mach_port_allocate_name", {"task": CHILD, "right": Right.PORT_SET, "name": 51}, name=51)
    begin_to_receive(run)
    run.says("mach_port_move_member", {"task": CHILD, "member": OWN, "after": 51})
    run.resumed("mach_msg_receive", 1, WAITS if profile.many_sets else ReturnCode.MACH_RCV_PORT_CHANGED)


@pytest.fixture
def at_set(run: ByHand) -> ByHand:
    """The child waits at a port set, 51."""
    run.says("mach_port_allocate_name", {"task": CHILD, "right": Right.PORT_SET, "name": 51}, name=51)
    begin_to_receive(run, 51)
    return run


def test_a_receive_at_a_port_set(at_set: ByHand) -> None:
    assert (waiting(at_set).name, waiting(at_set).port) == (51, None)
    reach(at_set)
    send_there(at_set)
    at_set.resumed("mach_msg_receive", 1, WAITS)
    at_set.says("mach_port_move_member", {"task": CHILD, "member": OWN, "after": 51})
    at_set.says("mach_port_rename", {"task": CHILD, "old_name": 51, "new_name": 52})
    at_set.resumed("mach_msg_receive", 1, **received(OWN))


def test_a_port_set_that_goes(at_set: ByHand) -> None:
    at_set.says("mach_port_destroy", {"task": CHILD, "name": 51})
    at_set.resumed("mach_msg_receive", 1, ReturnCode.MACH_RCV_PORT_DIED)


def test_a_receiver_that_ends(at_set: ByHand) -> None:
    at_set.says("task_terminate", {"task": CHILD})
    assert set(at_set.state.tasks) == {0}


def test_a_kernel_without_trailers_remembers_none() -> None:
    run = ByHand(GNUMACH)
    run.child()
    run.port(OWN, CHILD)
    begin_to_receive(run, trailer=2)
    assert waiting(run).trailer == 0
