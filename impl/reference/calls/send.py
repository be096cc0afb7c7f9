"""Sending (``ipc/mach_msg.c``, ``ipc/ipc_kmsg.c``)."""

from __future__ import annotations

from typing import Any

from sendright.impl.reference.body import Bodies, check_descriptors
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.immovable import is_immovable
from sendright.impl.reference.message import KERNEL_TOKENS, REPLY_OFFSET, Descriptor, Message, from_kernel
from sendright.impl.reference.port import DEAD_RIGHT, NULL_RIGHT, Right
from sendright.impl.reference.space import Entry, Space
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import LOOKING, copy_in_entry, copy_out, entry_to_copy_in, fits
from sendright.impl.reference.waiting import BlockedSend, PartialSteps, Steps
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import HEADER_SIZE, layout_of, natural_size
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, RESERVED_NAMES, Disposition, PortObject, SlotKind
from sendright.mach.kernel.call import Result

_HEADER_DISPOSITIONS = range(Disposition.MOVE_SEND, Disposition.MAKE_SEND_ONCE + 1)
"""The dispositions of a header's rights: send and send-once rights, not receive rights."""

_NOT_PORTS = (SlotKind.DEAD_NAME, SlotKind.PORT_SET)
"""The kinds of entry without a right to a live port."""


class SendCalls(Bodies):
    """The call that sends a message (``mach_msg`` with MACH_SEND_MSG)."""

    def mach_msg_send(
        self,
        caller: Task,
        dest: int,
        dest_disposition: int,
        reply: int,
        reply_disposition: int,
        id: int,
        descriptors: tuple[tuple[Any, ...], ...],
        data: int,
        size: int,
        wait: bool,
        send_notify: bool,
    ) -> Steps:
        """Send a message; the arguments are names and pages of the caller.

        MACH_SEND_INVALID_HEADER, MACH_SEND_INVALID_DEST, MACH_SEND_INVALID_REPLY and a wrong ``size`` change nothing.
        Errors of the body lose the rights that were copied in before: MACH_SEND_MSG_TOO_SMALL, MACH_SEND_INVALID_TYPE,
        MACH_SEND_INVALID_RIGHT, MACH_SEND_INVALID_MEMORY. MACH_SEND_TIMED_OUT returns all rights as a receive would,
        under the names in the outputs (hazard H-19).
        """
        natural = natural_size(layout_of(descriptors))
        if size == -1:
            size = natural
        if size < HEADER_SIZE or size % 4 != 0:
            raise Failure(ReturnCode.MACH_SEND_MSG_TOO_SMALL)
        if self.profile.body_checked_first:
            check_descriptors(descriptors, size)
        if dest_disposition not in _HEADER_DISPOSITIONS:
            raise Failure(ReturnCode.MACH_SEND_INVALID_HEADER)
        if reply_disposition not in _HEADER_DISPOSITIONS and (reply_disposition != Disposition.NONE or reply != NULL_NAME):
            raise Failure(ReturnCode.MACH_SEND_INVALID_HEADER)
        if dest in RESERVED_NAMES:
            raise Failure(ReturnCode.MACH_SEND_INVALID_DEST)
        destination, reply_right, forced = self.copy_in_header(caller.space, dest, dest_disposition, reply, reply_disposition, send_notify)
        tokens = caller.tokens if self.profile.trailer_is_senders else KERNEL_TOKENS  # hazard H-3
        answer = Descriptor(reply_right, Disposition(reply_disposition).received_form)
        body: list[Descriptor] = []
        try:
            check_descriptors(descriptors, size)
            stays = not destination.live or destination.port.object is not PortObject.NONE
            memory = self.copy_in_body(caller, descriptors, stays, body)
        except Failure:
            self.release([destination, reply_right, *(right for right, _ in body)])
            raise
        layout = layout_of(descriptors)
        word = data if size >= natural else 0
        message = Message(next(self.serials), id, destination, answer, tuple(body), tokens, layout, memory, size, word)
        return (yield from self.deliver(caller, message, wait, forced))

    def copy_in_header(
        self, space: Space, dest: int, dest_disposition: int, reply: int, reply_disposition: int, send_notify: bool
    ) -> tuple[Right, Right, bool]:
        """Copy in both rights of a header, or neither. Returns them, and whether the message is queued even if the
        queue is full by then. (``ipc_kmsg_copyin_header``)

        The order of checks: that the destination exists, then the reply, then the rest of the destination. Newer
        kernels first check that the destination is a right to a port. (``ipc_kmsg_copyin_header_rights``)
        """
        dest_entry = space.entry(dest)
        if dest_entry is None:
            raise Failure(ReturnCode.MACH_SEND_INVALID_DEST)
        if self.profile.destination_tested_first:
            moves_once = dest == reply and Disposition.MOVE_SEND_ONCE in (dest_disposition, reply_disposition)
            if moves_once or dest_entry.kind in _NOT_PORTS:
                raise Failure(ReturnCode.MACH_SEND_INVALID_DEST)
        reply_entry = None
        if reply not in RESERVED_NAMES:
            reply_entry = space.entry(reply)
            if reply_entry is None or not self._fits_reply(reply_entry, reply_disposition, dest_entry):
                raise Failure(ReturnCode.MACH_SEND_INVALID_REPLY)
        if not self._is_swallowed(dest_entry, dest_disposition):
            entry_to_copy_in(space, dest, dest_disposition)
        if dest == reply and not self._fits_twice(dest_entry, dest_disposition, reply_disposition):
            raise Failure(ReturnCode.MACH_SEND_INVALID_DEST)
        if not fits(dest_entry, dest_disposition) or dest_entry.kind is SlotKind.DEAD_NAME:
            raise Failure(ReturnCode.MACH_SEND_INVALID_DEST)
        if reply_entry is not None and dest != reply:
            entry_to_copy_in(space, reply, reply_disposition)
        forced = send_notify and self._is_forced(dest_entry, dest_disposition)
        # With one name for both, the first copy-in may free the name; ``entry`` still has the port for the second.
        destination = copy_in_entry(space, dest, dest_entry, dest_disposition)
        if reply_entry is None:
            return destination, DEAD_RIGHT if reply == DEAD_NAME else NULL_RIGHT, forced
        return destination, copy_in_entry(space, reply, reply_entry, reply_disposition), forced

    def _is_forced(self, entry: Entry, disposition: int) -> bool:
        """Whether a message to ``entry`` is queued in any case: the name has a request, and the queue has room now. If
        it hasn't, a send-possible request is armed. (MACH_SEND_NOTIFY in ``ipc_kmsg_copyin_header``)

        The kernel looks before it sends the notifications of what the header gives up.
        """
        port = entry.port
        once = Disposition(disposition).received_form is Disposition.MOVE_SEND_ONCE
        if once or entry.request is None or port.object is not PortObject.NONE:
            return False
        if port.full:
            entry.request.arm()
        return not port.full

    def _fits_reply(self, entry: Entry, disposition: int, dest: Entry) -> bool:
        """Whether ``entry`` can be copied in as the reply of a message to ``dest``: not if it is immovable, in some
        profiles not if it is dead, and not if the destination needs a reply port and it leads to another one. An entry
        that no call has looked at since its port died passes as any send or send-once right.
        (``ipc_right_copyin_check_reply``)
        """
        if entry.unlooked:
            return disposition in LOOKING
        if entry.kind is SlotKind.DEAD_NAME and self.profile.dead_reply_refused:
            return False
        if not fits(entry, disposition) or is_immovable(entry, disposition):
            return False
        return not dest.port.alive or dest.port.accepts_reply(entry.port)

    def _is_swallowed(self, entry: Entry, disposition: int) -> bool:
        """Whether ``entry`` is an unwatched send-once right whose port has died, and no call has looked at it: a
        message to it counts as sent. (``IPC_OBJECT_COPYIN_FLAGS_ALLOW_DEAD_SEND_ONCE``)
        """
        return entry.unlooked and entry.kind is SlotKind.SEND_ONCE and not entry.told and disposition == Disposition.MOVE_SEND_ONCE

    def _fits_twice(self, entry: Entry, dest_disposition: int, reply_disposition: int) -> bool:
        """Whether one name can be copied in as both rights of a header, if the first copy-in doesn't prevent the
        second.
        """
        both = (dest_disposition, reply_disposition)
        if Disposition.MOVE_SEND_ONCE in both:
            return False
        return both != (Disposition.MOVE_SEND, Disposition.MOVE_SEND) or entry.urefs >= 2

    def deliver(self, caller: Task, message: Message, wait: bool, forced: bool = False) -> Steps:
        """Deliver a complete message: queue it, block, return it to the sender, or hand it to the kernel.
        (``ipc_mqueue_send``)
        """
        port = message.destination.port
        has_room = forced or self._has_room(message)
        if not port.alive:
            self.destroy_message(message.rights)
        elif port.object is not PortObject.NONE:
            yield from self._answer_bad_id(caller, message, wait)
        elif message.circular and (has_room or wait or not self.profile.full_before_circular):
            self.destroy_message(message.rights)
        elif has_room:
            message.send_off()
        elif wait:
            yield from self._deliver_later(caller, message)
        else:
            return self._hand_back(caller, message)
        return Result(ReturnCode.MACH_MSG_SUCCESS)

    def _has_room(self, message: Message) -> bool:
        """Whether ``message`` can be queued now. One on a send-once right always can."""
        return message.destination.kind is not SlotKind.SEND or not message.destination.port.full

    def _deliver_later(self, caller: Task, message: Message) -> PartialSteps:
        """Block until the queue has room, by profile until it is given to this message, or the port dies. The message
        is in transit meanwhile.
        """
        port = message.destination.port
        message.set_out()
        waiting = BlockedSend(caller, message)
        port.waiting_senders.append(waiting)
        yield waiting
        while port.alive and not (waiting.has_room if self.profile.room_is_given else not port.full):
            yield waiting
        port.waiting_senders.remove(waiting)
        if port.alive:
            message.send_off()
        else:
            self.destroy_message(message.rights)

    def _answer_bad_id(self, caller: Task, message: Message, wait: bool) -> PartialSteps:
        """The kernel gets a request that it has no routine for. It releases the message's rights and sends an error
        reply, if there is a reply port.

        In some kernels a reply on a send right needs room. If there is none, it waits if the request would have waited.
        Otherwise it is destroyed, and its send right is lost. (``ipc_kmsg_send``)
        """
        reply = message.reply.right
        self.destroy_message([message.destination, *message.cargo[1:]])
        if not reply.live or reply.port.object is not PortObject.NONE:
            self.release([reply])
            return
        answer = from_kernel(self.serials, message.id + REPLY_OFFSET, reply, int(ReturnCode.MIG_BAD_ID))
        if not self.profile.kernel_reply_needs_room or self._has_room(answer):
            answer.send_off()
        elif wait:
            yield from self._deliver_later(caller, answer)
        else:
            reply.port.lose_send()

    def _hand_back(self, sender: Task, message: Message) -> Result:
        """Return a message's rights to the sender, as if it received the message. (``ipc_kmsg_copyout_pseudo``)"""
        dest = copy_out(sender.space, message.destination)
        reply = copy_out(sender.space, message.reply.right)
        descriptors, complete = self.copy_out_body(sender, message)
        code = ReturnCode.MACH_SEND_TIMED_OUT if complete else ReturnCode.MACH_SEND_TIMED_OUT_VM_SPACE
        return Result(code, {"dest": dest, "reply": reply, "descriptors": descriptors})
