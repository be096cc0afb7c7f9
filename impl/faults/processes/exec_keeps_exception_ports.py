"""An exception port that outlives a set-id image."""

from __future__ import annotations

from sendright.impl.faults.fault import Fault
from sendright.impl.reference import ReferenceKernel
from sendright.impl.reference.task import Task


class ExecKeepsExceptionPorts(ReferenceKernel):
    """Leaves the new task of a set-id image the exception ports of the old one, or of its parent."""

    name = "reference kernel with exec-keeps-exception-ports"

    def _drop_exception_ports(self, task: Task) -> None:
        """Drop none of them."""


FAULT = Fault(
    name="exec-keeps-exception-ports",
    title="the exceptions of a set-id image go to the receiver of those of the image before it",
    history=(
        "CVE-2006-4392, fixed in Mac OS X 10.4.8: exec of a set-user-id program left the task's exception ports as they were. The server "
        "there received the ports of the program's task and thread with its first exception, and controlled a process of root."
    ),
    kernel=ExecKeepsExceptionPorts,
)
