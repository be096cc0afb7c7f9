"""A real Dask scheduler and its workers, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

SCHEDULER = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
WORKER = ("distributed.cli.dask_worker", "--nthreads", "1", "--no-dashboard", "--no-nanny")

Process = subprocess.Popen[bytes]


@contextmanager
def dask_cluster(directory: Path, workers: int) -> Iterator[tuple[str, Process, list[Process]]]:
    """The address of a scheduler, its process, and its worker processes. They write to ``directory``."""
    file = directory / "scheduler.json"
    file.unlink(missing_ok=True)
    environment = os.environ | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60s"}

    def start(*arguments: str) -> Process:
        return subprocess.Popen([sys.executable, "-m", *arguments], env=environment, cwd=directory, stderr=subprocess.DEVNULL)

    scheduler = start(*SCHEDULER, "--scheduler-file", str(file))
    started: list[Process] = []
    try:
        address = _address(file)
        for _ in range(workers):
            started.append(start(*WORKER, "--local-directory", str(directory), address))
        yield address, scheduler, started
    finally:
        for process in (*started, scheduler):
            process.kill()
            process.wait()


def _address(file: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if file.exists() and (text := file.read_bytes()).strip():
            address: str = msgspec.json.decode(text)["address"]
            return address
        time.sleep(0.1)
    raise AssertionError("the scheduler didn't begin")
