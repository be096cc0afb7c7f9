"""A program that exchanges lines over its standard streams, and that ends when the process that started it ends."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
import weakref
from collections.abc import Callable, Sequence
from typing import BinaryIO

from sendright.mach.interrupt import POLL, children_ignore_interrupts, stop_if_interrupted
from sendright.mach.keeper import be_ready_to_keep, end_tree, keep_process, lead, let_go

LONGEST = 1 << 24
"""The largest number of bytes in a line, so that a line without an end doesn't fill the memory."""


class ProgramEnded(Exception):
    """The program ended, or closed its output; the message says how."""


class NoAnswer(Exception):
    """The program didn't answer in time."""


class LineProcess:
    """A running program. Raises OSError if it can't be started. If an exchange raises ProgramEnded, NoAnswer or any
    other exception, the program has been ended.
    """

    def __init__(self, command: Sequence[str], errors: BinaryIO | None = None) -> None:
        """Start the program. ``errors`` gets what it writes to standard error. None: this process's standard error."""
        be_ready_to_keep()
        with children_ignore_interrupts():
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                preexec_fn=lead,
            )
        keep_process(self._process.pid)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self._received = bytearray()
        self._pauses = False
        self.end = weakref.finalize(self, _end, self._process, os.getpid())

    @property
    def alive(self) -> bool:
        """Whether the program is running."""
        return self.end.alive

    @property
    def pid(self) -> int:
        """The program's process."""
        return self._process.pid

    def exchange(self, line: bytes | None, seconds: float, give_up: Callable[[], bool] = lambda: False) -> bytes:
        """Write ``line`` to the program (None: nothing), and return the next line that it writes.

        Raises ProgramEnded, and NoAnswer after ``seconds``, or as soon as ``give_up`` returns True.
        """
        deadline = time.monotonic() + seconds
        try:
            if line is not None:
                self._write(line + b"\n", deadline)
            return self._read_line(deadline, give_up)
        except BaseException:  # also a timeout or Ctrl-C: a late answer must not be taken for the next one
            self.end()
            raise

    def pause_between_exchanges(self) -> None:
        """Stop the process now, and whenever it has written, until the next exchange. (Linux only.)

        A program that polls for its next line would use a whole processor. The system stops it as it writes: this
        process may get to read later, when the processors have other work.
        """
        import fcntl  # here, as Windows doesn't have it

        self._pauses = True
        fcntl.fcntl(self._out, fcntl.F_SETOWN, self._process.pid)
        fcntl.fcntl(self._out, fcntl.F_SETSIG, signal.SIGSTOP)
        fcntl.fcntl(self._out, fcntl.F_SETFL, fcntl.fcntl(self._out, fcntl.F_GETFL) | os.O_ASYNC)
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Continue, if it is stopped."""
        os.kill(self._process.pid, signal.SIGCONT)

    def _write(self, content: bytes, deadline: float) -> None:
        while content:
            stop_if_interrupted()
            left = deadline - time.monotonic()
            if left <= 0:
                raise NoAnswer
            if not select.select([], [self._in], [], min(left, POLL))[1]:
                continue
            try:
                content = content[os.write(self._in, content) :]
            except OSError:
                self._ended()

    def _read_line(self, deadline: float, give_up: Callable[[], bool]) -> bytes:
        while b"\n" not in self._received:
            stop_if_interrupted()
            left = deadline - time.monotonic()
            if left <= 0:
                raise NoAnswer
            if self._pauses:
                self.go_on()
            if select.select([self._out], [], [], min(left, POLL))[0]:
                part = os.read(self._out, 1 << 16)
                if not part or len(self._received) > LONGEST:
                    self._ended()
                self._received += part
            elif give_up():
                raise NoAnswer
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received = bytearray(rest)
        return line

    def _ended(self) -> None:
        try:
            status = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            raise ProgramEnded("closed its output") from None
        raise ProgramEnded(f"ended with exit status {status}" if status >= 0 else f"ended with {signal.Signals(-status).name}")


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() == owner:  # and not a process that was forked from it
        end_tree(process.pid)
        let_go(process.pid)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
