"""Ids that are set one after the other."""

from __future__ import annotations

from sendright.impl.faults.fault import Fault
from sendright.impl.reference import ReferenceKernel
from sendright.impl.reference.task import Task
from sendright.mach.abi.tokens import UNSET
from sendright.mach.kernel.call import Result


class IdsInTwoSteps(ReferenceKernel):
    """Sets the real user first. If the effective one is refused then, the real one stays."""

    name = "reference kernel with ids-in-two-steps"

    def setreuid(self, caller: Task, ruid: int, euid: int) -> Result:
        """Set the two users by two calls."""
        if ruid != UNSET:
            super().setreuid(caller, ruid, UNSET)
        return super().setreuid(caller, ruid, euid)


FAULT = Fault(
    name="ids-in-two-steps",
    title="setreuid sets the real user before it looks whether the caller may have the effective one",
    history=(
        "The Hurd's set-id calls made new authentication ports in two requests, so that a process could be caught between them, or stay "
        "there when the second one failed (3c9f1482). In one step, a call that fails changes nothing."
    ),
    kernel=IdsInTwoSteps,
)
