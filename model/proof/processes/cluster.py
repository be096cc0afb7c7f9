"""Work on a Dask cluster.

A worker that dies loses nothing: Dask gives its work to another one. What no worker finishes, because they all die or
because the scheduler is gone, is reported as lost, and all else is kept.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha256
from typing import Any, TypeVar

import z3

from sendright.mach.extensions import Prepared, prepared
from sendright.mach.interrupt import POLL, stop_if_interrupted
from sendright.model.proof.processes.workers import Lost
from sendright.model.proof.solver.own_source import sources

Item = TypeVar("Item")
Answer = TypeVar("Answer")

ATTEMPTS = 3
"""How often an item is tried on a cluster, if the process that works on it dies."""


TIMEOUT = 10
"""Seconds after which no scheduler answers."""

LOOK = 5.0
"""Seconds between two looks whether there are workers."""

WITHOUT_WORKERS = 30.0
"""Seconds after which the work is given up if there are none."""


class NoCluster(Exception):
    """There is no cluster at an address. The message is one line."""


class OtherSendright(Exception):
    """A worker has another version of sendright, so what it proves says nothing here. The message is one line."""


@dataclass(frozen=True)
class Cluster:
    """A connection to a Dask scheduler."""

    address: str
    executor: Executor
    is_connected: Callable[[], bool]
    """Whether the connection to the scheduler is still the same."""
    workers: Callable[[], int]
    """How many workers the scheduler has; 0 if it doesn't answer."""


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """The Dask cluster at ``address``. Its workers need this package. Raises NoCluster."""
    try:
        from distributed import Client
    except ImportError as error:
        raise NoCluster(f"{address}: needs the package distributed (pip install 'sendright[distributed]')") from error
    _silence("distributed", "tornado", "asyncio")
    try:
        client: Any = Client(address, timeout=TIMEOUT)
    except (OSError, ValueError, TimeoutError) as error:
        raise NoCluster(f"{address}: no Dask scheduler answers there: {' '.join(str(error).split()) or type(error).__name__}") from error
    try:
        yield Cluster(address, client.get_executor(pure=False, retries=ATTEMPTS), lambda: client.status == "running", partial(_workers, client))
    finally:
        with contextlib.suppress(Exception):  # the scheduler may be gone, and it doesn't matter any more
            client.close(timeout=1)


def _silence(*names: str) -> None:
    """Let these packages log nothing: what goes wrong is reported once, by sendright."""
    for name in (*names, *logging.root.manager.loggerDict):
        if name.partition(".")[0] in names:
            logger = logging.getLogger(name)
            logger.handlers[:], logger.propagate = [logging.NullHandler()], False


def _workers(client: Any) -> int:
    try:
        return len(client.sync(client.scheduler.ncores, callback_timeout=LOOK))
    except Exception:  # whatever goes wrong, it doesn't say
        return 0


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """The Dask cluster at ``address`` as an executor. Raises NoCluster."""
    with connected(address) as found:
        yield found.executor


def in_cluster(function: Callable[[Item], Answer], items: Sequence[Item], on: Cluster) -> Iterator[tuple[Item, Answer | Lost]]:
    """Yield every item with the result of ``function``, as the results come, computed by the workers of a cluster.

    ``function`` and the items must be picklable. What ``function`` raises is raised here, and KeyboardInterrupt after
    Ctrl-C; then, and when the caller no longer asks for more, the rest is cancelled.
    """
    gone = Lost(f"the Dask scheduler at {on.address} is gone")
    idle = Lost(f"the Dask scheduler at {on.address} has had no workers for {WITHOUT_WORKERS:g} s")
    waiting: dict[Future[Answer], Item] = {}
    version, needed = own_version(), prepared()
    try:
        for item in items:
            waiting[on.executor.submit(_work, version, needed, function, item)] = item
        looked = seen = time.monotonic()
        why: Lost | None = None
        while waiting and why is None:
            stop_if_interrupted()
            done, _ = wait(waiting, POLL, FIRST_COMPLETED)
            if not on.is_connected():
                why = gone
            elif done:
                seen = time.monotonic()
            elif time.monotonic() > looked + LOOK:
                looked = time.monotonic()
                if on.workers():
                    seen = looked
                elif looked > seen + WITHOUT_WORKERS:
                    why = idle
            for future in done:
                yield waiting.pop(future), _result(future, gone)
        for future in list(waiting):
            future.cancel()
            yield waiting.pop(future), why or gone
    finally:
        for future in waiting:
            future.cancel()


def _result(future: Future[Any], gone: Lost) -> Any:
    try:
        return future.result()
    except CancelledError:
        return gone
    except OtherSendright as error:
        return Lost(str(error))
    except ImportError as error:
        return Lost(f"a Dask worker can't work on it: {' '.join(str(error).split())} (install sendright for the workers)")
    except Exception as error:
        if type(error).__name__ == "KilledWorker":  # Dask's, whose package may be missing
            return Lost("all Dask workers that worked on it died")
        raise


_one_at_a_time = threading.Lock()
"""z3 works for one thread of a process at a time."""


def _work(version: str, needed: Prepared, function: Callable[[Item], Answer], item: Item) -> Answer:
    """What a worker does. It first adds what its client has."""
    with _one_at_a_time:
        if own_version() != version:
            raise OtherSendright("a Dask worker has another version of sendright, Python or z3 (install the same on all machines)")
        needed.here()
        return function(item)


@cache
def own_version() -> str:
    """A hash of all that decides a proof task: the source of the prover and the specification, Python, z3."""
    parts = [z3.get_full_version(), sys.version, str(sys.flags.optimize)]
    parts += [f"{name}\n{source}" for name, source in sources("sendright.model.proof.obligations").items()]
    return sha256("".join(f"{len(part)}\n{part}" for part in parts).encode()).hexdigest()
