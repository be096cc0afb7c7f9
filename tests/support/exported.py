"""Failing runs to export: a fault of the state, and one of a code, found by the specification itself."""

from __future__ import annotations

from typing import Any

import msgspec

from sendright.impl.faults import FAULTS
from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import MANUAL, Profile
from sendright.mach.state.trace import Trace
from sendright.model.execution.oracle import Oracle
from sendright.properties.interchange.recorded import run_of_calls
from sendright.properties.runs.judged_run import JudgedRun, Violated

SELF = Call("mach_task_self", {})
GROWING = [
    (0, SELF),
    (0, Call("task_create", {"parent_task": 6, "ledgers": (), "inherit_memory": False})),
    (0, Call("mach_port_allocate", {"task": 6, "right": 1})),
    (0, Call("mach_port_insert_right", {"task": 6, "name": 8, "poly": 8, "disposition": 20})),
    (0, Call("mach_port_insert_right", {"task": 7, "name": 77, "poly": 8, "disposition": 19})),
    (1, SELF),
    (1, Call("mach_port_mod_refs", {"task": 1, "name": 77, "right": 0, "delta": 2})),
    (0, Call("mach_msg_send", {"dest": 8, "descriptors": ((8, 20), ((6, 6), 19)), "id": 5, "data": 9})),
    (0, Call("mach_msg_receive", {"port": 8})),
    (0, Call("mach_port_get_refs", {"task": 6, "name": 8, "right": 0})),
]
"""Calls of two tasks: for kernels with task_create, whose boot task has one more name than GNU Mach's, or fewer."""


def growing(profile: str) -> Trace:
    """A run of two tasks without a fault, with the names that the profile's kernel gives."""
    shift = {"gnumach": -3, "manual": 0}[profile]

    def moved(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(moved(each) for each in value)
        return value + shift if value in (6, 7, 8) and not isinstance(value, bool) else value

    names = {"task", "parent_task", "name", "poly", "dest", "port", "descriptors"}
    calls = [
        (task, Call(call.name, {key: moved(value) if key in names else value for key, value in call.arguments.items()})) for task, call in GROWING
    ]
    return run_of_calls(calls, profile, {}, ReferenceKernel, Oracle)


def failing() -> Trace:
    """A kernel with a seeded fault leaves a right where it was."""
    return _failing(FAULTS["move-send-keeps-sender"].kernel(), MANUAL)


class _WrongCode(ReferenceKernel):
    name = "a kernel with a wrong code"

    def call(self, task: int, call: Call) -> Result:
        result = super().call(task, call)
        return msgspec.structs.replace(result, code=ReturnCode.KERN_INVALID_VALUE) if call.name == "mach_port_insert_right" else result


def wrong_code() -> Trace:
    """A kernel returns another code than it should."""
    return _failing(_WrongCode(), MANUAL)


def _failing(kernel: Implementation, profile: Profile) -> Trace:
    run = JudgedRun(kernel, Oracle(profile), profile, 60.0)
    run.boot()
    run.call(0, SELF)
    try:
        run.call(0, Call("mach_port_insert_right", {"task": 1, "name": 0, "poly": 1, "disposition": 17}))
    except Violated:
        return run.trace()
    raise AssertionError("nothing failed")
