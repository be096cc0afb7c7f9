"""Deferred Ctrl-C: record SIGINT at once, raise KeyboardInterrupt at safe points only.

Inside a z3 call a KeyboardInterrupt would be lost or surface as a solver error.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

INTERRUPTED = 130
"""Exit status after Ctrl-C if no violation was found before: 128 + SIGINT, as in shells."""

POLL = 0.2
"""Seconds between two checks for Ctrl-C while waiting for another process."""

_asked = threading.Event()


def stop_if_interrupted() -> None:
    """Raise KeyboardInterrupt if Ctrl-C was pressed in an ``interruptible`` command. Called between calls, and while
    workers run."""
    if _asked.is_set():
        raise KeyboardInterrupt


def interruptible(command: Callable[P, R]) -> Callable[P, R]:
    """Let ``command`` end at its next ``stop_if_interrupted`` after Ctrl-C, and at once after a second Ctrl-C.

    It has no effect outside the main thread, where Python handles no signals.
    """

    @functools.wraps(command)
    def deferred(*arguments: P.args, **options: P.kwargs) -> R:
        if threading.current_thread() is not threading.main_thread():
            return command(*arguments, **options)
        _asked.clear()
        before = signal.signal(signal.SIGINT, _on_interrupt)
        try:
            return command(*arguments, **options)
        finally:
            signal.signal(signal.SIGINT, before)
            _asked.clear()

    return deferred


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    if _asked.is_set():
        for process in multiprocessing.active_children():
            process.kill()
        os._exit(INTERRUPTED)
    _asked.set()


@contextmanager
def children_ignore_interrupts() -> Iterator[None]:
    """Processes started in the block ignore Ctrl-C: their parent decides when they stop."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
