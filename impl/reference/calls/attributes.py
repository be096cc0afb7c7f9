"""Reading and setting a port's attributes (``ipc/mach_port.c``)."""

from __future__ import annotations

from sendright.impl.reference.calls.names import receive_right_of, space_of
from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.port import Port
from sendright.impl.reference.space import Space
from sendright.impl.reference.task import Task
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.port_attributes import StatusFlags
from sendright.mach.kernel.call import Result

LIMITS_INFO = 1
RECEIVE_STATUS = 2

_WORDS = {LIMITS_INFO: 1, RECEIVE_STATUS: 10}
"""The number of words in each flavour."""


def _flags(port: Port) -> int:
    if not port.guarded:
        return 0
    strict = StatusFlags.STRICT_GUARD if port.strict else 0
    return int(StatusFlags.GUARDED | strict | (StatusFlags.GUARD_IMMOVABLE_RECEIVE if port.immovable else 0))


class AttributeCalls(Core):
    """The calls with which the holder of a receive right reads and sets counts and limits of its port."""

    def mach_port_set_mscount(self, caller: Task, task: Task | None, name: int, mscount: int) -> Result:
        """Set the make-send count. No notification is sent (hazard H-18). KERN_INVALID_TASK, KERN_INVALID_NAME,
        KERN_INVALID_RIGHT.
        """
        space = space_of(task)
        self.refuse_reserved(name)
        port = receive_right_of(space, name, self.profile)
        port.make_send_count = mscount
        port.changed()
        return Result(ReturnCode.KERN_SUCCESS)

    def mach_port_set_seqno(self, caller: Task, task: Task | None, name: int, seqno: int) -> Result:
        """Set the sequence number of the next message. KERN_INVALID_TASK, KERN_INVALID_NAME, KERN_INVALID_RIGHT."""
        space = space_of(task)
        self.refuse_reserved(name)
        port = receive_right_of(space, name, self.profile)
        port.sequence_number = seqno
        port.changed()
        return Result(ReturnCode.KERN_SUCCESS)

    def mach_port_get_attributes(self, caller: Task, task: Task | None, name: int, flavor: int, count: int) -> Result:
        """Return a port's queue limit (``LIMITS_INFO``), or the whole status of its receive right (``RECEIVE_STATUS``).

        KERN_INVALID_TASK, by profile KERN_INVALID_ARGUMENT; KERN_INVALID_ARGUMENT (flavour), KERN_FAILURE (count),
        KERN_INVALID_NAME, KERN_INVALID_RIGHT. (``mach_port_get_attributes_from_user``)
        """
        space = space_of(task, self.null_space_code("mach_port_get_attributes"))
        if flavor not in _WORDS:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        if count < _WORDS[flavor]:
            raise Failure(ReturnCode.KERN_FAILURE)
        if flavor == LIMITS_INFO and self.has_answer_for(name):
            return Result(ReturnCode.KERN_SUCCESS, {"info": ()})
        self.refuse_reserved(name)
        port = receive_right_of(space, name, self.profile)
        info = (port.queue_limit,) if flavor == LIMITS_INFO else self._receive_status(space, name, port)
        return Result(ReturnCode.KERN_SUCCESS, {"info": info})

    def _receive_status(self, space: Space, name: int, port: Port) -> tuple[int, ...]:
        return (
            self._set_word(space.sets.sets_with(name)),
            port.sequence_number,
            port.make_send_count,
            port.queue_limit,
            port.message_count,
            port.send_once_rights,
            int(port.send_rights > 0),
            int(port.port_destroyed is not None),
            int(port.no_senders is not None),
            _flags(port),
        )

    def _set_word(self, sets: list[int]) -> int:
        """The status word for the port sets that a port is in: whether there are any, how many, or which one, by
        profile.
        """
        if self.profile.set_membership_is_flag:
            return int(bool(sets))
        return len(sets) if self.profile.many_sets else next(iter(sets), 0)

    def mach_port_set_attributes(self, caller: Task, task: Task | None, name: int, flavor: int, info: tuple[int, ...]) -> Result:
        """Set a port's queue limit. Messages beyond it stay queued. With 0, only messages on send-once rights can be
        queued. By profile a limit that is raised gives room to as many waiting senders.

        KERN_INVALID_TASK, KERN_INVALID_ARGUMENT (flavour), KERN_FAILURE (no words), KERN_INVALID_VALUE,
        KERN_INVALID_NAME, KERN_INVALID_RIGHT.
        """
        space = space_of(task)
        if flavor != LIMITS_INFO:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        if not info:
            raise Failure(ReturnCode.KERN_FAILURE)
        if not 0 <= info[0] <= self.profile.queue_limit_max:
            raise Failure(ReturnCode.KERN_INVALID_VALUE)
        self.refuse_reserved(name)
        port = receive_right_of(space, name, self.profile)
        if self.profile.room_is_given:
            for _ in range(port.queue_limit, info[0]):
                port.give_room()
        port.queue_limit = info[0]
        port.changed()
        return Result(ReturnCode.KERN_SUCCESS)
