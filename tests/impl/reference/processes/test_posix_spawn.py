"""posix_spawn: a process begins with an image of its own."""

import pytest
from msgspec.structs import replace
from support.kernel import Actor, Machine, send
from support.processes import GROUP, HOST, HOST_PRIV, NO_ID, USER, check_tokens, process_of, user

from sendright.mach.abi.rights import EXCEPTION_PLACES, Place
from sendright.mach.kernel.profiles import XNU
from sendright.mach.state.boot import FIRST_PID_VERSION, boot_process
from sendright.mach.state.process import NO_MEMBER

PLAIN = {"set_user": NO_ID, "set_group": NO_ID}
BEHAVIOUR = 0x80000001


@pytest.fixture
def root() -> Actor:
    return Machine(XNU).root


def spawned(actor: Actor, **image: int) -> Actor:
    """A new child of an actor that begins with an image."""
    result = actor.result("posix_spawn", **PLAIN | image)
    assert (result.code, result.created_task is not None) == (0, True)
    child = Actor(actor.machine, result.created_task or 0)
    assert result.outputs == {"pid": process_of(child).pid}
    check_tokens(child)
    return child


def handles_exceptions(actor: Actor) -> int:
    """Let an actor's exceptions go to a port of its own; the port."""
    name = actor.does("mach_port_allocate", task=actor.me, right=1)
    actor.does("mach_port_insert_right", task=actor.me, name=name, poly=name, disposition=20)
    actor.does("task_set_exception_ports", task=actor.me, exception_mask=XNU.exception_mask, new_port=name, behavior=BEHAVIOUR, new_flavor=0)
    port = actor.shown.places[Place.EXC_BAD_ACCESS].port
    assert port is not None
    return port


def test_a_child_is_like_its_parent_but_has_no_memory() -> None:
    parent = user()
    parent.does("vm_allocate", target_task=parent.me, anywhere=True, address=0)
    before = parent.machine.snapshot()
    result = parent.result("posix_spawn", **PLAIN)
    after = parent.machine.snapshot()
    child = after.tasks[result.created_task or 0]
    assert child.process == replace(boot_process(1), pid=3, pid_version=FIRST_PID_VERSION + 1, parent=2, original_parent=2)
    assert (child.names, child.memory, child.suspend_count, child.waiting) == ({}, {}, 0, None)
    assert child.places == {Place.KERNEL: send(child.port), Place.HOST: send(HOST)}
    assert len(after.ports) == len(before.ports) + 1
    port = after.ports[child.port]
    assert (port.task, port.send_rights, port.make_send_count) == (result.created_task, 1, 1)
    assert after.tasks[1] == before.tasks[1]


def test_a_fork_and_an_image_draw_a_version_each(root: Actor) -> None:
    versions = [process_of(spawned(root)).pid_version for _ in range(2)]
    assert versions == [FIRST_PID_VERSION + 1, FIRST_PID_VERSION + 3]


def test_an_image_takes_the_mark_away_and_saves_the_effective_ids(root: Actor) -> None:
    root.does("setreuid", ruid=USER, euid=0)
    root.does("seteuid", euid=USER)
    process = process_of(spawned(root))
    assert (process.real_user, process.effective_user, process.saved_user, process.has_changed_ids) == (USER, USER, USER, False)


@pytest.mark.parametrize(
    ("image", "ids", "member"),
    [
        ({"set_user": 0}, (USER, 0, 0, GROUP, GROUP, GROUP), NO_MEMBER),
        ({"set_group": 0}, (USER, USER, USER, GROUP, 0, 0), NO_MEMBER),
        ({"set_user": 0, "set_group": GROUP}, (USER, 0, 0, GROUP, GROUP, GROUP), NO_MEMBER),
    ],
)
def test_a_set_id_image_gives_its_ids(image: dict[str, int], ids: tuple[int, ...], member: int) -> None:
    parent = user()
    process = process_of(spawned(parent, **image))
    users = process.real_user, process.effective_user, process.saved_user
    assert (*users, process.real_group, process.effective_group, process.saved_group) == ids
    assert (process.member, process.has_changed_ids) == (member, True)
    assert process_of(parent) == boot_process(1)


def test_an_image_of_ones_own_ids_is_no_set_id_image() -> None:
    parent = user()
    port = handles_exceptions(parent)
    child = spawned(parent, set_user=USER, set_group=GROUP)
    assert process_of(child).has_changed_ids is False
    assert {child.shown.places[place].port for place in XNU.exception_places} == {port}


def test_a_set_id_image_has_no_exception_ports_but_roots(root: Actor) -> None:
    parent = user()
    handles_exceptions(parent)
    child = spawned(parent, set_user=0)
    assert child.shown.places == {Place.KERNEL: send(child.shown.port), Place.HOST: send(HOST_PRIV)}
    assert set(child.shown.exceptions) == set(parent.shown.exceptions)
    port = handles_exceptions(root)
    root.does("setuid", uid=USER)
    places = spawned(root, set_user=0).shown.places
    assert {places[place].port for place in XNU.exception_places} == {port}


def test_what_a_set_id_image_does_not_inherit_is_given_back() -> None:
    parent = user()
    port = handles_exceptions(parent)
    before = parent.machine.snapshot().ports[port].send_rights
    spawned(parent, set_user=0)
    assert parent.machine.snapshot().ports[port].send_rights == before
    spawned(parent)
    assert parent.machine.snapshot().ports[port].send_rights == before + len(XNU.exception_places)
    assert set(XNU.exception_places) <= set(EXCEPTION_PLACES)


@pytest.mark.parametrize("shortage", [1, 2])
def test_a_shortage_makes_nothing(shortage: int) -> None:
    parent = user()
    before = parent.machine.snapshot()
    assert parent.refused("posix_spawn", shortage=shortage, **PLAIN) == "EAGAIN"
    assert parent.machine.snapshot() == before


def test_a_task_without_a_process_spawns_none() -> None:
    assert Machine(XNU).last_booted().refused("posix_spawn", **PLAIN) == "ESRCH"
