"""The program that works for a Dask worker: it reads what to do and then item by item from standard input, and writes
the answers to what was standard output. It ends when its input does."""

from __future__ import annotations

import gc
import os
import pickle
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

MODULE = "sendright.properties.distribution.program"
_LENGTH = 8


def send(stream: IO[bytes], content: bytes) -> None:
    """Write ``content`` with its length before it. Raises OSError."""
    stream.write(len(content).to_bytes(_LENGTH, "little") + content)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes:
    """What ``send`` wrote. Raises EOFError at the end, and OSError."""
    length = stream.read(_LENGTH)
    content = stream.read(int.from_bytes(length, "little")) if len(length) == _LENGTH else b""
    if len(length) < _LENGTH or len(content) < int.from_bytes(length, "little"):
        raise EOFError
    return content


def main() -> None:
    """Read, work, answer. What a kernel prints goes to standard error."""
    from sendright.mach.keeper import lead

    lead()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    questions = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    with suppress(EOFError, OSError):
        work = _prepared(receive(questions))
        gc.freeze()
        while True:
            send(answers, _answer(work, receive(questions)))


def _prepared(setting: bytes) -> Callable[[Any], Any]:
    folder, prepare = pickle.loads(setting)
    try:
        os.chdir(folder)
    except OSError as error:
        return _failing(f"{folder}: {error.strerror} (a Dask worker needs the folder in which sendright is called)")
    try:
        work: Callable[[Any], Any] = prepare()
    except Exception as error:
        return _failing(" ".join(f"{type(error).__name__}: {error}".split()))
    return work


class _CantWork(Exception):
    """The message is one line."""


def _failing(words: str) -> Callable[[Any], Any]:
    def fail(item: Any) -> Any:
        raise _CantWork(words)

    return fail


def _answer(work: Callable[[Any], Any], item: bytes) -> bytes:
    try:
        return pickle.dumps((True, work(pickle.loads(item))))
    except _CantWork as error:
        return pickle.dumps((False, str(error)))
    except Exception as error:
        return pickle.dumps((False, " ".join(f"{type(error).__name__}: {error}".split())))


if __name__ == "__main__":
    main()
