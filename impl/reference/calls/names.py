"""Names and their user references (``ipc/mach_port.c``, ``ipc/ipc_right.c``).

Each call is sent to a task's port, and the names are names in that task's space: a holder of the task's port controls
its names.
"""

from __future__ import annotations

from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.pegged import settled_delta
from sendright.impl.reference.port import Port
from sendright.impl.reference.space import HAS_RECEIVE, HAS_SEND, Entry, Space
from sendright.impl.reference.task import Task
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, RESERVED_NAMES, Right, SlotKind
from sendright.mach.kernel.call import Result
from sendright.mach.kernel.profiles import Profile

_HAVING: dict[int, tuple[SlotKind, ...]] = {
    Right.SEND: HAS_SEND,
    Right.RECEIVE: HAS_RECEIVE,
    Right.SEND_ONCE: (SlotKind.SEND_ONCE,),
    Right.PORT_SET: (SlotKind.PORT_SET,),
    Right.DEAD_NAME: (SlotKind.DEAD_NAME,),
}
"""The kinds of entry that have each kind of right. Some kernels know one more kind, which no entry has."""

_OF_RESERVED = (Right.SEND, Right.SEND_ONCE)
"""The rights that the names NULL and DEAD have one reference of, in kernels that accept them."""


def space_of(task: Task | None, code: ReturnCode = ReturnCode.KERN_INVALID_TASK) -> Space:
    """The task's space. Raises ``code`` if there is no task. These calls look at the task before anything else."""
    if task is None:
        raise Failure(code)
    return task.space


def entry_of(space: Space, name: int) -> Entry:
    """The entry of ``name``, without a look at its port. Raises KERN_INVALID_NAME if there is none, as for reserved
    names.
    """
    entry = space.entry(name)
    if entry is None:
        raise Failure(ReturnCode.KERN_INVALID_NAME)
    return entry


def looked_entry_of(space: Space, name: int) -> Entry:
    """The entry of ``name``, a dead name if its port has died. Raises KERN_INVALID_NAME if there is none."""
    space.lookup(name)
    return entry_of(space, name)


def entry_with_object(space: Space, name: int, profile: Profile) -> Entry:
    """The entry of ``name``, of whose object the caller makes use. Raises KERN_INVALID_NAME, by profile also for a dead
    name: it has no object. (``ipc_object_translate``)
    """
    entry = entry_of(space, name)
    if (entry.unlooked or entry.kind is SlotKind.DEAD_NAME) and profile.dead_name_is_no_name:
        raise Failure(ReturnCode.KERN_INVALID_NAME)
    return entry


def receive_right_of(space: Space, name: int, profile: Profile) -> Port:
    """The port whose receive right ``name`` has. Raises KERN_INVALID_NAME, KERN_INVALID_RIGHT."""
    entry = entry_with_object(space, name, profile)
    if entry.kind not in HAS_RECEIVE:
        raise Failure(ReturnCode.KERN_INVALID_RIGHT)
    return entry.port


class NameCalls(Core):
    """The calls that change, count and give up names."""

    def mach_port_rename(self, caller: Task, task: Task | None, old_name: int, new_name: int) -> Result:
        """Rename ``old_name`` to ``new_name``.

        KERN_INVALID_TASK; in profiles with special answers for reserved names KERN_INVALID_NAME (reserved old name);
        KERN_INVALID_VALUE (reserved new name); KERN_NAME_EXISTS, also if both names are the same; KERN_INVALID_NAME.
        """
        space = space_of(task)
        if old_name in RESERVED_NAMES and self.profile.reserved_names_pass:
            raise Failure(ReturnCode.KERN_INVALID_NAME)
        if new_name in RESERVED_NAMES:
            raise Failure(ReturnCode.KERN_INVALID_VALUE)
        if space.entry(new_name) is not None:
            raise Failure(ReturnCode.KERN_NAME_EXISTS)
        entry_of(space, old_name)
        space.rename(old_name, new_name)
        return Result(ReturnCode.KERN_SUCCESS)

    def mach_port_deallocate(self, caller: Task, task: Task | None, name: int) -> Result:
        """Give up one reference to a send right, a send-once right or a dead name; in some profiles also a port set.

        KERN_INVALID_TASK, KERN_INVALID_NAME, KERN_INVALID_RIGHT.
        """
        space = space_of(task)
        if self.has_answer_for(name):
            return Result(ReturnCode.KERN_SUCCESS)
        entry = looked_entry_of(space, name)
        if entry.kind is SlotKind.SEND_ONCE or (entry.kind is SlotKind.PORT_SET and self.profile.deallocate_destroys_set):
            self.end_name(space, name)
        elif entry.kind is SlotKind.RECEIVE or entry.kind is SlotKind.PORT_SET:
            raise Failure(ReturnCode.KERN_INVALID_RIGHT)
        else:
            space.give_up_reference(name)
        return Result(ReturnCode.KERN_SUCCESS)

    def mach_port_destroy(self, caller: Task, task: Task | None, name: int) -> Result:
        """Give up everything under ``name``, with all its references.

        KERN_INVALID_TASK; KERN_INVALID_NAME; KERN_INVALID_RIGHT for a receive right with a guard other than 0.
        """
        space = space_of(task)
        if self.has_answer_for(name):
            return Result(ReturnCode.KERN_SUCCESS)
        entry = entry_of(space, name)
        if entry.kind in HAS_RECEIVE and entry.port.guarded and entry.port.context != 0:
            raise Failure(ReturnCode.KERN_INVALID_RIGHT)
        self.end_name(space, name)
        return Result(ReturnCode.KERN_SUCCESS)

    def mach_port_get_refs(self, caller: Task, task: Task | None, name: int, right: int) -> Result:
        """Return the number of references that ``name`` has to one kind of right; 0 if it has no such right.

        KERN_INVALID_TASK, KERN_INVALID_VALUE, KERN_INVALID_NAME.
        """
        space = space_of(task)
        if not 0 <= right < self.profile.right_number:
            raise Failure(ReturnCode.KERN_INVALID_VALUE)
        if right in _OF_RESERVED and self.has_answer_for(name):
            return Result(ReturnCode.KERN_SUCCESS, {"refs": 1})
        entry = looked_entry_of(space, name)
        refs = entry.urefs if right in (Right.SEND, Right.DEAD_NAME) else 1
        return Result(ReturnCode.KERN_SUCCESS, {"refs": refs if entry.kind in _HAVING.get(right, ()) else 0})

    def mach_port_mod_refs(self, caller: Task, task: Task | None, name: int, right: int, delta: int) -> Result:
        """Change the references that ``name`` has for one kind of right.

        KERN_INVALID_TASK, KERN_INVALID_VALUE (no such kind), KERN_INVALID_NAME, KERN_INVALID_RIGHT, then
        KERN_INVALID_VALUE or KERN_UREFS_OVERFLOW for the delta.
        """
        space = space_of(task)
        if not 0 <= right < self.profile.right_number:
            raise Failure(ReturnCode.KERN_INVALID_VALUE)
        if right in _OF_RESERVED and self.has_answer_for(name):
            return Result(ReturnCode.KERN_SUCCESS)
        entry = entry_of(space, name)
        if right == Right.DEAD_NAME or entry.kind in _HAVING.get(right, ()):
            space.lookup(name)
        if entry.kind not in _HAVING.get(right, ()):
            raise Failure(ReturnCode.KERN_INVALID_RIGHT)
        if right in (Right.SEND, Right.DEAD_NAME):
            self._add_references(space, name, entry, delta)
        elif delta not in (0, -1):
            raise Failure(ReturnCode.KERN_INVALID_VALUE)
        elif delta == -1 and right == Right.RECEIVE:
            if entry.port.guarded:
                raise Failure(ReturnCode.KERN_INVALID_RIGHT)
            self.release_receive(space, name, entry)
        elif delta == -1:
            self.end_name(space, name)
        return Result(ReturnCode.KERN_SUCCESS)

    def release_receive(self, space: Space, name: int, entry: Entry) -> None:
        """Give up a receive right. A send right under the same name stays if a port-destroyed request may redirect the
        port; else it becomes a dead name, in some kernels always. (``ipc_right_delta``, ``ipc_right_destruct``)
        """
        port = entry.port
        if entry.kind is SlotKind.RECEIVE:
            self.end_name(space, name)
            return
        due = None
        if port.port_destroyed is not None and self.profile.send_survives_rescue:
            space.leave_receive(name)
        elif port.port_destroyed is not None and port.port_destroyed.live:
            due = space.strand_from_live(name)
        else:
            space.strand(name)
        self.release([port.take_receive()])
        if due is not None:
            due.send()

    def _add_references(self, space: Space, name: int, entry: Entry, delta: int) -> None:
        if self.profile.pegged_urefs:
            delta = settled_delta(entry.urefs, delta, self.profile.urefs_max)
        urefs = entry.urefs + delta
        if urefs < 0:
            raise Failure(ReturnCode.KERN_INVALID_VALUE)
        if urefs > (self.profile.urefs_max if entry.kind is SlotKind.DEAD_NAME else self.profile.send_urefs_max):
            raise Failure(ReturnCode.KERN_UREFS_OVERFLOW)
        space.set_references(name, urefs)

    def mach_port_type(self, caller: Task, task: Task | None, name: int) -> Result:
        """Return which rights ``name`` denotes, one bit each. KERN_INVALID_TASK, KERN_INVALID_NAME."""
        space = space_of(task)
        if name == DEAD_NAME and self.has_answer_for(name):
            return Result(ReturnCode.KERN_SUCCESS, {"type": SlotKind.DEAD_NAME.type_bits})
        entry = looked_entry_of(space, name)
        return Result(ReturnCode.KERN_SUCCESS, {"type": entry.kind.type_bits})

    def mach_port_names(self, caller: Task, task: Task | None) -> Result:
        """Return all names of the task, ascending, and their types. KERN_INVALID_TASK.

        It returns the names of dead ports as dead names, and doesn't look at them.
        """
        space = space_of(task)
        names = tuple(sorted(space.entries))
        types = tuple([self._type_bits(space.entries[name]) for name in names])
        return Result(ReturnCode.KERN_SUCCESS, {"names": names, "types": types})

    def _type_bits(self, entry: Entry) -> int:
        """The type of a name in the list of all. The kernel adds the reference of a notification without regard to the
        limit, and at the limit this ends up in the lowest bit of the type. (``mach_port_names_helper``)
        """
        if not entry.unlooked:
            return entry.kind.type_bits
        overflows = entry.told and entry.urefs == self.profile.urefs_max
        return SlotKind.DEAD_NAME.type_bits + (SlotKind.SEND.type_bits if overflows else 0)
