"""Images of processes: a process gets one that replaces another, or begins with one (``kern_exec.c``)."""

from __future__ import annotations

from msgspec.structs import replace

from sendright.impl.reference.calls.processes.credentials import with_groups
from sendright.impl.reference.calls.processes.lives import LifeCalls
from sendright.impl.reference.calls.processes.own import own_process
from sendright.impl.reference.port import NULL_RIGHT
from sendright.impl.reference.task import Task
from sendright.impl.reference.waiting import PausedExec, Steps
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Place, PortObject
from sendright.mach.abi.tokens import UNSET
from sendright.mach.kernel.call import Result
from sendright.mach.state.process import NO_MEMBER, Process


class ExecCalls(LifeCalls):
    """The call that replaces an image, in four phases, and the one that creates a process with an image."""

    def execve(self, caller: Task, set_user: int, set_group: int) -> Steps:
        """Let the caller's process go on in a new task, with the ids of a set-id image if the image is one, and end the
        caller. ESRCH, ENOMEM. (``__mac_execve``)
        """
        process = own_process(caller)
        new = self.new_task(caller, ReturnCode.ENOMEM)
        new.set_process(replace(process, is_shadow=True, has_begun=False))
        yield PausedExec(new, 1, set_user, set_group)
        self._set_ids(new, set_user, set_group)
        if own_process(new).has_changed_ids:
            self._renew_port(new)
        yield PausedExec(new, 2)
        _switch(caller, new)
        yield PausedExec(new, 3)
        self.end_task(caller)
        new.set_process(replace(own_process(new), has_begun=True))
        return Result(ReturnCode.KERN_SUCCESS, created_task=new.number)

    def posix_spawn(self, caller: Task, set_user: int, set_group: int) -> Result:
        """Create a process that begins with an image, which may be a set-id image; returns its pid. ESRCH, ENOMEM,
        EAGAIN.

        No task has had a right to its task's port. So a set-id image needs no other port.
        """
        own_process(caller)
        self.allocate_or(ReturnCode.ENOMEM)  # what the call knows of the image (``__spawn_data``)
        child = self.new_child(caller)
        self._set_ids(child, set_user, set_group)
        return Result(ReturnCode.KERN_SUCCESS, {"pid": own_process(child).pid}, child.number)

    def _set_ids(self, task: Task, set_user: int, set_group: int) -> None:
        """Give the new task its identity. A set-id image marks its process, and leaves it only exception ports that
        root has set. (``exec_handle_sugid``)
        """
        process = replace(own_process(task), has_changed_ids=False)
        if set_user not in (UNSET, process.effective_user) or set_group not in (UNSET, process.effective_group):
            process = replace(_with_ids(process, set_user, set_group), has_changed_ids=True)
            self._drop_exception_ports(task)
        version = next(self.processes.versions)
        saved = {"saved_user": process.effective_user, "saved_group": process.effective_group}
        self.set_identity(task, replace(process, pid_version=version, **saved))

    def _drop_exception_ports(self, task: Task) -> None:
        """Take away the exception ports that root hasn't set, so that no one who received the exceptions of the image
        before controls a set-id image. (``ipc_task_reset``)
        """
        self.release([task.put(place, NULL_RIGHT) for place in self.profile.exception_places if place not in task.privileged])

    def _renew_port(self, task: Task) -> None:
        """Let another port stand for the task, so that no one who could control it before a set-id image can do so
        after it. (``ipc_task_reset``)
        """
        old = task.port
        task.set_port(self.make_port(PortObject.TASK))
        self.release([task.put(Place.KERNEL, task.port.make_send())])
        self.end_port(old)


def _switch(old: Task, new: Task) -> None:
    """Let the pid of both denote the new task. (``proc_exec_switch_task``)"""
    old.set_process(replace(own_process(old), is_shadow=True))
    new.set_process(replace(own_process(new), is_shadow=False))


def _with_ids(process: Process, set_user: int, set_group: int) -> Process:
    """``process`` with the ids of a set-id image: the owner, the group or both."""
    if set_user != UNSET:
        process = replace(process, effective_user=set_user, saved_user=set_user, member=NO_MEMBER)
    return process if set_group == UNSET else with_groups(process, effective_group=set_group, saved_group=set_group)
