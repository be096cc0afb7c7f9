"""Receive rights that are sent to who asked for them instead of dying: port-destroyed notifications."""

import sys

import pytest
from support.kernel import NOTHING, Actor, Machine, dead, send

from sendright.mach.abi.rights import Disposition, Right, SlotKind
from sendright.mach.abi.tokens import KERNEL_AUDIT_TOKEN, KERNEL_SECURITY_TOKEN
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import GNUMACH, OSF, Profile
from sendright.mach.state.snapshot import EMPTY, Descriptor, Entry

D = Disposition
PORT_DESTROYED, NO_SENDERS, DEAD = 69, 70, 72
BOOT_PORTS = set(range(7))


@pytest.fixture
def root() -> Actor:
    return Machine().root


def rescued(root: Actor) -> tuple[int, int]:
    """A port with a send right, and the port to which its receive right would go."""
    port, backup = root.port_with_send(), root.port()
    root.asks(port, PORT_DESTROYED, backup)
    return port, backup


def test_a_receive_right_is_sent_instead_of_dying(root: Actor) -> None:
    port, backup = rescued(root)
    number = root.number_of(port)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    (message,) = root.port_of(backup).queue
    assert (message.id, message.data, message.reply) == (69, 0, Descriptor(EMPTY, 0))
    assert message.destination == Entry(SlotKind.SEND_ONCE, root.number_of(backup))
    assert message.body == (Descriptor(Entry(SlotKind.RECEIVE, number), 16),)
    assert (message.security_token, message.audit_token) == (KERNEL_SECURITY_TOKEN, KERNEL_AUDIT_TOKEN)
    assert root.names[port] == send(number, urefs=1)
    assert root.port_of(port).port_destroyed == EMPTY


def test_the_receiver_of_the_notification_has_it(root: Actor) -> None:
    port, backup = rescued(root)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    message = root.receives(backup)
    assert (message["id"], message["descriptors"]) == (69, ((port, 16),))
    assert root.names[port].kind is SlotKind.SEND_RECEIVE


def test_a_rescued_port_keeps_its_messages_and_rights(root: Actor) -> None:
    port, backup = rescued(root)
    watch = root.port()
    root.asks(port, NO_SENDERS, watch)
    child = root.child()
    root.gives(child, port, D.COPY_SEND)
    for _ in range(2):
        root.sends(port, descriptors=((1, D.COPY_SEND),))
    root.receives(port)
    root.does("mach_port_destroy", name=port)
    (again,) = [name for name, _ in root.receives(backup)["descriptors"]]
    shown = root.port_of(again)
    assert (shown.make_send_count, shown.sequence_number, shown.send_rights) == (0, 0, 2)
    assert shown.no_senders == Entry(SlotKind.SEND_ONCE, root.number_of(watch))
    assert root.receives(again)["descriptors"] == ((1, 17),)
    assert child.names[50] == send(root.number_of(again), urefs=1)
    assert root.mail(watch) == []


def test_the_last_sender_is_missed_with_the_count_from_before_the_rescue(root: Actor) -> None:
    """Destroying a name ends its send right first, though it tells so last: the make-send count is the one that it
    had.
    """
    port, backup = rescued(root)
    root.asks(port, NO_SENDERS, backup)
    root.does("mach_port_destroy", name=port)
    assert root.mail(backup) == [(69, 0), (70, 1)]


def test_a_request_is_for_one_rescue(root: Actor) -> None:
    port, backup = rescued(root)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    root.receives(backup)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.names[port] == dead(urefs=1)
    assert root.mail(backup) == []


def test_a_request_moves_with_the_receive_right(root: Actor) -> None:
    port, backup = rescued(root)
    child = root.child()
    root.gives(child, port, D.MOVE_RECEIVE)
    root.does("task_terminate", task=child.seen_as)
    assert root.receives(backup)["descriptors"] == ((port, 16),)


@pytest.mark.parametrize("way", ["destroy", "mod_refs", "terminate", "queue", "send", "kernel", "circular", "insert", "request"])
def test_every_way_to_end_a_receive_right(root: Actor, way: str) -> None:
    port, backup = rescued(root)
    carried = ((port, D.MOVE_RECEIVE),)
    if way == "destroy":
        root.does("mach_port_destroy", name=port)
    elif way == "mod_refs":
        root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    elif way == "terminate":
        child = root.child()
        root.gives(child, port, D.MOVE_RECEIVE)
        root.does("task_terminate", task=child.seen_as)
    elif way == "queue":
        queue = root.port()
        root.sends(queue, D.MAKE_SEND, descriptors=carried)
        root.does("mach_port_destroy", name=queue)
    elif way == "send":
        root.fails("mach_msg_send", dest=port, descriptors=(*carried, (NOTHING, D.COPY_SEND)))
    elif way == "kernel":
        root.sends(root.me, descriptors=carried)
    elif way == "circular":
        root.sends(port, descriptors=carried)
    elif way == "insert":
        root.fails("mach_port_insert_right", name=1, poly=port, disposition=D.MOVE_RECEIVE)
    else:
        root.fails("mach_port_request_notification", name=1, variant=DEAD, notify=port, notify_disposition=D.MOVE_RECEIVE)
    assert root.mail(backup) == [(69, 0)]
    ((name, form),) = root.receives(backup)["descriptors"]
    assert (root.names[name].kind in (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE), form) == (True, 16)


# when there is no rescue


def test_over_a_dead_right(root: Actor) -> None:
    port, backup = rescued(root)
    root.does("mach_port_destroy", name=backup)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.names[port] == dead(urefs=1)


def test_over_the_port_itself(root: Actor) -> None:
    port = root.port_with_send()
    root.asks(port, PORT_DESTROYED, port)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.names[port] == dead(urefs=1)


@pytest.mark.parametrize("length", [1, 2])
def test_over_a_port_that_is_in_transit_to_the_port_itself(root: Actor, length: int) -> None:
    port, backup = rescued(root)
    last = port
    for moved in (*[root.port_with_send() for _ in range(length - 1)], backup):
        root.sends(last, descriptors=((moved, D.MOVE_RECEIVE),))
        last = moved
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.names[port] == dead(urefs=1)
    assert set(root.machine.snapshot().ports) == BOOT_PORTS


def test_a_circular_rescue_gives_up_the_right_that_waited(root: Actor) -> None:
    """The backup waits in the port's own queue. The port dies, and the backup is rescued in its turn: it hears of
    it.
    """
    port, backup = rescued(root)
    last = root.port()
    root.asks(backup, PORT_DESTROYED, last)
    root.sends(port, descriptors=((backup, D.MOVE_RECEIVE),))
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.names[port] == dead(urefs=1)
    ((name, _),) = root.receives(last)["descriptors"]
    assert root.mail(name) == [(71, 0)]


def test_into_the_queue_of_a_port_that_dies_later(root: Actor) -> None:
    port, backup = rescued(root)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    root.does("mach_port_destroy", name=backup)
    assert root.names[port] == dead(urefs=1)
    assert set(root.machine.snapshot().ports) == BOOT_PORTS


@pytest.mark.parametrize("backup_first", [False, True])
def test_into_the_queue_of_a_port_that_dies_in_the_same_call(root: Actor, backup_first: bool) -> None:
    child, watch = root.child(), root.port()
    names = [child.port(), child.port()]
    port, backup = reversed(names) if backup_first else names
    child.asks(port, PORT_DESTROYED, backup)
    root.does("mach_port_extract_right", task=child.seen_as, name=port, disposition=D.MAKE_SEND)
    (seen,) = [name for name, entry in root.names.items() if entry.port == child.number_of(port)]
    root.asks(seen, DEAD, watch)
    root.does("task_terminate", task=child.seen_as)
    assert root.names[seen] == dead(urefs=2)
    assert root.mail(watch) == [(72, seen)]
    assert len(root.machine.snapshot().ports) == len(BOOT_PORTS) + 1


def test_a_chain_of_rescues_in_one_call(root: Actor) -> None:
    """The child's first port goes to its second, and that to its parent: both live, one in the other's queue."""
    for reverse in (False, True):
        child, backup = root.child(), root.port()
        names = [child.port(), child.port()]
        first, second = reversed(names) if reverse else names
        child.asks(first, PORT_DESTROYED, second)
        root.gives(child, backup, D.MAKE_SEND_ONCE, name=70)
        child.asks(second, PORT_DESTROYED, 70, notify_disposition=D.MOVE_SEND_ONCE)
        root.does("task_terminate", task=child.seen_as)
        ((inner, _),) = root.receives(backup)["descriptors"]
        ((innermost, _),) = root.receives(inner)["descriptors"]
        assert root.names[innermost].kind is SlotKind.RECEIVE


@pytest.mark.parametrize("length", [2, 3])
def test_ports_that_would_rescue_each_other_all_die(root: Actor, length: int) -> None:
    child = root.child()
    ports = [child.port() for _ in range(length)]
    for port, backup in zip(ports, [*ports[1:], ports[0]], strict=True):
        child.asks(port, PORT_DESTROYED, backup)
    root.does("task_terminate", task=child.seen_as)
    assert set(root.machine.snapshot().ports) == BOOT_PORTS


def test_one_of_two_that_would_rescue_each_other_is_rescued(root: Actor) -> None:
    one, other = root.port_with_send(), root.port_with_send()
    root.asks(one, PORT_DESTROYED, other)
    root.asks(other, PORT_DESTROYED, one)
    root.does("mach_port_mod_refs", name=one, right=Right.RECEIVE, delta=-1)
    assert root.mail(other) == [(69, 0)]
    root.does("mach_port_mod_refs", name=other, right=Right.RECEIVE, delta=-1)
    assert (root.names[one], root.names[other]) == (dead(urefs=1), dead(urefs=1))
    assert set(root.machine.snapshot().ports) == BOOT_PORTS


def test_a_rescued_port_is_in_transit(root: Actor) -> None:
    """The backup cannot be sent to the port that waits in its queue."""
    port, backup = rescued(root)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    root.sends(port, descriptors=((backup, D.MOVE_RECEIVE),))
    assert root.names[port] == dead(urefs=1)
    assert set(root.machine.snapshot().ports) == BOOT_PORTS


def test_out_of_a_queue_that_was_rescued_before_and_is_destroyed_now(root: Actor) -> None:
    port, backup = rescued(root)
    queue, other = root.port_with_send(), root.port_with_send()
    root.asks(queue, PORT_DESTROYED, other)
    root.sends(queue, descriptors=((port, D.MOVE_RECEIVE),))
    root.does("mach_port_mod_refs", name=queue, right=Right.RECEIVE, delta=-1)
    root.does("mach_port_mod_refs", name=other, right=Right.RECEIVE, delta=-1)
    assert root.receives(backup)["descriptors"] == ((port, 16),)
    assert (root.names[queue], root.names[other]) == (dead(urefs=1), dead(urefs=1))


def test_a_message_to_the_kernel_is_answered_over_a_rescued_port(root: Actor) -> None:
    port, backup = rescued(root)
    root.sends(root.me, reply=port, reply_disposition=D.COPY_SEND, descriptors=((port, D.MOVE_RECEIVE),))
    root.receives(backup)
    assert root.mail(port) == [(100, -303)]


def test_rescues_go_on_longer_than_the_interpreters_stack(root: Actor) -> None:
    kernel = root.machine.kernel

    def does(call: str, **arguments: object) -> int:
        return next(iter(kernel.call(0, Call(call, {"task": root.me, **arguments})).outputs.values()), 0)

    last = root.port()
    for _ in range(sys.getrecursionlimit() + 10):
        port = does("mach_port_allocate", right=Right.RECEIVE)
        does("mach_port_request_notification", name=port, variant=PORT_DESTROYED, notify=last, notify_disposition=D.MAKE_SEND_ONCE, sync=0)
        does("mach_port_destroy", name=port)
    root.does("mach_port_destroy", name=last)
    assert set(root.machine.snapshot().ports) == BOOT_PORTS


# RECEIVE gone from a name with SEND (hazard H-8)


def test_the_name_keeps_its_send_right_and_its_request(root: Actor) -> None:
    port, backup = rescued(root)
    watch = root.port()
    root.asks(port, DEAD, watch)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.names[port] == send(root.number_of(port), urefs=1)
    assert set(root.shown.requests) == {port}
    assert (root.mail(watch), root.mail(backup)) == ([], [(69, 0)])


@pytest.mark.parametrize("profile", [OSF, GNUMACH], ids=["osf", "gnumach"])
def test_or_it_becomes_a_dead_name_and_the_count_stays(profile: Profile) -> None:
    root = Machine(profile).root
    port, backup = rescued(root)
    watch = root.port()
    number = root.number_of(port)
    for variant in (DEAD, NO_SENDERS):
        root.asks(port, variant, watch)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.names[port] == dead(urefs=2)
    assert root.machine.port(number).send_rights == 1
    assert root.shown.requests == {}
    assert root.mail(watch) == [(72, port)]
    ((name, _),) = root.receives(backup)["descriptors"]
    assert name != port
    assert root.names[name] == Entry(SlotKind.RECEIVE, number)
    root.does("mach_port_insert_right", name=name, poly=name, disposition=D.MAKE_SEND)
    root.does("mach_port_deallocate", name=name)
    assert root.machine.port(number).send_rights == 1
    root.does("mach_port_destroy", name=name)
    assert root.mail(watch) == [(72, port), (71, 0)]
    assert root.names[port] == dead(urefs=2)


@pytest.mark.parametrize("profile", [OSF, GNUMACH], ids=["osf", "gnumach"])
def test_without_a_request_about_the_name_it_gets_no_reference(profile: Profile) -> None:
    root = Machine(profile).root
    port, _ = rescued(root)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.names[port] == dead(urefs=1)


@pytest.mark.parametrize("profile", [OSF, GNUMACH], ids=["osf", "gnumach"])
def test_a_receive_right_moved_or_alone_is_not_stranded(profile: Profile) -> None:
    root = Machine(profile).root
    port, backup = rescued(root)
    alone = root.port()
    root.asks(alone, PORT_DESTROYED, backup)
    root.does("mach_port_mod_refs", name=alone, right=Right.RECEIVE, delta=-1)
    assert alone not in root.names
    root.sends(root.me, descriptors=((port, D.MOVE_RECEIVE),))
    assert root.names[port].kind is SlotKind.SEND
    assert root.mail(backup) == [(69, 0), (69, 0)]
