"""A kernel in a process of its own: a crash or hang affects only that process.

Requests and answers go through a pipe. States are sent as MessagePack and decoded as a ``Snapshot``, which finds
malformed ones.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import weakref
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

from sendright.mach.interrupt import POLL, children_ignore_interrupts, stop_if_interrupted
from sendright.mach.keeper import be_ready_to_keep, end_tree, keep_process, lead, let_go
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.capabilities import Capabilities, NotMade, capabilities_of
from sendright.mach.kernel.implementation import Implementation, ImplementationCrash, MalformedState, error_in_words, frames_of
from sendright.mach.kernel.profiles import Profile
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.view import View
from sendright.properties.runs.state_form import pack_state, unpack_state

_ANSWER, _STATE, _RAISED, _NO_STATE, _NOT_BUILT, _NOT_MADE = b"a", b"s", b"r", b"n", b"b", b"m"


class NotBuilt(Exception):
    """A function that builds kernels raises it if the kernel can't be built; the text says why."""


class IsolatedKernel:
    """The implementation that ``build`` returns, in a forked process. Booting starts the process, again if it has
    ended."""

    def __init__(self, build: Callable[[], Implementation], like: IsolatedKernel | None = None) -> None:
        """Take name and capabilities from ``like``, or build the kernel now and get them from it.

        Raises NotBuilt as ``build`` does, or ImplementationCrash.
        """
        self._build = build
        self._child: _Child | None = None
        self.name: str = like.name if like is not None else self._started().name
        self.capabilities: Capabilities = like.capabilities if like is not None else self._started().capabilities

    def boot(self, profile: Profile) -> None:
        """As ``Implementation.boot``. This and the other methods raise ImplementationCrash for any failure in the
        process."""
        self._started().ask("boot", profile)

    def call(self, task: int, call: Call) -> Result:
        """The kernel's answer, which may be malformed."""
        answer: Result = self._started().ask("call", task, call)
        return answer

    def snapshot(self) -> Snapshot | View:
        """The state. Raises MalformedState if the kernel's state doesn't have the form of one."""
        shown: Snapshot | View = self._started().ask("snapshot")
        return shown

    def end(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.end()

    def _started(self) -> _Child:
        if self._child is None or not self._child.alive:
            self._child = _Child(self._build)
        return self._child


class _Child:
    """The process."""

    def __init__(self, build: Callable[[], Implementation]) -> None:
        context = get_context("fork")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._connection, build))
        be_ready_to_keep()
        with children_ignore_interrupts():
            self._process.start()
        assert self._process.pid is not None
        keep_process(self._process.pid)
        theirs.close()
        self.alive = True
        self.end = weakref.finalize(self, _end, self._process, self._connection, os.getpid())
        self.capabilities = Capabilities()
        self.name: str
        self.name, self.capabilities = self._receive()

    def ask(self, what: str, *arguments: Any) -> Any:
        """Send a request; returns the kernel's answer."""
        return self._receive(pickle.dumps((what, arguments)))

    def _receive(self, question: bytes | None = None) -> Any:
        try:
            if question is not None:
                self._connection.send_bytes(question)
            while not self._connection.poll(POLL):
                stop_if_interrupted()
            answer = self._connection.recv_bytes()
        except (EOFError, OSError):
            self._ended()
        except BaseException:  # timeout or Ctrl-C: a late answer must not be read as the answer to the next request
            self.alive = False
            self.end()
            raise
        kind, content = answer[:1], answer[1:]
        if kind == _STATE:
            return unpack_state(content, self.capabilities.shows)
        value = pickle.loads(content)
        if kind == _RAISED:
            raise ImplementationCrash(*value)
        if kind == _NO_STATE:
            raise MalformedState(value)
        if kind == _NOT_BUILT:
            raise NotBuilt(value)
        if kind == _NOT_MADE:
            raise NotMade(value)
        return value

    def _ended(self) -> NoReturn:
        self.alive = False
        self._process.join(1.0)
        status = self._process.exitcode
        self.end()
        if status is None:
            raise ImplementationCrash("closed its connection")
        raise ImplementationCrash(f"ended the process with {f'exit status {status}' if status >= 0 else signal.Signals(-status).name}")


def _end(process: BaseProcess, connection: Connection, owner: int) -> None:
    if os.getpid() == owner:  # and not a process that was forked from it
        assert process.pid is not None
        end_tree(process.pid)
        let_go(process.pid)
        process.join()
        connection.close()


def _serve(connection: Connection, parents: Connection, build: Callable[[], Implementation]) -> None:
    """The main function of the process. All its output goes to standard error."""
    parents.close()
    lead()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with contextlib.suppress(OSError):  # there may be no standard error
        os.dup2(2, 1)
        sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    try:
        kernel = build()
        connection.send_bytes(_ANSWER + pickle.dumps((str(kernel.name), capabilities_of(kernel))))
    except NotBuilt as error:
        connection.send_bytes(_NOT_BUILT + pickle.dumps(str(error)))
        return
    except BaseException as error:
        connection.send_bytes(_RAISED + pickle.dumps((error_in_words(error), frames_of(error))))
        return
    while True:
        try:
            what, arguments = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError):
            return
        try:
            connection.send_bytes(_answer(kernel, what, arguments))
        except OSError:  # no process waits for the answer any more
            return


def _answer(kernel: Implementation, what: str, arguments: tuple[Any, ...]) -> bytes:
    try:
        answer = getattr(kernel, what)(*arguments)
    except NotMade as error:
        return _NOT_MADE + pickle.dumps(str(error))
    except BaseException as error:
        return _RAISED + pickle.dumps((error_in_words(error), frames_of(error)))
    try:
        return _STATE + pack_state(answer, capabilities_of(kernel).shows) if what == "snapshot" else _ANSWER + pickle.dumps(_plain(answer))
    except MalformedState as malformed:
        return _NO_STATE + pickle.dumps(str(malformed))
    except BaseException as error:
        return _RAISED + pickle.dumps((f"returned an unreadable answer: reading it {error_in_words(error)}", frames_of(error)))


def _plain(value: Any) -> Any:
    """``value`` as plain data for another process: anything else becomes text, which is not a valid result."""
    if isinstance(value, Result):
        return Result(_plain(value.code), _plain(value.outputs), _plain(value.created_task), _plain(value.ended))
    if value is None or isinstance(value, bool | float | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, tuple | list):
        return type(value)(map(_plain, value)) if type(value) in (tuple, list) else tuple(map(_plain, value))
    if isinstance(value, dict):
        return {_plain(key): _plain(each) for key, each in value.items()}
    return repr(value)
