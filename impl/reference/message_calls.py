"""Sending and receiving (semantics 6; ``ipc/mach_msg.c``, ``ipc/ipc_kmsg.c``)."""

from __future__ import annotations

from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.immovable import is_immovable
from sendright.impl.reference.message import KERNEL_TOKENS, NO_REPLY, REPLY_OFFSET, Descriptor, Message, Tokens
from sendright.impl.reference.notifications import release_send
from sendright.impl.reference.port import DEAD_RIGHT, NULL_RIGHT, Right
from sendright.impl.reference.space import HAS_RECEIVE, Entry, Space
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_in, copy_in_entry, copy_out, fits
from sendright.mach.calls import Result
from sendright.mach.codes import ReturnCode
from sendright.mach.rights import DEAD_NAME, NULL_NAME, RESERVED_NAMES, Disposition, PortObject, SlotKind
from sendright.mach.tokens import AuditToken, SecurityToken

_HEADER_DISPOSITIONS = range(Disposition.MOVE_SEND, Disposition.MAKE_SEND_ONCE + 1)
"""A header carries send and send-once rights, never a receive right."""


class MessageCalls(Core):
    """mach_msg, in its two halves, both with a zero timeout."""

    def mach_msg_send(
        self,
        caller: Task,
        dest: int,
        dest_disposition: int,
        reply: int,
        reply_disposition: int,
        id: int,
        descriptors: tuple[tuple[int, int], ...],
        data: int,
    ) -> Result:
        """Send a message; the arguments are names in the caller's space.

        MACH_SEND_INVALID_HEADER, MACH_SEND_INVALID_DEST and MACH_SEND_INVALID_REPLY change nothing. MACH_SEND_INVALID_RIGHT loses
        what was carried before the faulty descriptor. MACH_SEND_TIMED_OUT gives the rights back as a receive would, under names in the
        outputs (hazard H-19). (semantics 6.1 to 6.4)
        """
        if dest_disposition not in _HEADER_DISPOSITIONS:
            raise Failure(ReturnCode.MACH_SEND_INVALID_HEADER)
        if reply_disposition not in _HEADER_DISPOSITIONS and (reply_disposition != Disposition.NONE or reply != NULL_NAME):
            raise Failure(ReturnCode.MACH_SEND_INVALID_HEADER)
        if dest in RESERVED_NAMES:
            raise Failure(ReturnCode.MACH_SEND_INVALID_DEST)
        destination, reply_right = self.copy_in_header(caller.space, dest, dest_disposition, reply, reply_disposition)
        tokens = caller.tokens if self.profile.trailer_is_senders else KERNEL_TOKENS  # hazard H-3: the task's are never copied
        answer = Descriptor(reply_right, Disposition(reply_disposition).received_form)
        body: list[Descriptor] = []
        try:
            for name, disposition in descriptors:
                right = copy_in(caller.space, name, disposition, into_kernel=destination.port.object is not PortObject.NONE)
                body.append(Descriptor(right, Disposition(disposition).received_form))
        except Failure:
            self.release([destination, reply_right, *(descriptor.right for descriptor in body)])
            raise
        return self.deliver(caller, Message(next(self.serials), id, destination, answer, tuple(body), tokens, data))

    def copy_in_header(self, space: Space, dest: int, dest_disposition: int, reply: int, reply_disposition: int) -> tuple[Right, Right]:
        """Carry both rights of a header, or neither. (``ipc_kmsg_copyin_header``; semantics 6.2)

        A missing destination is found first, then whatever is wrong with the reply, then what else is wrong with the destination.
        """
        dest_entry = space.lookup(dest)
        if dest_entry is None:
            raise Failure(ReturnCode.MACH_SEND_INVALID_DEST)
        reply_entry = None
        if reply not in RESERVED_NAMES:
            reply_entry = space.lookup(reply)
            if reply_entry is None or not self._fits_reply(reply_entry, reply_disposition):
                raise Failure(ReturnCode.MACH_SEND_INVALID_REPLY)
        if dest == reply and not self._fits_twice(dest_entry, dest_disposition, reply_disposition):
            raise Failure(ReturnCode.MACH_SEND_INVALID_DEST)
        if not fits(dest_entry, dest_disposition) or dest_entry.kind is SlotKind.DEAD_NAME:
            raise Failure(ReturnCode.MACH_SEND_INVALID_DEST)
        if reply_entry is None:
            return copy_in_entry(space, dest, dest_entry, dest_disposition), DEAD_RIGHT if reply == DEAD_NAME else NULL_RIGHT
        # With one name for both, the first may use up what the second copies; its entry still says of which port.
        destination = copy_in_entry(space, dest, dest_entry, dest_disposition)
        return destination, copy_in_entry(space, reply, reply_entry, reply_disposition)

    def _fits_reply(self, entry: Entry, disposition: int) -> bool:
        """Whether a right can be carried so from ``entry`` as a reply: no right that stays where it is, and as the profile says no dead one."""
        if entry.kind is SlotKind.DEAD_NAME and self.profile.dead_reply_refused:
            return False
        return fits(entry, disposition) and not is_immovable(entry, disposition)

    def _fits_twice(self, entry: Entry, dest_disposition: int, reply_disposition: int) -> bool:
        """Whether one name can be carried as both rights of a header, as far as the two could be in each other's way."""
        both = (dest_disposition, reply_disposition)
        if Disposition.MOVE_SEND_ONCE in both:
            return False
        return both != (Disposition.MOVE_SEND, Disposition.MOVE_SEND) or entry.urefs >= 2

    def deliver(self, caller: Task, message: Message) -> Result:
        """Bring a complete message to its destination. (``ipc_mqueue_send``; semantics 6.4)"""
        port = message.destination.port
        if port.object is not PortObject.NONE:
            self._answer_bad_id(message)
        elif message.circular:
            self.release([message.destination, *message.cargo])
        elif port.full and message.destination.kind is SlotKind.SEND:
            return self._hand_back(caller.space, message)
        else:
            message.send_off()
        return Result(ReturnCode.MACH_MSG_SUCCESS)

    def _answer_bad_id(self, message: Message) -> None:
        """The kernel gets a request that it has no routine for: it keeps nothing, and says so to whom it may concern."""
        reply = message.reply.right
        self.release([message.destination, *message.cargo[1:]])
        if reply.live and reply.port.object is PortObject.NONE:
            data = int(ReturnCode.MIG_BAD_ID)
            answer = Message(next(self.serials), message.id + REPLY_OFFSET, reply, NO_REPLY, (), KERNEL_TOKENS, data, from_kernel=True)
            answer.send_off()
        else:
            self.release([reply])

    def _hand_back(self, space: Space, message: Message) -> Result:
        """Receive the message on the sender's behalf. (``ipc_kmsg_copyout_pseudo``; semantics 6.4)"""
        dest = copy_out(space, message.destination)
        reply = copy_out(space, message.reply.right)
        descriptors = self._copy_out_body(space, message)
        return Result(ReturnCode.MACH_SEND_TIMED_OUT, {"dest": dest, "reply": reply, "descriptors": descriptors})

    def _copy_out_body(self, space: Space, message: Message) -> tuple[tuple[int, int], ...]:
        return tuple([(copy_out(space, right), int(form)) for right, form in message.body])

    def mach_msg_receive(self, caller: Task, name: int) -> Result:
        """Receive the oldest message of the port whose receive right is the caller's ``name``, or of the first member of that port set
        that has any.

        MACH_RCV_INVALID_NAME; MACH_RCV_IN_SET where a port can be in only one set, and is; MACH_RCV_TIMED_OUT when there is no message.
        (semantics 6.5)
        """
        entry = caller.space.lookup(name)
        if entry is None or not (entry.kind in HAS_RECEIVE or entry.kind is SlotKind.PORT_SET):
            raise Failure(ReturnCode.MACH_RCV_INVALID_NAME)
        local = self._with_message(caller.space, name, entry)
        port = caller.space.entries[local].port
        sequence_number = port.sequence_number
        message = port.dequeue()
        if message.destination.kind is SlotKind.SEND:
            release_send(port)
        else:
            port.drop_send_once()
        security_token, audit_token = self.trailer_tokens(message.tokens)
        outputs = {
            "id": message.id,
            "local": local,
            "reply": copy_out(caller.space, message.reply.right),
            "reply_disposition": int(message.reply.form),
            "descriptors": self._copy_out_body(caller.space, message),
            "data": message.data,
            "sequence_number": sequence_number,
            "security_token": security_token,
            "audit_token": audit_token,
        }
        return Result(ReturnCode.MACH_MSG_SUCCESS, outputs)

    def _with_message(self, space: Space, name: int, entry: Entry) -> int:
        """The receive right that there is a message for: ``name`` itself, or its first member that has one if it is a port set."""
        if entry.kind is SlotKind.PORT_SET:
            candidates = space.sets.members(name)
        elif self.profile.many_sets or not space.sets.sets_with(name):
            candidates = [name]
        else:
            raise Failure(ReturnCode.MACH_RCV_IN_SET)
        for candidate in candidates:
            if space.entries[candidate].port.queue:
                return candidate
        raise Failure(ReturnCode.MACH_RCV_TIMED_OUT)

    def trailer_tokens(self, stamped: Tokens) -> tuple[SecurityToken | tuple[()], AuditToken | tuple[()]]:
        """What the receiver is told of the sender, as far as the profile has tokens."""
        if not self.profile.tokens_in_trailer:
            return (), ()
        return stamped.security, stamped.audit if self.profile.audit_tokens else ()
