"""Receiving (``ipc/mach_msg.c``, ``ipc/ipc_mqueue.c``, ``ipc/ipc_kmsg.c``)."""

from __future__ import annotations

from typing import Any

from sendright.impl.reference.body import Bodies
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.message import Message
from sendright.impl.reference.notifications import release_send, tell_send_possible
from sendright.impl.reference.port import Port
from sendright.impl.reference.space import HAS_RECEIVE, Entry, Space
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_out
from sendright.impl.reference.waiting import BlockedReceive, Steps
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import HEADER_SIZE, TRAILER_SIZES, trailer_size
from sendright.mach.abi.rights import SlotKind
from sendright.mach.kernel.call import Result

_SEQUENCE_NUMBER, _SECURITY_TOKEN, _AUDIT_TOKEN = 1, 2, 3
"""The trailer elements from which on it has each of these."""
_NO_SEQUENCE_NUMBER = -1


class ReceiveCalls(Bodies):
    """The call that receives a message (``mach_msg`` with MACH_RCV_MSG)."""

    def mach_msg_receive(self, caller: Task, name: int, limit: int, large: bool, trailer: int, wait: bool) -> Steps:
        """Receive the oldest message of the port under the caller's ``name``, or if that is a port set, of its first
        member that has one.

        MACH_RCV_INVALID_NAME; MACH_RCV_IN_SET for a member of a set, in profiles with one set per port;
        MACH_RCV_TIMED_OUT if there is no message, or after blocking MACH_RCV_PORT_DIED and MACH_RCV_PORT_CHANGED;
        MACH_RCV_TOO_LARGE, by profile MACH_RCV_INVALID_DATA for a lost message and no room at all;
        MACH_RCV_BODY_ERROR_VM_SPACE.
        """
        entry = caller.space.entry(name)
        if entry is None or not (entry.kind in HAS_RECEIVE or entry.kind is SlotKind.PORT_SET):
            raise Failure(ReturnCode.MACH_RCV_INVALID_NAME)
        if entry.kind in HAS_RECEIVE and self._hidden(caller.space, name):
            raise Failure(ReturnCode.MACH_RCV_IN_SET)
        local = self._with_message(caller.space, name, entry)
        if local is None:
            if not wait:
                raise Failure(ReturnCode.MACH_RCV_TIMED_OUT)
            waiting = BlockedReceive(name, entry.port if entry.kind in HAS_RECEIVE else None, limit, large, trailer)
            while local is None:
                yield waiting
                local = self._with_message(caller.space, waiting.name, self._blocked_at(caller.space, waiting))
        return self._receive(caller, local, limit, large, trailer)

    def _hidden(self, space: Space, name: int) -> bool:
        """Whether the receive right under ``name`` can't be received from directly: it is in a port set, in a
        profile with at most one set per port.
        """
        return not self.profile.many_sets and bool(space.sets.sets_with(name))

    def _with_message(self, space: Space, name: int, entry: Entry) -> int | None:
        """The name of a receive right with a message: ``name`` itself, or if that is a port set its first member
        with a message. None if there is no message.
        """
        candidates = space.sets.members(name) if entry.kind is SlotKind.PORT_SET else [name]
        return next((candidate for candidate in candidates if space.entries[candidate].port.queue), None)

    def _blocked_at(self, space: Space, waiting: BlockedReceive) -> Entry:
        """The entry that the task is blocked on. Raises MACH_RCV_PORT_DIED and MACH_RCV_PORT_CHANGED, by profile, if no
        message can arrive there any more.
        """
        entry = space.entry(waiting.name)
        port = waiting.port
        if port is None:
            if entry is None or entry.kind is not SlotKind.PORT_SET:
                raise Failure(self.profile.dead_receive_code)
            return entry
        if not port.alive:
            raise Failure(self.profile.dead_receive_code)
        if entry is None or entry.kind not in HAS_RECEIVE or entry.port is not port:
            raise Failure(self.profile.moved_receive_code)
        if self._hidden(space, waiting.name):
            raise Failure(ReturnCode.MACH_RCV_PORT_CHANGED)
        return entry

    def _receive(self, receiver: Task, local: int, limit: int, large: bool, trailer: int) -> Result:
        """Receive the oldest message of the port under ``local``, or return MACH_RCV_TOO_LARGE if it exceeds
        ``limit``.
        """
        port = receiver.space.entries[local].port
        size, length = port.queue[0].size, self._trailer_size(trailer)
        if limit != -1 and size + length > limit:
            return Result(ReturnCode.MACH_RCV_TOO_LARGE, {"size": size}) if large else self._lose(port, size, limit)
        fields = self._trailer_fields(trailer, port)
        message = self._dequeue(port)
        tell_send_possible(port)
        self._use_up(message)
        reply = copy_out(receiver.space, message.reply.right)
        descriptors, complete = self.copy_out_body(receiver, message)
        outputs = {
            "id": message.id,
            "local": local,
            "reply": reply,
            "reply_disposition": int(message.reply.form),
            "descriptors": descriptors,
            "data": message.data,
            "size": size,
            "trailer_size": length,
        }
        return Result(ReturnCode.MACH_MSG_SUCCESS if complete else ReturnCode.MACH_RCV_BODY_ERROR_VM_SPACE, outputs | fields)

    def _lose(self, port: Port, size: int, limit: int) -> Result:
        """Receive and destroy a message of ``size`` bytes that exceeds ``limit``. The receiver gets a bare header, or
        by profile the message's own. (``msg_receive_error``)
        """
        message = self._dequeue(port)
        self._use_up(message)
        self.release(message.cargo)
        if limit == 0 and self.profile.no_room_code != ReturnCode.MACH_RCV_TOO_LARGE:
            return Result(self.profile.no_room_code)
        return Result(ReturnCode.MACH_RCV_TOO_LARGE, {"size": HEADER_SIZE if self.profile.lost_size_is_header else size})

    def _dequeue(self, port: Port) -> Message:
        """Take the port's oldest message out of its queue. (``ipc_mqueue_release_msgcount``)"""
        message = port.dequeue()
        if self.profile.room_is_given and not port.full:
            port.give_room()
        return message

    def _use_up(self, message: Message) -> None:
        """Release the destination right of a message that is being received. (``ipc_object_copyout_dest``)"""
        kind, port = message.destination
        if kind is SlotKind.SEND:
            release_send(port)
        else:
            port.drop_send_once()

    def _trailer_size(self, trailer: int) -> int:
        highest = self.profile.trailer_elements
        return trailer_size(trailer, highest) if highest > 0 else 0

    def _trailer_fields(self, trailer: int, port: Port) -> dict[str, Any]:
        """The trailer's fields of the oldest message, as far as the receiver requested and the profile has them."""
        highest = self.profile.trailer_elements
        reach = trailer if trailer in TRAILER_SIZES and trailer <= highest else highest
        tokens = port.queue[0].tokens
        in_trailer, audit = self.profile.tokens_in_trailer, self.profile.audit_tokens
        return {
            "sequence_number": port.sequence_number if reach >= _SEQUENCE_NUMBER or highest == 0 else _NO_SEQUENCE_NUMBER,
            "security_token": tokens.security if in_trailer and reach >= _SECURITY_TOKEN else (),
            "audit_token": tokens.audit if in_trailer and audit and reach >= _AUDIT_TOKEN else (),
        }
