"""Suspension and single pages in the specification."""

from __future__ import annotations

import msgspec
import pytest
import z3
from support.beside_oracle import Judged
from support.specification import assumptions_are_possible, broken_when, then, without

from sendright.mach.abi.rights import Inheritance
from sendright.mach.kernel.profiles import MANUAL, PROFILES, XNU, Profile
from sendright.model.execution.oracle import broken_invariants
from sendright.model.language.rule import Context
from sendright.model.language.state import After

CREATING = {name: profile for name, profile in PROFILES.items() if profile.serves("task_create")}


@pytest.fixture(params=CREATING.values(), ids=CREATING)
def judged(request: pytest.FixtureRequest) -> Judged:
    """In the profiles in which tasks are made."""
    return Judged(request.param)


def child_of(judged: Judged, inherit_memory: bool = False) -> int:
    name: int = judged.does("task_create", parent_task=judged.me, inherit_memory=inherit_memory)
    return name


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_suspensions_are_counted(profile: Profile) -> None:
    judged = Judged(profile)
    child = child_of(judged) if profile.name in CREATING else 1 + len(profile.bootstrap_names)
    at_zero = judged.profile.resume_at_zero_code.name
    codes = [judged.code(f"task_{what}", task=child) for what in ("suspend", "suspend", "resume", "resume", "resume")]
    assert codes == ["KERN_SUCCESS"] * 4 + [at_zero]


def test_a_child_of_a_suspended_task_runs(judged: Judged) -> None:
    child = child_of(judged)
    assert judged.code("task_suspend", task=child) == "KERN_SUCCESS"
    judged.does("task_create", parent_task=child)
    assert [task.suspend_count for task in judged.state().tasks.values()] == [0, 1, 0]


def test_a_negative_count_is_found() -> None:
    state = Judged().state()
    wrong = msgspec.structs.replace(state, tasks={0: msgspec.structs.replace(state.tasks[0], suspend_count=-1)})
    assert [each.name for each in broken_invariants(wrong, MANUAL)] == ["invariant 41: a terminated task has nothing"]


def test_a_kernel_that_resumes_too_often_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    forgets = without("the task is not suspended")
    assert broken_when(monkeypatch, "task_resume", "one suspension is taken back", forgets, 41) == {"invariant 41"}


def test_a_kernel_that_stops_another_task_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def caller_too(k: Context, after: After) -> None:
        after.at("suspend_count")[k.caller] = k.before.suspend_count(k.caller) + 1

    found = broken_when(monkeypatch, "task_suspend", "the task is suspended once more", then(caller_too), 41)
    assert found == {"step invariant 41"}


@pytest.mark.parametrize(
    ("profile", "title"),
    [
        (MANUAL, "one suspension is taken back"),
        (XNU, "one suspension is taken back"),
        (XNU, "one suspension is taken back, with one reference of the caller's right"),
        (XNU, "one suspension is taken back, and the caller's right goes"),
    ],
)
def test_a_kernel_that_takes_back_all_suspensions_at_once_is_found(monkeypatch: pytest.MonkeyPatch, profile: Profile, title: str) -> None:
    def all_of_them(k: Context, after: After) -> None:
        after.at("suspend_count")[k.task_behind(k["task"])] = z3.IntVal(0)

    found = broken_when(monkeypatch, "task_resume", title, then(all_of_them), 41, 201, profile=profile)
    assert found == {"step invariant 41", "step invariant 201"}


@pytest.mark.parametrize("rule", ["task_suspend", "task_resume", "vm_deallocate", "vm_copy"])
def test_assumptions_are_possible(rule: str) -> None:
    assert assumptions_are_possible(rule)


def test_a_page_that_is_given_up_stays_with_who_shares_it(judged: Judged) -> None:
    assert judged.code("vm_allocate", task=judged.me, address=1) == "KERN_SUCCESS"
    assert judged.code("vm_inherit", task=judged.me, address=1, inheritance=int(Inheritance.SHARE)) == "KERN_SUCCESS"
    child = child_of(judged, inherit_memory=True)
    assert judged.code("vm_deallocate", task=judged.me, address=1) == "KERN_SUCCESS"
    assert judged.code("vm_read", task=judged.me, address=1) == "KERN_INVALID_ADDRESS"
    assert judged.code("vm_write", task=child, address=1, value=7) == "KERN_SUCCESS"
    assert judged.code("vm_deallocate", task=judged.me, address=1) == judged.profile.hole_code.name


def test_a_copy_is_seen_by_who_shares_the_page(judged: Judged) -> None:
    for address, value in ((0, 3), (1, 4)):
        assert judged.code("vm_allocate", task=judged.me, address=address) == "KERN_SUCCESS"
        assert judged.code("vm_write", task=judged.me, address=address, value=value) == "KERN_SUCCESS"
    assert judged.code("vm_inherit", task=judged.me, address=1, inheritance=int(Inheritance.SHARE)) == "KERN_SUCCESS"
    child = child_of(judged, inherit_memory=True)
    assert judged.code("vm_copy", task=judged.me, source_address=0, dest_address=1) == "KERN_SUCCESS"
    assert judged.does("vm_read", task=child, address=1) == 3
    assert judged.code("vm_copy", task=judged.me, source_address=2, dest_address=1) == "KERN_INVALID_ADDRESS"
    assert judged.code("vm_copy", task=judged.me, source_address=1, dest_address=2) == "KERN_INVALID_ADDRESS"
    assert judged.code("vm_copy", task=judged.me, source_address=1, dest_address=1) == "KERN_SUCCESS"


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_what_is_no_task(profile: Profile) -> None:
    judged = Judged(profile)
    host = judged.named("host_priv")
    for call, arguments in (("task_suspend", {}), ("task_resume", {}), ("vm_deallocate", {"address": 0})):
        assert judged.code(call, task=host, **arguments) == "KERN_INVALID_ARGUMENT"
