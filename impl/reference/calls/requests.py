"""Requests for notifications (``ipc/mach_port.c``, ``ipc/ipc_right.c``)."""

from __future__ import annotations

from sendright.impl.reference.calls.names import entry_of, receive_right_of, space_of
from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.notifications import notify
from sendright.impl.reference.port import NULL_RIGHT, Port, Right
from sendright.impl.reference.space import Entry, Space
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_in_by_trap, copy_out
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import RESERVED_NAMES, Disposition, Notification, PortObject, SlotKind
from sendright.mach.kernel.call import Result

_SEND_ONCE_DISPOSITIONS = (Disposition.MOVE_SEND_ONCE, Disposition.MAKE_SEND_ONCE)


class RequestCalls(Core):
    """The one call that registers, replaces and cancels requests for notifications."""

    def mach_port_request_notification(
        self, caller: Task, task: Task | None, name: int, variant: int, sync: int, notify: int, notify_disposition: int
    ) -> Result:
        """Register the send-once right under the caller's name ``notify`` for a notification about ``name``; returns
        the right that was registered before.

        MACH_SEND_INVALID_RIGHT, by trap KERN_INVALID_NAME and KERN_INVALID_RIGHT, with nothing changed;
        MIG_BAD_ARGUMENTS; KERN_INVALID_TASK; KERN_INVALID_CAPABILITY; KERN_INVALID_VALUE; then the errors of the
        variant. A right that was copied in but not registered is released.
        """
        trap = self.is_trap("mach_port_request_notification", caller, task)
        if trap and notify_disposition in _SEND_ONCE_DISPOSITIONS and notify not in RESERVED_NAMES:
            carried = copy_in_by_trap(caller.space, notify, notify_disposition, into_kernel=False)
        else:  # the trap doesn't take it, and the library sends a message
            carried = self.carry_argument(caller, notify, notify_disposition)
        try:
            if notify_disposition not in _SEND_ONCE_DISPOSITIONS:
                raise Failure(ReturnCode.MIG_BAD_ARGUMENTS)
            space = space_of(task)
            if carried.kind is SlotKind.DEAD_NAME:
                raise Failure(ReturnCode.KERN_INVALID_CAPABILITY)
            previous = self._request(space, name, variant, sync, carried if carried.live else None)
        except Failure:
            self.destroy_message([carried])
            raise
        return Result(ReturnCode.KERN_SUCCESS, {"previous": copy_out(caller.space, previous or NULL_RIGHT)})

    def _request(self, space: Space, name: int, variant: int, sync: int, right: Right | None) -> Right | None:
        if variant == Notification.PORT_DESTROYED:
            return self._request_port_destroyed(space, name, sync, right)
        if variant == Notification.NO_SENDERS:
            return self._request_no_senders(space, name, sync, right)
        if variant == Notification.DEAD_NAME:
            return self._request_on_name(space, name, sync, right, send_possible=False)
        if variant == Notification.SEND_POSSIBLE and self.profile.send_possible:
            return self._request_on_name(space, name, sync, right, send_possible=True)
        raise Failure(ReturnCode.KERN_INVALID_VALUE)

    def _request_port_destroyed(self, space: Space, name: int, sync: int, right: Right | None) -> Right | None:
        """Register a port-destroyed request: the receive right is sent instead of dying.

        KERN_INVALID_VALUE; KERN_INVALID_NAME; KERN_INVALID_RIGHT; KERN_FAILURE in profiles where a request can't be
        replaced.
        """
        if sync != 0:
            raise Failure(ReturnCode.KERN_INVALID_VALUE)
        port = self._receiver(space, name)
        if self.profile.port_destroyed_stays and port.port_destroyed is not None:
            raise Failure(ReturnCode.KERN_FAILURE)
        previous, port.port_destroyed = port.port_destroyed, right
        port.changed()
        return previous

    def _request_no_senders(self, space: Space, name: int, sync: int, right: Right | None) -> Right | None:
        """Register a no-senders request. KERN_INVALID_NAME, KERN_INVALID_RIGHT.

        If there are no send rights now, and the make-send count is at least ``sync``, it fires at once.
        """
        port = self._receiver(space, name)
        previous, port.no_senders = port.no_senders, right
        port.changed()
        if right is not None and port.send_rights == 0 and sync <= port.make_send_count:
            port.no_senders = None
            notify(right, Notification.NO_SENDERS, port.make_send_count)
        return previous

    def _receiver(self, space: Space, name: int) -> Port:
        self.refuse_reserved(name)
        return receive_right_of(space, name, self.profile)

    def _request_on_name(self, space: Space, name: int, sync: int, right: Right | None, send_possible: bool) -> Right | None:
        """Register a dead-name request for the port under ``name``, which may be one for send-possible, too. It
        replaces either. (``ipc_right_request_alloc``)

        With ``sync`` it fires at once if the port is dead already; if it is one for send-possible, also if a message
        can be sent now, and it does so for a dead name even without ``sync``.

        KERN_INVALID_NAME, KERN_INVALID_RIGHT; for a dead name KERN_INVALID_ARGUMENT, KERN_UREFS_OVERFLOW;
        KERN_RESOURCE_SHORTAGE.
        """
        if self.has_answer_for(name):
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        entry = entry_of(space, name)
        if right is None and not entry.requested and self.profile.cancels_nothing:
            return None
        space.lookup(name)
        if entry.kind is SlotKind.PORT_SET:
            raise Failure(ReturnCode.KERN_INVALID_RIGHT)
        if entry.kind is not SlotKind.DEAD_NAME:
            armed = send_possible and sync != 0
            if right is not None and armed and self._takes_a_message(entry):
                previous = space.set_request(name, None)
                notify(right, Notification.SEND_POSSIBLE, name)
                return previous
            if right is not None and entry.request is None:
                self.allocate()  # the request
            return space.set_request(name, right, send_possible, armed)
        if right is None or not (send_possible or (sync != 0 and self.profile.sync_fires_dead_name)):
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        if not self.profile.pegged_urefs and entry.urefs >= self.profile.urefs_max:
            raise Failure(ReturnCode.KERN_UREFS_OVERFLOW)
        space.count_reference(name)
        notify(right, Notification.DEAD_NAME, name)
        return None

    def _takes_a_message(self, entry: Entry) -> bool:
        """Whether a message to ``entry`` would find room now."""
        return entry.kind is SlotKind.SEND_ONCE or entry.port.object is not PortObject.NONE or not entry.port.full
