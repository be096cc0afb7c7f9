"""One call that sends and receives, in the specification: answers written by hand, from the kernels' sources."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from support.by_hand import CHILD, ME, ByHand, received, send

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Right
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.state.snapshot import PendingCall

RECEIVE, MAKE_ONCE, COPY = int(Disposition.MOVE_RECEIVE), int(Disposition.MAKE_SEND_ONCE), int(Disposition.COPY_SEND)
P, Q, OWN = 40, 41, 50
SENDING, RECEIVING = ReturnCode.MACH_SEND_IN_PROGRESS, ReturnCode.MACH_RCV_IN_PROGRESS


@pytest.fixture
def run() -> ByHand:
    """The bootstrap task receives from port 7, under P, which has room for one message, and from port 8, under Q. Its
    child, task 1, can send to 7, and receives from port 10, under OWN."""
    run = ByHand(msgspec.structs.replace(MANUAL, queue_limit=1))
    assert (run.port(P), run.port(Q)) == (7, 8)
    run.child(P)
    assert run.port(OWN, CHILD) == 10
    return run


def request(**more: Any) -> dict[str, Any]:
    """The child's request to P: the reply goes to OWN, where it receives."""
    return {"dest": P, "dest_disposition": COPY, "reply": OWN, "reply_disposition": MAKE_ONCE, "port": OWN, **more}


def waiting(run: ByHand) -> PendingCall:
    found = run.state.tasks[1].waiting
    assert found is not None
    return found


def reply(run: ByHand, **more: Any) -> None:
    """The bootstrap task takes the request, whose reply right becomes 60, and answers it."""
    asked = received(P, reply=60, reply_disposition=int(Disposition.MOVE_SEND_ONCE), **more)
    tokens = {name: getattr(run.state.tasks[1], name) for name in ("security_token", "audit_token")}
    run.says("mach_msg_receive", {"port": P}, **{**asked, **tokens})
    run.says("mach_msg_send", {**send(60, id=99), "dest_disposition": int(Disposition.MOVE_SEND_ONCE)})


def test_a_request_and_its_reply(run: ByHand) -> None:
    run.fails(RECEIVING, "mach_msg", request(receive_wait=True), by=1)
    assert waiting(run) == PendingCall(call="mach_msg_receive", name=OWN, port=10, limit=-1, large=False, trailer=3)
    reply(run)
    run.resumed("mach_msg_receive", 1, **received(OWN, id=99))
    assert run.state.tasks[1].waiting is None


def test_what_is_there_is_received_at_once(run: ByHand) -> None:
    """A task that sends to itself receives what it has sent."""
    run.says("mach_msg", {**send(P, (Q, MAKE_ONCE), id=5), "port": P}, **received(P, (60, int(Disposition.MOVE_SEND_ONCE)), id=5, size=44))
    assert run.queue(7) == ()
    assert run.state.ports[7].sequence_number == 1


def test_nothing_is_received_if_the_send_fails(run: ByHand) -> None:
    run.says("mach_msg_send", send(Q))
    run.fails(ReturnCode.MACH_SEND_INVALID_DEST, "mach_msg", {**send(99), "port": Q})
    run.fails(ReturnCode.MACH_SEND_INVALID_RIGHT, "mach_msg", {**send(P, (99, COPY)), "port": Q})
    assert len(run.queue(8)) == 1


def test_a_full_queue_ends_the_call_before_it_receives(run: ByHand) -> None:
    run.says("mach_msg_send", send(P))
    run.says("mach_msg_send", send(Q))
    given = {**send(P, (Q, MAKE_ONCE)), "reply": Q, "reply_disposition": MAKE_ONCE, "port": Q}
    once = int(Disposition.MOVE_SEND_ONCE)
    run.fails(ReturnCode.MACH_SEND_TIMED_OUT, "mach_msg", given, dest=P, reply=60, descriptors=((61, once),))
    assert len(run.queue(8)) == 1


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"port": 99}, ReturnCode.MACH_RCV_INVALID_NAME),
        ({"port": P}, ReturnCode.MACH_RCV_INVALID_NAME),
        ({"port": OWN}, ReturnCode.MACH_RCV_TIMED_OUT),
    ],
)
def test_the_message_stays_sent_if_nothing_can_be_received(run: ByHand, more: dict[str, Any], code: ReturnCode) -> None:
    """The name is looked up after the send: a wrong one doesn't stop the message."""
    run.fails(code, "mach_msg", request(**more), by=1)
    assert len(run.queue(7)) == 1


def test_the_name_is_looked_up_after_the_send(run: ByHand) -> None:
    """The message carries the right away with which the call would receive."""
    run.fails(ReturnCode.MACH_RCV_INVALID_NAME, "mach_msg", {**request(descriptors=((OWN, RECEIVE),)), "reply": 0, "reply_disposition": 0}, by=1)
    assert len(run.queue(7)) == 1


def test_a_message_that_is_too_large(run: ByHand) -> None:
    run.fails(ReturnCode.MACH_RCV_TOO_LARGE, "mach_msg", {**send(P), "port": P, "limit": 40, "large": True}, size=28)
    assert len(run.queue(7)) == 1
    run.fails(ReturnCode.MACH_RCV_TOO_LARGE, "mach_msg", {**send(Q), "port": P, "limit": 40}, size=28)
    assert run.queue(7) == ()


# ---- waits


def begin_to_send(run: ByHand, **more: Any) -> None:
    """The queue of P is full, and the child waits to send its request."""
    run.says("mach_msg_send", send(P, id=1))
    run.fails(SENDING, "mach_msg", request(send_wait=True, id=2, limit=80, large=True, trailer=0, **more), by=1)


@pytest.mark.parametrize("waits", [False, True])
def test_a_call_that_waits_to_send_keeps_what_it_will_receive_with(run: ByHand, waits: bool) -> None:
    begin_to_send(run, receive_wait=waits)
    message = waiting(run).message
    assert message is not None
    assert message.id == 2
    kept = {"name": OWN, "limit": 80, "large": True, "trailer": 0, "receive_wait": waits}
    assert waiting(run) == PendingCall(call="mach_msg", message=message, **kept)
    run.resumed("mach_msg", 1, SENDING)
    run.says("mach_msg_receive", {"port": P}, **received(P, id=1))
    run.resumed("mach_msg", 1, RECEIVING if waits else ReturnCode.MACH_RCV_TIMED_OUT)
    assert [message.id for message in run.queue(7)] == [2]
    now = run.state.tasks[1].waiting
    assert now == (PendingCall(call="mach_msg_receive", name=OWN, port=10, limit=80, large=True) if waits else None)


def test_a_send_whose_port_dies_goes_on_to_receive(run: ByHand) -> None:
    """It receives what becomes of its own reply right, with the arguments that it kept."""
    begin_to_send(run)
    run.says("mach_port_destroy", {"task": ME, "name": P})
    told = {"trailer_size": 8, "sequence_number": -1, "security_token": (), "audit_token": ()}
    run.resumed("mach_msg", 1, **received(OWN, id=71, **told))


def test_a_name_that_is_renamed_meanwhile(run: ByHand) -> None:
    """The call keeps a number. What it denotes when the message is sent is what counts."""
    begin_to_send(run)
    run.says("mach_port_rename", {"task": CHILD, "old_name": OWN, "new_name": 70})
    assert waiting(run).name == OWN
    run.says("mach_msg_receive", {"port": P}, **received(P, id=1))
    run.resumed("mach_msg", 1, ReturnCode.MACH_RCV_INVALID_NAME)


def test_a_name_that_comes_meanwhile(run: ByHand) -> None:
    run.says("mach_msg_send", send(P, id=1))
    run.fails(SENDING, "mach_msg", request(send_wait=True, port=70, receive_wait=True), by=1)
    run.says("mach_port_allocate_name", {"task": CHILD, "right": Right.RECEIVE, "name": 70}, name=70)
    run.says("mach_msg_receive", {"port": P}, **received(P, id=1))
    run.resumed("mach_msg", 1, RECEIVING)
    assert (waiting(run).name, waiting(run).port) == (70, 11)


def test_a_plain_send_that_waits_does_not_receive(run: ByHand) -> None:
    begin_to_send(run)
    run.says("mach_msg_receive", {"port": P}, **received(P, id=1))
    run.resumed("mach_msg", 1, ReturnCode.MACH_RCV_TIMED_OUT)
    run.fails(SENDING, "mach_msg_send", {"dest": P, "dest_disposition": COPY, "wait": True}, by=1)
    assert waiting(run).call == "mach_msg_send"


def test_answers_that_are_wrong(run: ByHand) -> None:
    def refused(call: Call, result: Result, task: int = 1) -> bool:
        return not run.would(task, call, result).agreed

    assert refused(Call("mach_msg", request()), Result(0))
    assert refused(Call("mach_msg", request(port=99)), Result(ReturnCode.MACH_RCV_TIMED_OUT))
    assert refused(Call("mach_msg", {**request(), "dest": 99}), Result(ReturnCode.MACH_RCV_TIMED_OUT))
    begin_to_send(run, receive_wait=True)
    run.says("mach_msg_receive", {"port": P}, **received(P, id=1))
    resumed = Call("mach_msg", {}, resume=True)
    assert refused(resumed, Result(0))
    assert refused(resumed, Result(SENDING))
    assert refused(resumed, Result(ReturnCode.MACH_RCV_TIMED_OUT))
