"""What becomes of the kernel's answer to a request when the reply port's queue is full (``ipc_kmsg_send``,
``ipc_kobject_server``).
"""

import pytest
from msgspec import structs
from support.kernel import Actor, Machine

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Notification, Right, SlotKind
from sendright.mach.kernel.profiles import PROFILES, XNU, Profile

COPY, MAKE, MAKE_ONCE = Disposition.COPY_SEND, Disposition.MAKE_SEND, Disposition.MAKE_SEND_ONCE
ID = 400
NEEDING = [profile for profile in PROFILES.values() if profile.kernel_reply_needs_room]
"""XNU. (The answer of XNU 792 waits too. Where it would have to be destroyed, that kernel panics.)"""
needing = pytest.mark.parametrize("profile", NEEDING, ids=lambda profile: profile.name)
others = pytest.mark.parametrize("profile", [profile for profile in PROFILES.values() if profile not in NEEDING], ids=lambda profile: profile.name)


def full_port(profile: Profile, limit: int = 1) -> tuple[Actor, int]:
    """A task, and a port of its with a full queue and a send right."""
    root = Machine(profile).root
    port = root.port_with_send()
    root.does("mach_port_set_attributes", name=port, flavor=1, info=(limit,))
    for _ in range(limit):
        root.sends(port)
    return root, port


def ask(root: Actor, port: int, disposition: int = COPY, **arguments: object) -> None:
    """Send a request that the kernel doesn't know to the task's own port."""
    root.sends(root.me, COPY, id=ID, reply=port, reply_disposition=disposition, **arguments)


def ids(root: Actor, port: int) -> list[int]:
    return [message.id for message in root.port_of(port).queue]


@others
def test_it_is_queued(profile: Profile) -> None:
    root, port = full_port(profile)
    ask(root, port)
    assert ids(root, port) == [0, ID + 100]


@needing
@pytest.mark.parametrize("disposition", [COPY, MAKE])
def test_it_is_destroyed(profile: Profile, disposition: int) -> None:
    """Its send right stays counted: the kernel has lost it."""
    root, port = full_port(profile)
    before = root.port_of(port)
    ask(root, port, disposition)
    after = root.port_of(port)
    assert ids(root, port) == [0]
    assert (after.send_rights, after.lost_send_rights) == (before.send_rights + 1, 1)
    assert root.shown.waiting is None


@needing
def test_no_senders_never_come_then(profile: Profile) -> None:
    root, port = full_port(profile)
    watch = root.port()
    root.asks(port, Notification.NO_SENDERS, watch)
    ask(root, port)
    root.receives(port)
    root.does("mach_port_mod_refs", name=port, right=Right.SEND, delta=-1)
    assert (root.mail(watch), root.port_of(port).send_rights) == ([], 1)
    root.does("mach_port_destroy", name=port)
    assert root.mail(watch) == [(Notification.SEND_ONCE, 0)]


@needing
def test_on_a_send_once_right_it_needs_none(profile: Profile) -> None:
    root, port = full_port(profile)
    ask(root, port, MAKE_ONCE)
    assert ids(root, port) == [0, ID + 100]
    assert root.port_of(port).lost_send_rights == 0


@needing
def test_what_the_request_releases_can_fill_the_queue(profile: Profile) -> None:
    """Room is judged after the request's rights are released: here a send-once right whose notification goes to the
    reply port.
    """
    root, port = full_port(profile, limit=2)
    root.receives(port)
    ask(root, port, descriptors=((port, MAKE_ONCE),))
    assert ids(root, port) == [0, Notification.SEND_ONCE]
    assert root.port_of(port).lost_send_rights == 1


@needing
def test_it_waits_if_the_request_would(profile: Profile) -> None:
    root, port = full_port(profile)
    root.waits("mach_msg_send", dest=root.me, dest_disposition=COPY, id=ID, reply=port, reply_disposition=COPY, wait=True)
    waiting = root.shown.waiting
    assert waiting is not None
    assert waiting.message is not None
    assert (waiting.message.id, waiting.message.from_kernel, waiting.message.reply.entry.kind) == (ID + 100, True, SlotKind.NONE)
    assert waiting.message.destination.port == root.number_of(port)
    assert ids(root, port) == [0]


def waiting_answer(profile: Profile) -> tuple[Actor, int, Actor]:
    """A task whose port's queue is full, and another task for which the kernel's answer waits there."""
    root, port = full_port(profile)
    other = root.machine.last_booted()
    name = root.gives(other, port, COPY)
    other.waits("mach_msg_send", dest=other.me, dest_disposition=COPY, id=ID, reply=name, reply_disposition=Disposition.MOVE_SEND, wait=True)
    return root, port, other


@needing
def test_it_is_queued_when_room_comes(profile: Profile) -> None:
    root, port, other = waiting_answer(profile)
    root.receives(port)
    assert ids(root, port) == []
    assert other.goes_on().code == ReturnCode.MACH_MSG_SUCCESS
    assert ids(root, port) == [ID + 100]
    assert root.port_of(port).lost_send_rights == 0


@needing
def test_its_port_dies(profile: Profile) -> None:
    root, port, other = waiting_answer(profile)
    root.does("mach_port_destroy", name=port)
    assert other.goes_on().code == ReturnCode.MACH_MSG_SUCCESS
    assert other.shown.waiting is None


@needing
def test_its_task_ends(profile: Profile) -> None:
    """It isn't handed back, and its send right is lost."""
    root, port, other = waiting_answer(profile)
    root.does("task_terminate", task=other.seen_as)
    shown = root.port_of(port)
    assert (ids(root, port), shown.send_rights, shown.lost_send_rights) == ([0], 3, 1)


@needing
def test_its_task_ends_when_it_has_room(profile: Profile) -> None:
    root, port, other = waiting_answer(profile)
    root.receives(port)
    root.does("task_terminate", task=other.seen_as)
    assert (ids(root, port), root.port_of(port).lost_send_rights) == ([ID + 100], 0)


@needing
def test_its_task_and_its_port_end(profile: Profile) -> None:
    root, port, other = waiting_answer(profile)
    root.does("mach_port_destroy", name=port)
    root.does("task_terminate", task=other.seen_as)
    assert other.number not in root.machine.snapshot().tasks


def test_without_given_room_the_first_to_come_gets_it() -> None:
    root, port, other = waiting_answer(structs.replace(XNU, room_is_given=False))
    root.receives(port)
    root.sends(port)
    assert other.goes_on().code == ReturnCode.MACH_SEND_IN_PROGRESS
    root.receives(port)
    assert other.goes_on().code == ReturnCode.MACH_MSG_SUCCESS
    assert ids(root, port) == [ID + 100]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_a_null_reply_has_no_answer(profile: Profile) -> None:
    root, port = full_port(profile)
    root.sends(root.me, COPY, id=ID)
    assert ids(root, port) == [0]
