"""A Hypothesis state machine for kernels: subclass it, set the kernel's class, and pytest or unittest runs it.

    class MyKernelMachine(sendright.KernelMachine):
        implementation = MyKernel
        profile = "gnumach"

    TestMyKernel = MyKernelMachine.TestCase

There is one rule for each call of the signature table, and one that lets a task resume its pending call. The
specification judges every step; the invariants and the derivation of all rights judge the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from sendright.api.failures import NotConforming
from sendright.api.judging import not_conforming
from sendright.api.subject import ProfileSource, Subject, subject_of
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.capabilities import NotMade, capabilities_of
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.snapshot import Snapshot
from sendright.properties.generation.calls import BYTES_PER_CALL, Calls
from sendright.properties.runs.judged_run import Violated, callers, waiters
from sendright.properties.runs.run import Run
from sendright.reports.call_text import call_line

_BLOCKS = st.binary(min_size=BYTES_PER_CALL, max_size=BYTES_PER_CALL)


class _Machine(RuleBasedStateMachine):
    """The common part of the rules."""

    implementation: ClassVar[Callable[[], Implementation]]
    """Builds the kernel, without booting it: usually the kernel's class. Subclasses must set it."""
    profile: ClassVar[ProfileSource] = None
    """The profile to boot it with. None: the first that the kernel declares, or ``manual``."""
    exact_limits: ClassVar[bool] = False
    """Whether to use the profile's own limits. False: limits so small that random calls reach them."""

    _subject: ClassVar[Subject]
    _limited: ClassVar[Profile]

    def __init__(self) -> None:
        super().__init__()
        from sendright.model.execution.oracle import Oracle

        machine = type(self)
        if "_limited" not in vars(machine):  # the first machine of its class
            machine._subject = subject_of(machine.implementation)
            machine._limited = machine._subject.limited(machine.profile, machine.exact_limits)
        kernel = self._subject.build()
        self._run = Run(kernel, Oracle(self._limited), self._limited)
        has = capabilities_of(kernel).calls
        self._has = {
            name for name, call in SIGNATURES.items() if (has is None or name in has) and (self._limited.has_processes or not call.of_processes)
        }
        self._calls = Calls(self._limited, b"", capabilities_of(kernel))
        self._judged(self._run.boot)

    @property
    def state(self) -> Snapshot:
        """The kernel's state now, for rules and invariants of your own. (Of a kernel that shows a ``View``: the
        specification's, where the view doesn't contradict it.)"""
        return self._run.snapshot

    def can_make(self, name: str) -> bool:
        """Whether the kernel has the call ``name``, and some task can make calls now."""
        return name in self._has and bool(callers(self._run.snapshot))

    def make(self, name: str, block: bytes) -> None:
        """Make the call ``name``, with the task and arguments decoded from ``block``; do nothing if no task can make
        it."""
        if self.can_make(name):
            self._calls.reread(block)
            self.call(*self._calls.next(self._run.snapshot, name))

    @precondition(lambda self: bool(waiters(self._run.snapshot)) or not callers(self._run.snapshot))
    @rule(which=st.integers(0, 255))
    def resume(self, which: int) -> None:
        """Resume a task's pending call. If all tasks are suspended, there is nothing left to do."""
        waiting = waiters(self._run.snapshot)
        if not waiting:
            return
        task = waiting[which % len(waiting)]
        shown = self._run.snapshot.tasks[task].waiting
        assert shown is not None
        self.call(task, Call(shown.call, {}, resume=True))

    def call(self, task: int, call: Call) -> None:
        """Make ``call`` as ``task`` and judge it, in rules of your own too. A call that the kernel can't make, or of
        which the specification says nothing, is left out. Raises NotConforming."""
        index = len(self._run.steps)
        try:
            self._judged(lambda: self._run.step(task, call))
        except NotMade as reason:
            note(f"left out: task {task}: {call.name}: {reason}")
        finally:
            for step in self._run.steps[index:]:
                note(call_line(step, self._limited.name))
                self._calls.made(step)

    def teardown(self) -> None:
        """Judge the end of the run, unless it has failed already."""
        if not self._run.violations:
            self._judged(self._run.finish)

    def _judged(self, action: Callable[[], Any]) -> None:
        __tracebackhide__ = True
        try:
            action()
        except Violated:
            failure: NotConforming = not_conforming(self._run.trace(), self._subject)
            failure.add_note(f"A test that fails in the same way:\n\n{failure.test}")
            raise failure from None


def _rule(name: str) -> Any:
    """The rule that makes one call."""

    def make(self: _Machine, block: bytes) -> None:
        self.make(name, block)

    make.__name__ = name
    make.__doc__ = SIGNATURES[name].about
    return precondition(lambda self: self.can_make(name))(rule(block=_BLOCKS)(make))


class KernelMachine(_Machine):
    """A Hypothesis ``RuleBasedStateMachine`` for a kernel, with one rule for each call.

        class MyKernelMachine(sendright.KernelMachine):
            implementation = MyKernel

        TestMyKernel = MyKernelMachine.TestCase

    Subclasses set ``implementation``, and may set ``profile`` and ``exact_limits``. They may add rules and invariants
    of their own, which read ``state`` and make calls with ``call``. Hypothesis draws the steps, shrinks a failing run,
    keeps it in its database, and tries it first the next time. A failure is ``NotConforming``.

    ``check`` is faster, reaches more cases, and minimizes further, since it knows what calls mean. The machine is for
    test suites that use Hypothesis already.
    """

    locals().update({name: _rule(name) for name in SIGNATURES})
