"""A Hypothesis state machine for kernels: subclass it, set the kernel's constructor, and pytest runs it.

    class MyKernelMachine(KernelMachine):
        implementation = MyKernel

    TestMyKernel = MyKernelMachine.TestCase

There is one rule for each call of the signature table, and one that lets a task resume its pending call. The
specification judges every step; the invariants and the derivation of all rights judge the end. ``sendright check`` is
faster and minimizes further. The machine is for test suites that use Hypothesis already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from sendright.mach.abi.codes import code_name
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import MANUAL, Profile
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.trace import Step
from sendright.properties.generation.calls import BYTES_PER_CALL, Calls, near_limits
from sendright.properties.runs.judged_run import Oracle, Violated, callers, waiters
from sendright.properties.runs.run import Run

_BLOCKS = st.binary(min_size=BYTES_PER_CALL, max_size=BYTES_PER_CALL)


def specified_oracle(profile: Profile) -> Oracle:
    """The specification as an oracle. (Imported late: it takes a second to build.)"""
    from sendright.model.execution.oracle import Oracle as Specification

    return Specification(profile)


class NotConforming(AssertionError):
    """The kernel violated the specification."""


class _Machine(RuleBasedStateMachine):
    """The common part of the rules."""

    implementation: ClassVar[Callable[[], Implementation]]
    """Builds the kernel, without booting it. Subclasses must set it."""
    oracle: ClassVar[Callable[[Profile], Oracle]] = specified_oracle
    profile: ClassVar[Profile] = near_limits(MANUAL)

    def __init__(self) -> None:
        super().__init__()
        factory, oracle = type(self).implementation, type(self).oracle
        self.run = Run(factory(), oracle(self.profile), self.profile)
        self.calls = Calls(self.profile, b"")
        self._judged(self.run.boot)

    def make(self, name: str, block: bytes) -> None:
        """Make the call ``name``, with the task and arguments decoded from ``block``; do nothing if no task can make
        it."""
        if callers(self.run.snapshot):
            self.calls.reread(block)
            self._make(*self.calls.next(self.run.snapshot, name))

    @rule(which=st.integers(0, 255))
    def resume(self, which: int) -> None:
        """Resume a task's pending call; do nothing if there is none."""
        waiting = waiters(self.run.snapshot)
        if waiting:
            task = waiting[which % len(waiting)]
            shown = self.run.snapshot.tasks[task].waiting
            assert shown is not None
            self._make(task, Call(shown.call, {}, resume=True))

    def _make(self, task: int, call: Call) -> None:
        arguments = ", ".join(f"{argument}={value!r}" for argument, value in call.arguments.items())
        note(f"task {task} resumes {call.name}" if call.resume else f"task {task}: {call.name}({arguments}){' and stops' if call.stop else ''}")
        step: Step = self._judged(lambda: self.run.step(task, call))
        self.calls.made(step)
        note(f"    {code_name(step.code)} {step.outputs or ''}".rstrip())

    def teardown(self) -> None:
        """Judge the end of the run, unless it has failed already."""
        if not self.run.violations:
            self._judged(self.run.finish)

    def _judged(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except Violated as broken:
            violation = broken.violation
            raise NotConforming(f"{violation.kind}: {violation.clause}: {violation.words}") from None


def _rule(name: str) -> Any:
    """The rule that makes one call."""

    def make(self: _Machine, block: bytes) -> None:
        self.make(name, block)

    make.__name__ = name
    make.__doc__ = SIGNATURES[name].about
    return rule(block=_BLOCKS)(make)


class KernelMachine(_Machine):
    """One rule for each call. Subclasses set ``implementation``, and optionally ``profile`` and ``oracle``."""

    locals().update({name: _rule(name) for name in SIGNATURES})
