"""Exported runs: replayed, they make the same calls with the same results."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from typing import Any

import jsonschema
import msgspec
import pytest
from support.second_kernel import SecondKernel

from sendright.impl.faults import FAULTS
from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.rights import DEAD_NAME, EXC_MASK_ALL, Right
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, PROFILES, Profile
from sendright.mach.kernel.unmodelled import Unmodelled
from sendright.mach.results.checks import CaseResult
from sendright.mach.signatures import SIGNATURES, Argument, ArgumentType
from sendright.mach.state.trace import Trace
from sendright.properties.runs.judged_run import JudgedRun, Violated, callers
from sendright.properties.scripts.export import script_of
from sendright.properties.scripts.load import parse_script
from sendright.properties.scripts.replay import replay
from sendright.properties.scripts.schema import script_schema


def replayed(script: dict[str, Any], kernel: type[Implementation] | Any = ReferenceKernel) -> CaseResult:
    jsonschema.Draft202012Validator(script_schema()).validate(script)
    return replay([parse_script(json.dumps(script).encode(), "run.json")], kernel, SecondKernel).cases[0]


class Caller:
    """Makes random calls, more often sensible than not."""

    def __init__(self, seed: int, profile: Profile) -> None:
        self.random = random.Random(seed)
        self.run = JudgedRun(ReferenceKernel(), SecondKernel(profile), profile, 10)
        self.run.boot()

    def trace(self, calls: int) -> Trace:
        for _ in range(calls):
            tasks = callers(self.run.snapshot)
            if tasks:
                self.call(self.random.choice(tasks))
        return self.run.trace()

    def call(self, task: int) -> None:
        signature = self.random.choice([each for each in SIGNATURES.values() if each.name != "task_terminate" or self.random.random() < 0.1])
        arguments = {argument.name: self.argument(argument, task) for argument in signature.arguments}
        with suppress(Unmodelled):
            self.run.call(task, Call(signature.name, arguments, self.random.choice([0, 0, 0, 1, 2])))

    def argument(self, argument: Argument, task: int) -> Any:
        pick = self.random
        simple: dict[ArgumentType, list[Any]] = {
            ArgumentType.RIGHT: [*Right, Right.RECEIVE, 7, -1],
            ArgumentType.DISPOSITION: [0, 3, 16, 17, 18, 19, 20, 20, 21],
            ArgumentType.DELTA: [-2, -1, 0, 1, 2, 65535],
            ArgumentType.SECURITY_TOKEN: [(0, 1), (7, 8)],
            ArgumentType.AUDIT_TOKEN: [(0,) * 8, (1, 2, 3, 4, 5, 6, 7, 0xFFFFFFFF)],
            ArgumentType.BOOLEAN: [True, False],
            ArgumentType.SELECTOR: list(range(8)),
            ArgumentType.FLAVOUR: [13, 15, 9],
            ArgumentType.COUNT: [1, 2, 8],
            ArgumentType.PAGE: list(range(4)),
            ArgumentType.INHERITANCE: list(range(4)),
            ArgumentType.WORD: list(range(4)),
            ArgumentType.MESSAGE_ID: [0, 71, 1000, -303],
            ArgumentType.COUNTER: [0, 0, 1, 2, 0xFFFFFFFF],
            ArgumentType.ATTRIBUTES: [1, 2, 3, -1],
            ArgumentType.LIMITS: [(), (1,), (3,), (2, 7), (-1,)],
            ArgumentType.NOTIFICATION: [65, 66, 69, 70, 72, 72, 0],
            ArgumentType.EXCEPTION_MASK: [0, 2, 6, 0x304, EXC_MASK_ALL, 1, -1],
            ArgumentType.BEHAVIOUR: [0, 1, 2, 3, 4],
            ArgumentType.STATE_FLAVOUR: [0, 5],
            ArgumentType.HOST_SELECTOR: list(range(-1, 13)),
            ArgumentType.AMOUNT: [-2, -1, 0, 1, 5],
        }
        if argument.type in simple:
            return pick.choice(simple[argument.type])
        if argument.type is ArgumentType.PORTS:
            return tuple(self.name(argument, task) for _ in range(pick.randrange(4)))
        if argument.type is ArgumentType.DESCRIPTORS:
            return tuple((self.name(argument, task), pick.choice([16, 17, 18, 19, 20, 21])) for _ in range(pick.randrange(3)))
        return self.name(argument, task)

    def name(self, argument: Argument, task: int) -> int:
        state, pick = self.run.snapshot, self.random
        names = state.tasks[task].names
        fitting = [name for name, entry in names.items() if entry.port is not None and argument.object in (None, state.ports[entry.port].object)]
        if fitting and pick.random() < 0.85:
            return pick.choice(fitting)
        return pick.choice([0, DEAD_NAME, *range(1, 20), *names, *state.tasks[pick.choice(sorted(state.tasks))].names])


@pytest.mark.parametrize("seed", range(60))
def test_a_replayed_run_is_the_same_run(seed: int) -> None:
    profile = list(PROFILES.values())[seed % len(PROFILES)]
    if seed % 2:
        profile = msgspec.structs.replace(profile, urefs_max=4, queue_limit=1, queue_limit_max=2, pages=3)
    trace = Caller(seed, profile).trace(60)
    case = replayed(script_of(trace))
    assert (case.verdict, case.step, case.expected, case.seen, case.reason) == ("passed", None, None, None, None)
    assert case.trace is not None
    assert case.trace.initial == trace.initial
    assert case.trace.steps == trace.steps
    assert case.trace.final == trace.final


def run_of(kernel: Implementation, profile: Profile, *calls: tuple[int, str, dict[str, Any]]) -> Trace:
    run = JudgedRun(kernel, SecondKernel(profile), profile, 10)
    run.boot()
    try:
        for task, name, arguments in calls:
            run.call(task, Call(name, arguments))
    except Violated:
        pass
    return run.trace()


def test_names_become_symbols() -> None:
    trace = run_of(
        ReferenceKernel(),
        MANUAL,
        (0, "mach_task_self", {}),
        (0, "task_create", {"parent_task": 6, "ledgers": (4, 5), "inherit_memory": False}),
        (0, "mach_port_allocate", {"task": 7, "right": 1}),
        (0, "mach_port_insert_right", {"task": 7, "name": 1, "poly": 3, "disposition": 19}),
        (1, "mach_port_type", {"task": 0, "name": DEAD_NAME}),
    )
    [case] = script_of(trace)["cases"]
    assert [step.get("bind") for step in case["steps"]] == [{"port": "p1"}, {"child_task": "t1"}, {"name": "p2"}, None, None]
    assert [step["as"] for step in case["steps"]] == ["S", "S", "S", "S", "t1"]
    assert case["steps"][1]["args"]["ledgers"] == ["root_ledger_wired", "root_ledger_paged"]
    assert case["steps"][3]["args"] == {"task": "t1", "name": "p2", "poly": "host_security", "disposition": "COPY_SEND"}
    assert case["steps"][3]["expect"] == {"ret": "KERN_NAME_EXISTS"}
    assert case["steps"][4]["args"] == {"task": "MACH_PORT_NULL", "name": "MACH_PORT_DEAD"}
    assert "urefs_max" not in case


def test_the_bootstrap_task_of_gnumach_is_a() -> None:
    [case] = script_of(run_of(ReferenceKernel(), GNUMACH, (0, "mach_task_self", {})))["cases"]
    assert case["steps"] == [{"as": "A", "call": "mach_task_self", "expect": {"ret": "KERN_SUCCESS"}}]


def test_a_failing_run_fails_again_and_passes_on_a_good_kernel() -> None:
    calls = (
        (0, "mach_task_self", {}),
        (0, "task_create", {"parent_task": 6, "ledgers": (), "inherit_memory": False}),
        (0, "mach_port_insert_right", {"task": 7, "name": 9, "poly": 1, "disposition": 17}),
    )
    fault = FAULTS["move-send-keeps-sender"].kernel
    script = script_of(run_of(fault(), MANUAL, *calls), "kept", "the sender keeps its right")
    assert script["cases"][0]["id"] == "kept"
    assert script["cases"][0]["steps"][-1]["expect"] == {"ret": "KERN_SUCCESS"}
    assert replayed(script, fault).verdict == "failed"
    assert replayed(script).verdict == "passed"


def test_the_failing_step_expects_what_the_specification_says() -> None:
    class Refuses(ReferenceKernel):
        def mach_host_self(self, *arguments: Any) -> Any:
            return msgspec.structs.replace(super().mach_host_self(*arguments), code=5, outputs={})

    script = script_of(run_of(Refuses(), MANUAL, (0, "mach_host_self", {})))
    assert script["cases"][0]["steps"][0]["expect"] == {"ret": "KERN_SUCCESS"}
    assert replayed(script).verdict == "passed"
    again = replayed(script, Refuses)
    assert (again.verdict, again.expected, again.seen) == ("failed", "KERN_SUCCESS", "KERN_FAILURE")


def test_a_crash_is_exported_without_an_expectation() -> None:
    class Panics(ReferenceKernel):
        def mach_host_self(self, *arguments: Any) -> Any:
            raise RuntimeError("panic")

    script = script_of(run_of(Panics(), MANUAL, (0, "mach_host_self", {})))
    assert "expect" not in script["cases"][0]["steps"][0]
    assert replayed(script, Panics).verdict == "crashed"
