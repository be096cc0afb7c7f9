"""host_get_special_port and host_set_special_port."""

import pytest
from msgspec import structs
from support.kernel import NOTHING, Actor, Machine, dead, send

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Place, Right
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, XNU, Profile
from sendright.mach.state.boot import DEVICE_PORT, HOST_PORT, HOST_PRIV_PORT

GET, SET = "host_get_special_port", "host_set_special_port"
PRIV = 1
"""The bootstrap task's name for the privileged host port."""


@pytest.fixture
def root() -> Actor:
    return Machine().root


@pytest.mark.parametrize(("which", "port"), [(1, HOST_PORT), (2, HOST_PRIV_PORT), (3, DEVICE_PORT)])
def test_the_kernels_ports_can_be_had(root: Actor, which: int, port: int) -> None:
    before = root.machine.port(port)
    name = root.does(GET, host_priv=PRIV, which=which)
    assert root.number_of(name) == port
    assert root.machine.port(port).make_send_count == before.make_send_count


def test_a_clone_goes_under_a_name_like_any_right(root: Actor) -> None:
    assert root.does(GET, host_priv=PRIV, which=2) == PRIV
    assert root.names[PRIV] == send(HOST_PRIV_PORT, urefs=2)
    name = root.does(GET, host_priv=PRIV, which=1)
    assert root.names[name] == send(HOST_PORT, urefs=1)
    assert root.machine.port(HOST_PORT).send_rights == 3


def test_an_empty_place_gives_no_right(root: Actor) -> None:
    for which in range(4, 12):
        assert root.does(GET, host_priv=PRIV, which=which) == NULL_NAME


def test_there_is_one_node_whatever_its_number(root: Actor) -> None:
    assert root.does(GET, host_priv=PRIV, which=2, node=99) == PRIV


def test_a_users_place_keeps_any_right(root: Actor) -> None:
    port, dead_name = root.port_with_send(), root.dead_name()
    for name, kept in ((port, send(7)), (DEAD_NAME, dead()), (dead_name, dead()), (port, send(7))):
        root.does(SET, host_priv=PRIV, which=8, port=name)
        assert root.machine.snapshot().host_ports[8] == kept
    assert (root.port_of(port).send_rights, root.port_of(port).make_send_count) == (2, 1)
    assert root.does(GET, host_priv=PRIV, which=8) == port
    assert root.names[port].urefs == 2
    root.does(SET, host_priv=PRIV, which=8, port=NULL_NAME)
    assert 8 not in root.machine.snapshot().host_ports
    assert root.port_of(port).send_rights == 1


def test_a_users_port_that_dies_leaves_a_dead_right(root: Actor) -> None:
    port = root.port_with_send()
    root.does(SET, host_priv=PRIV, which=11, port=port)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.machine.snapshot().host_ports[11] == dead()
    assert root.does(GET, host_priv=PRIV, which=11) == DEAD_NAME


@pytest.mark.parametrize("which", [0, -1, 12])
def test_other_places_do_not_exist(root: Actor, which: int) -> None:
    assert root.refused(GET, host_priv=PRIV, which=which) == "KERN_INVALID_ARGUMENT"
    assert root.refused(SET, host_priv=PRIV, which=which, port=PRIV) == "KERN_INVALID_ARGUMENT"


@pytest.mark.parametrize("which", range(1, 8))
def test_nobody_sets_the_kernels_ports(root: Actor, which: int) -> None:
    assert root.refused(SET, host_priv=PRIV, which=which, port=PRIV) == "KERN_INVALID_ARGUMENT"


def test_the_privileged_port_is_needed(root: Actor) -> None:
    ordinary = root.does("mach_host_self")
    for host in (ordinary, 3, root.me):
        assert root.refused(GET, host_priv=host, which=1) == "KERN_INVALID_ARGUMENT"
        assert root.refused(SET, host_priv=host, which=8, port=PRIV) == "KERN_INVALID_ARGUMENT"


def test_rights_are_copied_in_first(root: Actor) -> None:
    assert root.refused(GET, host_priv=NOTHING, which=99) == "MACH_SEND_INVALID_DEST"
    assert root.refused(SET, host_priv=3, which=1, port=NOTHING) == "MACH_SEND_INVALID_RIGHT"


def test_a_child_that_was_given_the_privileged_port_reaches_them(root: Actor) -> None:
    child = root.child()
    name = root.gives(child, PRIV, Disposition.COPY_SEND)
    child.does(SET, host_priv=name, which=9, port=child.me)
    assert root.machine.snapshot().host_ports[9] == send(child.shown.port)
    root.does("task_terminate", task=child.seen_as)
    assert root.machine.snapshot().host_ports[9] == dead()


def test_the_privileged_port_must_be_the_callers_host_port_in_xnu() -> None:
    """The first task is root's, so it has the privileged port there (``convert_port_to_host_priv``)."""
    machine = Machine(XNU)
    other = Actor(machine, 1)
    other.seen_as = 1 + len(XNU.bootstrap_names)
    name = machine.root.gives(other, PRIV, Disposition.COPY_SEND)
    assert other.refused(GET, host_priv=name, which=1) == "KERN_INVALID_ARGUMENT"
    assert other.refused(SET, host_priv=name, which=8, port=other.me) == "KERN_INVALID_ARGUMENT"
    assert other.refused(GET, host_priv=other.does("mach_host_self"), which=1) == "KERN_INVALID_ARGUMENT"
    assert machine.root.does("mach_host_self") == PRIV
    assert machine.root.does(GET, host_priv=PRIV, which=2) == PRIV
    other_task = [machine.snapshot().tasks[number].places[Place.HOST] for number in range(1, XNU.boot_tasks)]
    assert other_task == [send(HOST_PORT)] * 2


def test_only_the_first_task_sets_them_in_xnu() -> None:
    machine = Machine(structs.replace(XNU, host_priv_is_callers=False))
    other = Actor(machine, 1)
    other.seen_as = 1 + len(XNU.bootstrap_names)
    name = machine.root.gives(other, PRIV, Disposition.COPY_SEND)
    assert other.refused(SET, host_priv=name, which=36, port=NULL_NAME) == "KERN_INVALID_ARGUMENT"
    assert other.refused(SET, host_priv=name, which=8, port=NOTHING) == "MACH_SEND_INVALID_RIGHT"
    assert other.refused(SET, host_priv=name, which=8, port=NULL_NAME) == "KERN_NO_ACCESS"
    assert other.does(GET, host_priv=name, which=2) == name
    machine.root.does(SET, host_priv=PRIV, which=8, port=machine.root.port_with_send())


def test_how_many_places_there_are_is_the_profiles() -> None:
    root = Machine(structs.replace(MANUAL, host_special_ports=8)).root
    root.does(SET, host_priv=PRIV, which=8, port=PRIV)
    assert root.refused(SET, host_priv=PRIV, which=9, port=PRIV) == "KERN_INVALID_ARGUMENT"
    assert root.refused(GET, host_priv=PRIV, which=9) == "KERN_INVALID_ARGUMENT"


@pytest.mark.parametrize("profile", [OSF, GNUMACH], ids=lambda profile: profile.name)
def test_other_kernels_have_no_special_ports_of_the_host(profile: Profile) -> None:
    root = Machine(profile).root
    assert root.machine.snapshot().host_ports == {}
    assert root.refused(GET, host_priv=PRIV, which=1) == "MIG_BAD_ID"
    assert root.refused(SET, host_priv=PRIV, which=8, port=PRIV) == "MIG_BAD_ID"
