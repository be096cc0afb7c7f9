"""Reading and setting a port's attributes (``ipc/mach_port.c``)."""

from __future__ import annotations

from sendright.impl.reference.calls.names import receive_right_of, space_of
from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.port import Port
from sendright.impl.reference.requests import TABLE_SIZES
from sendright.impl.reference.space import Space
from sendright.impl.reference.task import Task
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.port_attributes import PortAttributes as A
from sendright.mach.abi.port_attributes import StatusFlags
from sendright.mach.kernel.call import Result

_LEAST_TOLD: dict[int, int] = {A.LIMITS_INFO: 1, A.RECEIVE_STATUS: 10, A.DNREQUESTS_SIZE: 1, A.INFO_EXT: 17}
"""The least number of words that a caller must have room for."""

_LEAST_SET: dict[int, int] = {A.LIMITS_INFO: 1, A.DNREQUESTS_SIZE: 1}
"""The least number of words that a caller must give."""

_NEXT_SIZE = (1 << 32) - 1
"""Instead of a size of the table of dead-name requests: the next larger one (``ITS_SIZE_NONE``)."""

_NO_BOOSTS = (0,) * 7
"""The words of ``INFO_EXT`` after the status: no importance was donated; the others are reserved."""


def _check_service(port: Port) -> None:
    """Raises KERN_INVALID_CAPABILITY if ``port`` isn't a service port."""
    if not port.service:
        raise Failure(ReturnCode.KERN_INVALID_CAPABILITY)


def _flags(port: Port) -> int:
    flags = StatusFlags(0)
    if port.imp_donation:
        flags |= StatusFlags.IMP_DONATION | (StatusFlags.TEMPOWNER if port.temp_owner else 0)
    if port.guarded:
        strict = StatusFlags.STRICT_GUARD if port.strict else 0
        flags |= StatusFlags.GUARDED | strict | (StatusFlags.GUARD_IMMOVABLE_RECEIVE if port.immovable else 0)
    return int(flags)


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
        """Return a port's queue limit (``LIMITS_INFO``), the whole status of its receive right (``RECEIVE_STATUS``,
        ``INFO_EXT``), the size of its table of dead-name requests, or whether it is throttled.

        KERN_INVALID_TASK, by profile KERN_INVALID_ARGUMENT; KERN_INVALID_ARGUMENT (flavour), KERN_FAILURE (count),
        KERN_INVALID_NAME, KERN_INVALID_RIGHT; KERN_INVALID_CAPABILITY (``SERVICE_THROTTLED`` of a port that isn't a
        service port). (``mach_port_get_attributes_from_user``)
        """
        space = space_of(task, self.null_space_code("mach_port_get_attributes"))
        if flavor not in self.profile.attributes_told:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        if count < _LEAST_TOLD.get(flavor, 0):
            raise Failure(ReturnCode.KERN_FAILURE)
        if flavor in (A.LIMITS_INFO, A.DNREQUESTS_SIZE) and self.has_answer_for(name):
            # The kernel writes the first word of a size, and returns as many as there is room for.
            words = 0 if flavor == A.LIMITS_INFO else min(count, self.profile.info_words)
            return Result(ReturnCode.KERN_SUCCESS, {"info": (0,) * words})
        self.refuse_reserved(name)
        port = receive_right_of(space, name, self.profile)
        return Result(ReturnCode.KERN_SUCCESS, {"info": self._attributes(space, name, port, flavor)})

    def _attributes(self, space: Space, name: int, port: Port, flavor: int) -> tuple[int, ...]:
        if flavor == A.LIMITS_INFO:
            return (port.queue_limit,)
        if flavor == A.DNREQUESTS_SIZE:
            return (port.requests.size,)
        if flavor == A.SERVICE_THROTTLED:
            _check_service(port)
            return (int(port.throttled),)
        status = self._receive_status(space, name, port)
        return status if flavor == A.RECEIVE_STATUS else (*status, *_NO_BOOSTS)

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
        queued. By profile a limit that is raised gives room to as many waiting senders. Or, by flavour, let its table
        of dead-name requests grow, let messages donate importance, or mark a service port as throttled.

        KERN_INVALID_TASK, KERN_INVALID_ARGUMENT (flavour), KERN_FAILURE (no words), KERN_INVALID_VALUE (limit),
        KERN_INVALID_NAME, KERN_INVALID_RIGHT, KERN_INVALID_CAPABILITY (``SERVICE_THROTTLED`` of a port that isn't a
        service port); KERN_NO_SPACE and KERN_RESOURCE_SHORTAGE for the table.
        """
        space = space_of(task)
        if flavor not in self.profile.attributes_set:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        if len(info) < _LEAST_SET.get(flavor, 0):
            raise Failure(ReturnCode.KERN_FAILURE)
        if flavor == A.LIMITS_INFO and not 0 <= info[0] <= self.profile.queue_limit_max:
            raise Failure(ReturnCode.KERN_INVALID_VALUE)
        self.refuse_reserved(name)
        port = receive_right_of(space, name, self.profile)
        if flavor == A.LIMITS_INFO:
            self._set_limit(port, info[0])
        elif flavor == A.DNREQUESTS_SIZE:
            self._grow_requests(port, info[0])
        elif flavor == A.SERVICE_THROTTLED:
            _check_service(port)
            port.throttled = bool(info and info[0])
        else:
            port.imp_donation = True
            port.temp_owner = port.temp_owner or flavor == A.TEMPOWNER
        port.changed()
        return Result(ReturnCode.KERN_SUCCESS)

    def _set_limit(self, port: Port, limit: int) -> None:
        if self.profile.room_is_given:
            for _ in range(port.queue_limit, limit):
                port.give_room()
        port.queue_limit = limit

    def _grow_requests(self, port: Port, wanted: int) -> None:
        """Let the table of dead-name requests have at least ``wanted`` slots. The kernel keeps a table that it has, if
        the one that it makes isn't the next larger one. By profile it does nothing. (``ipc_port_dngrow``)
        """
        requests = port.requests
        if not self.profile.sets_table_size or (requests.size and wanted <= requests.size):
            return
        larger = [size for size in TABLE_SIZES if size > requests.size]
        fitting = larger if wanted == _NEXT_SIZE else [size for size in larger if size >= wanted]
        if not fitting:
            raise Failure(ReturnCode.KERN_RESOURCE_SHORTAGE if wanted == _NEXT_SIZE else ReturnCode.KERN_NO_SPACE)
        self.allocate()
        if requests.size == 0 or fitting[0] == larger[0]:
            requests.grow(fitting[0])
