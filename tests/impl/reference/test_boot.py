"""The boot state of the reference kernel, and what a caller must not do."""

import pytest
from support.kernel import Machine, send

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.rights import Place, PortObject
from sendright.mach.abi.tokens import BOOTSTRAP_AUDIT_TOKEN, BOOTSTRAP_SECURITY_TOKEN
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, PROFILES, XNU, XNU_792, Profile
from sendright.mach.state.boot import (
    BOOT_HOST_PORTS,
    BOOTSTRAP_TASK,
    BOOTSTRAP_TASK_PORT,
    DEVICE_PORT,
    HOST_PRIV_PORT,
    HOST_SECURITY_PORT,
    ROOT_LEDGERS,
    ROOT_PAGED_LEDGER_PORT,
    ROOT_WIRED_LEDGER_PORT,
    boot_ports,
    boot_tokens,
    task_port,
)
from sendright.mach.state.snapshot import Ledger, Snapshot


def booted(profile: Profile) -> Snapshot:
    kernel = ReferenceKernel()
    kernel.boot(profile)
    return kernel.snapshot()


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_boot_makes_the_ports_of_every_profile_in_their_order(profile: Profile) -> None:
    ports = booted(profile).ports
    assert {number: port.object for number, port in ports.items()} == boot_ports(profile.boot_tasks)
    assert [port.task for port in ports.values() if port.object is PortObject.TASK] == list(range(profile.boot_tasks))
    assert {port.queue_limit for port in ports.values()} == {5}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_send_right_of_the_boot_state_was_made(profile: Profile) -> None:
    for port in booted(profile).ports.values():
        assert port.make_send_count == port.send_rights


def test_the_bootstrap_task_is_given_the_hosts_ports() -> None:
    names = booted(MANUAL).tasks[BOOTSTRAP_TASK].names
    ports = (HOST_PRIV_PORT, DEVICE_PORT, HOST_SECURITY_PORT, ROOT_WIRED_LEDGER_PORT, ROOT_PAGED_LEDGER_PORT)
    assert names == {name: send(port, urefs=1) for name, port in enumerate(ports, 1)}


def test_gnumach_gives_no_security_port() -> None:
    assert booted(GNUMACH).tasks[BOOTSTRAP_TASK].names == {1: send(HOST_PRIV_PORT, urefs=1), 2: send(DEVICE_PORT, urefs=1)}


@pytest.mark.parametrize(
    ("profile", "places"),
    [
        (MANUAL, {Place.KERNEL: 6, Place.HOST: 0, Place.WIRED_LEDGER: 3, Place.PAGED_LEDGER: 4}),
        (OSF, {Place.KERNEL: 6, Place.WIRED_LEDGER: 3, Place.PAGED_LEDGER: 4}),
        (XNU_792, {Place.KERNEL: 6, Place.HOST: 0, Place.WIRED_LEDGER: 3, Place.PAGED_LEDGER: 4}),
        (GNUMACH, {Place.KERNEL: 6}),
        (XNU, {Place.KERNEL: 6, Place.HOST: HOST_PRIV_PORT}),
    ],
    ids=PROFILES,
)
def test_the_bootstrap_tasks_special_ports(profile: Profile, places: dict[Place, int]) -> None:
    assert booted(profile).tasks[BOOTSTRAP_TASK].places == {place: send(port) for place, port in places.items()}


def test_the_bootstrap_task_is_root_and_draws_on_the_root_ledgers() -> None:
    task = booted(MANUAL).tasks[BOOTSTRAP_TASK]
    assert task.port == BOOTSTRAP_TASK_PORT
    assert (task.security_token, task.audit_token) == (BOOTSTRAP_SECURITY_TOKEN, BOOTSTRAP_AUDIT_TOKEN)
    assert task.ledgers == (ROOT_WIRED_LEDGER_PORT, ROOT_PAGED_LEDGER_PORT)
    assert task.memory == {}


def test_a_kernel_without_ledgers_draws_on_none() -> None:
    assert booted(GNUMACH).tasks[BOOTSTRAP_TASK].ledgers is None


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_root_ledgers_have_no_limit(profile: Profile) -> None:
    ports = booted(profile).ports
    ledgers = {number: port.ledger for number, port in ports.items() if port.ledger is not None}
    assert ledgers == dict.fromkeys(ROOT_LEDGERS, Ledger(limit=-1, balance=0, parent=None, ledger_ledger=None))


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_hosts_special_ports(profile: Profile) -> None:
    ports = {number: send(port) for number, port in BOOT_HOST_PORTS.items()}
    assert booted(profile).host_ports == (ports if profile in (MANUAL, XNU_792, XNU) else {})


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_bootstrap_task_runs_and_has_no_sets_and_no_exception_ports(profile: Profile) -> None:
    task = booted(profile).tasks[BOOTSTRAP_TASK]
    assert (task.suspend_count, task.sets, task.exceptions) == (0, {}, {})


def test_where_no_call_makes_tasks_there_are_several() -> None:
    state = booted(XNU)
    assert list(state.tasks) == [0, 1, 2]
    assert state.tasks[0].names == {
        1: send(HOST_PRIV_PORT, urefs=1),
        2: send(DEVICE_PORT, urefs=1),
        3: send(task_port(1), urefs=1),
        4: send(task_port(2), urefs=1),
    }
    for number in (1, 2):
        task = state.tasks[number]
        assert task.port == task_port(number)
        assert (task.security_token, task.audit_token) == boot_tokens(number)
        assert task.places == {Place.KERNEL: send(task_port(number)), Place.HOST: send(0)}
        assert (task.names, task.memory, task.ledgers, task.suspend_count) == ({}, {}, None, 0)


def test_no_two_tasks_of_the_boot_state_have_a_token_in_common() -> None:
    tokens = [token for number in range(4) for token in boot_tokens(number)]
    assert len(set(tokens)) == len(tokens)


def test_booting_again_forgets_everything() -> None:
    machine = Machine()
    machine.root.child().port()
    machine.kernel.boot(OSF)
    assert machine.kernel.snapshot() == booted(OSF)


def test_numbers_follow_the_order_of_creation() -> None:
    root = Machine().root
    first, second = root.child(), root.child()
    assert (first.number, second.number) == (1, 2)
    assert (first.shown.port, second.shown.port) == (7, 8)
    assert root.number_of(root.port()) == 9


def test_the_number_of_a_dead_task_is_not_used_again() -> None:
    root = Machine().root
    root.does("task_terminate", task=root.child().seen_as)
    assert root.child().number == 2


def test_a_call_as_no_task_is_the_harnesss_mistake() -> None:
    machine = Machine()
    child = machine.root.child()
    machine.root.does("task_terminate", task=child.seen_as)
    for number in (child.number, 9):
        with pytest.raises(ValueError, match=f"no live task {number}"):
            machine.kernel.call(number, Call("mach_task_self", {}))


def test_a_kernel_that_was_not_booted_has_no_tasks() -> None:
    assert ReferenceKernel().snapshot() == Snapshot({}, {})
    with pytest.raises(ValueError, match="no live task 0"):
        ReferenceKernel().call(0, Call("mach_task_self", {}))


def test_a_call_that_mach_does_not_have_is_the_harnesss_mistake() -> None:
    with pytest.raises(ValueError, match="mach_port_levitate"):
        Machine().root.result("mach_port_levitate")


def test_a_missing_argument_is_the_harnesss_mistake() -> None:
    with pytest.raises(ValueError, match="'name' is missing"):
        Machine().root.result("mach_port_type")


def test_the_kernel_says_what_it_is() -> None:
    assert ReferenceKernel().name == "reference kernel"
