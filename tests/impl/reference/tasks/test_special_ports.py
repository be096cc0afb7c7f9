"""Special and registered ports."""

import pytest
from support.kernel import Actor, Machine, dead, send

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Place, Right
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, Profile

NAMES = ["manual", "osf", "gnumach"]


@pytest.fixture
def root() -> Actor:
    return Machine().root


def test_get_clones_the_right(root: Actor) -> None:
    before = root.machine.port(3)
    assert root.does("task_get_special_port", which=5) == 4
    assert root.names[4] == send(3, urefs=2)
    assert root.machine.port(3) == before


def test_get_of_an_empty_place_gives_no_right(root: Actor) -> None:
    assert root.does("task_get_special_port", which=4) == NULL_NAME


def test_set_keeps_the_new_right_and_releases_the_old(root: Actor) -> None:
    first, second = root.port_with_send(), root.port_with_send()
    root.does("task_set_special_port", which=4, port=first)
    assert root.port_of(first).send_rights == 2
    root.does("task_set_special_port", which=4, port=second)
    assert (root.port_of(first).send_rights, root.port_of(second).send_rights) == (1, 2)
    assert root.port_of(second).make_send_count == 1
    assert root.shown.places[Place.BOOTSTRAP] == send(root.number_of(second))


def test_set_takes_any_right(root: Actor) -> None:
    dead_name = root.dead_name(urefs=2)
    for name, kept in ((2, send(5)), (DEAD_NAME, dead()), (dead_name, dead())):
        root.does("task_set_special_port", which=5, port=name)
        assert root.shown.places[Place.WIRED_LEDGER] == kept
    root.does("task_set_special_port", which=5, port=NULL_NAME)
    assert Place.WIRED_LEDGER not in root.shown.places
    assert root.names[dead_name] == dead(urefs=2)


def test_setting_the_kernel_port_leaves_the_real_one_at_work(root: Actor) -> None:
    root.does("task_set_special_port", which=1, port=1)
    root.does("mach_port_names", task=root.me)
    assert root.shown.port == 6


@pytest.mark.parametrize("call", ["task_get_special_port", "task_set_special_port"])
def test_a_task_and_a_selector_are_needed(root: Actor, call: str) -> None:
    port = {"port": NULL_NAME} if call == "task_set_special_port" else {}
    assert root.refused(call, task=1, which=4, **port) == "KERN_INVALID_ARGUMENT"
    assert root.refused(call, which=99, **port) == "KERN_INVALID_ARGUMENT"


@pytest.mark.parametrize(("profile", "selectors"), [(MANUAL, {1, 2, 4, 5, 6}), (OSF, {1, 4, 5, 6}), (GNUMACH, {1, 3, 4})], ids=NAMES)
def test_each_profile_has_its_selectors(profile: Profile, selectors: set[int]) -> None:
    root = Machine(profile).root
    assert {which for which in range(12) if root.result("task_get_special_port", which=which).code == 0} == selectors


def test_the_holder_of_a_tasks_port_takes_its_special_ports(root: Actor) -> None:
    port = root.port_with_send()
    child = root.child()
    root.does("task_set_special_port", task=child.seen_as, which=4, port=port)
    assert child.does("task_get_special_port", which=4) in child.names
    assert root.does("task_get_special_port", task=child.seen_as, which=4) == port


# Registered ports


def test_register_replaces_all_places(root: Actor) -> None:
    first, second = root.port_with_send(), root.port_with_send()
    root.does("mach_ports_register", ports=(first, first, second))
    assert root.port_of(first).send_rights == 3
    root.does("mach_ports_register", ports=(second,))
    assert root.port_of(first).send_rights == 1
    assert root.shown.places[Place.REGISTERED_0] == send(root.number_of(second))
    assert not {Place.REGISTERED_1, Place.REGISTERED_2} & root.shown.places.keys()


def test_register_without_ports_empties_all_places(root: Actor) -> None:
    root.does("mach_ports_register", ports=(1, 2, 3))
    root.does("mach_ports_register")
    assert root.does("mach_ports_lookup") == (NULL_NAME,) * 3


def test_register_refuses_too_many_and_no_task(root: Actor) -> None:
    assert root.refused("mach_ports_register", ports=(1, 1, 1, 1)) == "KERN_INVALID_ARGUMENT"
    assert root.refused("mach_ports_register", task=1) == "KERN_INVALID_ARGUMENT"


def test_gnumach_has_four_registered_ports() -> None:
    root = Machine(GNUMACH).root
    root.does("mach_ports_register", ports=(1, 2, 1, 2))
    assert root.does("mach_ports_lookup") == (1, 2, 1, 2)
    assert root.refused("mach_ports_register", ports=(1,) * 5) == "KERN_INVALID_ARGUMENT"


def test_lookup_gives_clones_in_order(root: Actor) -> None:
    port = root.port_with_send()
    root.does("mach_ports_register", ports=(port, DEAD_NAME))
    assert root.does("mach_ports_lookup") == (port, DEAD_NAME, NULL_NAME)
    assert root.names[port].urefs == 2
    assert (root.port_of(port).send_rights, root.port_of(port).make_send_count) == (2, 1)


def test_lookup_refuses(root: Actor) -> None:
    assert root.refused("mach_ports_lookup", shortage=1, task=1) == "KERN_INVALID_ARGUMENT"
    assert root.refused("mach_ports_lookup", shortage=1) == "KERN_RESOURCE_SHORTAGE"
    root.does("mach_ports_lookup", shortage=2)


def test_a_registered_port_that_dies_leaves_a_dead_right(root: Actor) -> None:
    port = root.port_with_send()
    root.does("mach_ports_register", ports=(port,))
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.shown.places[Place.REGISTERED_0] == dead()
    assert root.does("mach_ports_lookup")[0] == DEAD_NAME
    child = root.child()
    assert child.shown.places[Place.REGISTERED_0] == dead()


def test_a_clone_goes_under_the_name_that_the_caller_has(root: Actor) -> None:
    port = root.port()
    child = root.child()
    root.gives(child, port, Disposition.MAKE_SEND, name=9)
    child.does("mach_ports_register", ports=(9,))
    assert root.does("mach_ports_lookup", task=child.seen_as)[0] == port
