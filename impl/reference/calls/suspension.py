"""Suspending and resuming tasks (``kern/task.c``)."""

from __future__ import annotations

from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_out
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import PortObject
from sendright.mach.kernel.call import Result


class SuspensionCalls(Core):
    """The two calls that count a task's suspensions. While the count isn't 0, the task makes no calls.

    In some kernels each suspension leaves a send right to the task's resume port in the space of the caller, which
    isn't told its name. Such a right stands for suspensions: if the last one ends, wherever it is, the task runs
    (``notifications.lose_send``). XNU counts these suspensions apart from others (``legacy_stop_count``), and has no
    others that a call here makes.
    """

    def task_suspend(self, caller: Task, task: Task | None) -> Result:
        """Suspend ``task``, which may be the caller, once more. KERN_INVALID_ARGUMENT; by profile
        KERN_RESOURCE_SHORTAGE.
        """
        if task is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        task.suspend()
        if self.profile.resume_ports:
            self._leave_token(caller, task)
        return Result(ReturnCode.KERN_SUCCESS)

    def _leave_token(self, caller: Task, task: Task) -> None:
        """Make a send right to the resume port of ``task``, which is suspended by now, and copy it out to the caller. A
        pegged name takes it without a count. (``task_suspend``, ``ipc_right_copyout``)

        KERN_RESOURCE_SHORTAGE if the caller's table of names can't grow. The kernel wants a free entry also where the
        caller has a name for the port. The right ends then, and the suspension stays if there is another right.
        (``ipc_object_copyout``, ``ipc_entries_hold``, ``ipc_entry_grow_table``)
        """
        right = self.port_of_flavour(task, PortObject.TASK_RESUME).make_send()
        try:
            self.allocate()  # the caller's table of names
        except Failure:
            self.release([right])
            raise
        copy_out(caller.space, right)

    def task_resume(self, caller: Task, task: Task | None) -> Result:
        """Take back one suspension, of any caller. KERN_INVALID_ARGUMENT; the profile's ``resume_at_zero_code`` when
        there is none.
        """
        if task is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        resumed = task.resume()
        if self.profile.resume_ports:
            self._take_token(caller, task, resumed)
        return Result(ReturnCode.KERN_SUCCESS if resumed else self.profile.resume_at_zero_code)

    def _take_token(self, caller: Task, task: Task, resumed: bool) -> None:
        """Take one reference from the caller's name for the resume port of ``task``, if it has one; all references if
        there was no suspension to take back. (``task_resume``, ``ipc_right_dealloc``, ``ipc_right_destroy``)
        """
        port = task.ports.get(PortObject.TASK_RESUME)
        name = None if port is None else caller.space.name_of(port)
        if name is None:
            return
        if resumed:
            caller.space.give_up_reference(name)
        else:
            self.end_name(caller.space, name)
