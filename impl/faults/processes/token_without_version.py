"""An identity token that finds any image of its process."""

from __future__ import annotations

from sendright.impl.faults.fault import Fault
from sendright.impl.reference import ReferenceKernel
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.task import Task
from sendright.mach.abi.codes import ReturnCode


class TokenWithoutVersion(ReferenceKernel):
    """Finds the task of an identity token by its pid alone."""

    name = "reference kernel with token-without-version"

    def _running(self, pid: int, version: int) -> Task:
        task = self.processes.task_of(pid)
        if task is None:
            raise Failure(ReturnCode.KERN_NOT_FOUND)
        return task


FAULT = Fault(
    name="token-without-version",
    title="an identity token leads to whatever has the pid now, also to a set-user-id image that the process executed",
    history=(
        "A server that keeps a client's pid, and asks for the client's task with it later, can get the task of another image: the client "
        "has executed a trusted program in the meantime, or another process has the pid. XNU made identity tokens so that crash reporters "
        "and resource limits needn't keep pids or tasks; the pid version in them is what makes them safe (task_ident.c)."
    ),
    kernel=TokenWithoutVersion,
)
