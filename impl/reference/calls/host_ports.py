"""The host's special ports, for holders of the privileged host port (``kern/host.c``)."""

from __future__ import annotations

from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.host import LAST_KERNEL_PORT
from sendright.impl.reference.immovable import check_can_be_kept
from sendright.impl.reference.port import Port, Right
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_out
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.call import Result
from sendright.mach.state.boot import BOOTSTRAP_TASK
from sendright.mach.state.process import FIRST_PID


class HostCalls(Core):
    """The calls that get the host's special ports, and set those that aren't the kernel's own."""

    def host_get_special_port(self, caller: Task, host_priv: Port | None, node: int, which: int) -> Result:
        """Return a clone of the right in one of the host's places, by profile null for a kernel object's port that was
        set there. The security port is in none of them. KERN_INVALID_ARGUMENT.
        """
        if host_priv is None or not 1 <= which <= self.profile.host_special_ports:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        right = self.host.right_at(which)
        told = right.clone() if which <= LAST_KERNEL_PORT else self.clone_of_users_port(right)
        return Result(ReturnCode.KERN_SUCCESS, {"port": copy_out(caller.space, told)})

    def host_set_special_port(self, caller: Task, host_priv: Port | None, which: int, port: Right) -> Result:
        """Put ``port``, a right to any port, into one of the host's places.

        KERN_INVALID_ARGUMENT, also for the kernel's places; KERN_INVALID_RIGHT for an immovable right; by profile
        KERN_NO_ACCESS for a caller that isn't the first process, or the first task in kernels without processes.
        (``initproc``)
        """
        if host_priv is None or not LAST_KERNEL_PORT < which <= self.profile.host_special_ports:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        check_can_be_kept(port)
        if self.profile.only_init_sets_host_ports and not self._is_init(caller):
            raise Failure(ReturnCode.KERN_NO_ACCESS)
        self.release([self.host.put(which, port.clone())])
        return Result(ReturnCode.KERN_SUCCESS)

    def _is_init(self, task: Task) -> bool:
        if self.profile.has_processes:
            return task.process is not None and task.process.pid == FIRST_PID
        return task.number == BOOTSTRAP_TASK
