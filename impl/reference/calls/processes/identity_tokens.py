"""Tokens that name the images of processes, and tasks by them (``osfmk/kern/task_ident.c``)."""

from __future__ import annotations

from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.port import Port
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_out
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import TASK_FLAVOUR_PORTS, PortObject
from sendright.mach.kernel.call import Result


class IdentityTokenCalls(Core):
    """The calls that make a token, and give a right to a port of the task that a token names. They don't ask who the
    caller is.
    """

    def task_create_identity_token(self, caller: Task, task: Task | None) -> Result:
        """Return a send right to the port of a new token, which names the image that ``task`` runs: that of its own
        process, also where that is a shadow. KERN_INVALID_ARGUMENT.
        """
        if task is None or task.process is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        port = self.make_port(PortObject.TASK_ID_TOKEN)
        port.task = task  # for reports: the lookup doesn't use it
        port.image = task.process.pid, task.process.pid_version
        return Result(ReturnCode.KERN_SUCCESS, {"token": copy_out(caller.space, port.make_send())})

    def task_identity_token_get_task_port(self, caller: Task, token: Port | None, flavor: int) -> Result:
        """Return a send right to a port of the task that runs the image which ``token`` names. KERN_INVALID_ARGUMENT;
        KERN_NOT_FOUND if none runs it any more.
        """
        flavour = TASK_FLAVOUR_PORTS.get(flavor)
        if token is None or token.image is None or flavour is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        right = self.port_of_flavour(self._running(*token.image), flavour).make_send()
        return Result(ReturnCode.KERN_SUCCESS, {"task_port": copy_out(caller.space, right)})

    def _running(self, pid: int, version: int) -> Task:
        """The task that ``pid`` denotes, if its process has this pid version. Raises KERN_NOT_FOUND.
        (``proc_find_ident``)
        """
        task = self.processes.task_of(pid)
        if task is None or task.process is None or task.process.pid_version != version:
            raise Failure(ReturnCode.KERN_NOT_FOUND)
        return task
