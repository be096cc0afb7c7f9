"""Runs a function in a forked child, which may crash, hang or take too much: nothing else is lost by that."""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import select
import signal
import time
from collections.abc import Callable
from typing import TypeVar

from sendright.mach.keeper import be_ready_to_keep, keep_process, let_go

Answer = TypeVar("Answer")

SLOWER = 10
"""A child may take this many times its processor time, as the machine may be busy."""
GRACE = 5.0
"""Seconds beyond its time after which a child is killed: it ends by itself between two questions."""

MEMORY = 6 << 30
"""Bytes of address space that a child can have."""


class NoAnswer(Exception):
    """The child has given no answer. The message says how it ended."""


def in_child(function: Callable[[], Answer], seconds: float) -> Answer:
    """The result of ``function``, computed in a child that gets about so much processor time.

    Raises NoAnswer.
    """
    ours, theirs = os.pipe()
    be_ready_to_keep()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        _work(function, theirs, seconds)
    keep_process(pid)
    os.close(theirs)
    try:
        answer = _read(ours, time.monotonic() + SLOWER * (seconds + GRACE))
    finally:
        os.close(ours)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        let_go(pid)
    if answer is None:
        raise NoAnswer("hung")
    try:
        good, value = pickle.loads(answer)
    except (EOFError, pickle.UnpicklingError):
        raise NoAnswer(_ending(status)) from None
    if not good:
        raise NoAnswer(value)
    return value  # type: ignore[no-any-return]


def _work(function: Callable[[], object], pipe: int, seconds: float) -> None:
    """What the child does; it doesn't return."""
    try:
        limit = int(seconds + GRACE)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        try:
            answer: tuple[bool, object] = True, function()
        except Exception as error:
            answer = False, f"{type(error).__name__}: {error}"
        with os.fdopen(pipe, "wb") as file:
            file.write(pickle.dumps(answer))
    finally:
        os._exit(0)


def _read(pipe: int, deadline: float) -> bytes | None:
    """All that comes through the pipe until its end; None, if that takes too long."""
    parts: list[bytes] = []
    while True:
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        part = os.read(pipe, 1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _ending(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return "took too much processor time" if number == signal.SIGXCPU else f"died with {signal.Signals(number).name}"
    return f"ended with status {os.WEXITSTATUS(status)}"
