"""Runs with plans: reproducible, mostly carried through, and mixed with random calls."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import msgspec
import pytest
from support.random_runs import SMALL, directed_steps

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.capabilities import Capabilities
from sendright.mach.kernel.profiles import MANUAL, PROFILES, Profile
from sendright.mach.signatures import SIGNATURES
from sendright.properties import check as checking
from sendright.properties.generation import plans
from sendright.properties.generation.calls import BYTES_PER_CALL, Calls, near_limits
from sendright.properties.generation.choices import Choices
from sendright.properties.generation.plans import Director, Lost, Stage, plans_of


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_same_bytes_make_the_same_calls(profile: Profile) -> None:
    small = near_limits(profile)
    one, other = ([step for _, step, _ in directed_steps(3, 100, small)] for _ in range(2))
    assert one == other
    assert one != [step for _, step, _ in directed_steps(4, 100, small)]


@pytest.mark.heavy
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_most_calls_succeed_and_most_plans_are_carried_through(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: Counter[tuple[int, bool]] = Counter()

    def followed(number: int, plan: plans.Plan) -> plans.Plan:
        def follow(stage: Stage) -> Any:
            try:
                yield from plan(stage)
            except Lost:
                ends[number, False] += 1
                raise
            ends[number, True] += 1

        return follow

    table = tuple([(followed(number, plan), weight) for number, (plan, weight) in enumerate(plans_of(profile))])
    monkeypatch.setattr(plans, "plans_of", lambda profile: table)
    small = near_limits(profile)
    steps = [step for seed in range(100) for _, step, _ in directed_steps(seed, 100, small)]
    assert sum(step.code == ReturnCode.KERN_SUCCESS for step in steps) > 0.7 * len(steps)
    least = 0.7 if profile.boot_tasks == 1 else 0.45  # where no task can be made, there often is none that a plan needs
    assert sum(count for (_, through), count in ends.items() if through) > least * ends.total()
    impossible = (not profile.serves("ledger_create")) + (not profile.send_possible)
    assert len({number for number, through in ends if through}) >= len(table) - impossible


class Stubborn:
    """Nothing that a director asks for is made."""

    def __init__(self, block: bytes) -> None:
        kernel = ReferenceKernel()
        kernel.boot(SMALL)
        self.snapshot = kernel.snapshot()
        self.director = Director(SMALL, Choices(block), lambda call: True, lambda task, call, given: Call(call, given))


def test_a_plan_whose_call_is_not_made_is_given_up() -> None:
    stubborn = Stubborn(Random(1).randbytes(4000))
    asked = [stubborn.director.next(stubborn.snapshot) for _ in range(400)]
    first = {planned[1].name for planned in asked if planned is not None}
    assert first == {"mach_task_self", "ledger_create"}, "the first calls of plans, and no second one"
    assert None in asked


def test_a_plan_makes_no_call_that_the_implementation_lacks() -> None:
    kernel = ReferenceKernel()
    kernel.boot(SMALL)
    capabilities = Capabilities(calls=frozenset({"mach_task_self", "mach_port_allocate", "mach_port_destroy", "task_create"}))
    source = Calls(SMALL, Random(2).randbytes(100 * BYTES_PER_CALL), capabilities, directed=True)
    for _ in range(100):
        task, call = source.next(kernel.snapshot())
        assert capabilities.calls is not None
        assert call.name in capabilities.calls
        kernel.call(task, msgspec.structs.replace(call, shortage=0))


def test_a_third_of_the_random_runs_of_a_check_has_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bool] = []

    class Recorded(Calls):
        def __init__(self, profile: Profile, block: bytes, capabilities: Capabilities, directed: bool = False) -> None:
            made.append(directed)
            super().__init__(profile, block, capabilities, directed)

    monkeypatch.setattr("sendright.properties.checking.runs.Calls", Recorded)
    from sendright.model.execution.oracle import Oracle

    checking.check(ReferenceKernel, Oracle, MANUAL, examples=7, steps=2)
    assert made == [False, False, True, False, False, True, False]


def test_random_calls_come_in_between() -> None:
    """Calls on memory, which no plan makes."""
    memory = {name for name, signature in SIGNATURES.items() if signature.addresses_memory}
    assert len(memory & {step.call for seed in range(20) for _, step, _ in directed_steps(seed, 100)}) > 3


def test_what_a_stage_does_not_find_is_lost() -> None:
    kernel = ReferenceKernel()
    kernel.boot(SMALL)
    stage = Stage(SMALL, Choices(b"\0"), lambda call: True, lambda task, call, given: Call(call, given))
    for look in (lambda: stage.names(0), lambda: stage.port(1), lambda: stage.control(0, 0), lambda: stage.holder(1), lambda: stage.pick([])):
        with pytest.raises(Lost):
            look()
    stage.snapshot = kernel.snapshot()
    assert stage.names(0)
    for look in (lambda: stage.control(0, 0), lambda: stage.holder(1), lambda: stage.port_of(0, 77)):
        with pytest.raises(Lost):
            look()
    assert not stage.controls(0, 7)
