"""A task's further ports: its name, inspect and read port, as special ports (``convert_task_to_port_with_flavor``)."""

import pytest
from msgspec import structs
from support.kernel import Actor, Machine, dead, send

from sendright.mach.abi.codes import code_name
from sendright.mach.abi.rights import Disposition, Notification, PortObject, Right
from sendright.mach.kernel.profiles import PROFILES, XNU, Profile
from sendright.mach.signatures import SIGNATURES

GET, SET = "task_get_special_port", "task_set_special_port"
TASK = XNU.boot_tasks - 1
"""The task whose ports the tests ask for."""
OTHER = TASK + len(XNU.bootstrap_names)
"""The bootstrap task's name for its port."""
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
    assert (port.object, port.task) == (XNU.flavour_ports[which], TASK)
    assert (port.send_rights, port.make_send_count) == (1, 1)
    assert root.does(GET, task=OTHER, which=which) == name
    assert root.names[name] == send(number, urefs=2)
    port = root.machine.port(number)
    assert (port.send_rights, port.make_send_count) == (1, 2)
    assert len(root.machine.snapshot().ports) == made + 1


@every_flavour
def test_each_task_has_its_own(root: Actor, which: int) -> None:
    ports = {root.number_of(root.does(GET, task=task, which=which)) for task in (root.me, OTHER - 1, OTHER)}
    assert {root.machine.port(number).task for number in ports} == {0, 1, 2}


@every_flavour
def test_they_cannot_be_set(root: Actor, which: int) -> None:
    port = root.port_with_send()
    assert root.refused(SET, which=which, port=port) == "KERN_INVALID_ARGUMENT"


@every_flavour
def test_a_task_is_needed(root: Actor, which: int) -> None:
    assert root.refused(GET, task=1, which=which) == "KERN_INVALID_ARGUMENT"


WEAKEST = {
    "task_info": NAME,
    **dict.fromkeys(("task_get_special_port", "mach_port_space_basic_info"), INSPECT),
    **dict.fromkeys(("task_suspend", "task_resume", "mach_port_get_attributes", "mach_port_get_set_status", "vm_read"), READ),
    **dict.fromkeys(("mach_port_get_context", "mach_port_kobject", "mach_port_kernel_object", "mach_port_space_info"), READ),
}
"""The calls of ``task.defs``, ``mach_port.defs`` and ``mach_vm.defs`` that take more than a control port, and the
weakest that they take.
"""
ARGUMENTS: dict[str, dict[str, object]] = {
    "task_info": {"flavor": 13},
    "task_get_special_port": {"which": NAME},
    "mach_port_get_attributes": {"name": 12803, "flavor": 2},
    "mach_port_get_set_status": {"name": 12803},
    "mach_port_get_context": {"name": 12803},
    "mach_port_kobject": {"name": 12803},
    "mach_port_kernel_object": {"name": 12803},
    "vm_read": {"address": 0},
}
ON_TASK = sorted(name for name, signature in SIGNATURES.items() if signature.target == "task" and XNU.serves(name))


@pytest.mark.parametrize("call", WEAKEST)
def test_calls_that_take_a_weaker_port(call: str) -> None:
    """Through a port that is strong enough a call does the same as through the task's own; others are no task."""
    answers = []
    for which in (None, READ, INSPECT, NAME):
        machine = Machine(XNU)
        root, other = machine.root, machine.booted(TASK)
        port = other.does("mach_port_allocate_name", right=Right.PORT_SET if "set" in call else Right.RECEIVE, name=12803)
        assert port == 12803
        other.does("vm_allocate", address=0, anywhere=False)
        if call == "task_resume":
            root.does("task_suspend", task=OTHER)
        target = OTHER if which is None else root.does(GET, task=OTHER, which=which)
        result = root.result(call, task=target, **ARGUMENTS.get(call, {}))
        answers.append((code_name(result.code), result.outputs))
    refused = ("KERN_INVALID_TASK" if call == "mach_port_space_basic_info" else "KERN_INVALID_ARGUMENT", {})
    strong_enough = 2 + [READ, INSPECT, NAME].index(WEAKEST[call])
    assert answers[0][0] == "KERN_SUCCESS"
    if call == "task_get_special_port":
        assert [code for code, _ in answers] == ["KERN_SUCCESS"] * 3 + ["KERN_INVALID_ARGUMENT"]
    else:
        assert answers == [answers[0]] * strong_enough + [refused] * (4 - strong_enough)


@every_flavour
@pytest.mark.parametrize("call", sorted(set(ON_TASK) - WEAKEST.keys()))
def test_other_calls_want_the_tasks_own_port(root: Actor, which: int, call: str) -> None:
    name = root.does(GET, task=OTHER, which=which)
    signature = SIGNATURES[call]
    arguments = {each.name: (1 << 8) + 3 if each.name == "name" else 0 for each in signature.arguments if each.required and each.name != "task"}
    assert root.fails(call, **arguments | {"task": name}) in ("KERN_INVALID_ARGUMENT", "KERN_INVALID_TASK")


@pytest.mark.parametrize(("through", "told"), [(READ, {NAME, INSPECT, READ}), (INSPECT, {NAME, INSPECT})])
def test_a_weaker_port_gives_none_that_is_stronger(root: Actor, through: int, told: set[int]) -> None:
    """Whether there is such a selector is tested later (``special_port_allowed_with_task_flavor``)."""
    target = root.does(GET, task=OTHER, which=through)
    for which in range(14):
        if which in told:
            assert root.number_of(root.does(GET, task=target, which=which)) == root.number_of(root.does(GET, task=OTHER, which=which))
        else:
            assert root.refused(GET, task=target, which=which) == "KERN_INVALID_CAPABILITY"


def test_ones_own_read_port(root: Actor) -> None:
    target, port = root.does(GET, which=READ), root.port_with_send()
    assert root.does("mach_port_get_attributes", task=target, name=port, flavor=2) == root.does("mach_port_get_attributes", name=port, flavor=2)
    assert root.refused(GET, task=target, which=1) == "KERN_INVALID_CAPABILITY"


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
    """Read, control, name, inspect (``ipc_task_terminate``), in whatever order they were made."""
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
