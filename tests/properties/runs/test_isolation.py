"""Kernels that a process of their own keeps from doing harm: they end the process, hang in C, show and answer
anything.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from support.faulty_kernels import Faulty

from sendright.cli.main import main
from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.rights import SlotKind
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.implementation import ImplementationCrash, MalformedState
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.state.snapshot import Entry, Snapshot
from sendright.properties.runs.isolation import IsolatedKernel
from sendright.properties.runs.judged_run import Hang, ready_for_limits, time_limit

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

AT = "mach_port_names"
NAMES = Call(AT, {"task": 6})

Wrong = Callable[[], Any]


def kernel(wrong: Wrong, state: Callable[[Snapshot], Any] | None = None) -> Callable[[], ReferenceKernel]:
    """A kernel that does ``wrong`` instead of listing names, and then shows ``state`` of its state."""
    return lambda: Faulty(AT, lambda call, right: wrong(), state)


def booted(wrong: Wrong, state: Callable[[Snapshot], Any] | None = None) -> IsolatedKernel:
    isolated = IsolatedKernel(kernel(wrong, state))
    isolated.boot(MANUAL)
    return isolated


def good() -> Result:
    return Result(0, {"names": (), "types": ()})


def test_it_is_as_the_kernel_itself() -> None:
    plain, isolated = ReferenceKernel(), IsolatedKernel(ReferenceKernel)
    assert isolated.name == plain.name
    for one in (plain, isolated):
        one.boot(MANUAL)
    for call in (Call("mach_task_self", {}), Call("mach_port_allocate", {"task": 3, "right": 1}), NAMES):
        assert isolated.call(0, call) == plain.call(0, call)
        assert isolated.snapshot() == plain.snapshot()
    assert type(next(iter(isolated.snapshot().tasks[0].names.values())).kind) is SlotKind


def end() -> None:
    os._exit(0)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupts() -> None:
    raise KeyboardInterrupt


class Untold(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


def untold() -> None:
    raise Untold


def half() -> None:
    raise RuntimeError("half \ud800")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (end, "ended the process with exit status 0"),
        (killed, "ended the process with SIGKILL"),
        (interrupts, "raised KeyboardInterrupt"),
        (untold, "raised Untold: its text is unavailable: str() raised ZeroDivisionError"),
        (half, r"raised RuntimeError: half \ud800"),
    ],
)
def test_it_does_not_answer(wrong: Wrong, words: str) -> None:
    isolated = booted(wrong)
    with pytest.raises(ImplementationCrash) as caught:
        isolated.call(0, NAMES)
    assert str(caught.value) == words
    isolated.boot(MANUAL)
    assert isolated.snapshot().tasks.keys() == {0}, "it boots again"


def test_a_hang_in_c_is_ended() -> None:
    isolated = booted(lambda: sum(range(10**14)))
    with pytest.raises(Hang), time_limit(0.3):
        isolated.call(0, NAMES)
    isolated.boot(MANUAL)
    assert isolated.call(0, Call("mach_task_self", {})).code == 0, "no answer is taken for another's"


def changed(**fields: Any) -> Callable[[Snapshot], Any]:
    return lambda shown: msgspec.structs.replace(shown, tasks={0: msgspec.structs.replace(shown.tasks[0], **fields)})


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (lambda shown: None, "NoneType"),
        (lambda shown: {"tasks": {}, "ports": {}}, "dict"),
        (lambda shown: Snapshot(None, None), "tasks"),  # type: ignore[arg-type]
        (lambda shown: Snapshot({"one": shown.tasks[0]}, shown.ports), "tasks"),  # type: ignore[dict-item]
        (lambda shown: Snapshot(shown.tasks, {2: None}), "ports"),  # type: ignore[dict-item]
        (changed(names={1: 5}), "names"),
        (changed(names={1: Entry(77, 1)}), "77"),  # type: ignore[arg-type]
        (changed(security_token=None), "security_token"),
        (changed(port=2**70), "ints"),
        (changed(port=object()), "object"),
    ],
)
def test_a_state_without_form(state: Callable[[Snapshot], Any], words: str) -> None:
    isolated = booted(good, state)
    assert isolated.call(0, NAMES).code == 0
    with pytest.raises(MalformedState, match=words):
        isolated.snapshot()


KERNELS = """
import os
from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.call import Result

class Hostile(ReferenceKernel):
    def call(self, task, call):
        if call.name == "mach_port_names":
            self.listed = True
            return self.wrong()
        return super().call(task, call)

class Ends(Hostile):
    def wrong(self):
        os._exit(0)

class Spins(Hostile):
    def wrong(self):
        sum(range(10**14))

class Nests(Hostile):
    def wrong(self):
        return Result(0, {"names": [[[]]], "types": object()})

class Sized(Hostile):
    def wrong(self):
        return Result(10**30, {"names": (10**30,), "types": (1,)})

class Texts(Hostile):
    def wrong(self):
        return Result("x")

class Half(Hostile):
    def wrong(self):
        raise RuntimeError("half \\ud800")

class Shows(Hostile):
    listed = False
    def wrong(self):
        return super(Hostile, self).call(0, NAMES)
    def snapshot(self):
        return None if self.listed else super().snapshot()
    def call(self, task, call):
        result = super(Hostile, self).call(task, call)
        self.listed = call.name == "mach_port_names"
        return result

class Unready:
    def __new__(cls):
        os._exit(0)
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hostile_kernels.py").write_text(KERNELS)
    steps = [{"as": "A", "call": "mach_task_self"}, {"as": "A", "call": "mach_port_names", "args": {}}]
    script = {"format": "mach-cases/1", "profile": "manual", "cases": [{"id": "one", "title": "names", "steps": steps}]}
    (tmp_path / "names.json").write_text(json.dumps(script))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("Ends", 3, "mach_port_names ended the process with exit status 0"),
        ("Spins", 3, "mach_port_names did not end within"),
        ("Nests", 1, "the result names is [[[]]], which is not of type names"),
        ("Sized", 1, "1000000000000000000000000000000"),
        ("Texts", 3, "mach_port_names returned a Result whose code is 'x', not a number"),
        ("Half", 3, r"mach_port_names raised RuntimeError: half \ud800"),
        ("Shows", 3, "showed a malformed state: expected a Snapshot, got NoneType"),
    ],
)
@pytest.mark.parametrize("command", [("replay", "names.json"), pytest.param(("check", "--examples", "20"), marks=pytest.mark.heavy)])
def test_all_reports_are_written_and_name_the_step(
    capsys: pytest.CaptureFixture[str], directory: Path, command: tuple[str, ...], name: str, status: int, words: str
) -> None:
    assert main([*command, "--sut", f"hostile_kernels:{name}", "--json"]) == status
    data = json.loads(capsys.readouterr().out)
    written = [Path(path).name for path in data["reports"]]
    assert written == ["report.html", "junit.xml", "report.sarif", *(["script.json"] if command[0] == "check" else []), "trace.json"]
    failure = data["failure"]["violations"][0] if command[0] == "check" else data["cases"][0]["violation"]
    assert words in failure["words"]
    trace = json.loads(Path("sendright-report/trace.json").read_text())
    assert trace["steps"][failure["step"]]["call"] == "mach_port_names"
    if command[0] == "check":
        assert len(trace["steps"]) == 1, "it is minimized"
    assert ET.parse("sendright-report/junit.xml").find(".//error" if status == 3 else ".//failure") is not None


def test_a_kernel_that_ends_the_process_when_built(capsys: pytest.CaptureFixture[str], directory: Path) -> None:
    assert main(["check", "--sut", "hostile_kernels:Unready"]) == 2
    assert "can't be built, it ended the process with exit status 0" in capsys.readouterr().err
    assert "hostile_kernels" not in sys.modules


def test_time_limits_raise_with_and_without_preparation() -> None:
    """And what handled SIGALRM before does so afterwards."""
    before = signal.getsignal(signal.SIGALRM)
    for prepared in (nullcontext, ready_for_limits):
        for _ in range(2):
            with prepared(), ready_for_limits(), pytest.raises(Hang), time_limit(0.01):
                time.sleep(5)
            with prepared(), time_limit(5):
                pass
            assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before
