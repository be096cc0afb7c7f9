"""Checking an implementation with random runs: Hypothesis at the front, the specification beside every call."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, get_args

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded

from sendright.mach.calls import Call
from sendright.mach.capabilities import NotMade, capabilities_of, not_compared
from sendright.mach.codes import code_name
from sendright.mach.implementation import Implementation
from sendright.mach.profiles import Profile, UnknownProfile
from sendright.mach.results import CheckResult, OtherFailure
from sendright.mach.signatures import SIGNATURES
from sendright.mach.trace import Trace, Violation, ViolationKind
from sendright.mach.verdicts import Verdict
from sendright.properties.conformance import CALL_SECONDS, Invariants, Run, specified_invariants
from sendright.properties.export import script_of
from sendright.properties.generation import Calls, blocks, near_limits
from sendright.properties.judged_run import Oracle, Violated, can_make
from sendright.properties.minimize import SECONDS, MinimizedRun, Minimizer

EXAMPLES, STEPS, SEED = 250, 100, 0
KnownRun = Sequence[tuple[int, Call]]
"""Calls that are known beforehand, and the number of the task that makes each."""
MOST_TRIES = 4
"""A run ends after so many times as many calls were drawn as it was to have, made or not."""
MOST_WAYS = 20
"""Ways of failing after which enough is known."""
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
    keep_going: bool = False,
) -> CheckResult:
    """Make the known runs that come ``first``, then ``examples`` random ones of at most ``steps`` calls each; judge every call; stop at the first
    failure and minimize it.

    A known run leaves out calls that can't be made: an implementation may choose other names. The same ``seed`` makes the same calls. The kernel's
    limits are made small (``near_limits``), unless ``exact_limits`` or it has its own. Some implementations are as new after a crash: then, or if
    it shall ``keep_going`` whatever fails, the runs go on, and each that failed in a way of its own is minimized. ``on_progress`` hears how many
    runs of how many are done, and ``on_run`` of each run. Ctrl-C ends it with what was found so far: UNDETERMINED, if that is nothing.
    """
    kernel = implementation_factory()
    capabilities = capabilities_of(kernel)
    limited = profile if exact_limits or not capabilities.limits else near_limits(profile)
    checker = _Checker(kernel, oracle_factory, limited, first, examples, steps, on_progress, on_run, invariants, call_seconds)
    checker.goes_on_after = ("crash", "hang") if capabilities.recovers else ()
    if keep_going:
        checker.goes_on_after = get_args(ViolationKind)
    interrupted = False
    try:
        checker.search(seed)
    except KeyboardInterrupt:
        interrupted = True
    minimized: list[tuple[_FailingRun, MinimizedRun]] = []
    for failing in checker.failing.values():
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
    return checker.result(seed, interrupted, minimized)


class _FailingRun(NamedTuple):
    """A run that failed."""

    trace: Trace
    run: int
    """Which run of the check it was, from 1."""
    calls: int
    """How many calls were made up to its end."""


class _RunFailed(Exception):
    """What Hypothesis sees of a failing run."""


class _Checker:
    """The runs of one check, and what was counted."""

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
        self.calls = 0
        self.codes: dict[str, Counter[str]] = {}
        self.cases: Counter[str] = Counter()
        self.not_made: Counter[str] = Counter()
        self.failing: dict[tuple[str, ...], _FailingRun] = {}
        """The first run that failed in each way."""
        self.goes_on_after: tuple[ViolationKind, ...] = ()
        """Kinds of violations after which there are more runs."""
        self.over = False

    def search(self, seed: int) -> None:
        """Make the known runs, then let Hypothesis draw others, until one fails."""
        for known in self.first:
            self._run(partial(self._make, known))
            if self.over:
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
            if not self.over:
                self._run(partial(self._draw, block))
            if self.over:  # Hypothesis asks twice, to be sure
                raise _RunFailed

        try:
            runs()
        except Exception:
            # _RunFailed, or what Hypothesis makes of it; anything else is a mistake of ours.
            if not self.over:
                raise

    def _run(self, calls: Callable[[Run], None]) -> None:
        run = Run(self.implementation, self.oracle_factory(self.profile), self.profile, self.invariants, self.call_seconds)
        try:
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
        calls = Calls(self.profile, block, self.capabilities)
        while len(run.steps) < self.steps and calls.count < MOST_TRIES * self.steps and not calls.over(run.snapshot):
            index = len(run.steps)
            self._step(run, *calls.next(run.snapshot))
            for step in run.steps[index:]:
                calls.made(step)

    def _step(self, run: Run, task: int, call: Call) -> None:
        index = len(run.steps)
        try:
            run.step(task, call)
        except NotMade as error:
            self.not_made[str(error)] += 1
        if len(run.steps) // CALLS_PER_WORD > index // CALLS_PER_WORD:
            self._tell(len(run.steps))

    def _failed(self, trace: Trace, violation: Violation) -> None:
        way = (violation.kind, violation.clause)
        self.failing.setdefault(way, _FailingRun(trace, self.runs + 1, self.calls + len(trace.steps)))
        self.over = violation.kind not in self.goes_on_after or len(self.failing) >= MOST_WAYS

    def _count(self, run: Run) -> None:
        self.runs += 1
        self.calls += len(run.steps)
        for step in run.steps:
            self.codes.setdefault(step.call, Counter())["no answer" if step.missing == "answer" else code_name(step.code)] += 1
            self.cases.update(step.cases)
        if self.on_run is not None:
            self.on_run(run.trace())
        self._tell()

    def _tell(self, more: int = 0) -> None:
        if self.on_progress is not None:
            self.on_progress(self.runs, len(self.first) + self.examples, f"runs, {self.calls + more:,} calls")

    def result(self, seed: int, interrupted: bool, minimized: list[tuple[_FailingRun, MinimizedRun]]) -> CheckResult:
        """What came of it."""
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
            failure=traces[0] if traces else None,
            minimized_from=0 if first is None else len(first[0].trace.steps),
            script=_script(traces[0]) if traces else None,
            others=tuple(
                OtherFailure(failure=found.trace, script=_script(found.trace), message=_message(failing, found)) for failing, found in minimized[1:]
            ),
            not_compared=tuple(not_compared(self.capabilities, [name for name in SIGNATURES if self.profile.serves(name)])),
            not_made=dict(self.not_made.most_common()),
            interrupted=interrupted,
            message="" if first is None else _message(*first),
        )

    def _verdict(self, traces: list[Trace], interrupted: bool) -> Verdict:
        if traces:
            crashed = all(trace.violations[0].kind in ("crash", "hang") for trace in traces)
            return Verdict.CRASHED if crashed else Verdict.FAILED
        return Verdict.UNDETERMINED if interrupted or not self.calls else Verdict.PASSED


def _call_of(case: str) -> str:
    """The call whose case it is; something else, if several calls run through it."""
    return case.partition("/")[0].partition(":")[0]


def _message(failing: _FailingRun, minimized: MinimizedRun) -> str:
    before, after = len(failing.trace.steps), len(minimized.trace.steps)
    found = f"found in run {failing.run}, after {failing.calls:,} calls"
    if not after:
        return f"{found}; no call is needed"
    if not minimized.minimal and not minimized.runs:
        return f"{found}; not minimized, because there was no time for it: perhaps calls can be left out"
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
