"""An exception port that outlives a set-id image."""

from __future__ import annotations

from sendright.impl.faults.fault import Fault
from sendright.impl.reference import ReferenceKernel
from sendright.impl.reference.task import Task
from sendright.mach.abi.rights import Place, PortObject


class ExecKeepsExceptionPorts(ReferenceKernel):
    """Leaves the new task of a set-id image the exception ports of the old one."""

    name = "reference kernel with exec-keeps-exception-ports"

    def _reset_ports(self, task: Task) -> None:
        """Let another port stand for the task, and nothing more."""
        old = task.port
        task.set_port(self.make_port(PortObject.TASK))
        self.release([task.put(Place.KERNEL, task.port.make_send())])
        self.end_port(old)


FAULT = Fault(
    name="exec-keeps-exception-ports",
    title="the exceptions of a set-id image go to the receiver of those of the image before it",
    history=(
        "CVE-2006-4392, fixed in Mac OS X 10.4.8: exec of a set-user-id program left the task's exception ports as they were. The server "
        "there received the ports of the program's task and thread with its first exception, and controlled a process of root."
    ),
    kernel=ExecKeepsExceptionPorts,
)
