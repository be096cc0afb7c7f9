"""Traces: what happened when a sequence of calls was run on an implementation."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from sendright.mach.calls import Call
from sendright.mach.snapshot import EMPTY, Change, Difference, Snapshot, slots
from sendright.mach.view import ViewPart

TRACE_FORMAT = "sendright-trace/3"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a run: who made it, what it answered, what it changed."""

    index: int
    """Place in the run, from 0."""
    task: int
    call: str
    arguments: dict[str, Any]
    shortage: int = 0
    stop: bool = False
    resume: bool = False
    code: int
    """What it answered; MIG_SERVER_DIED where the answer is ``missing``."""
    outputs: dict[str, Any] = {}
    created_task: int | None = None
    cases: tuple[str, ...] = ()
    """The cases of the specification that the step went through, as ``call/CODE/title``; empty when it wasn't judged."""
    changes: tuple[Change, ...] = ()
    missing: Literal["answer", "state"] | None = None
    """What the implementation didn't give, as it crashed or hung: an answer, and so no state either, or only the state after the call."""

    @property
    def made(self) -> Call:
        """The call as it was made."""
        return Call(self.call, self.arguments, self.shortage, self.stop, self.resume)


ViolationKind = Literal["result", "state", "invariant", "derivation", "expectation", "crash", "hang"]


LIMITS = ("urefs_max", "queue_limit", "queue_limit_max", "pages")
"""The limits of a profile that a run may have of its own: fields of traces and of scripts' cases."""


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a run, and where."""

    step: int
    """Index of the step after which it was seen."""
    kind: ViolationKind
    clause: str
    """The rule that is broken: a case of the specification, an invariant, an expectation. One line."""
    words: str
    """What that means, for a reader who has nothing else: what should be and what is."""
    differences: tuple[Difference, ...] = ()
    frames: tuple[str, ...] = ()
    """Where in its own code an implementation in Python crashed or hung, one frame after the other, the innermost last."""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """A run: the state it began in, its steps, the state it ended in."""

    format: str = TRACE_FORMAT
    implementation: str
    profile: str
    urefs_max: int
    queue_limit: int
    queue_limit_max: int = 16
    pages: int = 16
    initial: Snapshot
    steps: tuple[Step, ...]
    final: Snapshot
    violations: tuple[Violation, ...] = ()
    shows: tuple[ViewPart, ...] | None = None
    """What the implementation shows of its state; None: all of it. The rest of what the states here say is what the specification expects."""


def contradiction(trace: Trace) -> str | None:
    """Where, as a path in it, a trace says of a slot what doesn't follow from what it says before; None: nowhere. No run leaves such a trace."""
    now = slots(trace.initial)
    for step in trace.steps:
        for number, change in enumerate(step.changes):
            if now.get(change.slot, EMPTY) != change.before:
                return f"$.steps[{step.index}].changes[{number}].before"
        now |= {change.slot: change.after for change in step.changes}
    now = {slot: entry for slot, entry in now.items() if entry != EMPTY}
    return None if now == slots(trace.final) else "$.final"
