"""``sendright.KernelMachine`` and ``sendright.strategies``, as in a test suite that uses Hypothesis already."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, find, given, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.errors import NoSuchExample
from hypothesis.stateful import invariant, run_state_machine_as_test
from support.small_kernels import Forgetful, SmallKernel

import sendright
from sendright import strategies
from sendright.impl.reference import ReferenceKernel

QUIET = settings(max_examples=15, stateful_step_count=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))


class SmallMachine(sendright.KernelMachine):
    implementation = SmallKernel

    @invariant()
    def names_are_numbers_from_one_on(self) -> None:
        assert all(name > 0 for name in self.state.tasks[0].names)


@seed(0)  # from other seeds the shrinker may end at a longer run
class ForgetfulMachine(sendright.KernelMachine):
    implementation = Forgetful


def test_a_right_kernel_passes_and_so_do_rules_of_ones_own() -> None:
    run_state_machine_as_test(SmallMachine, settings=QUIET)  # type: ignore[no-untyped-call]


def test_a_machine_of_a_whole_kernel() -> None:
    class Whole(sendright.KernelMachine):
        implementation = ReferenceKernel
        profile = "gnumach"

    run_state_machine_as_test(Whole, settings=settings(QUIET, max_examples=5, stateful_step_count=10))  # type: ignore[no-untyped-call]


def test_a_faulty_kernel_fails() -> None:
    chosen = settings(QUIET, max_examples=60, phases=(Phase.generate,), print_blob=False)
    with pytest.raises(sendright.NotConforming) as caught:
        run_state_machine_as_test(ForgetfulMachine, settings=chosen)  # type: ignore[no-untyped-call]
    assert caught.value.trace is not None
    assert caught.value.trace.steps[-1].call == "mach_port_deallocate"


@pytest.mark.heavy
def test_a_faulty_kernel_fails_shrunk_and_hypothesis_tries_it_first_the_next_time(tmp_path: Path) -> None:
    kept = DirectoryBasedExampleDatabase(tmp_path)
    chosen = settings(QUIET, max_examples=60, database=kept, print_blob=False)
    with pytest.raises(sendright.NotConforming) as caught:
        run_state_machine_as_test(ForgetfulMachine, settings=chosen)  # type: ignore[no-untyped-call]
    assert caught.value.trace is not None
    assert [step.call for step in caught.value.trace.steps] == ["mach_task_self", "mach_port_deallocate"]
    notes = "\n".join(caught.value.__notes__)
    assert "A test that fails in the same way:" in notes
    assert "t0: mach_task_self() → KERN_SUCCESS" in notes
    with pytest.raises(sendright.NotConforming):  # no new examples: what is in the database fails
        run_state_machine_as_test(ForgetfulMachine, settings=settings(chosen, phases=(Phase.reuse,)))  # type: ignore[no-untyped-call]


def test_sequences_are_calls_that_tasks_make_one_after_another() -> None:
    seen: set[str] = set()

    @settings(QUIET, max_examples=20)
    @given(strategies.sequences(profile="gnumach", max_calls=15))
    def each(sequence: list[tuple[int, sendright.Call]]) -> None:
        seen.update(call.name for _, call in sequence)
        with sendright.Run(ReferenceKernel, "gnumach") as run:
            for task, call in sequence:
                run.call(task, call)

    each()
    assert len(seen) > 10


@pytest.mark.heavy
def test_sequences_shrink_to_the_calls_that_matter() -> None:
    def allocates(sequence: list[tuple[int, sendright.Call]]) -> bool:
        return any(call.name == "mach_port_allocate" and call.arguments["right"] == sendright.Right.RECEIVE for _, call in sequence)

    found = find(strategies.sequences(max_calls=20), allocates, settings=settings(QUIET, max_examples=500))
    assert found[-1][1].name == "mach_port_allocate"
    assert len(found) <= 2


def test_single_calls_fit_the_state() -> None:
    kernel = ReferenceKernel()
    kernel.boot(sendright.PROFILES["manual"])

    @settings(QUIET, max_examples=20)
    @given(strategies.calls(kernel.snapshot(), name="mach_port_deallocate"))
    def each(made: tuple[int, sendright.Call]) -> None:
        task, call = made
        assert (task, call.name, call.arguments.keys()) == (0, "mach_port_deallocate", {"task", "name"})

    each()
    with pytest.raises(NoSuchExample):
        find(strategies.calls(kernel.snapshot()), lambda made: made[0] != 0, settings=settings(QUIET, max_examples=20))
    assert find(strategies.profiles(), lambda profile: True).name == "manual"


def test_what_strategies_refuse() -> None:
    kernel = ReferenceKernel()
    kernel.boot(sendright.PROFILES["manual"])
    for make in (
        lambda: strategies.sequences(max_calls=1000),
        lambda: strategies.sequences(min_calls=3, max_calls=2),
        lambda: strategies.sequences(profile="plan9"),
        lambda: strategies.calls(kernel.snapshot(), name="rfork"),
        lambda: strategies.calls(kernel.snapshot(), name="fork"),
        lambda: strategies.calls(sendright.Snapshot({}, {})),
    ):
        with pytest.raises(sendright.BadInput):
            make()
