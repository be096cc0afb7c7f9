"""Shorthand for tests that drive a kernel beside the oracle: they agree on every answer and every state, and all
invariants hold.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import ReturnCode, code_name
from sendright.mach.abi.rights import Disposition, Right
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import MANUAL, Profile
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.snapshot import Snapshot
from sendright.model.execution.oracle import Judgement, Oracle, broken_invariants
from sendright.properties.runs.run import Run


class Judged:
    """A run by the bootstrap task, which calls on itself where nothing else is said."""

    def __init__(self, profile: Profile = MANUAL, kernel: Implementation | None = None) -> None:
        self.profile = profile
        self.kernel, self.oracle = kernel or ReferenceKernel(), Oracle(self.profile)
        self.run = Run(self.kernel, self.oracle, self.profile)
        self.run.boot()
        self.me: int = self.does("mach_task_self")

    def call(self, name: str, /, **arguments: Any) -> Call:
        if any(argument.name == "task" for argument in SIGNATURES[name].arguments):
            arguments.setdefault("task", self.me)
        return Call(name, arguments)

    def code(self, name: str, /, shortage: int = 0, **arguments: Any) -> str:
        """Make a call, whatever comes of it; the name of its code."""
        call = msgspec.structs.replace(self.call(name, **arguments), shortage=shortage)
        code = code_name(self.run.step(0, call).code)
        assert broken_invariants(self.state(), self.profile) == ()
        return code

    def does(self, name: str, /, shortage: int = 0, **arguments: Any) -> Any:
        """Make a call that must succeed; its only output, or all of them."""
        assert self.code(name, shortage, **arguments) == "KERN_SUCCESS"
        outputs = self.run.steps[-1].outputs
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def would(self, name: str, /, outputs: dict[str, Any] | None = None, code: int = ReturnCode.KERN_SUCCESS, **arguments: Any) -> Judgement:
        """What the oracle says of an answer that the kernel didn't give. The oracle is of no more use if it agrees."""
        return self.oracle.judge(0, self.call(name, **arguments), Result(code, outputs or {}))

    def state(self) -> Snapshot:
        """Everything there is, as the kernel and the oracle show it."""
        return self.run.snapshot

    def named(self, well_known: str) -> int:
        """The bootstrap task's name for one of the ports that it was given."""
        return self.profile.bootstrap_names.index(well_known) + 1

    def port(self) -> int:
        name: int = self.does("mach_port_allocate", right=Right.RECEIVE)
        return name

    def port_set(self, *members: int) -> int:
        name: int = self.does("mach_port_allocate", right=Right.PORT_SET)
        for member in members:
            self.does("mach_port_move_member", member=member, after=name)
        return name

    def send(self, dest: int, **arguments: Any) -> None:
        """Send a message with a right that is made for it."""
        self.does("mach_msg_send", dest=dest, dest_disposition=Disposition.MAKE_SEND_ONCE, **arguments)

    def members(self, pset: int) -> tuple[int, ...]:
        members: tuple[int, ...] = tuple(self.does("mach_port_get_set_status", name=pset))
        return members
