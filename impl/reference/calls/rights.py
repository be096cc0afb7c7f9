"""Inserting rights into, and extracting them from, another task's space (``ipc/mach_port.c``)."""

from __future__ import annotations

from sendright.impl.reference.calls.names import entry_of, space_of
from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.immovable import is_immovable
from sendright.impl.reference.port import Right
from sendright.impl.reference.space import Space
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_in_by_trap, copy_in_entry, copy_out, entry_to_copy_in, fits, is_disposition
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import RESERVED_NAMES, Disposition, SlotKind
from sendright.mach.kernel.call import Result


class RightCalls(Core):
    """The calls that insert and extract rights."""

    def mach_port_insert_right(self, caller: Task, task: Task | None, name: int, poly: int, disposition: int) -> Result:
        """Put the right under the caller's name ``poly`` into the task's space under the chosen ``name``.

        MACH_SEND_INVALID_RIGHT, by trap KERN_INVALID_NAME and KERN_INVALID_RIGHT, with nothing changed;
        KERN_INVALID_TASK; KERN_INVALID_VALUE (reserved name, not a disposition); KERN_INVALID_CAPABILITY; by profile
        what is wrong with the form of the name; KERN_RIGHT_EXISTS; KERN_UREFS_OVERFLOW; KERN_NAME_EXISTS. A right that
        was copied in but not inserted is released; for a receive right this ends its port (hazard H-11).
        """
        trap = self.is_trap("mach_port_insert_right", caller, task)
        if trap and name == poly and disposition in (Disposition.MAKE_SEND, Disposition.COPY_SEND):
            return self._add_send(caller.space, name, Disposition(disposition))
        right = copy_in_by_trap(caller.space, poly, disposition, into_kernel=True) if trap else self.carry_argument(caller, poly, disposition)
        try:
            space = space_of(task)
            if name in RESERVED_NAMES or not is_disposition(disposition):
                raise Failure(ReturnCode.KERN_INVALID_VALUE)
            if not right.live:
                raise Failure(ReturnCode.KERN_INVALID_CAPABILITY)
            self._insert(space, name, right)
        except Failure:
            if trap:
                self.release([right])
            else:
                self.destroy_message([right])
            raise
        return Result(ReturnCode.KERN_SUCCESS)

    def _add_send(self, space: Space, name: int, disposition: Disposition) -> Result:
        """Make or copy a send right under the name that it is taken from, without a look. KERN_INVALID_NAME,
        KERN_INVALID_CAPABILITY (dead), KERN_INVALID_RIGHT. (``ipc_object_insert_send_right``)
        """
        entry = entry_of(space, name)
        if entry.unlooked or entry.kind is SlotKind.DEAD_NAME:
            raise Failure(ReturnCode.KERN_INVALID_CAPABILITY)
        if not fits(entry, disposition):
            raise Failure(ReturnCode.KERN_INVALID_RIGHT)
        self._insert(space, name, copy_in_entry(space, name, entry, disposition))
        return Result(ReturnCode.KERN_SUCCESS)

    def _insert(self, space: Space, name: int, right: Right) -> None:
        self.check_chosen_name(space, name)
        known = None if right.kind is SlotKind.SEND_ONCE else space.name_of(right.port)
        if known is None:
            if space.entry(name) is not None:
                raise Failure(ReturnCode.KERN_NAME_EXISTS)
            space.enter(name, right.kind, right.port)
        elif known != name:
            raise Failure(ReturnCode.KERN_RIGHT_EXISTS)
        elif right.kind is SlotKind.SEND and space.at_limit(name):
            if not self.profile.pegged_urefs:
                raise Failure(ReturnCode.KERN_UREFS_OVERFLOW)
            self.release([right])
        else:
            space.join(name, right)

    def mach_port_extract_right(self, caller: Task, task: Task | None, name: int, disposition: int) -> Result:
        """Copy in a right from the task's space, as if that task sent it, and copy it out to the caller's.

        KERN_INVALID_TASK, KERN_INVALID_VALUE, KERN_INVALID_NAME, KERN_INVALID_RIGHT; KERN_INVALID_CAPABILITY for an
        immovable right, unless it is only copied within the caller's space.
        """
        space = space_of(task)
        if not is_disposition(disposition):
            raise Failure(ReturnCode.KERN_INVALID_VALUE)
        self.refuse_reserved(name)
        entry = entry_to_copy_in(space, name, disposition)
        if entry is None:
            raise Failure(ReturnCode.KERN_INVALID_NAME)
        if not fits(entry, disposition):
            raise Failure(ReturnCode.KERN_INVALID_RIGHT)
        if is_immovable(entry, disposition, into_kernel=space is caller.space and disposition == Disposition.COPY_SEND):
            raise Failure(ReturnCode.KERN_INVALID_CAPABILITY)
        right = copy_in_entry(space, name, entry, disposition)
        acquired = int(Disposition(disposition).received_form)
        return Result(ReturnCode.KERN_SUCCESS, {"poly": copy_out(caller.space, right), "acquired": acquired})
