"""Task identity tokens, as the specification alone answers."""

from __future__ import annotations

import pytest
from support.specified_processes import NOBODY, ROOT, USER, Machine

from sendright.mach.abi.rights import TASK_FLAVOUR_PORTS, Disposition, PortObject, Right, SlotKind
from sendright.mach.abi.tokens import UNSET

CONTROL, READ, INSPECT, NAME = range(4)
FREE = 256 * 40 + 3
"""A name that no task has at boot."""
PLAIN = {"set_user": UNSET, "set_group": UNSET}


class Holder(Machine):
    """A machine in which root has a right to the control port of another task."""

    def __init__(self) -> None:
        super().__init__()
        self.own = self.does(ROOT, "mach_task_self")
        self.there = self.does(ROOT, "task_for_pid", target_tport=self.own, pid=self.process(USER).pid)

    def token(self) -> int:
        """A new token of the other task: root's name for it."""
        name: int = self.does(ROOT, "task_create_identity_token", task=self.there)
        return name

    def image(self, token: int) -> tuple[int, int] | None:
        """The image that a token of root's names."""
        shown = self.kernel.snapshot()
        entry = shown.tasks[ROOT].names[token]
        port = shown.ports[entry.port or 0]
        assert (entry.kind, port.object, port.send_rights, port.make_send_count) == (SlotKind.SEND, PortObject.TASK_ID_TOKEN, 1, 1)
        return port.image

    def asked(self, token: int, flavor: int = CONTROL) -> str:
        """Ask for a port by a token of root's; the code."""
        return self.code(ROOT, "task_identity_token_get_task_port", token=token, flavor=flavor)


@pytest.fixture
def machine() -> Holder:
    return Holder()


def test_a_token_names_the_image_of_its_task(machine: Holder) -> None:
    first, second = machine.token(), machine.token()
    who = machine.process(USER)
    assert first != second
    assert machine.image(first) == machine.image(second) == (who.pid, who.pid_version)


@pytest.mark.parametrize(("flavor", "kind"), TASK_FLAVOUR_PORTS.items())
def test_each_flavour_gives_its_port(machine: Holder, flavor: int, kind: PortObject) -> None:
    token = machine.token()
    assert machine.asked(token, flavor) == "KERN_SUCCESS"
    name, shown = machine.answer["task_port"], machine.kernel.snapshot()
    port = shown.tasks[ROOT].names[name].port or 0
    assert (shown.ports[port].object, shown.ports[port].task) == (kind, USER)
    assert (machine.asked(token, flavor), machine.answer["task_port"]) == ("KERN_SUCCESS", name)


def test_what_is_no_port_of_a_task_gives_no_token(machine: Holder) -> None:
    read = machine.does(ROOT, "task_get_special_port", task=machine.there, which=6)
    for name in (machine.token(), read, machine.does(ROOT, "mach_host_self")):
        assert machine.code(ROOT, "task_create_identity_token", task=name) == "KERN_INVALID_ARGUMENT"
    assert machine.code(ROOT, "task_create_identity_token", task=99) == "MACH_SEND_INVALID_DEST"


def test_a_task_without_a_process_has_no_token(machine: Holder) -> None:
    assert machine.code(NOBODY, "task_create_identity_token", task=machine.does(NOBODY, "mach_task_self")) == "KERN_INVALID_ARGUMENT"


def test_what_is_no_token_gives_no_port(machine: Holder) -> None:
    for name, flavor in ((machine.there, CONTROL), (machine.token(), 4), (machine.token(), 0xFFFFFFFF)):
        assert machine.asked(name, flavor) == "KERN_INVALID_ARGUMENT"
    assert machine.asked(99) == "MACH_SEND_INVALID_DEST"


def test_an_image_that_is_gone_isnt_found(machine: Holder) -> None:
    token = machine.token()
    machine.does(USER, "execve", **PLAIN)
    assert [machine.asked(token, flavor) for flavor in (CONTROL, NAME)] == ["KERN_NOT_FOUND", "KERN_NOT_FOUND"]
    assert machine.asked(token, 4) == "KERN_INVALID_ARGUMENT"


def test_a_process_that_ended_isnt_found(machine: Holder) -> None:
    token = machine.token()
    machine.code(USER, "exit")
    assert machine.asked(token) == "KERN_NOT_FOUND"


def test_a_child_has_an_image_of_its_own(machine: Holder) -> None:
    token = machine.token()
    before = set(machine.kernel.snapshot().tasks)
    machine.does(USER, "fork")
    [child] = set(machine.kernel.snapshot().tasks) - before
    assert machine.asked(token) == "KERN_SUCCESS"
    assert machine.image(token) != (machine.process(child).pid, machine.process(child).pid_version)


def test_who_has_the_token_need_not_have_made_it(machine: Holder) -> None:
    """Nobody's task has no process, and gets the control port of one all the same."""
    token = machine.token()
    shown = machine.kernel.snapshot()
    [there] = [name for name, entry in shown.tasks[ROOT].names.items() if entry.port == shown.tasks[NOBODY].port]
    machine.does(ROOT, "mach_port_insert_right", task=there, name=FREE, poly=token, disposition=int(Disposition.MOVE_SEND))
    assert machine.code(NOBODY, "task_identity_token_get_task_port", token=FREE, flavor=CONTROL) == "KERN_SUCCESS"


def test_a_token_outlives_the_right_that_made_it(machine: Holder) -> None:
    token = machine.token()
    machine.does(ROOT, "mach_port_mod_refs", task=machine.own, name=machine.there, right=int(Right.SEND), delta=-1)
    assert machine.asked(token) == "KERN_SUCCESS"
