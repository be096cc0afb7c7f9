"""Runs calls on an implementation: the specification judges each call as it is made, and the run is kept as a trace."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, Protocol, TypeVar

import msgspec

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.interrupt import stop_if_interrupted
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.capabilities import NotMade, capabilities_of
from sendright.mach.kernel.implementation import Implementation, MalformedState, error_in_words, frames_of
from sendright.mach.kernel.profiles import Profile
from sendright.mach.kernel.unmodelled import Unmodelled, as_judged, why_unmodelled_there
from sendright.mach.signatures import with_defaults
from sendright.mach.state.comparison import Agreement, promises_final_parts
from sendright.mach.state.seen_state import seen_state
from sendright.mach.state.snapshot import Difference, Snapshot, Task, all_changes, changes
from sendright.mach.state.trace import LIMITS, Step, Trace, Violation, ViolationKind
from sendright.mach.state.view import View, ViewPart, view_differences
from sendright.properties.runs.answer_form import answer_error, is_number, result_error
from sendright.properties.runs.state_form import state_error

_T = TypeVar("_T")

RETURN_CODE = "return code"
"""The ``where`` of a difference between two return codes."""


class Judgement(Protocol):
    """The specification's judgement on one call."""

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
    """The specification as an executable, in step with an implementation."""

    def judge(self, task: int, call: Call, result: Result, shown: Snapshot | None = None) -> Judgement:
        """Judge ``result``; if it is right, advance to the state after it. ``shown`` shows the kernel's free
        choices."""

    def snapshot(self) -> Snapshot:
        """The specification's state."""


def callers(snapshot: Snapshot) -> list[int]:
    """The tasks that can make calls, ascending: live, begun, not suspended, and without a pending call."""
    return sorted(number for number, task in snapshot.tasks.items() if task.suspend_count == 0 and task.waiting is None and has_begun(task))


def waiters(snapshot: Snapshot) -> list[int]:
    """The tasks that can resume a call, ascending: not suspended, and with a pending call."""
    return sorted(number for number, task in snapshot.tasks.items() if task.suspend_count == 0 and task.waiting is not None)


def has_begun(task: Task) -> bool:
    """Whether the task makes calls: it isn't the new one of an exec that is under way."""
    return task.process is None or task.process.has_begun


def can_make(snapshot: Snapshot, task: int, call: Call) -> bool:
    """Whether ``task`` can make ``call`` now: it is live, has begun, isn't suspended, and has no pending call, or
    ``call`` resumes that call."""
    shown = snapshot.tasks.get(task)
    if shown is None or shown.suspend_count or not has_begun(shown):
        return False
    return not call.resume if shown.waiting is None else call.resume and shown.waiting.call == call.name


class Violated(Exception):
    """The implementation violated the specification: the run is over."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(violation.words)
        self.violation = violation


class Hang(BaseException):
    """A call took too long. Not an Exception, so that an implementation's own handlers don't swallow it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise Hang in the block once it has taken this number of ``seconds``.

    It needs SIGALRM: on systems without it, and outside the main thread, there is no limit.
    """
    if not _has_limits():
        yield
    elif _rings_left:
        _rings_left[0] = _RINGS
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    else:
        with ready_for_limits(), time_limit(seconds):
            yield


@contextmanager
def ready_for_limits() -> Iterator[None]:
    """In the block, time limits take less time: SIGALRM is handled for all of them."""
    if _rings_left or not _has_limits():
        yield
        return
    before = signal.signal(signal.SIGALRM, _expire)
    _rings_left.append(_RINGS)
    try:
        yield
    finally:
        _rings_left.clear()
        signal.signal(signal.SIGALRM, before)


_FINALIZER_SECONDS = 1.0
_RINGS = 100
_rings_left: list[int] = []
"""Not empty: SIGALRM raises Hang. So many more times it doesn't, if it rings in a finalizer."""


def _has_limits() -> bool:
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


def _expire(number: int, frame: FrameType | None) -> None:
    """Raise Hang. Python drops what a finalizer or a callback of the garbage collector raises: so the timer rings again
    soon, until that has ended.

    A finalizer that doesn't end is interrupted too.
    """
    if _rings_left and _rings_left[0] and _in_finalizer(frame):
        _rings_left[0] -= 1
        signal.setitimer(signal.ITIMER_REAL, _FINALIZER_SECONDS / _RINGS, 1)
        return
    raise Hang


def _in_finalizer(frame: FrameType | None) -> bool:
    callbacks = [getattr(callback, "__code__", None) for callback in gc.callbacks]
    while frame is not None:
        if frame.f_code.co_name == "__del__" or frame.f_code in callbacks:
            return True
        frame = frame.f_back
    return False


class JudgedRun:
    """An implementation and the specification, run side by side from the boot state.

    ``boot`` and ``call`` raise Violated at the first disagreement, crash or hang; the trace up to there remains. If the
    implementation shows only a view, its state is the specification's, corrected by the view where they differ
    (``seen_state``).
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
        """Task -> its pending call's end, if it ended without a resumption; kept until the task resumes it or makes
        another call."""
        self._agreement = Agreement(promises_final_parts(implementation))

    def boot(self) -> None:
        """Boot the implementation, and check that it is in the boot state. Raises Violated."""
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
        """Whether ``task`` can make or resume ``call`` now, or get the result of a call that has ended."""
        return can_make(self.snapshot, task, call) or self._ended_already(task, call) is not None

    def call(self, task: int, call: Call) -> Step:
        """Make ``call`` as ``task``, judge the result and the state after it, and return the step.

        Missing arguments of ``call`` get their defaults, and numbers are those that the kernel sees. Raises Violated
        for a violation, NotMade if the implementation can't make the call, and KeyboardInterrupt after Ctrl-C. If the
        profile doesn't model a number of the call, or what it leads to in this state, it raises Unmodelled, and nothing
        has happened.
        """
        stop_if_interrupted()
        call = as_judged(with_defaults(call), self.profile)
        unmodelled = why_unmodelled_there(task, call, self.snapshot, self.profile)
        if unmodelled is not None:
            raise Unmodelled(unmodelled)
        ended_step = self._ended_already(task, call)
        self.ended.pop(task, None)
        if ended_step is not None:
            return ended_step
        index = len(self.steps)
        result: Result | None = None
        try:
            result = self._guarded(call.name, lambda: self.implementation.call(task, call))
            wrong = result_error(result)
            if wrong is not None:
                result = None
                self.fail("crash", call.name, f"{call.name} returned {wrong}")
            after = self._guarded(f"showing the state after {call.name}", self.implementation.snapshot)
        except Violated:
            self._keep_without_result(task, call, result, self.snapshot)
            raise
        before = self.snapshot
        try:
            cases = self._judge(task, call, result, after)
            for other, ended in sorted(result.ended.items()):
                cases = self._judge_end(other, ended, after) or cases
            self._compare(len(self.steps) - 1, "; ".join(cases) or call.name, after)
        except Exception:
            wrong = self._wrong_form(after)
            if wrong is None:
                self._correct(after)
                self._record_all_changes(index, before)
                raise
            self.snapshot = before
            del self.steps[index:], self.violations[:]
            self._keep_without_result(task, call, result, before)
            self._malformed(f"showing the state after {call.name}", wrong, index)
        return self.steps[index]

    def _ended_already(self, task: int, call: Call) -> Step | None:
        """If ``call`` resumes a call of ``task`` that has ended already: the step in which it ended."""
        step = self.ended.get(task) if call.resume else None
        return step if step is not None and step.call == call.name else None

    def _judge_end(self, task: int, ended: Result, after: Snapshot | View) -> tuple[str, ...]:
        """Judge the end of a pending call of ``task``, as if the task had resumed it now."""
        specified = self.oracle.snapshot().tasks.get(task)
        waiting = None if specified is None else specified.waiting
        if waiting is None:
            words = f"the answer reports the end of a call of task {task}, but task {task} has no pending call"
            self.fail("result", "a pending call that ends", words, index=len(self.steps) - 1)
        cases = self._judge(task, Call(waiting.call, {}, resume=True), ended, after)
        self.ended[task] = self.steps[-1]
        return cases

    def _judge(self, task: int, call: Call, result: Result, after: Snapshot | View) -> tuple[str, ...]:
        """Judge an answer, and keep the step; returns the cases of the specification that it reached."""
        index = len(self.steps)
        judgement = self.oracle.judge(task, call, result, after if isinstance(after, Snapshot) else None)
        whole = self._whole(after) if judgement.agreed or isinstance(after, Snapshot) else self.snapshot
        self._keep(task, call, result if judgement.agreed else _writable(call, result), judgement.cases, whole)
        if not judgement.agreed:
            self.fail("result", judgement.clause, judgement.words, judgement.differences, index)
        return judgement.cases

    def _whole(self, shown: Snapshot | View) -> Snapshot:
        """The state: the shown snapshot, or for a view the specification's state."""
        return shown if isinstance(shown, Snapshot) else self.oracle.snapshot()

    def _correct(self, shown: Snapshot | View) -> None:
        """Correct the last state by ``shown``, which differs from the specification's state."""
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
        """Record a violation at the step ``index`` (default: the next step) and raise Violated."""
        words = words.encode("utf-8", "backslashreplace").decode()  # an implementation's text may have half surrogate pairs
        at = len(self.steps) if index is None else index
        violation = Violation(step=at, kind=kind, clause=clause, words=words, differences=where, frames=frames)
        self.violations.append(violation)
        raise Violated(violation)

    def trace(self) -> Trace:
        """The run so far."""
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

    def _keep_without_result(self, task: int, call: Call, result: Result | None, before: Snapshot) -> None:
        """Keep a call without a ``result``, or without a state after it, as a step without known changes."""
        self._keep(task, call, Result(ReturnCode.MIG_SERVER_DIED) if result is None else _writable(call, result), (), before)
        self.steps[-1] = msgspec.structs.replace(self.steps[-1], missing="answer" if result is None else "state")

    def _keep(self, task: int, call: Call, result: Result, cases: tuple[str, ...], after: Snapshot) -> None:
        self.steps.append(Step.of(len(self.steps), task, call, result, changes(self.snapshot, after), cases))
        self._before, self.snapshot = self.snapshot, after

    def _record_all_changes(self, index: int, before: Snapshot) -> None:
        """Give the last step all its changes, by a full comparison: in the state after it two messages may have the
        same serial."""
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
    """``result`` for a trace: without outputs that don't have the form in the signature. The violation describes
    these."""
    if answer_error(call, result) is None:
        return result
    return Result(result.code if is_number(result.code) else ReturnCode.MIG_SERVER_DIED)
