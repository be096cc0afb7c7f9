"""A live GNU Mach under QEMU. Skipped, and counted, where it isn't set up (``sendright setup gnumach``)."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.benchmarks import benchmark
from support.gnumach_transcripts import named, transcripts
from support.places import TESTS

from sendright.cli.main import main
from sendright.impl.adapters.gnumach import GnuMach
from sendright.impl.adapters.gnumach.files import NotSetUp, files
from sendright.impl.adapters.gnumach.machine import Machine
from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.capabilities import NotMade
from sendright.mach.kernel.implementation import Implementation, ImplementationCrash
from sendright.mach.kernel.profiles import GNUMACH
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.view import View
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import tupled
from sendright.properties.check import check
from sendright.properties.scripts.load import load_script
from sendright.properties.scripts.replay import replay

CASES = TESTS.parent.parent / "shared" / "cases" / "gnumach.json"
SELF = Call("mach_task_self", {})
old_rules = benchmark("old_rules")

try:
    files()
    MISSING = ""
except NotSetUp as error:
    MISSING = str(error)
pytestmark = [pytest.mark.live, pytest.mark.skipif(bool(MISSING), reason=MISSING)]


@pytest.fixture(scope="module")
def live() -> Iterator[GnuMach]:
    kernel = GnuMach()
    yield kernel
    kernel.end()


def machine_of(kernel: GnuMach) -> Machine:
    assert isinstance(kernel.machine, Machine)
    return kernel.machine


def booted(kernel: GnuMach) -> GnuMach:
    kernel.boot(GNUMACH)
    return kernel


# ---- what it does


def test_random_runs_agree_with_the_specification(live: GnuMach) -> None:
    result = check(lambda: live, Oracle, GNUMACH, 15, 30, seed=5)
    assert result.verdict is Verdict.PASSED, result.failure and result.failure.violations[0].words
    assert result.calls > 400


@pytest.mark.heavy
def test_500_runs_of_each_seed_agree_with_the_specification(live: GnuMach) -> None:
    assert not any(old_rules.measure(None, lambda: live, seed=seed).found for seed in range(3))


@pytest.mark.heavy
@pytest.mark.parametrize("rule", old_rules.OLD_RULES, ids=old_rules.BY_NAME)
def test_a_rule_that_the_kernel_does_not_follow_is_found_within_500_runs(live: GnuMach, rule: Any) -> None:
    """By one of three seeds, with whose runs the specification as it is agrees (see above)."""
    assert any(old_rules.measure(rule, lambda: live, seed=seed).found for seed in range(3))


@pytest.mark.parametrize("path", [TESTS / "scripts" / "gnumach.json", CASES], ids=lambda path: path.parent.name)
def test_scripts_hold(live: GnuMach, path: Path) -> None:
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    result = replay([load_script(path)], lambda: live, Oracle)
    assert result.verdict is Verdict.PASSED, [(case.id, case.expected, case.seen) for case in result.cases if case.verdict == "failed"]


def test_it_still_answers_as_it_was_recorded(live: GnuMach) -> None:
    """The driver and the kernel are as they were when the transcripts were made; and the kernel is deterministic."""
    for transcript in transcripts()[::10]:
        kernel = booted(live)
        lines: list[tuple[str, str]] = []
        real = machine_of(kernel)

        class Watched:
            alive = True

            def exchange(self, line: str, real: Machine = real, lines: list[tuple[str, str]] = lines) -> list[str]:
                words = real.exchange(line)
                lines.append((named(line), " ".join(words)))
                return words

            def end(self) -> None: ...

        watched = GnuMach(Watched)
        watched.boot(GNUMACH)
        for task, call in transcript.calls:
            try:
                watched.call(task, tupled(call))
            except (NotMade, KeyError):  # a task's call may have gone on by itself
                continue
        assert [line for line in lines if line[0].startswith("call")] == [line for line in transcript.lines if line[0].startswith("call")]


def test_a_call_waits_and_goes_on_by_itself(live: GnuMach) -> None:
    kernel = booted(live)
    own = kernel.call(0, SELF).outputs["port"]
    name = kernel.call(0, Call("mach_port_allocate", {"task": own, "right": 1})).outputs["name"]
    child = kernel.call(0, Call("task_create", {"parent_task": own}))
    assert child.created_task == 1
    kernel.call(0, Call("mach_port_insert_right", {"task": child.outputs["child_task"], "name": 9, "poly": name, "disposition": 20}))
    assert kernel.call(0, Call("mach_msg_receive", {"port": name, "wait": True})).code == 0x10004001
    assert kernel.call(0, Call("mach_msg_receive", {}, resume=True)).code == 0x10004001
    sent = kernel.call(1, Call("mach_msg_send", {"dest": 9, "id": 5}))
    assert sent.code == 0
    assert sent.ended[0].outputs["id"] == 5


def test_a_call_that_sends_and_receives_waits_in_either_half(live: GnuMach) -> None:
    kernel = booted(live)
    own = kernel.call(0, SELF).outputs["port"]
    port = kernel.call(0, Call("mach_port_allocate", {"task": own, "right": 1})).outputs["name"]
    kernel.call(0, Call("mach_port_set_attributes", {"task": own, "name": port, "flavor": 1, "info": (1,)}))
    child = kernel.call(0, Call("task_create", {"parent_task": own})).outputs["child_task"]
    kernel.call(0, Call("mach_port_insert_right", {"task": child, "name": 9, "poly": port, "disposition": 20}))
    reply = kernel.call(1, Call("mach_port_allocate", {"task": kernel.call(1, SELF).outputs["port"], "right": 1})).outputs["name"]
    request = {"dest": 9, "reply": reply, "reply_disposition": 21, "port": reply}
    for waits in ({}, {"send_wait": True}, {"receive_wait": True}):
        assert kernel.call(1, Call("mach_msg", {**request, **waits})).code == (0x10004001 if "receive_wait" in waits else 0x10004003)
        answered = kernel.call(0, Call("mach_msg_receive", {"port": port})).outputs["reply"]
        sent = kernel.call(0, Call("mach_msg_send", {"dest": answered, "dest_disposition": 18, "id": 6}))
        first = sent.ended[1] if "receive_wait" in waits else kernel.call(1, Call("mach_msg_receive", {"port": reply}))
        assert first.outputs["id"] == 6
    kernel.call(1, Call("mach_msg_send", {"dest": 9, "id": 1}))
    assert kernel.call(1, Call("mach_msg", request)).code == 0x10000004
    assert kernel.call(1, Call("mach_msg", {**request, "id": 2, "send_wait": True, "receive_wait": True})).code == 0x10000001
    assert kernel.call(1, Call("mach_msg", {}, resume=True)).code == 0x10000001
    assert kernel.call(0, Call("mach_msg_receive", {"port": port})).ended == {1: Result(0x10004001)}
    assert kernel.call(1, Call("mach_msg_receive", {}, resume=True)).code == 0x10004001
    answered = kernel.call(0, Call("mach_msg_receive", {"port": port})).outputs
    assert answered["id"] == 2
    ended = kernel.call(0, Call("mach_msg_send", {"dest": answered["reply"], "dest_disposition": 18, "id": 7})).ended[1]
    assert (ended.code, ended.outputs["id"]) == (0, 7)


def _told_of_ports(kernel: Implementation) -> list[Result]:
    """What a kernel tells for debugging of each kind of name, and while requests come and go."""
    kernel.boot(GNUMACH)
    own = kernel.call(0, SELF).outputs["port"]
    told: list[Result] = []

    def make(call: str, **arguments: int) -> dict[str, Any]:
        return dict(kernel.call(0, Call(call, {"task": own, **arguments})).outputs)

    def tell(task: int = own, **arguments: int) -> None:
        for call in ("mach_port_get_srights", "mach_port_kernel_object", "mach_port_dnrequest_info"):
            told.append(kernel.call(0, Call(call, {"task": task, **arguments})))

    port, dead, members, watch, watched = (int(make("mach_port_allocate", right=right)["name"]) for right in (1, 4, 3, 1, 1))
    make("mach_port_insert_right", name=port, poly=port, disposition=20)
    host = kernel.call(0, Call("mach_host_self", {})).outputs["port"]
    onces = range(40, 45)
    for once in onces:
        make("mach_port_insert_right", name=once, poly=watched, disposition=21)
    for name in (own, host, 1, 2, port, watch, dead, members, 40, 0, 0xFFFFFFFF, 77):
        tell(name=name)
    for task in (1, host, 77):
        tell(task, name=port)
    for once in (*onces, 40):
        make("mach_port_request_notification", name=once, variant=72, sync=0, notify=watch, notify_disposition=21)
        tell(name=watched)
    for once in onces:
        make("mach_port_deallocate", name=once)
        tell(name=watched)
    make("mach_port_mod_refs", name=port, right=1, delta=-1)
    tell(name=port)
    return told


def test_what_it_tells_for_debugging(live: GnuMach) -> None:
    assert _told_of_ports(live) == _told_of_ports(ReferenceKernel())


# ---- what it survives


def frozen(kernel: GnuMach, monkeypatch: pytest.MonkeyPatch) -> int:
    """A machine that is asked and doesn't go on: its process, which has come to rest (the signal takes a while)."""
    machine = machine_of(kernel)
    monkeypatch.setattr(machine._process, "go_on", lambda: None)
    until = time.monotonic() + 5
    while not all(_is_stopped(thread) for thread in Path(f"/proc/{machine.pid}/task").iterdir()):
        assert time.monotonic() < until, "the machine isn't stopped between calls"
        time.sleep(0.01)
    return machine.pid


def _is_stopped(thread: Path) -> bool:
    return (thread / "stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_qemu_is_killed_in_mid_call(live: GnuMach, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = booted(live)
    victim = frozen(kernel, monkeypatch)
    killer = threading.Timer(0.3, os.kill, (victim, signal.SIGKILL))
    killer.start()
    with pytest.raises(ImplementationCrash, match="QEMU ended with SIGKILL"):
        kernel.call(0, SELF)
    killer.join()
    assert booted(kernel).call(0, SELF).code == 0


def test_the_machine_hangs(live: GnuMach, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machine_of(booted(live))
    frozen(live, monkeypatch)
    with pytest.raises(ImplementationCrash, match=r"did not answer within 0.3 s"):
        machine.exchange("call 0 0", 0.3)
    assert not machine.alive
    assert booted(live).call(0, SELF).code == 0


def test_the_kernel_panics(live: GnuMach) -> None:
    machine = machine_of(booted(live))
    with pytest.raises(ImplementationCrash, match="panicked: "):
        machine.exchange("panic", 60.0)
    assert not machine.alive
    assert booted(live).call(0, SELF).code == 0


class Panicking(GnuMach):
    """The kernel panics when anybody makes a third port."""

    made = 0

    def boot(self, profile: object) -> None:
        self.made = 0
        super().boot(GNUMACH)

    def call(self, task: int, call: Call) -> Result:
        makes = call.name == "mach_port_allocate"
        if makes and self.made == 2:
            machine_of(self).exchange("panic", 60.0)
        result = super().call(task, call)  # raises NotMade if it can't be made: no step of the run counts it then
        self.made += makes
        return result


def test_a_panic_is_a_crash_with_the_calls_that_led_to_it_and_the_runs_go_on() -> None:
    kernel = Panicking()
    try:
        result = check(lambda: kernel, Oracle, GNUMACH, 4, 30, seed=3, minimize_seconds=5)
    finally:
        kernel.end()
    assert result.verdict is Verdict.CRASHED
    assert result.examples == 4
    assert result.failure is not None
    assert result.failure.violations[0].kind == "crash"
    assert "panicked" in result.failure.violations[0].words
    assert [step.call for step in result.failure.steps].count("mach_port_allocate") == 3
    assert result.failure.steps[-1].call == "mach_port_allocate"


def test_no_qemu_is_left_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, pathlib\nfrom sendright.impl.adapters.gnumach import GnuMach\nfrom sendright.mach.kernel.profiles import GNUMACH\n"
        "kernel = GnuMach(); kernel.boot(GNUMACH)\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(kernel.machine.pid))\nos.kill(os.getpid(), 9)\n"
    )
    assert os.spawnl(os.P_WAIT, sys.executable, sys.executable, "-c", program) == -signal.SIGKILL
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while (Path("/proc") / str(pid)).exists() and "qemu" in (Path("/proc") / str(pid) / "cmdline").read_text():
        assert time.monotonic() < deadline, "QEMU is still there"
        time.sleep(0.05)


def test_two_at_once(live: GnuMach) -> None:
    def run(kernel: GnuMach, number: int) -> View:
        own = kernel.call(0, SELF).outputs["port"]
        for _ in range(number):
            kernel.call(0, Call("mach_port_allocate", {"task": own, "right": 1}))
        return kernel.snapshot()

    other = booted(GnuMach())
    try:
        booted(live)
        assert run(live, 2) != run(other, 3)
        assert run(booted(live), 3) == run(booted(other), 3)
    finally:
        other.end()


def test_it_can_be_begun_many_times_on_one_boot(live: GnuMach) -> None:
    pid = machine_of(booted(live)).pid
    for _ in range(50):
        booted(live)
        own = live.call(0, SELF).outputs["port"]
        live.call(0, Call("task_create", {"parent_task": own, "inherit_memory": True}))
    assert machine_of(live).pid == pid


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["check", "--sut", "gnumach", "-n", "3", "--steps", "20", "--report-dir", str(tmp_path)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Not compared:" in told
    assert "judged calls on GNU Mach 1.8" in told


def test_the_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    live_benchmark = benchmark("live")
    live_benchmark.main(["--boots", "1", "--runs", "2", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found.keys() >= live_benchmark.PROMISED.keys()
    assert all(number > 0 for number in found.values())
