"""How processes begin and end (``kern_fork.c``, ``kern_exit.c``)."""

from __future__ import annotations

from msgspec.structs import replace

from sendright.impl.reference.calls.processes.own import own_process
from sendright.impl.reference.calls.tasks import TaskCalls
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.task import Task
from sendright.impl.reference.waiting import BlockedWait, Steps
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.call import Result
from sendright.mach.state.process import FIRST_PID, Process, Zombie

_ANY = -1
"""``WAIT_ANY``: any child."""
_LOWEST = -(1 << 31)


class LifeCalls(TaskCalls):
    """The calls that begin and end processes, and tell of their end."""

    def fork(self, caller: Task) -> Result:
        """Create a process with a task of its own; returns its pid. ESRCH, EAGAIN."""
        child = self.new_child(caller)
        child.memory.inherit_from(caller.memory)
        self.set_identity(child, own_process(child))
        return Result(ReturnCode.KERN_SUCCESS, {"pid": own_process(child).pid}, child.number)

    def new_child(self, caller: Task) -> Task:
        """Make a task with a process that is a child of the caller's. The task has no memory, and its tokens aren't set
        by the process yet. Raises ESRCH, EAGAIN. (``fork1``, ``forkproc``)
        """
        parent = own_process(caller)
        child = self.new_task(caller, ReturnCode.EAGAIN)
        pid, version = next(self.processes.pids), next(self.processes.versions)
        child.set_process(replace(parent, pid=pid, pid_version=version, parent=parent.pid, original_parent=parent.pid, is_orphan=False))
        return child

    def new_task(self, parent: Task, shortage_code: ReturnCode) -> Task:
        """Make a task for a process: with its parent's tokens and clones of its parent's rights, without names and
        memory. Raises ``shortage_code``, and then nothing was made. (``task_create_internal``, ``ipc_task_init``)
        """
        self.allocate_or(shortage_code)  # the task
        self.allocate_or(shortage_code)  # its space and tokens
        return self.build_child(parent, parent.tokens, (), inherit_memory=False)

    def exit(self, caller: Task, status: int) -> Result:
        """End the caller's process and its task. ESRCH.

        Raises ValueError for the first process: the kernel would panic.
        """
        process = own_process(caller)
        if process.pid == FIRST_PID:
            raise ValueError("the first process can't exit: the kernel panics")
        self.end_task(caller)
        if process.is_orphan:
            self.processes.end_sessions()
        else:
            told = (status & 0xFF) << 8
            left = Zombie(pid=process.pid, pid_version=process.pid_version, parent=process.parent, status=told, session=process.session)
            self.processes.add_zombie(caller, left)
        self._leave_children(process.pid)
        return Result(ReturnCode.KERN_SUCCESS)

    def _leave_children(self, pid: int) -> None:
        """Forget the children of an ended process that have ended, and let the first process be the parent of the
        others, also of the shadows of an exec. (``proc_exit``)
        """
        self.processes.forget([number for number, zombie in self.processes.zombies.items() if zombie.parent == pid])
        for task in self.tasks.values():
            if task.process is not None and task.process.parent == pid:
                task.set_process(replace(task.process, parent=FIRST_PID, is_orphan=True))

    def wait4(self, caller: Task, pid: int, no_hang: bool) -> Steps:
        """Wait until a child has ended, forget it, and return its pid and status. EINVAL, ESRCH, ECHILD.

        Of several zombies it takes the one whose task is the newest.
        """
        if pid == _LOWEST:
            raise Failure(ReturnCode.EINVAL)
        own_process(caller)
        while True:
            zombies = {number: zombie for number, zombie in self.processes.zombies.items() if _fits(zombie, own_process(caller), pid)}
            if zombies:
                newest = max(zombies)
                self.processes.forget([newest])
                return Result(ReturnCode.KERN_SUCCESS, {"child": zombies[newest].pid, "status": zombies[newest].status})
            if not any(_fits(child, own_process(caller), pid) for child in self.processes.living()):
                raise Failure(ReturnCode.ECHILD)
            if no_hang:
                return Result(ReturnCode.KERN_SUCCESS, {"child": 0, "status": 0})
            yield BlockedWait(pid)


def _fits(child: Process | Zombie, parent: Process, pid: int) -> bool:
    """Whether it is a child of ``parent`` with the pid, or with any if that is -1."""
    return child.parent == parent.pid and pid in (_ANY, child.pid)
