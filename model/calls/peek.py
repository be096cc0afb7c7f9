"""Looking into a port's queue."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import TRAILER_SIZES
from sendright.model.calls.entry import Entry, on_reserved, on_space
from sendright.model.calls.receive import AUDIT_TOKEN, SECURITY_TOKEN
from sendright.model.language.actions import counted_messages
from sendright.model.language.choices import choose_order
from sendright.model.language.evidence import read, rests_on, suite
from sendright.model.language.rule import Case, Context, rule
from sendright.model.language.state import After
from sendright.model.language.terms import Function, Int, Message, Name

HEADER_GROWTH, DESCRIPTOR_GROWTH = 8, 4
"""By how many bytes the header and each descriptor are larger in the kernel: rights are pointers there
(``mach_msg_kbase_t`` in ``mach/message.h``).
"""
WORD = 1 << 32


@rule(
    evidence=rests_on(
        xnu=read("ipc/mach_port.c: mach_port_peek; ipc/ipc_mqueue.c: ipc_mqueue_peek; ipc/ipc_right.c: ipc_right_lookup_read")
        + suite("ipc/port_peek.c: mach_port_peek", "the message is described")
    )
)
def mach_port_peek(
    k: Context, task: Name, name: Name, trailer: Int, seqno: Int, room: Int, *, place_of: Function[Message, Int], message_at: Function[Int, Message]
) -> Iterator[Case]:
    """Describe the message that will be received under the number ``seqno``, or the oldest one. Nothing changes.

    The port's messages are numbered from 0 in the order of their arrival: ``place_of`` and ``message_at`` say which has
    which number. The size is that which the message has in the kernel. The number that the next message will have is
    computed in 32 bits, so when it exceeds these, only the oldest message is found.

    Source: ``mach_port_peek`` in ``ipc/mach_port.c``, ``ipc_mqueue_peek_locked`` in ``ipc/ipc_mqueue.c``.
    """
    # NAMES
    b, e = k.before, Entry(k, task, name)
    asked = seqno != 0
    place = z3.If(asked, seqno - b.seqno(e.port), z3.IntVal(0))
    peeked = message_at(place)
    bytes_ = z3.IntVal(TRAILER_SIZES[AUDIT_TOKEN])
    for elements in range(AUDIT_TOKEN):
        bytes_ = z3.If(trailer == elements, z3.IntVal(TRAILER_SIZES[elements]), bytes_)
    # CASES
    yield from on_space(k, task)
    yield from on_reserved(k, name)
    unfit = z3.Or(trailer < 0, trailer > AUDIT_TOKEN, z3.And(room != -1, room < bytes_))
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "no such trailer, or no room for it", unfit)
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", e.objectless)
    yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "the name has no receive right", z3.Not(e.receives))
    beyond = z3.And(asked, seqno >= (b.seqno(e.port) + counted_messages(b, e.port, k.profile)) % WORD)
    yield k.fails(ReturnCode.KERN_FAILURE, "there is no such message", z3.Or(place < 0, place >= b.msgcount(e.port), beyond))

    # REPLY
    def look(after: After) -> None:
        choose_order(after, e.port, place, place_of, message_at)

    yield k.succeeds(
        "the message is described",
        k.otherwise(),
        look,
        sequence_number=b.seqno(e.port) + place,
        size=b.size(peeked) + HEADER_GROWTH + DESCRIPTOR_GROWTH * k.sorts.parts_of(b.layout(peeked)),
        id=b.id(peeked),
        trailer_size=bytes_,
        security_token=b.sender_security(peeked),
        audit_token=b.sender_audit(peeked),
        tells_security_token=trailer >= SECURITY_TOKEN,
        tells_audit_token=trailer >= AUDIT_TOKEN,
    )
