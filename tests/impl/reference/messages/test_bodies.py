"""Whole messages: bodies of ports, out-of-line ports and out-of-line memory, their sizes, and how much of them a
receiver is told.
"""

from typing import Any

import msgspec
import pytest
from support.kernel import NOTHING, Actor, Machine, dead, send

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Inheritance, SlotKind
from sendright.mach.abi.tokens import BOOTSTRAP_AUDIT_TOKEN, BOOTSTRAP_SECURITY_TOKEN
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, PROFILES, XNU, Profile
from sendright.mach.state.snapshot import EMPTY, Descriptor, Page

COPY, MOVE, MAKE, MAKE_ONCE = Disposition.COPY_SEND, Disposition.MOVE_SEND, Disposition.MAKE_SEND, Disposition.MAKE_SEND_ONCE
PHYSICAL, VIRTUAL = 0, 1


@pytest.fixture
def root() -> Actor:
    return Machine().root


def written(actor: Actor, *values: int) -> list[int]:
    """New pages that contain these values."""
    pages: list[int] = []
    for value in values:
        pages.append(actor.does("vm_allocate", anywhere=True))
        actor.does("vm_write", address=pages[-1], value=value)
    return pages


def fill_memory(actor: Actor) -> None:
    for _ in range(actor.machine.profile.pages - len(actor.shown.memory)):
        actor.does("vm_allocate", anywhere=True)


def fill_queue(actor: Actor, port: int) -> None:
    for _ in range(actor.machine.profile.queue_limit):
        actor.sends(port)


# out-of-line ports


def test_out_of_line_ports_are_rights_of_one_form(root: Actor) -> None:
    port, gift = root.port_with_send(), root.port()
    root.sends(port, descriptors=((1, COPY), ((1, NULL_NAME, DEAD_NAME), COPY), ((), MOVE), ((gift, gift), MAKE_ONCE)))
    (message,) = root.port_of(port).queue
    once = Descriptor(msgspec.structs.replace(send(root.number_of(gift)), kind=SlotKind.SEND_ONCE), 18)
    assert message.body == (Descriptor(send(1), 17), Descriptor(send(1), 17), Descriptor(EMPTY, 17), Descriptor(dead(), 17), once, once)
    assert (message.layout, message.memory, message.size) == ((-1, 3, 0, 2), (), 24 + 4 + 4 * 12 + 4)
    received = root.receives(port)["descriptors"]
    assert received == ((1, 17), ((1, NULL_NAME, DEAD_NAME), 17), ((), 0), ((9, 10), 18))


@pytest.mark.parametrize("wrong", [(NOTHING,), (1, NOTHING), (1, 1, 1)])
def test_a_wrong_name_among_them_loses_those_before(root: Actor, wrong: tuple[int, ...]) -> None:
    port = root.port_with_send()
    root.add_send_references(1, 1)
    assert root.fails("mach_msg_send", dest=port, dest_disposition=COPY, descriptors=((wrong, MOVE),)) == "MACH_SEND_INVALID_RIGHT"
    assert 1 not in root.names or root.names[1].urefs == 2 - wrong.count(1)
    assert root.mail(port) == []


@pytest.mark.parametrize("names", [(), (NULL_NAME,)])
def test_an_array_too_needs_a_disposition(root: Actor, names: tuple[int, ...]) -> None:
    port = root.port_with_send()
    for disposition in (0, 15, 22):
        assert root.refused("mach_msg_send", dest=port, descriptors=((names, disposition),)) == "MACH_SEND_INVALID_RIGHT"


# out-of-line memory


@pytest.mark.parametrize("deallocate", [False, True])
def test_memory_is_copied_when_it_is_sent(root: Actor, deallocate: bool) -> None:
    port = root.port_with_send()
    (page,) = written(root, 7)
    root.does("vm_inherit", address=page, inheritance=Inheritance.NONE)
    root.sends(port, descriptors=((page, VIRTUAL, deallocate), (1, COPY), (page, PHYSICAL, False))[: 2 if deallocate else 3])
    assert (page in root.shown.memory) != deallocate
    if not deallocate:
        root.does("vm_write", address=page, value=8)
    (message,) = root.port_of(port).queue
    assert message.layout == ((-2, -1) if deallocate else (-2, -1, -2))
    assert set(message.memory) == {7}
    received = root.receives(port)["descriptors"]
    assert received == (((0,), (1, 17)) if deallocate else ((1,), (1, 17), (2,)))
    (address,) = received[0]
    assert root.page(address) == Page(7, Inheritance.COPY, (0, address))


def test_who_shares_a_page_that_is_sent_away_keeps_it(root: Actor) -> None:
    port, (page,) = root.port_with_send(), written(root, 7)
    root.does("vm_inherit", address=page, inheritance=Inheritance.SHARE)
    child = root.child(inherit_memory=True)
    assert child.page(page).shares_with == (0, page)
    root.sends(port, descriptors=((page, PHYSICAL, True),))
    assert child.page(page).shares_with == (1, page)


def test_a_page_that_is_not_there_loses_the_message_but_not_its_pages(root: Actor) -> None:
    port, (page,) = root.port_with_send(), written(root, 7)
    descriptors = ((1, MOVE), (page, PHYSICAL, True), (page, PHYSICAL, False))
    assert root.fails("mach_msg_send", dest=port, dest_disposition=MOVE, descriptors=descriptors) == "MACH_SEND_INVALID_MEMORY"
    assert root.shown.memory == {}
    assert 1 not in root.names
    assert root.port_of(port).send_rights == 0


def test_a_page_without_room_is_lost_and_all_else_received(root: Actor) -> None:
    port, pages = root.port_with_send(), written(root, 7, 8)
    root.sends(port, descriptors=((pages[0], PHYSICAL, False), (1, COPY), (pages[1], PHYSICAL, True)), data=5)
    for _ in range(MANUAL.pages - 2):
        root.does("vm_allocate", anywhere=True)
    (last,) = set(range(MANUAL.pages)) - root.shown.memory.keys()
    result = root.result("mach_msg_receive", port=port)
    assert result.code == ReturnCode.MACH_RCV_BODY_ERROR_VM_SPACE
    assert result.outputs["descriptors"] == ((last,), (1, 17), (-1,))
    assert result.outputs["data"] == 5
    assert root.page(last).value == 7


def test_memory_is_handed_back_too(root: Actor) -> None:
    port, pages = root.port_with_send(), written(root, 7, 8)
    fill_queue(root, port)
    sent = {"dest": port, "descriptors": ((pages[0], PHYSICAL, True), (1, MOVE))}
    result = root.result("mach_msg_send", **sent)
    assert (result.code, result.outputs) == (ReturnCode.MACH_SEND_TIMED_OUT, {"dest": port, "reply": 0, "descriptors": ((pages[0],), (1, 17))})
    assert root.page(pages[0]) == Page(7, Inheritance.COPY, (0, pages[0]))
    fill_memory(root)
    result = root.result("mach_msg_send", dest=port, descriptors=((pages[0], PHYSICAL, False),))
    assert (result.code, result.outputs["descriptors"]) == (ReturnCode.MACH_SEND_TIMED_OUT_VM_SPACE, ((-1,),))


def test_a_kernel_port_keeps_nothing_of_a_body(root: Actor) -> None:
    (page,) = written(root, 7)
    reply = root.port()
    root.sends(root.me, reply=reply, reply_disposition=MAKE_ONCE, descriptors=((page, PHYSICAL, True), ((1, 1), COPY)))
    assert root.names[1].urefs == 1
    (message,) = root.port_of(reply).queue
    assert (message.data, message.size, message.layout, message.memory) == (-303, 28, (), ())


# what is tested of all descriptors, and when


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_sizes(profile: Profile) -> None:
    root = Machine(profile).root
    port = root.port_with_send()
    for size in (-2, 0, 20, 23, 26, 29):
        assert root.refused("mach_msg_send", dest=NULL_NAME, dest_disposition=0, size=size) == "MACH_SEND_MSG_TOO_SMALL"
    descriptors = ((1, COPY), (1, COPY))
    for size, data, told in ((24, 5, 0), (28, 5, 5), (64, 5, 5), (-1, 5, 5)):
        root.sends(port, size=size, data=data)
        received = root.receives(port)
        assert (received["size"], received["data"]) == (28 if size == -1 else size, told)
    root.sends(port, size=52, data=5, descriptors=descriptors)
    assert (root.port_of(port).queue[0].size, root.receives(port)["data"]) == (52, 0)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"size": 48, "descriptors": ((0, 2, False), (1, COPY))}, "MACH_SEND_MSG_TOO_SMALL"),
        ({"descriptors": ((NOTHING, COPY), (0, 2, False))}, "MACH_SEND_INVALID_TYPE"),
        ({"descriptors": ((1, MOVE), (0, -1, False))}, "MACH_SEND_INVALID_TYPE"),
    ],
)
def test_a_body_that_is_wrong_in_itself(profile: Profile, arguments: dict[str, Any], code: str) -> None:
    root = Machine(profile).root
    port = root.port_with_send(2)
    if profile.body_checked_first:
        for dest, disposition in ((port, MOVE), (NULL_NAME, MOVE), (port, 0)):
            assert root.refused("mach_msg_send", dest=dest, dest_disposition=disposition, **arguments) == code
        return
    assert root.refused("mach_msg_send", dest=port, dest_disposition=0, **arguments) == "MACH_SEND_INVALID_HEADER"
    assert root.refused("mach_msg_send", dest=NULL_NAME, **arguments) == "MACH_SEND_INVALID_DEST"
    assert root.fails("mach_msg_send", dest=port, dest_disposition=MOVE, **arguments) == code
    assert (root.names[port].urefs, root.names[1].urefs) == (1, 1)


def test_the_reply_of_a_wrong_body_is_released_before_the_body(root: Actor) -> None:
    port, watched, told = root.port_with_send(), root.port_with_send(), root.port()
    root.asks(watched, 70, told)
    descriptors = ((watched, Disposition.MOVE_RECEIVE), (NOTHING, COPY))
    code = root.fails("mach_msg_send", dest=port, reply=watched, reply_disposition=MOVE, descriptors=descriptors)
    assert code == "MACH_SEND_INVALID_RIGHT"
    assert [id for id, _ in root.mail(told)] == [70]


# how much of it a receiver is told


@pytest.mark.parametrize(
    ("profile", "sizes"),
    [(MANUAL, [8, 12, 20, 52, 52, 52]), (OSF, [8, 12, 20, 20, 20, 20]), (GNUMACH, [0] * 6), (XNU, [8, 12, 20, 52, 68, 68])],
    ids=lambda part: getattr(part, "name", ""),
)
def test_trailers(profile: Profile, sizes: list[int]) -> None:
    root = Machine(profile).root
    port = root.port_with_send()
    for number, (trailer, size) in enumerate(zip((0, 1, 2, 3, 5, -1), sizes, strict=True)):
        root.sends(port)
        message = root.does("mach_msg_receive", port=port, trailer=trailer)
        assert message["trailer_size"] == size
        assert message["sequence_number"] == (number if size >= 12 or profile is GNUMACH else -1)
        security = (0, 1) if profile is OSF else BOOTSTRAP_SECURITY_TOKEN
        assert message["security_token"] == (security if size >= 20 else ())
        assert message["audit_token"] == (BOOTSTRAP_AUDIT_TOKEN if size >= 52 else ())


def test_a_limit_is_for_message_and_trailer(root: Actor) -> None:
    port = root.port_with_send()
    for trailer, size in ((0, 36), (1, 40), (2, 48), (3, 80)):
        root.sends(port)
        received = {"port": port, "trailer": trailer, "large": True}
        kept = root.result("mach_msg_receive", limit=size - 1, **received)
        assert (kept.code, kept.outputs) == (ReturnCode.MACH_RCV_TOO_LARGE, {"size": 28})
        assert root.does("mach_msg_receive", limit=size, **received)["size"] == 28


def test_a_message_that_is_too_large_stays_or_is_destroyed(root: Actor) -> None:
    port, other, told = root.port_with_send(), root.port_with_send(), root.port()
    root.asks(other, 70, told)
    root.sends(port, descriptors=((other, MOVE),))
    before = root.machine.snapshot()
    for limit in (0, 24, 91, -2):
        kept = root.result("mach_msg_receive", port=port, limit=limit, large=True)
        assert (kept.code, kept.outputs) == (ReturnCode.MACH_RCV_TOO_LARGE, {"size": 44})
    assert root.machine.snapshot() == before
    lost = root.result("mach_msg_receive", port=port, limit=95)
    assert (lost.code, lost.outputs) == (ReturnCode.MACH_RCV_TOO_LARGE, {"size": 44})
    assert (root.port_of(port).queue, root.port_of(port).sequence_number, root.port_of(port).send_rights) == ((), 1, 1)
    assert root.mail(told) == [(70, 1)]


def test_a_set_without_the_first_message_that_fits(root: Actor) -> None:
    members = root.does("mach_port_allocate", right=3)
    first, second = root.port_with_send(), root.port_with_send()
    for port in (first, second):
        root.does("mach_port_insert_member", name=port, pset=members)
    root.sends(first, size=64)
    root.sends(second)
    assert root.result("mach_msg_receive", port=members, limit=80, large=True).outputs == {"size": 64}


def test_notifications_have_sizes_too(root: Actor) -> None:
    told, port = root.port(), root.port()
    root.asks(port, 69, told)
    root.does("mach_port_destroy", name=port)
    (message,) = root.port_of(told).queue
    assert (message.id, message.layout, message.size) == (69, (-1,), 44)
