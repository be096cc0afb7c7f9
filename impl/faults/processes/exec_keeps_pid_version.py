"""An image that has the pid version of the one before it."""

from __future__ import annotations

from itertools import repeat

from sendright.impl.faults.fault import Fault
from sendright.impl.reference import ReferenceKernel
from sendright.impl.reference.calls.processes.own import own_process
from sendright.impl.reference.task import Task


class ExecKeepsPidVersion(ReferenceKernel):
    """Gives an image no pid version of its own."""

    name = "reference kernel with exec-keeps-pid-version"

    def _set_ids(self, task: Task, set_user: int, set_group: int) -> None:
        """Draw the version that the process has."""
        versions, self.processes.versions = self.processes.versions, repeat(own_process(task).pid_version)
        try:
            super()._set_ids(task, set_user, set_group)
        finally:
            self.processes.versions = versions


FAULT = Fault(
    name="exec-keeps-pid-version",
    title="a pid and its version name two images: a token says who the process was, not who it is",
    history=(
        "Servers that know a client by its pid alone let it send a request and then execute a trusted program, or end so that another "
        "process gets the pid. So Darwin's audit tokens have a pid version, which an exec changes. Without that they say no more than a "
        "pid (Project Zero 1223, and many servers of XPC since 2014)."
    ),
    kernel=ExecKeepsPidVersion,
)
