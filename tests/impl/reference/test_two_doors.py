"""Calls that a task of the profile ``xnu`` makes on itself by a trap, and on another task by a message."""

import pytest
from support.kernel import NOTHING, Actor, Machine, dead

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Right, SlotKind
from sendright.mach.kernel.profiles import PROFILES, XNU, Profile
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.snapshot import Entry

D = Disposition
TARGET = XNU.chosen_name(60)
TRAP, MESSAGE = "trap", "message"
doors = pytest.mark.parametrize("door", [TRAP, MESSAGE])


@pytest.fixture
def root() -> Actor:
    return Machine(XNU).root


def task(root: Actor, door: str) -> int:
    """The target: the caller itself, or another task."""
    return root.me if door == TRAP else root.machine.booted(1).seen_as


def inserts(root: Actor, door: str, poly: int, disposition: int, name: int = TARGET) -> str:
    return root.fails("mach_port_insert_right", task=task(root, door), name=name, poly=poly, disposition=disposition)


def requests(root: Actor, door: str, name: int, notify: int, disposition: int) -> str:
    arguments = {"task": task(root, door), "name": name, "variant": 72, "notify": notify, "notify_disposition": disposition}
    return root.fails("mach_port_request_notification", **arguments)


def either(door: str, trap: str, message: str) -> str:
    return trap if door == TRAP else message


@doors
@pytest.mark.parametrize("disposition", [*range(16, 22), 5])
def test_an_unknown_right(root: Actor, door: str, disposition: int) -> None:
    assert inserts(root, door, NOTHING, disposition) == either(door, "KERN_INVALID_NAME", "MACH_SEND_INVALID_RIGHT")


@doors
@pytest.mark.parametrize("poly", [NULL_NAME, DEAD_NAME])
@pytest.mark.parametrize(("disposition", "name"), [(19, TARGET), (5, TARGET), (19, NULL_NAME), (19, DEAD_NAME)])
def test_null_and_dead(root: Actor, door: str, poly: int, disposition: int, name: int) -> None:
    wrong = disposition == 5 or name != TARGET
    message = "KERN_INVALID_VALUE" if wrong else "KERN_INVALID_CAPABILITY"
    assert inserts(root, door, poly, disposition, name) == either(door, "KERN_INVALID_NAME", message)


@doors
@pytest.mark.parametrize("disposition", [*range(16, 22), 5])
def test_a_right_that_does_not_fit(root: Actor, door: str, disposition: int) -> None:
    """A port set never does; nor does a number that is no disposition."""
    pset = root.does("mach_port_allocate", right=Right.PORT_SET)
    unfit = {16: 1, 17: root.port(), 18: 1, 19: root.port(), 20: 1, 21: 1, 5: 1}[disposition]
    for poly in (pset, unfit):
        assert inserts(root, door, poly, disposition) == either(door, "KERN_INVALID_RIGHT", "MACH_SEND_INVALID_RIGHT")


@doors
def test_an_immovable_receive_right(root: Actor, door: str) -> None:
    port = root.does("mach_port_construct", context=7, context_as_guard=True, immovable=True)
    assert inserts(root, door, port, D.MOVE_RECEIVE) == either(door, "KERN_INVALID_CAPABILITY", "MACH_SEND_INVALID_RIGHT")
    assert root.port_of(port).immovable


@doors
@pytest.mark.parametrize("disposition", range(16, 22))
def test_a_dead_name(root: Actor, door: str, disposition: int) -> None:
    name = root.dead_name(urefs=2)
    taken = disposition in (17, 18, 19)
    wrong = either(door, "KERN_INVALID_RIGHT", "MACH_SEND_INVALID_RIGHT")
    assert inserts(root, door, name, disposition) == ("KERN_INVALID_CAPABILITY" if taken else wrong)
    assert root.names[name] == dead(urefs=1 if disposition in (17, 18) else 2)


@doors
def test_a_reserved_name_with_a_right_that_moves(root: Actor, door: str) -> None:
    """The right is taken first, and lost."""
    port = root.port_with_send()
    assert inserts(root, door, port, D.MOVE_SEND, NULL_NAME) == "KERN_INVALID_VALUE"
    assert root.names[port].kind is SlotKind.RECEIVE


@pytest.mark.parametrize(("disposition", "urefs"), [(D.MAKE_SEND, 2), (D.COPY_SEND, 2)])
def test_one_name_for_both(root: Actor, disposition: Disposition, urefs: int) -> None:
    port = root.port_with_send()
    counts = root.port_of(port)
    root.does("mach_port_insert_right", name=port, poly=port, disposition=disposition)
    assert root.names[port].urefs == urefs
    assert root.port_of(port).send_rights == 1
    assert root.port_of(port).make_send_count == counts.make_send_count + (disposition is D.MAKE_SEND)


@pytest.mark.parametrize("disposition", [D.MAKE_SEND, D.COPY_SEND])
def test_one_name_that_is_dead(root: Actor, disposition: Disposition) -> None:
    """The trap doesn't look at the name; by message, MAKE_SEND doesn't fit."""
    known = root.dead_name()
    assert inserts(root, TRAP, known, disposition, known) == "KERN_INVALID_CAPABILITY"
    other = root.machine.booted(1)
    port = other.port()
    name = root.does("mach_port_extract_right", task=other.seen_as, name=port, disposition=D.MAKE_SEND)["poly"]
    other.does("mach_port_destroy", name=port)
    assert inserts(root, TRAP, name, disposition, name) == "KERN_INVALID_CAPABILITY"
    assert root.names[name] == Entry(SlotKind.SEND, None, 1, told=False)
    taken = XNU.chosen_name(61)
    other.does("mach_port_allocate_name", right=Right.DEAD_NAME, name=taken)
    copied = disposition is D.COPY_SEND
    assert inserts(root, MESSAGE, known, disposition, known) == ("KERN_INVALID_CAPABILITY" if copied else "MACH_SEND_INVALID_RIGHT")


@pytest.mark.parametrize("disposition", [D.MAKE_SEND, D.COPY_SEND])
def test_one_name_that_does_not_fit(root: Actor, disposition: Disposition) -> None:
    pset, port = root.does("mach_port_allocate", right=Right.PORT_SET), root.port()
    for name in (pset, root.send_once(port), 1 if disposition is D.MAKE_SEND else port):
        assert inserts(root, TRAP, name, disposition, name) == "KERN_INVALID_RIGHT"
    for name in (NULL_NAME, DEAD_NAME, NOTHING):
        assert inserts(root, TRAP, name, disposition, name) == "KERN_INVALID_NAME"


@doors
def test_a_receive_right_that_a_trap_cannot_insert(root: Actor, door: str) -> None:
    """The trap ends the right itself; a message ends as a whole, and what lies in the dead port's queue waits for
    that.
    """
    watch, port, last = root.port(), root.port_with_send(), root.port()
    root.sends(port, D.COPY_SEND, descriptors=((last, D.MAKE_SEND),))
    root.asks(last, 70, watch)
    root.asks(port, 72, watch)
    target = root.machine.booted(1)
    taken = root.send_once(watch, 62) if door == TRAP else root.gives(target, watch, D.MAKE_SEND_ONCE, name=62)
    assert inserts(root, door, port, D.MOVE_RECEIVE, taken) == ("KERN_RIGHT_EXISTS" if door == TRAP else "KERN_NAME_EXISTS")
    assert root.mail(watch) == ([(70, 1), (72, port)] if door == TRAP else [(72, port), (70, 1)])


# requests


@doors
def test_a_notify_right_that_does_not_fit(root: Actor, door: str) -> None:
    other = root.machine.booted(1)
    name = root.port() if door == TRAP else other.port()
    sends = [(1, 18), (1, 21), (root.dead_name(), 21)]
    for notify, disposition in sends:
        assert requests(root, door, name, notify, disposition) == either(door, "KERN_INVALID_RIGHT", "MACH_SEND_INVALID_RIGHT")
    for disposition in (18, 21):
        assert requests(root, door, name, NOTHING, disposition) == either(door, "KERN_INVALID_NAME", "MACH_SEND_INVALID_RIGHT")


@doors
def test_a_notify_right_that_the_trap_leaves_to_the_message(root: Actor, door: str) -> None:
    name = root.port() if door == TRAP else root.machine.booted(1).port()
    assert requests(root, door, name, DEAD_NAME, 18) == "KERN_INVALID_CAPABILITY"
    assert requests(root, door, name, root.dead_name(), 18) == "KERN_INVALID_CAPABILITY"
    arguments = {"task": task(root, door), "name": name, "variant": 72}
    assert root.does("mach_port_request_notification", notify=NULL_NAME, notify_disposition=18, **arguments) == NULL_NAME
    assert requests(root, door, name, 1, 17) == "MIG_BAD_ARGUMENTS"
    assert requests(root, door, name, NOTHING, 17) == "MACH_SEND_INVALID_RIGHT"


# which calls, and where


def test_the_calls_are_calls() -> None:
    assert XNU.own_calls_are_traps <= SIGNATURES.keys()
    assert all(SIGNATURES[call].target == "task" for call in XNU.own_calls_are_traps)


@pytest.mark.parametrize("profile", [profile for profile in PROFILES.values() if profile is not XNU], ids=lambda profile: profile.name)
def test_elsewhere_all_calls_are_messages(profile: Profile) -> None:
    root = Machine(profile).root
    assert inserts(root, TRAP, NOTHING, D.COPY_SEND, name=60) == "MACH_SEND_INVALID_RIGHT"
    assert requests(root, TRAP, root.port(), NOTHING, 18) == "MACH_SEND_INVALID_RIGHT"


def test_extracting_is_a_message(root: Actor) -> None:
    assert root.refused("mach_port_extract_right", name=NOTHING, disposition=D.COPY_SEND) == "KERN_INVALID_NAME"
