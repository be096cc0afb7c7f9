"""Suspending and resuming tasks (``kern/task.c``)."""

from __future__ import annotations

from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.space import Space
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_out
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import PortObject
from sendright.mach.kernel.call import Result


class SuspensionCalls(Core):
    """The two calls that count a task's suspensions. While the count isn't 0, the task makes no calls.

    In some kernels a suspender holds a send right to the task's resume port, of which no call tells it. When no such
    right is left, all suspensions end, so that none outlives its suspenders.
    """

    def task_suspend(self, caller: Task, task: Task | None) -> Result:
        """Suspend ``task``, which may be the caller, once more. KERN_INVALID_ARGUMENT."""
        if task is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        task.suspend_count += 1
        task.changed()
        if self.profile.suspenders_hold_rights:
            copy_out(caller.space, self.port_of_flavour(task, PortObject.TASK_RESUME).make_send())
        return Result(ReturnCode.KERN_SUCCESS)

    def task_resume(self, caller: Task, task: Task | None) -> Result:
        """Take back one suspension. KERN_INVALID_ARGUMENT; the profile's ``resume_at_zero_code`` when there is none."""
        if task is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        suspended = task.suspend_count > 0
        if suspended:
            task.suspend_count -= 1
            task.changed()
        self._give_up_hold(caller.space, task, suspended)
        return Result(ReturnCode.KERN_SUCCESS if suspended else self.profile.resume_at_zero_code)

    def _give_up_hold(self, space: Space, task: Task, suspended: bool) -> None:
        """Give up the right that ``space`` may have to the resume port of ``task``: one reference, or all if the task
        wasn't suspended any more.
        """
        port = task.ports.get(PortObject.TASK_RESUME)
        name = None if port is None else space.name_of(port)
        if name is None:
            return
        if suspended:
            space.give_up_reference(name)
        else:
            self.end_name(space, name)
