"""Tasks' ports by the pids of their processes (``kern_proc.c``)."""

from __future__ import annotations

from typing import NamedTuple

from sendright.impl.reference.calls.processes.own import is_root, send_right_of
from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.server import task_behind
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_out
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Place, PortObject, SlotKind
from sendright.mach.kernel.call import Result
from sendright.mach.state.process import Process


class _Codes(NamedTuple):
    """What a call returns if it gives no right."""

    kernel: ReturnCode
    """It wants the kernel's task, pid 0."""
    no_task: ReturnCode
    """The caller's argument isn't a right to a task."""
    no_process: ReturnCode
    denied: ReturnCode
    """The caller may not have it, or a server doesn't say that it may."""
    dead: ReturnCode
    """The port of that server is dead."""


_TRAP = _Codes(ReturnCode.KERN_FAILURE, ReturnCode.KERN_FAILURE, ReturnCode.KERN_FAILURE, ReturnCode.KERN_FAILURE, ReturnCode.KERN_PROTECTION_FAILURE)
_SYSTEM_CALL = _Codes(ReturnCode.EPERM, ReturnCode.EINVAL, ReturnCode.ESRCH, ReturnCode.EPERM, ReturnCode.EACCES)


class ByPidCalls(Core):
    """The calls that give a right to a port of a process's task."""

    def task_for_pid(self, caller: Task, name: int, pid: int) -> Result:
        """Return a send right to the control port. KERN_FAILURE, KERN_PROTECTION_FAILURE."""
        return self._give(caller, self._reached(caller, name, pid, _TRAP), PortObject.TASK)

    def task_inspect_for_pid(self, caller: Task, name: int, pid: int) -> Result:
        """Return a send right to the inspect port. EPERM, EINVAL, ESRCH, EACCES."""
        return self._give(caller, self._reached(caller, name, pid, _SYSTEM_CALL), PortObject.TASK_INSPECT)

    def task_read_for_pid(self, caller: Task, name: int, pid: int) -> Result:
        """Return a send right to the read port. EPERM, EINVAL, ESRCH, EACCES."""
        return self._give(caller, self._reached(caller, name, pid, _SYSTEM_CALL), PortObject.TASK_READ)

    def task_name_for_pid(self, caller: Task, name: int, pid: int) -> Result:
        """Return a send right to the name port. It needs less than the others. KERN_FAILURE."""
        task, target = self._named(caller, name, pid, _TRAP)
        if task is not caller and not _may_name(caller.process, target):
            raise Failure(ReturnCode.KERN_FAILURE)
        return self._give(caller, task, PortObject.TASK_NAME)

    def _named(self, caller: Task, name: int, pid: int, codes: _Codes) -> tuple[Task, Process]:
        """The task that ``pid`` denotes, and its process; ``name`` has to be the caller's for any task."""
        if task_behind(send_right_of(caller, name), (PortObject.TASK,)) is None:
            raise Failure(codes.no_task)
        task = self.processes.task_of(pid)
        if task is None or task.process is None:
            raise Failure(codes.no_process)
        return task, task.process

    def _reached(self, caller: Task, name: int, pid: int, codes: _Codes) -> Task:
        """The task that ``pid`` denotes, if the caller may reach it by a strong port. Raises one of ``codes``."""
        if pid == 0:
            raise Failure(codes.kernel)
        task, target = self._named(caller, name, pid, codes)
        if task is not caller:
            if not _may_reach(caller.process, target):
                raise Failure(codes.denied)
            if not is_root(caller.process):
                self._ask_server(task, codes)
        return task

    def _ask_server(self, task: Task, codes: _Codes) -> None:
        """Ask the server of the task's access port, if there is one. No server answers here. A right to a kernel
        object's port is none. (``task_get_task_access_port``, ``check_task_access``)
        """
        right = task.right_at(Place.ACCESS)
        if right.live and right.port.object is not PortObject.NONE:
            return
        if right.kind is not SlotKind.NONE:
            raise Failure(codes.denied if right.live else codes.dead)

    def _give(self, caller: Task, task: Task, flavour: PortObject) -> Result:
        return Result(ReturnCode.KERN_SUCCESS, {"port": copy_out(caller.space, self.port_of_flavour(task, flavour).make_send())})


def _may_reach(own: Process | None, target: Process) -> bool:
    """Whether a process may have a strong port of another one's task. (``task_for_pid_posix_check``)"""
    if own is None or is_root(own):
        return is_root(own)
    if {target.real_user, target.effective_user, target.saved_user} != {own.effective_user}:
        return False
    groups = {target.real_group, target.effective_group, target.saved_group}
    return groups <= {own.real_group, own.effective_group, own.saved_group} and not target.has_changed_ids


def _may_name(own: Process | None, target: Process) -> bool:
    """Whether a process may have the name port of another one's task. (``task_name_for_pid``)"""
    if own is None or is_root(own):
        return is_root(own)
    return (own.effective_user, own.real_user) == (target.effective_user, target.real_user)
