"""A run of calls on an implementation, each judged by the specification as it is made, and kept as a trace."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, Protocol, TypeVar

import msgspec

from sendright.mach.agreement import Agreement, promises_final_parts
from sendright.mach.calls import Call, Result
from sendright.mach.capabilities import NotMade, capabilities_of
from sendright.mach.codes import ReturnCode
from sendright.mach.implementation import Implementation, MalformedState, error_in_words, frames_of
from sendright.mach.interruption import stop_if_interrupted
from sendright.mach.profiles import Profile
from sendright.mach.seen_state import seen_state
from sendright.mach.signatures import with_defaults
from sendright.mach.snapshot import Difference, Snapshot, all_changes, changes
from sendright.mach.trace import LIMITS, Step, Trace, Violation, ViolationKind
from sendright.mach.view import View, ViewPart, view_differences
from sendright.properties.outputs import answer_error, is_number, result_error
from sendright.properties.shown_state import state_error

_T = TypeVar("_T")

RETURN_CODE = "return code"
"""What oracles call the difference between two answers."""


class Judgement(Protocol):
    """What the specification says of one call."""

    @property
    def agreed(self) -> bool: ...
    @property
    def cases(self) -> tuple[str, ...]: ...
    @property
    def clause(self) -> str: ...
    @property
    def words(self) -> str: ...
    @property
    def differences(self) -> tuple[Difference, ...]: ...


class Oracle(Protocol):
    """The specification's concrete reading, in step with an implementation."""

    def judge(self, task: int, call: Call, result: Result, shown: Snapshot | None = None) -> Judgement:
        """Whether ``result`` is right; if so, the oracle goes on to the state after it. ``shown`` tells what the kernel chose."""

    def snapshot(self) -> Snapshot:
        """The state that the specification is in."""


def callers(snapshot: Snapshot) -> list[int]:
    """The tasks that can make calls, ascending: those that live, aren't suspended and don't wait in a call."""
    return sorted(number for number, task in snapshot.tasks.items() if task.suspend_count == 0 and task.waiting is None)


def waiters(snapshot: Snapshot) -> list[int]:
    """The tasks that can go on with a call, ascending: those that wait in one and aren't suspended."""
    return sorted(number for number, task in snapshot.tasks.items() if task.suspend_count == 0 and task.waiting is not None)


def can_make(snapshot: Snapshot, task: int, call: Call) -> bool:
    """Whether ``task`` can make ``call`` now: it lives, isn't suspended, and doesn't wait, or waits in just the call that is to go on."""
    shown = snapshot.tasks.get(task)
    if shown is None or shown.suspend_count:
        return False
    return not call.resume if shown.waiting is None else call.resume and shown.waiting.call == call.name


class Violated(Exception):
    """The implementation did what it mustn't: the run is over."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(violation.words)
        self.violation = violation


class Hang(BaseException):
    """A call took too long. Not an Exception, so that an implementation's own handlers don't swallow it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise Hang in the block once it has taken so many seconds.

    It works by SIGALRM: where there is none, and in other threads than the main one, nothing is limited.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def expire(number: int, frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class JudgedRun:
    """An implementation and the specification, driven side by side from the boot state.

    ``boot`` and ``call`` raise Violated at the first disagreement, crash or hang; the trace up to there remains. Of an implementation that doesn't
    show a whole state, but a view of it, the state is the specification's, corrected by the view where they differ (``seen_state``).
    """

    def __init__(self, implementation: Implementation, oracle: Oracle, profile: Profile, call_seconds: float) -> None:
        self.implementation = implementation
        self.oracle = oracle
        self.profile = profile
        self.capabilities = capabilities_of(implementation)
        self.call_seconds = self.capabilities.seconds or call_seconds
        self.initial = Snapshot({}, {})
        self.snapshot = self.initial
        self._before = self.initial
        """The state before the last step."""
        self.steps: list[Step] = []
        self.violations: list[Violation] = []
        self.ended: dict[int, Step] = {}
        """Calls that have ended without being resumed, by their tasks, until these make another call or are told of it by a resumption."""
        self._agreement = Agreement(promises_final_parts(implementation))

    def boot(self) -> None:
        """Start the implementation, and look whether it is in the boot state."""
        self._guarded("booting", lambda: self.implementation.boot(self.profile))
        shown = self._guarded("showing the boot state", self.implementation.snapshot)
        self.initial = self.snapshot = self._whole(shown)
        try:
            self._compare(0, "the boot state", shown)
        except Exception:
            wrong = self._wrong_form(shown)
            if wrong is None:
                self._correct(shown)
                self.initial = self.snapshot
                raise
            self.initial = self.snapshot = Snapshot({}, {})
            self.violations.clear()
            self._malformed("showing the boot state", wrong)

    def can_make(self, task: int, call: Call) -> bool:
        """Whether ``task`` can make ``call`` now, or go on with it, or be told how it ended."""
        return can_make(self.snapshot, task, call) or self._told(task, call) is not None

    def call(self, task: int, call: Call) -> Step:
        """Make ``call`` as ``task``, judge the result and the state after it; the step that it was. Here is where Ctrl-C is heeded.

        The implementation is given all arguments: those that ``call`` leaves out have their default values. Raises NotMade if it can't make it.
        """
        stop_if_interrupted()
        call = with_defaults(call)
        told = self._told(task, call)
        self.ended.pop(task, None)
        if told is not None:
            return told
        index = len(self.steps)
        result: Result | None = None
        try:
            result = self._guarded(call.name, lambda: self.implementation.call(task, call))
            wrong = result_error(result)
            if wrong is not None:
                result = None
                self.fail("crash", call.name, f"{call.name} answered {wrong}")
            after = self._guarded(f"showing the state after {call.name}", self.implementation.snapshot)
        except Violated:
            self._keep_broken(task, call, result, self.snapshot)
            raise
        before = self.snapshot
        try:
            cases = self._judge(task, call, result, after)
            for other, ended in sorted(result.ended.items()):
                cases = self._goes_on(other, ended, after) or cases
            self._compare(len(self.steps) - 1, "; ".join(cases) or call.name, after)
        except Exception:
            wrong = self._wrong_form(after)
            if wrong is None:
                self._correct(after)
                self._look_at_all_changes(index, before)
                raise
            self.snapshot = before
            del self.steps[index:], self.violations[:]
            self._keep_broken(task, call, result, before)
            self._malformed(f"showing the state after {call.name}", wrong, index)
        return self.steps[index]

    def _told(self, task: int, call: Call) -> Step | None:
        """The step in which ``call`` of ``task`` has gone on and ended already, if it has and this is a resumption of it."""
        step = self.ended.get(task) if call.resume else None
        return step if step is not None and step.call == call.name else None

    def _goes_on(self, task: int, ended: Result, after: Snapshot | View) -> tuple[str, ...]:
        """Judge the end of a call that ``task`` waited in, as if it had been resumed now."""
        specified = self.oracle.snapshot().tasks.get(task)
        waiting = None if specified is None else specified.waiting
        if waiting is None:
            words = f"the answer says that a call of task {task} has ended, but task {task} waits in none"
            self.fail("result", "a call that goes on", words, index=len(self.steps) - 1)
        cases = self._judge(task, Call(waiting.call, {}, resume=True), ended, after)
        self.ended[task] = self.steps[-1]
        return cases

    def _judge(self, task: int, call: Call, result: Result, after: Snapshot | View) -> tuple[str, ...]:
        """Judge an answer, and keep the step; the cases of the specification that it went through."""
        index = len(self.steps)
        judgement = self.oracle.judge(task, call, result, after if isinstance(after, Snapshot) else None)
        whole = self._whole(after) if judgement.agreed or isinstance(after, Snapshot) else self.snapshot
        self._keep(task, call, result if judgement.agreed else _writable(call, result), judgement.cases, whole)
        if not judgement.agreed:
            self.fail("result", judgement.clause, judgement.words, judgement.differences, index)
        return judgement.cases

    def _whole(self, shown: Snapshot | View) -> Snapshot:
        """The state: what is shown, or where it is only a view, what the specification says."""
        return shown if isinstance(shown, Snapshot) else self.oracle.snapshot()

    def _correct(self, shown: Snapshot | View) -> None:
        """Let the last state say what is ``shown``, which isn't what the specification says."""
        if not isinstance(shown, View):
            return
        self.snapshot = seen_state(self.snapshot, self._before, shown, self.capabilities.shows or frozenset())
        if self.steps:
            self.steps[-1] = msgspec.structs.replace(self.steps[-1], changes=changes(self._before, self.snapshot))

    def _wrong_form(self, shown: object) -> str | None:
        return state_error(shown, self.capabilities.shows)

    def fail(
        self,
        kind: ViolationKind,
        clause: str,
        words: str,
        where: tuple[Difference, ...] = (),
        index: int | None = None,
        frames: tuple[str, ...] = (),
    ) -> NoReturn:
        """Note a violation at the step ``index`` (the one that is next, if none is given) and raise Violated."""
        words = words.encode("utf-8", "backslashreplace").decode()  # an implementation's own may have half characters
        at = len(self.steps) if index is None else index
        violation = Violation(step=at, kind=kind, clause=clause, words=words, differences=where, frames=frames)
        self.violations.append(violation)
        raise Violated(violation)

    def trace(self) -> Trace:
        """What happened so far."""
        return Trace(
            implementation=self.implementation.name,
            profile=self.profile.name,
            **{limit: getattr(self.profile, limit) for limit in LIMITS},
            initial=self.initial,
            steps=tuple(self.steps),
            final=self.snapshot,
            violations=tuple(self.violations),
            shows=None if self.capabilities.shows is None else tuple(part for part in ViewPart if part in self.capabilities.shows),
        )

    def _keep_broken(self, task: int, call: Call, result: Result | None, before: Snapshot) -> None:
        """Keep a call that had no ``result``, or after which there was no state to see: nothing is known to have changed."""
        self._keep(task, call, Result(ReturnCode.MIG_SERVER_DIED) if result is None else _writable(call, result), (), before)
        self.steps[-1] = msgspec.structs.replace(self.steps[-1], missing="answer" if result is None else "state")

    def _keep(self, task: int, call: Call, result: Result, cases: tuple[str, ...], after: Snapshot) -> None:
        self.steps.append(
            Step(
                index=len(self.steps),
                task=task,
                call=call.name,
                arguments=call.arguments,
                shortage=call.shortage,
                stop=call.stop,
                resume=call.resume,
                code=result.code,
                outputs=result.outputs,
                created_task=result.created_task,
                cases=cases,
                changes=changes(self.snapshot, after),
            )
        )
        self._before, self.snapshot = self.snapshot, after

    def _look_at_all_changes(self, index: int, before: Snapshot) -> None:
        """Tell of the last step all that it changed: the state after it may be one in which one serial names two messages."""
        if len(self.steps) == index + 1:
            self.steps[index] = msgspec.structs.replace(self.steps[index], changes=all_changes(before, self.snapshot))

    def _compare(self, index: int, clause: str, shown: Snapshot | View) -> None:
        shows = self.capabilities.shows
        if isinstance(shown, View) and shows is not None:
            found = view_differences(self.oracle.snapshot(), shown, shows)
        else:
            found = self._agreement.differences(self.oracle.snapshot(), self.snapshot)
        if found:
            self.fail("state", clause, "; ".join(str(difference) for difference in found[:3]), found, index)

    def _guarded(self, what: str, action: Callable[[], _T]) -> _T:
        try:
            with time_limit(self.call_seconds):
                return action()
        except NotMade:
            raise
        except Hang as hang:
            self.fail("hang", what, f"{what} did not end within {self.call_seconds:g} s", frames=frames_of(hang))
        except MalformedState as error:
            self._malformed(what, str(error))
        except (Exception, SystemExit) as error:
            self.fail("crash", what, f"{what} {error_in_words(error)}", frames=frames_of(error))

    def _malformed(self, what: str, how: str, index: int | None = None) -> NoReturn:
        self.fail("crash", what, f"{what}: {self.implementation.name} showed a malformed state: {how}", (), index)


def _writable(call: Call, result: Result) -> Result:
    """``result`` as a trace can hold it: without what hasn't the form that the signature promises. The violation tells of that."""
    if answer_error(call, result) is None:
        return result
    return Result(result.code if is_number(result.code) else ReturnCode.MIG_SERVER_DIED)
