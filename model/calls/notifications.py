"""Notifications: requests for them, and the rules that send them.

A request is a send-once right in a slot. A request on a name fires when its port dies or the name goes. A request on a
port fires when its last send right goes, or when its receive right would die. Rules of their own fire requests one by
one after a call's rules, until none is left to fire: for a name that is freed or dead beside its request, a port
without send rights, a receive right in limbo. Other calls begin after that.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Notification, PortObject
from sendright.model.calls.entry import on_reserved
from sendright.model.calls.transfer import begin_request, carries_right, on_own_right
from sendright.model.language.actions import answer_request, clear, counted_messages, drop_held_send, forget_request, notify, put
from sendright.model.language.choices import Transit
from sendright.model.language.evidence import page, ran, rests_on
from sendright.model.language.release import release
from sendright.model.language.rule import ANY_RIGHT, DESTROY, FINISH, FIRES_POSSIBLE, LOOK_AT_NAME, Case, Context, rule
from sendright.model.language.sequences import Driver, Failed, Steps, Value, copy_in, copy_out, run, sequence
from sendright.model.language.sorts import KIND, OBJECT, POSSIBLE, Term
from sendright.model.language.state import After
from sendright.model.language.terms import Bool, Function, Int, Message, Name, Port, Task


def _request_pending(k: Context, space: Task, name: Name) -> list[Term]:
    b = k.before
    entry = b.kind(k.slot(name, space))
    return [z3.And(z3.Not(b.empty(k.sorts.Slot.request_slot(space, name))), z3.Or(entry == KIND.NONE, entry == KIND.DEAD_NAME))]


def _ask_possible(after: After, request: Term, what: Term) -> None:
    """From now on this is what the request is for send-possible (where the kernel has such requests)."""
    if after.profile.send_possible:
        after.at("send_possible")[request] = what


def _has_fired(k: Context, request: Term) -> Term:
    """The request has fired for send-possible, and only its place in the kernel's table is left."""
    return k.before.send_possible(request) == POSSIBLE.FIRED if k.profile.send_possible else z3.BoolVal(False)


TYPED = rests_on("mach/mach_port.defs: mach_port_request_notification", gnumach="include/mach/mach_port.defs: mach_port_request_notification")
"""Of the type of the right that a request carries: MIG's code tests it, which is made from these lines."""


@rule(
    "a dead-name request fires",
    pending=True,
    requires=_request_pending,
    evidence=rests_on(
        "ipc/ipc_port.c: ipc_port_dnnotify; ipc/ipc_notify.c: ipc_notify_dead_name, ipc_notify_port_deleted",
        xnu=ran(
            "XNU 11417's own code sent these when tasks ended: 29,052 notifications in 424,353 calls, none that differed.",
            "dead-name",
            "port-deleted",
        ),
        gnumach="ipc/ipc_port.c: ipc_port_destroy; ipc/ipc_notify.c: ipc_notify_dead_name, ipc_notify_port_deleted",
        manual=page(
            "MP_request_notification",
            silent=(
                "the name is dead, and so is the requester's port",
                "the name is gone, and the requester's port is dead",
                "dead-name, of a name that was freed after its port died",
            ),
        ),
    ),
)
def fire_request(k: Context, space: Task, name: Name, *, notification: Message) -> Iterator[Case]:
    """Fire a dead-name request: send dead-name if the port died before the name was freed, else port-deleted. Dead-name
    adds a user reference to a name that is still there.

    Where references are pegged, a name at the limit gets none. Source: ``ipc_port_dnnotify``,
    ``ipc_right_dncancel``. A name's request is cancelled with the name while its port lives (``ipc_right_clean``,
    ``ipc_right_destroy``).
    """
    # NAMES
    b = k.before
    entry, request = k.slot(name, space), k.sorts.Slot.request_slot(space, name)
    dead, live = b.kind(entry) == KIND.DEAD_NAME, b.kind(request) == KIND.SEND_ONCE
    died_first = b.died_first(request)

    # RIGHTS
    def add_reference(after: After) -> None:
        """A name at which no call has looked gets it when one looks, unless the request has fired for send-possible."""
        if k.profile.dead_names_are_lazy:
            waits, urefs = k.is_unlooked(entry), b.urefs(entry)
            after.at("urefs")[entry] = z3.If(z3.Or(waits, k.is_pegged(entry)), urefs, urefs + 1)
            after.at("told")[entry] = z3.If(z3.And(waits, z3.Not(_has_fired(k, request))), z3.BoolVal(True), b.told(entry))
            return
        urefs = b.urefs(entry)
        after.at("urefs")[entry] = z3.If(k.is_pegged(entry), urefs, urefs + 1) if k.profile.pegged_urefs else urefs + 1

    def forget(after: After, then: Term = POSSIBLE.NOT_ASKED) -> None:
        forget_request(after, request)
        _ask_possible(after, request, then)
        after.at("died_first")[request] = z3.BoolVal(False)

    def forget_dead(after: After) -> None:
        waits = z3.And(k.is_unlooked(entry), _has_fired(k, request))
        forget(after, z3.If(waits, POSSIBLE.FIRED, POSSIBLE.NOT_ASKED))
        add_reference(after)

    def tell(after: After, what: Notification) -> None:
        answer_request(after, request, notification, what, k.sorts.number_of(name))
        _ask_possible(after, request, POSSIBLE.NOT_ASKED)
        after.at("died_first")[request] = z3.BoolVal(False)

    def tell_dead(after: After) -> None:
        tell(after, Notification.DEAD_NAME)
        add_reference(after)

    yield k.continues("the name is dead, and so is the requester's port", z3.And(dead, z3.Not(live)), forget_dead)
    yield k.continues("the name is gone, and the requester's port is dead", k.otherwise(z3.Not(z3.Or(dead, live)), tested=z3.Not(live)), forget)
    yield k.continues("dead-name", k.otherwise(z3.And(dead, live), tested=dead), tell_dead)
    freed = k.otherwise(z3.And(z3.Not(dead), live, died_first), tested=died_first)
    yield k.continues("dead-name, of a name that was freed after its port died", freed, lambda after: tell(after, Notification.DEAD_NAME))
    deleted = k.otherwise(z3.And(z3.Not(dead), live, z3.Not(died_first)))
    yield k.continues("port-deleted", deleted, lambda after: tell(after, Notification.PORT_DELETED))


def _room_came(k: Context, space: Task, name: Name) -> list[Term]:
    return [k.before.send_possible(k.sorts.Slot.request_slot(space, name)) == POSSIBLE.DUE]


@rule(
    FIRES_POSSIBLE,
    pending=True,
    applies=lambda profile: profile.send_possible,
    requires=_room_came,
    evidence=rests_on(xnu="ipc/ipc_port.c: ipc_port_spnotify; ipc/ipc_notify.c: ipc_notify_send_possible"),
)
def tell_send_possible(k: Context, space: Task, name: Name, *, notification: Message) -> Iterator[Case]:
    """Fire an armed request for send-possible: a message was received from the port.

    The kernel keeps the request's place in its table, without a right (``ipc_port_spnotify`` in ``ipc/ipc_port.c`` of
    XNU 11417).
    """
    # NAMES
    request = k.sorts.Slot.request_slot(space, name)
    live = k.before.kind(request) == KIND.SEND_ONCE

    # RIGHTS
    def keep_place(after: After) -> None:
        after.at("send_possible")[request] = POSSIBLE.FIRED

    def tell(after: After) -> None:
        notify(after, request, notification, Notification.SEND_POSSIBLE, k.sorts.number_of(name))
        put(after, request, KIND.DEAD_NAME, k.sorts.no_port)
        keep_place(after)

    yield k.continues("send-possible, and the requester's port is dead", z3.Not(live), keep_place)
    yield k.continues("send-possible", k.otherwise(live), tell)


def _due(k: Context, of: Port) -> list[Term]:
    return [k.before.no_senders_due(of) != 0]


@rule(
    "no senders are left",
    pending=True,
    requires=_due,
    evidence=rests_on(
        "ipc/ipc_port.c: ipc_port_release_send; ipc/ipc_notify.c: ipc_notify_no_senders",
        xnu=ran("XNU 11417's own code sent these when tasks ended: 29,052 notifications in 424,353 calls, none that differed.", "no-senders"),
        manual=page("MP_request_notification", silent=("the requester's port is dead",)),
    ),
)
def tell_no_senders(k: Context, of: Port, *, notification: Message) -> Iterator[Case]:
    """Send a no-senders notification with the port's make-send count.

    Source: ``ipc_notify_no_senders``.
    """
    # NAMES
    b = k.before
    request = k.sorts.Slot.no_senders_slot(of)

    # RIGHTS
    def forget(after: After) -> None:
        after.at("no_senders_due")[of] = z3.IntVal(0)
        forget_request(after, request)

    def tell(after: After) -> None:
        after.at("no_senders_due")[of] = z3.IntVal(0)
        answer_request(after, request, notification, Notification.NO_SENDERS, b.no_senders_due(of) - 1)

    yield k.continues("the requester's port is dead", b.kind(request) != KIND.SEND_ONCE, forget)
    yield k.continues("no-senders", k.otherwise(b.kind(request) == KIND.SEND_ONCE), tell)


def _in_limbo(k: Context, of: Port) -> list[Term]:
    return [k.before.kind(k.sorts.Slot.limbo_slot(of)) == KIND.RECEIVE, k.before.no_senders_due(of) == 0]


@rule(
    "a receive right is rescued",
    pending=True,
    requires=_in_limbo,
    evidence=rests_on(
        "ipc/ipc_port.c: ipc_port_destroy, ipc_port_check_circularity; ipc/ipc_notify.c: ipc_notify_port_destroyed",
        xnu=ran("XNU 11417's own code redirects a receive right with a port-destroyed request as this rule says.", "port-destroyed"),
        manual=page(
            "MP_request_notification",
            silent=("the requester's port is dead, or on its way to this port: this port dies",),
        ),
    ),
)
def rescue(k: Context, of: Port, *, notification: Message, reaches: Function[Port, Bool], lift: Int) -> Iterator[Case]:
    """Send the receive right in limbo to the port-destroyed requester.

    If the requester's port is dead too, or is itself on its way to this port, this port dies.

    Source: ``ipc_port_destroy`` and ``ipc_notify_port_destroyed``.
    """
    # NAMES
    b, S = k.before, k.sorts.Slot
    limbo, request = S.limbo_slot(of), S.port_destroyed_slot(of)
    transit = Transit(b, b.port(request), reaches, lift)

    # RIGHTS
    def die(after: After) -> None:
        transit.assume(after)
        release(after, lambda slot: slot == limbo, lambda port: port == of)

    def send(after: After) -> None:
        transit.assume(after)
        transit.lead(after, of)
        place = S.body_slot(notification, z3.IntVal(0))
        answer_request(after, request, notification, Notification.PORT_DESTROYED, rights=1)
        clear(after, limbo)
        put(after, place, KIND.RECEIVE, of)
        after.at("form")[place] = z3.IntVal(int(Disposition.MOVE_RECEIVE))
        after.at("receiver")[of] = place

    live = b.kind(request) == KIND.SEND_ONCE
    yield k.continues("the requester's port is dead, or on its way to this port: this port dies", z3.Or(z3.Not(live), reaches(of)), die)
    yield k.continues("port-destroyed", k.otherwise(z3.And(live, z3.Not(reaches(of)))), send)


@rule(
    "mach_port_request_notification: request",
    evidence=rests_on(
        "ipc/ipc_kmsg.c: ipc_kmsg_copyin_body",
        xnu="ipc/ipc_kmsg.c: ipc_kmsg_copyin_port_descriptor",
        manual=page("MP_request_notification", silent=("no right will be carried: no such disposition",)),
    ),
)
def request_notification_request(k: Context, task: Name, notify: Name, notify_disposition: Int, *, request_message: Message) -> Iterator[Case]:
    """Begin the request of ``mach_port_request_notification``. It will carry the right, if the disposition exists.

    In XNU 11417 a task makes the call on itself by a trap, if it gives a send-once right
    (``_kernelrpc_mach_port_request_notification_trap`` in ``ipc/mach_kernelrpc.c``).
    """
    # CASES
    yield from k.request(task)
    if "mach_port_request_notification" in k.profile.own_calls_are_traps:
        trapped = z3.And(k.is_own(task), _sends_once(notify_disposition), z3.Not(k.reserved(notify)))
        yield from on_own_right(k, trapped, notify, notify_disposition)

    # RIGHTS
    def begin(after: After) -> None:
        begin_request(k, after, request_message, task)

    yield from carries_right(k, notify_disposition, begin)


def _requested(k: Context, message: Message, notify_disposition: Int) -> list[Term]:
    S = k.sorts.Slot
    destination, carried = S.destination_slot(message), S.body_slot(message, z3.IntVal(0))
    kind = k.before.kind(carried)
    once = z3.Or(kind == KIND.NONE, kind == KIND.SEND_ONCE, kind == KIND.DEAD_NAME)
    return [
        k.in_kernel(message),
        k.before.body_count(message) == 1,
        k.before.layout(message) == k.sorts.no_descriptors,
        k.before.kind(destination) == KIND.SEND,
        k.carries_nothing_but(message, destination, carried),
        z3.Implies(_sends_once(notify_disposition), once),
    ]


def _sends_once(disposition: Int) -> Term:
    return z3.Or(disposition == Disposition.MOVE_SEND_ONCE, disposition == Disposition.MAKE_SEND_ONCE)


@rule(
    requires=_requested,
    computed=("message",),
    without=("task", "notify"),
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_request_notification; ipc/ipc_port.c: ipc_port_dngrow; "
        "ipc/ipc_right.c: ipc_right_lookup_write, ipc_right_dnrequest",
        xnu="ipc/mach_port.c: mach_port_request_notification; ipc/ipc_port.c: ipc_port_request_grow; "
        "ipc/ipc_right.c: ipc_right_lookup_read, ipc_right_request_alloc, ipc_right_request_cancel",
        manual=page("MP_request_notification"),
    ),
)
def mach_port_request_notification(
    k: Context,
    message: Message,
    name: Name,
    variant: Int,
    sync: Int,
    notify_disposition: Int,
    shortage: Int,
    *,
    notification: Message,
    out_of_memory: Bool,
    request_slots: Int,
) -> Iterator[Case]:
    """Register the carried send-once right for an event.

    It replaces the registered right, which goes back to the caller. Where dead names are lazy, only a request for
    dead-name with a right, or beside an earlier one, looks at the name (``ipc_right_request_alloc`` in
    ``ipc/ipc_right.c`` of XNU 11417).

    A request on a name takes a slot of the port's table. If none is free, the table grows to ``request_slots``; it
    never shrinks (``ipc_port_dngrow``, ``ipc_port_request_grow``).

    A request for send-possible is one for dead-name, too. If its sync isn't 0 it is armed, and answered at once if the
    queue isn't full. Otherwise a send with MACH_SEND_NOTIFY arms it (``ipc_right_request_alloc``,
    ``ipc_port_request_sparm`` in ``ipc/ipc_port.c`` of XNU 11417).
    """
    # NAMES
    b, S = k.before, k.sorts.Slot
    destination, carried = S.destination_slot(message), S.body_slot(message, z3.IntVal(0))
    target = b.port(destination)
    is_task = z3.And(b.sends(destination), b.object(target) == OBJECT.of(PortObject.TASK))
    task = b.object_task(target)
    entry = k.slot(name, task)
    kind, port = b.kind(entry), b.port(entry)
    given = b.kind(carried) == KIND.SEND_ONCE

    def asked(event: Notification) -> Term:
        return variant == int(event)

    destroyed, no_senders, dead_name = (asked(each) for each in (Notification.PORT_DESTROYED, Notification.NO_SENDERS, Notification.DEAD_NAME))
    possible = asked(Notification.SEND_POSSIBLE) if k.profile.send_possible else z3.BoolVal(False)
    on_name, request = z3.Or(dead_name, possible), S.request_slot(task, name)

    # CASES
    yield k.fails(ReturnCode.MIG_BAD_ARGUMENTS, "no send-once right is carried", z3.Not(_sends_once(notify_disposition)), evidence=TYPED)
    yield k.fails(ReturnCode.KERN_INVALID_TASK, "task is not a task's port", z3.Not(is_task))
    yield k.fails(ReturnCode.KERN_INVALID_CAPABILITY, "the right is dead", b.kind(carried) == KIND.DEAD_NAME)
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "no such notification", z3.Not(z3.Or(destroyed, no_senders, on_name)))
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "port-destroyed takes no sync", z3.And(destroyed, sync != 0))
    yield from on_reserved(k, name, when=z3.Not(on_name))
    yield from on_reserved(k, name, code=ReturnCode.KERN_INVALID_ARGUMENT, title="NULL or DEAD can't die")
    unknown = kind == KIND.NONE
    if k.profile.dead_name_is_no_name:  # a dead name has no port; a dead-name request needs none
        unknown = z3.Or(unknown, z3.And(z3.Not(on_name), kind == KIND.DEAD_NAME))
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", unknown)
    nothing_to_cancel = z3.BoolVal(False)
    if k.profile.cancels_nothing:
        nothing_to_cancel = z3.And(on_name, z3.Not(given), b.empty(request))
        if k.profile.dead_names_are_lazy:
            nothing_to_cancel = z3.And(nothing_to_cancel, z3.Not(z3.And(k.is_unlooked(entry), z3.Or(b.told(entry), _has_fired(k, request)))))
        yield k.continues("there is nothing to cancel", nothing_to_cancel, partial(drop_held_send, slot=destination))
    unfit = z3.If(on_name, kind == KIND.PORT_SET, z3.Not(b.receives(entry)))
    yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "the name has no right for this notification", unfit)
    is_dead = z3.And(on_name, kind == KIND.DEAD_NAME)
    at_once, told_dead = is_dead, z3.And(possible, given, kind == KIND.DEAD_NAME)
    if k.profile.send_possible:  # a request for send-possible on a dead name is answered at once
        at_once = z3.And(is_dead, z3.Not(told_dead))
    if k.profile.sync_fires_dead_name:
        not_requested = z3.And(at_once, z3.Or(sync == 0, z3.Not(given)))
        yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the name is dead, and no notification at once is requested", not_requested)
        full = z3.And(at_once, b.urefs(entry) >= k.urefs_max)
        yield k.fails(ReturnCode.KERN_UREFS_OVERFLOW, "the dead name has all references it can have", full)
    else:
        if k.profile.dead_names_are_lazy:
            seen = z3.And(at_once, k.is_unlooked(entry))
            title = "the name's port has died: it is a dead name from now on"
            yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, title, seen, looks=z3.BoolVal(True))
        yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the name is already dead", at_once)
    if k.profile.port_destroyed_stays:
        there = z3.And(destroyed, z3.Not(b.empty(S.port_destroyed_slot(port))))
        yield k.fails(ReturnCode.KERN_FAILURE, "port-destroyed is already registered", there)
    can_send = z3.BoolVal(False)
    if k.profile.send_possible:
        room = z3.Or(kind == KIND.SEND_ONCE, b.object(port) != OBJECT.OBJECT_NONE, counted_messages(b, port, k.profile) < b.qlimit(port))
        can_send = z3.And(possible, given, sync != 0, kind != KIND.DEAD_NAME, room)
    first = z3.And(on_name, kind != KIND.DEAD_NAME, z3.Not(can_send), given, b.empty(request))
    yield k.fails(ReturnCode.KERN_RESOURCE_SHORTAGE, "the kernel is out of memory", z3.And(first, shortage > 0, out_of_memory))

    # RIGHTS
    def register(after: After, slot: Term) -> None:
        old_kind, old_port, kind, port = after.kind(slot), after.port(slot), after.kind(carried), after.port(carried)
        drop_held_send(after, destination)
        clear(after, carried)
        clear(after, slot)
        put(after, slot, kind, port)
        put(after, carried, old_kind, old_port)

    def grow(after: After) -> None:
        slots = b.request_slots(port)
        after.at("request_slots")[port] = z3.If(z3.And(first, request_slots > slots), request_slots, slots)

    def give_back(after: After, kind: Term, port: Term) -> None:
        """The old right on a name takes the place of the given one. One that has fired is no more."""
        gone = _has_fired(k, request)
        put(after, carried, z3.If(gone, KIND.NONE, kind), z3.If(gone, k.sorts.no_port, port))

    def register_on_name(after: After) -> None:
        old_kind, old_port = after.kind(request), after.port(request)
        grow(after)
        register(after, request)
        if k.profile.send_possible:
            give_back(after, old_kind, old_port)
            asks = z3.And(possible, given)
            what = z3.If(asks, z3.If(sync != 0, POSSIBLE.ARMED, POSSIBLE.DELAYED), POSSIBLE.NOT_ASKED)
            _ask_possible(after, request, what)

    def fire_possible(after: After) -> None:
        old_kind, old_port = after.kind(request), after.port(request)
        drop_held_send(after, destination)
        notify(after, carried, notification, Notification.SEND_POSSIBLE, k.sorts.number_of(name))
        clear(after, request)
        give_back(after, old_kind, old_port)
        _ask_possible(after, request, POSSIBLE.NOT_ASKED)

    def fire_dead_instead(after: After) -> None:
        drop_held_send(after, destination)
        k.look_at(after, entry)
        urefs = k.dead_urefs(entry)
        after.at("urefs")[entry] = z3.If(urefs == k.urefs_max, urefs, urefs + 1)
        notify(after, carried, notification, Notification.DEAD_NAME, k.sorts.number_of(name))

    def fire_no_senders(after: After) -> None:
        slot = S.no_senders_slot(port)
        old_kind, old_port = after.kind(slot), after.port(slot)
        drop_held_send(after, destination)
        notify(after, carried, notification, Notification.NO_SENDERS, b.mscount(port))
        clear(after, slot)
        put(after, carried, old_kind, old_port)

    def fire_dead_name(after: After) -> None:
        drop_held_send(after, destination)
        after.at("urefs")[entry] = b.urefs(entry) + 1
        notify(after, carried, notification, Notification.DEAD_NAME, k.sorts.number_of(name))

    # REPLY: the old right takes the place of the given one
    if k.profile.sync_fires_dead_name:
        yield k.continues("the name is dead: dead-name is sent at once", at_once, fire_dead_name)
    if k.profile.send_possible:
        yield k.continues("the name is dead: dead-name is sent at once", told_dead, fire_dead_instead)
        yield k.continues("the queue isn't full: send-possible is sent at once", can_send, fire_possible)
    told = z3.And(no_senders, given, b.srights(port) == 0, sync <= b.mscount(port))
    yield k.continues("there are no senders: no-senders is sent at once", told, fire_no_senders)
    done = z3.Or(is_dead, nothing_to_cancel)
    later = k.otherwise(z3.And(dead_name, z3.Not(done)), tested=dead_name)
    yield k.continues("dead-name is registered", later, register_on_name)
    if k.profile.send_possible:
        full = k.otherwise(z3.And(possible, z3.Not(z3.Or(done, can_send))), tested=possible)
        yield k.continues("send-possible is registered", full, register_on_name)
    yield k.continues(
        "no-senders is registered",
        k.otherwise(z3.And(no_senders, z3.Not(told)), tested=no_senders),
        lambda after: register(after, S.no_senders_slot(port)),
    )
    yield k.continues("port-destroyed is registered", k.otherwise(destroyed), lambda after: register(after, S.port_destroyed_slot(port)))


@sequence("mach_port_request_notification")
def request_notification(d: Driver, task: Value, notify: Value, notify_disposition: Value) -> Steps:
    """Begin a request; copy the caller's right ``notify`` in to it and register the right; copy out the old one, which
    ``previous`` names.

    If that fails, the request is destroyed with the right that it carries.
    """
    begun = yield run("mach_port_request_notification: request")
    request = begun["request_message"]
    place = d.body(request, 0)
    try:
        yield copy_in(d, request, place, notify, notify_disposition, when=begun["carries"])
        registered = yield run("mach_port_request_notification", message=request)
    except Failed as failed:
        yield run(DESTROY, message=request, at_once=False)
        yield run(LOOK_AT_NAME, when=failed.outcome.says("looks"), control=task, right=ANY_RIGHT)
        raise
    yield copy_out(request, place, "previous", since=registered)
    yield run(FINISH, message=request, since=registered)
