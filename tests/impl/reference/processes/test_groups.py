"""The list of groups of a process, and its audit session."""

import pytest
from support.kernel import Actor, Machine
from support.processes import GROUP, USER, check_tokens, process_of, user

from sendright.mach.kernel.profiles import XNU
from sendright.mach.state.process import NO_MEMBER

CALLS = {"setgroups": {"group": 5}, "initgroups": {"group": 5, "gmuid": 7}}


@pytest.fixture
def root() -> Actor:
    return Machine(XNU).root


@pytest.mark.parametrize("call", CALLS)
def test_only_root_sets_its_list(call: str, root: Actor) -> None:
    actor = root.machine.booted(1)
    before = root.machine.snapshot()
    assert actor.refused(call, **CALLS[call] | {"group": GROUP}) == "EPERM"
    assert root.machine.snapshot() == before
    root.does(call, **CALLS[call])
    check_tokens(root)


@pytest.mark.parametrize(("call", "member"), [("setgroups", NO_MEMBER), ("initgroups", 7)])
def test_the_first_group_is_the_effective_one(call: str, member: int, root: Actor) -> None:
    root.does(call, **CALLS[call])
    process = process_of(root)
    assert (process.real_group, process.effective_group, process.saved_group, process.member) == (0, 5, 0, member)
    assert root.does("issetugid") == 1


def test_an_effective_user_of_root_is_enough(root: Actor) -> None:
    root.does("setreuid", ruid=USER)
    root.does("setgroups", group=5)
    root.does("setuid", uid=USER)
    assert root.refused("setgroups", group=5) == "EPERM"


def test_what_is_so_already_changes_nothing(root: Actor) -> None:
    before = root.machine.snapshot()
    root.does("initgroups", group=0, gmuid=process_of(root).member)
    assert root.machine.snapshot() == before
    root.does("setgroups", group=0)
    assert (process_of(root).member, root.does("issetugid")) == (NO_MEMBER, 1)
    before = root.machine.snapshot()
    root.does("setgroups", group=0)
    assert root.machine.snapshot() == before


def test_a_process_is_told_its_audit_session() -> None:
    actor = user()
    process = process_of(actor)
    assert actor.result("getaudit_addr").outputs == {"audit_user": process.audit_user, "session": process.session}


@pytest.mark.parametrize("call", [*CALLS, "getaudit_addr"])
def test_a_task_without_a_process_is_in_no_group_and_no_session(call: str) -> None:
    assert Machine(XNU).last_booted().refused(call, **CALLS.get(call, {})) == "ESRCH"
