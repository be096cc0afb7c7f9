"""Notifications: what the kernel was asked to tell, and the asking.

A request is a send-once right in a slot: of a name (its port dies, or the name goes), of a port (its last send right goes; its receive right
would die). What a call sets off is told one by one, by rules of their own that run after the call's, until nothing is left to tell: a name
that is freed or dead beside its request, a port whose last send right went, a receive right in limbo. Other calls begin when that is done.
"""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.codes import ReturnCode
from sendright.mach.rights import Disposition, Notification, PortObject
from sendright.model.actions import Release, Transit, clear, drop_held_send, notify, put
from sendright.model.calls.names import on_reserved
from sendright.model.calls.transfer import begin_request
from sendright.model.rules import DESTROY, FINISH, Case, Context, rule
from sendright.model.sequences import Driver, Failed, Steps, Value, copy_in, copy_out, run, sequence
from sendright.model.sorts import KIND, OBJECT, Term
from sendright.model.state import After


def _request_pending(k: Context) -> list[Term]:
    b = k.before
    entry = b.kind(k.slot(k.name, k.space))
    return [z3.Not(b.empty(k.sorts.Slot.request_slot(k.space, k.name))), z3.Or(entry == KIND.NONE, entry == KIND.DEAD_NAME)]


@rule("a dead-name request fires", pending=True, choices={"notification": "Message"}, requires=_request_pending, space="Task", name="Name")
def fire_request(k: Context) -> Iterator[Case]:
    """Who asked about a name is told that it is dead, or that it is gone. A dead name gets a user reference with that.

    Where references are pegged a name that has all it can have gets none. Source: semantics 5.13, 7; ``ipc_port_dnnotify``, ``ipc_right_dncancel``.
    """
    # NAMES
    b = k.before
    entry, request = k.slot(k.name, k.space), k.sorts.Slot.request_slot(k.space, k.name)
    dead, live = b.kind(entry) == KIND.DEAD_NAME, b.kind(request) == KIND.SEND_ONCE

    # RIGHTS
    def add_reference(after: After) -> None:
        urefs = b.urefs(entry)
        after.at("urefs")[entry] = z3.If(k.is_pegged(entry), urefs, urefs + 1) if k.profile.pegged_urefs else urefs + 1

    def forget(after: After) -> None:
        clear(after, request)

    def forget_dead(after: After) -> None:
        clear(after, request)
        add_reference(after)

    def tell_gone(after: After) -> None:
        notify(after, request, k.notification, Notification.PORT_DELETED, k.sorts.number_of(k.name))

    def tell_dead(after: After) -> None:
        notify(after, request, k.notification, Notification.DEAD_NAME, k.sorts.number_of(k.name))
        add_reference(after)

    # CASES
    yield k.continues("the name is dead, and so is who asked", z3.And(dead, z3.Not(live)), forget_dead)
    yield k.continues("the name is gone, and who asked is dead", z3.Not(live), forget)
    yield k.continues("dead-name", dead, tell_dead)
    yield k.continues("port-deleted", True, tell_gone)


@rule("no senders are left", pending=True, choices={"notification": "Message"}, requires=lambda k: [k.before.no_senders_due(k.of) != 0], of="Port")
def tell_no_senders(k: Context) -> Iterator[Case]:
    """Who asked is told that a port has no send rights any more, with its make-send count. Source: semantics 2, 7; ``ipc_notify_no_senders``."""
    # NAMES
    b = k.before
    request = k.sorts.Slot.no_senders_slot(k.of)

    # RIGHTS
    def forget(after: After) -> None:
        after.at("no_senders_due")[k.of] = z3.IntVal(0)
        clear(after, request)

    def tell(after: After) -> None:
        after.at("no_senders_due")[k.of] = z3.IntVal(0)
        notify(after, request, k.notification, Notification.NO_SENDERS, b.no_senders_due(k.of) - 1)

    # CASES
    yield k.continues("who asked is dead", b.kind(request) != KIND.SEND_ONCE, forget)
    yield k.continues("no-senders", True, tell)


@rule(
    "a receive right is rescued",
    pending=True,
    choices={"notification": "Message", "reaches": "from Port to Bool", "lift": "Int"},
    requires=lambda k: [k.before.kind(k.sorts.Slot.limbo_slot(k.of)) == KIND.RECEIVE, k.before.no_senders_due(k.of) == 0],
    of="Port",
)
def rescue(k: Context) -> Iterator[Case]:
    """A receive right in limbo goes to who asked for it, once all others are told.

    If that port is dead too, or on its way over this one, this one dies after all.

    Source: semantics 2; ``ipc_port_destroy`` and ``ipc_notify_port_destroyed``.
    """
    # NAMES
    b, S = k.before, k.sorts.Slot
    limbo, request = S.limbo_slot(k.of), S.port_destroyed_slot(k.of)
    transit = Transit(b, b.port(request), k.reaches, k.lift)

    # RIGHTS
    def die(after: After) -> None:
        Release(after, lambda slot: slot == limbo, lambda port: port == k.of)

    def send(after: After) -> None:
        transit.assume(after)
        transit.lead(after, b.transit_rank(k.of) < transit.top)
        place = S.body_slot(k.notification, z3.IntVal(0))
        notify(after, request, k.notification, Notification.PORT_DESTROYED, rights=1)
        clear(after, limbo)
        put(after, place, KIND.RECEIVE, k.of)
        after.at("form")[place] = z3.IntVal(int(Disposition.MOVE_RECEIVE))
        after.at("receiver")[k.of] = place

    # CASES
    yield k.continues("who asked is dead: the port dies", b.kind(request) != KIND.SEND_ONCE, die)
    yield k.continues("who asked would get it from itself: the port dies", k.reaches(k.of), die)
    yield k.continues("port-destroyed", True, send)


@rule(
    "mach_port_request_notification: request",
    choices={"request_message": "Message"},
    task="Name",
    notify_disposition="Int",
)
def request_notification_request(k: Context) -> Iterator[Case]:
    """The request of ``mach_port_request_notification`` is begun: it will carry the right, if the disposition says how."""
    # CASES
    yield from k.request("task")
    # RIGHTS
    carries = k.is_disposition(k.notify_disposition)
    none = "no right is carried: the disposition says none"
    yield k.continues(none, z3.Not(carries), lambda after: begin_request(k, after), carries=z3.BoolVal(False))
    yield k.continues("the right is to be carried", True, lambda after: begin_request(k, after), carries=z3.BoolVal(True))


def _requested(k: Context) -> list[Term]:
    S = k.sorts.Slot
    destination, carried = S.destination_slot(k.message), S.body_slot(k.message, z3.IntVal(0))
    kind = k.before.kind(carried)
    once = z3.Or(kind == KIND.NONE, kind == KIND.SEND_ONCE, kind == KIND.DEAD_NAME)
    return [
        k.in_kernel(k.message),
        k.before.body_count(k.message) == 1,
        k.before.layout(k.message) == k.sorts.no_descriptors,
        k.before.kind(destination) == KIND.SEND,
        k.carries_nothing_but(k.message, destination, carried),
        z3.Implies(_sends_once(k), once),
    ]


def _sends_once(k: Context) -> Term:
    return z3.Or(k.notify_disposition == Disposition.MOVE_SEND_ONCE, k.notify_disposition == Disposition.MAKE_SEND_ONCE)


@rule(
    "mach_port_request_notification",
    choices={"notification": "Message", "out_of_memory": "Bool"},
    requires=_requested,
    message="Message",
    name="Name",
    variant="Int",
    sync="Int",
    notify_disposition="Int",
    shortage="Int",
)
def mach_port_request_notification(k: Context) -> Iterator[Case]:
    """Register the carried send-once right for an event, in place of the one that was registered, which comes back. Source: semantics 5.13."""
    # NAMES
    b, S = k.before, k.sorts.Slot
    destination, carried = S.destination_slot(k.message), S.body_slot(k.message, z3.IntVal(0))
    target = b.port(destination)
    is_task = z3.And(b.sends(destination), b.object(target) == OBJECT.of(PortObject.TASK))
    task = b.object_task(target)
    entry = k.slot(k.name, task)
    kind, port = b.kind(entry), b.port(entry)
    given = b.kind(carried) == KIND.SEND_ONCE

    def asked(notification: Notification) -> Term:
        return k.variant == int(notification)

    destroyed, no_senders, dead_name = (asked(each) for each in (Notification.PORT_DESTROYED, Notification.NO_SENDERS, Notification.DEAD_NAME))

    # RIGHTS
    def register(after: After, slot: Term) -> None:
        old_kind, old_port, kind, port = after.kind(slot), after.port(slot), after.kind(carried), after.port(carried)
        drop_held_send(after, destination)
        clear(after, carried)
        clear(after, slot)
        put(after, slot, kind, port)
        put(after, carried, old_kind, old_port)

    def fire_no_senders(after: After) -> None:
        slot = S.no_senders_slot(port)
        old_kind, old_port = after.kind(slot), after.port(slot)
        drop_held_send(after, destination)
        notify(after, carried, k.notification, Notification.NO_SENDERS, b.mscount(port))
        clear(after, slot)
        put(after, carried, old_kind, old_port)

    def fire_dead_name(after: After) -> None:
        drop_held_send(after, destination)
        after.at("urefs")[entry] = b.urefs(entry) + 1
        notify(after, carried, k.notification, Notification.DEAD_NAME, k.sorts.number_of(k.name))

    def cancel_nothing(after: After) -> None:
        drop_held_send(after, destination)

    # CASES
    yield k.fails(ReturnCode.MIG_BAD_ARGUMENTS, "no send-once right is carried", z3.Not(_sends_once(k)))
    yield k.fails(ReturnCode.KERN_INVALID_TASK, "task is no task", z3.Not(is_task))
    yield k.fails(ReturnCode.KERN_INVALID_CAPABILITY, "the right is dead", b.kind(carried) == KIND.DEAD_NAME)
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "no such notification", z3.Not(z3.Or(destroyed, no_senders, dead_name)))
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "port-destroyed has no sync", z3.And(destroyed, k.sync != 0))
    yield from on_reserved(k, k.name, when=z3.Not(dead_name))
    yield from on_reserved(k, k.name, code=ReturnCode.KERN_INVALID_ARGUMENT, title="NULL or DEAD can't die")
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", kind == KIND.NONE)
    if k.profile.cancels_nothing:
        nothing_to_cancel = z3.And(dead_name, z3.Not(given), b.empty(S.request_slot(task, k.name)))
        yield k.continues("there is nothing to cancel", nothing_to_cancel, cancel_nothing)
    unfit = z3.If(dead_name, kind == KIND.PORT_SET, z3.Not(b.receives(entry)))
    yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "the name has no right that this is about", unfit)
    at_once = z3.And(dead_name, kind == KIND.DEAD_NAME)
    if k.profile.sync_fires_dead_name:
        nobody = z3.And(at_once, z3.Or(k.sync == 0, z3.Not(given)))
        yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the name is dead, and nobody is to be told at once", nobody)
        full = z3.And(at_once, b.urefs(entry) >= k.urefs_max)
        yield k.fails(ReturnCode.KERN_UREFS_OVERFLOW, "the dead name has all references it can have", full)
    else:
        yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the name is dead: nobody is told", at_once)
    if k.profile.port_destroyed_stays:
        there = z3.And(destroyed, z3.Not(b.empty(S.port_destroyed_slot(port))))
        yield k.fails(ReturnCode.KERN_FAILURE, "port-destroyed is registered, and stays so", there)
    first = z3.And(dead_name, z3.Not(at_once), given, b.empty(S.request_slot(task, k.name)))
    yield k.fails(ReturnCode.KERN_RESOURCE_SHORTAGE, "the kernel is out of memory", z3.And(first, k.shortage > 0, k.out_of_memory))
    # REPLY: the right that was registered is where the given one was
    if k.profile.sync_fires_dead_name:
        yield k.continues("the name is dead: it is told at once", at_once, fire_dead_name)
    told = z3.And(no_senders, given, b.srights(port) == 0, k.sync <= b.mscount(port))
    yield k.continues("there are no senders: it is told at once", told, fire_no_senders)
    yield k.continues("dead-name is registered", dead_name, lambda after: register(after, S.request_slot(task, k.name)))
    yield k.continues("no-senders is registered", no_senders, lambda after: register(after, S.no_senders_slot(port)))
    yield k.continues("port-destroyed is registered", True, lambda after: register(after, S.port_destroyed_slot(port)))


@sequence("mach_port_request_notification")
def request_notification(d: Driver, notify: Value, notify_disposition: Value) -> Steps:
    """A request is begun; the caller's right ``notify`` is copied in to it, and registered; what was registered is copied out: ``previous`` names it.

    If that fails, the request is destroyed with the right that it carries.
    """
    begun = yield run("mach_port_request_notification: request")
    request = begun["request_message"]
    place = d.body(request, 0)
    try:
        yield copy_in(d, request, place, notify, notify_disposition, when=begun["carries"])
        registered = yield run("mach_port_request_notification", message=request)
    except Failed:
        yield run(DESTROY, message=request)
        raise
    yield copy_out(request, place, "previous", since=registered)
    yield run(FINISH, message=request, since=registered)
