"""The specification is not vacuous: every case is reached, invariants hold on the way, and wrong ones don't."""

from __future__ import annotations

import msgspec
import pytest
from support.profiles import MANUAL_FIRST, manual_first

from sendright.impl.faults import FAULTS
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import MANUAL, XNU_792, Profile
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.snapshot import Snapshot
from sendright.model.execution import witnesses as recorded
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.property_check import broken_by_step, broken_in_state
from sendright.model.execution.satisfied import CaseAssumptions
from sendright.model.execution.snapshots import ghosts_of
from sendright.model.execution.witnesses import reachable_cases, replay, tupled, witnesses
from sendright.model.proof.must_fail import MUST_FAIL, decide_must_fail

profiles = pytest.mark.parametrize("profile", MANUAL_FIRST)


@profiles
def test_every_case_is_reached_from_boot(profile: Profile) -> None:
    """All assumptions of each case are evaluated on the way: none is left to a search in a small scope."""
    unreached = [obligation.call for obligation in reachable_cases(profile) if obligation.verdict is not Verdict.PROVED]
    assert unreached == []


def test_a_number_that_an_assumption_speaks_of_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CaseAssumptions, "_numbers", lambda self, state, env, values: [lambda port: 7] * len(self._counted))
    wrong = {f"{one.call}/{one.case}": one.scope for one in reachable_cases(XNU_792) if one.verdict is not Verdict.PROVED}
    room = "mach_port_set_attributes/KERN_SUCCESS/the queue limit is set"
    assert room in wrong
    assert "places_given" in (wrong[room] or "")


def test_without_witnesses_nothing_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "all_witnesses", lambda: ())
    assert {obligation.verdict for obligation in reachable_cases(MANUAL)} == {Verdict.UNDETERMINED}


def test_a_witness_with_a_wrong_answer_is_none() -> None:
    witness = next(witnesses(MANUAL))
    first = witness.steps[0]
    wrong = msgspec.structs.replace(first, result=msgspec.structs.replace(first.result, code=5))
    assert replay(msgspec.structs.replace(witness, steps=(wrong, *witness.steps[1:])), MANUAL) == []


@profiles
def test_the_invariants_hold_along_the_witnesses(profile: Profile) -> None:
    """The concrete reading of what is proved: the counts are counted, not kept."""
    seen = 0

    def visit(oracle: Oracle, index: int) -> None:
        nonlocal seen
        assert broken_in_state(ghosts_of(oracle.system.state), oracle.profile) == ()
        seen += 1

    for witness in witnesses(profile):
        replay(witness, profile, visit)
    assert seen > 200


@pytest.mark.parametrize(("profile", "every"), manual_first(5, 1))
def test_no_step_of_a_witness_breaks_a_step_property(profile: Profile, every: int) -> None:
    """Of one in ``every`` witnesses."""
    seen = 0
    for witness in [*witnesses(profile)][::every]:
        states: list[Snapshot] = []
        replay(witness, profile, lambda oracle, index, states=states: states.append(oracle.snapshot()))
        for step, before, after in zip(witness.steps, states, states[1:], strict=False):
            assert broken_by_step(before, after, step.task, tupled(step.call), step.result.code, profile) == (), step
            seen += 1
    assert seen > 200 / every


def test_a_step_that_breaks_properties_is_named() -> None:
    """The historic hazard H-2: the creation fails, and yet there is a child, with its parent's tokens."""
    kernel = FAULTS["create-then-set-tokens"].kernel()
    kernel.boot(MANUAL)
    own = kernel.call(0, Call("mach_task_self", {})).outputs["port"]
    before = kernel.snapshot()
    call = Call("host_security_create_task_token", {"host_security": 3, "parent_task": own, "security_token": (5, 6)}, shortage=2)
    code = kernel.call(0, call).code
    numbers = {broken.name.split(":")[0] for broken in broken_by_step(before, kernel.snapshot(), 0, call, code, MANUAL)}
    assert {"invariant 35", "invariant 36"} <= numbers


@profiles
def test_wrong_invariants_are_found_out(profile: Profile) -> None:
    obligations = decide_must_fail(profile)
    assert len(obligations) >= 5
    assert {obligation.verdict for obligation in obligations} == {Verdict.PROVED}
    assert all(obligation.counterexample for obligation in obligations)


def test_a_true_invariant_is_no_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    from sendright.model.language.invariant import INVARIANTS
    from sendright.model.proof import must_fail

    truth = must_fail.MustFail("true", "true", INVARIANTS[8].clauses, lambda profile: True)
    monkeypatch.setattr(must_fail, "MUST_FAIL", [truth])
    assert [obligation.verdict for obligation in decide_must_fail(MANUAL)] == [Verdict.UNDETERMINED]


def test_wrong_invariants_say_why_they_are_wrong() -> None:
    assert all(one.about.startswith("Wrong: ") for one in MUST_FAIL)
