"""Port sets: their members, and receiving from them."""

from typing import Any

import pytest
from msgspec import structs
from support.kernel import NOTHING, Actor, Machine

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Right
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, Profile

MOVE, INSERT, EXTRACT = "mach_port_move_member", "mach_port_insert_member", "mach_port_extract_member"


@pytest.fixture
def root() -> Actor:
    return Machine().root


def port_set(actor: Actor) -> int:
    name: int = actor.does("mach_port_allocate", right=Right.PORT_SET)
    return name


def set_of(actor: Actor, *members: int) -> int:
    """A new port set with these members."""
    pset = port_set(actor)
    for member in members:
        actor.does(MOVE, member=member, after=pset)
    return pset


# mach_port_move_member


def test_a_member_moves_from_set_to_set(root: Actor) -> None:
    port, first, second = root.port(), port_set(root), port_set(root)
    root.does(MOVE, member=port, after=first)
    assert root.shown.sets == {first: (port,)}
    root.does(MOVE, member=port, after=second)
    assert root.shown.sets == {second: (port,)}
    root.does(MOVE, member=port)
    assert root.shown.sets == {}


def test_a_member_may_move_to_where_it_is(root: Actor) -> None:
    port = root.port()
    pset = set_of(root, port)
    root.does(MOVE, member=port, after=pset)
    assert root.shown.sets == {pset: (port,)}


def test_moving_takes_it_out_of_all_sets(root: Actor) -> None:
    port = root.port_with_send()
    first, second, third = port_set(root), port_set(root), port_set(root)
    for pset in (first, second):
        root.does(INSERT, name=port, pset=pset)
    root.does(MOVE, member=port, after=third)
    assert root.shown.sets == {third: (port,)}
    root.does(INSERT, name=port, pset=first)
    root.does(MOVE, member=port, after=NULL_NAME)
    assert root.shown.sets == {}


def test_moving_takes_only_that_member(root: Actor) -> None:
    stays, goes = root.port(), root.port()
    pset = set_of(root, stays, goes)
    root.does(MOVE, member=goes)
    assert root.shown.sets == {pset: (stays,)}


def test_out_of_no_set_is_what_the_profile_says() -> None:
    for profile in (MANUAL, OSF, GNUMACH):
        root = Machine(profile).root
        assert root.refused(MOVE, member=root.port()) == profile.null_move_code.name == "KERN_NOT_IN_SET"


def test_out_of_no_set_may_be_no_mistake() -> None:
    root = Machine(structs.replace(MANUAL, null_move_code=ReturnCode.KERN_SUCCESS)).root
    port = root.port()
    before = root.machine.snapshot()
    root.does(MOVE, member=port)
    assert root.machine.snapshot() == before


def test_faults_of_move_member_in_their_order(root: Actor) -> None:
    port, pset = root.port(), port_set(root)
    assert root.refused(MOVE, task=1, member=NOTHING) == "KERN_INVALID_TASK"
    for member in (NOTHING, NULL_NAME, DEAD_NAME):
        assert root.refused(MOVE, member=member, after=1) == "KERN_INVALID_NAME"
    for member in (1, pset, root.dead_name(), root.send_once(port)):
        assert root.refused(MOVE, member=member, after=NOTHING) == "KERN_INVALID_RIGHT"
    for after in (NOTHING, DEAD_NAME):
        assert root.refused(MOVE, member=port, after=after) == "KERN_INVALID_NAME"
    for after in (1, port):
        assert root.refused(MOVE, member=port, after=after) == "KERN_INVALID_RIGHT"


# mach_port_insert_member, mach_port_extract_member


def test_a_port_can_be_in_many_sets(root: Actor) -> None:
    port, first, second = root.port(), port_set(root), port_set(root)
    root.does(INSERT, name=port, pset=first)
    root.does(INSERT, name=port, pset=second)
    assert root.shown.sets == {first: (port,), second: (port,)}
    root.does(EXTRACT, name=port, pset=first)
    assert root.shown.sets == {second: (port,)}


def test_a_set_can_have_many_members(root: Actor) -> None:
    first, second, pset = root.port(), root.port_with_send(), port_set(root)
    for port in (second, first):
        root.does(INSERT, name=port, pset=pset)
    assert root.shown.sets == {pset: (first, second)}
    root.does(EXTRACT, name=first, pset=pset)
    assert root.shown.sets == {pset: (second,)}


def test_a_port_is_in_a_set_once(root: Actor) -> None:
    port = root.port()
    pset = set_of(root, port)
    assert root.refused(INSERT, name=port, pset=pset) == "KERN_ALREADY_IN_SET"


def test_only_a_member_can_be_extracted(root: Actor) -> None:
    port, other = root.port(), root.port()
    set_of(root, port)
    pset = set_of(root, other)
    assert root.refused(EXTRACT, name=port, pset=pset) == "KERN_NOT_IN_SET"
    assert root.refused(EXTRACT, name=port, pset=port_set(root)) == "KERN_NOT_IN_SET"


@pytest.mark.parametrize("call", [INSERT, EXTRACT])
def test_faults_of_insert_and_extract_in_their_order(root: Actor, call: str) -> None:
    port = root.port()
    assert root.refused(call, task=1, name=NOTHING, pset=NOTHING) == "KERN_INVALID_TASK"
    for name in (NOTHING, NULL_NAME, DEAD_NAME):
        assert root.refused(call, name=name, pset=1) == "KERN_INVALID_NAME"
    for name in (1, port_set(root), root.dead_name()):
        assert root.refused(call, name=name, pset=NOTHING) == "KERN_INVALID_RIGHT"
    for pset in (NOTHING, NULL_NAME, DEAD_NAME):
        assert root.refused(call, name=port, pset=pset) == "KERN_INVALID_NAME"
    for pset in (1, port):
        assert root.refused(call, name=port, pset=pset) == "KERN_INVALID_RIGHT"


@pytest.mark.parametrize("profile", [OSF, GNUMACH], ids=lambda profile: profile.name)
def test_other_kernels_only_move(profile: Profile) -> None:
    root = Machine(profile).root
    for call in (INSERT, EXTRACT):
        assert root.refused(call, name=root.port(), pset=port_set(root)) == "MIG_BAD_ID"


# mach_port_get_set_status


def test_the_status_lists_the_members(root: Actor) -> None:
    first, second = root.port(), root.port()
    assert root.does("mach_port_get_set_status", name=port_set(root)) == ()
    assert root.does("mach_port_get_set_status", name=set_of(root, second, first)) == (first, second)


def test_only_a_set_has_a_status(root: Actor) -> None:
    assert root.refused("mach_port_get_set_status", task=1, name=NOTHING) == "KERN_INVALID_TASK"
    for name in (NOTHING, NULL_NAME, DEAD_NAME):
        assert root.refused("mach_port_get_set_status", name=name) == "KERN_INVALID_NAME"
    for name in (1, root.port(), root.dead_name()):
        assert root.refused("mach_port_get_set_status", name=name) == "KERN_INVALID_RIGHT"


# How members and sets end


ENDS: dict[str, dict[str, Any]] = {
    "mach_port_destroy": {},
    "mach_port_mod_refs": {"right": Right.RECEIVE, "delta": -1},
}


@pytest.mark.parametrize("call", ENDS)
@pytest.mark.parametrize("with_send", [True, False])
def test_a_member_that_dies_leaves_all_sets(root: Actor, call: str, with_send: bool) -> None:
    port, other = root.port_with_send() if with_send else root.port(), root.port()
    first, second = port_set(root), set_of(root, other)
    for pset in (first, second):
        root.does(INSERT, name=port, pset=pset)
    root.does(call, name=port, **ENDS[call])
    assert root.shown.sets == {second: (other,)}


@pytest.mark.parametrize("with_send", [True, False])
def test_a_member_that_is_moved_away_leaves_its_sets(root: Actor, with_send: bool) -> None:
    port, queue = root.port_with_send() if with_send else root.port(), root.port_with_send()
    set_of(root, port)
    root.sends(queue, descriptors=((port, Disposition.MOVE_RECEIVE),))
    assert root.shown.sets == {}
    assert root.receives(queue)["descriptors"] == ((port, 16),)
    assert root.shown.sets == {}


def test_a_send_right_that_goes_leaves_its_receive_right_in_the_set(root: Actor) -> None:
    port = root.port_with_send()
    pset = set_of(root, port)
    root.does("mach_port_deallocate", name=port)
    assert root.shown.sets == {pset: (port,)}


@pytest.mark.parametrize("call", ["mach_port_destroy", "mach_port_mod_refs"])
def test_a_set_that_ends_leaves_its_members_free(root: Actor, call: str) -> None:
    port, pset, other = root.port_with_send(), port_set(root), port_set(root)
    for name in (pset, other):
        root.does(INSERT, name=port, pset=name)
    before = root.port_of(port)
    root.does(call, name=pset, **({"right": Right.PORT_SET, "delta": -1} if call == "mach_port_mod_refs" else {}))
    assert root.shown.sets == {other: (port,)}
    assert root.port_of(port) == before
    assert port_set(root) == pset
    assert root.does("mach_port_get_set_status", name=pset) == ()


def test_renaming_keeps_members_and_sets(root: Actor) -> None:
    first, second, lonely = root.port(), root.port(), root.port()
    pset, other = set_of(root, first, second), set_of(root, lonely)
    root.does("mach_port_rename", old_name=pset, new_name=1000)
    assert root.shown.sets == {1000: (first, second), other: (lonely,)}
    root.does("mach_port_rename", old_name=first, new_name=1001)
    assert root.shown.sets == {1000: (second, 1001), other: (lonely,)}


def test_a_childs_sets_are_its_own(root: Actor) -> None:
    pset = set_of(root, root.port())
    child = root.child()
    assert child.shown.sets == {}
    theirs = root.does("mach_port_allocate_name", task=child.seen_as, right=Right.PORT_SET, name=1000)
    root.does("mach_port_allocate_name", task=child.seen_as, right=Right.RECEIVE, name=1001)
    root.does(MOVE, task=child.seen_as, member=1001, after=theirs)
    assert child.shown.sets == {1000: (1001,)}
    assert set(root.shown.sets) == {pset}


# mach_msg_receive


def test_a_set_without_messages_has_nothing(root: Actor) -> None:
    assert root.refused("mach_msg_receive", port=port_set(root)) == "MACH_RCV_TIMED_OUT"
    outside = root.port_with_send()
    root.sends(outside)
    assert root.refused("mach_msg_receive", port=set_of(root, root.port())) == "MACH_RCV_TIMED_OUT"


def test_a_set_gives_its_members_messages(root: Actor) -> None:
    first, second, third = (root.port_with_send() for _ in range(3))
    pset = set_of(root, third, first, second)
    for port, id in ((third, 7), (second, 5), (second, 6)):
        root.sends(port, id=id)
    received = [root.receives(pset) for _ in range(3)]
    assert [(message["local"], message["id"], message["sequence_number"]) for message in received] == [(second, 5, 0), (second, 6, 1), (third, 7, 0)]
    assert root.refused("mach_msg_receive", port=pset) == "MACH_RCV_TIMED_OUT"


def test_a_message_is_received_once(root: Actor) -> None:
    port = root.port_with_send()
    first, second = port_set(root), port_set(root)
    for pset in (first, second):
        root.does(INSERT, name=port, pset=pset)
    root.sends(port)
    assert root.receives(second)["local"] == port
    assert root.refused("mach_msg_receive", port=first) == "MACH_RCV_TIMED_OUT"


def test_a_member_can_be_received_from_where_there_are_many_sets(root: Actor) -> None:
    port = root.port_with_send()
    set_of(root, port)
    root.sends(port)
    assert root.receives(port)["local"] == port


@pytest.mark.parametrize("profile", [OSF, GNUMACH], ids=lambda profile: profile.name)
def test_a_member_cannot_be_received_from_where_there_is_one_set(profile: Profile) -> None:
    root = Machine(profile).root
    port = root.port_with_send()
    pset = set_of(root, port)
    assert root.refused("mach_msg_receive", port=port) == "MACH_RCV_IN_SET"
    root.sends(port)
    assert root.refused("mach_msg_receive", port=port) == "MACH_RCV_IN_SET"
    assert root.receives(pset)["local"] == port
    root.sends(port)
    root.does(MOVE, member=port)
    assert root.receives(port)["local"] == port
