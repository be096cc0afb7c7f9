"""Work for several processes of this machine. Items are given one by one, so that they needn't all be there at once."""

from __future__ import annotations

import contextlib
import gc
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, Protocol, TypeVar

from sendright.mach.extensions import Prepared, prepared
from sendright.mach.interrupt import POLL, children_ignore_interrupts, stop_if_interrupted
from sendright.mach.keeper import be_ready_to_keep, end_tree, keep_process, let_go
from sendright.model.proof.processes.workers import Lost

Item = TypeVar("Item")
Answer = TypeVar("Answer")

ATTEMPTS = 2
"""How often an item is tried, if the process that works on it dies."""
AHEAD = 2
"""How many items each process has: the one that it works on, and the next, so that it never waits."""


class Failed(Exception):
    """What works raised an error that isn't a finding: a bug of sendright. The message is one line."""


class WorkersDied(Exception):
    """The processes that worked died. The message is one line."""


class Pool(Protocol[Item, Answer]):
    """Processes that work on items."""

    @property
    def room(self) -> int:
        """How many more items it takes now."""

    @property
    def busy(self) -> bool:
        """Whether there are items whose answers haven't come."""

    def give(self, item: Item) -> None:
        """Let it work on ``item``."""

    def answers(self) -> list[tuple[Item, Answer | Lost]]:
        """The items that were done since the last time, with their answers; after a short while none. Raises
        KeyboardInterrupt after Ctrl-C, and Failed."""

    def end(self) -> None:
        """End the processes, whatever they do."""


def answers_of(pool: Pool[Item, Answer], items: Iterator[Item]) -> Iterator[tuple[Item, Answer | Lost]]:
    """Every item with its answer, as the answers come; the pool ends after the last one, and when the caller asks for
    no more."""
    try:
        while True:
            while pool.room:
                try:
                    pool.give(next(items))
                except StopIteration:
                    break
            if not pool.busy:
                return
            yield from pool.answers()
    finally:
        pool.end()


class Processes(Generic[Item, Answer]):
    """``jobs`` processes of this machine. They are forked, so that each begins with all that this process has loaded
    and prepared; where the system has no fork, they are new ones, and ``prepare`` and all items must be picklable."""

    def __init__(self, prepare: Callable[[], Callable[[Item], Answer]], jobs: int) -> None:
        """Each process calls ``prepare`` once, and what that returns with every item."""
        self._prepare = prepare
        self._left: deque[Item] = deque()
        self._tried: list[Item] = []
        """Items whose process died."""
        self._all = [_Process[Item](prepare) for _ in range(jobs)]

    @property
    def room(self) -> int:
        """As ``Pool.room``."""
        return sum(AHEAD - len(one.items) for one in self._all) - len(self._left)

    @property
    def busy(self) -> bool:
        """As ``Pool.busy``."""
        return bool(self._left) or any(one.items for one in self._all)

    def give(self, item: Item) -> None:
        """As ``Pool.give``."""
        self._left.append(item)
        self._hand_out()

    def _hand_out(self) -> None:
        while self._left and (one := min(self._all, key=lambda each: len(each.items))) and len(one.items) < AHEAD:
            one.give(self._left.popleft())

    def answers(self) -> list[tuple[Item, Answer | Lost]]:
        """As ``Pool.answers``."""
        stop_if_interrupted()
        found: list[tuple[Item, Answer | Lost]] = []
        ready = wait([one.connection for one in self._all if one.items], POLL)
        for number, one in enumerate(self._all):
            if one.connection not in ready:
                continue
            try:
                good, answer = one.connection.recv()
            except (EOFError, OSError):
                found += self._replace(number)
                continue
            if not good:
                raise Failed(answer)
            found.append((one.items.popleft(), answer))
        self._hand_out()
        return found

    def _replace(self, number: int) -> list[tuple[Item, Lost]]:
        """A new process in place of one that died; what it worked on is tried again, or lost."""
        dead = self._all[number]
        how = dead.end()
        self._all[number] = _Process(self._prepare)
        item = dead.items.popleft()
        self._left.extendleft(reversed(dead.items))
        self._tried.append(item)
        if sum(one is item for one in self._tried) < ATTEMPTS:
            self._left.appendleft(item)
            return []
        return [(item, Lost(f"the processes that worked on it died, the last one with {how}"))]

    def end(self) -> None:
        """As ``Pool.end``."""
        for one in self._all:
            one.end()


class _Process(Generic[Item]):
    """One process, and the items that it has."""

    def __init__(self, prepare: Callable[[], Callable[[Item], Any]]) -> None:
        context = get_context("fork" if "fork" in get_all_start_methods() else "spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(theirs, partial(with_extensions, prepared(), prepare)))  # type: ignore[attr-defined]
        be_ready_to_keep()
        with children_ignore_interrupts():
            self.process.start()
        assert self.process.pid is not None
        self._pid = self.process.pid
        keep_process(self._pid)
        theirs.close()
        self.items: deque[Item] = deque()

    def give(self, item: Item) -> None:
        self.items.append(item)
        with contextlib.suppress(OSError):  # if it has died, that shows when its answer is waited for
            self.connection.send(item)

    def end(self) -> str:
        """Kill it and all that it started, if it hasn't died; how it died, in words."""
        end_tree(self._pid)
        self.process.join()
        let_go(self._pid)
        self.connection.close()
        status = self.process.exitcode or 0
        return signal.Signals(-status).name if -status in set(signal.Signals) else f"exit status {status}"


def _serve(connection: Connection, prepare: Callable[[], Callable[[Any], Any]]) -> None:
    """A process's loop: answer until the parent closes the connection."""
    gc.freeze()
    try:
        work = prepare()
    except Exception as error:
        work = _failing(error)
    while True:
        try:
            item = connection.recv()
        except (EOFError, OSError):
            return
        try:
            connection.send(_answer(work, item))
        except OSError:  # the parent is gone
            return


def with_extensions(needed: Prepared, prepare: Callable[[], Callable[[Item], Answer]]) -> Callable[[Item], Answer]:
    """What ``prepare`` returns, in a process that first gets the plugins and profiles that another one ``needed``."""
    needed.here()
    return prepare()


def _failing(error: Exception) -> Callable[[Any], Any]:
    def fail(item: Any) -> Any:
        raise error

    return fail


def _answer(work: Callable[[Any], Any], item: Any) -> tuple[bool, Any]:
    try:
        answer = True, work(item)
        pickle.dumps(answer)
        return answer
    except Exception as error:
        return False, " ".join(f"{type(error).__name__}: {error}".split())
