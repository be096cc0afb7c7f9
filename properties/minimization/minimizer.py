"""Minimizes a failing run: no call can be left out, and no argument can be simplified.

This is delta debugging over the calls, not over the bytes that they were decoded from. It drops calls, in chunks, one
by one and together with their dependents; merges tasks; changes the structure (``restructure.py``); and simplifies
arguments. A smaller run counts only if it fails in the same way (``Fault``).

Of two runs of equal length the one is better that makes fewer tasks, then the one with fewer calls that fail before the
end, then the one whose calls the earlier tasks make.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import msgspec

from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode
from sendright.mach.kernel.capabilities import NotMade
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import Profile
from sendright.mach.state.boot import BOOTSTRAP_TASK
from sendright.mach.state.trace import Trace, Violation
from sendright.properties.minimization.restructure import MOST_NAMES, plainer, shorter, traps
from sendright.properties.minimization.simplify import simpler, with_lower_literals
from sendright.properties.minimization.symbolic_calls import ResultRef, Results, SymbolicCall, names_in, to_symbolic
from sendright.properties.runs.judged_run import Oracle, Violated
from sendright.properties.runs.run import CALL_SECONDS, Invariants, Run, specified_invariants

SECONDS = 20.0
"""The default time budget."""
MOST_SHORTEST = 50
"""Runs of the shortest length that are kept at most."""
SUCCEEDS = frozenset({ReturnCode.KERN_SUCCESS, *IN_PROGRESS})


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
    shortest: tuple[Trace, ...] = ()
    """All runs of this length that were found, with other calls or callers: the best one first."""


class Fault(msgspec.Struct, frozen=True):
    """What is wrong at the end of a failing run: smaller runs must show the same."""

    kind: str
    call: str
    """The call that is wrong."""
    code: int
    """What it answered. 0 if it crashed or didn't end: then it isn't the answer that is wrong."""
    clause: str
    """The invariant that is broken, that nothing explains a right, or how it crashed."""
    codes: tuple[str, ...]
    """If the code is wrong: the one that was expected, and the one that was seen."""
    places: frozenset[str]
    """Where the state is wrong, without numbers. One of these places has to stay wrong."""

    @classmethod
    def of(cls, violation: Violation, trace: Trace) -> Fault:
        """What ``violation``, of a run, shows."""
        step = trace.steps[violation.step] if violation.step < len(trace.steps) else None
        codes = [(each.expected, each.seen) for each in violation.differences if each.where == "return code"]
        places = frozenset(_NUMBERS.sub("N", each.where) for each in violation.differences)
        clause = violation.clause if violation.kind in ("invariant", "derivation") else _NUMBERS.sub("N", violation.crash)
        code = step.code if step and violation.kind not in ("crash", "hang") else 0
        return cls(violation.kind, step.call if step else "", code, clause, codes[0] if codes else (), places)

    def is_shown_by(self, other: Fault) -> bool:
        """Whether ``other`` is the same fault."""
        same = msgspec.structs.replace(other, places=self.places) == self
        return same and (not self.places or not self.places.isdisjoint(other.places))


_NUMBERS = re.compile(r"\d+")


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
        self._wanted = Fault.of(trace.violations[0], trace)
        self._boot_names = sorted(trace.initial.tasks[BOOTSTRAP_TASK].names)[:MOST_NAMES] if BOOTSTRAP_TASK in trace.initial.tasks else []
        self._traps = traps(profile)
        self._shortest: dict[tuple[tuple[int, str], ...], Trace] = {}
        self.runs = 0
        self._began = False
        """The run has failed again: any other one must be better than it."""
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
            while self._drop_single_calls() or self._merge_tasks() or self._restructure() or self._lower():
                # A simpler number may equal another call's result by accident, and then stands for it.
                self._calls = to_symbolic(self.best.steps, self.best.initial)
        except _OutOfTime:
            return self.stopped()
        return MinimizedRun(self.best, minimal=True, reproduced=True, runs=self.runs, shortest=self._all_shortest())

    def stopped(self) -> MinimizedRun:
        """The result so far, if minimizing can't continue: there may be a smaller run."""
        return MinimizedRun(self.best, minimal=False, reproduced=self.reproduced, runs=self.runs, shortest=self._all_shortest())

    def _all_shortest(self) -> tuple[Trace, ...]:
        others = [trace for shape, trace in self._shortest.items() if shape != _shape(self.best) and len(shape) == len(self.best.steps)]
        return (self.best, *sorted(others, key=measure))

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

    def _restructure(self) -> bool:
        """Change what has to change together."""
        for calls in shorter(self._calls, self._boot_names, self._traps):
            if self._fails(calls):
                return True
        return any(self._fails(calls) for calls in plainer(self._calls, self._boot_names, self._traps))

    def _lower(self) -> bool:
        """Simplify arguments."""
        lowered = False
        for number in [call.number for call in self._calls]:
            while self._lower_call(number):  # (a simpler call may fail earlier, and then doesn't count)
                lowered = True
        return any(self._fails(calls, simpler_calls=True) for calls in with_lower_literals(self._calls)) or lowered

    def _lower_call(self, number: int) -> bool:
        at = next((index for index, call in enumerate(self._calls) if call.number == number), None)
        if at is None:
            return False
        one_simpler = ([*self._calls[:at], call, *self._calls[at + 1 :]] for call in simpler(self._calls[at], self._earlier_names(at)))
        return any(self._fails(calls, simpler_calls=True) for calls in one_simpler)

    def _earlier_names(self, at: int) -> list[ResultRef]:
        """The results of calls before number ``at`` that other calls use, the earliest first."""
        used = {name for call in self._calls for name in names_in(call) if isinstance(name, ResultRef)}
        before = {call.number for call in self._calls[:at]}
        return sorted((name for name in used if name.call in before), key=lambda name: (name.call, name.output, name.index))

    # ---- trying

    def _fails(self, calls: list[SymbolicCall], simpler_calls: bool = False) -> bool:
        """Whether ``calls`` fail in the same way, in a better run; if so, those that were made become the best one.

        With ``simpler_calls`` they are better by themselves, and the run must not be worse.
        """
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
        if not self._wanted.is_shown_by(Fault.of(violation, trace)):
            return False
        self.reproduced = True
        if violation.step + 1 < len(trace.steps):  # found at the end of the run: the later calls are unnecessary
            return self._fails(made[: violation.step + 1], simpler_calls)
        self._note(trace)
        new, old = measure(trace), measure(self.best)
        if self._began and not (new <= old if simpler_calls else new < old):
            return False
        self._began = True
        self._calls = made
        self.best = trace
        return True

    def _note(self, trace: Trace) -> None:
        """Remember the run, if it is one of the shortest."""
        length = len(trace.steps)
        if any(len(shape) > length for shape in self._shortest):
            self._shortest = {shape: each for shape, each in self._shortest.items() if len(shape) <= length}
        shape = _shape(trace)
        known = self._shortest.get(shape)
        if length <= len(self.best.steps) and (known is None or measure(trace) < measure(known)) and len(self._shortest) < MOST_SHORTEST:
            self._shortest[shape] = trace

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


def measure(trace: Trace) -> tuple[int, int, int, int]:
    """How long and how odd a failing run is: its calls, the tasks that it makes, the calls before the last one that
    fail, and by how late a task each call is made."""
    made = sum(step.created_task is not None for step in trace.steps)
    failed = sum(step.code not in SUCCEEDS for step in trace.steps[:-1])
    return len(trace.steps), made, failed, sum(step.task for step in trace.steps)


def _shape(trace: Trace) -> tuple[tuple[int, str], ...]:
    """The task and the name of each call."""
    return tuple((step.task, step.call) for step in trace.steps)


def minimize(
    trace: Trace,
    implementation_factory: Callable[[], Implementation],
    oracle_factory: Callable[[Profile], Oracle],
    profile: Profile,
    seconds: float = SECONDS,
) -> MinimizedRun:
    """Minimize the failing run in ``trace``."""
    return Minimizer(trace, implementation_factory, oracle_factory, profile, seconds=seconds).minimize()
