"""A call that a task makes, and its result."""

from __future__ import annotations

from typing import Any

import msgspec


class Call(msgspec.Struct, frozen=True):
    """One call with concrete arguments (numbers, not symbols), as its caller makes it."""

    name: str
    arguments: dict[str, Any]
    shortage: int = 0
    """Failure injection: which of the kernel's allocations during this call fails, counted from 1; 0: none."""
    stop: bool = False
    """If the kernel does this call in steps, stop between them: the call returns MACH_RCV_IN_PROGRESS, and the
    caller is blocked."""
    resume: bool = False
    """Resume the caller's pending call of this name, with the arguments that it was made with; ``arguments`` is
    ignored."""


class Result(msgspec.Struct, frozen=True):
    """The result of a call."""

    code: int
    outputs: dict[str, Any] = {}
    """By the names of the signature's outputs; empty if the call failed or is pending (but see
    ``Signature.results``)."""
    created_task: int | None = None
    """For a call that created a task: the number with which the harness makes calls as that task."""
    ended: dict[int, Result] = {}
    """Pending calls of other tasks that this call let complete: task -> the result of its call. (Empty in kernels
    where a pending call completes only when it is resumed.)"""
