"""Checks an implementation with random runs: Hypothesis draws the calls, the specification judges each of them."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, get_args

import msgspec
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded

from sendright.mach.abi.codes import code_name
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.capabilities import NotMade, capabilities_of, not_compared
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import Profile, UnknownProfile
from sendright.mach.kernel.unmodelled import Unmodelled
from sendright.mach.results.checks import CheckResult, OtherFailure
from sendright.mach.results.verdicts import Verdict
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.trace import Trace, Violation, ViolationKind
from sendright.properties.coverage.situations import Scene, reached, situations
from sendright.properties.generation.calls import Calls, blocks, near_limits, receivable
from sendright.properties.minimization.minimizer import SECONDS, MinimizedRun, Minimizer
from sendright.properties.runs.judged_run import Oracle, Violated, can_make, ready_for_limits
from sendright.properties.runs.run import CALL_SECONDS, Invariants, Run, specified_invariants
from sendright.properties.scripts.export import script_of

EXAMPLES, STEPS, SEED = 250, 100, 0
KnownRun = Sequence[tuple[int, Call]]
"""A fixed run: pairs of a caller's task number and a call."""
ONE_DIRECTED_IN = 3
"""One in so many random runs follows plans (``generation/plans.py``); the others reach more cases."""
RECEIVED_IN = 3
"""An implementation that doesn't show what is in queues: up to one in so many calls of a run, the last ones, receive
that."""
MOST_TRIES = 4
"""A run ends after drawing this many times its length in calls, whether the implementation could make them or not."""
MOST_WAYS = 20
"""A check ends after this many different failures."""
CALLS_PER_WORD = 100
"""Number of calls of a long run between two progress reports."""


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
    all_shortest: bool = False,
) -> CheckResult:
    """Make the known runs in ``first``, then ``examples`` random runs of at most ``steps`` calls; judge every call;
    stop at the first failure and minimize it.

    A known run leaves out calls that can't be made, since an implementation may choose other names. The same ``seed``
    gives the same calls. The kernel's limits are made small (``near_limits``), unless ``exact_limits`` is set or the
    implementation has its own. Some implementations recover from a crash by booting. For these after a crash, and with
    ``keep_going`` after any failure, the check continues, and minimizes one run for each kind of failure. It ends after
    ``most_ways`` kinds. With ``all_shortest`` the result has all runs as short as the minimized one that were found.
    ``on_progress`` gets the number of finished runs, the number of all runs, and words; ``on_run`` gets each run.
    Ctrl-C ends the check with the results so far: UNDETERMINED if nothing failed.
    """
    kernel = implementation_factory()
    capabilities = capabilities_of(kernel)
    limited = profile if exact_limits or not capabilities.limits else near_limits(profile)
    checker = _Checker(kernel, oracle_factory, limited, first, examples, steps, on_progress, on_run, invariants, call_seconds)
    checker.continues_after = ("crash", "hang") if capabilities.recovers else ()
    if keep_going:
        checker.continues_after = get_args(ViolationKind)
    checker.most_ways = most_ways
    interrupted = False
    gc.freeze()  # the specification's many terms stay: to go through them again and again takes time
    try:
        checker.search(seed)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        gc.unfreeze()
    minimized: list[tuple[_FailingRun, MinimizedRun]] = []
    for number, failing in enumerate(checker.failing.values()):
        if on_progress is not None:
            on_progress(number, len(checker.failing), f"minimizing run {number + 1} of {len(checker.failing)} that fail")
        minimizer = Minimizer(
            failing.trace,
            implementation_factory,
            oracle_factory,
            limited,
            seconds=minimize_seconds,
            invariants=invariants,
            call_seconds=call_seconds,
        )
        try:
            minimized.append((failing, minimizer.minimize()))
        except KeyboardInterrupt:
            interrupted = True
            minimized.append((failing, minimizer.stopped()))
    result = checker.result(seed, interrupted, minimized)
    return msgspec.structs.replace(result, shortest=minimized[0][1].shortest) if all_shortest and minimized else result


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
        implementation: Implementation,
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
        self.implementation = implementation
        self.capabilities = capabilities_of(implementation)
        self.oracle_factory = oracle_factory
        has = self.capabilities.calls
        every = oracle_factory(profile).all_cases
        self.all_cases = tuple(case for case in every if has is None or _call_of(case) in has or _call_of(case) not in SIGNATURES)
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
        self.drawn = 0
        """Number of random runs."""
        self.calls = 0
        self.codes: dict[str, Counter[str]] = {}
        self.cases: Counter[str] = Counter()
        self.all_situations = situations(profile)
        self.situations: Counter[str] = Counter()
        self.not_made: Counter[str] = Counter()
        self.not_modelled: Counter[str] = Counter()
        self.failing: dict[tuple[str, ...], _FailingRun] = {}
        """The first failing run of each kind."""
        self.continues_after: tuple[ViolationKind, ...] = ()
        """Kinds of violations after which the check continues."""
        self.most_ways = MOST_WAYS
        self.over = False

    def search(self, seed: int) -> None:
        """Make the known runs, then random ones drawn by Hypothesis, until one fails."""
        for known in self.first:
            self._run(partial(self._make, known))
            if self.over:
                return

        @seeded(seed)
        @settings(
            max_examples=self.examples,
            database=None,  # the seed reproduces the runs, and the report has a failing one as a script
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
            if not self.over:
                self._run(partial(self._draw, block))
            if self.over:  # Hypothesis runs a failing example again, to confirm it
                raise _RunFailed

        try:
            runs()
        except Exception:
            # _RunFailed, or Hypothesis's error for it; anything else is a bug in sendright.
            if not self.over:
                raise

    def _run(self, calls: Callable[[Run], None]) -> None:
        run = Run(self.implementation, self.oracle_factory(self.profile), self.profile, self.invariants, self.call_seconds)
        try:
            with ready_for_limits():
                run.boot()
                calls(run)
                run.finish()
        except Violated as broken:
            self._failed(run.trace(), broken.violation)
        finally:
            self._count(run)

    def _make(self, known: KnownRun, run: Run) -> None:
        has, shortages = self.capabilities.calls, self.capabilities.shortages
        for task, call in known:
            if can_make(run.snapshot, task, call) and (has is None or call.name in has) and (shortages or not call.shortage):
                self._step(run, task, call)

    def _draw(self, block: bytes, run: Run) -> None:
        self.drawn += 1
        calls = Calls(self.profile, block, self.capabilities, directed=self.drawn % ONE_DIRECTED_IN == 0)
        receives = False
        while len(run.steps) < self.steps and calls.count < MOST_TRIES * self.steps and not calls.over(run.snapshot):
            index = len(run.steps)
            receives = receives or self._has_to_receive(run)
            received = calls.reception(run.snapshot) if receives else None
            self._step(run, *(received or calls.next(run.snapshot)))
            for step in run.steps[index:]:
                calls.made(step)
        self.not_modelled.update(calls.not_modelled)

    def _has_to_receive(self, run: Run) -> bool:
        """Whether the run's last calls should receive what is in queues, since the implementation doesn't show that."""
        left = self.steps - len(run.steps)
        if self.capabilities.shows is None or left > self.steps // RECEIVED_IN:
            return False
        return left <= sum(messages for messages, _, _ in receivable(run.snapshot))

    def _step(self, run: Run, task: int, call: Call) -> None:
        index, before = len(run.steps), run.snapshot
        try:
            run.step(task, call)
        except Unmodelled as error:
            self.not_modelled[str(error)] += 1
        except NotMade as error:
            self.not_made[str(error)] += 1
        finally:
            for step in run.steps[index:][:1]:
                self.situations.update(reached(Scene(self.profile, before, step, run.snapshot)))
        if len(run.steps) // CALLS_PER_WORD > index // CALLS_PER_WORD:
            self._report_progress(len(run.steps))

    def _failed(self, trace: Trace, violation: Violation) -> None:
        way = (violation.kind, violation.clause)
        self.failing.setdefault(way, _FailingRun(trace, self.runs + 1, self.calls + len(trace.steps)))
        self.over = violation.kind not in self.continues_after or len(self.failing) >= self.most_ways

    def _count(self, run: Run) -> None:
        self.runs += 1
        self.calls += len(run.steps)
        for step in run.steps:
            self.codes.setdefault(step.call, Counter())["no answer" if step.missing == "answer" else code_name(step.code)] += 1
            self.cases.update(step.cases)
        if self.on_run is not None:
            self.on_run(run.trace())
        self._report_progress()

    def _report_progress(self, more: int = 0) -> None:
        if self.on_progress is not None:
            self.on_progress(self.runs, len(self.first) + self.examples, f"runs, {self.calls + more:,} calls")

    def result(self, seed: int, interrupted: bool, minimized: list[tuple[_FailingRun, MinimizedRun]]) -> CheckResult:
        """The result of the check."""
        traces = [found.trace for _, found in minimized]
        first = minimized[0] if minimized else None
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
                OtherFailure(failure=found.trace, script=_script(found.trace), message=_message(failing, found)) for failing, found in minimized[1:]
            ),
            not_compared=tuple(not_compared(self.capabilities, [name for name in SIGNATURES if self.profile.serves(name)])),
            not_made=dict(self.not_made.most_common()),
            not_modelled=dict(self.not_modelled.most_common()),
            interrupted=interrupted,
            message="" if first is None else _message(*first),
        )

    def _verdict(self, traces: list[Trace], interrupted: bool) -> Verdict:
        if traces:
            crashed = all(trace.violations[0].kind in ("crash", "hang") for trace in traces)
            return Verdict.CRASHED if crashed else Verdict.FAILED
        return Verdict.UNDETERMINED if interrupted or not self.calls else Verdict.PASSED


def _call_of(case: str) -> str:
    """The call that the case belongs to; for a shared rule its name, which is not a call's."""
    return case.partition("/")[0].partition(":")[0]


def _message(failing: _FailingRun, minimized: MinimizedRun) -> str:
    before, after = len(failing.trace.steps), len(minimized.trace.steps)
    found = f"found in run {failing.run}, after {failing.calls:,} calls"
    if not after:
        return f"{found}; no call is needed"
    if not minimized.minimal and not minimized.runs:
        return f"{found}; not minimized, as there was no time for it: some calls may be unnecessary"
    if not minimized.reproduced:
        return f"{found}; not minimized, as the same calls didn't fail again: the implementation isn't deterministic"
    reduced = f"{found}; reduced from {before} calls to {after} in {minimized.runs:,} runs"
    return f"{reduced}: every call is necessary" if minimized.minimal else f"{reduced}, then stopped: more calls may be unnecessary"


def _script(trace: Trace) -> dict[str, Any] | None:
    """The run as a script; None if it has no calls, or a profile that others don't have."""
    try:
        return script_of(trace, id="found") if trace.steps else None
    except UnknownProfile:
        return None
