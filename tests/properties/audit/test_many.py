"""Many logs at once: on processes and on a real Dask cluster, of which a worker is killed in the middle. The result is
always the same.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.dask import dask_cluster
from support.synthesized import write_log

from sendright.impl.synthesis.plants import PLANTS
from sendright.mach.results.audits import AuditResult
from sendright.mach.results.verdicts import Verdict
from sendright.model.proof.processes import greeting
from sendright.model.proof.processes.cluster import Watch, connected
from sendright.model.proof.processes.greeting import NoCluster
from sendright.properties.audit import many
from sendright.properties.audit.audit import Log, audit_group
from sendright.properties.audit.many import Group, audit_logs

HOSTS = 4


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory) -> list[Group]:
    directory = tmp_path_factory.mktemp("hosts")
    plants = sorted(PLANTS)
    paths = [write_log(directory / f"host-{number}.json", 4_000, number, [plants[number]] if number % 2 else []) for number in range(HOSTS)]
    return [(Log(str(path)),) for path in paths]


@pytest.fixture(scope="module")
def expected(groups: list[Group]) -> AuditResult:
    return timeless(audit_logs(groups, jobs=1))


def timeless(result: AuditResult) -> AuditResult:
    """A result without what isn't the same twice."""
    same = tuple(msgspec.structs.replace(group, seconds=0.0) for group in result.groups)
    return msgspec.structs.replace(result, seconds=0.0, groups=same)


def test_in_this_process(expected: AuditResult) -> None:
    assert expected.verdict is Verdict.FAILED
    assert {finding.group for finding in expected.findings if finding.severity} == {1, 3}


def test_on_processes(groups: list[Group], expected: AuditResult) -> None:
    told: list[tuple[float, float | None, str]] = []
    result = audit_logs(groups, jobs=2, on_progress=lambda *what: told.append(what))
    assert timeless(result) == expected
    done, total, words = told[-1]
    assert done == total == sum(Path(log.path).stat().st_size for group in groups for log in group)
    assert "MB/s" in words
    assert f"{HOSTS} of {HOSTS} logs done" in words


def test_on_any_executor(groups: list[Group], expected: AuditResult) -> None:
    with ThreadPoolExecutor(2) as executor:
        assert timeless(audit_logs(groups, executor=executor)) == expected


def children_of(parent: int) -> list[int]:
    """The processes that ``parent`` has started and that work on something."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(fields[1]) == parent and b"spawn_main" in command:
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc to find the worker in")
def test_a_process_that_is_killed_takes_nothing_along(groups: list[Group], expected: AuditResult) -> None:
    killed: list[int] = []

    def kill() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not killed:
            for child in children_of(os.getpid()):
                os.kill(child, signal.SIGKILL)
                killed.append(child)
                return
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    result = audit_logs(groups, jobs=2)
    killer.join()
    assert killed
    assert timeless(result) == expected


def _dies(group: Group, questions: tuple[()], report: str) -> many.AuditedGroup:
    """Kills its process over the log of host 2."""
    if group[0].path.endswith("host-2.json"):
        os.kill(os.getpid(), signal.SIGKILL)
    return audit_group(group, questions)


def without_host_2(result: AuditResult, expected: AuditResult) -> str:
    """That ``result`` has all but what is of host 2, which is lost; why it is."""
    found = timeless(result)
    assert found.groups[2].lost
    assert found.lost
    assert [*found.groups[:2], found.groups[3]] == [*expected.groups[:2], expected.groups[3]]
    assert found.findings == tuple(finding for finding in expected.findings if finding.group != 2)
    [words] = found.groups[2].refused
    return words


def test_a_group_on_which_every_process_dies(groups: list[Group], expected: AuditResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "_work", _dies)
    words = without_host_2(audit_logs(groups, jobs=2), expected)
    assert words == f"{groups[2][0].path}: the processes that worked on it died, the last one with SIGKILL (is there enough memory?)"


def test_a_process_of_an_executor_dies(groups: list[Group], expected: AuditResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "_work", _dies)
    with ProcessPoolExecutor(1, get_context("fork")) as executor:
        result = audit_logs(groups, executor=executor)
    assert [group.lost for group in result.groups[2:]] == [True, True], "the executor is broken from then on"
    assert timeless(result).groups[:2] == expected.groups[:2]
    assert "terminated abruptly" in result.groups[2].refused[0]


def test_a_cluster_that_is_gone_takes_along_only_what_was_not_done(groups: list[Group]) -> None:
    done: list[bool] = []

    def problem(something_was_done: bool) -> str | None:
        done.append(something_was_done)
        return "the cluster is gone" if something_was_done else None

    hangs = threading.Event()

    class Half(ThreadPoolExecutor):
        """It does the first thing only."""

        def submit(self, *arguments: Any, **more: Any) -> Any:
            return super().submit(*arguments, **more) if self._work_queue.empty() and not self._threads else super().submit(hangs.wait)

    with Half(4) as executor:
        result = audit_logs(groups[:2], executor=executor, problem=problem)
        hangs.set()
    assert (result.verdict, result.lost) == (Verdict.UNDETERMINED, True)
    assert [group.lost for group in result.groups] == [False, True]
    assert result.groups[0].records > 0
    assert result.groups[1].refused == (f"{groups[1][0].path}: the cluster is gone",)


# ---- a cluster


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler, and its three worker processes."""
    pytest.importorskip("distributed")
    with dask_cluster(tmp_path, 3) as (address, _, workers):
        yield address, workers


@pytest.mark.heavy
def test_on_a_cluster_of_which_a_worker_is_killed(
    groups: list[Group], expected: AuditResult, dask: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, workers = dask
    with connected(address) as on:
        executor = on.executor
        client = executor._client  # type: ignore[attr-defined]
        client.wait_for_workers(3, timeout=60)
        killed: list[int] = []

        def kill() -> None:
            """As soon as the first worker has something to do, it dies."""
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                busy = {worker: tasks for worker, tasks in client.processing().items() if tasks}
                if busy:
                    pids = client.run(os.getpid, workers=[next(iter(busy))])
                    os.kill(next(iter(pids.values())), signal.SIGKILL)
                    killed.extend(pids.values())
                    return
                time.sleep(0.02)

        killer = threading.Thread(target=kill)
        killer.start()
        result = audit_logs(groups, executor=executor, problem=Watch(on).problem)
        killer.join()
    assert killed
    assert killed[0] in {worker.pid for worker in workers}
    assert timeless(result) == expected


def test_no_cluster_at_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(greeting, "TIMEOUT", 1)
    with pytest.raises(NoCluster, match=r"tcp://127\.0\.0\.1:9: no Dask scheduler answers there"), connected("tcp://127.0.0.1:9"):
        pass
