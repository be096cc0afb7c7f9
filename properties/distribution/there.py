"""What a Dask worker does with an item: it hands it to a process of its own, which is in the state that the work needs.

Dask calls functions in threads, in which a call that hangs can't be stopped, and a crash would end the worker. So the
work is done by a program (``program.py``) in its own process, which stays for the next item of the same kind.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from typing import IO, cast

from sendright.mach.keeper import be_ready_to_keep, end_tree, keep_process, let_go
from sendright.model.proof.processes.cluster import own_version
from sendright.properties.distribution.program import MODULE, receive, send

MOST_IDLE = 8
"""Idle programs that stay."""


class Refused(Exception):
    """A worker can't do this work. The message is one line."""

    def __reduce__(self) -> tuple[type[Refused], tuple[str]]:
        return Refused, (str(self),)


class _Program:
    """A program that works, and what it was set to."""

    def __init__(self, setting: bytes) -> None:
        self.setting = setting
        be_ready_to_keep()
        self._process = subprocess.Popen([sys.executable, "-m", MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ)
        keep_process(self._process.pid)
        send(cast(IO[bytes], self._process.stdin), setting)

    def answer(self, item: bytes) -> bytes:
        """What it makes of an item, pickled. Raises EOFError and OSError if it dies."""
        send(cast(IO[bytes], self._process.stdin), item)
        return receive(cast(IO[bytes], self._process.stdout))

    def end(self) -> int:
        """End it and all that it started; its status."""
        end_tree(self._process.pid)
        status = self._process.wait()
        let_go(self._process.pid)
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                cast(IO[bytes], stream).close()
        return status


_lock = threading.Lock()
_idle: list[_Program] = []


def work_there(version: str, roots: tuple[str, ...], setting: bytes, item: bytes) -> bytes:
    """What a Dask worker does: the answer to ``item`` of a program that was set to ``setting``, pickled with whether it
    is one. Raises Refused."""
    with _lock:
        if own_version(*roots) != version:
            raise Refused("a Dask worker has another version of sendright, Python or z3 (install the same on all machines)")
        fitting = [program for program in _idle if program.setting == setting]
        others = [program for program in _idle if program.setting != setting]
        _idle[:] = fitting[1:]
    for program in others:
        program.end()
    program = fitting[0] if fitting else _Program(setting)
    try:
        answer = program.answer(item)
    except (EOFError, OSError) as error:
        status = program.end()
        raise Refused(f"a process of a Dask worker died with status {status} (is there enough memory?)") from error
    except BaseException:
        program.end()
        raise
    with _lock:
        if len(_idle) < MOST_IDLE:
            _idle.append(program)
            return answer
    program.end()
    return answer
