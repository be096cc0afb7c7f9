"""Checking an implementation with random runs: Hypothesis at the front, the specification beside every call."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded

from sendright.mach.calls import Call
from sendright.mach.codes import code_name
from sendright.mach.implementation import Implementation
from sendright.mach.profiles import Profile, UnknownProfile
from sendright.mach.results import CheckResult
from sendright.mach.trace import Trace
from sendright.mach.verdicts import Verdict
from sendright.properties.conformance import CALL_SECONDS, Invariants, Run, specified_invariants
from sendright.properties.export import script_of
from sendright.properties.generation import Calls, blocks, near_limits
from sendright.properties.judged_run import Broken, Oracle, can_make
from sendright.properties.minimize import SECONDS, Minimized, Minimizer

EXAMPLES, STEPS, SEED = 250, 100, 0
KnownRun = Sequence[tuple[int, Call]]
"""Calls that are known beforehand, and the number of the task that makes each."""
CALLS_PER_WORD = 100
"""How many calls of a long run are made between two words of progress."""


class SpecifiedOracle(Oracle, Protocol):
    """An oracle that knows which cases there are."""

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
) -> CheckResult:
    """Make the known runs that come ``first``, then ``examples`` random ones of at most ``steps`` calls each; judge every call; stop at the first
    failure and minimize it.

    A known run leaves out calls that can't be made: an implementation may choose other names. The same ``seed`` makes the same calls. The kernel's
    limits are made small (``near_limits``), unless ``exact_limits``. ``on_progress`` hears how many runs of how many are
    done, and ``on_run`` of each run. Ctrl-C ends it with what was found so far: UNDETERMINED, if that is nothing.
    """
    limited = profile if exact_limits else near_limits(profile)
    checker = _Checker(implementation_factory, oracle_factory, limited, first, examples, steps, on_progress, on_run, invariants, call_seconds)
    interrupted = False
    minimized: Minimized | None = None
    try:
        checker.search(seed)
    except KeyboardInterrupt:
        interrupted = True
    if checker.failing is not None:
        minimizer = Minimizer(
            checker.failing,
            implementation_factory,
            oracle_factory,
            limited,
            seconds=minimize_seconds,
            invariants=invariants,
            call_seconds=call_seconds,
        )
        try:
            minimized = minimizer.minimize()
        except KeyboardInterrupt:
            interrupted = True
            minimized = Minimized(minimizer.best, minimal=False, reproduced=True, runs=minimizer.runs)
    return checker.result(seed, interrupted, minimized)


class _Failed(Exception):
    """What Hypothesis sees of a failing run."""


class _Checker:
    """The runs of one check, and what was counted."""

    def __init__(
        self,
        implementation_factory: Callable[[], Implementation],
        oracle_factory: Callable[[Profile], SpecifiedOracle],
        profile: Profile,
        first: Sequence[KnownRun],
        examples: int,
        steps: int,
        on_progress: Callable[[float, float | None, str], None] | None,
        on_run: Callable[[Trace], None] | None,
        invariants: Invariants,
        call_seconds: float,
    ) -> None:
        self.implementation = implementation_factory()
        self.oracle_factory = oracle_factory
        self.all_cases = oracle_factory(profile).all_cases
        self.profile = profile
        self.first = first
        self.examples = examples
        self.steps = steps
        self.on_progress = on_progress
        self.on_run = on_run
        self.invariants = invariants
        self.call_seconds = call_seconds
        self.began = time.monotonic()
        self.runs = 0
        self.calls = 0
        self.codes: dict[str, Counter[str]] = {}
        self.cases: Counter[str] = Counter()
        self.failing: Trace | None = None

    def search(self, seed: int) -> None:
        """Make the known runs, then let Hypothesis draw others, until one fails."""
        for known in self.first:
            self._run(partial(self._make, known))
            if self.failing is not None:
                return

        @seeded(seed)
        @settings(
            max_examples=self.examples,
            database=None,  # the seed makes the runs again, and the report keeps a failing one as a script
            phases=(Phase.generate,),
            derandomize=False,
            deadline=None,
            report_multiple_bugs=False,
            print_blob=False,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        @given(block=blocks(self.steps))
        def runs(block: bytes) -> None:
            if self.failing is None:
                self._run(partial(self._draw, block))
            if self.failing is not None:  # Hypothesis asks twice, to be sure
                raise _Failed

        try:
            runs()
        except Exception:
            # _Failed, or what Hypothesis makes of it; anything else is a mistake of ours.
            if self.failing is None:
                raise

    def _run(self, calls: Callable[[Run], None]) -> None:
        run = Run(self.implementation, self.oracle_factory(self.profile), self.profile, self.invariants, self.call_seconds)
        try:
            run.boot()
            calls(run)
            run.finish()
        except Broken:
            self.failing = run.trace()
        finally:
            self._count(run)

    def _make(self, known: KnownRun, run: Run) -> None:
        for task, call in known:
            if can_make(run.snapshot, task, call):
                run.step(task, call)

    def _draw(self, block: bytes, run: Run) -> None:
        calls = Calls(self.profile, block)
        while len(run.steps) < self.steps and not calls.over(run.snapshot):
            calls.made(run.step(*calls.next(run.snapshot)))
            if len(run.steps) % CALLS_PER_WORD == 0:
                self._tell(len(run.steps))

    def _count(self, run: Run) -> None:
        self.runs += 1
        self.calls += len(run.steps)
        for step in run.steps:
            self.codes.setdefault(step.call, Counter())[code_name(step.code)] += 1
            self.cases.update(step.cases)
        if self.on_run is not None:
            self.on_run(run.trace())
        self._tell()

    def _tell(self, more: int = 0) -> None:
        if self.on_progress is not None:
            self.on_progress(self.runs, len(self.first) + self.examples, f"runs, {self.calls + more:,} calls")

    def result(self, seed: int, interrupted: bool, minimized: Minimized | None) -> CheckResult:
        """What came of it."""
        trace = None if minimized is None else minimized.trace
        return CheckResult(
            verdict=self._verdict(trace, interrupted),
            implementation=self.implementation.name,
            profile=self.profile.name,
            seed=seed,
            examples=self.runs,
            calls=self.calls,
            seconds=time.monotonic() - self.began,
            codes={call: dict(counted.most_common()) for call, counted in sorted(self.codes.items())},
            cases_reached={case: self.cases[case] for case in self.all_cases if case in self.cases},
            cases_missed=tuple(case for case in self.all_cases if case not in self.cases),
            failure=trace,
            minimized_from=0 if self.failing is None else len(self.failing.steps),
            script=None if trace is None else _script(trace),
            interrupted=interrupted,
            message=self._message(minimized),
        )

    def _verdict(self, trace: Trace | None, interrupted: bool) -> Verdict:
        if trace is not None:
            return Verdict.CRASHED if trace.violations[0].kind in ("crash", "hang") else Verdict.FAILED
        return Verdict.UNDETERMINED if interrupted or not self.calls else Verdict.PASSED

    def _message(self, minimized: Minimized | None) -> str:
        if minimized is None or self.failing is None:
            return ""
        before, after = len(self.failing.steps), len(minimized.trace.steps)
        found = f"found in run {self.runs}, after {self.calls:,} calls"
        if not after:
            return f"{found}; no call is needed"
        if not minimized.reproduced:
            return f"{found}; it didn't fail again with the same calls, so it could not be minimized: the implementation isn't deterministic"
        reduced = f"{found}; reduced from {before} calls to {after} in {minimized.runs:,} runs"
        return f"{reduced}: no call can be left out" if minimized.minimal else f"{reduced}, and then stopped: perhaps more calls can be left out"


def _script(trace: Trace) -> dict[str, Any] | None:
    """The run as a script; None if there is nothing to run, or no profile by which others could."""
    try:
        return script_of(trace, id="found") if trace.steps else None
    except UnknownProfile:
        return None
