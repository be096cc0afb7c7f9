"""Traces: records of runs of calls on an implementation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from sendright.mach.kernel.call import Call, Result
from sendright.mach.state.snapshot import EMPTY, Change, Difference, Snapshot, slots
from sendright.mach.state.view import ViewPart

TRACE_FORMAT = "sendright-trace/3"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a run: its caller, its result and its changes."""

    index: int
    """Index in the run, from 0."""
    task: int
    call: str
    arguments: dict[str, Any]
    shortage: int = 0
    stop: bool = False
    resume: bool = False
    code: int
    """Its return code; MIG_SERVER_DIED if the answer is ``missing``."""
    outputs: dict[str, Any] = {}
    created_task: int | None = None
    cases: tuple[str, ...] = ()
    """The cases of the specification that the step reached, as ``call/CODE/title``; empty if it wasn't judged."""
    changes: tuple[Change, ...] = ()
    missing: Literal["answer", "state"] | None = None
    """What is missing because the implementation crashed or hung: the answer and the state after the call, or only
    the state."""

    @classmethod
    def of(cls, index: int, task: int, call: Call, result: Result, changed: tuple[Change, ...], cases: tuple[str, ...] = ()) -> Step:
        """The step in which ``task`` made ``call`` with this ``result``."""
        return cls(
            index=index,
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
            changes=changed,
        )

    @property
    def made(self) -> Call:
        """The call as it was made."""
        return Call(self.call, self.arguments, self.shortage, self.stop, self.resume)


ViolationKind = Literal["result", "state", "invariant", "derivation", "expectation", "discipline", "crash", "hang"]


LIMITS = ("urefs_max", "queue_limit", "queue_limit_max", "pages")
"""The profile's limits that a run may override: fields of traces and of scripts' cases."""
UserReferencesLimit = Annotated[int, msgspec.Meta(ge=2, le=(1 << 31) - 1)]
"""A value of ``urefs_max``."""
QueueLimit = Annotated[int, msgspec.Meta(ge=1, le=(1 << 31) - 1)]
"""A value of ``queue_limit`` or ``queue_limit_max``."""
PagesLimit = Annotated[int, msgspec.Meta(ge=1, le=4096)]
"""A value of ``pages``. A kernel looks through its pages one by one, so there must be few."""


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A fault of a run, and its place."""

    step: int
    """Index of the step after which it was found."""
    kind: ViolationKind
    clause: str
    """The violated rule, in one line: a case of the specification, an invariant, an expectation."""
    words: str
    """A self-contained description: the expected and the actual value."""
    differences: tuple[Difference, ...] = ()
    frames: tuple[str, ...] = ()
    """The frames in which a Python implementation crashed or hung, the innermost last."""

    @property
    def crash(self) -> str:
        """How the implementation crashed or hung, without what only this run has: ``vm_write raised KeyError``. Empty:
        it did not."""
        return self.words.partition(":")[0] if self.kind in ("crash", "hang") else ""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """A run: its initial state, its steps, and its final state."""

    format: str = TRACE_FORMAT
    implementation: str
    profile: str
    urefs_max: UserReferencesLimit
    queue_limit: QueueLimit
    queue_limit_max: QueueLimit = 16
    pages: PagesLimit = 16
    initial: Snapshot
    steps: tuple[Step, ...]
    final: Snapshot
    violations: tuple[Violation, ...] = ()
    shows: tuple[ViewPart, ...] | None = None
    """The parts of its state that the implementation shows; None: all. The rest of the states here is the
    specification's."""


def contradiction(trace: Trace) -> str | None:
    """The path to the first change in ``trace`` whose old entry contradicts what the trace says before; None: there is
    none.

    A trace of a run never has one.
    """
    now = slots(trace.initial)
    for step in trace.steps:
        for number, change in enumerate(step.changes):
            if now.get(change.slot, EMPTY) != change.before:
                return f"$.steps[{step.index}].changes[{number}].before"
        now |= {change.slot: change.after for change in step.changes}
    now = {slot: entry for slot, entry in now.items() if entry != EMPTY}
    return None if now == slots(trace.final) else "$.final"
