"""Bodies, sizes, trailers and what is handed back, in the specification: answers written by hand, from the
decisions.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from support.by_hand import ME, ByHand, received, send

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Right
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, Profile

SEND, RECEIVE, ONCE = int(Disposition.MOVE_SEND), int(Disposition.MOVE_RECEIVE), int(Disposition.MOVE_SEND_ONCE)
MAKE, MAKE_ONCE = int(Disposition.MAKE_SEND), int(Disposition.MAKE_SEND_ONCE)
P, Q = 40, 41


@pytest.fixture
def run() -> ByHand:
    run = ByHand()
    run.port(P)
    return run


def small(**limits: int) -> ByHand:
    """A run with other limits, with a port and a page that contains 7."""
    run = ByHand(msgspec.structs.replace(MANUAL, **limits))
    run.port(P)
    run.page(0, 7)
    return run


WHOLE = ((P, MAKE), ((P, 0, P), MAKE_ONCE), (3, 1, True), ((), MAKE), (4, 0, False))


def test_a_whole_body_arrives_as_it_was_sent(run: ByHand) -> None:
    run.page(3, 33)
    run.page(4, 44)
    run.says("mach_msg_send", send(P, *WHOLE, data=5))
    size = 24 + 4 + 5 * 12 + 4
    [message] = run.queue(7)
    assert (message.layout, message.memory, message.size) == ((-1, 3, -2, 0, -2), (33, 44), size)
    assert set(run.state.tasks[0].memory) == {4}, "the page that was given up is gone at once"
    run.says("vm_write", {"task": ME, "address": 4, "value": 1})
    bodies = ((P, SEND), ((50, 0, 51), ONCE), (9,), ((), 0), (0,))
    run.says("mach_msg_receive", {"port": P}, **received(P, *bodies, data=5, size=size))
    run.contains(9, 33)
    run.contains(0, 44)
    run.contains(4, 1)
    memory = run.state.tasks[0].memory
    assert {page: (each.inheritance, each.shares_with) for page, each in memory.items()} == {page: (1, (0, page)) for page in (0, 4, 9)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 28},
        {"trailer_size": 20},
        {"descriptors": ((P, SEND), (4,))},
        {"descriptors": ((P, SEND), (16,))},
        {"descriptors": (((P,), SEND), (3,))},
        {"descriptors": ((P, ONCE), (3,))},
        {"descriptors": ((3,), (P, SEND))},
        {"descriptors": ((P, SEND),)},
    ],
    ids=str,
)
def test_wrong_bodies_are_found(run: ByHand, wrong: dict[str, Any]) -> None:
    run.page(3, 33)
    run.page(4, 44)
    run.says("mach_msg_send", send(P, (P, MAKE), (3, 0, True)))
    right = received(P, (P, SEND), (3,), size=56)
    call = Call("mach_msg_receive", {"port": P})
    assert run.would(0, call, Result(0, right)).agreed
    assert not run.would(0, call, Result(0, {**right, **wrong})).agreed


def test_a_page_is_lost_only_if_there_is_no_room(run: ByHand) -> None:
    run.page(3, 33)
    run.says("mach_msg_send", send(P, (3, 0, True)))
    lost = Result(ReturnCode.MACH_RCV_BODY_ERROR_VM_SPACE, received(P, (-1,), size=44))
    judgement = run.would(0, Call("mach_msg_receive", {"port": P}), lost)
    assert judgement.clause.startswith("copy out a page/CONTINUES/the page is mapped")


def test_a_page_for_which_a_receiver_has_no_room() -> None:
    run = small(pages=1)
    run.says("mach_msg_send", send(P, (0, 0, False)))
    given = received(P, (-1,), size=44)
    assert not run.would(0, Call("mach_msg_receive", {"port": P}), Result(0, given)).agreed
    run.fails(ReturnCode.MACH_RCV_BODY_ERROR_VM_SPACE, "mach_msg_receive", {"port": P}, **given)


NO_HEADER = {"dest": 0, "dest_disposition": 0}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"size": 20} | NO_HEADER, "MACH_SEND_MSG_TOO_SMALL"),
        ({"size": -4} | NO_HEADER, "MACH_SEND_MSG_TOO_SMALL"),
        ({"size": 26} | NO_HEADER, "MACH_SEND_MSG_TOO_SMALL"),
        ({"size": 24} | NO_HEADER, "MACH_SEND_INVALID_HEADER"),
        ({"size": 36, "descriptors": ((P, 0),)}, "MACH_SEND_MSG_TOO_SMALL"),
        ({"size": 40, "descriptors": ((P, 0),)}, "MACH_SEND_INVALID_RIGHT"),
        ({"descriptors": ((P, 0), (3, 2, False))}, "MACH_SEND_INVALID_TYPE"),
        ({"descriptors": ((P, 0), (3, -1, False)), "size": 36}, "MACH_SEND_MSG_TOO_SMALL"),
        ({"descriptors": ((3, 0, False), (P, 0))}, "MACH_SEND_INVALID_MEMORY"),
        ({"descriptors": ((P, 0), (3, 0, False))}, "MACH_SEND_INVALID_RIGHT"),
        ({"descriptors": ((-1, 0, False),)}, "MACH_SEND_INVALID_MEMORY"),
        ({"descriptors": (((), 5),)}, "MACH_SEND_INVALID_RIGHT"),
        ({"descriptors": (((P, 99), MAKE),)}, "MACH_SEND_INVALID_RIGHT"),
    ],
    ids=str,
)
def test_what_a_bad_message_answers(run: ByHand, given: dict[str, Any], code: str) -> None:
    run.fails(ReturnCode[code], "mach_msg_send", {**send(P), **given})
    assert run.queue(7) == ()


def test_what_a_failed_send_took_is_lost(run: ByHand) -> None:
    """A receive right takes its port along, and a page that was given up stays gone."""
    port = run.port(Q)
    run.page(3, 33)
    run.fails(ReturnCode.MACH_SEND_INVALID_RIGHT, "mach_msg_send", send(P, (Q, RECEIVE), (3, 0, True), (99, SEND)))
    assert port not in run.state.ports
    assert run.state.tasks[0].memory == {}


def test_before_the_body_is_good_nothing_of_it_is_taken(run: ByHand) -> None:
    port = run.port(Q)
    run.fails(ReturnCode.MACH_SEND_INVALID_TYPE, "mach_msg_send", send(P, (Q, RECEIVE), (3, 7, True)))
    assert port in run.state.ports
    assert run.state.ports[7].make_send_count == 1, "but the rights of the header were"


@pytest.mark.parametrize(("size", "data"), [(-1, 9), (24, 0), (28, 9), (400, 9)])
def test_a_size_without_room_for_the_data(run: ByHand, size: int, data: int) -> None:
    run.says("mach_msg_send", send(P, data=9, size=size))
    run.says("mach_msg_receive", {"port": P}, **received(P, data=data, size=28 if size == -1 else size))


# ---- receive


@pytest.mark.parametrize(
    ("profile", "asked", "size", "told"),
    [
        (MANUAL, 0, 8, ()),
        (MANUAL, 1, 12, ("sequence_number",)),
        (MANUAL, 2, 20, ("sequence_number", "security_token")),
        (MANUAL, 3, 52, ("sequence_number", "security_token", "audit_token")),
        (MANUAL, 9, 52, ("sequence_number", "security_token", "audit_token")),
        (OSF, 3, 20, ("sequence_number", "security_token")),
        (GNUMACH, 0, 0, ("sequence_number",)),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_trailers(profile: Profile, asked: int, size: int, told: tuple[str, ...]) -> None:
    run = ByHand(profile)
    run.port(P)
    run.says("mach_msg_send", send(P))
    security = received(P)["security_token"] if profile.trailer_is_senders else (0, 1)
    whole = {"sequence_number": 0, "security_token": security, "audit_token": received(P)["audit_token"]}
    nothing: dict[str, Any] = {"sequence_number": -1, "security_token": (), "audit_token": ()}
    trailer = {name: (whole if name in told else nothing)[name] for name in whole}
    run.says("mach_msg_receive", {"port": P, "trailer": asked, "limit": 28 + size}, **received(P, trailer_size=size, **trailer))
    assert run.state.ports[7].sequence_number == 1


@pytest.mark.parametrize(("limit", "trailer"), [(79, 3), (35, 0), (0, 0), (-2, 0)])
@pytest.mark.parametrize("large", [False, True])
def test_a_message_that_is_too_large(run: ByHand, limit: int, trailer: int, large: bool) -> None:
    port = run.port(Q)
    run.says("mach_msg_send", send(P))
    run.says("mach_msg_receive", {"port": P}, **received(P))
    run.says("mach_msg_send", {**send(P, (Q, RECEIVE)), "reply": P, "reply_disposition": MAKE_ONCE, "size": 40})
    run.fails(ReturnCode.MACH_RCV_TOO_LARGE, "mach_msg_receive", {"port": P, "limit": min(limit, 79), "large": large, "trailer": trailer}, size=40)
    ports = run.state.ports
    assert (port in ports, ports[7].sequence_number) == ((True, 1) if large else (False, 2))
    assert [message.id for message in run.queue(7)] == ([0] if large else [71]), "a notification says that the reply right is lost"


def test_a_wrong_size_of_what_is_too_large(run: ByHand) -> None:
    run.says("mach_msg_send", send(P))
    call = Call("mach_msg_receive", {"port": P, "limit": 0})
    assert run.would(0, call, Result(ReturnCode.MACH_RCV_TOO_LARGE, {"size": 28})).agreed
    for outputs in ({"size": 80}, {}, {"size": 28, "id": 0}):
        assert not run.would(0, call, Result(ReturnCode.MACH_RCV_TOO_LARGE, outputs)).agreed
    assert not run.would(0, Call("mach_msg_receive", {"port": P, "limit": 80}), Result(ReturnCode.MACH_RCV_TOO_LARGE, {"size": 28})).agreed


def test_the_member_is_chosen_before_sizes_are_looked_at(run: ByHand) -> None:
    """One member's message fits, the other's doesn't: either answer is right."""
    run.port(Q)
    run.says("mach_port_allocate_name", {"task": ME, "right": Right.PORT_SET, "name": 60}, name=60)
    for member, size in ((P, 24), (Q, 400)):
        run.says("mach_port_move_member", {"task": ME, "member": member, "after": 60})
        run.says("mach_msg_send", send(member, size=size))
    call = Call("mach_msg_receive", {"port": 60, "limit": 80})
    assert run.would(0, call, Result(0, received(P, size=24))).agreed
    assert run.would(0, call, Result(ReturnCode.MACH_RCV_TOO_LARGE, {"size": 400})).agreed
    assert not run.would(0, call, Result(ReturnCode.MACH_RCV_TOO_LARGE, {"size": 24})).agreed
    assert not run.would(0, call, Result(0, received(Q, size=400))).agreed


# ---- what is handed back


def test_memory_is_handed_back() -> None:
    run = small(queue_limit=0)
    given = send(P, (0, 0, True), (P, MAKE))
    run.fails(ReturnCode.MACH_SEND_TIMED_OUT, "mach_msg_send", given, dest=P, reply=0, descriptors=((2,), (P, SEND)))
    run.contains(2, 7)


def test_memory_that_cannot_be_handed_back_is_lost() -> None:
    run = small(queue_limit=0, pages=1)
    given = send(P, (0, 0, False))
    back: dict[str, Any] = {"dest": P, "reply": 0, "descriptors": ((-1,),)}
    assert not run.would(0, Call("mach_msg_send", given), Result(ReturnCode.MACH_SEND_TIMED_OUT, back)).agreed
    run.fails(ReturnCode.MACH_SEND_TIMED_OUT_VM_SPACE, "mach_msg_send", given, **back)
    run.contains(0, 7)
