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
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha256
from typing import Any, TypeVar

import z3

from sendright.mach.extensions import Prepared, prepared
from sendright.mach.interrupt import POLL, stop_if_interrupted
from sendright.model.proof.processes.greeting import TIMEOUT, NoCluster, greeted
from sendright.model.proof.processes.workers import Lost
from sendright.model.proof.solver.own_source import sources

Item = TypeVar("Item")
Answer = TypeVar("Answer")

ATTEMPTS = 3
"""How often an item is tried on a cluster, if the process that works on it dies."""


LOOK = 1.0
"""Seconds between two looks whether there are workers."""

ASK = 2.0
"""Seconds that the scheduler has for an answer to that."""

WITHOUT_WORKERS = 5.0
"""Seconds after which the work is given up if there are none."""

WITHOUT_ANSWER = 8.0
"""Seconds after which the work is given up if the scheduler doesn't answer, and no result comes."""


class OtherSendright(Exception):
    """A worker has another version of sendright, so what it proves says nothing here. The message is one line."""


@dataclass(frozen=True)
class Cluster:
    """A connection to a Dask scheduler."""

    address: str
    executor: Executor
    is_connected: Callable[[], bool]
    """Whether the connection to the scheduler is still the same."""
    workers: Callable[[], int | None]
    """How many workers the scheduler has; None: it doesn't answer, as it is busy or gone."""


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """The Dask cluster at ``address``. Its workers need this package. Raises NoCluster, after a few seconds at most."""
    greeted(address)
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise NoCluster(f"{address}: needs the package distributed (pip install distributed)") from error
    _silence("distributed", "tornado", "asyncio")
    if address.startswith(("tls", "wss")):
        _needs_certificates(address)
    client = _client(address)
    try:
        yield Cluster(address, client.get_executor(pure=False, retries=ATTEMPTS), lambda: client.status == "running", partial(_workers, client))
    finally:
        with contextlib.suppress(Exception):  # the scheduler may be gone, and it doesn't matter any more
            client.close(timeout=1)


def _needs_certificates(address: str) -> None:
    """Raises NoCluster if Dask has none for its encrypted connections."""
    from distributed.security import Security

    try:
        context = Security().get_connection_args("client").get("ssl_context")
    except Exception as error:  # what can be wrong with a certificate has many names
        raise NoCluster(f"{address}: Dask's certificates can't be used: {' '.join(str(error).split())} (see distributed.comm.tls)") from error
    if context is None:
        raise NoCluster(f"{address}: needs certificates (name them in Dask's configuration, distributed.comm.tls)")


def _client(address: str) -> Any:
    """A client of the scheduler at ``address``. Raises NoCluster; also if Dask takes too long, which it may."""
    made: Future[Any] = Future()

    def make() -> None:
        from distributed import Client

        try:
            client = Client(address, timeout=TIMEOUT, set_as_default=False)
        except Exception as error:  # what it can't do, it says in many ways
            made.set_result(error)
            return
        if made.set_running_or_notify_cancel():
            made.set_result(client)
        else:  # the caller waits for it no more
            client.close(timeout=1)

    threading.Thread(target=make, daemon=True).start()
    wait([made], 2 * TIMEOUT)
    found = TimeoutError("it doesn't answer") if made.cancel() else made.result()
    if isinstance(found, Exception):
        words = " ".join(str(found).split()) or type(found).__name__
        raise NoCluster(f"{address}: no Dask scheduler answers there: {words} (start one, or check the address)") from found
    return found


def _silence(*names: str) -> None:
    """Let these packages log nothing: what goes wrong is reported once, by sendright."""
    for name in (*names, *logging.root.manager.loggerDict):
        if name.partition(".")[0] in names:
            logger = logging.getLogger(name)
            logger.handlers[:], logger.propagate = [logging.NullHandler()], False


def _workers(client: Any) -> int | None:
    try:
        return len(client.sync(client.scheduler.ncores, callback_timeout=ASK))
    except Exception:  # whatever goes wrong, it doesn't say
        return None


def wait_for_workers(on: Cluster) -> int:
    """How many workers the cluster has, once it has one. Raises NoCluster if it has none for a while."""
    watch = Watch(on)
    while not (workers := on.workers()):
        stop_if_interrupted()
        problem = watch.problem()
        if problem is not None:
            raise NoCluster(problem)
        time.sleep(POLL)
    return workers


class Watch:
    """Whether a cluster is still there: asked now and then while one waits for it."""

    def __init__(self, on: Cluster) -> None:
        self._on = on
        self._looked = self._seen = self._answered = time.monotonic()
        self.gone = f"the Dask scheduler at {on.address} is gone"
        self.idle = f"the Dask scheduler at {on.address} has had no workers for {WITHOUT_WORKERS:g} s"
        self.silent = f"the Dask scheduler at {on.address} has not answered for {WITHOUT_ANSWER:g} s"

    def problem(self, something_was_done: bool = False) -> str | None:
        """What is wrong, in words; None: nothing."""
        if not self._on.is_connected():
            return self.gone
        now = time.monotonic()
        if something_was_done:
            self._seen = self._answered = now
        elif now > self._looked + LOOK:
            workers = self._on.workers()
            self._looked = time.monotonic()
            if workers is None:
                return self.silent if self._looked > self._answered + WITHOUT_ANSWER else None
            self._answered = self._looked
            if workers:
                self._seen = self._looked
            elif self._looked > self._seen + WITHOUT_WORKERS:
                return self.idle
        return None


def in_cluster(function: Callable[[Item], Answer], items: Sequence[Item], on: Cluster) -> Iterator[tuple[Item, Answer | Lost]]:
    """Yield every item with the result of ``function``, as the results come, computed by the workers of a cluster.

    ``function`` and the items must be picklable. What ``function`` raises is raised here, and KeyboardInterrupt after
    Ctrl-C; then, and when the caller no longer asks for more, the rest is cancelled.
    """
    watch = Watch(on)
    gone = Lost(watch.gone)
    waiting: dict[Future[Answer], Item] = {}
    version, needed = own_version(), prepared()
    try:
        for item in items:
            waiting[on.executor.submit(_work, version, needed, function, item)] = item
        why: str | None = None
        while waiting and why is None:
            stop_if_interrupted()
            done, _ = wait(waiting, POLL, FIRST_COMPLETED)
            why = watch.problem(bool(done))
            for future in done:
                yield waiting.pop(future), result_of(future, gone)
        for future in list(waiting):
            future.cancel()
            yield waiting.pop(future), Lost(why or watch.gone)
    finally:
        for future in waiting:
            future.cancel()


def result_of(future: Future[Any], gone: Lost) -> Any:
    """The result of a future that is done; ``Lost`` if the cluster is the reason why there is none."""
    try:
        return future.result()
    except CancelledError:
        return gone
    except OtherSendright as error:
        return Lost(str(error))
    except BrokenExecutor as error:
        return Lost(" ".join(str(error).split()))
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
def own_version(*roots: str) -> str:
    """A hash of all that decides an item: the source of these modules and of all that they import (if none is named,
    of the prover and the specification), Python, z3."""
    parts = [z3.get_full_version(), sys.version, str(sys.flags.optimize)]
    for root in roots or ("sendright.model.proof.obligations",):
        parts += [f"{name}\n{source}" for name, source in sources(root).items()]
    return sha256("".join(f"{len(part)}\n{part}" for part in parts).encode()).hexdigest()
