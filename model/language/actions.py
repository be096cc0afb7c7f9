"""The operations on rights: put, take, clone, make, release. The effects of all rules are made of these.

The kernel's counts (``srights``, ``sorights``, ``msgcount``) are updated here explicitly, as a kernel does. The ghost
counts (``sending_slots`` …) follow by themselves from what slots and queues contain (``ghosts.py``). Invariants 8, 9
and 21 say that the two agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import z3

from sendright.mach.abi.descriptors import PORT, natural_size
from sendright.mach.abi.port_attributes import PortPurpose
from sendright.mach.abi.rights import EXCEPTION_PLACES, Notification, Place, PortObject
from sendright.mach.kernel.profiles import Profile
from sendright.model.language.ghosts import is_send
from sendright.model.language.sorts import KIND, LIFE, OBJECT, PLACE, PURPOSE, STAGE, Term
from sendright.model.language.state import After, State


def place_slot(state: State, task: Term, place: Place) -> Term:
    """The slot where the kernel holds ``place`` for ``task``."""
    return state.sorts.Slot.place_slot(task, PLACE.of(place))


def is_exception_place(state: State, slot: Term) -> Term:
    """``slot`` is a task's place for a type of exception."""
    S = state.sorts.Slot
    return z3.And(S.is_place_slot(slot), z3.Or(*[S.place(slot) == PLACE.of(place) for place in EXCEPTION_PLACES]))


def put(after: After, slot: Term, kind: Term, port: Term, urefs: Term | int = 0) -> None:
    """Set what ``slot`` contains."""
    references = z3.IntVal(urefs) if isinstance(urefs, int) else urefs
    after.store_all((slot,), {"kind": kind, "port": port, "urefs": references})


def put_if(after: After, when: Term, slot: Term, kind: Term, port: Term) -> None:
    """If ``when``, set what ``slot`` contains, which is outside name spaces."""
    after.store_all((slot,), {"kind": kind, "port": port}, when)


def clear(after: After, slot: Term) -> None:
    """Empty ``slot``."""
    put(after, slot, KIND.NONE, after.sorts.no_port)


def put_name(after: After, task: Term, name: Term, kind: Term, port: Term, urefs: Term | int) -> None:
    """Make ``task``'s ``name`` denote SEND, RECEIVE or both for ``port``; the space knows the port by that name."""
    put(after, after.sorts.Slot.name_slot(task, name), kind, port, urefs)
    after.at("known_as")[(task, port)] = name


def forget_name(after: After, task: Term, name: Term) -> None:
    """Free ``task``'s ``name``, which denoted SEND, RECEIVE or both."""
    slot = after.sorts.Slot.name_slot(task, name)
    after.at("known_as")[(task, after.port(slot))] = after.sorts.null
    clear(after, slot)


def in_space(state: State, port: Term, task: Term) -> Term:
    """``port``'s receive right is in ``task``'s space."""
    S, receiver = state.sorts.Slot, state.receiver(port)
    return z3.And(S.is_name_slot(receiver), S.space(receiver) == task)


def leave_sets(after: After, port: Term) -> None:
    """Take ``port`` out of all port sets."""
    after.sweep("member", "members", lambda p, n: (p == port, z3.BoolVal(False)))


def empty_set(after: After, task: Term, name: Term) -> None:
    """Take all members out of the port set ``name`` of ``task``."""
    b = State(after.sorts, after.fields)
    after.sweep("member", "members", lambda p, n: (z3.And(n == name, in_space(b, p, task)), z3.BoolVal(False)))


def set_guard(
    after: After,
    port: Term,
    context: Term | int = 0,
    guarded: Term | bool = False,
    strict: Term | bool = False,
    immovable: Term | bool = False,
) -> None:
    """Set the context and guard of ``port``, in kernels whose ports have them."""
    if after.profile.has_guards:
        after.at("context")[port] = z3.IntVal(context) if isinstance(context, int) else context
        for name, value in (("is_guarded", guarded), ("is_strict", strict), ("is_immovable", immovable)):
            after.at(name)[port] = z3.BoolVal(value) if isinstance(value, bool) else value


def leave_receiver(after: After, port: Term) -> None:
    """The receive right of ``port`` leaves its receiver, or has none yet: the port has no context, no guard and no
    temporary owner.
    """
    set_guard(after, port)
    if after.profile.has_guards:
        after.at("has_temp_owner")[port] = z3.BoolVal(False)


def has_no_options(after: After, port: Term) -> None:
    """``port`` is made without options, where there are some: it has no purpose, and no message lends importance."""
    if after.profile.has_guards:
        after.at("is_donating")[port] = z3.BoolVal(False)
        after.at("purpose")[port] = PURPOSE.of(PortPurpose.NONE)
        after.at("is_service")[port] = z3.BoolVal(False)
        after.at("is_throttled")[port] = z3.BoolVal(False)


def make_send(after: After, slot: Term, port: Term) -> None:
    """Make a send right from the receive right: both counts rise."""
    after.add("srights", port, 1)
    after.add("mscount", port, 1)
    put(after, slot, KIND.SEND, port)


def make_kernel_port(after: After, port: Term, object_: PortObject | Term, queue_limit: Term) -> None:
    """Make ``port``, which stands for a kernel object. The kernel has its receive right."""
    after.assumptions += [after.port_life(port) == LIFE.UNBORN, port != after.sorts.no_port]
    kernel = after.sorts.Slot.kernel_slot(port)
    after.at("port_life")[port] = LIFE.ALIVE
    after.at("object")[port] = OBJECT.of(object_) if isinstance(object_, PortObject) else object_
    after.at("receiver")[port] = kernel
    for number in ("mscount", "srights", "sorights", "msgcount", "seqno", "request_slots", "reserved", "lost_sends"):
        after.at(number)[port] = z3.IntVal(0)
    after.at("qlimit")[port] = queue_limit
    leave_receiver(after, port)
    has_no_options(after, port)
    put(after, kernel, KIND.RECEIVE, port)


def clone(after: After, source: Term, slot: Term) -> None:
    """Put a copy of the send right in ``source`` into ``slot``.

    A dead right gives a dead right, an empty slot nothing.
    """
    kind, port = after.kind(source), after.port(source)
    put(after, slot, z3.If(after.sends(source), KIND.SEND, kind), port)
    _count_send_right_in(after, slot)


def clone_to_user(after: After, source: Term, slot: Term, kernels_own: Term | bool = False, unless: Term | None = None) -> None:
    """As ``clone``; but where kernels tell no right to a kernel object's port, such a right gives nothing, unless the
    port is ``kernels_own``. Nor does any right give something if ``unless``.
    """
    hides = after.profile.kernel_ports_kept_as_null
    reasons = [z3.And(is_kernel_objects(after, source), z3.Not(kernels_own))] if hides else []
    reasons += [] if unless is None else [unless]
    if not reasons:
        clone(after, source, slot)
        return
    kind, port, hidden = after.kind(source), after.port(source), z3.Or(*reasons)
    told = z3.And(after.sends(source), z3.Not(hidden))
    put(after, slot, z3.If(told, KIND.SEND, z3.If(hidden, KIND.NONE, kind)), z3.If(hidden, after.sorts.no_port, port))
    _count_send_right_in(after, slot)


def _count_send_right_in(after: After, slot: Term) -> None:
    """If ``slot`` holds a send right, its port has one more. (Said in the words of invariant 8, so that its proof is
    easy where many slots are filled.)
    """
    after.add("srights", after.port(slot), z3.If(after.sends(slot), 1, 0))


def is_kernel_objects(state: State, slot: Term) -> Term:
    """``slot`` holds a send right to a port that stands for a kernel object."""
    return z3.And(state.sends(slot), state.object(state.port(slot)) != OBJECT.of(PortObject.NONE))


def makes_immovable(state: State, port: Term, profile: Profile) -> Term:
    """``port`` stands for a task in such a way that send rights to it are immovable."""
    return z3.Or(*[state.object(port) == OBJECT.of(kind) for kind in sorted(profile.immovable_objects)])


def lose_send(after: After, port: Term, when: Term | bool = True) -> None:
    """Take one send right from ``port``'s count (if ``when``).

    If it was the last one, a registered no-senders request becomes due.
    """
    condition = z3.BoolVal(when) if isinstance(when, bool) else when
    waits = z3.Not(after.empty(after.sorts.Slot.no_senders_slot(port)))
    due = z3.If(z3.And(condition, after.srights(port) == 1, waits), after.mscount(port) + 1, after.no_senders_due(port))
    after.add("srights", port, z3.If(condition, -1, 0))
    after.at("no_senders_due")[port] = due


def drop_held_send(after: After, slot: Term) -> None:
    """Give up what a slot outside name spaces holds: a send right, a dead right or nothing."""
    lose_send(after, after.port(slot), after.kind(slot) == KIND.SEND)
    clear(after, slot)


def lose_sends(after: After, lost: Sequence[tuple[Term, Term]]) -> None:
    """As ``lose_send``, of several ports: (port, whether it loses a send right). A port may be there twice.

    Whether a right was the last one is decided by what is left in the end.
    """
    for port, when in lost:
        after.add("srights", port, z3.If(when, -1, 0))
    now = State(after.sorts, after.fields)

    def due(p: Term) -> tuple[Term, Term]:
        loses = z3.Or(*[z3.And(p == port, when) for port, when in lost])
        waits = z3.Not(now.empty(now.sorts.Slot.no_senders_slot(p)))
        return z3.And(loses, now.srights(p) == 0, waits), now.mscount(p) + 1

    after.sweep("no_senders_due", "ports", due)


def lose_right(after: After, slot: Term) -> None:
    """Empty ``slot``, which holds a send right, and leave that right counted: the kernel has lost it."""
    after.add("lost_sends", after.port(slot), 1)
    clear(after, slot)


def hold_copy_if(after: After, when: Term, kind: Term, port: Term, slot: Term) -> None:
    """If ``when``, put a copy of a right of this ``kind`` to ``port`` into the empty ``slot``: a send right, a dead
    right or nothing.
    """
    after.add("srights", port, z3.If(z3.And(when, is_send(kind)), 1, 0))
    put_if(after, when, slot, kind, port)


def queue_message(after: After, message: Term, port: Term, due_at: Term | None = None) -> None:
    """Queue ``message`` on ``port``: behind all earlier messages, or at the place that is reserved for it (``due_at``,
    as the field of this name).
    """
    after.store_all((message,), {"stage": STAGE.QUEUED, "queue": port})
    now = after.clock()
    reserved = z3.BoolVal(False) if due_at is None else due_at != 0
    after.at("arrival")[message] = now if due_at is None else z3.If(reserved, due_at - 1, now)
    after.store("clock", (), now + 1 if due_at is None else z3.If(reserved, now, now + 1))
    after.add("msgcount", port, 1)


def take_room(after: After, message: Term, port: Term) -> None:
    """Use the place that is reserved in the queue of ``port`` for ``message``, which is about to be queued there."""
    after.at("room")[message] = after.sorts.no_port
    after.add("reserved", port, -1)


def counted_messages(state: State, port: Term, profile: Profile) -> Term:
    """The messages in the queue of ``port`` as the kernel counts them: with the places that it has reserved."""
    return state.msgcount(port) + state.reserved(port) if profile.room_is_given else state.msgcount(port)


def stamp_by_kernel(after: After, message: Term, identity: Term | int, data: Term | int = 0) -> None:
    """Make ``message`` the kernel's: set its id, its data and the kernel's tokens."""
    after.at("id")[message] = z3.IntVal(identity) if isinstance(identity, int) else identity
    after.at("data")[message] = z3.IntVal(data) if isinstance(data, int) else data
    after.at("sender_security")[message] = after.sorts.kernel_security_token
    after.at("sender_audit")[message] = after.sorts.kernel_audit_token
    after.at("from_kernel")[message] = z3.BoolVal(True)


def begin_reply(after: After, message: Term, caller: Term, rights: int) -> None:
    """Begin a fresh kernel message to ``caller``, which will carry ``rights`` results."""
    after.assumptions.append(after.stage(message) == STAGE.FREE)
    after.at("stage")[message] = STAGE.IN_KERNEL
    after.at("owner")[message] = caller
    after.at("body_count")[message] = z3.IntVal(rights)
    after.at("layout")[message] = after.sorts.no_descriptors
    stamp_by_kernel(after, message, 0)


def forget_request(after: After, slot: Term) -> None:
    """Empty ``slot``, which holds a request whose notification is due."""
    clear(after, slot)
    after.at("due_at")[slot] = z3.IntVal(0)


def answer_request(after: After, slot: Term, message: Term, notification: Term | Notification, data: Term | int = 0, rights: int = 0) -> None:
    """As ``notify``, for the request in ``slot`` whose notification is due: at the place that is reserved for it."""
    due_at = after.due_at(slot)
    notify(after, slot, message, notification, data, rights, due_at)
    after.at("due_at")[slot] = z3.IntVal(0)


def notify(
    after: After,
    slot: Term,
    message: Term,
    notification: Term | Notification,
    data: Term | int = 0,
    rights: int = 0,
    due_at: Term | None = None,
) -> None:
    """Make the send-once right in ``slot`` the destination of a notification, ``message``, and queue that on
    its port (``due_at`` as in ``queue_message``).
    """
    port = after.port(slot)
    S = after.sorts.Slot
    after.assumptions.append(after.stage(message) == STAGE.FREE)
    clear(after, slot)
    put(after, S.destination_slot(message), KIND.SEND_ONCE, port)
    after.at("body_count")[message] = z3.IntVal(rights)
    after.at("layout")[message] = after.sorts.one_port if rights else after.sorts.no_descriptors
    after.at("size")[message] = z3.IntVal(natural_size((PORT,) if rights else ()))
    stamp_by_kernel(after, message, int(notification) if isinstance(notification, Notification) else notification, data)
    queue_message(after, message, port, due_at)
