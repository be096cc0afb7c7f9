"""Messages between tasks: a send in steps (header, rights, body, delivery), and messages that are handed back or wait
for room.

A send first checks the whole header. It copies in the header's two rights and then the body, part by part (``copy in a
right``, ``copy in a page``). Then it delivers the message. If the queue is full, the message is handed back, with all
that it carries copied out to the sender; or the sender waits.
"""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import CopyOption, natural_size, size_without_data
from sendright.mach.abi.port_attributes import PortPurpose
from sendright.mach.abi.rights import Disposition, PortObject
from sendright.model.calls.carrying import carries_nothing, fits
from sendright.model.calls.looking import LOOKING
from sendright.model.language.actions import counted_messages, drop_held_send, lose_right, put, queue_message, stamp_by_kernel, take_room
from sendright.model.language.choices import Transit
from sendright.model.language.evidence import decided, page, ran, read, rests_on
from sendright.model.language.release import release_message
from sendright.model.language.rule import ANSWER, ARRAY, BODY, DELIVER, DESTROY, HANDED_BACK, LOOK, PAGE_IN, RESUMED_SEND, Case, Context, rule
from sendright.model.language.sequences import (
    ArrayPart,
    Driver,
    Failed,
    Outcome,
    PagePart,
    Part,
    RightPart,
    Run,
    Steps,
    Value,
    copy_in,
    copy_out,
    copy_out_body,
    run,
    sequence,
)
from sendright.model.language.sorts import KIND, OBJECT, POSSIBLE, PURPOSE, STAGE, WAIT, Term
from sendright.model.language.state import After
from sendright.model.language.terms import Array, Bool, Function, Int, Layout, Message, Name, Port

MIG_REPLY = 100
"""A reply's id is the request's plus this."""

HEADER_SIZE = size_without_data(())
DATA_SIZE = natural_size(()) - HEADER_SIZE
DESCRIPTOR_SIZE = size_without_data((0, 0)) - size_without_data((0,))
BODY_SIZE = size_without_data((0,)) - HEADER_SIZE - DESCRIPTOR_SIZE


def least_size(parts: Term) -> Term:
    """Bytes of a message with so many descriptors, without its word of inline data (``mach/abi/descriptors.py``)."""
    return HEADER_SIZE + z3.If(parts > 0, BODY_SIZE + DESCRIPTOR_SIZE * parts, 0)


NO_DISPOSITION = rests_on(
    osf=decided("OSF MK panics on such a number (ipc_object_copyin_type, hazard H-13). We refuse the message."),
    gnumach=decided("In GNU Mach's typed messages such a number is another type, and the array is data. We refuse the message."),
)
"""Of an array whose disposition is none."""
DEAD_MEANWHILE = rests_on(
    xnu_792=decided(
        "XNU 792 puts the message into the dead port's queue, where its rights stay for ever (ipc_mqueue_send). We destroy it, as others do."
    )
)
"""Of a sender that waits when its destination dies."""
REPLY_PORTS = rests_on(
    xnu="ipc/ipc_kmsg.c: ipc_kmsg_copyin_header_rights; ipc/ipc_right.c: ipc_right_copyin_check_reply; "
    "ipc/ipc_port.c: ip_violates_reply_port_semantics"
)
"""Of destinations that enforce reply port semantics."""
ANSWERS = rests_on(
    xnu_792=read("kern/ipc_kobject.c: ipc_kobject_server; ipc/ipc_kmsg.c: ipc_kmsg_send")
    + decided("When the queue is full, XNU 792 uses memory that it has freed (mach_msg_send). We queue the answer, as GNU Mach does."),
    xnu=read("kern/ipc_kobject.c: ipc_kobject_server; ipc/ipc_kmsg.c: ipc_kmsg_send"),
)
"""Of the kernel's answer to a reply right."""


@rule(
    computed=("layout", "copy_options", "copy_options_length"),
    without=("descriptors", "wait"),
    evidence=rests_on(
        "ipc/ipc_kmsg.c: ipc_kmsg_get, ipc_kmsg_copyin_header; ipc/ipc_right.c: ipc_right_copyin_check, ipc_right_copyin_two",
        xnu="ipc/mach_msg.c: mach_msg_validate_data_vectors; "
        "ipc/ipc_kmsg.c: ipc_kmsg_measure_descriptors_from_user, ipc_kmsg_copyin_header_validate, ipc_kmsg_copyin_header_rights; "
        "ipc/ipc_right.c: ipc_right_copyin_check_reply",
        manual=page("mach_msg"),
    ),
)
def mach_msg_send(
    k: Context,
    dest: Name,
    dest_disposition: Int,
    reply: Name,
    reply_disposition: Int,
    id: Int,
    data: Int,
    layout: Layout,
    size: Int,
    send_notify: Bool,
    copy_options: Array[Int],
    copy_options_length: Int,
    *,
    message: Message,
) -> Iterator[Case]:
    """Check the header of a message, and stamp the sender's tokens on the message.

    With MACH_SEND_NOTIFY a full queue arms the send-possible request of the destination's name. If the name has a
    request and the queue isn't full yet, the message is queued in any case (``ipc_kmsg_copyin_header``).

    If one of the header's two rights is missing, nothing happens. XNU 11417 first tests what kind of entry the
    destination is (``ipc_kmsg_copyin_header_validate`` and ``_rights`` in ``ipc/ipc_kmsg.c``); the others first look
    whether the reply fits (``ipc_kmsg_copyin_header``). There a name whose port died passes as reply, and one of a
    send-once right as destination, until a call has looked at it (``ipc_right_copyin_check_reply`` and
    ``ipc_right_check`` in ``ipc/ipc_right.c``). There a port can also be made so that messages to it have no live reply
    but to a reply port (``ip_violates_reply_port_semantics`` in ``ipc/ipc_port.c``).
    """
    # NAMES
    b = k.before
    dest_slot, reply_slot = k.slot(dest), k.slot(reply)
    dest_by, reply_by = dest_disposition, reply_disposition
    no_reply = k.reserved(reply)
    same = z3.And(dest == reply, z3.Not(no_reply))
    takes = Disposition.MOVE_SEND

    # CASES
    odd = z3.And(size != -1, z3.Or(size < HEADER_SIZE, size % 4 != 0))
    yield k.fails(ReturnCode.MACH_SEND_MSG_TOO_SMALL, "the size is too small, or not a multiple of 4", odd)
    if k.profile.body_checked_first:
        yield from _body_as_a_whole(
            k, layout, z3.If(size == -1, least_size(k.sorts.parts_of(layout)) + DATA_SIZE, size), copy_options, copy_options_length
        )
    header = z3.Or(
        z3.Not(k.is_sendish(dest_by)),
        z3.And(reply_by == 0, reply != k.sorts.null),
        z3.And(reply_by != 0, z3.Not(k.is_sendish(reply_by))),
    )
    yield k.fails(ReturnCode.MACH_SEND_INVALID_HEADER, "the header's dispositions carry no send right", header)
    yield k.fails(ReturnCode.MACH_SEND_INVALID_DEST, "the destination is NULL or DEAD", k.reserved(dest))
    once = z3.And(same, z3.Or(dest_by == Disposition.MOVE_SEND_ONCE, reply_by == Disposition.MOVE_SEND_ONCE))
    once_twice = k.fails(ReturnCode.MACH_SEND_INVALID_DEST, "one send-once right cannot be both destination and reply", once)
    if k.profile.destination_tested_first:
        yield once_twice
        no_right = z3.Not(z3.Or(b.sends(dest_slot), b.receives(dest_slot), b.kind(dest_slot) == KIND.SEND_ONCE, k.is_unlooked(dest_slot)))
        yield k.fails(ReturnCode.MACH_SEND_INVALID_DEST, "the destination has no right to a live port", no_right)
    else:
        yield k.fails(ReturnCode.MACH_SEND_INVALID_DEST, "the destination denotes nothing", b.empty(dest_slot))
    cannot_be_reply = z3.Not(fits(b, reply_slot, reply_by))
    if k.profile.dead_reply_refused:
        cannot_be_reply = z3.Or(cannot_be_reply, b.kind(reply_slot) == KIND.DEAD_NAME)
    if k.profile.dead_names_are_lazy:  # whatever it was
        cannot_be_reply = z3.And(cannot_be_reply, z3.Not(z3.And(k.is_unlooked(reply_slot), fits(b, reply_slot, reply_by))))
    if k.profile.immovable_objects:
        cannot_be_reply = z3.Or(cannot_be_reply, k.stays(reply_slot))
    unfit_reply = z3.And(z3.Not(no_reply), cannot_be_reply)
    yield k.fails(ReturnCode.MACH_SEND_INVALID_REPLY, "the reply name has no right for its disposition", unfit_reply)
    if k.profile.has_guards:
        enforced = z3.And(b.kind(dest_slot) != KIND.DEAD_NAME, b.purpose(b.port(dest_slot)) == PURPOSE.of(PortPurpose.ENFORCED))
        no_reply_port = z3.And(b.kind(reply_slot) != KIND.DEAD_NAME, b.purpose(b.port(reply_slot)) != PURPOSE.of(PortPurpose.REPLY))
        wrong_reply = z3.And(z3.Not(no_reply), enforced, no_reply_port)
        yield k.fails(ReturnCode.MACH_SEND_INVALID_REPLY, "the destination needs a reply port", wrong_reply, evidence=REPLY_PORTS)
    if not k.profile.destination_tested_first:
        yield once_twice
    dead = b.kind(dest_slot) == KIND.DEAD_NAME
    if k.profile.dead_names_are_lazy:
        unlooked, sends = k.is_unlooked(dest_slot), z3.Or(*[dest_by == int(way) for way in LOOKING])
        swallowed = z3.And(dest_by == Disposition.MOVE_SEND_ONCE, b.unlooked(dest_slot) == KIND.SEND_ONCE, z3.Not(b.told(dest_slot)))
        seen = z3.And(unlooked, sends, z3.Not(swallowed))
        yield k.fails(
            ReturnCode.MACH_SEND_INVALID_DEST, "the destination's port has died: it is a dead name from now on", seen, looks=z3.BoolVal(True)
        )
        dead = z3.And(dead, z3.Not(unlooked))
    unfit = z3.Or(z3.Not(fits(b, dest_slot, dest_by)), dead)
    yield k.fails(ReturnCode.MACH_SEND_INVALID_DEST, "the destination has no live right for its disposition", unfit)
    one = z3.And(same, dest_by == takes, reply_by == takes, b.urefs(dest_slot) < 2)
    yield k.fails(ReturnCode.MACH_SEND_INVALID_DEST, "one reference cannot be moved twice", one)

    # RIGHTS
    notifies, full, always = z3.BoolVal(False), z3.BoolVal(False), z3.BoolVal(False)
    if k.profile.send_possible:
        port, once = b.port(dest_slot), z3.Or(dest_by == Disposition.MOVE_SEND_ONCE, dest_by == Disposition.MAKE_SEND_ONCE)
        asked = z3.Not(b.empty(k.sorts.Slot.request_slot(k.caller, dest)))
        notifies = z3.And(send_notify, z3.Not(once), asked, b.object(port) == OBJECT.OBJECT_NONE)
        full = counted_messages(b, port, k.profile) >= b.qlimit(port)
        always = z3.And(notifies, z3.Not(full))

    def begin(after: After) -> None:
        needed = least_size(k.sorts.parts_of(layout)) + DATA_SIZE
        after.assumptions.append(after.stage(message) == STAGE.FREE)
        after.at("stage")[message] = STAGE.IN_KERNEL
        after.at("owner")[message] = k.caller
        after.at("id")[message] = id
        after.at("data")[message] = z3.If(z3.Or(size == -1, size >= needed), data, 0)
        after.at("size")[message] = z3.If(size == -1, needed, size)
        after.at("layout")[message] = layout
        after.at("body_count")[message] = k.sorts.rights_of(layout)
        after.at("from_kernel")[message] = z3.BoolVal(False)
        # TOKENS
        if k.profile.trailer_is_senders:
            after.at("sender_security")[message] = b.security(k.caller)
            after.at("sender_audit")[message] = b.audit(k.caller)
        else:
            after.at("sender_security")[message] = k.sorts.kernel_security_token
            after.at("sender_audit")[message] = k.sorts.kernel_audit_token

        if k.profile.send_possible:
            request = k.sorts.Slot.request_slot(k.caller, dest)
            asks = z3.Or(b.send_possible(request) == POSSIBLE.DELAYED, b.send_possible(request) == POSSIBLE.ARMED)
            after.at("send_possible")[request] = z3.If(z3.And(notifies, full, asks), POSSIBLE.ARMED, b.send_possible(request))

    # REPLY: which of the two rights is copied in first matters only when one reference is moved and copied
    reply_first = z3.And(same, dest_by == takes, reply_by == Disposition.COPY_SEND)
    yield k.continues("the reply right is copied before the same right is moved", reply_first, begin, reply_first=z3.BoolVal(True), always=always)
    yield k.continues("the header is valid", k.otherwise(z3.Not(reply_first)), begin, reply_first=z3.BoolVal(False), always=always)


def _in_kernel(k: Context, message: Message) -> list[Term]:
    return [k.in_kernel(message)]


def _body_as_a_whole(k: Context, layout: Layout, size: Int, options: Array[Int], options_length: Int) -> Iterator[Case]:
    """The tests of the whole body, before anything in it is taken."""
    i, parts = z3.Int("i"), k.sorts.parts_of(layout)
    unknown = z3.And(*[options(i) != int(each) for each in CopyOption])
    yield k.fails(ReturnCode.MACH_SEND_MSG_TOO_SMALL, "the descriptors don't fit into the size", size < least_size(parts))
    some = z3.Exists([i], z3.And(i >= 0, i < options_length, unknown))
    yield k.fails(ReturnCode.MACH_SEND_INVALID_TYPE, "no such copy option", some)


@rule(
    BODY,
    requires=_in_kernel,
    evidence=rests_on("ipc/ipc_kmsg.c: ipc_kmsg_copyin_body", xnu="ipc/ipc_kmsg.c: ipc_kmsg_measure_descriptors_from_user", manual=page("mach_msg")),
)
def look_at_body(k: Context, message: Message, copy_options: Array[Int], copy_options_length: Int) -> Iterator[Case]:
    """Check the whole body before anything in it is taken: all descriptors are there, and their options exist.

    Some kernels do this first, before they take the header's rights.
    """
    # NAMES
    b = k.before
    # CASES
    if not k.profile.body_checked_first:
        yield from _body_as_a_whole(k, b.layout(message), b.size(message), copy_options, copy_options_length)
    yield k.continues("the body is valid", k.otherwise())


@rule(
    ARRAY,
    requires=_in_kernel,
    evidence=rests_on(
        "ipc/ipc_kmsg.c: ipc_kmsg_copyin_body",
        xnu=read("ipc/ipc_kmsg.c: ipc_kmsg_copyin_ool_ports_descriptor")
        + ran("XNU 11417's own code carries arrays of rights as this rule says.", "the disposition is valid"),
        manual=page("mach_msg"),
    ),
)
def look_at_array(k: Context, message: Message, disposition: Int) -> Iterator[Case]:
    """Check the one disposition of out-of-line ports, even if the array is empty.

    XNU looks at a disposition only when it copies in a name that isn't NULL or DEAD
    (``ipc_kmsg_copyin_ool_ports_descriptor`` in ``ipc/ipc_kmsg.c``, in 792 a part of ``ipc_kmsg_copyin_body``).
    """
    # CASES
    if not k.profile.null_fits_any_disposition:
        none = z3.Not(k.is_disposition(disposition))
        yield k.fails(ReturnCode.MACH_SEND_INVALID_RIGHT, "no such disposition", none, evidence=NO_DISPOSITION)
    yield k.continues("the disposition is valid", k.otherwise())


def _live_destination(k: Context, message: Message) -> Term:
    kind = k.before.kind(k.sorts.Slot.destination_slot(message))
    live = z3.Or(kind == KIND.SEND, kind == KIND.SEND_ONCE)
    return z3.Or(live, kind == KIND.DEAD_NAME) if k.profile.dead_names_are_lazy else live


def _deliver_requires(k: Context, message: Message) -> list[Term]:
    b = k.before
    return [k.in_kernel(message), _live_destination(k, message), b.body_count(message) == k.sorts.rights_of(b.layout(message))]


def begin_to_wait(k: Context, after: After, message: Term) -> None:
    """The caller begins to wait for room for ``message``."""
    after.at("stage")[message] = STAGE.WAITING
    after.at("wait")[k.caller] = WAIT.SENDING
    after.at("waits_with")[k.caller] = message
    if k.profile.room_is_given:  # behind all that wait already
        after.at("arrival")[message] = after.clock()
        after.store("clock", (), after.clock() + 1)


def is_full(k: Context, message: Term) -> Term:
    """There is no room for ``message`` in its destination's queue, and the message doesn't come by a send-once
    right. Places that are reserved for others count as messages.
    """
    state, destination = k.before, k.sorts.Slot.destination_slot(message)
    port = state.port(destination)
    return z3.And(state.kind(destination) == KIND.SEND, counted_messages(state, port, k.profile) >= state.qlimit(port))


@rule(
    DELIVER,
    requires=_deliver_requires,
    evidence=rests_on(
        "ipc/ipc_mqueue.c: ipc_mqueue_send",
        xnu_792="ipc/ipc_kmsg.c: ipc_kmsg_send; ipc/ipc_mqueue.c: ipc_mqueue_send",
        xnu=read("ipc/ipc_kmsg.c: ipc_kmsg_send; ipc/ipc_mqueue.c: ipc_mqueue_send_locked")
        + ran("XNU 11417's own code lets a sender wait at a limit of 0, also while a receiver waits.", "the queue is full: the sender waits"),
        manual=page(
            "mach_msg",
            silent=(
                "a kernel port: the rights are given up",
                "circular: the message is destroyed",
            ),
        ),
    ),
)
def deliver(k: Context, message: Message, wait: Bool, always: Bool, *, reaches: Function[Port, Bool], lift: Int) -> Iterator[Case]:
    """Deliver a message that carries all that it should.

    A kernel port answers at once. A message is destroyed if it carries the receive right of its own destination, or of
    a port that the destination is on its way to. If the queue is full, the message is handed back or its sender waits,
    unless it comes by a send-once right, or there was room when the header was tested (``always``). A message to a port
    that has died is destroyed, as if it had been sent before (``ipc_kmsg_send`` in ``ipc/ipc_kmsg.c`` of XNU 11417).
    """
    # NAMES
    b, S = k.before, k.sorts.Slot
    port, i = b.port(S.destination_slot(message)), z3.Int("i")
    transit = Transit(b, port, reaches, lift)
    carried = S.body_slot(message, i)
    moves = z3.And(i >= 0, i < b.body_count(message), b.kind(carried) == KIND.RECEIVE)
    circular = z3.Exists([i], z3.And(moves, reaches(b.port(carried))))
    by_kernel, full = b.object(port) != OBJECT.OBJECT_NONE, z3.And(is_full(k, message), z3.Not(always))
    no_wait = z3.And(full, z3.Not(wait))

    # RIGHTS
    def destroy(after: After) -> None:
        transit.assume(after)
        release_message(after, message)
        after.at("stage")[message] = STAGE.FREE

    def swallow(after: After) -> None:
        release_message(after, message)
        after.at("stage")[message] = STAGE.FREE

    def take_in(after: After) -> None:
        release_message(after, message, keep=S.is_reply_slot)

    def lead(after: After) -> None:
        def receives(index: Term) -> Term:
            return b.kind(S.body_slot(message, index)) == KIND.RECEIVE

        transit.assume(after)
        transit.lead_all(after, lambda index: b.port(S.body_slot(message, index)), b.body_count(message), receives)

    def wait_for_room(after: After) -> None:
        lead(after)
        begin_to_wait(k, after, message)

    def enqueue(after: After) -> None:
        lead(after)
        queue_message(after, message, port)

    def hands_back(unless: Term) -> Case:
        left = k.otherwise(z3.And(no_wait, z3.Not(unless)), tested=no_wait)
        return k.continues("the queue is full: the message is handed back", left, handed_back=z3.BoolVal(True))

    def is_destroyed(unless: Term) -> Case:
        left = k.otherwise(z3.And(circular, z3.Not(unless)), tested=circular)
        return k.succeeds("circular: the message is destroyed", left, destroy)

    done = by_kernel
    if k.profile.dead_names_are_lazy:
        dead = b.kind(S.destination_slot(message)) == KIND.DEAD_NAME
        yield k.succeeds("the destination has died: the message is destroyed", dead, swallow)
        by_kernel, done = z3.And(z3.Not(dead), by_kernel), z3.Or(dead, by_kernel)
    yield k.continues("a kernel port: the rights are given up", by_kernel, take_in, by_kernel=z3.BoolVal(True))
    if k.profile.full_before_circular:
        yield hands_back(unless=done)
        yield is_destroyed(unless=z3.Or(done, no_wait))
    else:
        yield is_destroyed(unless=done)
        yield hands_back(unless=z3.Or(done, circular))
    waits = k.otherwise(z3.And(z3.Not(done), z3.Not(circular), full, wait), tested=full)
    yield k.fails(ReturnCode.MACH_SEND_IN_PROGRESS, "the queue is full: the sender waits", waits, wait_for_room)
    yield k.succeeds("the message is queued", k.otherwise(z3.Not(z3.Or(done, circular, full))), enqueue)


@rule(
    HANDED_BACK,
    requires=carries_nothing,
    evidence=rests_on(
        "ipc/ipc_mqueue.c: ipc_mqueue_send; ipc/ipc_kmsg.c: ipc_kmsg_copyout_pseudo",
        xnu="ipc/ipc_mqueue.c: ipc_mqueue_send_locked; ipc/ipc_kmsg.c: ipc_kmsg_copyout_pseudo",
        manual=page("mach_msg"),
    ),
)
def handed_back(k: Context, message: Message, lost: Bool) -> Iterator[Case]:
    """Free a message whose contents went back to the sender, except (``lost``) pages for which there was no room."""

    # RIGHTS
    def free(after: After) -> None:
        after.at("stage")[message] = STAGE.FREE

    yield k.fails(ReturnCode.MACH_SEND_TIMED_OUT_VM_SPACE, "the queue is full, and there was no room for memory", lost, free)
    yield k.fails(ReturnCode.MACH_SEND_TIMED_OUT, "the queue is full", k.otherwise(z3.Not(lost)), free)


@rule(
    RESUMED_SEND,
    resumes="SENDING",
    evidence=rests_on(
        "ipc/ipc_mqueue.c: ipc_mqueue_send",
        xnu_792="ipc/ipc_mqueue.c: ipc_mqueue_send, ipc_mqueue_release_msgcount",
        xnu=read("ipc/ipc_kmsg.c: ipc_kmsg_send; ipc/ipc_mqueue.c: ipc_mqueue_send_locked, ipc_mqueue_release_msgcount")
        + ran("XNU 11417's own code keeps a waiting sender's place in the queue when the receive right moves.", "the message that waited is queued")
        + ran("In XNU 11417's own code room that comes is the first waiting sender's at once.", "the queue is still full"),
        manual=page("mach_msg", silent=("the destination is dead: the message is destroyed",)),
    ),
)
def resume_send(k: Context) -> Iterator[Case]:
    """Go on with a send that waits for room in a queue.

    The tests of the send aren't repeated. If the call receives after that, the outputs say how. In XNU the room is
    that which was given to the message (``ipc_mqueue_release_msgcount`` and ``ipc_mqueue_set_qlimit`` in
    ``ipc/ipc_mqueue.c``), also if the queue is full otherwise.
    """
    # NAMES
    b, S = k.before, k.sorts.Slot
    message = b.waits_with(k.caller)
    destination = S.destination_slot(message)

    # RIGHTS
    def go_on(after: After) -> None:
        after.at("wait")[k.caller] = WAIT.NOTHING
        after.at("will_receive")[k.caller] = z3.BoolVal(False)

    def destroy(after: After) -> None:
        go_on(after)
        if k.profile.room_is_given:
            after.at("room")[message] = k.sorts.no_port
        release_message(after, message)
        after.at("stage")[message] = STAGE.FREE

    def enqueue(after: After) -> None:
        go_on(after)
        if k.profile.room_is_given:
            take_room(after, message, b.port(destination))
        queue_message(after, message, b.port(destination))

    # REPLY
    dead, task = b.kind(destination) == KIND.DEAD_NAME, k.caller
    then = {"port": b.waits_at(task), "limit": b.waits_limit(task), "large": b.waits_large(task), "trailer": b.waits_trailer(task)}
    then["receive_wait"] = b.will_wait(task)
    yield k.succeeds("the destination is dead: the message is destroyed", dead, destroy, evidence=DEAD_MEANWHILE, **then)
    # where room is given the queue is full exactly if the message has none (invariant 128)
    full = b.room(message) == k.sorts.no_port if k.profile.room_is_given else is_full(k, message)
    yield k.fails(ReturnCode.MACH_SEND_IN_PROGRESS, "the queue is still full", full)
    yield k.succeeds("the message that waited is queued", k.otherwise(z3.Not(dead)), enqueue, **then)


def _answer_requires(k: Context, message: Message) -> list[Term]:
    return [
        k.in_kernel(message),
        k.carries_nothing_but(message, k.sorts.Slot.reply_slot(message)),
        k.carries_no_memory(message),
    ]


@rule(
    ANSWER,
    requires=_answer_requires,
    evidence=rests_on(
        "kern/ipc_kobject.c: ipc_kobject_server",
        manual=page(
            "mach_msg",
            silent=(
                "the answer is queued on the reply port",
                "there is no user's port to answer",
            ),
        ),
    ),
)
def kernel_answer(k: Context, message: Message, wait: Bool) -> Iterator[Case]:
    """The kernel has no routine for the message's id.

    It answers so on the reply right, if that leads to a user's port. In XNU 11417 an answer on a send right needs room,
    by the time that the request's rights are given up. Without room it waits if its sender would, or is destroyed, and
    then the kernel loses its right (``ipc_kmsg_send`` in ``ipc/ipc_kmsg.c``).
    """
    # NAMES
    b, S = k.before, k.sorts.Slot
    reply, port = S.reply_slot(message), b.port(S.reply_slot(message))
    kind = b.kind(reply)
    live = z3.Or(kind == KIND.SEND, kind == KIND.SEND_ONCE)

    # RIGHTS, TOKENS
    def make(after: After) -> None:
        put(after, S.destination_slot(message), kind, port)
        put(after, reply, KIND.NONE, k.sorts.no_port)
        after.at("form")[reply] = z3.IntVal(0)
        after.at("body_count")[message] = z3.IntVal(0)
        after.at("layout")[message] = k.sorts.no_descriptors
        after.at("size")[message] = z3.IntVal(natural_size(()))
        stamp_by_kernel(after, message, b.id(message) + MIG_REPLY, int(ReturnCode.MIG_BAD_ID))

    def answer(after: After) -> None:
        make(after)
        queue_message(after, message, port)

    def answer_later(after: After) -> None:
        make(after)
        begin_to_wait(k, after, message)

    def lose(after: After) -> None:
        lose_right(after, reply)
        after.at("stage")[message] = STAGE.FREE

    def end(after: After) -> None:
        drop_held_send(after, reply)
        after.at("stage")[message] = STAGE.FREE

    to_user = z3.And(live, b.object(port) == OBJECT.of(PortObject.NONE))
    no_port = k.otherwise(z3.Not(to_user), tested=z3.Or(kind != KIND.SEND_ONCE, b.object(port) != OBJECT.OBJECT_NONE))
    if k.profile.kernel_reply_needs_room:
        full = z3.And(to_user, kind == KIND.SEND, counted_messages(b, port, k.profile) >= b.qlimit(port))
        yield k.succeeds("there is no room for the answer: it is lost", z3.And(full, z3.Not(wait)), lose, evidence=ANSWERS)
        yield k.fails(ReturnCode.MACH_SEND_IN_PROGRESS, "there is no room for the answer: it waits", full, answer_later, evidence=ANSWERS)
        queued = k.otherwise(z3.And(to_user, z3.Not(full)), tested=to_user)
    else:
        queued = k.otherwise(to_user, tested=to_user)
    yield k.succeeds("the answer is queued on the reply port", queued, answer, evidence=ANSWERS)
    yield k.succeeds("there is no user's port to answer", no_port, end)


@sequence("mach_msg_send")
def send(d: Driver, dest: Value, dest_disposition: Value, reply: Value, reply_disposition: Value, descriptors: Value, wait: Value) -> Steps:
    """Test the header; copy in its two rights and then the body, part by part; deliver the message.

    If a part of the body can't be copied in, the message is destroyed with all that it carries. A kernel port answers.
    If the queue is full, the message is copied out to its sender, and the results name what it carried.
    """
    yield from sending(d, dest, dest_disposition, reply, reply_disposition, descriptors, wait)


def sending(
    d: Driver, dest: Value, dest_disposition: Value, reply: Value, reply_disposition: Value, descriptors: Value, wait: Value, goes_on: bool = False
) -> Steps:
    """The steps of a send. ``goes_on``: the call goes on when the message is sent."""
    try:
        header = yield run("mach_msg_send")
    except Failed as failed:
        yield run(LOOK, when=failed.outcome.says("looks"), name=dest)
        raise
    message, reply_first = header["message"], header["reply_first"]

    def carry_reply(*when: Value) -> Run:
        return copy_in(d, message, d.reply(message), reply, reply_disposition, when=when, cannot_fail=True)

    try:
        yield carry_reply(reply_first)
        destination = yield copy_in(d, message, d.destination(message), dest, dest_disposition, cannot_fail=True)
        yield carry_reply(not reply_first, reply_disposition != int(Disposition.NONE))
        yield run(BODY, message=message, since=header)
        for part in d.parts(descriptors):
            yield _carried(d, message, part, header)
    except Failed:
        yield run(DESTROY, message=message, at_once=True)
        raise
    delivered = yield run(DELIVER, message=message, wait=wait, always=header["always"], since=destination, goes_on=goes_on)
    yield run(ANSWER, message=message, wait=wait, when=delivered.says("by_kernel"), goes_on=goes_on)
    if delivered.says("handed_back"):
        yield copy_out(message, d.destination(message), "dest", since=delivered)
        yield copy_out(message, d.reply(message), "reply", since=delivered)
        lost = yield from copy_out_body(d, message, "descriptors", delivered)
        yield run(HANDED_BACK, message=message, lost=lost, since=delivered)


@sequence("mach_msg_send", resumed=True)
def go_on_sending(d: Driver) -> Steps:
    """One rule: the message already carries everything."""
    yield run(RESUMED_SEND)


def _carried(d: Driver, message: Value, part: Part, header: Outcome) -> Run:
    """Copy in one part of the body. Its place has been free since the header was checked."""
    match part:
        case PagePart():
            page = {"index": part.index, "address": part.address, "deallocate": part.deallocate}
            return run(PAGE_IN, since=header, within=part.within, message=message, **page)
        case ArrayPart():
            return run(ARRAY, since=header, message=message, disposition=part.disposition)
        case RightPart():
            place = d.body(message, part.index)
            return copy_in(d, message, place, part.name, part.disposition, since=header, within=part.within)
    raise TypeError(part)
