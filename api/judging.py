"""``sendright.Run``: a kernel beside the specification, call by call."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import msgspec

from sendright.api.failures import NotConforming
from sendright.api.subject import KernelSource, ProfileSource, Subject, subject_of
from sendright.cli.bad_input import BadInput
from sendright.mach.abi.descriptors import rights_in
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import Profile
from sendright.mach.results.checks import CheckResult
from sendright.mach.results.verdicts import Verdict
from sendright.mach.signatures import SIGNATURES, with_defaults
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.trace import Step, Trace
from sendright.mach.suggestions import unknown_call
from sendright.properties.runs.judged_run import Violated
from sendright.properties.runs.run import CALL_SECONDS
from sendright.properties.runs.run import Run as WholeRun


class Run:
    """A run of calls on a kernel, each judged by the specification as it is made.

        with sendright.Run(MyKernel, profile="gnumach") as run:
            made = run.call(0, "mach_port_allocate", task=4, right=sendright.Right.RECEIVE)
            run.call(0, "mach_port_deallocate", task=4, name=made.outputs["name"])

    The ``with`` statement boots the kernel. At its end the invariants are judged, and whether each right has an origin.
    All of that raises ``NotConforming``, an AssertionError, at the first violation. Two runs of one kernel object
    can't be open at the same time.

    ``kernel``, ``profile`` and ``exact_limits`` are those of ``check``. A call that takes longer than ``call_seconds``
    counts as hung. Raises ``BadInput`` for a wrong argument.
    """

    def __init__(
        self, kernel: KernelSource, profile: ProfileSource = None, *, exact_limits: bool = False, call_seconds: float = CALL_SECONDS
    ) -> None:
        from sendright.model.execution.oracle import Oracle

        self._subject = subject_of(kernel)
        self._profile = self._subject.limited(profile, exact_limits)
        self._run = WholeRun(self._subject.build(), Oracle(self._profile), self._profile, call_seconds=call_seconds)
        self._booted = False

    def __enter__(self) -> Run:
        __tracebackhide__ = True
        self.boot()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        __tracebackhide__ = True
        if error is None:
            self.finish()

    @property
    def profile(self) -> Profile:
        """The profile, with the limits of this run."""
        return self._profile

    @property
    def state(self) -> Snapshot:
        """The state now. Of a kernel that shows a ``View``: the specification's, where the view doesn't contradict
        it."""
        return self._run.snapshot

    @property
    def trace(self) -> Trace:
        """The run so far."""
        return self._run.trace()

    def boot(self) -> None:
        """Boot the kernel, and compare its state with the specification's. The ``with`` statement does it."""
        __tracebackhide__ = True
        self._booted = True
        try:
            self._run.boot()
        except Violated:
            raise self._not_conforming() from None

    def call(self, caller: int | None, call: str | Call, /, **arguments: Any) -> Result:
        """Make a call as the task with the number ``caller``, and judge its answer and the state after it.

        ``call`` is the call's name, with its ``arguments`` by their names; or a ``Call``. An argument that is left out
        has its default. The bootstrap task has the number 0; the result of a call that creates a task tells the task's
        number (``created_task``).

        Returns the kernel's answer. Raises ``NotConforming``, ``NotMade`` if the kernel can't make the call,
        ``Unmodelled`` if the specification says nothing of such a call, and ``BadInput`` if there is no such call, or
        the task can't make calls now.
        """
        __tracebackhide__ = True
        if not self._booted:
            raise BadInput("the run isn't booted (write: with sendright.Run(...) as run)")
        made = _call(call, arguments, self._profile)
        if caller is None:
            raise BadInput(f"{made.name}: no task to make it (the call that should create one created none)")
        if not self._run.can_make(caller, made):
            what = "resume this call" if made.resume else "make calls"
            raise BadInput(f"{made.name}: task {caller} can't {what} now: it doesn't live, is suspended or waits")
        try:
            return _result(self._run.step(caller, made))
        except Violated:
            raise self._not_conforming() from None

    def resume(self, caller: int | None, stop: bool = False) -> Result:
        """Let a task go on with its pending call; the result is that call's. With ``stop``, an ``execve`` goes on for
        one phase only. As ``call`` otherwise.
        """
        __tracebackhide__ = True
        task = None if caller is None else self._run.snapshot.tasks.get(caller)
        if task is None or task.waiting is None:
            raise BadInput(f"task {caller} has no pending call")
        return self.call(caller, Call(task.waiting.call, {}, stop=stop, resume=True))

    def finish(self) -> None:
        """Judge the run as a whole. The ``with`` statement does it."""
        __tracebackhide__ = True
        if self._run.violations:
            return
        try:
            self._run.finish()
        except Violated:
            raise self._not_conforming() from None

    def _not_conforming(self) -> NotConforming:
        return not_conforming(self._run.trace(), self._subject)


def not_conforming(trace: Trace, subject: Subject) -> NotConforming:
    """The exception for a run with a violation."""
    crashed = trace.violations[0].kind in ("crash", "hang")
    result = CheckResult(
        verdict=Verdict.CRASHED if crashed else Verdict.FAILED,
        implementation=trace.implementation,
        profile=trace.profile,
        seed=0,
        examples=1,
        calls=len(trace.steps),
        seconds=0.0,
        codes={},
        cases_reached={},
        cases_missed=(),
        failure=trace,
    )
    return NotConforming(result, subject)


def _call(call: str | Call, arguments: dict[str, Any], profile: Profile) -> Call:
    made = Call(call, arguments) if isinstance(call, str) else call
    signature = SIGNATURES.get(made.name)
    if signature is None:
        raise BadInput(unknown_call(made.name))
    if arguments and not isinstance(call, str):
        raise BadInput(f"{made.name}: a Call has its arguments already (leave out {', '.join(arguments)})")
    names = [argument.name for argument in signature.arguments]
    unknown = [name for name in made.arguments if name not in names]
    required = [argument.name for argument in signature.arguments if argument.required and profile.takes(made.name, argument.name)]
    missing = [name for name in required if name not in made.arguments]
    if unknown or (missing and not made.resume):
        what = f"no argument {', '.join(unknown)}" if unknown else f"the argument{'s' if len(missing) > 1 else ''} {', '.join(missing)} missing"
        raise BadInput(f"{made.name}: {what} (its arguments are {', '.join(names) or 'none'})")
    return with_defaults(msgspec.structs.replace(made, arguments={name: _plain(value) for name, value in made.arguments.items()}))


def _plain(value: Any) -> Any:
    """``value`` as kernels get it in checks: with plain numbers for those of enumerations, and tuples for lists."""
    if isinstance(value, list | tuple):
        return tuple([_plain(part) for part in value])
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _result(step: Step) -> Result:
    return Result(step.code, step.outputs, step.created_task)


def received_names(result: Result) -> list[int]:
    """The names of the rights in the body of the message that a call received, in their order."""
    return [name for name, _ in rights_in(result.outputs.get("descriptors", ()))]
