"""Runs to export: read from scripts and recorded witnesses, and run again so that all of their states are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.capabilities import capabilities_of
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import Profile, profile_named
from sendright.mach.kernel.unmodelled import Unmodelled
from sendright.mach.results.checks import CaseResult
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.trace import Trace
from sendright.mach.state.view import View
from sendright.properties.runs.call_form import call_error
from sendright.properties.runs.judged_run import JudgedRun, Oracle, Violated
from sendright.properties.scripts.export import script_of
from sendright.properties.scripts.load import Script, parse_script
from sendright.properties.scripts.replay import CALL_SECONDS, replay

OracleFactory = Callable[[Profile], Oracle]
KernelFactory = Callable[[], Implementation]


class NoRun(Exception):
    """The run can't be made again. The message says why."""


class KnownRun(NamedTuple):
    """A run that the specification agrees with, and all of its states."""

    trace: Trace
    states: tuple[Snapshot, ...]
    """The boot state, and the state after each step."""


class _Remembering:
    """An implementation that keeps each state that it shows."""

    def __init__(self, kernel: Implementation) -> None:
        self._kernel = kernel
        self.name = kernel.name
        self.capabilities = capabilities_of(kernel)
        self.states: list[Snapshot] = []

    def boot(self, profile: Profile) -> None:
        self._kernel.boot(profile)
        self.states.clear()

    def call(self, task: int, call: Call) -> Result:
        return self._kernel.call(task, call)

    def snapshot(self) -> Snapshot | View:
        state = self._kernel.snapshot()
        assert isinstance(state, Snapshot)
        self.states.append(state)
        return state


def known_run(trace: Trace, kernel: KernelFactory, oracle: OracleFactory, profile: Profile | None = None) -> KnownRun:
    """The calls of ``trace``, made again on a ``kernel`` that follows the specification and shows its whole state.

    What the calls return and leave is then what is right, also where ``trace`` has a violation. ``profile`` takes the
    place of the trace's own. Raises NoRun and UnknownProfile, and KeyboardInterrupt after Ctrl-C.
    """
    script = script_of(trace)
    for step in script["cases"][0]["steps"]:
        step.pop("expect", None)
    made = _Remembering(kernel())
    (case,) = _cases(parse_script(msgspec.json.encode(script), "the run", profile), lambda: made, oracle, profile)
    if case.verdict != "passed":
        where = "" if case.step is None else f"call {case.step + 1}: "
        raise NoRun(f"{where}{case.reason or f'expected {case.expected}, seen {case.seen}'}")
    assert case.trace is not None
    if len(made.states) != len(case.trace.steps) + 1:
        raise NoRun("it has more states than calls")
    return KnownRun(case.trace, tuple(made.states))


def runs_of_script(script: Script, kernel: KernelFactory, oracle: OracleFactory) -> tuple[CaseResult, ...]:
    """What each case of ``script`` does on ``kernel``, with its trace. Raises KeyboardInterrupt after Ctrl-C."""
    return _cases(script, kernel, oracle)


def _cases(script: Script, kernel: KernelFactory, oracle: OracleFactory, profile: Profile | None = None) -> tuple[CaseResult, ...]:
    result = replay([script], kernel, oracle, profile)
    if result.interrupted:
        raise KeyboardInterrupt
    return result.cases


def run_of_calls(calls: Sequence[tuple[int, Call]], profile: str, limits: dict[str, Any], kernel: KernelFactory, oracle: OracleFactory) -> Trace:
    """The trace of ``calls``, each by the task before it, in the profile with this name and these limits. Raises NoRun
    and UnknownProfile."""
    with_limits = msgspec.structs.replace(profile_named(profile), **limits)
    run = JudgedRun(kernel(), oracle(with_limits), with_limits, CALL_SECONDS)
    where = "booting"
    try:
        run.boot()
        for number, (task, call) in enumerate(calls, 1):
            where = f"call {number}"
            wrong = call_error(call)
            if wrong is not None:
                raise NoRun(f"{where}: {wrong}")
            if not run.can_make(task, call):
                raise NoRun(f"{where}: task {task} can't make a call there")
            run.call(task, call)
    except (Violated, Unmodelled) as error:
        raise NoRun(f"{where}: {error}") from error
    return run.trace()
