"""Nothing stays behind: what this process started ends, and its temporary directories go, however this process itself
ends.

A process that is killed can't clean up. So a second, small one does: the keeper. It is this file, run as a program that
imports nothing of sendright's. It reads from a pipe whose only writer is the process that it keeps for, which tells it
the processes and directories that there are. The end of the pipe is the end of that process: the keeper then ends the
processes, removes the directories, and ends too. It is in a session of its own and silent. It works wherever there are
POSIX processes; without them, or where the keeper can't be started, nothing is kept.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE = 10.0
"""Seconds that the keeper tries to remove a directory which killed processes may still be writing to."""


def lead() -> None:
    """Called by a new process that may start others: makes them findable by ``end_tree``, and takes back what it has
    inherited of signals."""
    if os.getsid(0) != os.getpid():
        os.setsid()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGHUP})
    if _LIBRARY is not None:
        _LIBRARY.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # a process whose parent has ended becomes a child of this one


_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_tree(root: int) -> None:
    """Kill the process ``root``, which may have ended but for its children, and all that it started.

    Those are its process group, and on Linux its descendants and its session.
    """
    found: set[int] = set()
    while new := _family({root, *found}) - found:
        for pid in new:
            _send(pid, signal.SIGSTOP)  # a stopped one starts no more
        found |= new
    with contextlib.suppress(OSError):
        if os.getpgid(root) == root != os.getpgid(0):
            os.killpg(root, signal.SIGKILL)
    for pid in (found or {root}) - {os.getpid()}:
        _send(pid, signal.SIGKILL)


def _family(roots: set[int]) -> set[int]:
    """The processes that are ``roots``, their children, or in their group or session, as /proc shows them."""
    members = set()
    for name in os.listdir("/proc") if sys.platform == "linux" else ():
        if name.isdecimal():
            with contextlib.suppress(OSError, ValueError):
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent, group, session = map(int, file.read().rpartition(b")")[2].split()[1:4])
                if not roots.isdisjoint((int(name), parent, group, session)):
                    members.add(int(name))
    return members - {os.getpid()}


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


class _Keeper:
    """The keeper of this process: started when there is something to keep, and none of a process that is forked from
    this one."""

    def __init__(self) -> None:
        self._pipe: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._inherited: list[subprocess.Popen[bytes] | None] = []
        self._lock = threading.Lock()

    def say(self, words: bytes) -> None:
        """Tell the keeper, which is started first if it isn't there; without words only that."""
        with self._lock:
            try:
                if self._process is None:
                    self._start()
                if words and self._pipe is not None:
                    os.write(self._pipe, words + b"\0")
            except OSError:
                pass

    def _start(self) -> None:
        if os.name != "posix" or not sys.executable:
            return
        command = [sys.executable, "-I", "-S", os.path.abspath(__file__)]
        nothing = subprocess.DEVNULL
        its_end, self._pipe = os.pipe()
        try:
            self._process = subprocess.Popen(command, stdin=its_end, stdout=nothing, stderr=nothing, cwd="/", start_new_session=True)
        finally:
            os.close(its_end)
        atexit.register(self.stop)

    def stop(self) -> None:
        """Let the keeper do what is left to do."""
        if self._process is not None and self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
            self._process.wait()

    def forget(self) -> None:
        """In a forked process: its parent's keeper is not its own, and must not wait for its end."""
        if self._pipe is not None:
            os.close(self._pipe)
        self._inherited.append(self._process)  # not its child: it has no business with that object, not even to delete it
        self._pipe = self._process = None
        self._lock = threading.Lock()
        atexit.unregister(self.stop)


_keeper = _Keeper()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _keeper.forget())


def be_ready_to_keep() -> None:
    """Called before a process is started: no time passes then between its start and ``keep_process``, in which this
    process may be killed."""
    _keeper.say(b"")


def keep_process(pid: int) -> None:
    """End the process ``pid``, and all that it started, when this process has ended, until ``let_go``."""
    _keeper.say(b"+p%d" % pid)


def let_go(pid: int) -> None:
    """The process ``pid`` has been ended."""
    _keeper.say(b"-p%d" % pid)


@contextlib.contextmanager
def temporary_directory(prefix: str, parent: str | os.PathLike[str] | None = None) -> Iterator[str]:
    """A new directory in ``parent``, or where the system has temporary files; it is removed after the block, however
    that ends.

    Raises OSError if it can't be made.
    """
    path = os.path.abspath(os.path.join(parent or tempfile.gettempdir(), prefix + secrets.token_hex(8)))
    _keeper.say(b"+d" + os.fsencode(path))  # before it is there: this process may be killed as soon as it is
    try:
        os.mkdir(path, 0o700)
    except OSError:
        _keeper.say(b"-d" + os.fsencode(path))
        raise
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if not os.path.lexists(path):
            _keeper.say(b"-d" + os.fsencode(path))


def _keep() -> None:
    """What the keeper does."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    kept: dict[bytes, None] = {}
    rest = b""
    while part := os.read(0, 1 << 16):
        *words, rest = (rest + part).split(b"\0")
        for word in words:
            if word[:1] == b"+":
                kept[word[1:]] = None
            else:
                kept.pop(word[1:], None)
    for what in kept:
        if what[:1] == b"p":
            end_tree(int(what[1:]))
    deadline = time.monotonic() + _PATIENCE
    for what in kept:
        if what[:1] == b"d":
            while os.path.lexists(what[1:]) and time.monotonic() < deadline:
                shutil.rmtree(what[1:], ignore_errors=True)
                time.sleep(0.01)


if __name__ == "__main__":
    _keep()
