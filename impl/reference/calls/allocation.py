"""Making new names (``ipc/mach_port.c``)."""

from __future__ import annotations

from sendright.impl.reference.calls.names import space_of
from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.port import NO_PORT, Right
from sendright.impl.reference.space import Space
from sendright.impl.reference.task import Task
from sendright.mach.abi import rights
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import NULL_NAME, RESERVED_NAMES, SlotKind
from sendright.mach.kernel.call import Result

_ALLOCATED: dict[int, SlotKind] = {
    rights.Right.RECEIVE: SlotKind.RECEIVE,
    rights.Right.PORT_SET: SlotKind.PORT_SET,
    rights.Right.DEAD_NAME: SlotKind.DEAD_NAME,
}
"""The rights that a task can allocate: a port with its receive right, an empty port set, a dead name with one
reference.
"""


def _allocated(right: int) -> SlotKind:
    """The kind of entry to make for ``right``. Raises KERN_INVALID_VALUE for rights that can't be allocated, as send
    rights.
    """
    kind = _ALLOCATED.get(right)
    if kind is None:
        raise Failure(ReturnCode.KERN_INVALID_VALUE)
    return kind


class AllocationCalls(Core):
    """The four calls that allocate a new name."""

    def mach_port_allocate(self, caller: Task, task: Task | None, right: int) -> Result:
        """Make a receive right, a port set or a dead name under a fresh name.

        KERN_INVALID_TASK, KERN_INVALID_VALUE, KERN_RESOURCE_SHORTAGE.
        """
        space = space_of(task)
        kind = _allocated(right)
        self.allocate()
        return Result(ReturnCode.KERN_SUCCESS, {"name": self._make(space, space.fresh_name(), kind)})

    def mach_port_allocate_name(self, caller: Task, task: Task | None, right: int, name: int) -> Result:
        """Make a receive right, a port set or a dead name under the chosen ``name``; returns the name that was used.

        KERN_INVALID_TASK, KERN_INVALID_VALUE (reserved name, by profile before the space; no such right), by profile
        what is wrong with the form of the name, KERN_NAME_EXISTS, KERN_RESOURCE_SHORTAGE.
        """
        if not self.profile.reserved_before_space:
            space_of(task)
        if name in RESERVED_NAMES:
            raise Failure(ReturnCode.KERN_INVALID_VALUE)
        space = space_of(task)
        kind = _allocated(right)
        if kind is SlotKind.DEAD_NAME and not self.profile.allocate_name_takes_dead_name:
            return self.mach_port_allocate(caller, task, right)  # hazard H-10: the caller can't tell
        self.check_chosen_name(space, name)
        if space.entry(name) is not None:
            raise Failure(ReturnCode.KERN_NAME_EXISTS)
        self.allocate()
        return Result(ReturnCode.KERN_SUCCESS, {"name": self._make(space, name, kind)})

    def mach_port_allocate_full(self, caller: Task, task: Task | None, right: int, proto: Right, named: bool, prealloc: bool, name: int) -> Result:
        """As ``mach_port_allocate_name`` if ``named``, else as ``mach_port_allocate``. ``prealloc`` is only valid for a
        receive right; the memory that it reserves isn't observable.

        KERN_INVALID_TASK; KERN_INVALID_VALUE also if there is a ``proto``; the errors of those calls.
        """
        space_of(task)
        if proto.kind is not SlotKind.NONE or (prealloc and right != rights.Right.RECEIVE):
            raise Failure(ReturnCode.KERN_INVALID_VALUE)
        return self.mach_port_allocate_name(caller, task, right, name) if named else self.mach_port_allocate(caller, task, right)

    def mach_reply_port(self, caller: Task) -> Result:
        """Make a receive right in the caller's space. A trap returns no code: on a shortage of memory it returns the
        name NULL.
        """
        try:
            self.allocate()
        except Failure:
            return Result(ReturnCode.KERN_SUCCESS, {"port": NULL_NAME})
        return Result(ReturnCode.KERN_SUCCESS, {"port": self._make(caller.space, caller.space.fresh_name(), SlotKind.RECEIVE)})

    def _make(self, space: Space, name: int, kind: SlotKind) -> int:
        space.enter(name, kind, self.make_port() if kind is SlotKind.RECEIVE else NO_PORT)
        return name
