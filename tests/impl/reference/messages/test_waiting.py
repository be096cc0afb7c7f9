"""Calls that wait: for room in a queue, and for a message."""

import pytest
from support.kernel import Actor, Machine, dead, send

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Right, SlotKind
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import OSF, PROFILES, Profile
from sendright.mach.state.snapshot import PendingCall

COPY, MOVE, RECEIVE, MAKE_ONCE = Disposition.COPY_SEND, Disposition.MOVE_SEND, Disposition.MOVE_RECEIVE, Disposition.MAKE_SEND_ONCE


@pytest.fixture
def root() -> Actor:
    return Machine().root


@pytest.fixture
def child(root: Actor) -> Actor:
    return root.child()


def full(root: Actor) -> int:
    """A port whose queue has one message, and no room."""
    port = root.port_with_send()
    root.does("mach_port_set_attributes", name=port, flavor=1, info=(1,))
    root.sends(port, id=1)
    return port


def sending(root: Actor, child: Actor, **arguments: object) -> int:
    """The child waits for room at a port of the root's."""
    port = full(root)
    root.gives(child, port, COPY)
    child.waits("mach_msg_send", dest=50, dest_disposition=MOVE, wait=True, id=2, **arguments)
    return port


# sending


def test_a_send_waits_for_room_and_is_shown_so(root: Actor, child: Actor) -> None:
    gift = child.port_with_send()
    port = sending(root, child, descriptors=((gift, MOVE), (gift, RECEIVE)))
    waiting = child.shown.waiting
    assert waiting is not None
    assert waiting.message is not None
    assert (waiting.call, waiting.message.id, waiting.message.destination) == ("mach_msg_send", 2, send(root.number_of(port)))
    assert [part.entry.kind for part in waiting.message.body] == [SlotKind.SEND, SlotKind.RECEIVE]
    assert not {50, gift} & child.names.keys()
    before = root.machine.snapshot()
    assert child.goes_on().code == ReturnCode.MACH_SEND_IN_PROGRESS
    assert root.machine.snapshot() == before
    root.receives(port)
    assert child.goes_on().code == 0
    assert child.shown.waiting is None
    assert root.receives(port)["descriptors"] == ((9, 17), (9, 16))


def test_nothing_waits_that_need_not(root: Actor) -> None:
    port = full(root)
    root.does("mach_msg_send", dest=port, dest_disposition=MAKE_ONCE, wait=True)
    root.does("mach_msg_send", dest=root.me, wait=True)
    root.does("mach_msg_send", dest=port, descriptors=((port, RECEIVE),), wait=True)
    assert root.shown.waiting is None


def test_a_waiting_message_to_a_port_that_dies_is_destroyed(root: Actor, child: Actor) -> None:
    gift, told = child.port_with_send(), child.port()
    child.asks(gift, 70, told)
    port = sending(root, child, descriptors=((gift, MOVE),))
    root.does("mach_port_destroy", name=port)
    waiting = child.shown.waiting
    assert waiting is not None
    assert waiting.message is not None
    assert waiting.message.destination == dead()
    assert child.goes_on().code == 0
    assert child.mail(told) == [(70, 1)]


def test_a_right_in_a_waiting_message_dies_with_its_port(root: Actor, child: Actor) -> None:
    port = root.port()
    root.does("mach_port_insert_right", task=child.seen_as, name=60, poly=port, disposition=MAKE_ONCE)
    dest = sending(root, child, reply=60, reply_disposition=Disposition.MOVE_SEND_ONCE)
    root.machine.snapshot()
    root.does("mach_port_destroy", name=port)
    waiting = child.shown.waiting
    assert waiting is not None
    assert waiting.message is not None
    assert waiting.message.reply.entry == dead()
    root.receives(dest)
    assert child.goes_on().code == 0
    assert root.receives(dest)["reply"] == 0xFFFFFFFF


def test_a_task_that_ends_gives_up_what_it_waits_to_send(root: Actor, child: Actor) -> None:
    told, reply, gift = root.port(), root.port(), child.port()
    root.does("mach_port_insert_right", task=child.seen_as, name=60, poly=reply, disposition=MAKE_ONCE)
    root.does("mach_port_insert_right", task=child.seen_as, name=61, poly=told, disposition=MAKE_ONCE)
    child.does("mach_port_request_notification", name=gift, variant=69, notify=61, notify_disposition=Disposition.MOVE_SEND_ONCE)
    port = sending(root, child, reply=60, reply_disposition=Disposition.MOVE_SEND_ONCE, descriptors=((gift, RECEIVE),))
    root.does("task_terminate", task=child.seen_as)
    assert root.mail(port) == [(1, 0)]
    assert root.port_of(port).send_rights == 2
    assert (root.mail(reply), root.mail(told)) == ([(71, 0)], [(69, 0)])


def test_a_message_that_waits_is_on_its_way(root: Actor, child: Actor) -> None:
    gift = child.port_with_send()
    child.does("mach_port_insert_right", name=70, poly=gift, disposition=MAKE_ONCE)
    port = sending(root, child, descriptors=((gift, RECEIVE),))
    root.does("mach_port_extract_right", task=child.seen_as, name=gift, disposition=COPY)
    (name,) = [name for name, entry in root.names.items() if entry.port == child.number_of(gift)]
    number = root.number_of(port)
    root.does("mach_msg_send", dest=name, descriptors=((port, RECEIVE),))
    assert number not in root.machine.snapshot().ports
    assert child.goes_on().code == 0
    assert child.names[gift] == dead(1)


def test_what_waits_for_a_dead_port_is_on_its_way_to_none(root: Actor, child: Actor) -> None:
    gift, outer, port = child.port_with_send(), root.port_with_send(), full(root)
    root.gives(child, port, COPY)
    root.sends(outer, descriptors=((port, RECEIVE),))
    child.waits("mach_msg_send", dest=50, dest_disposition=MOVE, wait=True, descriptors=((gift, RECEIVE),))
    assert root.result("mach_msg_receive", port=outer, limit=0).code == ReturnCode.MACH_RCV_TOO_LARGE
    assert root.names[port] == dead(1)
    poly = root.does("mach_port_extract_right", task=child.seen_as, name=gift, disposition=COPY)["poly"]
    number = root.number_of(outer)
    root.sends(poly, descriptors=((outer, RECEIVE),))
    assert number in root.machine.snapshot().ports


# receiving


def test_a_receive_waits_for_a_message(root: Actor, child: Actor) -> None:
    port = root.port_with_send()
    root.gives(child, port, COPY)
    root.waits("mach_msg_receive", port=port, wait=True, limit=100, large=True, trailer=1)
    expected = PendingCall(call="mach_msg_receive", name=port, port=root.number_of(port), limit=100, large=True, trailer=1)
    assert root.shown.waiting == expected
    before = root.machine.snapshot()
    assert root.goes_on().code == ReturnCode.MACH_RCV_IN_PROGRESS
    assert root.machine.snapshot() == before
    child.sends(50, id=4)
    result = root.goes_on()
    assert (result.code, result.outputs["id"], result.outputs["trailer_size"]) == (0, 4, 12)
    assert root.shown.waiting is None


def test_a_message_that_is_too_large_ends_the_wait(root: Actor, child: Actor) -> None:
    port = root.port_with_send()
    root.gives(child, port, COPY)
    root.waits("mach_msg_receive", port=port, wait=True, limit=10, large=True)
    child.sends(50)
    result = root.goes_on()
    assert (result.code, result.outputs, root.shown.waiting) == (ReturnCode.MACH_RCV_TOO_LARGE, {"size": 28}, None)


def waits_at(root: Actor, child: Actor) -> int:
    """The child waits at a port of its own, under the name 50."""
    port = root.port_with_send()
    root.gives(child, port, RECEIVE)
    child.waits("mach_msg_receive", port=50, wait=True)
    return port


def test_its_port_can_die(root: Actor, child: Actor) -> None:
    waits_at(root, child)
    root.does("mach_port_destroy", task=child.seen_as, name=50)
    assert child.shown.waiting is not None
    assert (child.goes_on().code, child.shown.waiting) == (ReturnCode.MACH_RCV_PORT_DIED, None)


def test_its_right_can_leave(root: Actor, child: Actor) -> None:
    waits_at(root, child)
    root.does("mach_port_extract_right", task=child.seen_as, name=50, disposition=RECEIVE)
    assert child.goes_on().code == ReturnCode.MACH_RCV_PORT_CHANGED


TOLD = {
    "manual": (ReturnCode.MACH_RCV_PORT_DIED, ReturnCode.MACH_RCV_PORT_CHANGED),
    "osf": (ReturnCode.MACH_RCV_PORT_DIED, ReturnCode.MACH_RCV_PORT_DIED),
    "gnumach": (ReturnCode.MACH_RCV_PORT_DIED, ReturnCode.MACH_RCV_PORT_DIED),
    "xnu-792": (ReturnCode.MACH_RCV_PORT_CHANGED, ReturnCode.MACH_RCV_PORT_CHANGED),
    "xnu": (ReturnCode.MACH_RCV_PORT_CHANGED, ReturnCode.MACH_RCV_PORT_CHANGED),
}
"""What a waiting receiver is told when its port or set dies, and when its receive right leaves."""


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_what_a_waiting_receiver_is_told(profile: Profile) -> None:
    machine = Machine(profile)
    root = machine.root
    child = root.child() if profile.serves("task_create") else machine.booted(1)
    died, left = TOLD[profile.name]
    for right in (Right.RECEIVE, Right.PORT_SET):
        name = child.does("mach_port_allocate", right=right)
        child.waits("mach_msg_receive", port=name, wait=True)
        root.does("mach_port_destroy", task=child.seen_as, name=name)
        assert child.goes_on().code == died
    name = child.does("mach_port_allocate", right=Right.RECEIVE)
    child.waits("mach_msg_receive", port=name, wait=True)
    root.does("mach_port_extract_right", task=child.seen_as, name=name, disposition=RECEIVE)
    assert child.goes_on().code == left


def test_a_right_that_came_back_has_not_left(root: Actor, child: Actor) -> None:
    port = waits_at(root, child)
    root.does("mach_port_extract_right", task=child.seen_as, name=50, disposition=RECEIVE)
    root.gives(child, port, RECEIVE)
    assert child.goes_on().code == ReturnCode.MACH_RCV_IN_PROGRESS


def test_another_right_under_its_name(root: Actor, child: Actor) -> None:
    waits_at(root, child)
    root.does("mach_port_extract_right", task=child.seen_as, name=50, disposition=RECEIVE)
    root.gives(child, root.port(), RECEIVE)
    assert child.goes_on().code == ReturnCode.MACH_RCV_PORT_CHANGED


def test_its_name_can_change(root: Actor, child: Actor) -> None:
    port = waits_at(root, child)
    root.does("mach_port_rename", task=child.seen_as, old_name=50, new_name=90)
    root.does("mach_port_rename", task=child.seen_as, old_name=child.me, new_name=91)
    assert child.shown.waiting is not None
    assert child.shown.waiting.name == 90
    root.sends(port)
    assert child.goes_on().outputs["local"] == 90


@pytest.mark.parametrize("many_sets", [True, False])
def test_its_port_can_join_a_set(many_sets: bool) -> None:
    root = Machine().root if many_sets else Machine(OSF).root
    child = root.child()
    waits_at(root, child)
    members = root.does("mach_port_allocate", task=child.seen_as, right=Right.PORT_SET)
    root.does("mach_port_move_member", task=child.seen_as, member=50, after=members)
    assert child.goes_on().code == (ReturnCode.MACH_RCV_IN_PROGRESS if many_sets else ReturnCode.MACH_RCV_PORT_CHANGED)


def test_waiting_at_a_set(root: Actor, child: Actor) -> None:
    port = root.port_with_send()
    root.gives(child, port, RECEIVE)
    members = child.does("mach_port_allocate", right=Right.PORT_SET)
    child.waits("mach_msg_receive", port=members, wait=True)
    assert child.shown.waiting == PendingCall(call="mach_msg_receive", name=members, port=None, trailer=3)
    root.does("mach_port_move_member", task=child.seen_as, member=50, after=members)
    root.sends(port)
    assert child.goes_on().outputs["local"] == 50
    for another in (False, True):
        child.waits("mach_msg_receive", port=members, wait=True)
        root.does("mach_port_destroy", task=child.seen_as, name=members)
        if another:
            root.does("mach_port_allocate_name", task=child.seen_as, right=Right.RECEIVE, name=members)
        assert child.goes_on().code == ReturnCode.MACH_RCV_PORT_DIED
        if not another:
            child.does("mach_port_allocate_name", right=Right.PORT_SET, name=members)


# who may go on


def test_a_task_that_waits_makes_no_other_call(root: Actor, child: Actor) -> None:
    kernel = root.machine.kernel
    waits_at(root, child)
    for call in (Call("mach_task_self", {}), Call("mach_msg_send", {}, resume=True), Call("mach_msg_receive", {"port": 50})):
        with pytest.raises(ValueError, match="waits in mach_msg_receive"):
            kernel.call(child.number, call)
    with pytest.raises(ValueError, match="doesn't wait"):
        kernel.call(root.number, Call("mach_msg_receive", {}, resume=True))
    root.does("task_suspend", task=child.seen_as)
    with pytest.raises(ValueError, match="suspended"):
        kernel.call(child.number, Call("mach_msg_receive", {}, resume=True))
    assert child.shown.waiting is not None
