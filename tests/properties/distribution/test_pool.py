"""Pools: every item gets its answer, whatever happens to the processes."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from sendright.model.proof.processes.cluster import Cluster
from sendright.model.proof.processes.workers import Lost
from sendright.properties.distribution import cluster_pool
from sendright.properties.distribution.cluster_pool import ClusterPool
from sendright.properties.distribution.pool import AHEAD, Failed, Processes, answers_of
from sendright.properties.distribution.there import Refused


def doubling() -> Callable[[int], int]:
    return lambda number: 2 * number


def test_every_item_has_its_answer() -> None:
    assert sorted(answers_of(Processes(doubling, 3), iter(range(50)))) == [(number, 2 * number) for number in range(50)]


def test_a_pool_holds_little() -> None:
    taken: list[int] = []

    def items() -> object:
        for number in range(1000):
            taken.append(number)
            yield number

    answers = answers_of(Processes(doubling, 2), items())  # type: ignore[arg-type]
    next(answers)
    assert len(taken) <= 2 * AHEAD * 2
    answers.close()  # type: ignore[attr-defined]


def dying() -> Callable[[int], int]:
    def work(number: int) -> int:
        if number == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    return work


def test_only_the_item_is_lost_whose_program_died_on_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(version: str, roots: object, setting: bytes, item: bytes) -> bytes:
        number = pickle.loads(item)
        if number == 3:
            raise Refused("a process of a Dask worker died with status -9")
        return pickle.dumps((True, 2 * number))

    monkeypatch.setattr(cluster_pool, "work_there", work)
    with ThreadPoolExecutor(2) as executor:
        on = Cluster("tcp://there", executor, lambda: True, lambda: 2)
        found = dict(answers_of(ClusterPool(on, os.getpid), iter(range(6))))  # type: ignore[arg-type]
    assert found.pop(3) == Lost("a process of a Dask worker died with status -9")
    assert found == {number: 2 * number for number in (0, 1, 2, 4, 5)}


def test_only_what_kills_is_lost() -> None:
    found = dict(answers_of(Processes(dying, 2), iter(range(20))))
    assert found.pop(7) == Lost("the processes that worked on it died, the last one with SIGKILL")
    assert found == {number: number for number in range(20) if number != 7}


def failing() -> Callable[[int], int]:
    def work(number: int) -> int:
        raise ValueError(f"not\n{number}")

    return work


def unprepared() -> Callable[[int], int]:
    raise RuntimeError("no kernel")


def unpicklable() -> Callable[[int], object]:
    return lambda number: lambda: number


@pytest.mark.parametrize(("prepare", "words"), [(failing, "ValueError: not 1"), (unprepared, "RuntimeError: no kernel"), (unpicklable, "pickle")])
def test_an_error_is_told(prepare: Callable[[], Callable[[int], int]], words: str) -> None:
    with pytest.raises(Failed, match=words):
        list(answers_of(Processes(prepare, 1), iter([1])))
