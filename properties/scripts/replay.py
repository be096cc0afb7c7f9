"""Runs scripts on an implementation, and judges it by the scripts' expectations and by the specification."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from sendright.mach.kernel.bases import base_of
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.capabilities import NotMade, cannot_boot, capabilities_of, not_compared
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import Profile, profile_named
from sendright.mach.kernel.unmodelled import Unmodelled
from sendright.mach.results.checks import CaseResult, ReplayResult
from sendright.mach.signatures import SIGNATURES, ArgumentType
from sendright.mach.state.trace import LIMITS, Violation
from sendright.mach.state.view import NOT_SHOWN
from sendright.model.proof.processes.workers import Lost
from sendright.properties.distribution.pool import Failed, Pool, Processes, WorkersDied, answers_of
from sendright.properties.runs.answer_form import answer_error
from sendright.properties.runs.judged_run import RETURN_CODE, JudgedRun, Oracle, Violated
from sendright.properties.runs.run import FormCheckedOracle
from sendright.properties.scripts.judge import FirstValues, Mismatch, StepOutcome, first_mismatch, subject_of
from sendright.properties.scripts.load import Script, ScriptCase
from sendright.properties.scripts.servers import LibraryStep
from sendright.properties.scripts.serving import begin_server, message_of, serve
from sendright.properties.scripts.spelling import NotModelled
from sendright.properties.scripts.steps import PlannedStep, UnmodelledStep
from sendright.properties.scripts.symbols import Symbols
from sendright.properties.servers.library import LIBRARIES, calls_to_destroy, make_each
from sendright.properties.servers.service import Service

CALL_SECONDS = 5.0
"""A call that takes longer counts as hung."""


def replay(
    scripts: Iterable[Script],
    implementation_factory: Callable[[], Implementation],
    oracle_factory: Callable[[Profile], Oracle],
    profile_override: Profile | None = None,
    on_case: Callable[[CaseResult], None] | None = None,
    call_seconds: float = CALL_SECONDS,
    *,
    jobs: int = 1,
    worker_factory: Callable[[], Implementation] | None = None,
    pool: Callable[[CaseRunner], Pool[tuple[int, ScriptCase], CaseResult]] | None = None,
) -> ReplayResult:
    """Run every case of ``scripts``, each on a freshly booted implementation (a new one after a crash) beside a fresh
    oracle.

    ``on_case`` gets each result. The verdict is FAILED if any case failed, else CRASHED if any crashed, else PASSED if
    any passed, else UNDETERMINED. Ctrl-C ends it early with the results so far; the verdict is never PASSED then.

    The cases are run by ``jobs`` processes, each with an implementation from ``worker_factory`` (or else
    ``implementation_factory``), or by those of ``pool``. The result is the same. A case is lost, and counts as crashed,
    if the processes that worked on it die. If the work can't go on, so is each case without a result. Raises
    WorkersDied if no case has one.
    """
    scripts = tuple(scripts)
    implementation = implementation_factory()
    found: dict[int, CaseResult] = {}
    interrupted = False
    of = [index for index, script in enumerate(scripts) for _ in script.cases]
    cases = [case for script in scripts for case in script.cases]
    items = enumerate(cases)

    def keep(number: int, result: CaseResult | Lost) -> None:
        case, script = cases[number], scripts[of[number]]
        if isinstance(result, Lost):
            result = CaseResult(id=case.id, title=case.title, verdict="crashed", steps=0, reason=result.words, lost=True)
        found[number] = msgspec.structs.replace(result, file=script.path, line=script.lines.get(case.id))
        if on_case is not None:
            on_case(found[number])

    try:
        if pool is None and jobs <= 1:
            runner = CaseRunner(implementation_factory, oracle_factory, profile_override, call_seconds)
            work = runner.working_on(implementation)
            answers: Iterable[tuple[tuple[int, ScriptCase], CaseResult | Lost]] = ((item, work(item)) for item in items)
        else:
            runner = CaseRunner(worker_factory or implementation_factory, oracle_factory, profile_override, call_seconds)
            working: Pool[tuple[int, ScriptCase], CaseResult] = pool(runner) if pool is not None else Processes(runner, jobs)
            from_pool = answers_of(working, items)
            answers = from_pool
        for (number, _), result in answers:
            keep(number, result)
    except KeyboardInterrupt:
        interrupted = True
    except (WorkersDied, Failed) as error:
        for number in range(len(cases)):
            if number not in found:
                keep(number, Lost(str(error)))
    if found and all(case.lost for case in found.values()):
        raise WorkersDied(f"no case has a result: {found[min(found)].reason}")
    return ReplayResult.of(
        implementation.name,
        [found[number] for number in sorted(found)],
        [script.path for script in scripts],
        not_compared(capabilities_of(implementation), _calls_of(scripts)),
        interrupted,
    )


@dataclass(frozen=True)
class CaseRunner:
    """Runs cases, in any process."""

    implementation_factory: Callable[[], Implementation]
    oracle_factory: Callable[[Profile], Oracle]
    profile_override: Profile | None
    call_seconds: float

    def __call__(self) -> Callable[[tuple[int, ScriptCase]], CaseResult]:
        """What a process of a pool does with each numbered case."""
        return self.working_on(self.implementation_factory())

    def working_on(self, implementation: Implementation) -> Callable[[tuple[int, ScriptCase]], CaseResult]:
        """What runs each numbered case on ``implementation``, or after a crash on a new one."""

        def work(item: tuple[int, ScriptCase]) -> CaseResult:
            nonlocal implementation
            case = item[1]
            profile = _profile_of(case, self.profile_override)
            oracle = FormCheckedOracle(self.oracle_factory(profile))
            result = _CaseRun(case, JudgedRun(implementation, oracle, profile, self.call_seconds)).result()
            if result.verdict == "crashed":
                implementation = self.implementation_factory()
            return result

        return work


def _calls_of(scripts: Iterable[Script]) -> list[str]:
    return sorted({step.call for script in scripts for case in script.cases for step in case.steps if isinstance(step, PlannedStep)})


def _profile_of(case: ScriptCase, override: Profile | None) -> Profile:
    profile = override or profile_named(case.profile)
    limits = {name: getattr(case, name) for name in LIMITS if getattr(case, name) is not None}
    return msgspec.structs.replace(profile, **limits)


class _CaseRun:
    """The run of one case."""

    def __init__(self, case: ScriptCase, run: JudgedRun) -> None:
        self.case = case
        self.run = run
        self.symbols = Symbols(run, literal_names_of(case))
        self.first = FirstValues()
        self.services: dict[str, Service] = {}
        """The servers at work, by name."""
        self.at: int | None = None
        """The current step of the script; None: during the set-up."""

    def result(self) -> CaseResult:
        """Run the case."""
        if not self.case.steps:
            return self._end("not_modelled", reason="the case has no steps")
        if isinstance(self.case.steps[0], UnmodelledStep):
            return self._unmodelled(0, self.case.steps[0].reason)
        unable = cannot_boot(self.run.capabilities, self.run.profile)
        if unable is not None:
            return self._unmodelled(0, f"{self.run.implementation.name}: {unable}")
        try:
            return self._run()
        except NotModelled as unmodelled:
            return self._unmodelled(self.at or 0, str(unmodelled))
        except Violated as broken:
            return self._broken(broken.violation, None, f"{self._last_call()}, during the script's set-up")

    def _run(self) -> CaseResult:
        self.run.boot()
        steps = [step for step in self.case.steps if not isinstance(step, UnmodelledStep)]
        servers = self.case.servers
        self.symbols.prepare(
            [*steps, *(step for server in servers for step in server.steps)], {symbol for server in servers for symbol in server.later}
        )
        self._begin_servers()
        self.first.remember(self.run.snapshot)
        for number, step in enumerate(self.case.steps):
            self.at = number
            if isinstance(step, UnmodelledStep):
                raise NotModelled(step.reason)
            ended = self._library_step(step) if isinstance(step, LibraryStep) else self._step(step)
            if ended is not None:
                return ended
        self.at = None
        return self._end("passed")

    def _step(self, step: PlannedStep) -> CaseResult | None:
        """Make one step; returns the case's result if the step ends it."""
        caller, call = self.symbols.call_of(step)
        waiting = self.symbols.waiting.get(caller) if call.resume else None
        target = subject_of(self.symbols, caller, call) if waiting is None else waiting.target
        before = self.run.snapshot
        violation = None
        try:
            made = self.run.call(caller, call)
        except Unmodelled as error:
            raise NotModelled(str(error)) from error
        except NotMade as error:
            raise NotModelled(f"{self.run.implementation.name} can't make this call: {error}") from error
        except Violated as broken:
            violation = broken.violation
            if violation.kind in ("crash", "hang"):
                return self._broken(violation, None)
            made = self.run.steps[-1]
        result = Result(made.code, made.outputs, made.created_task)
        self.first.remember(self.run.snapshot)
        begun, created = (call, result.created_task) if waiting is None else (waiting.call, waiting.created)
        seen = StepOutcome(caller, target, begun, result, before, self.run.snapshot, self.first, self.symbols, self.run.capabilities.shows)
        mismatch = self._mismatch(step, seen, violation)
        if violation is not None:
            return self._broken(violation, mismatch)
        if mismatch is not None:
            return self._unexpected(mismatch)
        self.symbols.note_waiting(caller, call, target, result)
        self.symbols.bind(step, caller, result, created)
        return None

    def _begin_servers(self) -> None:
        try:
            self.services = {planned.name: begin_server(planned, self.symbols) for planned in self.case.servers}
        except (Unmodelled, NotMade) as error:
            raise NotModelled(f"a server can't be set up: {error}") from error

    def _library_step(self, step: LibraryStep) -> CaseResult | None:
        """Make the calls of a library's routine; returns the case's result if the step ends it."""
        try:
            if step.serves:
                return self._serve(step)
            self._destroy(step)
        except Unmodelled as error:
            raise NotModelled(str(error)) from error
        except NotMade as error:
            raise NotModelled(f"{self.run.implementation.name} can't make a call of this step: {error}") from error
        except Violated as broken:
            return self._broken(broken.violation, None)
        return None

    def _destroy(self, step: LibraryStep) -> None:
        caller = self.symbols.live_task_of(step.caller)
        own = self.symbols.presumed.own_port(caller)
        make_each(calls_to_destroy(message_of(step, self.symbols), own, LIBRARIES[base_of(self.run.profile.name)]), partial(self.run.call, caller))

    def _serve(self, step: LibraryStep) -> CaseResult | None:
        before = self.run.snapshot
        service = self.services[step.subject]
        served = serve(service, step)
        largest = max([0 if each.request is None else each.request.size for each in served])
        if step.most is not None and largest > step.most:
            raise NotModelled(f"a request has {largest} bytes: {step.call} with a smaller max_size is not modelled")
        fault = next((fault for each in served for fault in each.faults), None)
        if fault is not None:
            return self._broken(fault, None)
        self.first.remember(self.run.snapshot)
        last = next((each for each in reversed(served) if each.request is not None), served[-1])
        outputs = {} if last.request is None else {"id": last.request.id, "RetCode": last.answer}
        result = Result(served[-1].code, outputs)
        seen = StepOutcome(service.task, None, Call(step.call, {}), result, before, self.run.snapshot, self.first, self.symbols)
        mismatch = first_mismatch(step.expectations, seen)
        return None if mismatch is None else self._unexpected(mismatch)

    def _mismatch(self, step: PlannedStep, seen: StepOutcome, violation: Violation | None) -> Mismatch | None:
        if answer_error(seen.call, seen.result) is not None:
            return None
        try:
            mismatch = first_mismatch(step.expectations, seen)
        except NotModelled:
            if violation is None:
                raise
            return None
        # After a violation only the implementation's own report explains the failure.
        return mismatch if mismatch is None or mismatch.own_report or violation is None else None

    def _unexpected(self, mismatch: Mismatch) -> CaseResult:
        """The specification and the implementation agree, but the script expects something else."""
        if self.case.preconditions:
            reason = f"expected {mismatch.expected}, seen {mismatch.seen}; the case has preconditions that no step establishes"
            return self._unmodelled(self.at or 0, reason)
        name = self.run.implementation.name
        says = f"{name} gave {mismatch.seen}, as the specification requires"
        if not mismatch.own_report:
            says = f"the specification requires {mismatch.seen}, and {name} doesn't show its own"
        words = f"the script expects {mismatch.expected}; {says}"
        violation = Violation(step=len(self.run.steps) - 1, kind="expectation", clause=f"expect.{mismatch.key}", words=words)
        self.run.violations.append(violation)
        seen = mismatch.seen if mismatch.own_report else f"{mismatch.seen} ({NOT_SHOWN})"
        return self._end("failed", expected=mismatch.expected, seen=seen, violation=violation)

    def _broken(self, violation: Violation, mismatch: Mismatch | None, reason: str | None = None) -> CaseResult:
        """The specification and the implementation disagree, or there was no answer."""
        crashed = violation.kind in ("crash", "hang")
        if mismatch is not None:
            expected, seen = mismatch.expected, mismatch.seen
        elif crashed:
            expected, seen = "an answer", violation.words
        elif violation.differences:
            first = violation.differences[0]
            where = "" if first.where == RETURN_CODE else f"{first.where}: "
            expected, seen = where + first.expected, where + first.seen
        else:
            expected, seen = violation.clause, violation.words
        return self._end("crashed" if crashed else "failed", expected=expected, seen=seen, violation=violation, reason=reason)

    def _unmodelled(self, step: int, reason: str) -> CaseResult:
        self.at = step
        return self._end("not_modelled", reason=reason)

    def _end(self, verdict: str, **fields: Any) -> CaseResult:
        step = None if self.at is None else self.case.steps[self.at]
        judged = len(self.case.steps) if verdict == "passed" else (self.at or 0) + (verdict == "failed" and self.at is not None)
        return CaseResult(
            id=self.case.id,
            title=self.case.title,
            verdict=verdict,
            steps=judged,
            step=self.at,
            call=self._last_call() if step is None else step.call,
            trace=self.run.trace(),
            **fields,
        )

    def _last_call(self) -> str | None:
        broken = bool(self.run.violations)
        return self.run.steps[-1].call if broken and self.run.steps else "boot" if broken else None


def literal_names_of(case: ScriptCase) -> frozenset[int]:
    """The names that the case spells as numbers."""
    names = (ArgumentType.NAME, ArgumentType.PORT, ArgumentType.RIGHT_NAME)
    return frozenset(
        value
        for step in (*case.steps, *(step for server in case.servers for step in server.steps))
        if isinstance(step, PlannedStep)
        for name, value in step.arguments.items()
        if isinstance(value, int) and SIGNATURES[step.call].argument(name).type in names
    )
