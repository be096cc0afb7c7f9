"""Making, ending and querying tasks (``kern/task.c``)."""

from __future__ import annotations

from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.ledger import Ledger
from sendright.impl.reference.message import Tokens
from sendright.impl.reference.task import LEDGER_PLACES, PLACES_IN_ORDER, PORTS_IN_ORDER, Task
from sendright.impl.reference.transfer import copy_out
from sendright.impl.reference.waiting import BlockedSend
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import EXCEPTION_PLACES, Place, PortObject
from sendright.mach.abi.tokens import AUDIT_TOKEN_WORDS, SECURITY_TOKEN_WORDS, TASK_SECURITY_TOKEN
from sendright.mach.kernel.call import Result
from sendright.mach.kernel.profiles import LedgerRule

_NOT_INHERITED = (Place.KERNEL, Place.WIRED_LEDGER, Place.PAGED_LEDGER, Place.DEBUG_CONTROL, Place.RESOURCE_NOTIFY)
"""Places for which a new task gets rights of its own, or none; the others are cloned from its parent."""
_OF_USERS_PORTS = (Place.BOOTSTRAP, Place.ACCESS, *EXCEPTION_PLACES)
"""Places for which it gets none to a kernel object's port, by profile."""


class TaskCalls(Core):
    """The calls that make, end and query tasks."""

    def task_create(self, caller: Task, parent: Task | None, ledgers: tuple[Ledger | None, ...], inherit_memory: bool) -> Result:
        """Create a task that inherits from ``parent``; returns a send right to its port.

        The profile's ``null_parent_code`` if ``parent`` isn't a task; KERN_RESOURCE_SHORTAGE.
        """
        if parent is None:
            raise Failure(self.profile.null_parent_code)
        child = self.create_child(parent, parent.tokens, ledgers, inherit_memory)
        return self.hand_over(caller, child)

    def create_child(self, parent: Task, tokens: Tokens, ledgers: tuple[Ledger | None, ...], inherit_memory: bool) -> Task:
        """Make a task that has ``tokens`` from the first moment. Raises KERN_RESOURCE_SHORTAGE, and then nothing was
        made.
        """
        self.allocate()  # the task
        self.allocate()  # its space and tokens
        return self.build_child(parent, tokens, ledgers, inherit_memory)

    def build_child(self, parent: Task, tokens: Tokens, ledgers: tuple[Ledger | None, ...], inherit_memory: bool) -> Task:
        """Make the task, after its memory was allocated. This can't fail. (``task_create_internal``,
        ``ipc_task_init``)
        """
        child = self.make_task(self.make_port(PortObject.TASK), tokens, self.draw_ledgers(parent, ledgers))
        for place in self.profile.places:
            if place not in _NOT_INHERITED:
                right = parent.right_at(place)
                child.put(place, self.clone_of_users_port(right) if place in _OF_USERS_PORTS else right.clone())
        child.exceptions, child.privileged = dict(parent.exceptions), set(parent.privileged)
        if inherit_memory:
            child.memory.inherit_from(parent.memory)
        return child

    def draw_ledgers(self, parent: Task, given: tuple[Ledger | None, ...]) -> tuple[Ledger, Ledger] | None:
        """The wired and the paged ledger for a child of ``parent``, by the profile's rule; None if the parent has
        none.
        """
        if parent.ledgers is None:
            return None
        wired, paged = parent.ledgers
        if self.profile.ledger_rule is LedgerRule.PARENT_SLOT:
            return self._ledger_named(parent, Place.WIRED_LEDGER) or wired, self._ledger_named(parent, Place.PAGED_LEDGER) or paged
        if len(given) == 2 and given[0] is not None and given[1] is not None:
            return given[0], given[1]
        return wired, paged

    def _ledger_named(self, task: Task, place: Place) -> Ledger | None:
        port = task.right_at(place).port
        return port.ledger if port.alive else None

    def hand_over(self, caller: Task, child: Task) -> Result:
        """Copy out to the creator a send right to the new task's port; returns the call's result."""
        return Result(ReturnCode.KERN_SUCCESS, {"child_task": copy_out(caller.space, child.port.make_send())}, child.number)

    def task_terminate(self, caller: Task, task: Task | None) -> Result:
        """End ``task``, which may be the caller: its rights, its names, its port, its memory. KERN_INVALID_ARGUMENT;
        by profile KERN_FAILURE for the task of a process. (``get_bsdtask_info``, ``bsd_info``)
        """
        if task is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        if self._has_process(task):
            raise Failure(ReturnCode.KERN_FAILURE)
        self.end_task(task)
        return Result(ReturnCode.KERN_SUCCESS)

    def _has_process(self, task: Task) -> bool:
        """Whether a process is behind ``task``. In some profiles only tasks of boot have one."""
        return task.process is not None if self.profile.has_processes else task.number < self.profile.processes

    def end_task(self, task: Task) -> None:
        """End ``task``: its rights, its names, its ports, its memory. (``task_terminate_internal``)"""
        for page in task.memory.pages.values():
            self.object_changed(page.object)
        del self.tasks[task.number]
        self._interrupt(task)
        task.memory.unmap_all()
        task.changed()
        if self.profile.places_end_first:
            self._end_places(task)
        for name in sorted(task.space.entries):
            self.end_name(task.space, name)
        if not self.profile.places_end_first:
            self._end_places(task)
        for object in PORTS_IN_ORDER:
            if object in task.ports:
                self.end_port(task.ports[object])
        if self.profile.ledger_places_end_last:
            self.release([task.right_at(place) for place in LEDGER_PLACES])

    def _interrupt(self, task: Task) -> None:
        """End the task's call that hasn't ended, before anything else of the task ends. A message that waits for room
        goes back to the task, if its destination lives; one that has room is queued. An answer of the kernel's that has
        no room is destroyed, and its send right is lost. (``thread_terminate``, ``ipc_kmsg_copyout_pseudo``,
        ``ipc_kmsg_send``)
        """
        waiting = task.waiting
        if waiting is None:
            return
        if isinstance(waiting, BlockedSend):
            message = waiting.message
            message.destination.port.waiting_senders.remove(waiting)
            if message.destination.live and waiting.has_room:
                message.send_off()
                return
            if message.destination.live and message.from_kernel:
                message.destination.port.lose_send()
                return
        if waiting.hands_back:
            for right in waiting.rights:
                copy_out(task.space, right)
        else:
            self.destroy_message(waiting.rights)

    def _end_places(self, task: Task) -> None:
        last = LEDGER_PLACES if self.profile.ledger_places_end_last else ()
        self.release([task.right_at(place) for place in PLACES_IN_ORDER if place not in last])

    def task_info(self, caller: Task, task: Task | None, flavor: int, count: int) -> Result:
        """Return one of the task's tokens; a send right to the task's port suffices. KERN_INVALID_ARGUMENT for any
        wrong argument.
        """
        if task is None or flavor not in self.profile.token_flavours:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        security = flavor == TASK_SECURITY_TOKEN
        if count < (SECURITY_TOKEN_WORDS if security else AUDIT_TOKEN_WORDS):
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        return Result(ReturnCode.KERN_SUCCESS, {"value": task.tokens.security if security else task.tokens.audit})
