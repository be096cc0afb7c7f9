"""However a command is ended, nothing that it started runs on, and nothing that it made stays in the temporary directory."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc to find processes in")

PROGRAM = [sys.executable, "-c", "from sendright.cli.main import run; run()"]
PATIENCE = 90.0

KERNELS = """
import os, time
from pathlib import Path
from sendright.impl.reference import ReferenceKernel

class Hangs(ReferenceKernel):
    name = "hangs"
    def call(self, task, call):
        Path(os.environ["READY"]).touch()
        time.sleep(300)

class Forks(ReferenceKernel):
    name = "forks"
    def call(self, task, call):
        if os.fork() == 0:
            Path(os.environ["READY"]).touch()
            time.sleep(300)
        time.sleep(300)
"""
DRIVER = """
import json, os, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    if "hello" in asked:
        print(json.dumps({"name": "driver", "capabilities": {"seconds": 200}}), flush=True)
    elif "boot" in asked:
        print("{}", flush=True)
    else:
        how = sys.argv[1]
        if os.fork() == 0:
            if how != "child":
                os.setsid()
            if how == "daemon" and os.fork():
                os._exit(0)
            open(os.environ["READY"], "w").close()
            time.sleep(300)
        time.sleep(300)
"""


class Run:
    """A command in a process of its own, with a temporary directory of its own."""

    def __init__(self, place: Path, *arguments: str) -> None:
        self.cookie = f"SENDRIGHT_TEST={uuid.uuid4()}"
        self.temporary, self.ready = place / "tmp", place / "ready"
        self.temporary.mkdir()
        name, _, value = self.cookie.partition("=")
        environment = os.environ | {name: value, "TMPDIR": str(self.temporary), "READY": str(self.ready), "PYTHONPATH": str(place)}
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=place,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def members(self) -> list[int]:
        """The processes that have come from it, it too; not those that have ended and wait to be asked how."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdecimal() and self.cookie.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def workers(self) -> int:
        """How many of them are Python's spawned ones."""
        return sum(b"spawn_main" in Path(f"/proc/{member}/cmdline").read_bytes() for member in self.members())

    def made(self) -> list[Path]:
        return list(self.temporary.rglob("*"))


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "kernels.py").write_text(KERNELS)
    (tmp_path / "driver.py").write_text(DRIVER)
    return tmp_path


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    log = tmp_path_factory.mktemp("logs") / "log.json"
    subprocess.run([*PROGRAM, "synthesize", "-q", "--events", "60000", "-o", str(log)], check=True)
    return log


def ready(run: Run) -> bool:
    return run.ready.exists()


def at_work(run: Run) -> bool:
    return run.workers() >= 2


def stores_made(run: Run) -> bool:
    return any(path.is_dir() and path.parent != run.temporary for path in run.made())


def reads(run: Run) -> bool:
    return bool(run.made())


def writes(run: Run) -> bool:
    return any(path.name.startswith(".sendright-") and path.stat().st_size for path in run.temporary.parent.iterdir())


CHECK = ("check", "-q", "--json", "--sut")
COMMANDS: dict[str, tuple[tuple[str, ...], Callable[[Run], bool]]] = {
    "a kernel of one's own": ((*CHECK, "kernels:Hangs"), ready),
    "a kernel that forks": ((*CHECK, "kernels:Forks"), ready),
    "a driver with a child": ((*CHECK, f"stdio:{sys.executable} driver.py child"), ready),
    "a driver whose child has a session": ((*CHECK, f"stdio:{sys.executable} driver.py session"), ready),
    "a driver with a daemon": ((*CHECK, f"stdio:{sys.executable} driver.py daemon"), ready),
    "a proof": (("prove", "-q", "--json", "--no-cache", "--call", "mach_port_insert_right"), at_work),
    "an audit in workers": (("audit", "-q", "--json", "-j", "2", "LOG", "LOG2"), stores_made),
    "an audit of what doesn't come": (("audit", "-q", "--json", "-"), reads),
    "a log": (("synthesize", "-q", "--events", "100000000", "-o", "out.json"), writes),
}


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
ENDED = [
    pytest.param(what, number, id=f"{what}-{number.name}", marks=[pytest.mark.heavy] if place != index % len(SIGNALS) else [])
    for index, what in enumerate(COMMANDS)
    for place, number in enumerate(SIGNALS)
]
"""Every command with every signal. All but one of each command's are heavy: each takes seconds, for a new process builds the specification."""


@pytest.mark.parametrize(("what", "number"), ENDED)
def test_nothing_is_left_of_a_command_that_is_ended(place: Path, log: Path, what: str, number: signal.Signals) -> None:
    arguments, begun = COMMANDS[what]
    os.link(log, place / "second.json")
    run = Run(place, *({"LOG": str(log), "LOG2": "second.json"}.get(word, word) for word in arguments))
    try:
        assert until(lambda: begun(run) or run.process.poll() is not None)
        assert run.process.poll() is None, run.process.communicate()
        run.process.send_signal(number)
        status = run.process.wait(PATIENCE)
        assert until(lambda: not run.members(), 10), "a process is left"
        assert until(lambda: not run.made(), 10), "a file is left"
        out, err = run.process.communicate()
        assert status == (-number if number == signal.SIGKILL else 128 + number)
        assert "Traceback" not in err
        if number == signal.SIGKILL:
            assert err == ""
        else:
            assert not writes(run)
            if "check" in arguments or "prove" in arguments:
                assert json.loads(out)["interrupted"]
    finally:
        for member in run.members():
            os.kill(member, signal.SIGKILL)


def test_a_second_signal_ends_at_once(place: Path) -> None:
    run = Run(place, "check", "-q", "--sut", "kernels:Forks")
    assert until(lambda: ready(run))
    run.process.send_signal(signal.SIGTERM)
    run.process.send_signal(signal.SIGHUP)
    assert run.process.wait(PATIENCE) in (128 + signal.SIGTERM, 128 + signal.SIGHUP)
    assert until(lambda: not run.members(), 10)


def test_what_nohup_ignores_is_ignored(place: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run = Run(place, *CHECK, "kernels:Hangs")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert until(lambda: ready(run))
    run.process.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert run.process.poll() is None
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(PATIENCE) == 128 + signal.SIGTERM
    assert until(lambda: not run.members(), 10)


def test_a_driver_that_ends_takes_its_children_along(place: Path) -> None:
    (place / "ends.py").write_text(
        DRIVER.replace("        time.sleep(300)\n", "        os._exit(3)\n").replace(
            "            time.sleep(300)", "            time.sleep(300); os._exit(0)"
        )
    )
    run = Run(place, "check", "-q", "--json", "--examples", "1", "--sut", f"stdio:{sys.executable} ends.py child")
    run.process.communicate(timeout=PATIENCE)
    assert run.process.returncode == 3
    assert until(lambda: not run.members(), 10)
