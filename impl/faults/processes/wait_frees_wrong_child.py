"""A wait that lets a child of another process be forgotten."""

from __future__ import annotations

from sendright.impl.faults.fault import Fault
from sendright.impl.reference import ReferenceKernel
from sendright.impl.reference.calls.processes.own import own_process
from sendright.impl.reference.task import Task
from sendright.impl.reference.waiting import Steps
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.call import Result


class WaitFreesWrongChild(ReferenceKernel):
    """Lets a process wait for any process by its pid."""

    name = "reference kernel with wait-frees-wrong-child"

    def wait4(self, caller: Task, pid: int, no_hang: bool) -> Steps:
        """Forget the zombie with this pid, whichever its parent is."""
        own_process(caller)
        for number, zombie in self.processes.zombies.items():
            if zombie.pid == pid:
                self.processes.forget([number])
                return Result(ReturnCode.KERN_SUCCESS, {"child": pid, "status": zombie.status})
        result = yield from super().wait4(caller, pid, no_hang)
        return result


FAULT = Fault(
    name="wait-frees-wrong-child",
    title="a process waits for a child that isn't its own, and the child's pid is free before its parent knows",
    history=(
        "A pid means its process only as long as it stays taken: a parent relies on that until it has waited. If another process can make "
        "the kernel forget the zombie, the parent's next signal goes to whichever process has the pid then."
    ),
    kernel=WaitFreesWrongChild,
)
