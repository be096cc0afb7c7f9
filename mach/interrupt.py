"""Ctrl-C and the signals that ask a process to end, which stop the program only where that is safe.

A KeyboardInterrupt in the middle of a solver's call would be lost, or be an error.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

POLL = 0.2
"""Seconds between two checks for Ctrl-C while waiting for another process."""

SIGNALS = tuple(signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in signal.Signals.__members__)
"""Ctrl-C, what ``kill`` and CI systems send, and what the end of a terminal sends. All end a command in the same
way."""


class _Heard:
    """The signals that were deferred. (One object for the process: a process has one set of signal handlers.)"""

    def __init__(self) -> None:
        self.last: int = signal.SIGINT
        self.asked = threading.Event()
        self.at_once = False


_heard = _Heard()


def interrupted_status() -> int:
    """Exit status of an interrupted command, when nothing wrong had been found by then: 128 + the signal, as shells
    have it (130: Ctrl-C)."""
    return 128 + _heard.last


def stop_if_interrupted() -> None:
    """Raise KeyboardInterrupt if an ``interruptible`` command got a signal to end. Called between calls, and while
    others work."""
    if _heard.asked.is_set():
        raise KeyboardInterrupt


@contextmanager
def heeding_at_once() -> Iterator[None]:
    """While the block waits for the system, a signal raises KeyboardInterrupt in it: for reading from and writing to
    what may never be ready."""
    before = _heard.at_once
    _heard.at_once = threading.current_thread() is threading.main_thread()
    try:
        stop_if_interrupted()
        yield
    finally:
        _heard.at_once = before


def interruptible(command: Callable[P, R]) -> Callable[P, R]:
    """Let ``command`` end at its next ``stop_if_interrupted`` after a signal, and at once after a second one.

    It has no effect outside the main thread, where Python handles no signals.
    """

    @functools.wraps(command)
    def deferred(*arguments: P.args, **options: P.kwargs) -> R:
        with _handled_by(_on_interrupt):
            return command(*arguments, **options)

    return deferred


@contextmanager
def ending_in_order() -> Iterator[None]:
    """In the block every signal raises KeyboardInterrupt at once, as Ctrl-C does anyway, so that nothing is left
    behind."""
    with _handled_by(_end):
        yield


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _heard.asked.clear()
    _heard.last = signal.SIGINT
    with ExitStack() as stack:
        for number in SIGNALS:
            before = signal.getsignal(number)
            if number == signal.SIGINT or before not in (signal.SIG_IGN, None):  # what nohup has ignored stays so
                signal.signal(number, handler)
                stack.callback(signal.signal, number, before)
        stack.callback(_heard.asked.clear)
        yield


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    _heard.last = number
    if _heard.asked.is_set():
        os._exit(interrupted_status())  # the keeper (keeper.py) does the rest
    _heard.asked.set()
    if _heard.at_once:
        raise KeyboardInterrupt


def _end(number: int, frame: FrameType | None) -> None:
    _heard.last = number
    raise KeyboardInterrupt


@contextmanager
def children_ignore_interrupts() -> Iterator[None]:
    """Processes that are started in the block don't hear these signals: it is for the one that waits for them to
    decide."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
