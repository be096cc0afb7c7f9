"""Peeking into a port's queue (``ipc/mach_port.c``, ``ipc_mqueue_peek_locked`` of later kernels)."""

from __future__ import annotations

from sendright.impl.reference.calls.names import receive_right_of, space_of
from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.message import Message
from sendright.impl.reference.task import Task
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import TRAILER_SIZES
from sendright.mach.abi.rights import RESERVED_NAMES
from sendright.mach.kernel.call import Result

_SECURITY_TOKEN, _AUDIT_TOKEN = 2, 3
"""The trailer elements from which on it has each token. A peek can request no element beyond the second."""

_HEADER_GROWTH, _DESCRIPTOR_GROWTH = 8, 4
"""How many bytes larger a header and a descriptor are in the kernel than in a message as tasks see it: rights are
pointers there."""
_WORD = 1 << 32


def _size_in_kernel(message: Message) -> int:
    """The size of ``message`` in the kernel, which a peek tells. (``ikm_header``)"""
    return message.size + _HEADER_GROWTH + _DESCRIPTOR_GROWTH * len(message.layout)


class PeekCalls(Core):
    """The call that describes a message without receiving it."""

    def mach_port_peek(self, caller: Task, task: Task | None, name: int, trailer: int, seqno: int, room: int) -> Result:
        """Describe the message that will be received with the sequence number ``seqno``, or the oldest. Nothing
        changes. If the number after the queue's last exceeds a word, only the oldest message is found.

        KERN_INVALID_TASK; KERN_INVALID_RIGHT (reserved name); KERN_INVALID_VALUE for the trailer; KERN_INVALID_NAME;
        KERN_INVALID_RIGHT; KERN_FAILURE if there is no such message.
        """
        space = space_of(task)
        if name in RESERVED_NAMES:
            raise Failure(ReturnCode.KERN_INVALID_RIGHT)
        if not 0 <= trailer <= _AUDIT_TOKEN or (room != -1 and room < TRAILER_SIZES[trailer]):
            raise Failure(ReturnCode.KERN_INVALID_VALUE)
        port = receive_right_of(space, name, self.profile)
        place = seqno - port.sequence_number if seqno else 0
        beyond = seqno != 0 and seqno >= (port.sequence_number + port.message_count) % _WORD
        if beyond or not 0 <= place < len(port.queue):
            raise Failure(ReturnCode.KERN_FAILURE)
        message = port.queue[place]
        outputs = {
            "sequence_number": port.sequence_number + place,
            "size": _size_in_kernel(message),
            "id": message.id,
            "trailer_size": TRAILER_SIZES[trailer],
            "security_token": message.tokens.security if trailer >= _SECURITY_TOKEN else (),
            "audit_token": message.tokens.audit if trailer >= _AUDIT_TOKEN else (),
        }
        return Result(ReturnCode.KERN_SUCCESS, outputs)
