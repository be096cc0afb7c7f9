"""A second solver, cvc5, that gets the questions that the first one got.

It works in a process of its own, so that its end or a hang loses nothing but its own answer. Its work is bounded by a
resource limit, which is the same on a machine that is busy.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import sys
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import IO, NamedTuple

from sendright.mach.interrupt import POLL, children_ignore_interrupts, stop_if_interrupted
from sendright.mach.keeper import be_ready_to_keep, keep_process, let_go

CVC5 = "cvc5"
SECOND_SOLVERS = (CVC5,)
"""The names that ``--second-solver`` takes. Each is also the name of the solver's package and of sendright's extra."""

RLIMIT = 5_000_000
"""How much work the second solver does for one question, in its own count."""

PATIENCE = 120.0
"""Seconds without an answer after which the second solver hangs. The resource limit ends its work long before."""

FAILURES = 2
"""After so many questions in a row on which its process died or hung, the second solver isn't asked any more."""

_PROGRAM = Path(__file__).with_name("second_solver_process.py")


class SecondAnswer(NamedTuple):
    """What the second solver says to one question."""

    answer: str
    """``sat``, ``unsat``, ``unknown``, ``error`` (it can't read the question), ``lost`` (it died or hung)."""
    words: str
    """If it is none of the first two: why."""
    seconds: float
    """Processor time."""


class NoSecondSolver(Exception):
    """The second solver isn't installed. The message is one line."""


def second_solver_version(name: str) -> str:
    """The installed solver's name and version. Raises NoSecondSolver."""
    try:
        if find_spec(name) is None:
            raise PackageNotFoundError
        return f"{name} {version(name)}"
    except PackageNotFoundError as error:
        raise NoSecondSolver(f"the package {name} is not installed (pip install {name})") from error


class SecondSolver:
    """cvc5 in a process, which starts with the first question."""

    def __init__(self, limit: int = RLIMIT, patience: float = PATIENCE) -> None:
        self._limit, self._patience = limit, patience
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._reader: threading.Thread
        self._used = 0.0
        """Processor time that its process has used."""
        self._failures = 0
        self._last_words = ""

    def ask(self, text: str) -> SecondAnswer:
        """Its answer to a question in SMT-LIB. A process that died is tried again once; one that hangs isn't."""
        began = self._used
        answer, words = "lost", self._last_words
        if self._failures < FAILURES:
            answer, words, hung = self._try(text)
            if answer == "lost" and not hung:
                answer, words, _ = self._try(text)
            self._failures = self._failures + 1 if answer == "lost" else 0
            self._last_words = words
        return SecondAnswer(answer, words, max(0.0, self._used - began))

    def close(self) -> None:
        """End its process."""
        self._end()

    def _try(self, text: str) -> tuple[str, str, bool]:
        """The answer and words; and whether the process hangs."""
        data = text.encode()
        try:
            if self._process is None:
                self._process = self._start()
                if self._said()[0] != "ready":
                    return self._lost("its process says something strange")
            assert self._process.stdin is not None
            message = b"%d %d\n%s" % (self._limit, len(data), data)
            threading.Thread(target=_write, args=(self._process.stdin, message), daemon=True).start()  # it may not read
            answer, words = self._said()
        except TimeoutError:
            return (*self._lost(f"its process gave no answer for {self._patience:g} s")[:2], True)
        except EOFError:
            return self._lost(f"its process died with {self._end(1.0)}")
        if answer not in ("sat", "unsat", "unknown", "error"):
            return self._lost("its process says something strange")
        return answer, words, False

    def _lost(self, words: str) -> tuple[str, str, bool]:
        self._end()
        return "lost", words, False

    def _start(self) -> subprocess.Popen[bytes]:
        be_ready_to_keep()
        with children_ignore_interrupts():
            process = subprocess.Popen(
                [sys.executable, "-P", str(_PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        keep_process(process.pid)
        assert process.stdout is not None
        self._lines = queue.SimpleQueue()
        self._reader = threading.Thread(target=_read, args=(process.stdout, self._lines), daemon=True)
        self._reader.start()
        return process

    def _said(self) -> tuple[str, str]:
        """An answer and words. Raises as ``_line``."""
        answer, seconds, words = [*self._line().decode("utf-8", "replace").split(maxsplit=2), "", "", ""][:3]
        with contextlib.suppress(ValueError):
            self._used = float(seconds)
        return answer, words.strip()

    def _line(self) -> bytes:
        """The next line that the process writes. Raises TimeoutError, EOFError, and KeyboardInterrupt."""
        deadline = time.monotonic() + self._patience
        while (left := deadline - time.monotonic()) > 0:
            stop_if_interrupted()
            with contextlib.suppress(queue.Empty):
                line = self._lines.get(timeout=min(POLL, left))
                if line is None:
                    raise EOFError
                return line
        raise TimeoutError

    def _end(self, soon: float = 0.0) -> str:
        """Kill the process, if it doesn't die by itself ``soon`` (seconds); how it died, in words."""
        process, self._process = self._process, None
        if process is None:
            return "nothing"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(soon)
        process.kill()
        status = process.wait()
        let_go(process.pid)
        self._reader.join()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        return signal.Signals(-status).name if -status in set(signal.Signals) else f"exit status {status}"


def _write(pipe: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(OSError, ValueError):  # the process has died, or was ended
        pipe.write(data)
        pipe.flush()


def _read(pipe: IO[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    with contextlib.suppress(OSError, ValueError):
        for line in pipe:
            lines.put(line)
    lines.put(None)
