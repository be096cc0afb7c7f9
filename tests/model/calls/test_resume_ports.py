"""Rights that hold suspensions, in the specification."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest
import z3
from support.beside_oracle import Judged
from support.specification import assumptions_are_possible, broken_when, little_effort, then

from sendright.impl.faults import FAULTS
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import PortObject
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import XNU
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.snapshot import Snapshot
from sendright.model.execution.oracle import Oracle, broken_by_step, broken_invariants
from sendright.model.invariants.theorems import DONE_TO_TASK, all_authority
from sendright.model.language.actions import put_if
from sendright.model.language.rule import RULES, SUSPENSIONS_END, Case, Context, Rule
from sendright.model.language.sorts import KIND, OBJECT, UNBOUNDED
from sendright.model.language.state import After
from sendright.model.proof.any_state import ANY_STATE, held_by_any_state
from sendright.model.proof.obligations import ProofTask, decide
from sendright.model.proof.solver.instantiate import Proof
from sendright.properties.check import check

LAST = 4
"""The bootstrap task's name for the port of the task that can end."""
SUSPEND, RESUME = "task_suspend", "task_resume"
FIRST_RIGHT = "the task is suspended, and the caller gets the first right to its resume port"
MORE = "the task is suspended, and the caller's right to its resume port gets one more reference"
NO_ROOM = "the task is suspended, and there is no room for a right to its resume port"
GONE = "one suspension is taken back, and the caller's right goes"
LOST = "the task is not suspended: the caller loses its right to the resume port"


@pytest.mark.parametrize("rule", [SUSPEND, RESUME, SUSPENSIONS_END])
def test_assumptions_are_possible(rule: str) -> None:
    assert assumptions_are_possible(rule, XNU)


def test_a_suspended_task_without_a_resume_port_is_found() -> None:
    judged = Judged(XNU)
    state = judged.state()
    suspended = {**state.tasks, 1: msgspec.structs.replace(state.tasks[1], suspend_count=1)}
    wrong = msgspec.structs.replace(state, tasks=suspended)
    assert [each.name for each in broken_invariants(wrong, XNU)] == ["invariant 137: a suspended task has a resume port"]


def test_a_resume_port_of_an_ended_task_is_found() -> None:
    judged = Judged(XNU)
    judged.does(SUSPEND, task=LAST)
    state = judged.state()
    wrong = msgspec.structs.replace(state, tasks={number: task for number, task in state.tasks.items() if number != 2})
    assert "invariant 131: a further port of a task stands for it while it lives" in {each.name for each in broken_invariants(wrong, XNU)}


# ---- wrong rules


def test_suspensions_that_end_too_late_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them stays."""

    def one_stays(k: Context, after: After) -> None:
        after.at("suspend_count")[k.before.object_task(k["of"])] = z3.IntVal(1)

    def change(k: Context, case: Case) -> Case:
        return replace(case, effect=lambda after: one_stays(k, after))

    assert broken_when(monkeypatch, SUSPENSIONS_END, "the task runs again", change, 41, 201, profile=XNU) == {
        "step invariant 41",
        "step invariant 201",
    }


def test_suspensions_of_another_task_are_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def callers_too(k: Context, case: Case) -> Case:
        def effect(after: After) -> None:
            case.effect(after)
            after.at("suspend_count")[k.caller] = z3.IntVal(0)

        return replace(case, effect=effect)

    assert broken_when(monkeypatch, SUSPENSIONS_END, "the task runs again", callers_too, 41, 201, profile=XNU) == {
        "step invariant 41",
        "step invariant 201",
    }


@pytest.mark.parametrize(("rule", "title"), [(SUSPEND, FIRST_RIGHT), (SUSPEND, MORE), (RESUME, GONE)])
def test_a_right_for_another_task_is_found(monkeypatch: pytest.MonkeyPatch, rule: str, title: str) -> None:
    """The suspended task's own names change."""

    def target_too(k: Context, after: After) -> None:
        slot = k.slot(k["task"], k.task_behind(k["task"]))
        after.at("urefs")[slot] = after.urefs(slot) + 1

    assert broken_when(monkeypatch, rule, title, then(target_too), 28, 202, profile=XNU) >= {"step invariant 202"}


def test_a_right_that_a_failing_resume_keeps_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def keeps(k: Context, case: Case) -> Case:
        return replace(case, effect=lambda after: None) if case.title == LOST else case

    assert broken_when(monkeypatch, RESUME, LOST, keeps, 202, profile=XNU) == {"step invariant 202"}


def test_a_suspension_that_is_undone_without_room_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task's suspend count falls with a failing suspension."""

    def undone(k: Context, case: Case) -> Case:
        def effect(after: After) -> None:
            after.add("suspend_count", k.task_behind(k["task"]), -1)

        return replace(case, effect=effect) if case.title == NO_ROOM else case

    assert broken_when(monkeypatch, SUSPEND, NO_ROOM, undone, 41, 201, profile=XNU) == {"invariant 41", "step invariant 41", "step invariant 201"}


@pytest.mark.parametrize("title", ["task is not a task's port", "the task is not suspended"])
def test_a_resume_that_fails_keeps_pegged_dead_names(monkeypatch: pytest.MonkeyPatch, title: str) -> None:
    """Step invariant 7: a dead name leads to no task's resume port, also if the task has none."""

    def loses_dead_names(k: Context, case: Case) -> Case:
        def effect(after: After) -> None:
            case.effect(after)
            b, target = k.before, k.task_behind(k["task"])
            slot = k.slot(z3.Const("some name", k.sorts.Name))
            leads_there = b.port(slot) == b.flavour_port(target, OBJECT.of(PortObject.TASK_RESUME))
            lost = z3.And(b.kind(slot) == KIND.DEAD_NAME, leads_there, b.suspend_count(target) == 0)
            put_if(after, lost, slot, KIND.NONE, k.sorts.no_port)

        return replace(case, effect=effect) if case.title == title else case

    assert "step invariant 7" in broken_when(monkeypatch, RESUME, title, loses_dead_names, 7, profile=XNU)


def test_a_resume_by_a_task_without_the_right_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Step invariant 27: the task isn't suspended, and the caller has no right to lose."""
    title = "the task is not suspended"

    def more(k: Context, case: Case) -> Case:
        def effect(after: After) -> None:
            case.effect(after)
            after.add("seqno", k.sorts.host_port, 1)

        return replace(case, effect=effect) if case.title == title else case

    assert broken_when(monkeypatch, RESUME, title, more, 27, profile=XNU) == {"step invariant 27"}


ENDS = "a port ends, a request is used up, a send-possible request is due no longer, or a task runs again"


def following_up() -> set[str]:
    """What isn't proved of the rule that ends suspensions, as one that follows up other rules."""
    return {one.case.partition("; ")[2] for one in decide("xnu", ProofTask("follow-up", SUSPENSIONS_END)) if one.verdict is not Verdict.PROVED}


def test_a_follow_up_that_never_ends_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule does nothing, so there is always work for it."""
    little_effort(monkeypatch)
    assert following_up() == set()
    original = RULES[SUSPENSIONS_END]
    idle = replace(original, cases=lambda k: (replace(case, effect=lambda after: None) for case in original.cases(k)))
    monkeypatch.setitem(RULES, SUSPENSIONS_END, idle)
    assert following_up() == {ENDS}


# ---- wrong kernels


def stepped(before: Snapshot, after: Snapshot, call: str, code: ReturnCode) -> set[str]:
    """The step properties that this step of the bootstrap task's breaks, by their numbers."""
    made = Call(call, {"task": LAST} if call in (SUSPEND, RESUME) else {})
    return {each.name.partition(":")[0] for each in broken_by_step(before, after, 0, made, code, XNU)}


def test_only_a_shortage_leaves_a_resume_port() -> None:
    """Step invariant 35: the call made a port, and failed for another reason."""
    judged = Judged(XNU)
    before = judged.state()
    assert judged.code(SUSPEND, task=LAST, shortage=1) == "KERN_RESOURCE_SHORTAGE"
    after = judged.state()
    assert len(after.ports) == len(before.ports) + 1
    assert stepped(before, after, SUSPEND, ReturnCode.KERN_RESOURCE_SHORTAGE) == set()
    assert "invariant 35" in stepped(before, after, SUSPEND, ReturnCode.KERN_INVALID_ARGUMENT)


def with_suspensions(state: Snapshot, count: int) -> Snapshot:
    """The same, but for how often the task is suspended that the bootstrap task knows as ``LAST``."""
    number = next(number for number, task in state.tasks.items() if task.port == state.tasks[0].names[LAST].port)
    return msgspec.structs.replace(state, tasks={**state.tasks, number: msgspec.structs.replace(state.tasks[number], suspend_count=count)})


def without_resume_ports(state: Snapshot) -> Snapshot:
    """The same without resume ports, and without rights to them."""
    gone = {number for number, port in state.ports.items() if port.object is PortObject.TASK_RESUME}
    ports = {number: port for number, port in state.ports.items() if number not in gone}
    tasks = {
        number: msgspec.structs.replace(task, names={name: entry for name, entry in task.names.items() if entry.port not in gone})
        for number, task in state.tasks.items()
    }
    return msgspec.structs.replace(state, tasks=tasks, ports=ports)


def test_a_suspension_goes_with_no_call_of_others() -> None:
    """Step invariant 41: while a right to the resume port is there, and if the port has vanished, which lives as long
    as its task.
    """
    judged = Judged(XNU)
    judged.does(SUSPEND, task=LAST)
    state = judged.state()
    runs = with_suspensions(state, 0)
    assert stepped(state, state, "mach_task_self", ReturnCode.KERN_SUCCESS) == set()
    assert "invariant 41" in stepped(state, runs, "mach_task_self", ReturnCode.KERN_SUCCESS)
    assert "invariant 41" in stepped(state, without_resume_ports(runs), "mach_task_self", ReturnCode.KERN_SUCCESS)


def test_a_kernel_that_forgets_the_right_is_found() -> None:
    """``sendright check`` finds it, and needs two calls for it."""
    found = check(FAULTS["resume-keeps-right"].kernel, Oracle, XNU, examples=100, steps=60, seed=1)
    assert found.failure is not None
    assert [step.call for step in found.failure.steps] == [SUSPEND, RESUME]


def test_a_kernel_that_gives_the_right_another_name_agrees() -> None:
    """Which name that is, the state shows."""
    judged = Judged(XNU)
    for _ in range(2):
        judged.does("mach_port_allocate", right=1)
    judged.does("mach_port_destroy", name=6)
    judged.does(SUSPEND, task=LAST)
    assert {name: entry.urefs for name, entry in judged.state().tasks[0].names.items() if name > LAST} == {5: 1, 6: 1, 7: 0}
    judged.run.finish()


def not_the_same_for_all_holders(rule: Rule) -> list[str]:
    """What of invariant 23 isn't proved of ``rule``. Nothing is proved from a contradiction."""
    k, left = Context(rule, ANY_STATE, XNU), []
    for name, assumed, claims in all_authority(k):
        proof = Proof(UNBOUNDED, [*UNBOUNDED.background, *k.assumptions(), *assumed], held_by_any_state(XNU))
        assert not proof.looks_contradictory()
        if any(proof.decide(claim) != z3.unsat for claim in claims):
            left.append(name)
    return left


def test_all_holders_of_a_tasks_port_do_the_same_to_the_task() -> None:
    """A task_resume that takes back all suspensions if its caller has no right to the resume port breaks invariant 23:
    for a caller with such a right another case applies, which takes back one.
    """
    whole = RULES[RESUME]

    def cases(k: Context) -> Iterator[Case]:
        def take_back_all(after: After) -> None:
            after.at("suspend_count")[k.task_behind(k["task"])] = z3.IntVal(0)

        for case in whole.cases(k):
            yield replace(case, effect=take_back_all) if case.title == "one suspension is taken back" else case

    assert "suspend_count" in DONE_TO_TASK
    assert [not_the_same_for_all_holders(RULES[rule]) for rule in (SUSPEND, RESUME)] == [[], []]
    assert not_the_same_for_all_holders(replace(whole, cases=cases)) == ["the same suspend_count"]
