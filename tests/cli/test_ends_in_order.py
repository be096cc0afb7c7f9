"""However a command is ended, nothing that it started runs on, and nothing that it made stays in the temporary
directory.
"""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest
from support.places import SENDRIGHT

from sendright.impl.synthesis.logs import log_of

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc to find processes in")

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

    def __init__(self, place: Path, *arguments: str, program: Sequence[str] = SENDRIGHT) -> None:
        self.cookie = f"SENDRIGHT_TEST={uuid.uuid4()}"
        self.temporary, self.ready = place / "tmp", place / "ready"
        self.temporary.mkdir()
        name, _, value = self.cookie.partition("=")
        environment = os.environ | {name: value, "TMPDIR": str(self.temporary), "READY": str(self.ready), "PYTHONPATH": str(place)}
        self.process = subprocess.Popen(
            [*program, *arguments],
            cwd=place,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members():
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)
        with self.process:  # closes its pipes
            pass

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

    def mapping(self, library: bytes) -> int:
        """How many of its workers have loaded ``library``."""
        members = [Path("/proc", str(member)) for member in self.members()]
        return sum(b"spawn_main" in (one / "cmdline").read_bytes() and library in (one / "maps").read_bytes() for one in members)

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


@contextmanager
def logs_without_end(place: Path) -> Iterator[None]:
    """``a.json`` and ``b.json``: logs that are still being written."""
    begun = b"".join(log_of("eslogger", 10, 0))
    with ExitStack() as stack:
        for name in ("a.json", "b.json"):
            os.mkfifo(place / name)
            pipe = stack.enter_context(open(os.open(place / name, os.O_RDWR | os.O_NONBLOCK), "wb", buffering=0))
            pipe.write(begun)
        yield


def ready(run: Run) -> bool:
    return run.ready.exists()


def at_work(run: Run) -> bool:
    return run.mapping(b"libz3") == 2


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
    "an audit in workers": (("audit", "-q", "--json", "-j", "2", "a.json", "b.json"), stores_made),
    "an audit of what doesn't come": (("audit", "-q", "--json", "-"), reads),
    "a log": (("synthesize", "-q", "--events", "100000000", "-o", "out.json"), writes),
}


IN_EVERY_RUN = {
    "a kernel of one's own": (signal.SIGTERM,),
    "a kernel that forks": (signal.SIGKILL,),
    "a driver with a daemon": (signal.SIGTERM,),
    "a proof": (signal.SIGHUP, signal.SIGKILL),
    "an audit in workers": (signal.SIGTERM, signal.SIGKILL),
    "an audit of what doesn't come": (signal.SIGINT, signal.SIGKILL),
    "a log": (signal.SIGTERM, signal.SIGHUP),
}
"""The signals that are tried with each command in every run of the tests: each at least once, and each way in which a
command does its work.
"""


@pytest.mark.parametrize(
    ("what", "number"),
    [
        pytest.param(what, number, id=f"{what}-{number.name}", marks=() if number in IN_EVERY_RUN.get(what, ()) else pytest.mark.heavy)
        for what in COMMANDS
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
    ],
)
def test_nothing_is_left_of_a_command_that_is_ended(place: Path, what: str, number: signal.Signals) -> None:
    arguments, begun = COMMANDS[what]
    with logs_without_end(place), Run(place, *arguments) as run:
        assert until(lambda: begun(run) or run.process.poll() is not None)
        assert run.process.poll() is None, run.process.communicate()
        run.process.send_signal(number)
        out, err = run.process.communicate(timeout=PATIENCE)
        assert until(lambda: not run.members()), "a process is left"
        assert until(lambda: not run.made()), "a file is left"
        assert run.process.returncode == (-number if number == signal.SIGKILL else 128 + number)
        assert "Traceback" not in err
        if number == signal.SIGKILL:
            assert err == ""
        elif what == "a log":
            assert err == "sendright: interrupted before anything was found\n"
            assert not writes(run)
        else:
            assert json.loads(out)["interrupted"]


def test_a_directory_goes_even_if_its_maker_is_killed_when_it_has_just_made_it(place: Path) -> None:
    (place / "killed.py").write_text(
        "import os, signal\n"
        "from sendright.mach import keeper\n"
        "make = os.mkdir\n"
        "def made(*arguments):\n"
        "    make(*arguments)\n"
        "    open(os.environ['READY'], 'w').close()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "os.mkdir = made\n"
        "with keeper.temporary_directory('killed-'): pass\n"
    )
    with Run(place, program=[sys.executable, "killed.py"]) as run:
        assert run.process.wait(PATIENCE) == -signal.SIGKILL
        assert ready(run)
        assert until(lambda: not run.made())
        assert until(lambda: not run.members())


def test_the_keeper_is_there_before_the_first_process_that_it_has_to_know_of(place: Path) -> None:
    (place / "started.py").write_text(
        "import sys, time\n"
        "from sendright.impl.adapters import line_process\n"
        "line_process.keep_process = lambda pid: (print('started', flush=True), time.sleep(300))\n"
        "line_process.LineProcess([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
    )
    with Run(place, program=[sys.executable, "started.py"]) as run:
        assert run.process.stdout is not None
        assert run.process.stdout.readline() == "started\n"
        assert sum(b"keeper.py" in Path(f"/proc/{member}/cmdline").read_bytes() for member in run.members()) == 1


def test_a_second_signal_ends_at_once(place: Path) -> None:
    arguments, begun = COMMANDS["a proof"]
    with Run(place, *arguments) as run:
        assert until(lambda: begun(run))
        run.process.send_signal(signal.SIGTERM)
        run.process.send_signal(signal.SIGHUP)
        assert run.process.wait(PATIENCE) in (128 + signal.SIGTERM, 128 + signal.SIGHUP)
        assert until(lambda: not run.members())


@pytest.fixture(autouse=True)
def _hang_ups_are_heard() -> Iterator[None]:
    """Even if the tests themselves are run by nohup: what a test starts inherits this."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def test_what_nohup_ignores_is_ignored(place: Path) -> None:
    arguments, begun = COMMANDS["a log"]
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        started = Run(place, *arguments)
    finally:
        signal.signal(signal.SIGHUP, before)
    with started as run:
        assert until(lambda: begun(run))
        run.process.send_signal(signal.SIGHUP)
        time.sleep(1)
        assert run.process.poll() is None
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(PATIENCE) == 128 + signal.SIGTERM
        assert until(lambda: not run.members())


def test_a_driver_that_ends_takes_its_children_along(place: Path) -> None:
    (place / "ends.py").write_text(
        DRIVER.replace("        time.sleep(300)\n", "        os._exit(3)\n").replace(
            "            time.sleep(300)", "            time.sleep(300); os._exit(0)"
        )
    )
    with Run(place, "check", "-q", "--json", "--examples", "1", "--sut", f"stdio:{sys.executable} ends.py child") as run:
        run.process.communicate(timeout=PATIENCE)
        assert run.process.returncode == 3
        assert until(lambda: not run.members())
