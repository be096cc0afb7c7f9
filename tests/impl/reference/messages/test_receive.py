"""mach_msg_receive."""

import pytest
from support.kernel import NOTHING, Actor, Machine, dead, send

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, SlotKind
from sendright.mach.state.snapshot import Entry

D = Disposition


@pytest.fixture
def root() -> Actor:
    return Machine().root


def test_only_receive_rights_and_port_sets_receive(root: Actor) -> None:
    for name in (NULL_NAME, DEAD_NAME, NOTHING, 1, root.send_once(root.port()), root.dead_name()):
        assert root.refused("mach_msg_receive", port=name) == "MACH_RCV_INVALID_NAME"


def test_an_empty_queue_times_out(root: Actor) -> None:
    for name in (root.port(), root.port_with_send()):
        assert root.refused("mach_msg_receive", port=name) == "MACH_RCV_TIMED_OUT"


def test_messages_come_in_order_and_are_counted(root: Actor) -> None:
    port = root.port_with_send()
    for id in (5, 6, 7):
        root.sends(port, id=id)
    received = [root.receives(port) for _ in range(3)]
    assert [(message["id"], message["sequence_number"]) for message in received] == [(5, 0), (6, 1), (7, 2)]
    assert root.port_of(port).sequence_number == 3


@pytest.mark.parametrize("disposition", [D.COPY_SEND, D.MAKE_SEND, D.MAKE_SEND_ONCE])
def test_the_destination_right_is_consumed_silently(root: Actor, disposition: Disposition) -> None:
    port = root.port_with_send()
    root.sends(port, disposition)
    root.receives(port)
    assert (root.port_of(port).send_rights, root.port_of(port).send_once_rights, root.port_of(port).queue) == (1, 0, ())


def test_the_whole_message(root: Actor) -> None:
    port, answer = root.port_with_send(), root.port()
    root.sends(port, id=9, reply=answer, reply_disposition=D.MAKE_SEND_ONCE, descriptors=((1, D.COPY_SEND),))
    message = root.receives(port)
    assert message.keys() >= {"id", "local", "reply", "reply_disposition", "descriptors", "data", "sequence_number", "security_token", "audit_token"}
    assert (message["id"], message["local"]) == (9, port)
    assert (message["reply"], message["reply_disposition"], message["descriptors"]) == (9, 18, ((1, 17),))
    assert root.names[9] == Entry(SlotKind.SEND_ONCE, root.number_of(answer), 1)
    assert root.names[1].urefs == 2


def test_no_reply(root: Actor) -> None:
    port = root.port_with_send()
    root.sends(port)
    message = root.receives(port)
    assert (message["reply"], message["reply_disposition"], message["descriptors"]) == (NULL_NAME, 0, ())


def test_null_and_dead_rights_keep_their_form(root: Actor) -> None:
    port = root.port_with_send()
    root.sends(port, reply=NULL_NAME, reply_disposition=D.MAKE_SEND, descriptors=((NULL_NAME, D.MOVE_RECEIVE), (DEAD_NAME, D.MAKE_SEND_ONCE)))
    message = root.receives(port)
    assert (message["reply"], message["reply_disposition"]) == (NULL_NAME, 17)
    assert message["descriptors"] == ((NULL_NAME, 16), (DEAD_NAME, 18))


def test_a_right_whose_port_died_on_the_way_is_dead(root: Actor) -> None:
    port, doomed = root.port_with_send(), root.port_with_send()
    root.sends(port, reply=doomed, reply_disposition=D.MAKE_SEND_ONCE, descriptors=((doomed, D.COPY_SEND),))
    root.does("mach_port_destroy", name=doomed)
    (message,) = root.port_of(port).queue
    assert (message.reply.entry, message.body[0].entry) == (dead(), dead())
    received = root.receives(port)
    assert (received["reply"], received["reply_disposition"], received["descriptors"]) == (DEAD_NAME, 18, ((DEAD_NAME, 17),))


def test_rights_go_to_the_receiver(root: Actor) -> None:
    port, gift = root.port_with_send(), root.port_with_send()
    child = root.child()
    root.gives(child, port, D.MOVE_RECEIVE)
    root.sends(port, descriptors=((gift, D.MOVE_SEND), (gift, D.MOVE_RECEIVE)))
    message = child.receives(50)
    assert message["descriptors"] == ((2, 17), (2, 16))
    assert child.names[2] == Entry(SlotKind.SEND_RECEIVE, 8, 1)
    assert gift not in root.names


def test_the_reply_is_copied_out_before_the_body(root: Actor) -> None:
    port, answer = root.port_with_send(), root.port()
    child = root.child()
    root.gives(child, port, D.MOVE_RECEIVE)
    root.sends(port, reply=answer, reply_disposition=D.MAKE_SEND, descriptors=((1, D.COPY_SEND), (answer, D.MAKE_SEND)))
    message = child.receives(50)
    assert (message["reply"], message["descriptors"]) == (2, ((3, 17), (2, 17)))
    assert child.names[2] == send(root.number_of(answer), urefs=2)


def test_a_send_right_to_ones_own_port_joins_the_receive_right(root: Actor) -> None:
    port, own = root.port_with_send(), root.port()
    root.sends(port, descriptors=((own, D.MAKE_SEND),))
    assert root.receives(port)["descriptors"] == ((own, 17),)
    assert root.names[own] == Entry(SlotKind.SEND_RECEIVE, 8, 1)


def test_a_send_once_right_to_ones_own_port_does_not(root: Actor) -> None:
    port = root.port_with_send()
    root.sends(port, reply=port, reply_disposition=D.MAKE_SEND_ONCE)
    assert root.receives(port)["reply"] == 8


def test_receiving_makes_room(root: Actor) -> None:
    port = root.port_with_send()
    for _ in range(5):
        root.sends(port)
    root.receives(port)
    root.sends(port)
    assert len(root.port_of(port).queue) == 5
