"""A token that says who the process was."""

from __future__ import annotations

from msgspec.structs import replace

from sendright.impl.faults.fault import Fault
from sendright.impl.reference import ReferenceKernel
from sendright.impl.reference.calls.processes.own import own_process
from sendright.impl.reference.task import Task
from sendright.mach.kernel.call import Result


class TokensOfOldIds(ReferenceKernel):
    """Changes the effective user of a process, but not the tokens of its task."""

    name = "reference kernel with tokens-of-old-ids"

    def seteuid(self, caller: Task, euid: int) -> Result:
        """Set the effective user; keep tokens and the host port of before."""
        before = caller.process
        result = super().seteuid(caller, euid)
        if before is not None and caller.process != before:
            after = own_process(caller)
            self.set_identity(caller, replace(before, has_changed_ids=True))
            caller.set_process(after)
        return result


FAULT = Fault(
    name="tokens-of-old-ids",
    title="a process that gives up root still sends messages as root",
    history=(
        "A task's tokens are copies of what its process's credential says. Every call that changes a credential has to set them, too "
        "(set_security_token in XNU's kern_prot.c, called at twelve places in XNU 792 and at one in XNU 11417). A call that forgets it "
        "leaves a process its old authority with every server that reads the trailer."
    ),
    kernel=TokensOfOldIds,
)
