"""``--on``: whatever is wrong with a cluster is said in one line, with status 3. The heavy tests also look whether that
takes less than ten seconds.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.dask import Process, dask_cluster
from support.places import ROOT, SENDRIGHT

from sendright.cli.main import main
from sendright.model.proof.processes import greeting

SCRIPT = str(ROOT / "tests" / "scripts" / "rights_and_messages.json")
LOG = str(ROOT / "tests" / "recordings" / "eslogger.jsonl")
COMMANDS = {
    "check": ["check", "-n", "1"],
    "replay": ["replay", SCRIPT],
    "prove": ["prove", "--call", "mach_port_type"],
    "audit": ["audit", LOG],
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def listener() -> Iterator[Callable[[bytes | None], str]]:
    """Starts what listens, and says these bytes to whoever connects, or nothing; gives its address."""
    opened: list[socket.socket] = []

    def listen(words: bytes | None) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        opened.append(server)

        def talk() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                opened.append(connection)
                if words is not None:
                    connection.sendall(words)
                    connection.close()

        threading.Thread(target=talk, daemon=True).start()
        return f"tcp://127.0.0.1:{server.getsockname()[1]}"

    yield listen
    for one in opened:
        one.close()


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a command says which must fail with status 3."""
    assert main(arguments) == 3
    [line] = capsys.readouterr().err.splitlines()
    return line


def soon_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The same, for heavy tests: it must come within ten seconds."""
    assert main([*arguments[:-1], "no address"]) == 2  # what it imports is there then, however busy the machine is
    capsys.readouterr()
    began = time.monotonic()
    line = refused(arguments, capsys)
    assert time.monotonic() - began < 10
    return line


@pytest.mark.heavy
@pytest.mark.parametrize("command", COMMANDS)
def test_a_silent_listener(command: str, listener: Callable[[bytes | None], str], capsys: pytest.CaptureFixture[str]) -> None:
    assert greeting.TIMEOUT <= 5
    assert "no Dask scheduler answers there: it was silent" in soon_refused([*COMMANDS[command], "--on", listener(None)], capsys)


@pytest.mark.parametrize("words", [b"", b"SSH-2.0-OpenSSH_9.9\r\n", b"x", b"\xff" * 64])
def test_something_else_listens(words: bytes, listener: Callable[[bytes | None], str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "no Dask scheduler answers there" in refused([*COMMANDS["check"], "--on", listener(words)], capsys)


def test_an_http_server(capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        line = refused([*COMMANDS["check"], "--on", f"tcp://127.0.0.1:{server.server_port}"], capsys)
        server.shutdown()
    assert "no Dask scheduler answers there" in line


@pytest.mark.parametrize(
    "address", ["x", "tcp://", "tcp://host", "tcp://host:0", "tcp://host:70000", "http://host:1", "tcp://a b:1", "tcp://host:1/x"]
)
def test_what_is_no_address(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMANDS["check"], "--on", address]) == 2
    assert f"--on: {address}: not the address of a Dask scheduler" in capsys.readouterr().err


def test_an_unknown_host(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(host: str, *_: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, f"{host} is unknown here")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    line = refused([*COMMANDS["check"], "--on", "tcp://no-such-host.invalid:8786"], capsys)
    assert "no Dask scheduler answers there: no-such-host.invalid is unknown here" in line


# ---- real clusters


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Callable[[int], tuple[str, Process, list[Process]]]]:
    pytest.importorskip("distributed")
    from contextlib import ExitStack

    (tmp_path / "dask").mkdir()
    with ExitStack() as stack:
        yield lambda workers: stack.enter_context(dask_cluster(tmp_path / "dask", workers))


Cluster = Callable[[int], tuple[str, Process, list[Process]]]


@pytest.mark.heavy
def test_certificates_are_needed(listener: Callable[[bytes | None], str], capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    assert "needs certificates" in soon_refused([*COMMANDS["check"], "--on", listener(None).replace("tcp", "tls")], capsys)


@pytest.mark.heavy
@pytest.mark.parametrize("command", ["check", "replay", "audit"])
def test_no_workers(command: str, cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    address, _, _ = cluster(0)
    assert f"the Dask scheduler at {address} has had no workers" in soon_refused([*COMMANDS[command], "--on", address], capsys)


@pytest.mark.heavy
def test_the_result_is_that_of_one_process(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    address, _, _ = cluster(2)
    for command in (
        ["check", "-n", "6", "--steps", "20", "--json", "--no-database"],
        ["check", "-n", "6", "--fault", "move-send-keeps-sender", "--json", "--no-database"],
        ["replay", SCRIPT, str(ROOT / "tests" / "scripts" / "servers.json"), "--json", "--traces"],
    ):
        told = []
        for more in ([], ["--on", address], ["-j", "2"]):
            status = main([*command, *more, "--quiet"])
            data = json.loads(capsys.readouterr().out)
            data.pop("seconds", None)
            told.append((status, data))
        assert told[0] == told[1] == told[2]


@pytest.mark.heavy
def test_an_own_kernel_in_the_working_directory(cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text("from sendright.impl.reference import ReferenceKernel as Kernel\n")
    address, _, _ = cluster(1)
    assert main(["check", "-n", "3", "--steps", "10", "--sut", "mine:Kernel", "--on", address, "--quiet", "--no-database"]) == 0
    capsys.readouterr()


@pytest.mark.heavy
@pytest.mark.parametrize("dies", ["scheduler", "workers"])
def test_what_works_dies(dies: str, cluster: Cluster, tmp_path: Path) -> None:
    address, scheduler, workers = cluster(2)
    command = [*SENDRIGHT, "check", "-n", "100000", "--on", address, "--no-database", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        deadline = time.monotonic() + 240
        while not _works(workers) and time.monotonic() < deadline:
            time.sleep(0.5)
        for one in [scheduler] if dies == "scheduler" else workers:
            one.kill()
        began = time.monotonic()
        out, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 15
    assert (process.returncode, out) == (3, "")
    [line] = err.splitlines()
    assert f"the Dask scheduler at {address} {'is gone' if dies == 'scheduler' else 'has had no workers'}" in line


def _works(workers: list[Process]) -> bool:
    """Whether a worker has started a program of ours."""
    children = [Path(f"/proc/{one.pid}/task/{one.pid}/children") for one in workers]
    if not all(path.exists() for path in children):
        time.sleep(30)
        return True
    pids = [pid for one in workers for path in Path(f"/proc/{one.pid}/task").glob("*/children") for pid in _content(path).split()]
    return any(b"distribution.program" in _content(Path("/proc", pid.decode(), "cmdline")) for pid in pids)


def _content(path: Path) -> bytes:
    """What is in a file of a process; nothing, if the process has ended meanwhile."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return path.read_bytes()
    return b""
