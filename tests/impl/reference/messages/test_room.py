"""Which of several senders gets the room that comes in a queue."""

import pytest
from msgspec import structs
from support.kernel import Actor, Machine

from sendright.mach.abi.codes import ReturnCode, code_name
from sendright.mach.abi.rights import Disposition
from sendright.mach.kernel.profiles import PROFILES, XNU, XNU_792, Profile

COPY = Disposition.COPY_SEND
GIVEN = (XNU, XNU_792)
every_profile = pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
giving = pytest.mark.parametrize("profile", GIVEN, ids=lambda profile: profile.name)


def senders(profile: Profile, limit: int = 1) -> tuple[Actor, int, list[tuple[Actor, int]]]:
    """A receiver, its port with a full queue, and two tasks that wait for room there, each with its name for the
    port.
    """
    machine = Machine(profile)
    root = machine.root
    port = root.port_with_send()
    root.does("mach_port_set_attributes", name=port, flavor=1, info=(limit,))
    for _ in range(limit):
        root.sends(port)
    found = []
    for number in (1, 2):
        other = root.child() if profile.serves("task_create") else machine.booted(number)
        name = root.gives(other, port, COPY)
        other.waits("mach_msg_send", dest=name, dest_disposition=COPY, id=10 + number, wait=True)
        found.append((other, name))
    return root, port, found


def has_room(actor: Actor) -> bool:
    waiting = actor.shown.waiting
    return waiting is not None and waiting.has_room


def ids(root: Actor, port: int) -> list[int]:
    return [message.id for message in root.port_of(port).queue]


@every_profile
def test_room_that_comes(profile: Profile) -> None:
    """It is the first waiting sender's, also when a third task comes before that sender goes on; elsewhere whoever
    comes gets it.
    """
    root, port, ((first, _), (second, _)) = senders(profile)
    root.receives(port)
    given = profile in GIVEN
    assert (has_room(first), has_room(second)) == (given, False)
    code = root.result("mach_msg_send", dest=port, dest_disposition=COPY, id=3).code
    assert code_name(code) == ("MACH_SEND_TIMED_OUT" if given else "KERN_SUCCESS")
    assert second.goes_on().code == ReturnCode.MACH_SEND_IN_PROGRESS
    assert first.goes_on().code == (0 if given else ReturnCode.MACH_SEND_IN_PROGRESS)
    assert ids(root, port) == ([11] if given else [3])


@giving
def test_a_limit_that_is_raised(profile: Profile) -> None:
    """As many senders get in as it rose by, above the limit too."""
    root, port, ((first, _), (second, _)) = senders(profile, limit=3)
    root.does("mach_port_set_attributes", name=port, flavor=1, info=(1,))
    assert not has_room(first)
    root.does("mach_port_set_attributes", name=port, flavor=1, info=(2,))
    assert (has_room(first), has_room(second)) == (True, False)
    assert root.does("mach_port_get_attributes", name=port, flavor=2, count=10)[4] == 4
    assert first.goes_on().code == 0
    assert ids(root, port) == [0, 0, 0, 11]
    assert root.does("mach_port_get_attributes", name=port, flavor=2, count=10)[4] == 4


@giving
def test_messages_above_the_limit_give_no_room(profile: Profile) -> None:
    root, port, ((first, _), _) = senders(profile, limit=2)
    root.does("mach_port_set_attributes", name=port, flavor=1, info=(1,))
    root.receives(port)
    assert not has_room(first)
    root.receives(port)
    assert has_room(first)


@giving
def test_room_stays_with_a_port_that_moves(profile: Profile) -> None:
    root, port, ((first, _), (second, _)) = senders(profile)
    root.receives(port)
    queue = root.port()
    root.sends(queue, Disposition.MAKE_SEND, descriptors=((port, Disposition.MOVE_RECEIVE),))
    ((port, _),) = root.receives(queue)["descriptors"]
    assert first.goes_on().code == 0
    assert second.goes_on().code == ReturnCode.MACH_SEND_IN_PROGRESS
    assert ids(root, port) == [11]


@giving
def test_a_message_with_room_is_queued_when_its_task_ends(profile: Profile) -> None:
    root, port, ((first, _), (second, _)) = senders(structs.replace(profile, processes=0))
    root.receives(port)
    root.does("task_terminate", task=first.seen_as)
    assert ids(root, port) == [11]
    root.does("task_terminate", task=second.seen_as)
    assert ids(root, port) == [11]
    root.receives(port)
    assert not root.port_of(port).queue


@giving
def test_room_at_a_port_that_dies(profile: Profile) -> None:
    root, port, ((first, _), (second, _)) = senders(profile)
    root.receives(port)
    root.does("mach_port_destroy", name=port)
    assert (first.goes_on().code, second.goes_on().code) == (0, 0)
    assert (first.shown.waiting, second.shown.waiting) == (None, None)
