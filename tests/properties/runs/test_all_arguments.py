"""What an implementation is given has all arguments, however a call comes to it: those that a caller leaves out have
their defaults.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.viewed_kernel import Viewed

from sendright.impl.adapters.stdio import PROTOCOL, StdioProgram
from sendright.impl.faults import FAULTS
from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.tokens import TASK_SECURITY_TOKEN
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import MANUAL, PROFILES, Profile
from sendright.mach.results.verdicts import Verdict
from sendright.mach.signatures import SIGNATURES, ArgumentType, with_defaults
from sendright.mach.state.snapshot import Snapshot
from sendright.model.execution.oracle import Judgement, Oracle
from sendright.model.execution.witnesses import witnessed_calls
from sendright.properties.check import check
from sendright.properties.runs.isolation import IsolatedKernel
from sendright.properties.runs.judged_run import JudgedRun, Violated
from sendright.properties.scripts.load import load_script
from sendright.properties.scripts.replay import replay

_VALUES: dict[ArgumentType, Any] = {
    ArgumentType.PORTS: (),
    ArgumentType.LIMITS: (),
    ArgumentType.DESCRIPTORS: (),
    ArgumentType.SECURITY_TOKEN: (0, 0),
    ArgumentType.AUDIT_TOKEN: (0,) * 8,
    ArgumentType.BOOLEAN: False,
    ArgumentType.FLAVOUR: TASK_SECURITY_TOKEN,
}


def shortest(name: str) -> Call:
    """The call ``name`` with the arguments that must be given, and no others."""
    return Call(name, {argument.name: _VALUES.get(argument.type, 1) for argument in SIGNATURES[name].arguments if argument.required})


def profile_with(name: str) -> Profile:
    return next(profile for profile in PROFILES.values() if profile.serves(name))


def expected(call: Call) -> dict[str, Any]:
    """All arguments, written as JSON has them."""
    arguments = {argument.name: call.arguments.get(argument.name, argument.default) for argument in SIGNATURES[call.name].arguments}
    read: dict[str, Any] = json.loads(json.dumps(arguments))
    return read


class Content:
    """An oracle to whom any answer is right."""

    def judge(self, task: int, call: Call, result: Result, shown: Snapshot | None = None) -> Judgement:
        return Judgement(True, ())

    def snapshot(self) -> Snapshot:
        return Snapshot({}, {})


class Recorder(ReferenceKernel):
    """Writes down what it is given."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def call(self, task: int, call: Call) -> Result:
        with self.file.open("a") as file:
            file.write(json.dumps([call.name, call.arguments]) + "\n")
        return Result(0)


PROGRAM = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    answer = {{"name": "recorder", "protocol": "{protocol}"}} if "hello" in asked else {{"tasks": {{}}, "ports": {{}}}}
    if "call" in asked:
        open({file!r}, "a").write(json.dumps([asked["call"], asked["arguments"]]) + "\\n")
        answer = {{"code": 0}}
    print(json.dumps(answer), flush=True)
"""


def _in_process(file: Path) -> Implementation:
    return Recorder(file)


def _isolated(file: Path) -> Implementation:
    return IsolatedKernel(lambda: Recorder(file))


def _over_stdio(file: Path) -> Implementation:
    program = file.with_suffix(".py")
    program.write_text(PROGRAM.format(protocol=PROTOCOL, file=str(file)))
    return StdioProgram(f"{sys.executable} {program}")


@pytest.mark.parametrize("kernel", [_in_process, _isolated, _over_stdio])
def test_every_call_has_all_its_arguments(kernel: Callable[[Path], Implementation], tmp_path: Path) -> None:
    if kernel is _isolated and not hasattr(os, "fork"):
        pytest.skip("needs fork")
    implementation = kernel(tmp_path / "asked")
    for name in SIGNATURES:
        run = JudgedRun(implementation, Content(), profile_with(name), 5.0)
        with contextlib.suppress(Violated):  # it answers anything: what counts is what it was asked
            run.call(0, shortest(name))
    asked = [json.loads(line) for line in (tmp_path / "asked").read_text().splitlines()]
    assert asked == [[name, expected(shortest(name))] for name in SIGNATURES]
    assert all(list(arguments) == [argument.name for argument in SIGNATURES[name].arguments] for name, arguments in asked), "in the table's order"


SEEN: set[str] = set()
"""The calls that were made."""


class Complete(ReferenceKernel):
    """Ends the run at a call that lacks an argument."""

    def call(self, task: int, call: Call) -> Result:
        if not call.resume:
            lacking = [argument.name for argument in SIGNATURES[call.name].arguments if argument.name not in call.arguments]
            assert not lacking, f"{call.name} lacks {lacking}"
            SEEN.add(call.name)
        return super().call(task, call)


@pytest.mark.heavy
@pytest.mark.parametrize("profile", PROFILES)
def test_recorded_runs_and_random_ones_have_all_arguments(profile: str) -> None:
    known = list(witnessed_calls(PROFILES[profile]))
    assert any(len(call.arguments) < len(SIGNATURES[call.name].arguments) for calls in known for _, call in calls), "witnesses leave some out"
    result = check(Complete, Oracle, PROFILES[profile], 5, 40, first=known)
    assert result.verdict is Verdict.PASSED, result.failure and result.failure.violations[0].words


def test_scripts_have_all_arguments(tmp_path: Path) -> None:
    steps = [
        {"as": "A", "call": "mach_port_allocate", "args": {"right": "RECEIVE"}, "bind": {"name": "p"}},
        {"as": "A", "call": "mach_msg_send", "args": {"dest": "p", "dest_disposition": "MAKE_SEND"}},
        {"as": "A", "call": "mach_msg_receive", "args": {"name": "p"}},
    ]
    script = {"format": "mach-cases/1", "profile": "manual", "cases": [{"id": "one", "title": "calls", "steps": steps}]}
    (tmp_path / "script.json").write_text(json.dumps(script))
    result = replay([load_script(tmp_path / "script.json")], Complete, Oracle)
    assert result.verdict is Verdict.PASSED, result.cases[0].reason or result.cases[0].violation
    assert {"mach_msg_send", "mach_msg_receive"} <= SEEN


@pytest.mark.heavy
def test_a_minimized_run_has_all_arguments() -> None:
    class Faulty(Viewed):
        def __init__(self) -> None:
            super().__init__(FAULTS["move-send-keeps-sender"].kernel())

        def call(self, task: int, call: Call) -> Result:
            assert call.resume or call == with_defaults(call)
            return super().call(task, call)

    result = check(Faulty, Oracle, MANUAL, 60, 60, minimize_seconds=5)
    assert result.verdict is Verdict.FAILED, "and not CRASHED"


def test_what_goes_on_with_a_call_has_none() -> None:
    resumed = Call("mach_msg_receive", {}, resume=True)
    assert with_defaults(resumed) is resumed
    assert with_defaults(Call("mach_port_names", {"task": 3})).arguments == {"task": 3}
