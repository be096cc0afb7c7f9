"""The members of port sets (``ipc/mach_port.c``, ``ipc/ipc_pset.c``)."""

from __future__ import annotations

from sendright.impl.reference.calls.names import entry_of, entry_with_object, receive_right_of, space_of
from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.space import HAS_RECEIVE, Entry, Space
from sendright.impl.reference.task import Task
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import NULL_NAME, SlotKind
from sendright.mach.kernel.call import Result


def _check_is_set(entry: Entry) -> None:
    """Raises KERN_INVALID_RIGHT unless ``entry`` is a port set's."""
    if entry.kind is not SlotKind.PORT_SET:
        raise Failure(ReturnCode.KERN_INVALID_RIGHT)


class PortSetCalls(Core):
    """The calls that put receive rights into port sets and take them out."""

    def mach_port_move_member(self, caller: Task, task: Task | None, member: int, after: int) -> Result:
        """Take a receive right out of all sets, and put it into the set ``after``, if that isn't NULL.

        KERN_INVALID_TASK; KERN_INVALID_NAME and KERN_INVALID_RIGHT, for the member and then the set, or by profile one
        code for both and then the other; the profile's ``null_move_code`` when there is nothing to take it out of.
        """
        space = space_of(task)
        for name in (member,) if after == NULL_NAME else (member, after):
            self.refuse_reserved(name)
        if after != NULL_NAME:
            self._check_both(space, member, after, "mach_port_move_member")
        else:
            receive_right_of(space, member, self.profile)
            if not space.sets.sets_with(member):
                return Result(self.profile.null_move_code)
        space.sets.extract_from_all(member)
        if after != NULL_NAME:
            space.sets.insert(member, after)
        space.changed(member)
        return Result(ReturnCode.KERN_SUCCESS)

    def mach_port_insert_member(self, caller: Task, task: Task | None, name: int, pset: int) -> Result:
        """Put a receive right into a set; it stays in its other sets.

        KERN_INVALID_TASK; KERN_INVALID_NAME and KERN_INVALID_RIGHT, for the member and then the set;
        KERN_ALREADY_IN_SET.
        """
        space = space_of(task)
        if self._is_member(space, name, pset, "mach_port_insert_member"):
            raise Failure(ReturnCode.KERN_ALREADY_IN_SET)
        space.sets.insert(name, pset)
        space.changed(name)
        return Result(ReturnCode.KERN_SUCCESS)

    def mach_port_extract_member(self, caller: Task, task: Task | None, name: int, pset: int) -> Result:
        """Take a receive right out of one set.

        KERN_INVALID_TASK; KERN_INVALID_NAME and KERN_INVALID_RIGHT, for the member and then the set; KERN_NOT_IN_SET.
        """
        space = space_of(task)
        if not self._is_member(space, name, pset, "mach_port_extract_member"):
            raise Failure(ReturnCode.KERN_NOT_IN_SET)
        space.sets.extract(name, pset)
        space.changed(name)
        return Result(ReturnCode.KERN_SUCCESS)

    def _is_member(self, space: Space, name: int, pset: int, call: str) -> bool:
        for each in (name, pset):
            self.refuse_reserved(each)
        self._check_both(space, name, pset, call)
        return pset in space.sets.sets_with(name)

    def _check_both(self, space: Space, member: int, pset: int, call: str) -> None:
        """Check that ``member`` has a receive right and ``pset`` is a port set. By profile ``call`` first checks that
        both names denote something. (``ipc_right_lookup_two``)
        """
        entry = entry_of(space, member)
        if call in self.profile.looks_up_both:
            entry_of(space, pset)
        if entry.kind not in HAS_RECEIVE:
            raise Failure(ReturnCode.KERN_INVALID_RIGHT)
        _check_is_set(entry_of(space, pset))

    def mach_port_get_set_status(self, caller: Task, task: Task | None, name: int) -> Result:
        """Return a set's members. KERN_INVALID_TASK, by profile KERN_INVALID_ARGUMENT; KERN_INVALID_NAME,
        KERN_INVALID_RIGHT. (``mach_port_get_set_status_from_user``)
        """
        space = space_of(task, self.null_space_code("mach_port_get_set_status"))
        self.refuse_reserved(name)
        _check_is_set(entry_with_object(space, name, self.profile))
        return Result(ReturnCode.KERN_SUCCESS, {"members": tuple(space.sets.members(name))})
