"""Shorthand for tests that drive the oracle alone, with answers written by hand."""

from __future__ import annotations

from typing import Any

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Right
from sendright.mach.abi.tokens import BOOTSTRAP_AUDIT_TOKEN, BOOTSTRAP_SECURITY_TOKEN
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import MANUAL, Profile
from sendright.mach.state.snapshot import Message, Snapshot
from sendright.model.execution.oracle import Judgement, Oracle, broken_invariants

ME, CHILD = 30, 31
"""Names of the bootstrap task's for its own port and its child's."""


class ByHand:
    """A run; each answer that is given must be one that the specification allows."""

    def __init__(self, profile: Profile = MANUAL) -> None:
        self.profile, self.oracle = profile, Oracle(profile)
        self.steps: list[tuple[int, Call, Result]] = []
        self.says("mach_task_self", port=ME)

    def answers(self, task: int, call: Call, result: Result) -> None:
        """The specification allows this answer, and all invariants hold after it."""
        judgement = self.oracle.judge(task, call, result)
        assert judgement.agreed, judgement
        assert broken_invariants(self.state, self.profile) == ()
        self.steps.append((task, call, result))

    def says(self, name: str, /, given: dict[str, Any] | None = None, by: int = 0, **outputs: Any) -> None:
        """The call succeeds with these results."""
        created = 1 if name == "task_create" else None
        self.answers(by, Call(name, given or {}), Result(ReturnCode.KERN_SUCCESS, outputs, created))

    def fails(self, code: ReturnCode, name: str, /, given: dict[str, Any], by: int = 0, **outputs: Any) -> None:
        """The call answers this code, with these results."""
        self.answers(by, Call(name, given), Result(code, outputs))

    def resumed(self, name: str, /, by: int, code: ReturnCode = ReturnCode.KERN_SUCCESS, **outputs: Any) -> None:
        """The call that the task waits in is resumed, and answers this."""
        self.answers(by, Call(name, {}, resume=True), Result(code, outputs))

    def would(self, task: int, call: Call, result: Result) -> Judgement:
        """What the specification says of another answer at this point."""
        other = Oracle(self.profile)
        for step in self.steps:
            assert other.judge(*step).agreed
        return other.judge(task, call, result)

    @property
    def state(self) -> Snapshot:
        return self.oracle.snapshot()

    # ---- what most tests begin with

    def port(self, name: int, task: int = ME) -> int:
        """A receive right under ``name``, of the task whose port is named; its port's number."""
        self.says("mach_port_allocate_name", {"task": task, "right": Right.RECEIVE, "name": name}, name=name)
        return max(self.state.ports)

    def child(self, *names: int) -> None:
        """A child, which has send rights to the ports that the bootstrap task receives from, under the same
        ``names``.
        """
        self.says("task_create", {"parent_task": ME}, child_task=CHILD)
        for name in names:
            given = {"task": CHILD, "name": name, "poly": name, "disposition": Disposition.MAKE_SEND}
            self.says("mach_port_insert_right", given)

    def page(self, address: int, value: int) -> None:
        """A page of the bootstrap task's."""
        self.says("vm_allocate", {"task": ME, "address": address, "anywhere": False}, address=address)
        self.says("vm_write", {"task": ME, "address": address, "value": value})

    def contains(self, address: int, value: int) -> None:
        self.says("vm_read", {"task": ME, "address": address}, value=value)

    def queue(self, port: int) -> tuple[Message, ...]:
        return self.state.ports[port].queue


def send(dest: int, *descriptors: Any, **more: Any) -> dict[str, Any]:
    """Arguments of a send by a right that is made for it."""
    return {"dest": dest, "dest_disposition": Disposition.MAKE_SEND, "descriptors": descriptors, **more}


def received(local: int, *descriptors: Any, **more: Any) -> dict[str, Any]:
    """Results of a receive of a message of the bootstrap task's, the first of its port."""
    told = {"id": 0, "local": local, "reply": 0, "reply_disposition": 0, "descriptors": descriptors, "data": 0, "size": 28, "trailer_size": 52}
    return {**told, "sequence_number": 0, "security_token": BOOTSTRAP_SECURITY_TOKEN, "audit_token": BOOTSTRAP_AUDIT_TOKEN, **more}
