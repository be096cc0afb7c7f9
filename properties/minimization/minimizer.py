"""Minimizes a failing run: no call can be left out, and no argument can be simplified.

This is delta debugging over the calls, not over the bytes that they were decoded from. It drops calls, in chunks, one
by one and together with their dependents; merges tasks; and simplifies arguments. A smaller run counts only if it fails
in the same way: with the same kind of violation, by the same call.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from sendright.mach.kernel.capabilities import NotMade
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import Profile
from sendright.mach.state.boot import BOOTSTRAP_TASK
from sendright.mach.state.trace import Trace, Violation
from sendright.properties.minimization.simplify import simpler, with_lower_literals
from sendright.properties.minimization.symbolic_calls import ResultRef, Results, SymbolicCall, names_in, to_symbolic
from sendright.properties.runs.judged_run import Oracle, Violated
from sendright.properties.runs.run import CALL_SECONDS, Invariants, Run, specified_invariants

SECONDS = 20.0
"""The default time budget."""


class MinimizedRun(msgspec.Struct, frozen=True):
    """The result of minimizing a run."""

    trace: Trace
    """The smallest failing run found, after a last run."""
    minimal: bool
    """Whether every call is necessary. False: time ran out, or the run didn't fail again."""
    reproduced: bool
    """Whether the run failed again with the same calls; also True if it has no calls, or if there was no time for a
    second run."""
    runs: int
    """The number of runs tried. 0: there was no time for any."""


class Minimizer:
    """Minimizes one failing run. ``best`` is the smallest so far, so an interrupted minimization keeps its progress."""

    def __init__(
        self,
        trace: Trace,
        implementation_factory: Callable[[], Implementation],
        oracle_factory: Callable[[Profile], Oracle],
        profile: Profile,
        *,
        seconds: float = SECONDS,
        invariants: Invariants = specified_invariants,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        """``trace`` must have a violation; ``profile`` is the profile of its run, with its limits."""
        self._factory = implementation_factory
        self._implementation: Implementation | None = None
        self._oracle_factory = oracle_factory
        self._profile = profile
        self._invariants = invariants
        self._call_seconds = call_seconds
        self._deadline = time.monotonic() + seconds
        self._tried: set[bytes] = set()
        self._wanted = _kind(trace.violations[0], trace)
        self.runs = 0
        self.reproduced = False
        self.best = trace
        self._calls = to_symbolic(trace.steps[: trace.violations[0].step + 1], trace.initial)

    def minimize(self) -> MinimizedRun:
        """Continue until no call can be left out and no argument can be simplified, or time is up. Any number of
        seconds, even 0, will do."""
        if not self._calls:
            return MinimizedRun(self.best, minimal=True, reproduced=True, runs=0)
        try:
            if not self._fails(self._calls):
                return self.stopped()
            self._leave_one()
            self._drop_chunks()
            while self._drop_single_calls() or self._merge_tasks() or self._lower():
                # A simpler number may equal another call's result by accident, and then stands for it.
                self._calls = to_symbolic(self.best.steps, self.best.initial)
        except _OutOfTime:
            return self.stopped()
        return MinimizedRun(self.best, minimal=True, reproduced=True, runs=self.runs)

    def stopped(self) -> MinimizedRun:
        """The result so far, if minimizing can't continue: there may be a smaller run."""
        return MinimizedRun(self.best, minimal=False, reproduced=self.reproduced, runs=self.runs)

    # ---- reductions; each returns whether it made the run smaller

    def _leave_one(self) -> None:
        """Try the last call alone, made by its task or by the bootstrap task: a hang takes long, so it can be
        repeated only a few times."""
        last = self._calls[-1]
        if not self._fails([last]):
            self._fails([msgspec.structs.replace(last, caller=BOOTSTRAP_TASK)])

    def _drop_chunks(self) -> None:
        size = len(self._calls) // 2
        while size > 1:
            end = len(self._calls) - 1
            while end > 0:
                begin = max(0, end - size)
                self._fails(self._calls[:begin] + self._calls[end:])
                end = min(begin, len(self._calls) - 1)
            size //= 2

    def _drop_single_calls(self) -> bool:
        """Leave out each call, alone or with the calls that use its results."""
        dropped = False
        at = len(self._calls) - 2
        while at >= 0:
            if self._fails(self._calls[:at] + self._calls[at + 1 :]) or self._fails(self._without_dependents(at)):
                dropped = True
                at = len(self._calls) - 2
            else:
                at -= 1
        return dropped

    def _without_dependents(self, at: int) -> list[SymbolicCall]:
        gone = {self._calls[at].number}
        tasks = {self._calls[at].creates}
        for call in self._calls[at + 1 : -1]:
            if call.caller in tasks or any(isinstance(name, ResultRef) and name.call in gone for name in names_in(call)):
                gone.add(call.number)
                tasks.add(call.creates)
        return [call for call in self._calls if call.number not in gone]

    def _merge_tasks(self) -> bool:
        """Let one task make the calls of another."""
        callers = sorted({call.caller for call in self._calls})
        return any(
            self._fails([msgspec.structs.replace(call, caller=one) if call.caller == other else call for call in self._calls])
            for other in reversed(callers)
            for one in callers
            if one < other
        )

    def _lower(self) -> bool:
        """Simplify arguments."""
        lowered = False
        for number in [call.number for call in self._calls]:
            while self._lower_call(number):
                lowered = True
        return any(self._fails(calls) for calls in with_lower_literals(self._calls)) or lowered

    def _lower_call(self, number: int) -> bool:
        at = next((index for index, call in enumerate(self._calls) if call.number == number), None)
        if at is None:
            return False
        return any(self._fails([*self._calls[:at], call, *self._calls[at + 1 :]]) for call in simpler(self._calls[at], self._earlier_names(at)))

    def _earlier_names(self, at: int) -> list[ResultRef]:
        """The results of calls before number ``at`` that other calls use, the earliest first."""
        used = {name for call in self._calls for name in names_in(call) if isinstance(name, ResultRef)}
        before = {call.number for call in self._calls[:at]}
        return sorted((name for name in used if name.call in before), key=lambda name: (name.call, name.output, name.index))

    # ---- trying

    def _fails(self, calls: list[SymbolicCall]) -> bool:
        """Whether ``calls`` fail in the same way; if so, those that were made become the best run."""
        key = msgspec.json.encode(calls)
        if key in self._tried:
            return False
        if time.monotonic() > self._deadline:
            raise _OutOfTime
        self._tried.add(key)
        self.runs += 1
        run, made = self._run(calls)
        if not run.violations:
            return False
        trace = run.trace()
        violation = run.violations[0]
        if violation.kind in ("crash", "hang"):
            self._implementation = None  # its state is unknown
        if _kind(violation, trace) != self._wanted:
            return False
        self.reproduced = True
        if violation.step + 1 < len(trace.steps):  # found at the end of the run: the later calls are unnecessary
            return self._fails(made[: violation.step + 1])
        self._calls = made
        self.best = trace
        return True

    def _run(self, calls: list[SymbolicCall]) -> tuple[Run, list[SymbolicCall]]:
        """Make ``calls``, except those that their callers can't make or resume; returns the run, and the calls that
        were made."""
        if self._implementation is None:
            self._implementation = self._factory()
        run = Run(self._implementation, self._oracle_factory(self._profile), self._profile, self._invariants, self._call_seconds)
        made: list[SymbolicCall] = []
        try:
            run.boot()
            results = Results(run.snapshot.tasks)
            for call in calls:
                task = results.tasks.get(call.caller)
                real = results.real(call)
                if task is not None and run.can_make(task, real):
                    made.append(call)
                    try:
                        results.note(call, run.step(task, real))
                    except NotMade:
                        made.pop()
            run.finish()
        except Violated:
            pass
        return run, made


class _OutOfTime(Exception):
    """Raised when the time budget is spent."""


def _kind(violation: Violation, trace: Trace) -> tuple[str, str]:
    """The kind of a failure, which must stay the same: the kind of violation, and the call that caused it."""
    return violation.kind, trace.steps[violation.step].call if violation.step < len(trace.steps) else ""


def minimize(
    trace: Trace,
    implementation_factory: Callable[[], Implementation],
    oracle_factory: Callable[[Profile], Oracle],
    profile: Profile,
    seconds: float = SECONDS,
) -> MinimizedRun:
    """Minimize the failing run in ``trace``."""
    return Minimizer(trace, implementation_factory, oracle_factory, profile, seconds=seconds).minimize()
