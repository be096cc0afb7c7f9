"""Messages between tasks: a send in steps (header, rights, delivery) and a receive.

A send is: the header is checked as a whole; its two rights, then those of the body, are copied in one by one (``copy in a right``); the message is
delivered. A message that finds the queue full is handed back: its rights are copied out to the sender. A receive takes the oldest message;
its rights are copied out (``copy out a right``).
"""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.codes import ReturnCode
from sendright.mach.rights import Disposition, PortObject
from sendright.model.actions import drop_held_send, in_space, put, queue_message, release_message, stamp_by_kernel
from sendright.model.calls.port_sets import in_a_set
from sendright.model.calls.request_reply import fits
from sendright.model.rules import Case, Context, rule
from sendright.model.sorts import KIND, OBJECT, STAGE, Term
from sendright.model.state import After

MIG_REPLY = 100
"""A reply's id is the request's plus this."""


@rule(
    "mach_msg_send",
    choices={"message": "Message"},
    dest="Name",
    dest_disposition="Int",
    reply="Name",
    reply_disposition="Int",
    id="Int",
    data="Int",
    descriptors_length="Int",
)
def mach_msg_send(k: Context) -> Iterator[Case]:
    """The header of a message is checked, and the sender's tokens are stamped on it.

    Both rights of the header are there or nothing happens. Source: semantics 6.1, 6.2.
    """
    # NAMES
    b = k.before
    dest, reply = k.slot(k.dest), k.slot(k.reply)
    dest_by, reply_by = k.dest_disposition, k.reply_disposition
    no_reply = k.reserved(k.reply)
    same = z3.And(k.dest == k.reply, z3.Not(no_reply))
    takes = Disposition.MOVE_SEND

    # CASES
    header = z3.Or(
        z3.Not(k.is_sendish(dest_by)),
        z3.And(reply_by == 0, k.reply != k.sorts.null),
        z3.And(reply_by != 0, z3.Not(k.is_sendish(reply_by))),
    )
    yield k.fails(ReturnCode.MACH_SEND_INVALID_HEADER, "the header's dispositions carry no send right", header)
    yield k.fails(ReturnCode.MACH_SEND_INVALID_DEST, "the destination is NULL or DEAD", k.reserved(k.dest))
    yield k.fails(ReturnCode.MACH_SEND_INVALID_DEST, "the destination denotes nothing", b.empty(dest))
    unfit_reply = z3.And(z3.Not(no_reply), z3.Not(fits(b, reply, reply_by)))
    yield k.fails(ReturnCode.MACH_SEND_INVALID_REPLY, "the reply name has no right that can be carried so", unfit_reply)
    once = z3.And(same, z3.Or(dest_by == Disposition.MOVE_SEND_ONCE, reply_by == Disposition.MOVE_SEND_ONCE))
    yield k.fails(ReturnCode.MACH_SEND_INVALID_DEST, "one send-once right cannot be both destination and reply", once)
    unfit = z3.Or(z3.Not(fits(b, dest, dest_by)), b.kind(dest) == KIND.DEAD_NAME)
    yield k.fails(ReturnCode.MACH_SEND_INVALID_DEST, "the destination has no live right that can be carried so", unfit)
    one = z3.And(same, dest_by == takes, reply_by == takes, b.urefs(dest) < 2)
    yield k.fails(ReturnCode.MACH_SEND_INVALID_DEST, "one reference cannot be moved twice", one)

    # TOKENS
    def begin(after: After) -> None:
        message = k.message
        after.assumptions.append(after.stage(message) == STAGE.FREE)
        after.at("stage")[message] = STAGE.IN_KERNEL
        after.at("owner")[message] = k.caller
        after.at("id")[message] = k.id
        after.at("data")[message] = k.data
        after.at("body_count")[message] = k.descriptors_length
        if k.profile.trailer_is_senders:
            after.at("sender_security")[message] = b.security(k.caller)
            after.at("sender_audit")[message] = b.audit(k.caller)
        else:
            after.at("sender_security")[message] = k.sorts.kernel_security_token
            after.at("sender_audit")[message] = k.sorts.kernel_audit_token
        after.at("from_kernel")[message] = z3.BoolVal(False)

    # REPLY: which of the two rights is copied in first matters only when one reference is moved and copied
    reply_first = z3.And(same, dest_by == takes, reply_by == Disposition.COPY_SEND)
    yield k.continues("the reply right is copied before the same right is moved", reply_first, begin, reply_first=z3.BoolVal(True))
    yield k.continues("the header is good", True, begin, reply_first=z3.BoolVal(False))


def _deliver_requires(k: Context) -> list[Term]:
    kind = k.before.kind(k.sorts.Slot.destination_slot(k.message))
    return [k.in_kernel(k.message), z3.Or(kind == KIND.SEND, kind == KIND.SEND_ONCE)]


@rule("mach_msg_send: deliver", choices={"reaches": "from Port to Bool"}, requires=_deliver_requires, message="Message")
def deliver(k: Context) -> Iterator[Case]:
    """A message that carries all its rights is delivered.

    A kernel port answers at once; a message that carries its own destination's receive right, or one that the destination is on its way
    to, is destroyed; a full queue hands it back, unless it comes by a send-once right. Source: semantics 6.4, 6.6.
    """
    # NAMES
    b, S = k.before, k.sorts.Slot
    destination, port = S.destination_slot(k.message), b.port(S.destination_slot(k.message))
    x, i = z3.Const("x", k.sorts.Port), z3.Int("i")
    carrier = k.sorts.message_of(b.receiver(x))
    in_transit = z3.And(b.active(x), S.is_body_slot(b.receiver(x)), b.stage(carrier) == STAGE.QUEUED)
    # ``reaches``: the destination, the port its receive right is on its way to, and so on
    reaches = [k.reaches(port), z3.ForAll([x], z3.Implies(z3.And(k.reaches(x), in_transit), k.reaches(b.queue(carrier))))]
    carried = S.body_slot(k.message, i)
    circular = z3.Exists([i], z3.And(i >= 0, i < b.body_count(k.message), b.kind(carried) == KIND.RECEIVE, k.reaches(b.port(carried))))

    # RIGHTS
    def destroy(after: After) -> None:
        after.assumptions += reaches
        release_message(after, k.message)
        after.at("stage")[k.message] = STAGE.FREE

    def take_in(after: After) -> None:
        release_message(after, k.message, keep=S.is_reply_slot)

    def enqueue(after: After) -> None:
        after.assumptions += reaches
        queue_message(after, k.message, port)

    # CASES
    yield k.continues("a kernel port: the rights are given up", b.object(port) != OBJECT.OBJECT_NONE, take_in, by_kernel=z3.BoolVal(True))
    yield k.succeeds("circular: the message is destroyed", circular, destroy)
    full = z3.And(b.kind(destination) == KIND.SEND, b.msgcount(port) >= b.qlimit(port))
    yield Case(ReturnCode.MACH_SEND_TIMED_OUT, "the queue is full: the message is handed back", full)
    yield k.succeeds("the message is queued", True, enqueue)


def _answer_requires(k: Context) -> list[Term]:
    return [k.in_kernel(k.message), k.carries_nothing_but(k.message, k.sorts.Slot.reply_slot(k.message))]


@rule("mach_msg_send: kernel's answer", requires=_answer_requires, message="Message")
def kernel_answer(k: Context) -> Iterator[Case]:
    """The kernel finds no routine for the id and says so on the reply right, if it leads to a user's port. Source: semantics 1, 6.4."""
    # NAMES
    b, S = k.before, k.sorts.Slot
    reply, port = S.reply_slot(k.message), b.port(S.reply_slot(k.message))
    kind = b.kind(reply)
    live = z3.Or(kind == KIND.SEND, kind == KIND.SEND_ONCE)

    # RIGHTS, TOKENS
    def answer(after: After) -> None:
        put(after, S.destination_slot(k.message), kind, port)
        put(after, reply, KIND.NONE, k.sorts.no_port)
        after.at("form")[reply] = z3.IntVal(0)
        after.at("body_count")[k.message] = z3.IntVal(0)
        stamp_by_kernel(after, k.message, b.id(k.message) + MIG_REPLY, int(ReturnCode.MIG_BAD_ID))
        queue_message(after, k.message, port)

    def end(after: After) -> None:
        drop_held_send(after, reply)
        after.at("stage")[k.message] = STAGE.FREE

    # CASES
    yield k.succeeds("the answer is queued on the reply port", z3.And(live, b.object(port) == OBJECT.of(PortObject.NONE)), answer)
    yield k.succeeds("nobody to answer", z3.Or(kind != KIND.SEND_ONCE, b.object(port) != OBJECT.OBJECT_NONE), end)


@rule("mach_msg_receive", choices={"source": "Port", "oldest": "Message"}, port="Name")
def mach_msg_receive(k: Context) -> Iterator[Case]:
    """Take the oldest message of a port, or of a port set's member of the kernel's choice. Its destination right is consumed.

    Source: semantics 6.5.
    """
    # NAMES
    b, S = k.before, k.sorts.Slot
    entry, is_set = k.slot(k.port), b.kind(k.slot(k.port)) == KIND.PORT_SET
    message, destination = k.oldest, S.destination_slot(k.oldest)
    other, x = z3.Const("other", k.sorts.Message), z3.Const("x", k.sorts.Port)

    def is_member(port: Term) -> Term:
        return z3.And(b.member(port, k.port), in_space(b, port, k.caller))

    # CASES
    yield k.fails(ReturnCode.MACH_RCV_INVALID_NAME, "the name has no receive right", z3.Not(z3.Or(b.receives(entry), is_set)))
    if not k.profile.many_sets:
        yield k.fails(ReturnCode.MACH_RCV_IN_SET, "the port is in a set", z3.And(b.receives(entry), in_a_set(b, b.port(entry))))
    yield k.fails(ReturnCode.MACH_RCV_TIMED_OUT, "no message is there", z3.And(z3.Not(is_set), b.msgcount(b.port(entry)) <= 0))
    some = z3.Exists([x], z3.And(is_member(x), b.msgcount(x) > 0))
    yield k.fails(ReturnCode.MACH_RCV_TIMED_OUT, "no message is in the port set", z3.And(is_set, z3.Not(some)))

    # RIGHTS
    def take(after: After, port: Term) -> None:
        after.assumptions += [
            b.queued_on(message, port),
            z3.ForAll([other], z3.Implies(b.queued_on(other, port), b.arrival(message) <= b.arrival(other))),
        ]
        after.at("stage")[message] = STAGE.IN_KERNEL
        after.at("owner")[message] = k.caller
        after.add("queued_messages", port, -1)
        after.add("msgcount", port, -1)
        after.add("seqno", port, 1)
        once: Term = b.kind(destination) == KIND.SEND_ONCE
        after.add("sorights", port, z3.If(once, -1, 0))
        drop_held_send(after, destination)

    def take_of_member(after: After) -> None:
        after.assumptions.append(is_member(k.source))
        take(after, k.source)

    # REPLY
    def told(port: Term) -> dict[str, Term]:
        return {
            "id": b.id(message),
            "local": S.name(b.receiver(port)),
            "data": b.data(message),
            "sequence_number": b.seqno(port),
            "security_token": b.sender_security(message),
            "audit_token": b.sender_audit(message),
            "message": message,
            "count": b.body_count(message),
        }

    yield k.succeeds("a member's oldest message", is_set, take_of_member, **told(k.source))
    port = b.port(entry)
    yield k.succeeds("the oldest message", True, lambda after: take(after, port), **told(port))
