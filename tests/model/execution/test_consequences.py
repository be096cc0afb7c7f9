"""The order of consequences, in every profile: what requesters hear when a task or a port ends, and in which order.

Each expectation is what the code of that profile's kernels leads to (see ``model/execution/consequences.py``). No
kernel runs here: the specification alone says what is in the queues.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec
import pytest
from support.by_hand import CHILD, ME, ByHand, received

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import HEADER_SIZE
from sendright.mach.abi.rights import Disposition, Notification, Right, SlotKind
from sendright.mach.abi.tokens import KERNEL_AUDIT_TOKEN, KERNEL_SECURITY_TOKEN
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, PROFILES, XNU, XNU_792, Profile
from sendright.model.execution.oracle import Oracle

DELETED, DESTROYED, NONE, ONCE, DEAD = (
    int(each)
    for each in (
        Notification.PORT_DELETED,
        Notification.PORT_DESTROYED,
        Notification.NO_SENDERS,
        Notification.SEND_ONCE,
        Notification.DEAD_NAME,
    )
)
MAKE, MAKE_ONCE, MOVE, MOVE_RECEIVE = Disposition.MAKE_SEND, Disposition.MAKE_SEND_ONCE, Disposition.MOVE_SEND, Disposition.MOVE_RECEIVE
ALL = list(PROFILES.values())


class Watched(ByHand):
    """The bootstrap task listens at a port and is told of what its child's ports and names go through.

    Names are given by small numbers, and have the profile's form.
    """

    def __init__(self, profile: Profile) -> None:
        super().__init__(msgspec.structs.replace(profile, processes=min(profile.processes, 1)))  # the second task ends
        self.target = CHILD
        if profile.serves("task_create"):
            self.child()
        else:  # the other tasks are there from boot
            self.target = len(profile.bootstrap_names) + 1
        self.ear = self.receive(100, ME)

    def n(self, number: int) -> int:
        """The name with this number."""
        return self.profile.chosen_name(number)

    def receive(self, number: int, task: int | None = None) -> int:
        """A receive right of the child's (or another task's) under the name, with a new port, whose number is the
        result.
        """
        return self.port(self.n(number), task or self.target)

    def insert(self, number: int, right: int, disposition: int = MAKE) -> None:
        """The bootstrap task inserts a right of its own under a name of the child's."""
        self.says("mach_port_insert_right", {"task": self.target, "name": self.n(number), "poly": self.n(right), "disposition": disposition})

    def watch(self, number: int, what: int, at: int = 100, sync: int = 0) -> None:
        """The bootstrap task asks to be told about a name of the child's, at a port of its own."""
        given = {"task": self.target, "name": self.n(number), "variant": what, "sync": sync, "notify": self.n(at), "notify_disposition": MAKE_ONCE}
        self.says("mach_port_request_notification", given, previous=0)

    def own(self, number: int, disposition: int, *, by: int = 1) -> None:
        """The child makes a right of a receive right of its own, under the same name."""
        given = {"task": self.self_name, "name": self.n(number), "poly": self.n(number), "disposition": disposition}
        self.says("mach_port_insert_right", given, by=by)

    def send(self, to: int, *rights: tuple[int, int], by: int = 1, reply: tuple[int, int] = (0, 0)) -> None:
        """A message to a receive right of the sender's."""
        descriptors = [(self.n(number), disposition) for number, disposition in rights]
        given: dict[str, Any] = {"dest": self.n(to), "dest_disposition": MAKE, "descriptors": descriptors}
        if reply[0]:
            given |= {"reply": self.n(reply[0]), "reply_disposition": reply[1]}
        self.says("mach_msg_send", given, by=by)

    @property
    def self_name(self) -> int:
        """The child's name for itself."""
        if not hasattr(self, "_self_name"):
            self._self_name = self.n(90)
            self.says("mach_task_self", port=self._self_name, by=1)
        return self._self_name

    def end(self) -> list[int]:
        """The child ends: what the bootstrap task is told, in order."""
        self.says("task_terminate", {"task": self.target})
        return self.told()

    def told(self, port: int | None = None) -> list[int]:
        return [message.id for message in self.queue(self.ear if port is None else port)]

    def number(self, name: int) -> int:
        """The small number of a name."""
        return name // 256 if self.profile.name_index_max else name

    def receives(self, what: int, data: int = 0) -> tuple[Call, Result]:
        """The bootstrap task receives this notification at its ear."""
        number = len([call for _, call, _ in self.steps if call.name == "mach_msg_receive"])
        port = self.n(100)
        told = received(port, id=what, data=data, sequence_number=number, security_token=KERNEL_SECURITY_TOKEN, audit_token=KERNEL_AUDIT_TOKEN)
        return Call("mach_msg_receive", {"port": port}), Result(ReturnCode.KERN_SUCCESS, told)


@pytest.fixture(params=ALL, ids=lambda profile: profile.name)
def run(request: pytest.FixtureRequest) -> Watched:
    return Watched(request.param)


def extract_once(run: Watched, name: int, to: int) -> None:
    """The child holds a send-once right to its own port, under another name (the bootstrap task puts it there)."""
    given = {"task": run.target, "name": run.n(name), "disposition": MAKE_ONCE}
    run.says("mach_port_extract_right", given, poly=run.n(60), acquired=Disposition.MOVE_SEND_ONCE)
    run.insert(to, 60, Disposition.MOVE_SEND_ONCE)


# ---- one name after another


def test_a_port_that_died_under_a_lower_name(run: Watched) -> None:
    run.receive(1)
    extract_once(run, 1, 2)
    run.watch(2, DEAD)
    assert run.end() == [DEAD]


def test_a_port_that_dies_under_a_higher_name(run: Watched) -> None:
    run.receive(5)
    extract_once(run, 5, 2)
    run.watch(2, DEAD)
    assert run.end() == [DELETED]


def test_a_queue_that_goes_before_a_port(run: Watched) -> None:
    """The lower name's queue has the only send right to the port of the higher name."""
    run.receive(1)
    run.receive(2)
    run.send(1, (2, MAKE))
    run.watch(2, NONE)
    assert run.end() == [NONE]


def test_a_queue_that_goes_after_a_port(run: Watched) -> None:
    run.receive(1)
    run.receive(2)
    run.send(2, (1, MAKE))
    run.watch(1, NONE)
    assert run.end() == [ONCE]


def test_a_watched_name_whose_port_dies_in_a_queue(run: Watched) -> None:
    run.receive(1)
    run.receive(2)
    run.own(2, MAKE)
    run.watch(2, DEAD)
    run.send(1, (2, MOVE_RECEIVE))
    assert run.end() == [DEAD]


def test_one_name_with_all_requests(run: Watched) -> None:
    """Its port has another name's watcher; the send right under its name is the last one."""
    run.receive(1)
    run.own(1, MAKE)
    extract_once(run, 1, 2)
    for name, what in ((1, DEAD), (1, NONE), (2, DEAD)):
        run.watch(name, what)
    assert run.end() == [DEAD, NONE, DELETED], "the port dies first, then its name is finished"


def test_a_name_whose_port_is_rescued(run: Watched) -> None:
    """The receive right goes home first; then no-senders and port-deleted are told."""
    run.receive(1)
    run.own(1, MAKE)
    for what in (DEAD, NONE, DESTROYED):
        run.watch(1, what)
    assert run.end() == [DESTROYED, NONE, DELETED]


def test_a_make_send_count_is_lost_with_a_rescued_receive_right(run: Watched) -> None:
    """The send right under a higher name's queue goes after the receive right has moved: no-senders tells 0."""
    run.receive(1)
    run.receive(2)
    run.send(2, (1, MAKE))
    run.watch(1, DESTROYED)
    run.watch(1, NONE)
    assert run.end() == [DESTROYED, NONE]
    assert run.queue(run.ear)[1].data == 0


def test_the_make_send_count_of_a_receive_right_that_has_not_moved(run: Watched) -> None:
    run.receive(1)
    run.receive(2)
    run.send(1, (2, MAKE))
    run.watch(2, DESTROYED)
    run.watch(2, NONE)
    assert run.end() == [NONE, DESTROYED]
    assert run.queue(run.ear)[0].data == 1


def test_a_requester_that_dies_later_in_the_same_call(run: Watched) -> None:
    """Port 1's receive right goes to the queue of port 2, and ends with it, before name 3 ends."""
    for name in (1, 2, 3):
        run.receive(name)
    extract_once(run, 1, 4)
    extract_once(run, 3, 5)
    given = {"task": run.self_name, "name": run.n(1), "variant": DESTROYED, "sync": 0, "notify": run.n(2), "notify_disposition": MAKE_ONCE}
    run.says("mach_port_request_notification", given, by=1, previous=0)
    run.watch(4, DEAD)
    run.watch(5, DEAD)
    run.end()
    assert [run.number(message.data) for message in run.queue(run.ear)] == [4, 5]


def test_a_requester_that_a_circular_rescue_ends(run: Watched) -> None:
    """Port 1 asks to be sent to itself, and so dies, with the receive right of port 3 in its queue. To that port 2
    should have gone.
    """
    for name in (1, 2, 3):
        run.receive(name)
    for name, to in ((1, 1), (2, 3)):
        given = {"task": run.self_name, "name": run.n(name), "variant": DESTROYED, "sync": 0, "notify": run.n(to), "notify_disposition": MAKE_ONCE}
        run.says("mach_port_request_notification", given, by=1, previous=0)
    extract_once(run, 2, 4)
    run.watch(4, DEAD)
    run.send(1, (3, MOVE_RECEIVE))
    assert run.end() == [DEAD]


# ---- messages


def watched_in_messages(run: Watched) -> list[int]:
    """Port 1's queue has two messages: the first carries port 2, in whose queue is the last send right to port 5; the
    second has that to port 6. The counts that no-senders tells for these, in order.
    """
    for name in (105, 106):
        run.receive(name, ME)
    run.receive(1)
    run.receive(2)
    given = {"task": ME, "name": run.n(106), "mscount": 7}
    run.says("mach_port_set_mscount", given)
    for name in (105, 106):
        run.insert(name - 100, name)
        given = {"task": ME, "name": run.n(name), "variant": NONE, "sync": 0, "notify": run.n(100), "notify_disposition": MAKE_ONCE}
        run.says("mach_port_request_notification", given, previous=0)
    run.send(2, (5, MOVE))
    run.send(1, (2, MOVE_RECEIVE))
    run.send(1, (6, MOVE))
    run.end()
    return [message.data for message in run.queue(run.ear)]


@pytest.mark.parametrize("profile", [MANUAL, OSF, GNUMACH, XNU_792], ids=lambda profile: profile.name)
def test_what_a_message_leads_to_is_over_before_the_next(profile: Profile) -> None:
    assert watched_in_messages(Watched(profile)) == [1, 8]


def test_a_queue_ends_whole_in_xnu() -> None:
    assert watched_in_messages(Watched(XNU)) == [8, 1]


@pytest.mark.parametrize("reply_first", [True, False])
def test_the_parts_of_a_message(run: Watched, reply_first: bool) -> None:
    """Whether the last send right or the receive right is first in the message, decides."""
    run.receive(1)
    run.receive(2)
    run.own(2, MAKE)
    run.watch(2, NONE)
    rights = [(2, MOVE), (2, MOVE_RECEIVE)]
    run.send(1, *(rights if reply_first else rights[::-1]))
    assert run.end() == [NONE if reply_first else ONCE]


def test_a_reply_ends_before_the_body(run: Watched) -> None:
    run.receive(1)
    run.receive(2)
    run.own(2, MAKE)
    run.watch(2, NONE)
    run.send(1, (2, MOVE_RECEIVE), reply=(2, MOVE))
    assert run.end() == [NONE]


@pytest.mark.parametrize("profile", [MANUAL, OSF, GNUMACH, XNU_792], ids=lambda profile: profile.name)
def test_a_dying_port_gives_up_its_request_before_its_queue(profile: Profile) -> None:
    run = Watched(profile)
    request_and_queue(run)
    assert run.end() == [ONCE, NONE]


def test_a_dying_port_gives_up_its_request_after_its_queue_in_xnu() -> None:
    run = Watched(XNU)
    request_and_queue(run)
    assert run.end() == [NONE, ONCE]


def request_and_queue(run: Watched) -> None:
    """Port 1 has a no-senders request, and in its queue the last send right to port 5, which has one, too."""
    run.receive(1)
    run.receive(105, ME)
    run.insert(5, 105)
    given = {"task": ME, "name": run.n(105), "variant": NONE, "sync": 0, "notify": run.n(100), "notify_disposition": MAKE_ONCE}
    run.says("mach_port_request_notification", given, previous=0)
    run.watch(1, NONE, sync=9)
    run.send(1, (5, MOVE))


def within_a_message(run: Watched, to: int) -> list[int]:
    """Port 2 asks to be sent to a port of the child's. Another name watches it, and its queue has a last send right."""
    run.receive(2)
    extract_once(run, 2, 4)
    run.watch(4, DEAD)
    run.receive(105, ME)
    run.insert(5, 105)
    given = {"task": ME, "name": run.n(105), "variant": NONE, "sync": 0, "notify": run.n(100), "notify_disposition": MAKE_ONCE}
    run.says("mach_port_request_notification", given, previous=0)
    given = {"task": run.self_name, "name": run.n(2), "variant": DESTROYED, "sync": 0, "notify": run.n(to), "notify_disposition": MAKE_ONCE}
    run.says("mach_port_request_notification", given, by=1, previous=0)
    run.send(2, (5, MOVE))
    return run.end()


def test_a_port_whose_requester_is_dead_dies_within_a_message(run: Watched) -> None:
    """Its queue has to wait until that message is over; its dead-name requests needn't."""
    run.receive(1)
    assert within_a_message(run, 1) == [DEAD, NONE]


def test_a_port_whose_rescue_is_circular(run: Watched) -> None:
    silent = run.profile.name in ("osf", "gnumach")
    assert within_a_message(run, 2) == ([NONE, DEAD] if silent else [DEAD, NONE])


def asks(run: Watched, name: int, what: int, to: int = 100) -> None:
    """The bootstrap task asks to be told about a port of its own, at another of its ports."""
    given = {"task": ME, "name": run.n(name), "variant": what, "sync": 0, "notify": run.n(to), "notify_disposition": MAKE_ONCE}
    run.says("mach_port_request_notification", given, previous=0)


def last_sent(run: Watched, queue: int, name: int, mark: int = 0) -> None:
    """The queue has the last send right to a new port of the bootstrap task's. No-senders will tell ``mark`` and 1
    more.
    """
    run.receive(name, ME)
    run.says("mach_port_set_mscount", {"task": ME, "name": run.n(name), "mscount": mark})
    run.send(queue, (name, MAKE), by=0)
    asks(run, name, NONE)


def give_up(run: Watched, name: int) -> None:
    run.says("mach_port_mod_refs", {"task": ME, "name": run.n(name), "right": Right.RECEIVE, "delta": -1})


def mine(run: Watched, name: int, of: int, disposition: int) -> None:
    """The bootstrap task makes a right of a receive right of its own."""
    run.says("mach_port_insert_right", {"task": ME, "name": run.n(name), "poly": run.n(of), "disposition": disposition})


@pytest.mark.parametrize("with_send", [False, True])
def test_a_receive_right_is_given_up_whose_requester_is_dead(run: Watched, with_send: bool) -> None:
    """Message 69 is destroyed, and the port dies within that: its dead-name requests fire before its queue ends."""
    for name in (101, 102):
        run.receive(name, ME)
    asks(run, 101, DESTROYED, to=102)
    give_up(run, 102)
    mine(run, 104, 101, MAKE_ONCE)
    asks(run, 104, DEAD)
    last_sent(run, 101, 105)
    if with_send:
        mine(run, 101, 101, MAKE)
    give_up(run, 101)
    assert run.told() == [DEAD, NONE]
    left = run.state.tasks[0].names.get(run.n(101))
    assert (left is None) is not with_send
    if left is not None:
        assert left.kind == (SlotKind.SEND if run.profile.name == XNU.name else SlotKind.DEAD_NAME), "XNU looks at it later"
        assert (left.port, left.urefs) == (None, 1)


def test_a_receive_right_is_given_up_whose_rescue_is_circular(run: Watched) -> None:
    """Its requester's port lies in its queue, and is rescued from there: it hears 71, if message 69 was made."""
    for name in (101, 102):
        run.receive(name, ME)
    asks(run, 101, DESTROYED, to=102)
    asks(run, 102, DESTROYED)
    backup = max(run.state.ports)
    mine(run, 104, 101, MAKE_ONCE)
    asks(run, 104, DEAD)
    last_sent(run, 101, 105)
    run.send(101, (102, MOVE_RECEIVE), by=0)
    give_up(run, 101)
    silent = run.profile in (OSF, GNUMACH)
    assert run.told() == ([NONE, DESTROYED, DEAD] if silent else [DEAD, NONE, DESTROYED])
    assert run.told(backup) == ([] if silent else [ONCE])


@pytest.mark.parametrize("profile", [OSF, GNUMACH, XNU_792], ids=lambda profile: profile.name)
@pytest.mark.parametrize("circular", [False, True])
def test_a_name_that_is_dead_though_its_port_is_rescued(profile: Profile, circular: bool) -> None:
    """Hazard H-8. Its dead-name request fires last. (We decided so: those kernels leave it with the port.)"""
    run = Watched(profile)
    run.receive(101, ME)
    mine(run, 101, 101, MAKE)
    asks(run, 101, DESTROYED, to=101 if circular else 100)
    asks(run, 101, DEAD)
    last_sent(run, 101, 105)
    give_up(run, 101)
    assert run.told() == ([NONE, DEAD] if circular else [DESTROYED, DEAD])
    left = run.state.tasks[0].names[run.n(101)]
    assert (left.kind, left.urefs) == (SlotKind.DEAD_NAME, 2)


# ---- a message that waits for room


class Waiting(Watched):
    """The child's queues hold one message, and that of port 9, to which it sends, is full."""

    def __init__(self, profile: Profile) -> None:
        super().__init__(msgspec.structs.replace(profile, queue_limit=1))
        self.receive(9, ME)
        self.insert(9, 9)
        self.send(9, by=0)

    def wait(self, *rights: tuple[int, int]) -> None:
        """The child waits to send these rights to port 9."""
        descriptors = [(self.n(number), disposition) for number, disposition in rights]
        given = {"dest": self.n(9), "dest_disposition": Disposition.COPY_SEND, "descriptors": descriptors, "wait": True}
        self.fails(ReturnCode.MACH_SEND_IN_PROGRESS, "mach_msg_send", given, by=1)


@pytest.fixture(params=ALL, ids=lambda profile: profile.name)
def waits(request: pytest.FixtureRequest) -> Waiting:
    return Waiting(request.param)


def test_a_waiting_message_is_handed_back_to_the_name_of_its_port(waits: Waiting) -> None:
    """The receive right is under the watched name again when the space ends: that name is freed, and its port dies."""
    waits.receive(1)
    waits.own(1, MAKE)
    waits.watch(1, DEAD)
    waits.wait((1, MOVE_RECEIVE))
    assert waits.end() == [DELETED]


@pytest.mark.parametrize("number", [2, 3])
def test_the_last_send_right_waits_in_a_message(waits: Waiting, number: int) -> None:
    """It is under its port's name when the space ends, whichever number that has."""
    waits.receive(number)
    waits.watch(number, NONE, sync=9)
    waits.wait((number, MAKE))
    assert waits.end() == [NONE]


def test_a_message_that_waits_for_a_port_that_has_died(waits: Waiting) -> None:
    """The kernel destroys it, and doesn't hand it back: its rights end before the names."""
    waits.receive(1)
    for name, mark in ((105, 0), (106, 6)):
        waits.receive(name, ME)
        waits.says("mach_port_set_mscount", {"task": ME, "name": waits.n(name), "mscount": mark})
        waits.insert(name - 100, name)
        asks(waits, name, NONE)
    waits.send(1, (5, MOVE))
    waits.wait((6, MOVE))
    give_up(waits, 9)
    waits.end()
    assert [message.data for message in waits.queue(waits.ear)] == [7, 1]


def test_a_send_once_right_that_waits_in_a_message(waits: Waiting) -> None:
    waits.insert(1, 100, MAKE_ONCE)
    waits.wait((1, Disposition.MOVE_SEND_ONCE))
    assert waits.end() == [ONCE]


# ---- places


@pytest.mark.parametrize(
    ("profile", "first"), [(MANUAL, True), (OSF, True), (GNUMACH, True), (XNU_792, False), (XNU, False)], ids=lambda each: getattr(each, "name", None)
)
def test_places_and_names(profile: Profile, first: bool) -> None:
    """The last send right is the bootstrap port of the task that has the receive right."""
    run = Watched(profile)
    run.receive(1)
    run.watch(1, NONE, sync=9)
    given = {"task": run.target, "name": run.n(1), "disposition": MAKE}
    run.says("mach_port_extract_right", given, poly=run.n(60), acquired=MOVE)
    bootstrap = next(number for number, place in profile.special_ports.items() if place.name == "BOOTSTRAP")
    run.says("task_set_special_port", {"task": run.target, "which": bootstrap, "port": run.n(60)})
    run.says("mach_port_deallocate", {"task": ME, "name": run.n(60)})
    assert run.end() == [NONE if first else ONCE]


# ---- what one call on a name leads to


def test_a_last_send_right_and_its_name(run: Watched) -> None:
    """mach_port_deallocate: no-senders is told, then port-deleted."""
    run.receive(105, ME)
    run.insert(1, 105)
    given = {"task": ME, "name": run.n(105), "variant": NONE, "sync": 0, "notify": run.n(100), "notify_disposition": MAKE_ONCE}
    run.says("mach_port_request_notification", given, previous=0)
    run.watch(1, DEAD)
    run.says("mach_port_deallocate", {"task": run.target, "name": run.n(1)})
    assert run.told() == [NONE, DELETED]


def test_a_send_once_right_and_its_name(run: Watched) -> None:
    run.insert(1, 100, MAKE_ONCE)
    run.watch(1, DEAD)
    run.says("mach_port_deallocate", {"task": run.target, "name": run.n(1)})
    assert run.told() == [ONCE, DELETED]


def test_a_receive_right_alone_and_its_name(run: Watched) -> None:
    """mach_port_mod_refs: the port dies, then port-deleted is told."""
    run.receive(1)
    extract_once(run, 1, 2)
    run.watch(1, DEAD)
    run.watch(2, DEAD)
    run.says("mach_port_mod_refs", {"task": run.target, "name": run.n(1), "right": Right.RECEIVE, "delta": -1})
    assert run.told() == [DEAD, DELETED]


def test_a_receive_right_that_is_rescued_and_its_name(run: Watched) -> None:
    run.receive(1)
    run.watch(1, DEAD)
    run.watch(1, DESTROYED)
    run.says("mach_port_mod_refs", {"task": run.target, "name": run.n(1), "right": Right.RECEIVE, "delta": -1})
    assert run.told() == [DESTROYED, DELETED]


def test_destruct_tells_no_senders_first() -> None:
    for call, given, told in (("mach_port_destroy", {}, [DEAD, NONE]), ("mach_port_destruct", {"srdelta": -1, "guard": 0}, [NONE, DEAD])):
        run = Watched(XNU)
        run.receive(1)
        run.own(1, MAKE)
        extract_once(run, 1, 2)
        run.watch(1, NONE)
        run.watch(2, DEAD)
        run.says(call, {"task": run.target, "name": run.n(1), **given})
        assert run.told() == told


# ---- messages that aren't on the list of those to destroy


def with_a_message_of_a_port(run: Watched) -> None:
    """A port of the bootstrap task's is watched, and a message in its queue carries a send-once right."""
    run.receive(105, ME)
    run.insert(1, 105)
    run.watch(1, DEAD)
    run.send(105, (100, MAKE_ONCE), by=0)


def test_a_message_that_is_too_large_ends_at_once(run: Watched) -> None:
    """The queue of the port that dies with it is destroyed before the port's dead-name request fires
    (``ipc_kmsg_copyout_dest``).
    """
    with_a_message_of_a_port(run)
    home = run.receive(106, ME)
    run.send(106, (105, MOVE_RECEIVE), by=0)
    size = HEADER_SIZE if run.profile.lost_size_is_header else run.queue(home)[0].size
    run.fails(ReturnCode.MACH_RCV_TOO_LARGE, "mach_msg_receive", {"port": run.n(106), "limit": HEADER_SIZE}, size=size)
    assert run.told() == [ONCE, DEAD]


def test_a_message_that_cant_be_sent_ends_at_once(run: Watched) -> None:
    """As a lost one (``ipc_kmsg_clean_partial``)."""
    with_a_message_of_a_port(run)
    run.receive(106, ME)
    descriptors = [(run.n(105), MOVE_RECEIVE), (run.n(107), MAKE)]
    given = {"dest": run.n(106), "dest_disposition": MAKE, "descriptors": descriptors}
    run.fails(ReturnCode.MACH_SEND_INVALID_RIGHT, "mach_msg_send", given)
    assert run.told() == [ONCE, DEAD]


def test_a_destroyed_request_is_on_the_list(run: Watched) -> None:
    """mach_port_insert_right: the space knows the port already, and the message with the receive right is destroyed."""
    with_a_message_of_a_port(run)
    given = {"task": run.target, "name": run.n(2), "poly": run.n(105), "disposition": MOVE_RECEIVE}
    run.fails(ReturnCode.KERN_RIGHT_EXISTS, "mach_port_insert_right", given)
    assert run.told() == [DEAD, ONCE]


# ---- what a kernel leaves open


def test_the_requests_of_one_port_fire_in_any_order() -> None:
    """Two names watch one port: whichever dead-name message is received first. Its order with others is known."""
    run = Watched(MANUAL)
    run.receive(1)
    extract_once(run, 1, 2)
    extract_once(run, 1, 3)
    run.watch(2, DEAD)
    run.watch(3, DEAD)
    run.watch(1, NONE, sync=9)
    assert run.end() == [ONCE, DEAD, DEAD]
    for first, ok in ((2, False), (0, True)):
        assert run.would(0, *run.receives(ONCE if first == 0 else DEAD, data=run.n(first) if first else 0)).agreed is ok
    run.answers(0, *run.receives(ONCE))
    for name in (3, 2):
        run.answers(0, *run.receives(DEAD, data=run.n(name)))


@pytest.mark.parametrize("profile", [MANUAL, XNU_792, XNU], ids=lambda profile: profile.name)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_handed_back_right_ends_anywhere_among_the_names(profile: Profile, place: int) -> None:
    """The last send right to a port, under the name that the kernel chooses. The other names keep their order."""
    waits = Waiting(profile)
    for number in (3, 4):
        waits.receive(100 + number, ME)
        waits.insert(number, 100 + number)
        waits.watch(number, DEAD)
    waits.receive(105, ME)
    waits.insert(5, 105)
    asks(waits, 105, NONE)
    waits.wait((5, MOVE))
    assert sorted(waits.end()) == [DELETED, DELETED, NONE]
    told = [(DELETED, waits.n(3)), (DELETED, waits.n(4))]
    told.insert(place, (NONE, 1))
    assert not waits.would(0, *waits.receives(DELETED, waits.n(4))).agreed, "the order of two names is known"
    for what, data in told:
        waits.answers(0, *waits.receives(what, data))


def test_a_kernel_that_shows_its_queues_shows_where_a_handed_back_right_ended() -> None:
    run = Waiting(MANUAL)
    for number in (3, 4):
        run.receive(100 + number, ME)
        run.insert(number, 100 + number)
        run.watch(number, DEAD)
    run.insert(5, 100, MAKE_ONCE)
    run.wait((5, Disposition.MOVE_SEND_ONCE))
    before = list(run.steps)
    run.end()
    specified, queue = run.state, run.queue(run.ear)
    assert [message.id for message in queue] == [ONCE, DELETED, DELETED]
    for order in permutations(range(3)):
        oracle = Oracle(run.profile)
        for step in before:
            assert oracle.judge(*step).agreed
        shown_queue = tuple(queue[index] for index in order)
        ports = dict(specified.ports) | {run.ear: msgspec.structs.replace(specified.ports[run.ear], queue=shown_queue)}
        shown = msgspec.structs.replace(specified, ports=ports)
        assert oracle.judge(*run.steps[len(before)], shown).agreed
        assert (oracle.snapshot() == shown) is (order.index(1) < order.index(2)), order


def test_only_what_is_open_is_taken_over_from_a_kernel() -> None:
    """A kernel shows the notifications of one call in another order: the specification follows it for requests of one
    port, and for nothing else.
    """
    run = Watched(MANUAL)
    run.receive(1)
    for name in (2, 3):
        extract_once(run, 1, name)
        run.watch(name, DEAD)
    run.watch(1, NONE, sync=9)
    before = list(run.steps)
    run.end()
    specified, queue = run.state, run.queue(run.ear)
    for order, follows in (((0, 1, 2), True), ((0, 2, 1), True), ((1, 0, 2), False), ((1, 2, 0), False)):
        oracle = Oracle(MANUAL)
        for step in before:
            assert oracle.judge(*step).agreed
        shown_queue = tuple(queue[index] for index in order)
        ports = dict(specified.ports) | {run.ear: msgspec.structs.replace(specified.ports[run.ear], queue=shown_queue)}
        shown = msgspec.structs.replace(specified, ports=ports)
        assert oracle.judge(*run.steps[len(before)], shown).agreed
        assert (oracle.snapshot() == shown) is follows, order
