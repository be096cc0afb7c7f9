"""Step properties of messages: their order, their contents, and notifications."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import size_without_data
from sendright.mach.abi.rights import Notification
from sendright.model.invariants.steps.locality import Touched
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import (
    ANSWER,
    ANSWERING_RULES,
    DELIVER,
    PAGE_IN,
    PAGE_OUT,
    TAKE,
)
from sendright.model.language.sorts import KIND, STAGE, Term
from sendright.model.language.state import State
from sendright.model.language.step_property import forall, step_property
from sendright.model.language.transition import (
    TASKS_MESSAGES,
    Transition,
)


@step_property(16, "each registration gets at most one no-senders notification")
def no_senders_once(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A no-senders notification goes to a right that was registered for it. It uses the right up, and reports the
    make-send count at that time.

    When the last send right goes, the notification becomes due with the count of that instant, and it is sent once. (A
    receive right that has gone to its port-destroyed requester has the count 0.) A
    request made when there are no send rights is answered at once and isn't registered. A dying port sends the
    notification only if its last send right went before.
    """
    b, a, S = x.before, x.after, v.S
    slot = S.no_senders_slot(v.p)
    told = z3.And(x.newly_made(v.m), a.stage(v.m) == STAGE.QUEUED, a.from_kernel(v.m), a.id(v.m) == int(Notification.NO_SENDERS))
    if x.rule == "no senders are left":
        used = S.no_senders_slot(x.k["of"])
        home = z3.And(v.m == x.k["notification"], b.kind(used) == KIND.SEND_ONCE, a.queue(v.m) == b.port(used))
        yield "as it became due", forall([v.m], z3.Implies(told, z3.And(home, a.data(v.m) == b.no_senders_due(x.k["of"]) - 1)))
        yield "once", z3.And(a.empty(used), a.no_senders_due(x.k["of"]) == 0)
    elif x.rule == "mach_port_request_notification":
        task = b.object_task(b.port(S.destination_slot(x.k["message"])))
        port = b.port(S.name_slot(task, x.k["name"]))
        now = z3.And(v.m == x.k["notification"], b.srights(port) == 0, a.data(v.m) == b.mscount(port), a.empty(S.no_senders_slot(port)))
        yield "at once", forall([v.m], z3.Implies(told, now))
    else:
        registered = z3.And(b.kind(slot) == KIND.SEND_ONCE, b.port(slot) == a.queue(v.m), a.empty(slot))
        last = z3.And(b.srights(v.p) > 0, z3.Not(a.active(v.p)), a.data(v.m) == b.mscount(v.p))
        yield "by a dying port", forall([v.m], z3.Implies(told, z3.Exists([v.p], z3.And(registered, last))))
    noted = z3.And(b.no_senders_due(v.p) == 0, a.no_senders_due(v.p) != 0)
    moved = z3.And(S.is_limbo_slot(a.receiver(v.p)), a.no_senders_due(v.p) == 1)
    then = z3.And(z3.Or(a.no_senders_due(v.p) == b.mscount(v.p) + 1, moved), z3.Not(b.empty(slot)))
    yield "the due count", forall([v.p], z3.Implies(noted, then))
    if not x.is_call(lambda call: call.selects_exceptions):  # these give up several rights: which is the last one depends on counts
        yield "when it becomes due", forall([v.p], z3.Implies(noted, b.srights(v.p) > 0))


def _become_due(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """What becomes due has a place in the order: a request whose name dies or is freed, a no-senders request whose last
    send right goes, and a port-destroyed request whose receive right is rescued.
    """
    b, a, S = x.before, x.after, v.S
    entry, request = S.name_slot(v.t, v.n), S.request_slot(v.t, v.n)

    def fires(state: State) -> Term:
        return z3.Or(state.empty(entry), state.kind(entry) == KIND.DEAD_NAME)

    name = z3.And(z3.Not(a.empty(request)), z3.Not(fires(b)), fires(a))
    yield "a dead-name request has a place", forall([v.t, v.n], z3.Implies(name, a.due_at(request) != 0))
    watched = S.no_senders_slot(v.p)
    none_left = z3.And(z3.Not(a.empty(watched)), b.no_senders_due(v.p) == 0, a.no_senders_due(v.p) != 0)
    yield "a no-senders request has a place", forall([v.p], z3.Implies(none_left, a.due_at(watched) != 0))
    limbo, guarded = S.limbo_slot(v.p), S.port_destroyed_slot(v.p)
    rescued = z3.And(z3.Not(a.empty(guarded)), b.empty(limbo), z3.Not(a.empty(limbo)))
    yield "a port-destroyed request has a place", forall([v.p], z3.Implies(rescued, a.due_at(guarded) != 0))


@step_property(20, "messages are received in order")
def in_order(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """New messages queue behind the earlier ones, and keep their places. A notification to which a release leads has
    the place that the release has reserved for it, behind all that had arrived by then (step invariant 201). A receive
    takes the first one and raises the sequence number. Where senders that wait are given room, those that have waited
    longest get it. What becomes due in a release has such a place.

    A peek describes the message with that number. The holder of the receive right may set the sequence number.
    """
    b, a = x.before, x.after
    queued_before, queued_after = b.stage(v.m) == STAGE.QUEUED, a.stage(v.m) == STAGE.QUEUED
    behind = z3.And(b.clock() <= a.arrival(v.m), a.arrival(v.m) < a.clock())
    if x.rule in ANSWERING_RULES:
        place = b.due_at(Touched(v, x).answered)
        behind = z3.Or(behind, z3.And(place != 0, v.m == x.k["notification"], a.arrival(v.m) == place - 1))
    yield "the last is queued last", forall([v.m], z3.Implies(z3.And(queued_after, z3.Not(queued_before)), behind))
    stays = z3.And(a.arrival(v.m) == b.arrival(v.m), a.queue(v.m) == b.queue(v.m))
    yield "places are kept", forall([v.m], z3.Implies(z3.And(queued_after, queued_before), stays))
    if a.releases:
        yield from _become_due(v, x)
    if x.k.profile.room_is_given:
        has_none, slot, slot2 = v.sorts.no_port, v.S.destination_slot(v.m), v.S.destination_slot(v.m2)
        given = z3.And(b.room(v.m) == has_none, a.room(v.m) != has_none)
        waits = z3.And(b.stage(v.m2) == STAGE.WAITING, b.room(v.m2) == has_none, b.kind(slot2) == KIND.SEND)
        longer = z3.And(waits, b.port(slot2) == b.port(slot), b.arrival(v.m2) < b.arrival(v.m))
        yield "the first that wait get room", forall([v.m, v.m2], z3.Implies(z3.And(given, longer), a.room(v.m2) != has_none))
    received_from, number = z3.BoolVal(False), b.seqno(v.p)
    if x.rule == TAKE and "message" in x.case.outputs:
        port = b.queue(x.k["oldest"])
        first = z3.And(x.receives_from(b.queue(v.m)), z3.Implies(b.queued_on(v.m2, b.queue(v.m)), b.arrival(v.m) <= b.arrival(v.m2)))
        yield "the first is taken", forall([v.m, v.m2], z3.Implies(x.taken(v.m), first))
        yield "one is taken", forall([v.m], x.taken(v.m) == (v.m == x.k["oldest"]))
        received_from = v.p == port
        if x.case.code is None:
            number_told = x.case.outputs["sequence_number"]
            asked = z3.BoolVal(True) if not x.k.profile.trailer_elements else x.k["trailer"] >= 1
            yield "its number", z3.If(asked, number_told == b.seqno(port), z3.Or(number_told == -1, number_told == b.seqno(port)))
            yield "its port", b.receiver(port) == x.k.slot(x.case.outputs["local"])
    else:
        yield "none is taken", forall([v.m], z3.Not(x.taken(v.m)))
    if x.rule == "mach_port_peek" and x.case.code is ReturnCode.KERN_SUCCESS:
        port = b.port(x.k.slot(x.k["name"], x.k.task_behind(x.k["task"])))
        told = x.case.outputs
        peeked = x.k["message_at"](told["sequence_number"] - b.seqno(port))
        in_kernel = b.size(peeked) + 8 + 4 * x.k.sorts.parts_of(b.layout(peeked))  # pointers of 64 bits in place of names
        same = [told["id"] == b.id(peeked), told["size"] == in_kernel]
        same += [told["security_token"] == b.sender_security(peeked), told["audit_token"] == b.sender_audit(peeked)]
        yield "what is peeked at", z3.And(b.queued_on(peeked, port), z3.Or(x.k["seqno"] == 0, told["sequence_number"] == x.k["seqno"]), *same)
        oldest = z3.Implies(z3.And(x.k["seqno"] == 0, b.queued_on(v.m, port)), b.arrival(peeked) <= b.arrival(v.m))
        yield "the first, if no number is given", forall([v.m], oldest)
    if x.rule == "mach_port_set_seqno" and x.case.code is ReturnCode.KERN_SUCCESS:
        number = z3.If(x.named_receive(v.p), x.k["seqno"], number)
    place = a.receiver(v.p)
    carried_off = z3.And(place != b.receiver(v.p), z3.Or(v.S.is_body_slot(place), v.S.is_limbo_slot(place)))
    number = z3.If(received_from, number + 1, z3.If(carried_off, 0, number))
    yield "the next number", forall([v.p], z3.Implies(z3.And(b.active(v.p), a.active(v.p)), a.seqno(v.p) == number))


@step_property(31, "a message carries its sender's tokens")
def trailers(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A message carries the tokens that the sending task has at that time, and its receiver sees them.

    The kernel's messages carry the kernel's tokens, and no task's message counts as the kernel's. (The kernel's answer
    to a message reuses that message.)
    """
    b, a = x.before, x.after
    kernels = z3.And(a.from_kernel(v.m), a.sender_security(v.m) == v.sorts.kernel_security_token, a.sender_audit(v.m) == v.sorts.kernel_audit_token)
    made = kernels
    if x.rule in TASKS_MESSAGES:
        tokens = z3.And(a.sender_security(v.m) == b.security(x.k.caller), a.sender_audit(v.m) == b.audit(x.k.caller))
        made = z3.And(z3.Not(a.from_kernel(v.m)), a.owner(v.m) == x.k.caller, tokens)
    yield "when it is made", forall([v.m], z3.Implies(x.newly_made(v.m), made))
    same = z3.And(
        a.sender_security(v.m) == b.sender_security(v.m), a.sender_audit(v.m) == b.sender_audit(v.m), a.from_kernel(v.m) == b.from_kernel(v.m)
    )
    if x.rule == ANSWER:
        same = z3.Or(same, z3.And(v.m == x.k["message"], kernels))
    kept = z3.And(b.stage(v.m) != STAGE.FREE, a.stage(v.m) != STAGE.FREE)
    yield "ever after", forall([v.m], z3.Implies(kept, same))
    if x.rule == TAKE and x.case.code is None:
        told = x.case.outputs
        tokens = z3.And(told["security_token"] == b.sender_security(v.m), told["audit_token"] == b.sender_audit(v.m))
        yield "what the receiver sees", forall([v.m], z3.Implies(x.taken(v.m), tokens))


@step_property(112, "a message arrives as it was sent")
def as_it_was_sent(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A message's id, data, layout and size stay the same from its making to its end, and its receiver sees them.

    While it is on its way it loses only rights to ports that die, and gains none. It keeps its memory, with the same
    contents. (The kernel's answer to a message reuses that message.) Of a message that is lost since it is too large,
    some kernels tell the size of a bare header.
    """
    b, a, none = x.before, x.after, v.sorts.no_object
    said = ("id", "data", "layout", "size", "body_count")
    kept = z3.And(b.stage(v.m) != STAGE.FREE, a.stage(v.m) != STAGE.FREE)
    same = z3.And(*[a.fields[name](v.m) == b.fields[name](v.m) for name in said])
    answer = v.m == x.k["message"] if x.rule == ANSWER else z3.BoolVal(False)
    yield "what it says", forall([v.m], z3.Implies(kept, z3.Or(same, answer)))
    message = v.sorts.message_of(v.s)
    underway = z3.And(v.sorts.in_message(v.s), b.on_its_way(message), a.on_its_way(message))
    right = z3.And(a.kind(v.s) == b.kind(v.s), a.port(v.s) == b.port(v.s))
    died = z3.And(a.kind(v.s) == KIND.DEAD_NAME, z3.Not(a.active(b.port(v.s))))
    yield "its rights", forall([v.s], z3.Implies(underway, z3.Or(right, died)))
    pages = a.memory(v.m, v.i) == b.memory(v.m, v.i)
    if x.rule in (PAGE_IN, PAGE_OUT):
        pages = z3.Or(pages, z3.And(v.m == x.k["message"], v.i == x.k["index"]))
    elif x.rule == DELIVER:
        pages = z3.Or(pages, z3.And(v.m == x.k["message"], a.memory(v.m, v.i) == none))
    yield "its memory", forall([v.m, v.i], z3.Implies(kept, pages))
    carried = b.memory(v.m, v.i)
    contents = z3.Implies(carried != none, a.content(carried) == b.content(carried))
    yield "what that contains", forall([v.m, v.i], contents)
    if x.rule == TAKE:
        told = [x.case.outputs[name] == b.fields[name](v.m) for name in said if name in x.case.outputs]
        if x.case.code is ReturnCode.MACH_RCV_TOO_LARGE and x.k.profile.lost_size_is_header:
            told = [x.case.outputs["size"] == size_without_data(())]
        taken = z3.And(x.taken(v.m), v.m == x.k["oldest"])
        yield "what the receiver sees", forall([v.m], z3.Implies(taken, z3.And(*told)))
