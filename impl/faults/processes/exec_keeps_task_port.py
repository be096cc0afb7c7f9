"""A right to a task's port that outlives a set-id image."""

from __future__ import annotations

from sendright.impl.faults.fault import Fault
from sendright.impl.reference import ReferenceKernel
from sendright.impl.reference.task import Task
from sendright.mach.abi.rights import Place


class ExecKeepsTaskPort(ReferenceKernel):
    """Lets the old task's port stand for the new task of an exec."""

    name = "reference kernel with exec-keeps-task-port"

    def end_task(self, task: Task) -> None:
        """Before the old task of an exec ends, it exchanges ports with the new one."""
        if task.process is not None and task.process.is_shadow:
            new = self.processes.task_of(task.process.pid)
            if new is not None:
                self._exchange_ports(task, new)
        super().end_task(task)

    def _exchange_ports(self, old: Task, new: Task) -> None:
        kept, given = old.port, new.port
        old.set_port(given)
        new.set_port(kept)
        rights = [task.put(Place.KERNEL, task.port.copy_send()) for task in (old, new)]
        self.release(rights)
        for port in (kept, given):
            port.changed()


FAULT = Fault(
    name="exec-keeps-task-port",
    title="a holder of a task's port controls the image that the task's process executes",
    history=(
        "CVE-2016-1757, fixed in OS X 10.11.4: exec mapped a set-id image into a task whose old port still worked, and revoked the port "
        "later. A holder of the port wrote into the new image's memory and was root. Hurd had the same with the proc port of the new "
        "image (ffead1cb, 281396c8)."
    ),
    kernel=ExecKeepsTaskPort,
)
