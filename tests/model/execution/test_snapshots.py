"""The specification's state is found by indices and shown by parts that are kept: both say what the state, looked at as
a whole, says.
"""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.profiles import MANUAL, PROFILES, Profile
from sendright.mach.kernel.unmodelled import Unmodelled
from sendright.mach.state.snapshot import Change, Snapshot, changes, differences
from sendright.model.execution import system
from sendright.model.execution.compiler import Translator
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.snapshots import SnapshotWriter
from sendright.model.execution.state import ConcreteState
from sendright.properties.generation.calls import BYTES_PER_CALL, Calls, near_limits
from sendright.properties.runs.judged_run import JudgedRun
from sendright.properties.runs.state_form import unpack_state

CALLS = 120
PACKED = msgspec.msgpack.encode


class RandomRun:
    """A judged run of random calls."""

    def __init__(self, profile: Profile, seed: int) -> None:
        self.oracle = Oracle(profile)
        self.kernel = ReferenceKernel()
        self.run = JudgedRun(self.kernel, self.oracle, profile, 10.0)
        self.run.boot()
        self.calls = Calls(profile, Random(seed).randbytes(CALLS * BYTES_PER_CALL))

    def step(self) -> bool:
        """Make one more call that is modelled, if a task can."""
        if not any(task.suspend_count == 0 for task in self.run.snapshot.tasks.values()):
            return False
        task, call = self.calls.next(self.run.snapshot)
        try:
            self.last = task, call, self.run.call(task, call)
        except Unmodelled:
            return self.step()
        self.calls.made(self.run.steps[-1])
        return True


def anew(state: ConcreteState, profile: Profile) -> tuple[ConcreteState, Snapshot]:
    """A copy of ``state``, written point by point, and what it shows."""
    written = ConcreteState()
    showing = SnapshotWriter(written, profile)
    for name, values in state.fields.items():
        written.write(name, values)
    return written, showing.snapshot()


@pytest.mark.parametrize(
    ("name", "seed"),
    [pytest.param(name, seed, marks=() if (name, seed) == ("manual", 0) else pytest.mark.heavy) for name in PROFILES for seed in range(4)],
)
def test_what_is_kept_is_what_would_be_made_anew(name: str, seed: int) -> None:
    profile = near_limits(PROFILES[name])
    random = RandomRun(profile, seed)
    for _ in range(CALLS):
        before, frozen = random.oracle.snapshot(), PACKED(random.oracle.snapshot())
        seen, seen_frozen = random.run.snapshot, PACKED(random.run.snapshot)
        if not random.step():
            break
        state = random.oracle.system.state
        written, shown = anew(state, profile)
        assert random.oracle.snapshot() == shown
        assert {key: {at: set(points) for at, points in index.items()} for key, index in state.indices.items()} == {
            key: {at: set(points) for at, points in index.items()} for key, index in written.indices.items()
        }
        # what was shown before is still as it was, and the kernel, too, shows what it would show without having shown anything
        assert (PACKED(before), PACKED(seen)) == (frozen, seen_frozen)
        assert differences(shown, random.run.snapshot) == ()
        assert random.run.steps[-1].changes == changed_slots(seen, random.run.snapshot)


def test_candidates_are_all_that_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second oracle that looks everywhere, where the first one looks at candidates, comes to the same states."""
    profile = near_limits(MANUAL)
    runs = [RandomRun(profile, seed) for seed in range(6)]
    monkeypatch.setattr(system, "_compiled", {})
    monkeypatch.setattr(Translator, "candidates", lambda *anything: None)
    for run in runs:
        thorough = Oracle(profile)
        for _ in range(CALLS):
            if not run.step():
                break
            task, call, result = run.last
            judgement = thorough.judge(task, call, result, run.run.snapshot)
            assert judgement.agreed, judgement
            for name, values in thorough.system.state.fields.items():
                assert values == run.oracle.system.state[name], f"{name} after {call}"
    assert {"mach_port_destroy", "task_terminate", "mach_msg_send", "mach_port_rename"} <= {step.call for run in runs for step in run.run.steps}


def changed_slots(before: Snapshot, after: Snapshot) -> tuple[Change, ...]:
    """``changes`` without a look at who is the same object."""
    return changes(unpack_state(PACKED(before)), unpack_state(PACKED(after)))
