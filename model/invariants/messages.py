"""Invariants of messages, queues and bodies."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.model.language.invariant import LIMITS, Variables, forall, invariant
from sendright.model.language.sorts import KIND, LIFE, OBJECT, POSSIBLE, STAGE, WAIT, Term
from sendright.model.language.state import State


@invariant(19, "a queued message's destination is its queue")
def destination(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Every queued message holds one send or send-once right to the port on which it is queued."""
    slot = v.S.destination_slot(v.m)
    right = z3.And(z3.Or(s.kind(slot) == KIND.SEND, s.kind(slot) == KIND.SEND_ONCE), s.port(slot) == s.queue(v.m))
    yield "the destination", forall([v.m], z3.Implies(s.stage(v.m) == STAGE.QUEUED, right))


@invariant(21, "queued messages are counted")
def queue_length(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """The kernel's count of a port's messages is the number of messages queued on it."""
    yield "the count", forall([v.p], z3.Implies(s.active(v.p), s.msgcount(v.p) == s.queued_messages(v.p)))


@invariant(31, "kernel messages carry the kernel's tokens")
def kernel_tokens(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A message that the kernel made carries the kernel's tokens.

    (A step property says that a task's message carries the task's tokens.)
    """
    made = z3.And(s.stage(v.m) != STAGE.FREE, s.from_kernel(v.m))
    tokens = z3.And(s.sender_security(v.m) == v.sorts.kernel_security_token, s.sender_audit(v.m) == v.sorts.kernel_audit_token)
    yield "the tokens", forall([v.m], z3.Implies(made, tokens))


@invariant(103, "a free message is empty")
def free_messages(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A free message carries no rights and no memory, and no message carries anything beyond its body's end."""
    beyond = z3.Or(v.i < 0, v.i >= s.body_count(v.m))
    yield "beyond the end", forall([v.m, v.i], z3.Implies(beyond, s.empty(v.S.body_slot(v.m, v.i))))
    yield "free", forall([v.s], z3.Implies(z3.And(v.sorts.in_message(v.s), s.stage(v.sorts.message_of(v.s)) == STAGE.FREE), s.empty(v.s)))
    past = z3.Or(s.stage(v.m) == STAGE.FREE, v.i < 0, v.i >= v.sorts.pages_of(s.layout(v.m)))
    yield "memory", forall([v.m, v.i], z3.Implies(past, s.memory(v.m, v.i) == v.sorts.no_object))


@invariant(104, "messages arrive in order")
def arrival(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A queued message's arrival number is below the next one. So is each number that is reserved for a notification,
    and only those that are due have one. Only of a request that is due, beside a free name, is it noted that its name's
    port died first.
    """
    yield "the clock", forall([v.m], z3.Implies(s.stage(v.m) == STAGE.QUEUED, s.arrival(v.m) < s.clock()))
    yield "what is reserved", forall([v.s], z3.And(s.due_at(v.s) >= 0, s.due_at(v.s) <= s.clock()))
    S = v.S
    entry = S.name_slot(S.requester(v.s), S.requested(v.s))
    fires = z3.And(S.is_request_slot(v.s), z3.Or(s.empty(entry), s.kind(entry) == KIND.DEAD_NAME))
    none_left = z3.And(S.is_no_senders_slot(v.s), s.no_senders_due(S.watched(v.s)) != 0)
    rescued = z3.And(S.is_port_destroyed_slot(v.s), s.kind(S.limbo_slot(S.guarded(v.s))) == KIND.RECEIVE)
    due = z3.And(z3.Not(s.empty(v.s)), z3.Or(fires, none_left, rescued))
    yield "for what", forall([v.s], z3.Implies(s.due_at(v.s) != 0, due))
    freed = z3.And(S.is_request_slot(v.s), z3.Not(s.empty(v.s)), s.empty(entry))
    yield "what died first", forall([v.s], z3.Implies(s.died_first(v.s), freed))


@invariant(129, "only a request is for send-possible", lambda profile: profile.send_possible)
def send_possible(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Only a request on a name is for send-possible. When it has fired, a dead right keeps its place, or none if the
    name's port has died since then.
    """
    asked, fired = s.send_possible(v.s) != POSSIBLE.NOT_ASKED, s.send_possible(v.s) == POSSIBLE.FIRED
    yield "of requests", forall([v.s], z3.Implies(asked, z3.And(v.S.is_request_slot(v.s), z3.Or(fired, z3.Not(s.empty(v.s))))))
    yield "its place", forall([v.s], z3.Implies(fired, z3.Or(s.empty(v.s), s.kind(v.s) == KIND.DEAD_NAME)))


@invariant(110, "queue limits are in range")
def queue_limits(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """An active port's queue limit can be set, or is the one of new ports."""
    limit = s.qlimit(v.p)
    known = z3.Or(limit <= LIMITS.queue_limit_max, limit == LIMITS.queue_limit)
    yield "the limit", forall([v.p], z3.Implies(s.active(v.p), z3.And(limit >= 0, known)))


@invariant(112, "memory in a message is nowhere else")
def carried_memory(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """An object in a message is in no task's map, and in no other message, nor twice in this one."""
    carried, there = s.memory(v.m, v.i), s.mapped(v.t, v.i)
    here = z3.And(s.carrier(carried) == v.m, s.carrier_index(carried) == v.i)
    yield "where it is", forall([v.m, v.i], z3.Implies(carried != v.sorts.no_object, here))
    yield "where it isn't", forall([v.t, v.i], z3.Implies(there != v.sorts.no_object, s.carrier_index(there) == -1))


@invariant(113, "a waiting message belongs to a waiting sender")
def waiting(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A task that waits to send has a message that waits for room, and such a message has such a task. The message's
    destination is a send right to a user's port, or a dead right.

    A task that waits to receive from a receive right waits for a port that was made. A call that has still to receive
    waits to send. Only a task that lives waits: so a new task doesn't.
    """
    task, message = s.owner(v.m), s.waits_with(v.t)
    slot = v.S.destination_slot(v.m)
    live = z3.And(s.kind(slot) == KIND.SEND, s.object(s.port(slot)) == OBJECT.OBJECT_NONE)
    waits = z3.And(s.wait(task) == WAIT.SENDING, s.waits_with(task) == v.m, z3.Or(live, s.kind(slot) == KIND.DEAD_NAME))
    yield "its sender", forall([v.m], z3.Implies(s.stage(v.m) == STAGE.WAITING, waits))
    has = z3.And(s.stage(message) == STAGE.WAITING, s.owner(message) == v.t)
    yield "its message", forall([v.t], z3.Implies(s.wait(v.t) == WAIT.SENDING, has))
    was = z3.Or(s.waits_for(v.t) == v.sorts.no_port, s.port_life(s.waits_for(v.t)) != LIFE.UNBORN)
    yield "its port", forall([v.t], z3.Implies(s.wait(v.t) == WAIT.RECEIVING, was))
    yield "what it does then", forall([v.t], z3.Implies(s.will_receive(v.t), s.wait(v.t) == WAIT.SENDING))
    yield "its life", forall([v.t], z3.Implies(s.wait(v.t) != WAIT.NOTHING, s.alive(v.t)))


@invariant(128, "room is given to senders that wait", lambda profile: profile.room_is_given)
def given_room(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A place in a port's queue is reserved only for a message that waits for room there (or whose port has died since
    then), and the kernel's count of such places is their number. A sender waits without one only while the queue,
    with these places, is full. A message that comes to wait does so behind those that wait already.
    """
    slot = v.S.destination_slot(v.m)
    waits, reserved = s.stage(v.m) == STAGE.WAITING, s.room(v.m) != v.sorts.no_port
    there = z3.And(s.kind(slot) == KIND.SEND, s.port(slot) == s.room(v.m))
    died = z3.And(s.kind(slot) == KIND.DEAD_NAME, s.port_life(s.room(v.m)) == LIFE.ENDED)
    yield "for whom", forall([v.m], z3.Implies(reserved, z3.And(waits, z3.Or(there, died))))
    yield "the count", forall([v.p], z3.Implies(s.active(v.p), s.reserved(v.p) == s.messages_with_room(v.p)))
    yield "before a port is made", forall([v.p], z3.Implies(s.port_life(v.p) == LIFE.UNBORN, s.messages_with_room(v.p) == 0))
    port = s.port(slot)
    full = s.msgcount(port) + s.reserved(port) >= s.qlimit(port)
    yield "who still waits", forall([v.m], z3.Implies(z3.And(waits, z3.Not(reserved), s.kind(slot) == KIND.SEND), full))
    yield "the order", forall([v.m], z3.Implies(waits, s.arrival(v.m) < s.clock()))


@invariant(114, "a body has as many rights as its layout")
def laid_out(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A message that is queued or waits for room has as many rights as its layout says."""
    same = s.body_count(v.m) == v.sorts.rights_of(s.layout(v.m))
    yield "rights", forall([v.m], z3.Implies(s.on_its_way(v.m), same))
