"""A Dask cluster as a pool: each of its workers lets processes of its own machine work, one for each of its threads."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from typing import Any, Generic

from sendright.mach.extensions import prepared
from sendright.mach.interrupt import POLL, stop_if_interrupted
from sendright.model.proof.processes.cluster import Cluster, Watch, own_version, result_of, wait_for_workers
from sendright.model.proof.processes.workers import Lost
from sendright.properties.distribution.pool import AHEAD, Answer, Failed, Item, WorkersDied, with_extensions
from sendright.properties.distribution.there import Refused, work_there

ROOTS = ("sendright.properties.check", "sendright.properties.scripts.replay", "sendright.cli.implementations", "sendright.model.execution.oracle")
"""What workers must have in the same version."""


class ClusterLost(WorkersDied):
    """The cluster is gone, or has no workers. The message is one line."""


class ClusterPool(Generic[Item, Answer]):
    """The workers of a cluster. ``prepare`` and all items must be picklable."""

    def __init__(self, on: Cluster, prepare: Callable[[], Callable[[Item], Answer]]) -> None:
        """As ``Processes``. Raises NoCluster if the cluster has no workers, after a few seconds."""
        self._on = on
        self._watch = Watch(on)
        self._setting = pickle.dumps((os.getcwd(), partial(with_extensions, prepared(), prepare)))
        self._version = own_version(*ROOTS)
        self._waiting: dict[Future[bytes], Item] = {}
        workers = wait_for_workers(on)
        self._most = AHEAD * workers

    @property
    def room(self) -> int:
        """As ``Pool.room``."""
        return self._most - len(self._waiting)

    @property
    def busy(self) -> bool:
        """As ``Pool.busy``."""
        return bool(self._waiting)

    def give(self, item: Item) -> None:
        """As ``Pool.give``."""
        future = self._on.executor.submit(work_there, self._version, ROOTS, self._setting, pickle.dumps(item))
        self._waiting[future] = item

    def answers(self) -> list[tuple[Item, Answer | Lost]]:
        """As ``Pool.answers``. Raises ClusterLost."""
        stop_if_interrupted()
        done, _ = wait(self._waiting, POLL, FIRST_COMPLETED)
        problem = self._watch.problem(bool(done))
        if problem is not None:
            raise ClusterLost(problem)
        return [(self._waiting.pop(future), self._answer(future)) for future in done]

    def _answer(self, future: Future[bytes]) -> Any:
        try:
            found = result_of(future, Lost(self._watch.gone))
        except Refused as error:
            return Lost(str(error))
        if isinstance(found, Lost):
            if found.words == self._watch.gone:
                raise ClusterLost(found.words)
            return found
        good, answer = pickle.loads(found)
        if not good:
            raise Failed(answer)
        return answer

    def end(self) -> None:
        """As ``Pool.end``: what hasn't begun isn't begun."""
        for future in self._waiting:
            future.cancel()
        self._waiting.clear()
