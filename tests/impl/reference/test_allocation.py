"""Chosen names and choices: mach_port_allocate_name, allocate_full, mach_reply_port, mach_port_rename."""

from typing import Any

import pytest
from support.kernel import NOTHING, Actor, Machine, dead, send

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Right, SlotKind
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, Profile
from sendright.mach.state.snapshot import Entry

NAMED, FULL, RENAME = "mach_port_allocate_name", "mach_port_allocate_full", "mach_port_rename"
KINDS = {Right.RECEIVE: SlotKind.RECEIVE, Right.PORT_SET: SlotKind.PORT_SET, Right.DEAD_NAME: SlotKind.DEAD_NAME}


@pytest.fixture
def root() -> Actor:
    return Machine().root


# mach_port_allocate_name


@pytest.mark.parametrize("right", KINDS)
def test_it_goes_under_the_chosen_name(root: Actor, right: Right) -> None:
    assert root.does(NAMED, right=right, name=1000) == 1000
    assert root.names[1000].kind is KINDS[right]


def test_a_chosen_port_is_as_new_as_any(root: Actor) -> None:
    root.does(NAMED, right=Right.RECEIVE, name=1000)
    plain, chosen = root.port_of(root.port()), root.port_of(1000)
    assert chosen == plain


def test_the_lowest_free_name_may_be_chosen(root: Actor) -> None:
    free = root.port() + 1
    root.does(NAMED, right=Right.DEAD_NAME, name=free)
    assert root.names[free] == dead(urefs=1)
    assert root.port() == free + 1


@pytest.mark.parametrize("name", [NULL_NAME, DEAD_NAME])
def test_reserved_names_cannot_be_chosen(root: Actor, name: int) -> None:
    assert root.refused(NAMED, right=Right.RECEIVE, name=name) == "KERN_INVALID_VALUE"


@pytest.mark.parametrize("right", [Right.SEND, Right.SEND_ONCE, 5, -1])
def test_no_other_right_can_be_made_under_a_chosen_name(root: Actor, right: int) -> None:
    assert root.refused(NAMED, right=right, name=1000) == "KERN_INVALID_VALUE"


def test_faults_of_allocate_name_in_their_order(root: Actor) -> None:
    assert root.refused(NAMED, task=1, right=Right.SEND, name=NULL_NAME) == "KERN_INVALID_TASK"
    assert root.refused(NAMED, right=Right.SEND, name=1) == "KERN_INVALID_VALUE"
    assert root.refused(NAMED, right=Right.RECEIVE, name=1, shortage=1) == "KERN_NAME_EXISTS"
    assert root.refused(NAMED, right=Right.RECEIVE, name=1000, shortage=1) == "KERN_RESOURCE_SHORTAGE"
    root.does(NAMED, right=Right.RECEIVE, name=1000, shortage=2)


def test_a_dead_name_is_in_use(root: Actor) -> None:
    assert root.refused(NAMED, right=Right.RECEIVE, name=root.dead_name()) == "KERN_NAME_EXISTS"


@pytest.mark.parametrize(("profile", "taken"), [(MANUAL, True), (OSF, False), (GNUMACH, True)], ids=lambda value: getattr(value, "name", None))
def test_osf_does_not_take_the_name_of_a_dead_name(profile: Profile, taken: bool) -> None:
    root = Machine(profile).root
    name = root.does(NAMED, right=Right.DEAD_NAME, name=1000)
    assert (name == 1000) == taken
    assert root.names[name] == dead(urefs=1)
    assert (1000 in root.names) == taken


def test_a_name_that_is_not_taken_may_be_in_use() -> None:
    root = Machine(OSF).root
    assert root.does(NAMED, right=Right.DEAD_NAME, name=1) != 1
    assert root.refused(NAMED, right=Right.DEAD_NAME, name=1, shortage=1) == "KERN_RESOURCE_SHORTAGE"
    assert root.refused(NAMED, right=Right.DEAD_NAME, name=NULL_NAME) == "KERN_INVALID_VALUE"
    assert root.refused(NAMED, right=Right.RECEIVE, name=1) == "KERN_NAME_EXISTS"


# mach_port_allocate_full


@pytest.mark.parametrize("right", KINDS)
def test_full_without_choices_is_allocate(root: Actor, right: Right) -> None:
    free = root.port() + 1
    assert root.does(FULL, right=right, name=1000) == free
    assert root.names[free].kind is KINDS[right]


@pytest.mark.parametrize("right", KINDS)
def test_full_with_a_name_is_allocate_name(root: Actor, right: Right) -> None:
    assert root.does(FULL, right=right, named=True, name=1000) == 1000
    assert root.names[1000].kind is KINDS[right]


def test_memory_can_be_set_aside_for_a_receive_right_only(root: Actor) -> None:
    name = root.does(FULL, right=Right.RECEIVE, prealloc=True)
    assert root.names[name].kind is SlotKind.RECEIVE
    for right in (Right.PORT_SET, Right.DEAD_NAME, Right.SEND):
        assert root.refused(FULL, right=right, prealloc=True) == "KERN_INVALID_VALUE"


def test_no_kernel_takes_a_subsystem(root: Actor) -> None:
    for proto in (1, DEAD_NAME, root.dead_name()):
        assert root.refused(FULL, right=Right.RECEIVE, proto=proto) == "KERN_INVALID_VALUE"


def test_faults_of_allocate_full_in_their_order(root: Actor) -> None:
    assert root.refused(FULL, task=1, right=Right.RECEIVE, proto=NOTHING) == "MACH_SEND_INVALID_RIGHT"
    assert root.refused(FULL, task=1, right=Right.RECEIVE, proto=1) == "KERN_INVALID_TASK"
    for fault in ({"proto": 1}, {"prealloc": True, "right": Right.DEAD_NAME}, {"right": Right.SEND}):
        assert root.refused(FULL, shortage=1, **{"right": Right.RECEIVE, "named": True, "name": 1, **fault}) == "KERN_INVALID_VALUE"
    assert root.refused(FULL, right=Right.RECEIVE, named=True, name=NULL_NAME) == "KERN_INVALID_VALUE"
    assert root.refused(FULL, right=Right.RECEIVE, named=True, name=1, shortage=1) == "KERN_NAME_EXISTS"
    for named in (True, False):
        assert root.refused(FULL, right=Right.RECEIVE, named=named, name=1000, shortage=1) == "KERN_RESOURCE_SHORTAGE"


def test_full_ignores_the_name_of_a_dead_name_where_allocate_name_does() -> None:
    assert Machine(OSF).root.does(FULL, right=Right.DEAD_NAME, named=True, name=1000) != 1000


def test_gnumach_lacks_allocate_full() -> None:
    assert Machine(GNUMACH).root.refused(FULL, right=Right.RECEIVE) == "MIG_BAD_ID"


# mach_reply_port


def test_a_reply_port_is_a_new_receive_right(root: Actor) -> None:
    plain = root.port_of(root.port())
    name = root.does("mach_reply_port")
    assert root.names[name] == Entry(SlotKind.RECEIVE, 8)
    assert root.port_of(name) == plain


def test_without_memory_the_reply_port_is_null(root: Actor) -> None:
    before = root.machine.snapshot()
    assert root.does("mach_reply_port", shortage=1) == NULL_NAME
    assert root.machine.snapshot() == before
    assert root.does("mach_reply_port", shortage=2) != NULL_NAME


# mach_port_rename


def rename(root: Actor, old: int, new: int) -> None:
    entry = root.names[old]
    root.does(RENAME, old_name=old, new_name=new)
    assert old not in root.names
    assert root.names[new] == entry


def test_every_kind_of_entry_can_be_renamed(root: Actor) -> None:
    receive, both = root.port(), root.port_with_send(urefs=3)
    names: list[int] = [1, receive, both, root.send_once(receive), root.dead_name(urefs=2), root.does("mach_port_allocate", right=Right.PORT_SET)]
    for new, old in enumerate(names, 1000):
        rename(root, old, new)


def test_a_port_is_known_under_its_new_name(root: Actor) -> None:
    rename(root, 3, 1000)
    root.does("mach_port_insert_right", name=1000, poly=1000, disposition=Disposition.COPY_SEND)
    assert root.names[1000] == send(2, urefs=2)
    assert root.fails("mach_port_insert_right", name=3, poly=1000, disposition=Disposition.COPY_SEND) == "KERN_RIGHT_EXISTS"


def test_a_send_once_right_leaves_its_ports_name_alone(root: Actor) -> None:
    port = root.port()
    rename(root, root.send_once(port), 1000)
    root.does("mach_port_insert_right", name=port, poly=port, disposition=Disposition.MAKE_SEND)
    assert root.names[port].kind is SlotKind.SEND_RECEIVE


def test_the_old_name_is_free(root: Actor) -> None:
    rename(root, 2, 1000)
    assert root.port() == 2


def test_a_renamed_receive_right_receives(root: Actor) -> None:
    port = root.port_with_send()
    root.sends(port, id=5)
    rename(root, port, 1000)
    received = root.receives(1000)
    assert (received["id"], received["local"]) == (5, 1000)


def test_a_renamed_dead_right_is_dead(root: Actor) -> None:
    child = root.child()
    name = child.seen_as
    root.does("task_terminate", task=name)
    root.does(RENAME, old_name=name, new_name=1000)
    assert root.names[1000] == dead(urefs=1)


RENAME_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"task": 1, "old_name": NULL_NAME, "new_name": NULL_NAME}, "KERN_INVALID_TASK"),
    ({"old_name": NULL_NAME, "new_name": DEAD_NAME}, "KERN_INVALID_VALUE"),
    ({"old_name": DEAD_NAME, "new_name": 1}, "KERN_NAME_EXISTS"),
    ({"old_name": DEAD_NAME, "new_name": NOTHING}, "KERN_INVALID_NAME"),
    ({"old_name": NOTHING, "new_name": NULL_NAME}, "KERN_INVALID_VALUE"),
    ({"old_name": 1, "new_name": DEAD_NAME}, "KERN_INVALID_VALUE"),
    ({"old_name": NOTHING, "new_name": 1}, "KERN_NAME_EXISTS"),
    ({"old_name": 2, "new_name": 2}, "KERN_NAME_EXISTS"),
    ({"old_name": NOTHING, "new_name": NOTHING}, "KERN_INVALID_NAME"),
]


@pytest.mark.parametrize(("arguments", "code"), RENAME_FAULTS)
def test_faults_of_rename_in_their_order(root: Actor, arguments: dict[str, Any], code: str) -> None:
    assert root.refused(RENAME, **arguments) == code
