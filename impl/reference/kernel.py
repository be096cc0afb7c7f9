"""The reference kernel: all its calls, and their dispatch."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType

from sendright.impl.reference.calls.allocation import AllocationCalls
from sendright.impl.reference.calls.attributes import AttributeCalls
from sendright.impl.reference.calls.details import DetailCalls
from sendright.impl.reference.calls.exceptions import ExceptionCalls
from sendright.impl.reference.calls.guards import GuardCalls
from sendright.impl.reference.calls.host_ports import HostCalls
from sendright.impl.reference.calls.ledgers import LedgerCalls
from sendright.impl.reference.calls.memory import MemoryCalls
from sendright.impl.reference.calls.names import NameCalls
from sendright.impl.reference.calls.peek import PeekCalls
from sendright.impl.reference.calls.port_sets import PortSetCalls
from sendright.impl.reference.calls.processes.by_pid import ByPidCalls
from sendright.impl.reference.calls.processes.credentials import CredentialCalls
from sendright.impl.reference.calls.processes.execution import ExecCalls
from sendright.impl.reference.calls.processes.identity_tokens import IdentityTokenCalls
from sendright.impl.reference.calls.processes.sessions import SessionCalls
from sendright.impl.reference.calls.requests import RequestCalls
from sendright.impl.reference.calls.rights import RightCalls
from sendright.impl.reference.calls.rpc import RpcCalls
from sendright.impl.reference.calls.special_ports import SpecialPortCalls
from sendright.impl.reference.calls.suspension import SuspensionCalls
from sendright.impl.reference.calls.tokens import TokenCalls
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.server import Stub, stub
from sendright.impl.reference.task import Task
from sendright.impl.reference.waiting import Steps
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES

ADDED_ROUTINES: dict[str, Callable[..., Result | Steps]] = {}
"""Calls that plugins add -> their routines: functions of the kernel, the caller and the arguments."""


class ReferenceKernel(
    TokenCalls,
    SuspensionCalls,
    SpecialPortCalls,
    ExceptionCalls,
    HostCalls,
    AllocationCalls,
    GuardCalls,
    NameCalls,
    RightCalls,
    PortSetCalls,
    AttributeCalls,
    RpcCalls,
    DetailCalls,
    PeekCalls,
    RequestCalls,
    LedgerCalls,
    MemoryCalls,
    CredentialCalls,
    SessionCalls,
    ExecCalls,
    ByPidCalls,
    IdentityTokenCalls,
):
    """A small Mach kernel. It is deterministic: after the same boot and the same calls it returns the same results."""

    name = "reference kernel"
    final_parts = True
    """The parts of a snapshot never change. A later snapshot has new objects for what has changed."""

    def boot(self, profile: Profile) -> None:
        """Discard all tasks and ports, and start in the boot state of ``profile``."""
        super().boot(profile)
        self.stubs: dict[str, Stub] = {
            name: stub(signature, profile, self._routine(name)) for name, signature in SIGNATURES.items() if profile.serves(name)
        }

    def _routine(self, name: str) -> Callable[..., Result | Steps]:
        """The method of this name, or what a plugin brings in place of it."""
        return MethodType(ADDED_ROUTINES[name], self) if name in ADDED_ROUTINES and not hasattr(self, name) else getattr(self, name)

    def call(self, task: int, call: Call) -> Result:
        """Make ``call`` as the task number ``task``. MIG_BAD_ID if the profile lacks the call.

        Raises ValueError for a task that doesn't exist, is suspended or hasn't begun, a call that Mach doesn't have, a
        missing argument, a new call while the task's last one hasn't ended, and for resuming a call that the task isn't
        in.
        """
        caller = self.tasks.get(task)
        if caller is None:
            raise ValueError(f"no live task {task}")
        if caller.suspend_count > 0:
            raise ValueError(f"task {task} is suspended")
        if caller.process is not None and not caller.process.has_begun:
            raise ValueError(f"task {task} hasn't begun")
        self.allocations_until_shortage = call.shortage
        if call.resume or caller.waiting is not None:
            return self._resume(caller, call)
        stub = self.stubs.get(call.name)
        if stub is None:
            if call.name not in SIGNATURES:
                raise ValueError(f"no call is named {call.name!r}")
            return Result(ReturnCode.MIG_BAD_ID)
        try:
            begun = stub.serve(caller, call.arguments)
        except Failure as failure:
            return Result(failure.code)
        return begun if isinstance(begun, Result) else self._go_on(caller, begun, call.stop)

    def _resume(self, caller: Task, call: Call) -> Result:
        waiting, steps = caller.waiting, caller.steps
        if waiting is None or steps is None:
            raise ValueError(f"task {caller.number} doesn't wait in {call.name}")
        if not call.resume or call.name != waiting.call:
            raise ValueError(f"task {caller.number} waits in {waiting.call}")
        result = self._go_on(caller, steps, call.stop)
        return Result(result.code, result.outputs)  # a created task was reported with the first answer

    def _go_on(self, caller: Task, steps: Steps, stop: bool) -> Result:
        """Continue a call until it ends or is blocked, or with ``stop`` until its next step."""
        try:
            while True:
                waiting = next(steps)
                if waiting.must or stop:
                    caller.wait(waiting, steps)
                    return Result(waiting.code, created_task=waiting.created_task)
        except StopIteration as ended:
            result: Result = ended.value
        except Failure as failure:
            result = Result(failure.code)
        caller.wait(None)
        return result
