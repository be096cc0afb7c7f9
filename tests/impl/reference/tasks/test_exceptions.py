"""task_set_exception_ports, task_get_exception_ports and task_swap_exception_ports."""

from typing import Any

import pytest
from support.kernel import NOTHING, Actor, Machine, dead, send

from sendright.mach.abi.rights import DEAD_NAME, EXC_MASK_ALL, EXCEPTION_PLACES, NULL_NAME, Place, Right
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, PROFILES, XNU, XNU_792, Profile

SET, GET, SWAP = "task_set_exception_ports", "task_get_exception_ports", "task_swap_exception_ports"
FIRST, SECOND, THIRD, FOURTH, FIFTH, LAST = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 9
"""The bits of some types."""
WITH_EXCEPTIONS = [profile for profile in PROFILES.values() if profile.exception_types]


@pytest.fixture
def root() -> Actor:
    return Machine().root


def put(root: Actor, mask: int, port: int, behavior: int = 1, flavor: int = 0) -> None:
    root.does(SET, exception_mask=mask, new_port=port, behavior=behavior, new_flavor=flavor)


def get(root: Actor, mask: int = EXC_MASK_ALL, **arguments: Any) -> list[tuple[int, int, int, int]]:
    """The groups: mask, port, behaviour and flavour of each."""
    return groups(root.does(GET, exception_mask=mask, **arguments))


def groups(outputs: dict[str, Any]) -> list[tuple[int, int, int, int]]:
    assert list(outputs) == ["masks", "ports", "behaviors", "flavors"]
    return list(zip(*outputs.values(), strict=True))


# task_set_exception_ports


def test_each_type_in_the_mask_gets_the_port(root: Actor) -> None:
    port = root.port_with_send()
    put(root, FIRST | LAST, port, behavior=2, flavor=7)
    right = send(root.number_of(port))
    assert root.shown.places[Place.EXC_BAD_ACCESS] == root.shown.places[Place.EXC_RPC_ALERT] == right
    assert Place.EXC_BAD_INSTRUCTION not in root.shown.places
    assert root.shown.exceptions == {Place.EXC_BAD_ACCESS: (2, 7), Place.EXC_RPC_ALERT: (2, 7)}
    assert (root.port_of(port).send_rights, root.port_of(port).make_send_count, root.names[port].urefs) == (3, 1, 1)


def test_the_old_rights_are_released(root: Actor) -> None:
    first, second = root.port_with_send(), root.port_with_send()
    put(root, EXC_MASK_ALL, first)
    put(root, FIRST | SECOND, second)
    assert (root.port_of(first).send_rights, root.port_of(second).send_rights) == (8, 3)
    put(root, EXC_MASK_ALL, NULL_NAME)
    assert (root.port_of(first).send_rights, root.port_of(second).send_rights) == (1, 1)


def test_a_port_can_replace_itself(root: Actor) -> None:
    port = root.port_with_send()
    for behavior in (1, 3):
        put(root, FIRST, port, behavior)
    assert root.port_of(port).send_rights == 2
    assert root.shown.exceptions == {Place.EXC_BAD_ACCESS: (3, 0)}


def test_any_right_is_taken(root: Actor) -> None:
    dead_name = root.dead_name()
    for name, kept in ((2, send(5)), (DEAD_NAME, dead()), (dead_name, dead())):
        put(root, FIRST, name)
        assert root.shown.places[Place.EXC_BAD_ACCESS] == kept


def test_an_empty_mask_sets_nothing(root: Actor) -> None:
    before = root.machine.snapshot()
    put(root, 0, 1)
    assert root.machine.snapshot() == before


@pytest.mark.parametrize("behavior", [0, 4, -1])
def test_a_live_port_needs_a_behaviour(root: Actor, behavior: int) -> None:
    for call in (SET, SWAP):
        assert root.refused(call, exception_mask=FIRST, new_port=1, behavior=behavior) == "KERN_INVALID_ARGUMENT"
        for port in (NULL_NAME, DEAD_NAME):
            root.does(call, exception_mask=FIRST, new_port=port, behavior=behavior, new_flavor=9)
            assert root.shown.exceptions == {Place.EXC_BAD_ACCESS: (behavior, 9)}


def test_no_behaviour_and_no_flavour_are_not_shown(root: Actor) -> None:
    put(root, FIRST, NULL_NAME, behavior=0, flavor=1)
    assert root.shown.exceptions == {Place.EXC_BAD_ACCESS: (0, 1)}
    put(root, FIRST, NULL_NAME, behavior=0, flavor=0)
    assert root.shown.exceptions == {}


# All three


@pytest.mark.parametrize("call", [SET, GET, SWAP])
def test_a_task_and_a_sound_mask_are_needed(root: Actor, call: str) -> None:
    assert root.refused(call, task=1, exception_mask=FIRST) == "KERN_INVALID_ARGUMENT"
    for mask in (1, FIRST | 1 << 10, -1):
        assert root.refused(call, exception_mask=mask) == "KERN_INVALID_ARGUMENT"


@pytest.mark.parametrize("call", [SET, SWAP])
def test_the_port_is_copied_in_first(root: Actor, call: str) -> None:
    assert root.refused(call, task=1, exception_mask=1, new_port=NOTHING) == "MACH_SEND_INVALID_RIGHT"


@pytest.mark.parametrize("call", [SET, GET, SWAP])
def test_gnumach_has_none_of_them(call: str) -> None:
    root = Machine(GNUMACH).root
    assert root.refused(call, exception_mask=FIRST) == "MIG_BAD_ID"


CRASH, RESOURCE, GUARD, CORPSE = 1 << 10, 1 << 11, 1 << 12, 1 << 13
LATER = {CRASH: Place.EXC_CRASH, RESOURCE: Place.EXC_RESOURCE, GUARD: Place.EXC_GUARD, CORPSE: Place.EXC_CORPSE_NOTIFY}


@pytest.mark.parametrize("profile", WITH_EXCEPTIONS, ids=lambda profile: profile.name)
def test_later_kernels_have_more_types(profile: Profile) -> None:
    root = Machine(profile).root
    port = root.port_with_send()
    for bit, place in LATER.items():
        if profile is XNU:
            put(root, bit, port, behavior=1, flavor=13)
            assert root.shown.places[place] == send(root.number_of(port))
            assert get(root, bit) == swap(root, bit, NULL_NAME) == [(bit, port, 1, 13)]
        else:
            for call in (SET, GET, SWAP):
                assert root.refused(call, exception_mask=bit | FIRST) == "KERN_INVALID_ARGUMENT"
    put(root, profile.exception_mask, NULL_NAME)
    assert [mask for mask, *_ in get(root, profile.exception_mask)] == [profile.exception_mask]


def test_xnu_has_no_type_14_either() -> None:
    root = Machine(XNU).root
    for call in (SET, GET, SWAP):
        for mask in (1 << 14, CRASH | 1, -1):
            assert root.refused(call, exception_mask=mask) == "KERN_INVALID_ARGUMENT"


# task_get_exception_ports


def test_at_first_all_types_go_nowhere(root: Actor) -> None:
    assert get(root) == [(EXC_MASK_ALL, NULL_NAME, 0, 0)]
    assert get(root, 0) == []


def test_equal_types_make_one_group(root: Actor) -> None:
    port = root.port_with_send()
    put(root, FIRST | THIRD, port)
    put(root, SECOND, port, behavior=2)
    put(root, LAST, port, flavor=5)
    expected = [(FIRST | THIRD, port, 1, 0), (SECOND, port, 2, 0), (LAST, port, 1, 5)]
    assert get(root, FIRST | SECOND | THIRD | LAST) == expected
    assert get(root, SECOND | THIRD) == [(SECOND, port, 2, 0), (THIRD, port, 1, 0)]


def test_each_group_gives_one_clone(root: Actor) -> None:
    port = root.port_with_send()
    put(root, FIRST | THIRD, port)
    put(root, SECOND, port, behavior=2)
    before = root.port_of(port)
    get(root, FIRST | SECOND | THIRD)
    assert root.names[port].urefs == 3
    assert root.port_of(port) == before


def test_a_clone_goes_to_the_caller(root: Actor) -> None:
    child = root.child()
    put(root, FIRST, 3)
    ((_, name, _, _),) = groups(root.does(GET, exception_mask=FIRST, task=root.me))
    assert name == 3
    root.gives(child, root.me, 19, name=9)
    ((_, name, _, _),) = groups(child.does(GET, exception_mask=FIRST, task=9))
    assert child.names[name] == send(2, urefs=1)


def set_to_dead_ports(root: Actor) -> None:
    """Types 1 and 3 go to one port that has died since, type 2 to another, types 4 and 5 were set to DEAD."""
    one, other = root.port_with_send(), root.port_with_send()
    put(root, FIRST | THIRD, one)
    put(root, SECOND, other)
    put(root, FOURTH | FIFTH, DEAD_NAME)
    numbers = {Place.EXC_BAD_ACCESS: root.number_of(one), Place.EXC_BAD_INSTRUCTION: root.number_of(other), Place.EXC_ARITHMETIC: root.number_of(one)}
    assert root.shown.died == {}
    for port in (one, other):
        root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.shown.died == numbers
    assert all(root.shown.places[place] == dead() for place in EXCEPTION_PLACES[:5])


def dead_groups(found: list[tuple[int, int, int, int]]) -> list[int]:
    assert all(port == DEAD_NAME and (behaviour, flavour) == (1, 0) for _, port, behaviour, flavour in found)
    return [mask for mask, *_ in found]


REPORTED = [FIRST | FOURTH | FIFTH, SECOND, THIRD]


@pytest.mark.parametrize(
    ("profile", "expected"), [(MANUAL, REPORTED), (OSF, REPORTED), (XNU_792, REPORTED), (XNU, [FIRST | THIRD, SECOND, FOURTH | FIFTH])]
)
def test_get_groups_dead_ports(profile: Profile, expected: list[int]) -> None:
    """Kernels that compare with what they report (``IP_DEAD``) put what was set to DEAD beside a port that has died,
    and no two of these together.
    """
    root = Machine(profile).root
    set_to_dead_ports(root)
    assert dead_groups(get(root, FIRST | SECOND | THIRD | FOURTH | FIFTH)) == expected
    assert dead_groups(get(root, SECOND | FIFTH)) == ([SECOND | FIFTH] if profile is not XNU else [SECOND, FIFTH])


@pytest.mark.parametrize("profile", WITH_EXCEPTIONS, ids=lambda profile: profile.name)
def test_swap_groups_dead_ports_alike_in_all_kernels(profile: Profile) -> None:
    root = Machine(profile).root
    set_to_dead_ports(root)
    assert dead_groups(swap(root, FIRST | SECOND | THIRD | FOURTH | FIFTH, NULL_NAME)) == REPORTED
    assert root.shown.died == {}


def test_ports_that_died_are_told_apart_by_behaviour_and_flavour(root: Actor) -> None:
    put(root, FIRST, DEAD_NAME, behavior=2)
    put(root, SECOND | FOURTH, DEAD_NAME)
    put(root, THIRD, DEAD_NAME, flavor=1)
    expected = [(FIRST, DEAD_NAME, 2, 0), (SECOND | FOURTH, DEAD_NAME, 1, 0), (THIRD, DEAD_NAME, 1, 1)]
    assert get(root, FIRST | SECOND | THIRD | FOURTH) == expected


def test_a_child_inherits_a_port_that_died_as_dead(root: Actor) -> None:
    """The kernel copies the right (``ipc_port_copy_send``), so the child's joins a group."""
    set_to_dead_ports(root)
    child = root.child()
    assert child.shown.died == {}
    every = FIRST | SECOND | THIRD | FOURTH | FIFTH
    assert dead_groups(get(root, every, task=child.seen_as)) == [every]


def test_a_dead_right_is_not_none(root: Actor) -> None:
    put(root, FIRST, DEAD_NAME)
    put(root, SECOND, NULL_NAME)
    assert get(root, FIRST | SECOND) == [(FIRST, DEAD_NAME, 1, 0), (SECOND, NULL_NAME, 1, 0)]


@pytest.mark.parametrize("count", [-1, 0, 1, 2, 3])
def test_groups_without_room_are_left_out(root: Actor, count: int) -> None:
    put(root, FIRST | THIRD, 1)
    put(root, SECOND, 2)
    everything = [(FIRST | THIRD, 1, 1, 0), (SECOND, 2, 1, 0)]
    assert get(root, FIRST | SECOND | THIRD, count=count) == everything[: max(count, 0)]


# task_swap_exception_ports


def swap(root: Actor, mask: int, port: int, **arguments: Any) -> list[tuple[int, int, int, int]]:
    return groups(root.does(SWAP, exception_mask=mask, new_port=port, **arguments))


def test_swap_gives_what_was_there_and_sets(root: Actor) -> None:
    old, new = root.port_with_send(), root.port_with_send()
    put(root, FIRST | THIRD, old)
    assert swap(root, FIRST | SECOND | THIRD, new, behavior=3, new_flavor=4) == [(FIRST | THIRD, old, 1, 0), (SECOND, NULL_NAME, 0, 0)]
    assert get(root, FIRST | SECOND | THIRD) == [(FIRST | SECOND | THIRD, new, 3, 4)]
    assert (root.port_of(old).send_rights, root.names[old].urefs) == (1, 2)
    assert root.port_of(new).send_rights == 4


def test_types_that_there_is_no_room_for_keep_what_they_had(root: Actor) -> None:
    put(root, FIRST | THIRD, 1)
    put(root, SECOND, 2)
    assert swap(root, FIRST | SECOND | THIRD, 3, behavior=2, count=1) == [(FIRST | THIRD, 1, 1, 0)]
    assert get(root, FIRST | SECOND | THIRD) == [(FIRST | THIRD, 3, 2, 0), (SECOND, 2, 1, 0)]


def test_without_room_nothing_is_set(root: Actor) -> None:
    before = root.machine.snapshot()
    assert swap(root, EXC_MASK_ALL, 1, count=0) == []
    assert root.machine.snapshot() == before


def test_a_right_that_only_the_kernel_held_reaches_the_caller(root: Actor) -> None:
    put(root, FIRST, 3)
    root.does("mach_port_destroy", name=3)
    assert root.machine.port(2).send_rights == 1
    ((_, name, _, _),) = swap(root, FIRST, NULL_NAME)
    assert root.names[name] == send(2, urefs=1)
    assert root.machine.port(2).send_rights == 1


# Inheritance and end


def test_a_child_inherits_all(root: Actor) -> None:
    port = root.port_with_send()
    put(root, FIRST, port, behavior=2, flavor=3)
    put(root, SECOND, NULL_NAME, behavior=9)
    child = root.child()
    assert child.shown.places[Place.EXC_BAD_ACCESS] == send(root.number_of(port))
    assert child.shown.exceptions == root.shown.exceptions == {Place.EXC_BAD_ACCESS: (2, 3), Place.EXC_BAD_INSTRUCTION: (9, 0)}
    assert (root.port_of(port).send_rights, root.port_of(port).make_send_count) == (3, 1)


def test_what_the_parent_sets_later_is_not_the_childs(root: Actor) -> None:
    put(root, FIRST, 1)
    child = root.child()
    put(root, FIRST, 2, behavior=3)
    assert child.shown.places[Place.EXC_BAD_ACCESS] == send(1)
    assert child.shown.exceptions == {Place.EXC_BAD_ACCESS: (1, 0)}


def test_a_task_that_ends_gives_its_rights_up(root: Actor) -> None:
    port, child = root.port_with_send(), root.child()
    root.does(SET, task=child.seen_as, exception_mask=EXC_MASK_ALL, new_port=port)
    assert root.port_of(port).send_rights == 10
    root.does("task_terminate", task=child.seen_as)
    assert root.port_of(port).send_rights == 1
