"""Which sender gets the room that comes in a queue, in the specification: answers written by hand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from support.by_hand import CHILD, ME, ByHand, received, send

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import MANUAL, XNU, XNU_792, Profile

COPY = int(Disposition.COPY_SEND)
P, SECOND = 40, 32
IN_PROGRESS = ReturnCode.MACH_SEND_IN_PROGRESS
TAKEN = MANUAL
"""Kernels in which the sender that comes first takes the room."""
GIVEN = msgspec.structs.replace(MANUAL, room_is_given=True)
"""As XNU: it is the first waiting sender's."""


def begin(profile: Profile) -> ByHand:
    """The bootstrap task's port 7 holds message 1 and has no room for more; two children wait with the messages 2 and
    3.
    """
    run = ByHand(msgspec.structs.replace(profile, queue_limit=1))
    run.port(P)
    run.child(P)
    run.answers(0, Call("task_create", {"parent_task": ME}), Result(0, {"child_task": SECOND}, 2))
    run.says("mach_port_insert_right", {"task": SECOND, "name": P, "poly": P, "disposition": Disposition.MAKE_SEND})
    run.says("mach_msg_send", send(P, id=1))
    for task in (1, 2):
        run.fails(IN_PROGRESS, "mach_msg_send", {**send(P), "dest_disposition": COPY, "id": 1 + task, "wait": True}, by=task)
    return run


def have_room(run: ByHand) -> list[bool]:
    return [bool(task.waiting and task.waiting.has_room) for number, task in sorted(run.state.tasks.items()) if number]


def take(run: ByHand, identity: int = 1, **more: Any) -> None:
    run.says("mach_msg_receive", {"port": P}, **received(P, id=identity, **more))


def limit(run: ByHand, number: int) -> None:
    run.says("mach_port_set_attributes", {"task": ME, "name": P, "flavor": 1, "info": (number,)})


def ids(run: ByHand) -> list[int]:
    return [message.id for message in run.queue(7)]


def a_third(run: ByHand) -> bool:
    """Whether a sender that comes now is let in."""
    return run.would(0, Call("mach_msg_send", send(P, id=9)), Result(ReturnCode.KERN_SUCCESS)).agreed


def test_the_switch() -> None:
    assert XNU.room_is_given
    assert XNU_792.room_is_given
    assert not MANUAL.room_is_given


@pytest.mark.parametrize("profile", [TAKEN, GIVEN])
def test_room_that_comes(profile: Profile) -> None:
    run = begin(profile)
    take(run)
    given = profile is GIVEN
    assert have_room(run) == [given, False]
    assert a_third(run) != given
    assert run.would(2, Call("mach_msg_send", {}, resume=True), Result(IN_PROGRESS)).agreed == given
    run.resumed("mach_msg_send", 1)
    assert ids(run) == [2]
    assert have_room(run)[0] is False
    run.resumed("mach_msg_send", 2, IN_PROGRESS)
    take(run, 2, sequence_number=1, security_token=run.queue(7)[0].security_token, audit_token=run.queue(7)[0].audit_token)
    run.resumed("mach_msg_send", 2)
    assert ids(run) == [3]


@pytest.mark.parametrize("profile", [TAKEN, GIVEN])
def test_a_limit_that_is_raised_above_nothing(profile: Profile) -> None:
    """From 0 to 1, with a message in the queue: one sender gets in, though the queue is full."""
    run = begin(profile)
    limit(run, 0)
    assert have_room(run) == [False, False]
    limit(run, 1)
    assert have_room(run) == [profile is GIVEN, False]
    run.resumed("mach_msg_send", 2, IN_PROGRESS)
    run.resumed("mach_msg_send", 1, ReturnCode.KERN_SUCCESS if profile is GIVEN else IN_PROGRESS)
    assert ids(run) == ([1, 2] if profile is GIVEN else [1])


def test_as_many_as_it_was_raised_by() -> None:
    run = begin(GIVEN)
    limit(run, 3)
    assert have_room(run) == [True, True]
    assert not a_third(run), "the places are the two that wait"
    run.resumed("mach_msg_send", 2)
    run.resumed("mach_msg_send", 1)
    assert ids(run) == [1, 3, 2], "in the order in which they go on"
    limit(run, 4)
    assert a_third(run), "no place is reserved any more"


def test_more_places_than_senders() -> None:
    run = begin(GIVEN)
    limit(run, 5)
    assert have_room(run) == [True, True]
    assert a_third(run)


def test_a_place_counts_as_a_message() -> None:
    run = begin(GIVEN)
    take(run)
    words = {"task": ME, "name": P, "flavor": 2, "count": 10}

    def tells(messages: int) -> bool:
        # no set; sequence number 1; 3 send rights made; limit 1; the messages; send-once rights; send rights; requests; flags
        info = (0, 1, run.state.ports[7].make_send_count, 1, messages, 0, 1, 0, 0, 0)
        return run.would(0, Call("mach_port_get_attributes", words), Result(0, {"info": info})).agreed

    assert tells(1)
    assert not tells(0)


def test_a_message_above_the_limit_leaves_no_room() -> None:
    run = begin(GIVEN)
    limit(run, 0)
    take(run)
    assert have_room(run) == [False, False]


def test_a_message_with_room_is_queued_when_its_task_ends() -> None:
    run = begin(GIVEN)
    take(run)
    run.says("task_terminate", {"task": CHILD})
    assert ids(run) == [2]
    assert have_room(run) == [False]
    run.says("task_terminate", {"task": SECOND})
    assert ids(run) == [2]


def test_a_task_that_ends_with_its_own_port_and_a_message_that_has_room_there() -> None:
    """The message is queued first, and goes with the queue."""
    run = ByHand(msgspec.structs.replace(GIVEN, queue_limit=1))
    run.child()
    port = run.port(P, CHILD)
    run.says("mach_port_extract_right", {"task": CHILD, "name": P, "disposition": Disposition.MAKE_SEND}, poly=50, acquired=17)
    run.says("mach_msg_send", {**send(50), "dest_disposition": COPY})
    run.fails(IN_PROGRESS, "mach_msg_send", {**send(P), "wait": True}, by=1)
    run.says("mach_port_set_attributes", {"task": CHILD, "name": P, "flavor": 1, "info": (2,)})
    assert have_room(run) == [True]
    run.says("task_terminate", {"task": CHILD})
    assert port not in run.state.ports


def test_a_port_with_a_reserved_place_dies() -> None:
    run = begin(GIVEN)
    take(run)
    run.says("mach_port_destroy", {"task": ME, "name": P})
    run.resumed("mach_msg_send", 1)
    run.resumed("mach_msg_send", 2)
    assert [task.waiting for task in run.state.tasks.values()] == [None] * 3
