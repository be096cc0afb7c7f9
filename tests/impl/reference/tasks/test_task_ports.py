"""A task's further ports: its name, inspect and read port, as special ports (``convert_task_to_port_with_flavor``)."""

import pytest
from msgspec import structs
from support.kernel import Actor, Machine, dead, send

from sendright.mach.abi.rights import Disposition, Notification, PortObject, Right
from sendright.mach.kernel.profiles import PROFILES, XNU, Profile

GET, SET = "task_get_special_port", "task_set_special_port"
OTHER = 3
"""The bootstrap task's name for the port of task 1."""
NAME, INSPECT, READ = 3, 5, 6
"""Their selectors."""
every_flavour = pytest.mark.parametrize("which", [NAME, INSPECT, READ])
staying = pytest.mark.parametrize("which", [INSPECT, READ])
OWN_PORT_STAYS = structs.replace(XNU, task_ports_stay=True)


@pytest.fixture
def root() -> Actor:
    return Machine(XNU).root


@every_flavour
def test_each_get_makes_a_right(root: Actor, which: int) -> None:
    made = len(root.machine.snapshot().ports)
    name = root.does(GET, task=OTHER, which=which)
    number = root.number_of(name)
    port = root.machine.port(number)
    assert (port.object, port.task) == (XNU.flavour_ports[which], 1)
    assert (port.send_rights, port.make_send_count) == (1, 1)
    assert root.does(GET, task=OTHER, which=which) == name
    assert root.names[name] == send(number, urefs=2)
    port = root.machine.port(number)
    assert (port.send_rights, port.make_send_count) == (1, 2)
    assert len(root.machine.snapshot().ports) == made + 1


@every_flavour
def test_each_task_has_its_own(root: Actor, which: int) -> None:
    ports = {root.number_of(root.does(GET, task=task, which=which)) for task in (root.me, OTHER, OTHER + 1)}
    assert {root.machine.port(number).task for number in ports} == {0, 1, 2}


@every_flavour
def test_they_cannot_be_set(root: Actor, which: int) -> None:
    port = root.port_with_send()
    assert root.refused(SET, which=which, port=port) == "KERN_INVALID_ARGUMENT"


@every_flavour
def test_a_task_is_needed(root: Actor, which: int) -> None:
    assert root.refused(GET, task=1, which=which) == "KERN_INVALID_ARGUMENT"


@every_flavour
def test_they_are_no_authority(root: Actor, which: int) -> None:
    name = root.does(GET, task=OTHER, which=which)
    assert root.refused("mach_port_allocate", task=name, right=Right.RECEIVE) == "KERN_INVALID_TASK"
    assert root.refused("task_terminate", task=name) == "KERN_INVALID_ARGUMENT"
    assert root.refused(SET, task=name, which=4, port=0) == "KERN_INVALID_ARGUMENT"


@pytest.mark.parametrize("profile", [profile for profile in PROFILES.values() if not profile.flavour_ports], ids=lambda profile: profile.name)
def test_other_kernels_lack_them(profile: Profile) -> None:
    root = Machine(profile).root
    ports = root.machine.snapshot().ports
    for which in {NAME, INSPECT, READ} - set(profile.special_ports):
        assert root.refused(GET, which=which) == "KERN_INVALID_ARGUMENT"
    assert root.machine.snapshot().ports == ports


# where their rights can go


def test_a_right_to_a_name_port_moves(root: Actor) -> None:
    name, queue = root.does(GET, task=OTHER, which=NAME), root.port()
    number = root.number_of(name)
    root.sends(queue, Disposition.MAKE_SEND, descriptors=((name, Disposition.MOVE_SEND),), reply=name, reply_disposition=Disposition.COPY_SEND)
    message = root.receives(queue)
    ((name, _),) = message["descriptors"]
    assert message["reply"] == name
    assert root.names[name] == send(number, urefs=2)


@staying
def test_rights_to_the_others_stay(root: Actor, which: int) -> None:
    name, queue = root.does(GET, task=OTHER, which=which), root.port_with_send()
    given = {"dest": queue, "dest_disposition": Disposition.COPY_SEND}
    assert root.fails("mach_msg_send", **given, descriptors=((name, Disposition.COPY_SEND),)) == "MACH_SEND_INVALID_RIGHT"
    assert root.fails("mach_msg_send", **given, reply=name, reply_disposition=Disposition.COPY_SEND) == "MACH_SEND_INVALID_REPLY"
    assert root.refused(SET, which=4, port=name) == "KERN_INVALID_RIGHT"
    assert root.refused("mach_ports_register", ports=(name,)) == "KERN_INVALID_RIGHT"
    arguments = {"exception_mask": 2, "new_port": name, "behavior": 1, "new_flavor": 0}
    assert root.refused("task_set_exception_ports", **arguments) == "KERN_INVALID_RIGHT"
    assert root.refused("host_set_special_port", host_priv=1, which=8, port=name) == "KERN_INVALID_RIGHT"


def test_a_name_port_in_a_place_is_a_kernel_objects(root: Actor) -> None:
    name = root.does(GET, task=OTHER, which=NAME)
    number = root.number_of(name)
    root.does(SET, which=4, port=name)
    assert root.does(GET, which=4) == 0
    root.does("task_set_exception_ports", exception_mask=2, new_port=name, behavior=1, new_flavor=0)
    assert root.does("task_get_exception_ports", exception_mask=2)["ports"] == (0,)
    root.does("mach_ports_register", ports=(name,))
    assert root.does("mach_ports_lookup")[0] == name
    assert root.machine.port(number).send_rights == 3


@every_flavour
def test_a_request_to_one_is_answered_by_the_kernel(root: Actor, which: int) -> None:
    name, queue = root.does(GET, task=OTHER, which=which), root.port()
    root.sends(name, Disposition.COPY_SEND, id=5, reply=queue, reply_disposition=Disposition.MAKE_SEND_ONCE)
    assert root.receives(queue)["id"] == 105


# their end


@every_flavour
def test_they_die_with_their_task(root: Actor, which: int) -> None:
    name = root.does(GET, task=OTHER, which=which)
    root.does("task_terminate", task=OTHER)
    assert root.names[name].is_unlooked
    root.does("mach_port_type", name=name)
    assert root.names[name] == dead(1)


def test_the_order_in_which_a_tasks_ports_die(root: Actor) -> None:
    """Read, control, name, inspect (``ipc_task_terminate``), whatever the order in which they were asked for."""
    watch = root.port()
    names = [root.does(GET, task=OTHER, which=which) for which in (NAME, INSPECT, READ)]
    for name in (*names, OTHER):
        root.asks(name, Notification.DEAD_NAME, watch)
    root.does("task_terminate", task=OTHER)
    name_port, inspect, read = names
    assert root.mail(watch) == [(Notification.DEAD_NAME, name) for name in (read, OTHER, name_port, inspect)]


def test_immovable_own_ports_do_not_make_the_name_port_immovable() -> None:
    root = Machine(OWN_PORT_STAYS).root
    queue, name = root.port_with_send(), root.does(GET, task=OTHER, which=NAME)
    root.sends(queue, descriptors=((name, Disposition.COPY_SEND),))
    assert root.machine.port(root.number_of(name)).object is PortObject.TASK_NAME
