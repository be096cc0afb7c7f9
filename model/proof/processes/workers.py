"""Work in several processes.

If one dies, the others' work isn't lost. All end when their parent no longer waits for them.
"""

from __future__ import annotations

import contextlib
import gc
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

import msgspec

from sendright.mach.extensions import PluginError, Prepared, prepared
from sendright.mach.interrupt import POLL, children_ignore_interrupts, stop_if_interrupted
from sendright.mach.keeper import be_ready_to_keep, keep_process, let_go

Item = TypeVar("Item")
Answer = TypeVar("Answer")

ATTEMPTS = 2
"""How often an item is tried, if the process that works on it dies."""


SELDOM = 200_000
"""After how many new objects a worker looks for garbage in cycles. Terms are many and in no cycles."""


class Lost(msgspec.Struct, frozen=True):
    """No answer: what worked on the item died."""

    words: str
    """How, in a sentence without its end."""


class _Notes:
    """What hears the notes of this process."""

    listener: Callable[[str], object] | None = None


def note(words: str) -> None:
    """Say what this process does now, for the line that shows progress: something that can take seconds."""
    if _Notes.listener is not None:
        _Notes.listener(words)


@contextlib.contextmanager
def hearing(on_note: Callable[[str], object]) -> Iterator[None]:
    """``on_note`` gets what is noted in the block, in this process."""
    before, _Notes.listener = _Notes.listener, on_note
    try:
        yield
    finally:
        _Notes.listener = before


class _Worker(Generic[Item]):
    """A process, and the item that it works on."""

    def __init__(self, function: Callable[[Item], object]) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(theirs, prepared(), function), daemon=True)
        resource_tracker.ensure_running()  # or else it is started next, and takes the block off SIGINT
        be_ready_to_keep()
        with children_ignore_interrupts():
            self.process.start()
        assert self.process.pid is not None
        self._pid = self.process.pid
        keep_process(self._pid)
        theirs.close()
        self.item: Item

    def give(self, item: Item) -> None:
        self.item = item
        with contextlib.suppress(OSError):  # if it has died, that shows when its answer is waited for
            self.connection.send(item)

    def end(self) -> str:
        """Kill it, if it hasn't died; how it died, in words."""
        self.process.kill()
        self.process.join()
        let_go(self._pid)
        self.connection.close()
        status = self.process.exitcode or 0
        return signal.Signals(-status).name if -status in set(signal.Signals) else f"exit status {status}"


def in_workers(
    function: Callable[[Item], Answer],
    items: Sequence[Item],
    jobs: int,
    on_wait: Callable[[], object] = lambda: None,
    on_note: Callable[[str], object] = lambda words: None,
) -> Iterator[tuple[Item, Answer | Lost]]:
    """Yield every item with the result of ``function``, as the results come, computed by ``jobs`` processes.

    ``on_wait`` is called now and then while they work. ``on_note`` gets what they ``note``.

    ``function`` and the items must be picklable. What ``function`` raises is raised here, and KeyboardInterrupt after
    Ctrl-C; then, and when the caller no longer asks for more, the processes are killed.
    """
    left = deque(items)
    attempts: Counter[int] = Counter()
    busy: dict[Connection, _Worker[Item]] = {}

    def start(worker: _Worker[Item] | None) -> None:
        if left:
            worker = worker or _Worker(function)
            worker.give(left.popleft())
            busy[worker.connection] = worker
        elif worker is not None:
            worker.end()

    try:
        for _ in range(jobs):
            start(None)
        while busy:
            stop_if_interrupted()
            on_wait()
            for ready in wait(list(busy), POLL):
                assert isinstance(ready, Connection)
                worker = busy.pop(ready)
                try:
                    good, answer = ready.recv()
                except (EOFError, OSError):
                    item, how = worker.item, worker.end()
                    attempts[id(item)] += 1
                    if attempts[id(item)] < ATTEMPTS:
                        left.appendleft(item)
                    else:
                        yield item, Lost(f"the processes that worked on it died, the last one with {how}")
                    start(None)
                    continue
                if good is None:
                    busy[ready] = worker
                    on_note(answer)
                    continue
                if not good:
                    worker.end()
                    raise answer
                item = worker.item
                start(worker)
                yield item, answer
    finally:
        for worker in busy.values():
            worker.end()


def _send_note(connection: Connection, words: str) -> None:
    with contextlib.suppress(OSError):  # if the parent is gone, that shows when the answer is sent
        connection.send((None, words))


def _serve(connection: Connection, needed: Prepared, function: Callable[[Item], object]) -> None:
    """A worker's loop: answer until the parent closes the connection. It first adds what its parent has."""
    gc.freeze()
    gc.set_threshold(SELDOM)
    _Notes.listener = partial(_send_note, connection)
    wrong: PluginError | None = None
    try:
        needed.here()
    except PluginError as error:
        wrong = error
    while True:
        try:
            item = connection.recv()
        except (EOFError, OSError):
            return
        try:
            if wrong is not None:
                raise wrong
            answer: tuple[bool, object] = True, function(item)
        except Exception as error:
            answer = False, error
        try:
            connection.send(answer)
        except OSError:  # the parent is gone
            return
