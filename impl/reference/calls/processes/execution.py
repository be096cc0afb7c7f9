"""Images of processes: a process replaces its own and goes on in a new task, or makes a child that begins with one
(``kern_exec.c``)."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from sendright.impl.reference.calls.processes.credentials import with_groups
from sendright.impl.reference.calls.processes.lives import LifeCalls
from sendright.impl.reference.calls.processes.own import own_process
from sendright.impl.reference.port import NULL_RIGHT, Right
from sendright.impl.reference.task import Task
from sendright.impl.reference.waiting import PausedExec, Steps
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Place, PortObject
from sendright.mach.abi.tokens import UNSET
from sendright.mach.kernel.call import Result
from sendright.mach.state.process import NO_MEMBER, Process


class ExecCalls(LifeCalls):
    """The call that replaces an image, in four phases, and the one that makes a process with an image."""

    def posix_spawn(self, caller: Task, set_user: int, set_group: int) -> Result:
        """Create a process whose image is a set-id image or isn't; returns its pid. ESRCH, EAGAIN.

        The kernel makes a new port for the task of a set-id image. It does so before another task can have a right to
        the first one, so here the task has one port from the beginning. (``posix_spawn``, ``fork1``,
        ``ipc_task_enable``)
        """
        child = self.new_process(caller)
        self._set_ids(child, set_user, set_group, lambda: self.release(self._take_exception_ports(child)))
        return Result(ReturnCode.KERN_SUCCESS, {"pid": own_process(child).pid}, child.number)

    def execve(self, caller: Task, set_user: int, set_group: int) -> Steps:
        """Let the caller's process go on in a new task, with the ids of a set-id image if the image is one, and end the
        caller. ESRCH, ENOMEM. (``__mac_execve``)
        """
        process = own_process(caller)
        new = self.new_task(caller, ReturnCode.ENOMEM)
        new.set_process(replace(process, is_shadow=True, has_begun=False))
        yield PausedExec(new, 1, set_user, set_group)
        self._set_ids(new, set_user, set_group, lambda: self._reset_ports(new))
        yield PausedExec(new, 2)
        _switch(caller, new)
        yield PausedExec(new, 3)
        self.end_task(caller)
        new.set_process(replace(own_process(new), has_begun=True))
        return Result(ReturnCode.KERN_SUCCESS, created_task=new.number)

    def _set_ids(self, task: Task, set_user: int, set_group: int, reset: Callable[[], None]) -> None:
        """Give the new task its identity, after a ``reset`` of its ports if its image is a set-id image.
        (``exec_handle_sugid``)
        """
        process = replace(own_process(task), has_changed_ids=False)
        if set_user not in (UNSET, process.effective_user) or set_group not in (UNSET, process.effective_group):
            process = replace(_with_ids(process, set_user, set_group), has_changed_ids=True)
            reset()
        version = next(self.processes.versions)
        saved = {"saved_user": process.effective_user, "saved_group": process.effective_group}
        self.set_identity(task, replace(process, pid_version=version, **saved))

    def _reset_ports(self, task: Task) -> None:
        """Let another port stand for the task, and take away the exception ports that root hasn't set, so that no one
        who could control the task before a set-id image can do so after it. (``ipc_task_reset``)
        """
        old = task.port
        task.set_port(self.make_port(PortObject.TASK))
        given_up = [task.put(Place.KERNEL, task.port.make_send())]
        self.release([*given_up, *self._take_exception_ports(task)])
        self.end_port(old)

    def _take_exception_ports(self, task: Task) -> list[Right]:
        """Empty the task's places of exceptions, except those that root has set; what was in them."""
        return [task.put(place, NULL_RIGHT) for place in self.profile.exception_places if place not in task.privileged]


def _switch(old: Task, new: Task) -> None:
    """Let the pid of both denote the new task. (``proc_exec_switch_task``)"""
    old.set_process(replace(own_process(old), is_shadow=True))
    new.set_process(replace(own_process(new), is_shadow=False))


def _with_ids(process: Process, set_user: int, set_group: int) -> Process:
    """``process`` with the ids of a set-id image: the owner, the group or both."""
    if set_user != UNSET:
        process = replace(process, effective_user=set_user, saved_user=set_user, member=NO_MEMBER)
    return process if set_group == UNSET else with_groups(process, effective_group=set_group, saved_group=set_group)
