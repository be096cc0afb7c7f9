"""The ids of processes, as the specification alone answers: who may set which, and what follows from them."""

from __future__ import annotations

import pytest
from support.specified_processes import NOBODY, ROOT, USER, Machine

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.tokens import UNSET
from sendright.mach.kernel.profiles import XNU
from sendright.mach.state.boot import HOST_PORT, HOST_PRIV_PORT
from sendright.mach.state.process import NO_MEMBER
from sendright.model.execution.snapshots import state_of


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_the_processes_of_boot(machine: Machine) -> None:
    assert machine.users(ROOT) == (0, 0, 0)
    assert machine.users(USER) == (501, 501, 501)
    assert (machine.process(ROOT).pid, machine.process(USER).pid) == (1, 2)
    assert machine.kernel.snapshot().tasks[NOBODY].process is None
    assert (machine.host(ROOT), machine.host(USER)) == (HOST_PRIV_PORT, HOST_PORT)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("issetugid", {}),
        *((call, {argument: 501}) for call, argument in (("setuid", "uid"), ("seteuid", "euid"), ("setgid", "gid"), ("setegid", "egid"))),
        ("setreuid", {"ruid": 501, "euid": 501}),
        ("setregid", {"rgid": 501, "egid": 501}),
        ("setgroups", {"group": 20}),
        ("initgroups", {"group": 20, "gmuid": 501}),
        ("getaudit_addr", {}),
        ("posix_spawn", {"set_user": UNSET, "set_group": UNSET}),
    ],
)
def test_a_task_without_a_process_has_no_ids(machine: Machine, call: str, arguments: dict[str, int]) -> None:
    assert machine.code(NOBODY, call, **arguments) == "ESRCH"


def test_root_gives_up_all_three_users(machine: Machine) -> None:
    machine.does(ROOT, "setuid", uid=501)
    assert machine.users(ROOT) == (501, 501, 501)
    assert machine.process(ROOT).member == 501
    assert machine.host(ROOT) == HOST_PORT
    assert machine.code(ROOT, "setuid", uid=0) == "EPERM"
    assert machine.code(ROOT, "seteuid", euid=0) == "EPERM"


def test_root_becomes_a_user_for_a_while(machine: Machine) -> None:
    machine.does(ROOT, "seteuid", euid=501)
    assert (machine.users(ROOT), machine.host(ROOT)) == ((0, 501, 0), HOST_PORT)
    assert machine.code(ROOT, "seteuid", euid=7) == "EPERM"
    machine.does(ROOT, "setuid", uid=0)
    assert (machine.users(ROOT), machine.host(ROOT)) == ((0, 0, 0), HOST_PRIV_PORT)


def test_a_mark_stays(machine: Machine) -> None:
    assert machine.does(ROOT, "issetugid") == 0
    machine.does(ROOT, "seteuid", euid=0)
    assert machine.does(ROOT, "issetugid") == 0
    machine.does(ROOT, "seteuid", euid=501)
    machine.does(ROOT, "seteuid", euid=0)
    assert machine.does(ROOT, "issetugid") == 1


def test_a_user_is_no_one_else(machine: Machine) -> None:
    for call, argument in (("setuid", "uid"), ("seteuid", "euid"), ("setgid", "gid"), ("setegid", "egid")):
        assert machine.code(USER, call, **{argument: 0}) == "EPERM"
    assert machine.code(USER, "setreuid", ruid=0, euid=501) == "EPERM"
    assert machine.code(USER, "setregid", rgid=20, egid=0) == "EPERM"
    machine.does(USER, "setuid", uid=501)
    assert machine.does(USER, "issetugid") == 0


def test_setreuid_sets_the_saved_user_unless_it_is_asked_for(machine: Machine) -> None:
    machine.does(ROOT, "setreuid", ruid=501, euid=502)
    assert machine.users(ROOT) == (501, 502, 502)
    machine.does(ROOT, "setreuid", ruid=502, euid=501)
    assert machine.users(ROOT) == (502, 501, 502)
    machine.does(ROOT, "setreuid", ruid=501, euid=UNSET)
    assert machine.users(ROOT) == (501, 501, 501)


def test_in_setreuid_a_saved_user_may_be_the_argument_that_sets_nothing(machine: Machine) -> None:
    machine.does(ROOT, "setuid", uid=UNSET)
    machine.does(ROOT, "setreuid", ruid=UNSET, euid=UNSET)
    assert machine.users(ROOT) == (UNSET, UNSET, UNSET)


def test_in_setregid_the_argument_that_sets_nothing_is_no_group(machine: Machine) -> None:
    machine.does(ROOT, "setgid", gid=UNSET)
    machine.does(ROOT, "setegid", egid=20)
    assert machine.groups(ROOT) == (UNSET, 20, UNSET)
    machine.does(ROOT, "setregid", rgid=UNSET, egid=UNSET)
    assert machine.groups(ROOT) == (UNSET, 20, 20)


def test_root_gives_up_all_three_groups(machine: Machine) -> None:
    machine.does(ROOT, "setgid", gid=20)
    assert machine.groups(ROOT) == (20, 20, 20)
    assert machine.users(ROOT) == (0, 0, 0)
    assert machine.host(ROOT) == HOST_PRIV_PORT


def test_a_process_whose_effective_group_changes_is_no_ones_member(machine: Machine) -> None:
    machine.does(ROOT, "setregid", rgid=20)
    assert machine.process(ROOT).member == 0
    machine.does(ROOT, "setegid", egid=20)
    assert machine.process(ROOT).member == NO_MEMBER
    machine.does(ROOT, "setuid", uid=501)
    assert machine.process(ROOT).member == NO_MEMBER


def test_only_root_sets_its_list_of_groups(machine: Machine) -> None:
    assert machine.code(USER, "setgroups", group=20) == "EPERM"
    assert machine.code(USER, "initgroups", group=20, gmuid=501) == "EPERM"
    machine.does(ROOT, "setgroups", group=20)
    assert (machine.groups(ROOT), machine.process(ROOT).member) == ((0, 20, 0), NO_MEMBER)
    assert machine.does(ROOT, "issetugid") == 1


def test_initgroups_makes_a_process_a_member_again(machine: Machine) -> None:
    machine.does(ROOT, "initgroups", group=0, gmuid=0)
    assert machine.does(ROOT, "issetugid") == 0
    machine.does(ROOT, "setgroups", group=0)
    machine.does(ROOT, "initgroups", group=0, gmuid=501)
    assert (machine.groups(ROOT), machine.process(ROOT).member) == ((0, 0, 0), 501)


def test_a_process_learns_its_audit_session(machine: Machine) -> None:
    machine.does(USER, "getaudit_addr")
    who = machine.process(USER)
    assert machine.answer == {"audit_user": who.audit_user, "session": who.session}


def test_the_state_can_be_read_back(machine: Machine) -> None:
    machine.does(ROOT, "setreuid", ruid=501, euid=502)
    state, shown = machine.kernel.oracle.system.state, machine.kernel.snapshot()
    read = state_of(shown, XNU)
    for name in ("process", "pid", "real_user", "effective_user", "saved_user", "member_user", "has_changed_ids", "session"):
        assert {task: value for task, value in read[name].items() if value} == {task: value for task, value in state[name].items() if value}, name


def test_whose_pid_a_task_has(machine: Machine) -> None:
    """Task 0 has send rights to the ports of the others, by the names after those of the host's."""
    names = {task: len(XNU.bootstrap_names) + task for task in (USER, NOBODY)}
    assert machine.does(ROOT, "pid_for_task", task=names[USER]) == 2
    assert machine.code(ROOT, "pid_for_task", task=names[NOBODY]) == "KERN_FAILURE"
    assert machine.code(ROOT, "pid_for_task", task=1) == "KERN_FAILURE"
    name_port = machine.does(ROOT, "task_get_special_port", task=names[USER], which=3)
    assert machine.does(ROOT, "pid_for_task", task=name_port) == 2


def test_a_process_is_not_terminated(machine: Machine) -> None:
    names = {task: len(XNU.bootstrap_names) + task for task in (USER, NOBODY)}
    assert machine.code(ROOT, "task_terminate", task=names[USER]) == ReturnCode.KERN_FAILURE.name
    machine.does(ROOT, "task_terminate", task=names[NOBODY])
    assert NOBODY not in machine.kernel.snapshot().tasks
