"""Suspending and resuming tasks (``kern/task.c``)."""

from __future__ import annotations

from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.task import Task
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.call import Result


class SuspensionCalls(Core):
    """The two calls that count a task's suspensions. While the count isn't 0, the task makes no calls."""

    def task_suspend(self, caller: Task, task: Task | None) -> Result:
        """Suspend ``task``, which may be the caller, once more. KERN_INVALID_ARGUMENT."""
        if task is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        task.suspend_count += 1
        task.changed()
        return Result(ReturnCode.KERN_SUCCESS)

    def task_resume(self, caller: Task, task: Task | None) -> Result:
        """Take back one suspension. KERN_INVALID_ARGUMENT; the profile's ``resume_at_zero_code`` when there is none."""
        if task is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        if task.suspend_count == 0:
            return Result(self.profile.resume_at_zero_code)
        task.suspend_count -= 1
        task.changed()
        return Result(ReturnCode.KERN_SUCCESS)
