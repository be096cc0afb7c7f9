"""Audit sessions, as the specification alone answers."""

from __future__ import annotations

import pytest
from support.specified_processes import NOBODY, ROOT, USER, Machine

from sendright.mach.abi.tokens import ASSIGN_SESSION, FIRST_SESSION, UNSET

PLAIN = {"set_user": UNSET, "set_group": UNSET}
OF_ROOT, OF_USER = FIRST_SESSION, FIRST_SESSION + 1
"""The sessions of boot: root's has no audit user, the user's has user 501."""


@pytest.fixture
def machine() -> Machine:
    return Machine()


def sessions(machine: Machine) -> dict[int, int]:
    return machine.kernel.snapshot().sessions


def told(machine: Machine, task: int) -> tuple[int, int]:
    """The audit user and the session that the process is told."""
    machine.does(task, "getaudit_addr")
    return machine.answer["audit_user"], machine.answer["session"]


def forked(machine: Machine, parent: int) -> int:
    before = set(machine.kernel.snapshot().tasks)
    machine.does(parent, "fork")
    [child] = set(machine.kernel.snapshot().tasks) - before
    return child


def test_at_boot_each_process_has_a_session(machine: Machine) -> None:
    assert sessions(machine) == {OF_ROOT: UNSET, OF_USER: 501}
    assert (told(machine, ROOT), told(machine, USER)) == ((UNSET, OF_ROOT), (501, OF_USER))


def test_the_audit_user_is_set_once(machine: Machine) -> None:
    for auid, code in ((UNSET, "KERN_SUCCESS"), (7, "KERN_SUCCESS"), (7, "KERN_SUCCESS"), (8, "EINVAL"), (UNSET, "EINVAL")):
        assert machine.code(ROOT, "setauid", auid=auid) == code
    assert told(machine, ROOT) == (7, OF_ROOT)


@pytest.mark.parametrize(("call", "given"), [("setauid", {"auid": 501}), ("setaudit_addr", {"audit_user": 501, "session": ASSIGN_SESSION})])
def test_only_root_sets_it(machine: Machine, call: str, given: dict[str, int]) -> None:
    assert (machine.code(USER, call, **given), machine.code(NOBODY, call, **given)) == ("EPERM", "ESRCH")


def test_all_members_get_it_and_their_tokens_later(machine: Machine) -> None:
    child = forked(machine, ROOT)
    machine.does(child, "setauid", auid=7)
    assert [told(machine, task) for task in (ROOT, child)] == [(7, OF_ROOT)] * 2
    assert [machine.process(task).audit_user for task in (ROOT, child)] == [UNSET] * 2
    assert machine.process(forked(machine, child)).audit_user == 7
    machine.does(ROOT, "seteuid", euid=0)
    assert machine.process(ROOT).audit_user == UNSET, "nothing changed, so the kernel set no token"
    machine.does(ROOT, "seteuid", euid=501)
    assert machine.process(ROOT).audit_user == 7
    machine.does(child, "execve", **PLAIN)
    assert machine.process(max(machine.kernel.snapshot().tasks)).audit_user == 7


@pytest.mark.parametrize("number", [0, ASSIGN_SESSION])
def test_a_new_session_has_a_new_number(machine: Machine, number: int) -> None:
    assert machine.does(ROOT, "setaudit_addr", audit_user=9, session=number) == OF_USER + 1
    who = machine.process(ROOT)
    assert (who.audit_user, who.session, who.has_changed_ids) == (9, OF_USER + 1, False)
    assert sessions(machine) == {OF_USER: 501, OF_USER + 1: 9}, "no process is in the old one any more"


def test_a_number_that_no_session_has_makes_one(machine: Machine) -> None:
    assert machine.does(ROOT, "setaudit_addr", audit_user=9, session=7) == 7
    assert told(machine, ROOT) == (9, 7)


def test_a_session_that_exists_is_entered_with_its_audit_user(machine: Machine) -> None:
    assert machine.code(ROOT, "setaudit_addr", audit_user=502, session=OF_USER) == "EINVAL"
    assert machine.does(ROOT, "setaudit_addr", audit_user=501, session=OF_USER) == OF_USER
    assert machine.process(ROOT).audit_user == 501


def test_who_enters_an_open_session_sets_its_audit_user_for_all(machine: Machine) -> None:
    child = forked(machine, ROOT)
    machine.does(child, "setaudit_addr", audit_user=UNSET, session=ASSIGN_SESSION)
    assert machine.does(child, "setaudit_addr", audit_user=7, session=OF_ROOT) == OF_ROOT
    assert (told(machine, ROOT), machine.process(ROOT).audit_user, machine.process(child).audit_user) == ((7, OF_ROOT), UNSET, 7)


def test_who_is_in_the_session_already_keeps_its_tokens(machine: Machine) -> None:
    assert machine.does(ROOT, "setaudit_addr", audit_user=7, session=OF_ROOT) == OF_ROOT
    assert (told(machine, ROOT), machine.process(ROOT).audit_user) == ((7, OF_ROOT), UNSET)


def test_a_zombie_keeps_its_session(machine: Machine) -> None:
    child = forked(machine, ROOT)
    machine.does(child, "setaudit_addr", audit_user=9, session=7)
    machine.code(child, "exit")
    assert 7 in sessions(machine)
    assert machine.code(ROOT, "setaudit_addr", audit_user=8, session=7) == "EINVAL"
    machine.does(ROOT, "wait4", pid=-1)
    assert 7 not in sessions(machine)
    assert machine.does(ROOT, "setaudit_addr", audit_user=8, session=7) == 7
