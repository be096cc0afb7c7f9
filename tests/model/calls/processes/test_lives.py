"""How processes begin, as the specification alone answers: posix_spawn, beside fork and execve."""

from __future__ import annotations

from typing import Any

import pytest
from support.specified_processes import ROOT, USER, Machine

from sendright.mach.abi.rights import Disposition, Place, Right, SlotKind
from sendright.mach.abi.tokens import UNSET
from sendright.mach.state.boot import HOST_PRIV_PORT
from sendright.mach.state.process import NO_MEMBER

EXC_MASK_BAD_ACCESS = 2
BEHAVIOUR, FLAVOUR = 1, 5


@pytest.fixture
def machine() -> Machine:
    return Machine()


def spawned(machine: Machine, parent: int, **image: Any) -> int:
    """The task of a new child with this image."""
    before = set(machine.kernel.snapshot().tasks)
    pid = machine.does(parent, "posix_spawn", **{"set_user": UNSET, "set_group": UNSET} | image)
    [child] = set(machine.kernel.snapshot().tasks) - before
    assert machine.process(child).pid == pid
    return child


def with_exception_port(machine: Machine, task: int) -> int:
    """Send the task's exceptions of one type to a port of its own; that port."""
    me = machine.does(task, "mach_task_self")
    name = machine.does(task, "mach_port_allocate", task=me, right=int(Right.RECEIVE))
    machine.does(task, "mach_port_insert_right", task=me, name=name, poly=name, disposition=int(Disposition.MAKE_SEND))
    given = {"exception_mask": EXC_MASK_BAD_ACCESS, "new_port": name, "behavior": BEHAVIOUR, "new_flavor": FLAVOUR}
    machine.does(task, "task_set_exception_ports", task=me, **given)
    port = exception_port(machine, task)
    assert port is not None
    return port


def exception_port(machine: Machine, task: int) -> int | None:
    place = machine.kernel.snapshot().tasks[task].places.get(Place.EXC_BAD_ACCESS)
    return None if place is None else place.port


def test_a_child_has_its_parents_ids_and_saves_the_effective_ones(machine: Machine) -> None:
    machine.does(ROOT, "setreuid", ruid=501, euid=502)
    machine.does(ROOT, "seteuid", euid=501)
    version = machine.process(ROOT).pid_version
    child = spawned(machine, ROOT)
    who, parent = machine.process(child), machine.process(ROOT)
    assert (machine.users(child), machine.users(ROOT)) == ((501, 501, 501), (501, 501, 502))
    assert (who.has_changed_ids, parent.has_changed_ids) == (False, True)
    assert (who.parent, who.original_parent, who.is_orphan, who.has_begun) == (parent.pid, parent.pid, False, True)
    assert (who.session, who.audit_user, parent.pid_version) == (parent.session, parent.audit_user, version)


def test_a_fork_and_an_image_draw_a_pid_version_each(machine: Machine) -> None:
    first, second = (machine.process(spawned(machine, USER)).pid_version for _ in range(2))
    assert second == first + 2


def test_a_set_id_image_raises_the_child(machine: Machine) -> None:
    child = spawned(machine, USER, set_user=0)
    assert machine.users(child) == (501, 0, 0)
    assert (machine.process(child).has_changed_ids, machine.process(child).member) == (True, NO_MEMBER)
    assert machine.host(child) == HOST_PRIV_PORT
    assert machine.users(USER) == (501, 501, 501)


def test_an_image_of_the_same_owner_is_no_set_id_image(machine: Machine) -> None:
    child = spawned(machine, USER, set_user=501)
    assert (machine.process(child).has_changed_ids, machine.process(child).member) == (False, machine.process(USER).member)


def test_a_set_id_image_has_no_exception_ports_of_its_parents(machine: Machine) -> None:
    port = with_exception_port(machine, USER)
    assert exception_port(machine, spawned(machine, USER)) == port
    assert exception_port(machine, spawned(machine, USER, set_user=0)) is None
    task = machine.kernel.snapshot().tasks[max(machine.kernel.snapshot().tasks)]
    assert task.exceptions[Place.EXC_BAD_ACCESS] == (BEHAVIOUR, FLAVOUR)


def test_exception_ports_that_root_has_set_stay(machine: Machine) -> None:
    port = with_exception_port(machine, ROOT)
    machine.does(ROOT, "setuid", uid=501)
    assert exception_port(machine, spawned(machine, ROOT, set_user=0)) == port


def test_no_one_has_the_port_of_a_child(machine: Machine) -> None:
    child = spawned(machine, USER)
    shown = machine.kernel.snapshot()
    holders = [number for number, task in shown.tasks.items() for entry in task.names.values() if entry.port == shown.tasks[child].port]
    assert holders == []
    assert (shown.tasks[child].places[Place.KERNEL].kind, shown.ports[shown.tasks[child].port].send_rights) == (SlotKind.SEND, 1)
    assert machine.does(child, "issetugid") == 0
