"""The reference kernel: all calls together, and how they are made."""

from __future__ import annotations

from sendright.impl.reference.allocation_calls import AllocationCalls
from sendright.impl.reference.attribute_calls import AttributeCalls
from sendright.impl.reference.exception_calls import ExceptionCalls
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.guard_calls import GuardCalls
from sendright.impl.reference.host_calls import HostCalls
from sendright.impl.reference.ledger_calls import LedgerCalls
from sendright.impl.reference.memory_calls import MemoryCalls
from sendright.impl.reference.message_calls import MessageCalls
from sendright.impl.reference.name_calls import NameCalls
from sendright.impl.reference.peek_calls import PeekCalls
from sendright.impl.reference.port_set_calls import PortSetCalls
from sendright.impl.reference.request_calls import RequestCalls
from sendright.impl.reference.right_calls import RightCalls
from sendright.impl.reference.server import Stub, stub
from sendright.impl.reference.special_port_calls import SpecialPortCalls
from sendright.impl.reference.suspension_calls import SuspensionCalls
from sendright.impl.reference.token_calls import TokenCalls
from sendright.mach.calls import Call, Result
from sendright.mach.codes import ReturnCode
from sendright.mach.profiles import Profile
from sendright.mach.signatures import SIGNATURES


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
    MessageCalls,
    PeekCalls,
    RequestCalls,
    LedgerCalls,
    MemoryCalls,
):
    """A small Mach kernel. It is deterministic: booted alike and called alike, it answers alike."""

    name = "reference kernel"
    final_parts = True
    """What a snapshot has shown never changes; it shows a new object for what has."""

    def boot(self, profile: Profile) -> None:
        """Start anew as ``profile`` says; all tasks and ports of before are gone."""
        super().boot(profile)
        self.stubs: dict[str, Stub] = {
            name: stub(signature, profile, getattr(self, name)) for name, signature in SIGNATURES.items() if profile.serves(name)
        }

    def call(self, task: int, call: Call) -> Result:
        """Make ``call`` as the task number ``task``. MIG_BAD_ID if the profile lacks the call.

        Raises ValueError for a task that does not live or is suspended, a call that Mach doesn't have, and a missing argument.
        """
        caller = self.tasks.get(task)
        if caller is None:
            raise ValueError(f"no live task {task}")
        if caller.suspend_count > 0:
            raise ValueError(f"task {task} is suspended")
        stub = self.stubs.get(call.name)
        if stub is None:
            if call.name not in SIGNATURES:
                raise ValueError(f"no call is named {call.name!r}")
            return Result(ReturnCode.MIG_BAD_ID)
        self.allocations_until_shortage = call.shortage
        try:
            return stub.serve(caller, call.arguments)
        except Failure as failure:
            return Result(failure.code)
