"""How rights and ports end."""

import sys
from itertools import pairwise

import pytest
from support.kernel import Actor, Machine, dead

from sendright.mach.abi.rights import Disposition, Place, Right, SlotKind
from sendright.mach.abi.tokens import KERNEL_AUDIT_TOKEN, KERNEL_SECURITY_TOKEN
from sendright.mach.kernel.call import Call
from sendright.mach.state.snapshot import EMPTY, Descriptor, Entry

D = Disposition


@pytest.fixture
def root() -> Actor:
    return Machine().root


def test_a_notification(root: Actor) -> None:
    port = root.port()
    root.does("mach_port_deallocate", name=root.send_once(port))
    (message,) = root.port_of(port).queue
    assert message.id == 71
    assert message.destination == Entry(SlotKind.SEND_ONCE, root.number_of(port))
    assert (message.reply, message.body) == (Descriptor(EMPTY, 0), ())
    assert (message.security_token, message.audit_token) == (KERNEL_SECURITY_TOKEN, KERNEL_AUDIT_TOKEN)
    assert root.port_of(port).send_once_rights == 1


def test_a_notification_goes_into_a_full_queue(root: Actor) -> None:
    port = root.port_with_send()
    for _ in range(5):
        root.sends(port)
    root.does("mach_port_deallocate", name=root.send_once(port))
    assert len(root.port_of(port).queue) == 6


def test_every_right_to_a_dead_port_is_dead(root: Actor) -> None:
    port = root.port_with_send(urefs=2)
    queue = root.port_with_send()
    child = root.child()
    root.gives(child, port, D.COPY_SEND, name=50)
    root.gives(child, port, D.MAKE_SEND_ONCE, name=51)
    root.does("task_set_special_port", which=4, port=port)
    root.sends(queue, descriptors=((port, D.COPY_SEND), (port, D.MAKE_SEND_ONCE)))
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.names[port] == dead(urefs=2)
    assert (child.names[50], child.names[51]) == (dead(urefs=1), dead(urefs=1))
    assert root.shown.places[Place.BOOTSTRAP] == dead()
    assert [descriptor.entry for descriptor in root.port_of(queue).queue[0].body] == [dead(), dead()]


def test_a_dead_send_once_name_has_one_reference(root: Actor) -> None:
    port = root.port()
    once = root.send_once(port)
    root.does("mach_port_destroy", name=port)
    assert root.names[once] == dead(urefs=1)
    assert root.refused("mach_port_mod_refs", name=once, right=Right.SEND_ONCE, delta=-1) == "KERN_INVALID_RIGHT"
    root.does("mach_port_deallocate", name=once)
    assert once not in root.names


def test_a_dead_ports_messages_give_up_what_they_carry(root: Actor) -> None:
    port, answer = root.port_with_send(), root.port()
    root.sends(port, reply=answer, reply_disposition=D.MAKE_SEND_ONCE, descriptors=((3, D.MOVE_SEND), (answer, D.MAKE_SEND_ONCE)))
    assert root.machine.port(2).send_rights == 1
    root.does("mach_port_destroy", name=port)
    assert root.machine.port(2).send_rights == 0
    assert [message.id for message in root.port_of(answer).queue] == [71, 71]


def test_a_dead_ports_messages_do_not_notify_their_destination(root: Actor) -> None:
    port = root.port()
    root.sends(port, D.MAKE_SEND_ONCE)
    root.does("mach_port_destroy", name=port)
    assert 7 not in root.machine.snapshot().ports


def test_death_spreads_through_receive_rights_in_messages(root: Actor) -> None:
    ports = [root.port_with_send() for _ in range(4)]
    for dest, moved in pairwise(ports):
        root.sends(dest, descriptors=((moved, D.MOVE_RECEIVE),))
    answer = root.port()
    root.sends(ports[-1], reply=answer, reply_disposition=D.MAKE_SEND_ONCE)
    root.does("mach_port_mod_refs", name=ports[0], right=Right.RECEIVE, delta=-1)
    assert [root.names[name] for name in ports] == [dead(urefs=1)] * 4
    assert root.receives(answer)["id"] == 71


def test_death_spreads_over_chains_longer_than_the_interpreters_stack(root: Actor) -> None:
    kernel = root.machine.kernel

    def port() -> int:
        name: int = kernel.call(0, Call("mach_port_allocate", {"task": root.me, "right": Right.RECEIVE})).outputs["name"]
        kernel.call(0, Call("mach_port_insert_right", {"task": root.me, "name": name, "poly": name, "disposition": D.MAKE_SEND}))
        return name

    first = last = port()
    for _ in range(sys.getrecursionlimit() + 10):
        dest, last = last, port()
        kernel.call(0, Call("mach_msg_send", {"dest": dest, "dest_disposition": D.MOVE_SEND, "descriptors": ((last, D.MOVE_RECEIVE),)}))
    root.does("mach_port_destroy", name=first)
    assert root.names[last] == dead(urefs=1)
    assert set(root.machine.snapshot().ports) == set(range(7))


def test_a_send_once_right_that_dies_with_its_port_is_not_notified(root: Actor) -> None:
    port, doomed = root.port_with_send(), root.port()
    root.sends(port, reply=doomed, reply_disposition=D.MAKE_SEND_ONCE, descriptors=((doomed, D.MOVE_RECEIVE),))
    root.does("mach_port_destroy", name=port)
    assert set(root.machine.snapshot().ports) == set(range(7))


def test_a_port_dies_with_its_receiver(root: Actor) -> None:
    port = root.port_with_send()
    child = root.child()
    root.gives(child, port, D.MOVE_RECEIVE)
    root.does("task_terminate", task=child.seen_as)
    assert root.names[port] == dead(urefs=1)


def test_a_task_port_that_dies_in_a_message(root: Actor) -> None:
    port = root.port_with_send()
    child = root.child()
    root.sends(port, descriptors=((child.seen_as, D.COPY_SEND),))
    root.does("task_terminate", task=child.seen_as)
    assert root.receives(port)["descriptors"] == ((0xFFFFFFFF, 17),)


def test_releasing_a_dead_right_does_nothing(root: Actor) -> None:
    child = root.child()
    root.does("task_set_special_port", which=4, port=child.seen_as)
    root.does("task_terminate", task=child.seen_as)
    root.does("task_set_special_port", which=4, port=0)
    assert Place.BOOTSTRAP not in root.shown.places
