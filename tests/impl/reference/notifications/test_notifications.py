"""What the kernel tells, and when: names that go, ports that die, last senders, unused send-once rights."""

import pytest
from support.kernel import NOTHING, Actor, Machine, dead

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Right, SlotKind
from sendright.mach.abi.tokens import BOOTSTRAP_AUDIT_TOKEN, BOOTSTRAP_SECURITY_TOKEN, KERNEL_AUDIT_TOKEN, KERNEL_SECURITY_TOKEN
from sendright.mach.kernel.profiles import GNUMACH, OSF
from sendright.mach.state.snapshot import EMPTY, Descriptor, Entry

D = Disposition
PORT_DESTROYED, NO_SENDERS, DEAD = 69, 70, 72


@pytest.fixture
def root() -> Actor:
    return Machine().root


def fill(actor: Actor, port: int) -> None:
    for _ in range(5):
        actor.sends(port, D.MAKE_SEND)


# all of them


def test_a_notification_is_the_kernels_and_minds_no_limit(root: Actor) -> None:
    port, watch = root.port_with_send(), root.port()
    fill(root, watch)
    root.asks(port, NO_SENDERS, watch)
    root.does("mach_port_deallocate", name=port)
    message = root.port_of(watch).queue[5]
    assert (message.id, message.data, message.reply, message.body) == (70, 1, Descriptor(EMPTY, 0), ())
    assert message.destination == Entry(SlotKind.SEND_ONCE, root.number_of(watch))
    assert (message.security_token, message.audit_token) == (KERNEL_SECURITY_TOKEN, KERNEL_AUDIT_TOKEN)


def test_a_received_notification_uses_up_its_right(root: Actor) -> None:
    watch = root.port()
    root.asks(1, DEAD, watch)
    root.does("mach_port_destroy", name=1)
    message = root.receives(watch)
    assert (message["id"], message["data"], message["reply"], message["descriptors"]) == (65, 1, NULL_NAME, ())
    assert (message["security_token"], message["audit_token"]) == (KERNEL_SECURITY_TOKEN, KERNEL_AUDIT_TOKEN)
    assert root.port_of(watch).send_once_rights == 0
    assert root.mail(watch) == []


def test_a_forged_notification_has_its_senders_tokens(root: Actor) -> None:
    port = root.port()
    root.sends(port, D.MAKE_SEND_ONCE, id=72, data=5)
    message = root.receives(port)
    assert (message["id"], message["data"]) == (72, 5)
    assert (message["security_token"], message["audit_token"]) == (BOOTSTRAP_SECURITY_TOKEN, BOOTSTRAP_AUDIT_TOKEN)


def test_kernels_without_tokens_cannot_tell_a_forgery() -> None:
    for profile in (OSF, GNUMACH):
        root = Machine(profile).root
        port = root.port()
        root.asks(1, DEAD, port)
        root.does("mach_port_destroy", name=1)
        root.sends(port, D.MAKE_SEND_ONCE, id=65, data=1)
        true, forged = root.receives(port), root.receives(port)
        del true["sequence_number"], forged["sequence_number"]
        assert true == forged


def test_data_is_nothing_unless_it_is_given(root: Actor) -> None:
    port = root.port()
    root.sends(port, D.MAKE_SEND)
    assert root.mail(port) == [(0, 0)]


def test_the_kernels_answer_says_that_it_knows_no_such_id(root: Actor) -> None:
    answer = root.port()
    root.sends(root.me, reply=answer, reply_disposition=D.MAKE_SEND_ONCE, id=3000, data=9)
    assert root.mail(answer) == [(3100, ReturnCode.MIG_BAD_ID)]


# port-deleted: a name stops denoting its right


def test_a_name_that_is_given_up(root: Actor) -> None:
    watch, port = root.port(), root.port()
    once = root.send_once(port)
    ways = {
        1: ("mach_port_deallocate", {}),
        2: ("mach_port_destroy", {}),
        3: ("mach_port_mod_refs", {"right": Right.SEND, "delta": -1}),
        once: ("mach_port_mod_refs", {"right": Right.SEND_ONCE, "delta": -1}),
        port: ("mach_port_mod_refs", {"right": Right.RECEIVE, "delta": -1}),
    }
    for name in ways:
        root.asks(name, DEAD, watch)
    for name, (call, arguments) in ways.items():
        root.does(call, name=name, **arguments)
    assert root.mail(watch) == [(65, name) for name in ways]


def test_a_name_whose_right_is_moved_away(root: Actor) -> None:
    watch, port, queue, child = root.port(), root.port(), root.port(), root.child()
    once = root.send_once(port)
    for name in (1, 2, 3, once, port):
        root.asks(name, DEAD, watch)
    root.sends(queue, D.MAKE_SEND, descriptors=((1, D.MOVE_SEND), (port, D.MOVE_RECEIVE)))
    root.gives(child, 2, D.MOVE_SEND)
    assert child.does("mach_port_extract_right", task=child_sees(child, root), name=3, disposition=D.MOVE_SEND)["acquired"] == 17
    root.sends(once, D.MOVE_SEND_ONCE)
    assert root.mail(watch) == [(65, name) for name in (1, port, 2, 3, once)]


def child_sees(child: Actor, root: Actor) -> int:
    """The child's name for the port of ``root``."""
    return root.gives(child, root.me, D.COPY_SEND, name=60)


def test_a_name_that_keeps_references_keeps_its_request(root: Actor) -> None:
    watch = root.port()
    root.add_send_references(1, 2)
    root.asks(1, DEAD, watch)
    root.does("mach_port_deallocate", name=1)
    root.sends(watch, D.MAKE_SEND, descriptors=((1, D.MOVE_SEND), (1, D.COPY_SEND)))
    assert 1 in root.shown.requests
    assert root.mail(watch) == [(0, 0)]


def test_a_request_stays_when_a_part_of_the_rights_goes(root: Actor) -> None:
    watch, first, second, third = root.port(), root.port_with_send(), root.port_with_send(), root.port_with_send()
    for name in (first, second, third):
        root.asks(name, DEAD, watch)
    root.does("mach_port_deallocate", name=first)
    root.does("mach_port_mod_refs", name=second, right=Right.SEND, delta=-1)
    root.sends(watch, D.MAKE_SEND, descriptors=((third, D.MOVE_RECEIVE),))
    assert [root.names[name].kind for name in (first, second, third)] == [SlotKind.RECEIVE, SlotKind.RECEIVE, SlotKind.SEND]
    assert set(root.shown.requests) == {first, second, third}
    assert root.receives(watch)["descriptors"] == ((third, 16),)
    assert third in root.shown.requests


def test_a_renamed_name_takes_its_request_along(root: Actor) -> None:
    watch, port, child = root.port(), root.port(), root.child()
    once = root.send_once(port)
    for name in (1, once, child.seen_as):
        root.asks(name, DEAD, watch)
    for old, new in ((1, 70), (once, 71), (child.seen_as, 72)):
        root.does("mach_port_rename", old_name=old, new_name=new)
    assert set(root.shown.requests) == {70, 71, 72}
    root.does("mach_port_destroy", name=70)
    root.does("mach_port_destroy", name=port)
    root.does("task_terminate", task=72)
    assert root.mail(watch) == [(65, 70), (72, 71), (72, 72)]
    assert (root.names[71], root.names[72]) == (dead(urefs=2), dead(urefs=2))


def test_all_names_of_a_task_that_ends(root: Actor) -> None:
    watch, child = root.port(), root.child()
    doomed = child.port_with_send()
    once = child.send_once(doomed)
    names = (child.me, doomed, once)
    for name in names:
        root.asks(name, DEAD, watch, task=child.seen_as)
    root.does("task_terminate", task=child.seen_as)
    assert root.mail(watch) == [(65, child.me), (72, once), (65, doomed)]


def test_a_name_that_is_freed_is_told_so_though_its_port_dies(root: Actor) -> None:
    watch = root.port()
    both, moved = root.port_with_send(), root.port_with_send()
    for name in (both, moved):
        root.asks(name, DEAD, watch)
    root.does("mach_port_destroy", name=both)
    root.sends(moved, D.MOVE_SEND, descriptors=((moved, D.MOVE_RECEIVE),))
    assert root.mail(watch) == [(65, both), (65, moved)]


# dead-name: the port dies


def test_everyone_who_asked_about_a_dead_port_is_told(root: Actor) -> None:
    watch, port, child = root.port(), root.port_with_send(urefs=2), root.child()
    once = root.send_once(port)
    root.gives(child, port, D.COPY_SEND, name=50)
    root.gives(child, port, D.COPY_SEND, name=50)
    for name, task in ((port, root.me), (once, root.me), (50, child.seen_as)):
        root.asks(name, DEAD, watch, task=task)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert sorted(root.mail(watch)) == sorted([(72, port), (72, once), (72, 50)])
    assert (root.names[port], root.names[once], child.names[50]) == (dead(urefs=3), dead(urefs=2), dead(urefs=3))
    assert root.shown.requests == child.shown.requests == {}


def test_room_is_kept_for_the_reference_that_a_dead_name_gets(root: Actor) -> None:
    watch, port = root.port(), root.port_with_send(urefs=65534)
    root.asks(port, DEAD, watch)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.names[port] == dead(urefs=65535)


def test_a_cancelled_request_tells_nothing(root: Actor) -> None:
    watch, port = root.port(), root.port_with_send()
    root.asks(port, DEAD, watch)
    root.does("mach_port_deallocate", name=root.asks(port, DEAD, NULL_NAME))
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.names[port] == dead(urefs=1)
    assert root.mail(watch) == [(71, 0)]


def test_a_replaced_request_tells_the_new_port(root: Actor) -> None:
    first, second, child = root.port(), root.port(), root.child()
    for watch in (first, second):
        root.asks(child.seen_as, DEAD, watch)
    root.does("task_terminate", task=child.seen_as)
    assert (root.mail(first), root.mail(second)) == ([], [(72, child.seen_as)])
    assert root.names[child.seen_as] == dead(urefs=2)


def test_a_request_over_the_port_that_dies_tells_nobody(root: Actor) -> None:
    port = root.port_with_send()
    root.asks(port, DEAD, port)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.names[port] == dead(urefs=2)


# no-senders: the last send right goes


def waiting_for_senders(root: Actor) -> tuple[int, int]:
    """A port with one send right, under its receive right's name, and the port where its end will be told."""
    port, watch = root.port_with_send(), root.port()
    root.asks(port, NO_SENDERS, watch)
    return port, watch


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("mach_port_deallocate", {}),
        ("mach_port_mod_refs", {"right": Right.SEND, "delta": -1}),
        ("mach_port_destroy", {}),
    ],
)
def test_the_last_name_gives_it_up(root: Actor, call: str, arguments: dict[str, int]) -> None:
    port, watch = waiting_for_senders(root)
    root.does(call, name=port, **arguments)
    assert root.mail(watch) == [(70, 1)]


def test_the_last_but_one_send_right_does_not_count(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    root.sends(watch, D.MAKE_SEND, descriptors=((port, D.COPY_SEND),))
    root.does("mach_port_deallocate", name=port)
    assert root.mail(watch) == [(0, 0)]


def test_the_count_of_then_is_told_once(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    root.does("mach_port_insert_right", name=port, poly=port, disposition=D.MAKE_SEND)
    root.add_send_references(port, -2)
    assert root.port_of(port).no_senders == EMPTY
    root.does("mach_port_insert_right", name=port, poly=port, disposition=D.MAKE_SEND)
    root.does("mach_port_deallocate", name=port)
    assert root.mail(watch) == [(70, 2)]


def test_the_last_holder_ends(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    child = root.child()
    root.gives(child, port, D.MOVE_SEND)
    root.does("task_terminate", task=child.seen_as)
    assert root.mail(watch) == [(70, 1)]


def test_the_last_holder_ends_itself(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    child = root.child()
    root.gives(child, port, D.MOVE_SEND)
    child.does("task_terminate", task=child.me)
    assert root.mail(watch) == [(70, 1)]


def test_the_last_holder_ends_with_its_receive_right(root: Actor) -> None:
    """The send right of a name goes before its receive right: the port dies with no senders, which has been told."""
    child, watch = root.child(), root.port()
    port = child.port_with_send()
    root.asks(port, NO_SENDERS, watch, task=child.seen_as)
    root.does("task_terminate", task=child.seen_as)
    assert root.mail(watch) == [(70, 1)]


def test_the_last_message_is_received(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    root.sends(port, D.MOVE_SEND)
    assert root.mail(watch) == []
    root.receives(port)
    assert root.mail(watch) == [(70, 1)]


def test_a_message_that_carried_it_is_destroyed(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    queue = root.port()
    root.sends(queue, D.MAKE_SEND, descriptors=((port, D.MOVE_SEND),))
    root.does("mach_port_destroy", name=queue)
    assert root.mail(watch) == [(70, 1)]


def test_a_message_to_the_kernel_carried_it(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    root.sends(root.me, descriptors=((port, D.MOVE_SEND),))
    assert root.mail(watch) == [(70, 1)]


def test_a_send_fails_after_it_was_taken(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    assert root.fails("mach_msg_send", dest=port, dest_disposition=D.MOVE_SEND, descriptors=((NOTHING, D.COPY_SEND),)) == "MACH_SEND_INVALID_RIGHT"
    assert root.mail(watch) == [(70, 1)]


def test_an_insertion_fails_after_it_was_taken(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    assert root.fails("mach_port_insert_right", name=1, poly=port, disposition=D.MOVE_SEND) == "KERN_RIGHT_EXISTS"
    assert root.mail(watch) == [(70, 1)]


def test_an_insertion_into_what_is_no_task(root: Actor) -> None:
    """The request holds a copy of its target besides the right that moves: it is told once, when both have gone."""
    port, watch = waiting_for_senders(root)
    assert root.fails("mach_port_insert_right", task=port, name=NOTHING, poly=port, disposition=D.MOVE_SEND) == "KERN_INVALID_TASK"
    assert root.mail(watch) == [(70, 1)]


def test_a_request_fails_after_it_was_taken(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    code = root.fails("mach_port_request_notification", name=1, variant=DEAD, notify=port, notify_disposition=D.MOVE_SEND)
    assert code == "MIG_BAD_ARGUMENTS"
    assert root.mail(watch) == [(70, 1)]


def test_a_place_is_overwritten(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    root.does("task_set_special_port", which=4, port=port)
    root.does("mach_port_deallocate", name=port)
    assert root.mail(watch) == []
    root.does("task_set_special_port", which=4, port=NULL_NAME)
    assert root.mail(watch) == [(70, 1)]


def test_moving_it_is_not_its_end(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    child = root.child()
    root.gives(child, port, D.MOVE_SEND)
    child.sends(50, D.MOVE_SEND, reply=50, reply_disposition=D.COPY_SEND, descriptors=())
    root.receives(port)
    assert root.port_of(port).send_rights == 1
    assert root.mail(watch) == []


def test_arguments_are_given_back_unseen(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    assert root.refused("task_set_special_port", which=99, port=port) == "KERN_INVALID_ARGUMENT"
    root.refused("mach_port_names", task=port)
    root.does("mach_ports_register", ports=(port, port, port))
    root.does("mach_ports_register")
    assert root.mail(watch) == []


def test_what_is_handed_back_at_the_limit_of_references_is_dropped(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    root.add_send_references(port, 65533)
    fill(root, port)
    assert root.fails("mach_msg_send", dest=port) == "MACH_SEND_TIMED_OUT"
    assert root.names[port].urefs == 65534
    assert root.mail(watch) == []


def test_the_request_moves_with_the_receive_right(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    child = root.child()
    root.gives(child, port, D.MOVE_RECEIVE)
    waiting = Entry(SlotKind.SEND_ONCE, root.number_of(watch))
    assert child.port_of(50).no_senders == waiting
    root.does("mach_port_deallocate", name=port)
    assert root.mail(watch) == [(70, 0)]


def test_a_dying_port_gives_up_the_right_that_waited_for_its_senders(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.mail(watch) == [(71, 0)]


# send-once, and chains


def test_a_destroyed_queue_gives_up_its_send_once_rights(root: Actor) -> None:
    watch, port, inner = root.port(), root.port(), root.port()
    root.sends(inner, D.MAKE_SEND, reply=watch, reply_disposition=D.MAKE_SEND_ONCE, descriptors=((watch, D.MAKE_SEND_ONCE),))
    root.sends(port, D.MAKE_SEND, descriptors=((inner, D.MOVE_RECEIVE),))
    root.does("mach_port_destroy", name=port)
    assert root.mail(watch) == [(71, 0), (71, 0)]


def test_a_notification_dies_in_the_queue_of_a_dying_port(root: Actor) -> None:
    """The child's port would get notifications about all the child's rights, and ends with them."""
    child = root.child()
    watch, port = child.port(), child.port_with_send()
    for variant in (DEAD, NO_SENDERS):
        child.asks(port, variant, watch)
    child.asks(child.me, DEAD, watch)
    child.send_once(watch)
    root.does("task_terminate", task=child.seen_as)
    assert set(root.machine.snapshot().ports) == set(range(7))


def test_a_notification_that_waits_when_its_port_dies_is_gone(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    root.does("mach_port_deallocate", name=port)
    root.does("mach_port_destroy", name=watch)
    assert root.port_of(port).no_senders == EMPTY


def test_one_call_tells_of_several_ends(root: Actor) -> None:
    """A task ends: its port dies, and with its names goes the last send right to another port."""
    watch, child = root.port(), root.child()
    port = root.port()
    root.gives(child, port, D.MAKE_SEND)
    root.asks(port, NO_SENDERS, watch)
    root.asks(child.seen_as, DEAD, watch)
    root.does("task_terminate", task=child.seen_as)
    assert sorted(root.mail(watch)) == [(70, 1), (72, child.seen_as)]
    assert root.names[child.seen_as] == dead(urefs=2)


def test_a_receive_right_that_comes_back_has_its_requests(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    queue = root.port_with_send()
    fill(root, queue)
    root.asks(port, DEAD, watch)
    assert root.fails("mach_msg_send", dest=queue, descriptors=((port, D.MOVE_RECEIVE),)) == "MACH_SEND_TIMED_OUT"
    assert root.names[port].kind is SlotKind.SEND_RECEIVE
    assert port in root.shown.requests
    assert root.port_of(port).no_senders.port == root.number_of(watch)


def test_dead_names_and_rights_are_no_ones_last(root: Actor) -> None:
    port, watch = waiting_for_senders(root)
    root.sends(port, D.COPY_SEND, descriptors=((DEAD_NAME, D.MOVE_SEND), (NULL_NAME, D.MOVE_SEND)))
    root.receives(port)
    assert root.names[port] == Entry(SlotKind.SEND_RECEIVE, root.number_of(port), 1)
    assert root.mail(watch) == []
