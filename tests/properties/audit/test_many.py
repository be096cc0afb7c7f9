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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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
from sendright.properties.audit.audit import Log
from sendright.properties.audit.many import Group, WorkersDied, audit_logs

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


def _dies(group: Group, questions: object, report: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.heavy
def test_a_group_on_which_every_process_dies(groups: list[Group], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "_work", _dies)
    with pytest.raises(WorkersDied, match="every process that worked on it died"):
        audit_logs(groups[:2], jobs=2)


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
