"""A right that stands for a suspension, and outlives it."""

from __future__ import annotations

from sendright.impl.faults.fault import Fault
from sendright.impl.reference import ReferenceKernel
from sendright.impl.reference.task import Task


class ResumeKeepsRight(ReferenceKernel):
    """Leaves the caller of task_resume its right to the resume port."""

    name = "reference kernel with resume-keeps-right"

    def _take_token(self, caller: Task, task: Task, resumed: bool) -> None:
        """Take nothing from a caller that has resumed the task."""
        if not resumed:
            super()._take_token(caller, task, resumed)


FAULT = Fault(
    name="resume-keeps-right",
    title="task_resume takes a suspension back, but not the right that stands for it",
    history=(
        "In XNU no result names the right that task_suspend leaves in its caller's space, so no program misses it. If "
        "task_resume forgot it, it would outlive the suspension. Then a later suspender that ends leaves its target suspended, because "
        "another task still seems to hold it. Only profiles with resume ports (xnu) have this fault."
    ),
    kernel=ResumeKeepsRight,
)
