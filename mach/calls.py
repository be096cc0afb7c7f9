"""A call that a task makes, and what came of it."""

from __future__ import annotations

from typing import Any

import msgspec


class Call(msgspec.Struct, frozen=True):
    """One call with concrete arguments (numbers, not symbols), as its caller makes it."""

    name: str
    arguments: dict[str, Any]
    shortage: int = 0
    """Failure injection: the kernel's so-many-th allocation during this call fails; 0: none does."""
    stop: bool = False
    """Stop between the steps that the kernel does this call in, if it does it in steps: it answers MACH_RCV_IN_PROGRESS, and the caller waits."""
    resume: bool = False
    """Go on with the caller's call of this name, which waits; its arguments are those that it was made with, ``arguments`` isn't looked at."""


class Result(msgspec.Struct, frozen=True):
    """What a call answered."""

    code: int
    outputs: dict[str, Any] = {}
    """By the names of the signature's outputs; empty when the call failed or waits (but see ``Signature.results``)."""
    created_task: int | None = None
    """For a call that created a task: the number by which the harness can make calls as that task."""
    ended: dict[int, Result] = {}
    """Calls of other tasks, which waited, and which this call has let go on and end: task -> what that call answered. (Where such a call goes
    on only when it is resumed, there are none.)"""
