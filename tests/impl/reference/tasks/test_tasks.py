"""Making, ending and asking about tasks."""

import pytest
from msgspec import structs
from support.kernel import NOTHING, Actor, Machine, dead, send

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Place, SlotKind
from sendright.mach.abi.tokens import BOOTSTRAP_AUDIT_TOKEN, BOOTSTRAP_SECURITY_TOKEN, TASK_AUDIT_TOKEN, TASK_SECURITY_TOKEN
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, XNU, XNU_792, Profile
from sendright.mach.state.boot import ROOT_PAGED_LEDGER_PORT, ROOT_WIRED_LEDGER_PORT

WIRED, PAGED = ROOT_WIRED_LEDGER_PORT, ROOT_PAGED_LEDGER_PORT

NAMES = ["manual", "osf", "gnumach"]


@pytest.fixture
def root() -> Actor:
    return Machine().root


# task_create


def test_a_child_starts_with_an_empty_name_space(root: Actor) -> None:
    result = root.result("task_create", parent_task=root.me)
    assert root.machine.snapshot().tasks[1].names == {}
    assert result.created_task == 1


def test_a_childs_port_has_two_send_rights_both_made(root: Actor) -> None:
    name = root.does("task_create", parent_task=root.me)
    port = root.port_of(name)
    assert (port.send_rights, port.make_send_count, port.task) == (2, 2, 1)
    assert root.names[name] == send(7, urefs=1)
    assert root.machine.snapshot().tasks[1].places[Place.KERNEL] == send(7)


def test_a_child_gets_clones_of_its_parents_ports(root: Actor) -> None:
    bootstrap, registered = root.port_with_send(), root.port_with_send()
    root.does("task_set_special_port", which=4, port=bootstrap)
    root.does("mach_ports_register", ports=(NULL_NAME, registered, DEAD_NAME))
    places = root.child().shown.places
    assert places[Place.HOST] == send(0)
    assert places[Place.BOOTSTRAP] == send(root.number_of(bootstrap))
    assert Place.REGISTERED_0 not in places
    assert places[Place.REGISTERED_1] == send(root.number_of(registered))
    assert places[Place.REGISTERED_2] == dead()
    assert (root.port_of(bootstrap).send_rights, root.port_of(bootstrap).make_send_count) == (3, 1)


def test_a_child_does_not_inherit_the_settable_self_port(root: Actor) -> None:
    root.does("task_set_special_port", which=1, port=1)
    assert root.child().shown.places[Place.KERNEL] == send(7)


def test_gnumach_inherits_the_exception_port() -> None:
    root = Machine(GNUMACH).root
    exception = root.port_with_send()
    root.does("task_set_special_port", which=3, port=exception)
    assert root.child().shown.places[Place.EXCEPTION] == send(root.number_of(exception))


def test_a_child_has_its_parents_tokens(root: Actor) -> None:
    root.does("host_security_set_task_token", host_security=3, target_task=root.me, security_token=(5, 6), audit_token=(9,) * 8)
    child = root.child()
    assert (child.shown.security_token, child.shown.audit_token) == ((5, 6), (9,) * 8)


@pytest.mark.parametrize(
    ("profile", "code"), [(MANUAL, "KERN_INVALID_ARGUMENT"), (OSF, "KERN_INVALID_ARGUMENT"), (GNUMACH, "KERN_INVALID_TASK")], ids=NAMES
)
def test_a_parent_must_be_a_task(profile: Profile, code: str) -> None:
    root = Machine(profile).root
    assert root.refused("task_create", parent_task=1) == code
    assert root.refused("task_create", shortage=1, parent_task=1) == code


@pytest.mark.parametrize("shortage", [1, 2])
def test_a_shortage_leaves_no_child(root: Actor, shortage: int) -> None:
    assert root.refused("task_create", shortage=shortage, parent_task=root.me) == "KERN_RESOURCE_SHORTAGE"
    assert root.child().number == 1


def test_task_create_allocates_only_twice(root: Actor) -> None:
    root.does("task_create", shortage=3, parent_task=root.me)


# Ledgers


def test_a_child_draws_on_the_two_ledgers_that_it_is_given(root: Actor) -> None:
    child = root.child(ledgers=(5, 4))
    assert child.shown.ledgers == (PAGED, WIRED)
    assert child.shown.places[Place.WIRED_LEDGER] == send(PAGED)
    assert child.shown.places[Place.PAGED_LEDGER] == send(WIRED)


@pytest.mark.parametrize("ledgers", [(), (4,), (5, 4, 4), (5, NULL_NAME), (NULL_NAME, 4), (5, DEAD_NAME), (5, 1)])
def test_a_child_draws_on_its_parents_ledgers_otherwise(root: Actor, ledgers: tuple[int, ...]) -> None:
    assert root.child(ledgers=ledgers).shown.ledgers == (WIRED, PAGED)


def test_the_rights_to_a_childs_ledgers_are_made(root: Actor) -> None:
    before = root.machine.port(WIRED)
    root.child()
    after = root.machine.port(WIRED)
    assert (after.send_rights, after.make_send_count) == (before.send_rights + 1, before.make_send_count + 1)


def test_a_parents_ledger_places_are_only_what_is_reported(root: Actor) -> None:
    root.does("task_set_special_port", which=5, port=1)
    child = root.child()
    assert child.shown.ledgers == (WIRED, PAGED)
    assert child.shown.places[Place.WIRED_LEDGER] == send(WIRED)


def test_ledgers_drawn_on_are_inherited_by_grandchildren(root: Actor) -> None:
    child = root.child(ledgers=(5, 4))
    assert child.child().shown.ledgers == (PAGED, WIRED)


def test_osf_reads_the_parents_places_and_ignores_the_array() -> None:
    root = Machine(OSF).root
    root.does("task_set_special_port", which=5, port=5)
    child = root.child(ledgers=(4, 4))
    assert child.shown.ledgers == (PAGED, PAGED)


@pytest.mark.parametrize("port", [NULL_NAME, DEAD_NAME, 1])
def test_osf_draws_on_the_parents_ledger_where_its_place_names_none(port: int) -> None:
    root = Machine(OSF).root
    root.does("task_set_special_port", which=5, port=port)
    root.does("task_set_special_port", which=6, port=port)
    child = root.child()
    assert child.shown.ledgers == (WIRED, PAGED)
    assert child.shown.places[Place.WIRED_LEDGER] == send(WIRED)


def test_gnumach_knows_no_ledgers() -> None:
    child = Machine(GNUMACH).root.child(ledgers=(1, 2))
    assert child.shown.ledgers is None
    assert child.shown.places == {Place.KERNEL: send(7)}


# task_terminate


def test_only_a_task_can_be_terminated(root: Actor) -> None:
    assert root.refused("task_terminate", task=1) == "KERN_INVALID_ARGUMENT"


def test_a_terminated_tasks_port_is_a_dead_name_with_the_same_references(root: Actor) -> None:
    child = root.child()
    root.add_send_references(child.seen_as, 3)
    root.does("task_terminate", task=child.seen_as)
    assert root.names[child.seen_as] == dead(urefs=4)
    state = root.machine.snapshot()
    assert child.number not in state.tasks
    assert 7 not in state.ports


def test_a_terminated_task_gives_up_its_rights(root: Actor) -> None:
    kept = root.port_with_send()
    root.does("task_set_special_port", which=4, port=kept)
    child = root.child()
    root.gives(child, kept, Disposition.COPY_SEND)
    assert root.port_of(kept).send_rights == 4
    root.does("task_terminate", task=child.seen_as)
    assert root.port_of(kept).send_rights == 2


def test_a_terminated_tasks_ports_die(root: Actor) -> None:
    child = root.child()
    name = child.port_with_send()
    seen = root.does("mach_port_extract_right", task=child.seen_as, name=name, disposition=Disposition.COPY_SEND)["poly"]
    root.does("task_terminate", task=child.seen_as)
    assert root.names[seen] == dead(urefs=1)


def test_a_terminated_tasks_send_once_rights_become_notifications(root: Actor) -> None:
    child = root.child()
    answer = root.port()
    root.gives(child, answer, Disposition.MAKE_SEND_ONCE)
    root.does("task_terminate", task=child.seen_as)
    assert root.receives(answer)["id"] == 71


def test_a_task_may_hold_both_ends_when_it_is_terminated(root: Actor) -> None:
    child = root.child()
    child.send_once(child.port_with_send())
    child.dead_name()
    root.does("task_terminate", task=child.seen_as)
    assert list(root.machine.snapshot().tasks) == [0]


def test_a_task_may_terminate_itself(root: Actor) -> None:
    child = root.child()
    result = child.result("task_terminate")
    assert (result.code, result.outputs, result.created_task) == (ReturnCode.KERN_SUCCESS, {}, None)
    assert root.names[child.seen_as] == dead(urefs=1)


def test_even_the_bootstrap_task_may(root: Actor) -> None:
    child = root.child()
    root.does("task_terminate")
    assert list(root.machine.snapshot().tasks) == [child.number]


@pytest.mark.parametrize("profile", [XNU_792, XNU], ids=lambda profile: profile.name)
def test_the_tasks_of_processes_are_not_ended_in_xnu(profile: Profile) -> None:
    """By others and by themselves; the last task of boot, and those that are created, have no process."""
    machine = Machine(profile)
    root = machine.root
    assert root.refused("task_terminate") == "KERN_FAILURE"
    assert root.refused("task_terminate", task=1) == "KERN_INVALID_ARGUMENT"
    for number in range(1, profile.processes):
        process = machine.booted(number)
        assert root.refused("task_terminate", task=process.seen_as) == "KERN_FAILURE"
        assert process.refused("task_terminate") == "KERN_FAILURE"
    other = root.child() if profile.serves("task_create") else machine.last_booted()
    root.does("task_terminate", task=other.seen_as)


def test_how_many_tasks_are_processes_is_the_profiles() -> None:
    machine = Machine(structs.replace(XNU, processes=0))
    machine.root.does("task_terminate", task=machine.booted(1).seen_as)
    machine.root.does("task_terminate")


def test_a_dead_task_port_in_another_tasks_place_is_a_dead_right(root: Actor) -> None:
    child = root.child()
    root.does("task_set_special_port", which=4, port=child.seen_as)
    root.does("task_terminate", task=child.seen_as)
    assert root.shown.places[Place.BOOTSTRAP] == dead()
    assert root.does("task_get_special_port", which=4) == DEAD_NAME


# task_info


def test_task_info_tells_the_tokens(root: Actor) -> None:
    assert root.does("task_info", flavor=TASK_SECURITY_TOKEN, count=2) == BOOTSTRAP_SECURITY_TOKEN
    assert root.does("task_info", flavor=TASK_AUDIT_TOKEN, count=8) == BOOTSTRAP_AUDIT_TOKEN


def test_anyone_with_a_tasks_port_may_read_its_tokens(root: Actor) -> None:
    child = root.child()
    root.does("host_security_set_task_token", host_security=3, target_task=child.seen_as, security_token=(5, 6))
    assert root.does("task_info", task=child.seen_as, flavor=TASK_SECURITY_TOKEN) == (5, 6)


@pytest.mark.parametrize(
    "arguments",
    [
        {"task": 1, "flavor": TASK_SECURITY_TOKEN},
        {"flavor": 14},
        {"flavor": TASK_SECURITY_TOKEN, "count": 1},
        {"flavor": TASK_AUDIT_TOKEN, "count": 7},
    ],
)
def test_task_info_refuses(root: Actor, arguments: dict[str, int]) -> None:
    assert root.refused("task_info", **arguments) == "KERN_INVALID_ARGUMENT"


def test_osf_has_no_audit_flavour() -> None:
    root = Machine(OSF).root
    assert root.refused("task_info", flavor=TASK_AUDIT_TOKEN) == "KERN_INVALID_ARGUMENT"
    assert root.does("task_info", flavor=TASK_SECURITY_TOKEN) == BOOTSTRAP_SECURITY_TOKEN


def test_gnumach_tells_no_tokens() -> None:
    assert Machine(GNUMACH).root.refused("task_info", flavor=TASK_SECURITY_TOKEN) == "KERN_INVALID_ARGUMENT"


# The traps


def test_mach_task_self_adds_a_user_reference_each_time(root: Actor) -> None:
    assert root.does("mach_task_self") == root.me
    assert root.names[root.me] == send(6, urefs=2)


def test_mach_task_self_gives_what_the_settable_place_has(root: Actor) -> None:
    root.does("task_set_special_port", which=1, port=1)
    assert root.does("mach_task_self") == 1
    root.does("task_set_special_port", which=1, port=NULL_NAME)
    assert root.does("mach_task_self") == NULL_NAME
    root.does("task_set_special_port", which=1, port=DEAD_NAME)
    assert root.does("mach_task_self") == DEAD_NAME
    assert root.does("mach_port_names", task=root.me)["names"]


def test_mach_host_self_clones_the_host_place(root: Actor) -> None:
    before = root.machine.port(0)
    name = root.does("mach_host_self")
    assert root.names[name] == send(0, urefs=1)
    assert (root.machine.port(0).send_rights, root.machine.port(0).make_send_count) == (before.send_rights + 1, before.make_send_count)
    root.does("task_set_special_port", which=2, port=NULL_NAME)
    assert root.does("mach_host_self") == NULL_NAME


@pytest.mark.parametrize("profile", [OSF, GNUMACH], ids=lambda profile: profile.name)
def test_mach_host_self_makes_a_right_where_there_is_no_place(profile: Profile) -> None:
    root = Machine(profile).root
    name = root.does("mach_host_self")
    assert root.does("mach_host_self") == name
    assert root.names[name] == send(0, urefs=2)
    assert (root.machine.port(0).send_rights, root.machine.port(0).make_send_count) == (1, 2)


def test_a_childs_first_name_is_the_one_that_it_asks_for(root: Actor) -> None:
    child = root.child()
    assert child.names == {1: send(7, urefs=1)}
    assert child.names[1].kind is SlotKind.SEND
    assert child.refused("mach_port_type", name=NOTHING) == "KERN_INVALID_NAME"
