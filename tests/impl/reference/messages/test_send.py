"""mach_msg_send: its errors in order, the rights of its header, delivery."""

from itertools import product

import pytest
from support.kernel import NOTHING, Actor, Machine, dead, send

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Right, SlotKind
from sendright.mach.abi.tokens import BOOTSTRAP_AUDIT_TOKEN, BOOTSTRAP_SECURITY_TOKEN, KERNEL_AUDIT_TOKEN, KERNEL_SECURITY_TOKEN
from sendright.mach.state.snapshot import EMPTY, Descriptor, Entry

D = Disposition


@pytest.fixture
def root() -> Actor:
    return Machine().root


def refused(root: Actor, dest: int, dest_disposition: int = D.COPY_SEND, reply: int = NULL_NAME, reply_disposition: int = 0) -> str:
    return root.refused("mach_msg_send", dest=dest, dest_disposition=dest_disposition, reply=reply, reply_disposition=reply_disposition)


def fill(root: Actor, port: int) -> None:
    for id in range(5):
        root.sends(port, id=id)


# 1, 2: what is wrong at first sight


@pytest.mark.parametrize("disposition", [0, 16, 22, -1])
def test_a_destination_disposition(root: Actor, disposition: int) -> None:
    assert refused(root, NULL_NAME, disposition) == "MACH_SEND_INVALID_HEADER"


@pytest.mark.parametrize(("reply", "disposition"), [(NOTHING, 0), (DEAD_NAME, 0), (NULL_NAME, 16), (NULL_NAME, 22), (NOTHING, 16)])
def test_a_reply_disposition(root: Actor, reply: int, disposition: int) -> None:
    assert refused(root, NULL_NAME, D.COPY_SEND, reply, disposition) == "MACH_SEND_INVALID_HEADER"


@pytest.mark.parametrize("dest", [NULL_NAME, DEAD_NAME])
def test_a_reserved_destination(root: Actor, dest: int) -> None:
    assert refused(root, dest, D.COPY_SEND, NOTHING, D.COPY_SEND) == "MACH_SEND_INVALID_DEST"


# 3: two names


def test_a_missing_destination_wins_over_a_wrong_reply(root: Actor) -> None:
    assert refused(root, NOTHING, D.COPY_SEND, NOTHING + 1, D.COPY_SEND) == "MACH_SEND_INVALID_DEST"


def test_a_wrong_reply_wins_over_an_unfit_or_dead_destination(root: Actor) -> None:
    for dest in (root.port(), root.dead_name()):
        assert refused(root, dest, D.COPY_SEND, NOTHING, D.COPY_SEND) == "MACH_SEND_INVALID_REPLY"
        assert refused(root, dest, D.COPY_SEND, 1, D.MAKE_SEND) == "MACH_SEND_INVALID_REPLY"
        assert refused(root, dest, D.COPY_SEND, 1, D.COPY_SEND) == "MACH_SEND_INVALID_DEST"


def test_an_unfit_destination(root: Actor) -> None:
    receive = root.port()
    once = root.send_once(receive)
    fit = {(receive, D.MAKE_SEND), (receive, D.MAKE_SEND_ONCE), (once, D.MOVE_SEND_ONCE)}
    for name, disposition in product((receive, once, root.dead_name()), list(D)[2:]):
        if (name, disposition) not in fit:
            assert refused(root, name, disposition) == "MACH_SEND_INVALID_DEST", (name, disposition)


def test_an_unfit_reply(root: Actor) -> None:
    port = root.port_with_send()
    once = root.send_once(port)
    members = root.does("mach_port_allocate", right=Right.PORT_SET)
    for name, disposition in product((root.port(), members), (D.COPY_SEND, D.MOVE_SEND, D.MOVE_SEND_ONCE)):
        assert refused(root, port, D.COPY_SEND, name, disposition) == "MACH_SEND_INVALID_REPLY"
    for disposition in (D.COPY_SEND, D.MOVE_SEND, D.MAKE_SEND, D.MAKE_SEND_ONCE):
        assert refused(root, port, D.COPY_SEND, once, disposition) == "MACH_SEND_INVALID_REPLY"
    for disposition in (D.MAKE_SEND, D.MAKE_SEND_ONCE):
        assert refused(root, port, D.COPY_SEND, root.dead_name(), disposition) == "MACH_SEND_INVALID_REPLY"


# 3: one name for both


def test_an_unknown_name_for_both(root: Actor) -> None:
    assert refused(root, NOTHING, D.COPY_SEND, NOTHING, D.COPY_SEND) == "MACH_SEND_INVALID_DEST"


def test_an_unfit_reply_wins_under_one_name_too(root: Actor) -> None:
    once = root.send_once(root.port())
    assert refused(root, once, D.MOVE_SEND_ONCE, once, D.COPY_SEND) == "MACH_SEND_INVALID_REPLY"
    assert refused(root, 1, D.MOVE_SEND_ONCE, 1, D.MAKE_SEND) == "MACH_SEND_INVALID_REPLY"


def test_a_send_once_right_cannot_be_both(root: Actor) -> None:
    once = root.send_once(root.port())
    assert refused(root, once, D.MOVE_SEND_ONCE, once, D.MOVE_SEND_ONCE) == "MACH_SEND_INVALID_DEST"
    assert refused(root, once, D.COPY_SEND, once, D.MOVE_SEND_ONCE) == "MACH_SEND_INVALID_DEST"
    assert refused(root, 1, D.MOVE_SEND_ONCE, 1, D.COPY_SEND) == "MACH_SEND_INVALID_DEST"


def test_a_dead_or_unfit_destination_under_one_name(root: Actor) -> None:
    name = root.dead_name(urefs=2)
    for dest, reply in product((D.COPY_SEND, D.MOVE_SEND), repeat=2):
        assert refused(root, name, dest, name, reply) == "MACH_SEND_INVALID_DEST"
    assert refused(root, 1, D.MAKE_SEND, 1, D.COPY_SEND) == "MACH_SEND_INVALID_DEST"


def test_two_moves_need_two_references(root: Actor) -> None:
    port = root.port_with_send(urefs=1)
    assert refused(root, port, D.MOVE_SEND, port, D.MOVE_SEND) == "MACH_SEND_INVALID_DEST"


@pytest.mark.parametrize(
    ("dest", "reply", "urefs", "left", "naked"),
    [
        (D.MOVE_SEND, D.MOVE_SEND, 2, 0, 2),
        (D.MOVE_SEND, D.MOVE_SEND, 3, 1, 2),
        (D.MOVE_SEND, D.COPY_SEND, 1, 0, 2),
        (D.COPY_SEND, D.MOVE_SEND, 1, 0, 2),
        (D.COPY_SEND, D.MOVE_SEND, 2, 1, 2),
        (D.COPY_SEND, D.COPY_SEND, 1, 1, 2),
        (D.MAKE_SEND, D.MOVE_SEND, 1, 0, 2),
        (D.MOVE_SEND, D.MAKE_SEND, 1, 0, 2),
        (D.MAKE_SEND_ONCE, D.MAKE_SEND, 1, 1, 1),
        (D.MAKE_SEND, D.MAKE_SEND_ONCE, 1, 1, 1),
    ],
)
def test_both_rights_from_one_name(root: Actor, dest: Disposition, reply: Disposition, urefs: int, left: int, naked: int) -> None:
    port = root.port_with_send(urefs)
    root.sends(port, dest, reply=port, reply_disposition=reply)
    entry = root.names[port]
    assert (entry.kind, entry.urefs) == (SlotKind.SEND_RECEIVE if left else SlotKind.RECEIVE, left)
    assert root.port_of(port).send_rights == naked + (left > 0)
    made = 1 + (dest, reply).count(D.MAKE_SEND)
    assert root.port_of(port).make_send_count == made


def test_one_pure_send_name_for_both_is_freed_by_the_last_move(root: Actor) -> None:
    child = root.child()
    root.gives(child, root.port(), D.MAKE_SEND)
    child.sends(50, D.MOVE_SEND, reply=50, reply_disposition=D.COPY_SEND)
    assert 50 not in child.names


# 3: the header's rights in the message


def test_the_header_in_the_queue(root: Actor) -> None:
    port, answer = root.port_with_send(), root.port()
    root.sends(port, reply=answer, reply_disposition=D.MAKE_SEND_ONCE, id=9)
    (message,) = root.port_of(port).queue
    assert message.id == 9
    assert message.destination == send(root.number_of(port))
    assert message.reply == Descriptor(Entry(SlotKind.SEND_ONCE, root.number_of(answer)), 18)
    assert (message.security_token, message.audit_token) == (BOOTSTRAP_SECURITY_TOKEN, BOOTSTRAP_AUDIT_TOKEN)


def test_no_reply_has_no_form_and_a_null_one_keeps_it(root: Actor) -> None:
    port = root.port_with_send()
    root.sends(port)
    root.sends(port, reply=NULL_NAME, reply_disposition=D.MAKE_SEND_ONCE)
    assert [message.reply for message in root.port_of(port).queue] == [Descriptor(EMPTY, 0), Descriptor(EMPTY, 18)]


def test_a_dead_reply(root: Actor) -> None:
    port, name = root.port_with_send(), root.dead_name(urefs=3)
    root.sends(port, reply=DEAD_NAME, reply_disposition=D.COPY_SEND)
    root.sends(port, reply=name, reply_disposition=D.COPY_SEND)
    assert root.names[name] == dead(urefs=3)
    root.sends(port, reply=name, reply_disposition=D.MOVE_SEND)
    root.sends(port, reply=name, reply_disposition=D.MOVE_SEND_ONCE)
    assert root.names[name] == dead(urefs=1)
    assert [message.reply for message in root.port_of(port).queue] == [Descriptor(dead(), form) for form in (17, 17, 17, 18)]


def test_a_destination_may_be_made_or_moved(root: Actor) -> None:
    port = root.port()
    root.sends(port, D.MAKE_SEND)
    root.sends(port, D.MAKE_SEND_ONCE)
    root.sends(root.send_once(port), D.MOVE_SEND_ONCE)
    kinds = [message.destination.kind for message in root.port_of(port).queue]
    assert kinds == [SlotKind.SEND, SlotKind.SEND_ONCE, SlotKind.SEND_ONCE]


# 4: the body


def test_the_body_in_the_queue(root: Actor) -> None:
    port, moved = root.port_with_send(), root.port()
    number = root.number_of(moved)
    descriptors = ((1, D.COPY_SEND), (NULL_NAME, D.MOVE_RECEIVE), (DEAD_NAME, D.MAKE_SEND_ONCE), (moved, D.MAKE_SEND), (moved, D.MOVE_RECEIVE))
    root.sends(port, descriptors=descriptors)
    (message,) = root.port_of(port).queue
    assert message.body == (
        Descriptor(send(1), 17),
        Descriptor(EMPTY, 16),
        Descriptor(dead(), 18),
        Descriptor(send(number), 17),
        Descriptor(Entry(SlotKind.RECEIVE, number), 16),
    )
    assert moved not in root.names


@pytest.mark.parametrize(("name", "disposition"), [(1, 15), (NULL_NAME, 0), (NOTHING, D.COPY_SEND), (1, D.MAKE_SEND), (1, D.MOVE_SEND_ONCE)])
def test_a_wrong_descriptor(root: Actor, name: int, disposition: int) -> None:
    port = root.port_with_send()
    assert root.refused("mach_msg_send", dest=port, descriptors=((name, disposition),)) == "MACH_SEND_INVALID_RIGHT"


def test_what_was_taken_before_a_wrong_descriptor_is_lost(root: Actor) -> None:
    port, answer, moved = root.port_with_send(urefs=2), root.port(), root.port_with_send()
    code = root.fails(
        "mach_msg_send",
        dest=port,
        dest_disposition=D.MOVE_SEND,
        reply=answer,
        reply_disposition=D.MAKE_SEND_ONCE,
        descriptors=((1, D.MOVE_SEND), (moved, D.MOVE_RECEIVE), (NOTHING, D.COPY_SEND), (2, D.MOVE_SEND)),
    )
    assert code == "MACH_SEND_INVALID_RIGHT"
    assert root.names[port].urefs == 1
    assert root.receives(answer)["id"] == 71
    assert 1 not in root.names
    assert 2 in root.names
    assert root.names[moved] == dead(urefs=1)


def test_a_lost_send_once_destination_notifies(root: Actor) -> None:
    port = root.port()
    once = root.send_once(port)
    root.fails("mach_msg_send", dest=once, dest_disposition=D.MOVE_SEND_ONCE, descriptors=((NOTHING, D.COPY_SEND),))
    assert [message.id for message in root.port_of(port).queue] == [71]


def test_the_header_is_taken_before_the_body(root: Actor) -> None:
    port = root.port()
    root.fails("mach_msg_send", dest=port, dest_disposition=D.MAKE_SEND, descriptors=((port, D.MOVE_SEND),))
    assert root.port_of(port).make_send_count == 1


# 5: a kernel port


def test_the_kernel_does_not_know_the_id(root: Actor) -> None:
    answer = root.port()
    root.sends(root.me, reply=answer, reply_disposition=D.MAKE_SEND_ONCE, id=3000, descriptors=((1, D.MOVE_SEND),))
    (message,) = root.port_of(answer).queue
    assert (message.id, message.reply, message.body) == (3100, Descriptor(EMPTY, 0), ())
    assert message.destination == Entry(SlotKind.SEND_ONCE, root.number_of(answer))
    assert (message.security_token, message.audit_token) == (KERNEL_SECURITY_TOKEN, KERNEL_AUDIT_TOKEN)
    assert 1 not in root.names
    assert root.machine.port(6).queue == ()


def test_the_kernels_answer_does_not_mind_the_queue_limit(root: Actor) -> None:
    answer = root.port_with_send()
    fill(root, answer)
    root.sends(root.me, reply=answer, reply_disposition=D.COPY_SEND, id=3000)
    assert [message.id for message in root.port_of(answer).queue] == [0, 1, 2, 3, 4, 3100]
    assert root.port_of(answer).queue[-1].destination.kind is SlotKind.SEND


@pytest.mark.parametrize("reply", [NULL_NAME, DEAD_NAME, 1])
def test_the_kernel_answers_neither_nobody_nor_itself(root: Actor, reply: int) -> None:
    before = root.machine.snapshot()
    root.sends(root.me, reply=reply, reply_disposition=D.COPY_SEND)
    assert root.machine.snapshot() == before


def test_the_kernel_destroys_the_body_before_it_answers(root: Actor) -> None:
    answer = root.port_with_send()
    root.sends(root.me, reply=answer, reply_disposition=D.COPY_SEND, descriptors=((answer, D.MOVE_RECEIVE),))
    assert root.names[answer] == dead(urefs=1)


# 5: circular messages


def test_a_port_cannot_carry_its_own_receive_right(root: Actor) -> None:
    port, answer = root.port_with_send(), root.port()
    root.sends(port, reply=answer, reply_disposition=D.MAKE_SEND_ONCE, descriptors=((port, D.MOVE_RECEIVE),))
    assert root.names[port] == dead(urefs=1)
    assert root.receives(answer)["id"] == 71


@pytest.mark.parametrize("length", [2, 3])
def test_a_circle_of_ports_dies(root: Actor, length: int) -> None:
    ports = [root.port_with_send() for _ in range(length)]
    for dest, moved in zip(ports, [ports[-1], *ports[:-1]], strict=True):
        root.sends(dest, descriptors=((moved, D.MOVE_RECEIVE),))
    assert [root.names[port] for port in ports] == [dead(urefs=1)] * length


def test_a_chain_of_ports_lives(root: Actor) -> None:
    first, second, third = (root.port_with_send() for _ in range(3))
    root.sends(second, descriptors=((third, D.MOVE_RECEIVE),))
    root.sends(first, descriptors=((second, D.MOVE_RECEIVE),))
    assert root.receives(first)["descriptors"] == ((second, 16),)
    root.sends(first, descriptors=((second, D.MOVE_RECEIVE),))
    assert {root.names[name].kind for name in (second, third)} == {SlotKind.SEND}


def test_a_receive_right_that_has_arrived_is_not_in_transit(root: Actor) -> None:
    first, second = root.port_with_send(), root.port_with_send()
    root.sends(first, descriptors=((second, D.MOVE_RECEIVE),))
    root.receives(first)
    root.sends(second, descriptors=((first, D.MOVE_RECEIVE),))
    assert root.names[first] == send(7, urefs=1)


def test_a_circular_message_is_tested_for_before_a_full_queue(root: Actor) -> None:
    port = root.port_with_send()
    fill(root, port)
    root.sends(port, descriptors=((port, D.MOVE_RECEIVE),))
    assert root.names[port] == dead(urefs=1)


# 5: a full queue


def test_a_full_queue_hands_the_message_back(root: Actor) -> None:
    port, answer, moved = root.port_with_send(), root.port(), root.port_with_send()
    fill(root, port)
    result = root.result(
        "mach_msg_send",
        dest=port,
        dest_disposition=D.MAKE_SEND,
        reply=answer,
        reply_disposition=D.MAKE_SEND_ONCE,
        descriptors=((1, D.COPY_SEND), (moved, D.MOVE_RECEIVE), (NULL_NAME, D.MAKE_SEND), (DEAD_NAME, D.MOVE_SEND_ONCE)),
    )
    once = 10
    assert result.code == ReturnCode.MACH_SEND_TIMED_OUT
    assert result.outputs == {"dest": port, "reply": once, "descriptors": ((1, 17), (moved, 16), (NULL_NAME, 17), (DEAD_NAME, 18))}
    assert root.names[port].urefs == 2
    assert root.port_of(port).make_send_count == 2
    assert root.names[once] == Entry(SlotKind.SEND_ONCE, root.number_of(answer), 1)
    assert root.names[1].urefs == 2
    assert root.names[moved].kind is SlotKind.SEND_RECEIVE
    assert root.port_of(moved).make_send_count == 0
    assert len(root.port_of(port).queue) == 5


def test_a_pure_send_right_comes_back_under_a_fresh_name(root: Actor) -> None:
    port = root.port()
    child = root.child()
    root.gives(child, port, D.MAKE_SEND)
    for _ in range(5):
        child.sends(50)
    result = child.result("mach_msg_send", dest=50, dest_disposition=D.MOVE_SEND)
    assert result.outputs == {"dest": 2, "reply": 0, "descriptors": ()}
    assert child.names[2] == send(root.number_of(port), urefs=1)
    assert 50 not in child.names


def test_a_receive_right_that_came_back_can_be_sent_elsewhere(root: Actor) -> None:
    port, moved = root.port_with_send(), root.port_with_send()
    fill(root, port)
    root.result("mach_msg_send", dest=port, dest_disposition=D.COPY_SEND, descriptors=((moved, D.MOVE_RECEIVE),))
    root.sends(moved, descriptors=((port, D.MOVE_RECEIVE),))
    assert root.names[port].kind is SlotKind.SEND


def test_a_send_once_right_is_never_too_many(root: Actor) -> None:
    port = root.port_with_send()
    fill(root, port)
    root.sends(port, D.MAKE_SEND_ONCE, id=99)
    assert [message.id for message in root.port_of(port).queue] == [0, 1, 2, 3, 4, 99]


def test_serials_name_messages(root: Actor) -> None:
    port = root.port_with_send()
    fill(root, port)
    serials = [message.serial for message in root.port_of(port).queue]
    assert len(set(serials)) == 5
    root.receives(port)
    assert [message.serial for message in root.port_of(port).queue] == serials[1:]
