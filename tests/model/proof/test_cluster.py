"""Proofs on a Dask cluster: the same result, and whatever goes wrong there is reported as what it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from support.dask import Process, dask_cluster
from support.places import SENDRIGHT

from sendright.cli.main import main
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.results.checks import Obligation, ProofResult
from sendright.mach.results.verdicts import Verdict
from sendright.model.proof.processes import cluster as clusters
from sendright.model.proof.processes import greeting
from sendright.model.proof.processes.cluster import Cluster, connected, in_cluster
from sendright.model.proof.processes.greeting import NoCluster
from sendright.model.proof.processes.workers import Lost
from sendright.model.proof.prove import prove


def fake(executor: Executor, is_connected: bool = True, workers: int | None = 1) -> Cluster:
    """A cluster of threads."""
    return Cluster("tcp://there", executor, lambda: is_connected, lambda: workers)


def double(number: int) -> int:
    if number == 3:
        raise KilledWorker
    if number == 4:
        raise ModuleNotFoundError("No module named 'sendright'")
    if number == 5:
        raise ZeroDivisionError("five")
    if number == 6:
        raise CancelledError
    return 2 * number


class KilledWorker(Exception):
    """Dask's exception of that name says that several workers died."""


def test_what_is_lost_is_told_apart() -> None:
    with ThreadPoolExecutor(2) as executor:
        answers = dict(in_cluster(double, [1, 2, 3, 4, 6], fake(executor)))
        assert (answers[1], answers[2]) == (2, 4)
        assert answers[3] == Lost("all Dask workers that worked on it died")
        assert isinstance(answers[4], Lost)
        assert "No module named 'sendright' (install sendright for the workers)" in answers[4].words
        assert answers[6] == Lost("the Dask scheduler at tcp://there is gone")
        with pytest.raises(ZeroDivisionError, match="five"):
            list(in_cluster(double, [5], fake(executor)))


def test_another_sendright_proves_nothing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = iter(["the client's", "the worker's"])
    monkeypatch.setattr(clusters, "own_version", lambda: next(versions))
    with ThreadPoolExecutor(1) as executor:
        [(_, lost)] = in_cluster(double, [1], fake(executor))
    assert isinstance(lost, Lost)
    assert lost.words == "a Dask worker has another version of sendright, Python or z3 (install the same on all machines)"


class _Never(Executor):
    """An executor that does nothing."""

    def __init__(self) -> None:
        self.cancelled = 0

    def submit(self, *_: Any, **__: Any) -> Future[Any]:  # type: ignore[override]
        future: Future[Any] = Future()
        future.add_done_callback(lambda done: setattr(self, "cancelled", self.cancelled + done.cancelled()))
        return future


def test_a_scheduler_that_is_gone_is_not_waited_for() -> None:
    executor = _Never()
    answers = dict(in_cluster(double, [1, 2], fake(executor, is_connected=False)))
    assert set(answers.values()) == {Lost("the Dask scheduler at tcp://there is gone")}
    assert executor.cancelled == 2


def test_a_cluster_without_workers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "LOOK", 0.05)
    monkeypatch.setattr(clusters, "WITHOUT_WORKERS", 0.1)
    answers = dict(in_cluster(double, [1, 2], fake(_Never(), workers=0)))
    assert set(answers.values()) == {Lost("the Dask scheduler at tcp://there has had no workers for 0.1 s")}


def test_a_scheduler_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "LOOK", 0.05)
    monkeypatch.setattr(clusters, "WITHOUT_WORKERS", 0)
    monkeypatch.setattr(clusters, "WITHOUT_ANSWER", 0.1)
    answers = dict(in_cluster(double, [1, 2], fake(_Never(), workers=None)))
    assert set(answers.values()) == {Lost("the Dask scheduler at tcp://there has not answered for 0.1 s")}


def test_a_client_that_comes_too_late_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up, closed = threading.Event(), threading.Event()

    class Late:
        def __init__(self, *_: object, **__: object) -> None:
            given_up.wait(60)

        def close(self, timeout: float) -> None:
            closed.set()

    distributed = ModuleType("distributed")
    distributed.Client = Late  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "distributed", distributed)
    monkeypatch.setattr(clusters, "TIMEOUT", 0.01)
    with pytest.raises(NoCluster, match="it doesn't answer"):
        clusters._client("tcp://there")
    given_up.set()
    assert closed.wait(60)


def test_what_is_left_is_cancelled() -> None:
    executor = _Never()
    answers = in_cluster(double, [1, 2, 3], fake(executor))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clusters, "stop_if_interrupted", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            next(answers)
    assert executor.cancelled == 3


def _interrupted() -> None:
    raise KeyboardInterrupt


def test_the_version_covers_the_specification() -> None:
    named = clusters.sources("sendright.model.proof.obligations")
    assert {"sendright.model.calls.tasks", "sendright.model.invariants.rights", "sendright.model.proof.counterexamples.refute"} <= set(named)


# ---- the command


@pytest.mark.parametrize(
    ("options", "words", "status"),
    [
        (["--on", "tcp://127.0.0.1:9"], "--on: tcp://127.0.0.1:9: no Dask scheduler answers there", 3),
        (["--on", "nowhere://x"], "--on: nowhere://x: not the address of a Dask scheduler", 2),
        (["--on", "tcp://127.0.0.1:99999"], "--on: tcp://127.0.0.1:99999: not the address of a Dask scheduler", 2),
        (["--on", "tcp://127.0.0.1:9", "--cache", "proofs"], "--cache: a cluster uses no cache", 2),
    ],
)
def test_no_cluster(
    options: list[str], words: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(greeting, "TIMEOUT", 1)
    assert main(["prove", "--call", "mach_port_type", *options]) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"sendright: {words}")
    assert not list(tmp_path.iterdir())


# ---- real ones


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[tuple[str, Process, list[Process]]]:
    pytest.importorskip("distributed")
    (tmp_path / "dask").mkdir()
    with dask_cluster(tmp_path / "dask", 2) as found:
        yield found


def timeless(result: ProofResult) -> list[Obligation]:
    return [msgspec.structs.replace(one, seconds=0.0) for one in result.obligations]


@pytest.mark.heavy
def test_a_worker_is_killed_and_the_result_is_the_same(dask: tuple[str, Process, list[Process]]) -> None:
    address, _, workers = dask
    chosen = {"calls": ["mach_port_insert_right"], "invariants": [8, 22]}
    with connected(address) as on:
        killed: list[int] = []

        def kill(done: int, total: int, words: str) -> None:
            if not killed:
                workers[0].kill()
                killed.append(done)

        result = prove(MANUAL, **chosen, on=on, on_progress=kill)  # type: ignore[arg-type]
    assert killed
    assert result.verdict is Verdict.PROVED
    assert timeless(result) == timeless(prove(MANUAL, **chosen, jobs=0))  # type: ignore[arg-type]


@pytest.mark.heavy
def test_the_scheduler_is_killed_and_what_was_proved_is_kept(dask: tuple[str, Process, list[Process]], tmp_path: Path) -> None:
    address, scheduler, _ = dask
    command = [*SENDRIGHT, "prove", "--call", "mach_msg_send", "--on", address, "--json", "--smtlib", "questions", "--second-solver", "cvc5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("questions/*.smt2")) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(scheduler.pid, signal.SIGKILL)
        out, err = process.communicate(timeout=120)
    data = json.loads(out)
    assert (process.returncode, data["verdict"]) == (3, "CRASHED")
    (line,) = err.splitlines()
    assert line.startswith("sendright: ")
    assert f"proof tasks are not decided: the Dask scheduler at {address} is gone" in line
    assert {"PROVED", "CRASHED"} == {one["verdict"] for one in data["obligations"]}
    assert any(one["second"] and one["second"]["verdict"] == "PROVED" for one in data["obligations"])
    assert json.loads((tmp_path / "questions" / "index.json").read_bytes())["scripts"]
