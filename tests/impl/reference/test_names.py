"""Names and user references: mach_port_allocate, deallocate, destroy, get_refs, mod_refs, type, names."""

import pytest
from support.kernel import NOTHING, Actor, Machine, dead, send

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Right, SlotKind
from sendright.mach.state.snapshot import Entry

SEND_MAX = 65534
DEAD_MAX = 65535


@pytest.fixture
def root() -> Actor:
    return Machine().root


def port_set(root: Actor) -> int:
    name: int = root.does("mach_port_allocate", right=Right.PORT_SET)
    return name


def refs(root: Actor, name: int, right: int) -> int:
    count: int = root.does("mach_port_get_refs", name=name, right=right)
    return count


def mod_refs(root: Actor, name: int, right: int, delta: int) -> None:
    root.does("mach_port_mod_refs", name=name, right=right, delta=delta)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("mach_port_allocate", {"right": 99}),
        ("mach_port_deallocate", {"name": NOTHING}),
        ("mach_port_destroy", {"name": NOTHING}),
        ("mach_port_get_refs", {"name": NOTHING, "right": 99}),
        ("mach_port_mod_refs", {"name": NOTHING, "right": 99, "delta": 5}),
        ("mach_port_type", {"name": NOTHING}),
        ("mach_port_names", {}),
        ("mach_port_extract_right", {"name": NOTHING, "disposition": 99}),
    ],
)
def test_the_task_is_tested_first(root: Actor, call: str, arguments: dict[str, int]) -> None:
    assert root.refused(call, task=1, **arguments) == "KERN_INVALID_TASK"


@pytest.mark.parametrize("name", [NULL_NAME, DEAD_NAME, NOTHING])
@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("mach_port_deallocate", {}),
        ("mach_port_destroy", {}),
        ("mach_port_get_refs", {"right": Right.SEND}),
        ("mach_port_mod_refs", {"right": Right.SEND, "delta": 0}),
        ("mach_port_type", {}),
        ("mach_port_extract_right", {"disposition": Disposition.COPY_SEND}),
    ],
)
def test_names_that_denote_nothing(root: Actor, call: str, arguments: dict[str, int], name: int) -> None:
    assert root.refused(call, name=name, **arguments) == "KERN_INVALID_NAME"


# mach_port_allocate


def test_allocating_a_receive_right_makes_a_port(root: Actor) -> None:
    name = root.does("mach_port_allocate", right=Right.RECEIVE)
    assert root.names[name] == Entry(SlotKind.RECEIVE, 7)
    port = root.port_of(name)
    assert (port.make_send_count, port.sequence_number, port.send_rights, port.send_once_rights) == (0, 0, 0, 0)
    assert (port.queue_limit, port.queue, port.task) == (5, (), None)


def test_allocating_a_port_set_or_a_dead_name_makes_no_port(root: Actor) -> None:
    members, dead_name = port_set(root), root.does("mach_port_allocate", right=Right.DEAD_NAME)
    assert root.names[members] == Entry(SlotKind.PORT_SET)
    assert root.names[dead_name] == dead(urefs=1)
    assert 7 not in root.machine.snapshot().ports


@pytest.mark.parametrize("right", [Right.SEND, Right.SEND_ONCE, 5, -1])
def test_other_rights_cannot_be_allocated(root: Actor, right: int) -> None:
    assert root.refused("mach_port_allocate", shortage=1, right=right) == "KERN_INVALID_VALUE"


@pytest.mark.parametrize("right", [Right.RECEIVE, Right.PORT_SET, Right.DEAD_NAME])
def test_allocation_can_fail(root: Actor, right: int) -> None:
    assert root.refused("mach_port_allocate", shortage=1, right=right) == "KERN_RESOURCE_SHORTAGE"
    root.does("mach_port_allocate", shortage=2, right=right)


def test_a_fresh_name_is_the_lowest_free_one(root: Actor) -> None:
    assert [root.port() for _ in range(3)] == [7, 8, 9]
    root.does("mach_port_destroy", name=8)
    root.does("mach_port_destroy", name=2)
    assert [root.port() for _ in range(3)] == [2, 8, 10]


def test_a_fresh_name_avoids_chosen_ones(root: Actor) -> None:
    port = root.port()
    root.does("mach_port_insert_right", name=8, poly=port, disposition=Disposition.MAKE_SEND_ONCE)
    assert root.port() == 9


# mach_port_deallocate


def test_deallocate_gives_up_one_reference(root: Actor) -> None:
    name = root.port_with_send(urefs=2)
    root.does("mach_port_deallocate", name=name)
    assert root.names[name] == Entry(SlotKind.SEND_RECEIVE, 7, 1)
    root.does("mach_port_deallocate", name=name)
    assert root.names[name] == Entry(SlotKind.RECEIVE, 7)
    assert root.port_of(name).send_rights == 0
    assert root.port_of(name).make_send_count == 1


def test_deallocating_the_last_reference_frees_the_name(root: Actor) -> None:
    root.does("mach_port_deallocate", name=3)
    assert 3 not in root.names
    assert root.machine.port(2).send_rights == 0


def test_deallocating_a_dead_name(root: Actor) -> None:
    name = root.dead_name(urefs=2)
    root.does("mach_port_deallocate", name=name)
    assert root.names[name] == dead(urefs=1)
    root.does("mach_port_deallocate", name=name)
    assert name not in root.names


def test_deallocating_a_send_once_right_notifies(root: Actor) -> None:
    port = root.port()
    name = root.send_once(port)
    root.does("mach_port_deallocate", name=name)
    assert name not in root.names
    assert [message.id for message in root.port_of(port).queue] == [71]


@pytest.mark.parametrize("call", ["mach_port_deallocate", "mach_port_destroy"])
def test_a_send_once_name_that_goes_leaves_the_ports_other_name_known(root: Actor, call: str) -> None:
    port = root.port()
    root.does(call, name=root.send_once(port))
    assert root.does("mach_port_extract_right", name=port, disposition=Disposition.MAKE_SEND)["poly"] == port


def test_receive_rights_and_port_sets_cannot_be_deallocated(root: Actor) -> None:
    assert root.refused("mach_port_deallocate", name=root.port()) == "KERN_INVALID_RIGHT"
    assert root.refused("mach_port_deallocate", name=port_set(root)) == "KERN_INVALID_RIGHT"


# mach_port_destroy


def test_destroy_takes_all_references(root: Actor) -> None:
    root.add_send_references(3, 4)
    root.does("mach_port_destroy", name=3)
    dead_name = root.dead_name(urefs=5)
    root.does("mach_port_destroy", name=dead_name)
    assert not {3, dead_name} & root.names.keys()
    assert root.machine.port(2).send_rights == 0


def test_destroying_send_and_receive_leaves_no_dead_name(root: Actor) -> None:
    name = root.port_with_send(urefs=3)
    root.does("mach_port_destroy", name=name)
    assert name not in root.names
    assert 7 not in root.machine.snapshot().ports


def test_destroying_a_port_set_or_a_send_once_right(root: Actor) -> None:
    port, members = root.port(), port_set(root)
    root.does("mach_port_destroy", name=members)
    root.does("mach_port_destroy", name=root.send_once(port))
    assert members not in root.names
    assert len(root.port_of(port).queue) == 1


# mach_port_get_refs


def test_get_refs_counts_one_kind_of_right(root: Actor) -> None:
    both, dead_name = root.port_with_send(urefs=3), root.dead_name(urefs=4)
    expected = {both: [3, 1, 0, 0, 0], root.send_once(both): [0, 0, 1, 0, 0], port_set(root): [0, 0, 0, 1, 0], dead_name: [0, 0, 0, 0, 4]}
    assert {name: [refs(root, name, right) for right in Right] for name in expected} == expected


@pytest.mark.parametrize("right", [5, -1])
def test_get_refs_tests_the_kind_of_right_before_the_name(root: Actor, right: int) -> None:
    assert root.refused("mach_port_get_refs", name=NOTHING, right=right) == "KERN_INVALID_VALUE"


# mach_port_mod_refs


@pytest.mark.parametrize("right", [5, -1])
def test_mod_refs_tests_the_kind_of_right_before_the_name(root: Actor, right: int) -> None:
    assert root.refused("mach_port_mod_refs", name=NOTHING, right=right, delta=-1) == "KERN_INVALID_VALUE"


def test_mod_refs_tests_for_the_right_before_the_delta(root: Actor) -> None:
    receive, both, members, dead_name = root.port(), root.port_with_send(), port_set(root), root.dead_name()
    once = root.send_once(both)
    fit = {(receive, 1), (both, 0), (both, 1), (once, 2), (members, 3), (dead_name, 4)}
    for name in (receive, both, once, members, dead_name):
        for right in Right:
            if (name, right) not in fit:
                assert root.refused("mach_port_mod_refs", name=name, right=right, delta=-70000) == "KERN_INVALID_RIGHT"


def test_single_references_change_by_minus_one_or_not_at_all(root: Actor) -> None:
    receive, members = root.port(), port_set(root)
    once = root.send_once(receive)
    for name, right in ((receive, Right.RECEIVE), (once, Right.SEND_ONCE), (members, Right.PORT_SET)):
        for delta in (1, -2):
            assert root.refused("mach_port_mod_refs", name=name, right=right, delta=delta) == "KERN_INVALID_VALUE"
        before = root.machine.snapshot()
        mod_refs(root, name, right, 0)
        assert root.machine.snapshot() == before


def test_mod_refs_releases_single_references(root: Actor) -> None:
    receive, members = root.port(), port_set(root)
    once = root.send_once(receive)
    mod_refs(root, once, Right.SEND_ONCE, -1)
    assert len(root.port_of(receive).queue) == 1
    mod_refs(root, members, Right.PORT_SET, -1)
    mod_refs(root, receive, Right.RECEIVE, -1)
    assert not {receive, members, once} & root.names.keys()


def test_giving_up_receive_leaves_the_send_right_as_a_dead_name(root: Actor) -> None:
    name = root.port_with_send(urefs=3)
    mod_refs(root, name, Right.RECEIVE, -1)
    assert root.names[name] == dead(urefs=3)
    assert refs(root, name, Right.DEAD_NAME) == 3


def test_send_references_have_a_sum_and_limits(root: Actor) -> None:
    mod_refs(root, 3, Right.SEND, 2)
    assert root.names[3] == send(2, urefs=3)
    assert root.machine.port(2).send_rights == 1
    assert root.refused("mach_port_mod_refs", name=3, right=Right.SEND, delta=-4) == "KERN_INVALID_VALUE"
    assert root.refused("mach_port_mod_refs", name=3, right=Right.SEND, delta=SEND_MAX - 2) == "KERN_UREFS_OVERFLOW"
    mod_refs(root, 3, Right.SEND, SEND_MAX - 3)
    mod_refs(root, 3, Right.SEND, 0)
    assert refs(root, 3, Right.SEND) == SEND_MAX
    mod_refs(root, 3, Right.SEND, -SEND_MAX)
    assert 3 not in root.names


def test_all_send_references_gone_the_receive_right_remains(root: Actor) -> None:
    name = root.port_with_send(urefs=3)
    mod_refs(root, name, Right.SEND, -3)
    assert root.names[name] == Entry(SlotKind.RECEIVE, 7)
    assert root.port_of(name).send_rights == 0


def test_a_dead_name_can_have_one_reference_more(root: Actor) -> None:
    name = root.dead_name(urefs=DEAD_MAX)
    assert root.names[name] == dead(urefs=DEAD_MAX)
    assert root.refused("mach_port_mod_refs", name=name, right=Right.DEAD_NAME, delta=1) == "KERN_UREFS_OVERFLOW"
    assert root.refused("mach_port_mod_refs", name=name, right=Right.DEAD_NAME, delta=-DEAD_MAX - 1) == "KERN_INVALID_VALUE"
    mod_refs(root, name, Right.DEAD_NAME, -DEAD_MAX)
    assert name not in root.names


def test_a_right_whose_port_has_died_counts_as_a_dead_name(root: Actor) -> None:
    child = root.child()
    root.does("task_terminate", task=child.seen_as)
    assert root.refused("mach_port_mod_refs", name=child.seen_as, right=Right.SEND, delta=1) == "KERN_INVALID_RIGHT"
    mod_refs(root, child.seen_as, Right.DEAD_NAME, 1)
    assert root.names[child.seen_as] == dead(urefs=2)


# mach_port_type, mach_port_names


def test_type_has_a_bit_for_each_right(root: Actor) -> None:
    receive = root.port()
    expected = {
        1: 0x10000,
        receive: 0x20000,
        root.port_with_send(): 0x30000,
        root.send_once(receive): 0x40000,
        port_set(root): 0x80000,
        root.dead_name(): 0x100000,
    }
    assert {name: root.does("mach_port_type", name=name) for name in expected} == expected


def test_names_are_listed_ascending_with_their_types(root: Actor) -> None:
    root.does("mach_port_destroy", name=3)
    root.send_once(root.port())
    root.dead_name()
    outputs = root.does("mach_port_names")
    assert outputs["names"] == (1, 2, 3, 4, 5, 6, 7, 40)
    assert outputs["types"] == (0x10000, 0x10000, 0x20000, 0x10000, 0x10000, 0x10000, 0x100000, 0x40000)


def test_names_of_a_port_that_has_died_are_dead_names(root: Actor) -> None:
    child = root.child()
    root.does("task_terminate", task=child.seen_as)
    assert root.does("mach_port_names")["types"][child.seen_as - 1] == 0x100000


def test_a_port_that_died_does_not_keep_its_name_busy(root: Actor) -> None:
    child = root.child()
    root.does("task_terminate", task=child.seen_as)
    root.does("mach_port_deallocate", name=child.seen_as)
    assert root.port() == child.seen_as
