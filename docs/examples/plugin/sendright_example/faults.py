"""A fault: the reference kernel with one mistake."""

from __future__ import annotations

from sendright.impl.reference import ReferenceKernel
from sendright.impl.reference.task import Task
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.call import Result
from sendright_example.plugin import plugin


@plugin.fault("suspend-twice", "task_suspend counts two suspensions", history="A loop that runs once too often. An example.")
class SuspendTwice(ReferenceKernel):
    """Suspends a task twice."""

    name = "reference kernel with suspend-twice"

    def task_suspend(self, caller: Task, task: Task | None) -> Result:
        """Count one suspension too many."""
        answer = super().task_suspend(caller, task)
        if answer.code == ReturnCode.KERN_SUCCESS and task is not None:
            task.suspend_count += 1
        return answer
