"""Checks an implementation with random runs: Hypothesis draws the calls, the specification judges each of them."""

from __future__ import annotations

import contextlib
import gc
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, cast, get_args

import msgspec
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded

from sendright.mach.kernel.capabilities import capabilities_of, not_compared
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import PROFILES, Profile, UnknownProfile
from sendright.mach.results.checks import CheckResult, OtherFailure
from sendright.mach.results.verdicts import Verdict
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.trace import LIMITS, Trace, ViolationKind
from sendright.model.proof.processes.workers import Lost
from sendright.properties.checking.runs import RECEIVED_IN, EarlierRun, KnownRun, PlannedRun, RunFound, Runner, RunnerFactory, TimeIsUp
from sendright.properties.coverage.situations import situations
from sendright.properties.distribution.pool import Failed, Pool, Processes, WorkersDied
from sendright.properties.generation.calls import blocks, near_limits
from sendright.properties.minimization.minimizer import SECONDS, MinimizedRun, Minimizer
from sendright.properties.runs.judged_run import Oracle
from sendright.properties.runs.run import CALL_SECONDS, Invariants, specified_invariants
from sendright.properties.scripts.export import script_of

EXAMPLES, STEPS, SEED = 250, 100, 0
ONE_DIRECTED_IN = 3
"""One in so many random runs follows plans (``generation/plans.py``); the others reach more cases."""
MOST_WAYS = 20
"""A check ends after this many different failures."""
MOST_HANGS = 5
"""A check ends after this many runs that hang: to wait for each takes long."""
RUNS_TOGETHER = 3
"""Number of runs that a process gets at once."""

__all__ = ["EXAMPLES", "RECEIVED_IN", "SEED", "STEPS", "KnownRun", "SpecifiedOracle", "WorkersDied", "check"]


Part: TypeAlias = tuple[int, tuple[PlannedRun, ...]]
"""Runs that a process gets at once, and their number among all such parts."""
Found: TypeAlias = tuple[RunFound, ...]


class SpecifiedOracle(Oracle, Protocol):
    """An oracle that can list the cases of the specification."""

    @property
    def all_cases(self) -> tuple[str, ...]: ...


def check(
    implementation_factory: Callable[[], Implementation],
    oracle_factory: Callable[[Profile], SpecifiedOracle],
    profile: Profile,
    examples: int = EXAMPLES,
    steps: int = STEPS,
    seed: int = SEED,
    on_progress: Callable[[float, float | None, str], None] | None = None,
    *,
    first: Sequence[KnownRun] = (),
    exact_limits: bool = False,
    on_run: Callable[[Trace], None] | None = None,
    minimize_seconds: float = SECONDS,
    call_seconds: float = CALL_SECONDS,
    invariants: Invariants = specified_invariants,
    keep_going: bool = False,
    most_ways: int = MOST_WAYS,
    earlier: Sequence[EarlierRun] = (),
    jobs: int = 1,
    max_seconds: float | None = None,
    worker_factory: Callable[[], Implementation] | None = None,
    pool: Callable[[RunnerFactory], Pool[Part, Found]] | None = None,
    all_shortest: bool = False,
) -> CheckResult:
    """Make the runs that failed ``earlier``, the known runs in ``first``, then ``examples`` random runs of at most
    ``steps`` calls; judge every call; stop at the first failure and minimize it.

    A known run leaves out calls that can't be made, since an implementation may choose other names. The same ``seed``
    gives the same calls. The kernel's limits are made small (``near_limits``), unless ``exact_limits`` is set or the
    implementation has its own. Some implementations recover from a crash by booting. For these after a crash, and with
    ``keep_going`` after any failure, the check continues, and minimizes one run for each kind of failure. It ends after
    ``most_ways`` kinds, or after some runs that hang.

    The runs are made by ``jobs`` processes. Each has an implementation of its own, from ``worker_factory`` if
    ``implementation_factory`` gives always the same one. Or ``pool`` makes other processes. The result is the same,
    however many there are. After ``max_seconds`` the search ends with what was found: the result says so. Then the
    failing runs are minimized, all of them within ``minimize_seconds``; without ``max_seconds``, each of them.

    ``on_progress`` gets the number of finished runs, the number of all runs, and words; ``on_run`` gets each run.
    Ctrl-C ends the check with the results so far: UNDETERMINED if nothing failed. Raises WorkersDied.
    """
    began = time.monotonic()
    kernel = implementation_factory()
    capabilities = capabilities_of(kernel)
    limited = profile if exact_limits or not capabilities.limits else near_limits(profile)
    setting = RunnerFactory(worker_factory or implementation_factory, oracle_factory, limited, steps, invariants, call_seconds, on_run is not None)
    runner = setting.runner(kernel)
    runner.deadline = None if max_seconds is None else began + max_seconds
    checker = _Checker(runner, earlier, first, examples, on_progress, on_run)
    checker.continues_after = ("crash", "hang") if capabilities.recovers else ()
    if keep_going:
        checker.continues_after = get_args(ViolationKind)
    checker.most_ways = most_ways
    interrupted = False
    gc.freeze()  # the specification's many terms stay: to go through them again and again takes time
    try:
        if pool is not None:
            checker.pool = pool(setting)
        elif jobs > 1:
            checker.warm_up()
            checker.pool = Processes(setting, jobs)
        checker.search(seed)
    except KeyboardInterrupt:
        interrupted = True
    except (WorkersDied, Failed) as error:
        if not checker.failing:
            raise error if isinstance(error, WorkersDied) else WorkersDied(str(error)) from error
        checker.cut_short = str(error)
    finally:
        gc.unfreeze()
        if checker.pool is not None:
            checker.pool.end()
    minimized: list[tuple[_FailingRun, MinimizedRun]] = []
    for number, failing in enumerate(checker.failing.values()):
        if on_progress is not None:
            on_progress(number, len(checker.failing), f"minimizing run {number + 1} of {len(checker.failing)} that fail")
        share = minimize_seconds
        if runner.deadline is not None:  # all of them together take no longer than one
            share = max(0.0, runner.deadline + minimize_seconds - time.monotonic()) / (len(checker.failing) - number)
        minimizer = Minimizer(
            failing.trace,
            implementation_factory,
            oracle_factory,
            limited,
            seconds=min(share, minimize_seconds),
            invariants=invariants,
            call_seconds=call_seconds,
        )
        try:
            minimized.append((failing, minimizer.minimize()))
        except KeyboardInterrupt:
            interrupted = True
            minimized.append((failing, minimizer.stopped()))
    different = _different(minimized)
    result = checker.result(seed, interrupted, different)
    return msgspec.structs.replace(result, shortest=different[0][1].shortest) if all_shortest and different else result


def _different(minimized: Sequence[tuple[_FailingRun, MinimizedRun]]) -> list[tuple[_FailingRun, MinimizedRun]]:
    """Without those that turned out to fail as an earlier one does, once they were small."""
    kept: dict[tuple[str, ...], tuple[_FailingRun, MinimizedRun]] = {}
    for failing, found in minimized:
        kept.setdefault(_way(found.trace), (failing, found))
    return list(kept.values())


_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\d+")


def _way(trace: Trace) -> tuple[str, ...]:
    """How a run fails: runs that fail in the same way are one failure."""
    violation = trace.violations[0]
    call = trace.steps[violation.step].call if 0 <= violation.step < len(trace.steps) else ""
    return violation.kind, violation.clause, call, _NUMBERS.sub("N", violation.crash)


class _FailingRun(NamedTuple):
    """A failing run."""

    trace: Trace
    run: int
    """Its number in the check, from 1."""
    calls: int
    """Number of calls that the check had made by its end."""


class _RunFailed(Exception):
    """Reports a failing run to Hypothesis."""


class _Checker:
    """The runs of one check, and their counts."""

    def __init__(
        self,
        runner: Runner,
        earlier: Sequence[EarlierRun],
        first: Sequence[KnownRun],
        examples: int,
        on_progress: Callable[[float, float | None, str], None] | None,
        on_run: Callable[[Trace], None] | None,
    ) -> None:
        self.runner = runner
        self.implementation = runner.implementation
        self.capabilities = runner.capabilities
        has = self.capabilities.calls
        every = cast(SpecifiedOracle, runner.oracle_factory(runner.profile)).all_cases
        self.all_cases = tuple(case for case in every if has is None or _call_of(case) in has or _call_of(case) not in SIGNATURES)
        self.profile = runner.profile
        self.earlier = earlier
        self.first = first
        self.examples = examples
        self.on_progress = on_progress
        self.on_run = on_run
        self.pool: Pool[Part, Found] | None = None
        """The processes that make the runs; None: this one."""
        self.began = time.monotonic()
        self.runs = 0
        self.drawn = 0
        """Number of random runs."""
        self.calls = 0
        self.codes: dict[str, Counter[str]] = {}
        self.cases: Counter[str] = Counter()
        self.all_situations = situations(self.profile)
        self.situations: Counter[str] = Counter()
        self.not_made: Counter[str] = Counter()
        self.not_modelled: Counter[str] = Counter()
        self.failing: dict[tuple[str, ...], _FailingRun] = {}
        """The first failing run of each kind."""
        self.continues_after: tuple[ViolationKind, ...] = ()
        """Kinds of violations after which the check continues."""
        self.most_ways = MOST_WAYS
        self.passed: list[int] = []
        """The numbers of the runs, from 0, that passed to their end, among those that failed earlier."""
        self.hangs = 0
        """Number of runs that hung."""
        self.over = False
        self.time_is_up = False
        self.cut_short = ""
        """Why the check ended before all of its runs, though it was to go on."""
        self.problem: Exception | None = None
        """What kept a random run from being made."""
        self._next: list[PlannedRun] = []
        """Runs that the pool gets together, as its next part."""
        self._given = 0
        """Number of parts that the pool got."""
        self._taken = 0
        """Number of parts whose findings were taken."""
        self._early: dict[int, Found] = {}
        """What was found in parts whose turn hasn't come."""
        runner.on_calls = self._report_progress

    @property
    def planned(self) -> int:
        """Number of all runs."""
        return len(self.earlier) + len(self.first) + self.examples

    def warm_up(self) -> None:
        """Make a run that counts for nothing, so that what it prepares is there before this process is forked."""
        with contextlib.suppress(TimeIsUp):
            self.runner.make(PlannedRun(known=self.first[0] if self.first else ()), RunFound())

    def search(self, seed: int) -> None:
        """Make the runs that failed earlier, the known runs, then random ones drawn by Hypothesis, until one fails."""
        for planned in (*(PlannedRun(earlier=calls) for calls in self.earlier), *(PlannedRun(known=calls) for calls in self.first)):
            self._make(planned)
            if self.over:
                return

        @seeded(seed)
        @settings(
            max_examples=self.examples,
            database=None,  # the seed reproduces the runs, and failing ones are kept as calls (EarlierFailures)
            phases=(Phase.generate,),
            derandomize=False,
            deadline=None,
            report_multiple_bugs=False,
            print_blob=False,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        @given(block=blocks(self.runner.steps))
        def runs(block: bytes) -> None:
            if not self.over:
                self.drawn += 1
                try:
                    self._make(PlannedRun(block=block, directed=self.drawn % ONE_DIRECTED_IN == 0))
                except Exception as error:  # no finding: Hypothesis would make the run again, and wrap what it raises
                    self.problem, self.over = error, True
            if self.over:  # Hypothesis runs a failing example again, to confirm it
                raise _RunFailed

        try:
            runs()
        except Exception:
            # _RunFailed, or Hypothesis's error for it; anything else is a bug in sendright.
            if not self.over:
                raise
        if self.problem is not None:
            raise self.problem
        self._wait_for_all()

    def _make(self, planned: PlannedRun) -> None:
        """Make a run, here or in the pool, and take what was found. With a pool, that may be of runs before it."""
        if self.pool is None:
            found = RunFound()
            try:
                self.runner.make(planned, found)
            except TimeIsUp:
                self.over = self.time_is_up = True
            finally:
                self._take(found)
            return
        self._next.append(planned)
        if len(self._next) >= RUNS_TOGETHER:
            self._give(self.pool)

    def _give(self, pool: Pool[Part, Found]) -> None:
        pool.give((self._given, tuple(self._next)))
        self._next.clear()
        self._given += 1
        while not self.over and pool.room <= 0:
            self._take_answers(pool)

    def _wait_for_all(self) -> None:
        if self.pool is None or self.over:
            return
        if self._next:
            self._give(self.pool)
        while not self.over and self.pool.busy:
            self._take_answers(self.pool)

    def _take_answers(self, pool: Pool[Part, Found]) -> None:
        """Take what was found in the order of the runs, whatever order it comes in: so the result is that of one
        process."""
        for (number, runs), found in pool.answers():
            if isinstance(found, Lost):
                raise WorkersDied(f"{len(runs)} runs are lost: {found.words}")
            self._early[number] = found
        while not self.over and (part := self._early.pop(self._taken, None)) is not None:
            self._taken += 1
            for one in part:
                if not self.over:
                    self._take(one)
        if not self.over and self.runner.deadline is not None and time.monotonic() >= self.runner.deadline:
            self.over = self.time_is_up = True

    def _take(self, found: RunFound) -> None:
        """Count what a run found."""
        if found.violation is not None and found.trace is not None:
            self.failing.setdefault(_way(found.trace), _FailingRun(found.trace, self.runs + 1, self.calls + len(found.trace.steps)))
            self.hangs += found.violation.kind == "hang"
            if found.violation.kind not in self.continues_after:
                self.over = True
            elif (len(self.failing) >= self.most_ways or self.hangs >= MOST_HANGS) and self.runs + 1 < self.planned:
                self.over = True
                many = f"{self.hangs} runs that hang" if self.hangs >= MOST_HANGS else f"{len(self.failing)} different failures"
                self.cut_short = f"the check ended after {many}, {self.runs + 1:,} of {self.planned:,} runs"
        if self.time_is_up and found.violation is None:
            return  # it was cut short
        if found.ended and self.runs < len(self.earlier):
            self.passed.append(self.runs)
        self.runs += 1
        self.calls += found.calls
        for call, codes in found.codes.items():
            self.codes.setdefault(call, Counter()).update(codes)
        self.cases.update(found.cases)
        self.situations.update(found.situations)
        self.not_made.update(found.not_made)
        self.not_modelled.update(found.not_modelled)
        if self.on_run is not None and found.trace is not None:
            self.on_run(found.trace)
        self._report_progress()

    def _report_progress(self, more: int = 0) -> None:
        if self.on_progress is not None:
            self.on_progress(self.runs, self.planned, f"runs, {self.calls + more:,} calls")

    def result(self, seed: int, interrupted: bool, minimized: list[tuple[_FailingRun, MinimizedRun]]) -> CheckResult:
        """The result of the check."""
        traces = [found.trace for _, found in minimized]
        first = minimized[0] if minimized else None
        failed_again = [failing.run - 1 for failing, _ in minimized if failing.run <= len(self.earlier)]
        return CheckResult(
            verdict=self._verdict(traces, interrupted),
            implementation=self.implementation.name,
            profile=self.profile.name,
            seed=seed,
            examples=self.runs,
            calls=self.calls,
            seconds=time.monotonic() - self.began,
            codes={call: dict(counted.most_common()) for call, counted in sorted(self.codes.items())},
            cases_reached={case: self.cases[case] for case in self.all_cases if case in self.cases},
            cases_missed=tuple(case for case in self.all_cases if case not in self.cases),
            situations_reached={words: self.situations[words] for words in self.all_situations if words in self.situations},
            situations_missed=tuple(words for words in self.all_situations if words not in self.situations),
            failure=traces[0] if traces else None,
            minimized_from=0 if first is None else len(first[0].trace.steps),
            script=_script(traces[0]) if traces else None,
            others=tuple(
                OtherFailure(failure=found.trace, script=_script(found.trace), message=_message(failing, found, len(self.earlier)))
                for failing, found in minimized[1:]
            ),
            not_compared=tuple(not_compared(self.capabilities, [name for name in SIGNATURES if self.profile.serves(name)])),
            not_made=dict(self.not_made.most_common()),
            not_modelled=dict(self.not_modelled.most_common()),
            interrupted=interrupted,
            earlier=len(self.earlier),
            earlier_settled=tuple(sorted({*self.passed, *failed_again})),
            planned=self.planned,
            time_is_up=self.time_is_up,
            cut_short=self._too_short,
            message="" if first is None else _message(*first, len(self.earlier)),
        )

    def _verdict(self, traces: list[Trace], interrupted: bool) -> Verdict:
        if traces:
            crashed = all(trace.violations[0].kind in ("crash", "hang") for trace in traces)
            return Verdict.CRASHED if crashed else Verdict.FAILED
        return Verdict.PASSED if self.calls and not self._too_short and not interrupted else Verdict.UNDETERMINED

    @property
    def _too_short(self) -> str:
        """Why it has made too few runs, in words; empty: it has made enough."""
        early = self.time_is_up and self.runs <= len(self.earlier) + len(self.first)
        return self.cut_short or ("the time was up before the first random run" if early else "")


def _call_of(case: str) -> str:
    """The call that the case belongs to; for a shared rule its name, which is not a call's."""
    return case.partition("/")[0].partition(":")[0]


def _message(failing: _FailingRun, minimized: MinimizedRun, earlier: int) -> str:
    before, after = len(failing.trace.steps), len(minimized.trace.steps)
    again = ", which failed in an earlier check too" if failing.run <= earlier else ""
    found = f"found in run {failing.run}{again}, after {failing.calls:,} calls{_limits_in_words(failing.trace)}"
    if not after:
        return f"{found}; no call is needed"
    if not minimized.minimal and not minimized.runs:
        return f"{found}; not minimized, as there was no time for it: some calls may be unnecessary"
    if not minimized.reproduced:
        return f"{found}; not minimized, as the same calls didn't fail again: the implementation isn't deterministic"
    reduced = f"{found}; reduced from {before} calls to {after} in {minimized.runs:,} runs"
    return f"{reduced}: every call is necessary" if minimized.minimal else f"{reduced}, then stopped: more calls may be unnecessary"


def _limits_in_words(trace: Trace) -> str:
    """The limits of a run that aren't its profile's."""
    usual = PROFILES.get(trace.profile)
    small = [f"{limit} {getattr(trace, limit)}" for limit in LIMITS if usual is not None and getattr(trace, limit) != getattr(usual, limit)]
    return f", with the limits {', '.join(small)}" if small else ""


def _script(trace: Trace) -> dict[str, Any] | None:
    """The run as a script; None if it has no calls, or a profile that others don't have."""
    try:
        return script_of(trace, id="found") if trace.steps else None
    except UnknownProfile:
        return None
