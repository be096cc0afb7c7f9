"""One run of a check: which calls it makes, and what it found. A run needs nothing of the runs before it, so any
process can make it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from sendright.mach.abi.codes import code_name
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.capabilities import NotMade, capabilities_of
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import Profile
from sendright.mach.kernel.unmodelled import Unmodelled
from sendright.mach.state.trace import Trace, Violation
from sendright.properties.coverage.situations import Scene, reached
from sendright.properties.generation.calls import Calls, receivable
from sendright.properties.minimization.symbolic_calls import Results, SymbolicCall
from sendright.properties.runs.judged_run import Oracle, Violated, can_make, ready_for_limits
from sendright.properties.runs.run import Invariants, Run

KnownRun = Sequence[tuple[int, Call]]
"""A fixed run: pairs of a caller's task number and a call."""
EarlierRun = Sequence[SymbolicCall]
"""The calls of a run that failed in an earlier check."""
RECEIVED_IN = 3
"""An implementation that doesn't show what is in queues: up to one in so many calls of a run, the last ones, receive
that."""
MOST_TRIES = 4
"""A run ends after drawing this many times its length in calls, whether the implementation could make them or not."""
CALLS_PER_WORD = 100
"""Number of calls of a long run between two progress reports."""


class TimeIsUp(Exception):
    """The time that the check may take is over, in the middle of a run."""


@dataclass(frozen=True)
class PlannedRun:
    """What a run does: exactly one of the three is not None."""

    earlier: EarlierRun | None = None
    known: KnownRun | None = None
    block: bytes | None = None
    """The bytes from which random calls are decoded."""
    directed: bool = False
    """Random calls follow plans."""


@dataclass
class RunFound:
    """What a run found. Counts are of its calls."""

    calls: int = 0
    codes: dict[str, Counter[str]] = field(default_factory=dict)
    cases: Counter[str] = field(default_factory=Counter)
    situations: Counter[str] = field(default_factory=Counter)
    not_made: Counter[str] = field(default_factory=Counter)
    not_modelled: Counter[str] = field(default_factory=Counter)
    trace: Trace | None = None
    """The run, if it failed or if all traces are wanted."""
    violation: Violation | None = None
    """The first violation, if it failed."""
    ended: bool = False
    """Nothing cut the run short, neither a violation nor the end of the check."""


class Runner:
    """Makes runs of a check on one implementation."""

    def __init__(
        self,
        implementation: Implementation,
        oracle_factory: Callable[[Profile], Oracle],
        profile: Profile,
        steps: int,
        invariants: Invariants,
        call_seconds: float,
        traces: bool = False,
    ) -> None:
        self.implementation = implementation
        self.capabilities = capabilities_of(implementation)
        self.oracle_factory = oracle_factory
        self.profile = profile
        self.steps = steps
        self.invariants = invariants
        self.call_seconds = call_seconds
        self.traces = traces
        self.deadline: float | None = None
        """When a run ends, on the clock of ``time.monotonic``."""
        self.on_calls: Callable[[int], object] = lambda calls: None
        """Gets the number of calls of a long run now and then."""

    def make(self, planned: PlannedRun, found: RunFound) -> None:
        """Make the run; ``found`` has what it found, also if it is interrupted. Raises KeyboardInterrupt and
        TimeIsUp."""
        run = Run(self.implementation, self.oracle_factory(self.profile), self.profile, self.invariants, self.call_seconds)
        try:
            with ready_for_limits():
                run.boot()
                self._calls_of(planned)(run, found)
                run.finish()
                found.ended = True
        except Violated as broken:
            found.violation = broken.violation
        finally:
            found.calls = len(run.steps)
            for step in run.steps:
                found.codes.setdefault(step.call, Counter())["no answer" if step.missing == "answer" else code_name(step.code)] += 1
                found.cases.update(step.cases)
            if self.traces or found.violation is not None:
                found.trace = run.trace()

    def make_each(self, part: tuple[int, tuple[PlannedRun, ...]]) -> tuple[RunFound, ...]:
        """What each run of a numbered part of a check found."""
        found = []
        for planned in part[1]:
            found.append(RunFound())
            self.make(planned, found[-1])
        return tuple(found)

    def _calls_of(self, planned: PlannedRun) -> Callable[[Run, RunFound], None]:
        if planned.earlier is not None:
            return partial(self._make_earlier, planned.earlier)
        if planned.known is not None:
            return partial(self._make_known, planned.known)
        assert planned.block is not None
        return partial(self._make_random, planned.block, planned.directed)

    def _make_known(self, known: KnownRun, run: Run, found: RunFound) -> None:
        for task, call in known:
            if can_make(run.snapshot, task, call) and self._is_possible(call):
                self._step(run, found, task, call)

    def _make_earlier(self, earlier: EarlierRun, run: Run, found: RunFound) -> None:
        results = Results(run.snapshot.tasks)
        for symbolic in earlier:
            task, call = results.tasks.get(symbolic.caller), results.real(symbolic)
            if task is not None and run.can_make(task, call) and self._is_possible(call):
                before = len(run.steps)
                try:
                    self._step(run, found, task, call)
                except (TypeError, ValueError, LookupError, AttributeError):
                    return  # no call that the specification can read: only a changed database has such
                for step in run.steps[before:]:
                    results.note(symbolic, step)

    def _is_possible(self, call: Call) -> bool:
        has = self.capabilities.calls
        return (has is None or call.name in has) and (self.capabilities.shortages or not call.shortage)

    def _make_random(self, block: bytes, directed: bool, run: Run, found: RunFound) -> None:
        calls = Calls(self.profile, block, self.capabilities, directed=directed)
        receives = False
        while len(run.steps) < self.steps and calls.count < MOST_TRIES * self.steps and not calls.over(run.snapshot):
            index = len(run.steps)
            receives = receives or self._has_to_receive(run)
            received = calls.reception(run.snapshot) if receives else None
            self._step(run, found, *(received or calls.next(run.snapshot)))
            for step in run.steps[index:]:
                calls.made(step)
        found.not_modelled.update(calls.not_modelled)

    def _has_to_receive(self, run: Run) -> bool:
        """Whether the run's last calls should receive what is in queues, since the implementation doesn't show that."""
        left = self.steps - len(run.steps)
        if self.capabilities.shows is None or left > self.steps // RECEIVED_IN:
            return False
        return left <= sum(messages for messages, _, _ in receivable(run.snapshot))

    def _step(self, run: Run, found: RunFound, task: int, call: Call) -> None:
        index, before = len(run.steps), run.snapshot
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise TimeIsUp
        try:
            run.step(task, call)
        except Unmodelled as error:
            found.not_modelled[str(error)] += 1
        except NotMade as error:
            found.not_made[str(error)] += 1
        finally:
            for step in run.steps[index:][:1]:
                found.situations.update(reached(Scene(self.profile, before, step, run.snapshot)))
        if len(run.steps) // CALLS_PER_WORD > index // CALLS_PER_WORD:
            self.on_calls(len(run.steps))


@dataclass(frozen=True)
class RunnerFactory:
    """Makes a runner, and with it an implementation of its own, in any process."""

    implementation_factory: Callable[[], Implementation]
    oracle_factory: Callable[[Profile], Oracle]
    profile: Profile
    steps: int
    invariants: Invariants
    call_seconds: float
    traces: bool

    def runner(self, implementation: Implementation) -> Runner:
        """A runner for ``implementation``."""
        return Runner(implementation, self.oracle_factory, self.profile, self.steps, self.invariants, self.call_seconds, self.traces)

    def __call__(self) -> Callable[[tuple[int, tuple[PlannedRun, ...]]], tuple[RunFound, ...]]:
        """What a process of a pool does with each part of a check."""
        return self.runner(self.implementation_factory()).make_each
