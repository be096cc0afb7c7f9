"""What all messages have in common: rights are copied in and copied out, then the message is freed."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition
from sendright.model.language.actions import clear, drop_held_send, forget_name, leave_receiver, leave_sets, make_send, put, put_name
from sendright.model.language.evidence import decided, page, rests_on
from sendright.model.language.release import release_message
from sendright.model.language.rule import DESTROY, Case, Context, Effect, Otherwise, nothing, rule
from sendright.model.language.sorts import KIND, OBJECT, STAGE, Term
from sendright.model.language.state import After, State
from sendright.model.language.terms import Int, Message, Name, Slot, Task


def fits(state: State, slot: Term, disposition: Term) -> Term:
    """The entry in ``slot`` can be carried as ``disposition`` says."""
    kind = state.kind(slot)
    dead = kind == KIND.DEAD_NAME
    makes = z3.Or(disposition == Disposition.MAKE_SEND, disposition == Disposition.MAKE_SEND_ONCE, disposition == Disposition.MOVE_RECEIVE)
    return z3.Or(
        z3.And(makes, state.receives(slot)),
        z3.And(z3.Or(disposition == Disposition.COPY_SEND, disposition == Disposition.MOVE_SEND), z3.Or(state.sends(slot), dead)),
        z3.And(disposition == Disposition.MOVE_SEND_ONCE, z3.Or(kind == KIND.SEND_ONCE, dead)),
    )


def is_immovable(k: Context, slot: Term, disposition: Int) -> Term:
    """``disposition`` would carry the receive right in ``slot``, but its port is immovable."""
    return z3.And(disposition == Disposition.MOVE_RECEIVE, k.before.receives(slot), k.before.is_immovable(k.before.port(slot)))


def carriable(k: Context, slot: Term, disposition: Int) -> Term:
    """The entry in ``slot`` can be carried as ``disposition`` says: it has a right of that kind, and the right is
    movable.
    """
    fit = fits(k.before, slot, disposition)
    return z3.And(fit, z3.Not(is_immovable(k, slot, disposition))) if k.profile.has_guards else fit


def received_form(disposition: Term) -> Term:
    """The form in which a receiver sees a right that this disposition carried; 0 for a number that isn't one."""
    once = z3.Or(disposition == Disposition.MOVE_SEND_ONCE, disposition == Disposition.MAKE_SEND_ONCE)
    known = z3.And(int(Disposition.MOVE_RECEIVE) <= disposition, disposition <= int(Disposition.MAKE_SEND_ONCE))
    sends = z3.If(known, z3.IntVal(int(Disposition.MOVE_SEND)), z3.IntVal(0))
    return z3.If(
        disposition == Disposition.MOVE_RECEIVE,
        z3.IntVal(int(Disposition.MOVE_RECEIVE)),
        z3.If(once, z3.IntVal(int(Disposition.MOVE_SEND_ONCE)), sends),
    )


def _copy_in_requires(k: Context, space: Task, control: Name, disposition: Int, message: Message, place: Slot) -> list[Term]:
    S = k.sorts.Slot
    body = S.is_body_slot(place)
    held = z3.And(k.sends(control), k.before.port(k.slot(control)) == k.before.task_port(space))
    return [
        k.before.alive(space),
        z3.Or(space == k.caller, held),
        k.in_kernel(message),
        k.sorts.slots_of_message(place, message),
        k.before.empty(place),
        z3.Or(body, k.is_sendish(disposition)),
        z3.Implies(body, z3.And(S.index(place) >= 0, S.index(place) < k.before.body_count(message))),
        *_destination_first(k, message, place),
    ]


def _destination_first(k: Context, message: Message, place: Slot) -> list[Term]:
    """Where the destination decides which rights the body may carry, it is copied in before the body."""
    if not k.profile.task_ports_stay:
        return []
    S, i = k.sorts.Slot, z3.Int("i")
    return [z3.ForAll([i], z3.Implies(S.is_destination_slot(place), k.before.empty(S.body_slot(message, i))))]


def _is_immovable_send(k: Context, entry: Term, message: Message, place: Slot) -> Term:
    """The right in ``entry`` leads to a task's port, and the message would carry it to a user's port, or use it as
    reply.

    (A message without destination is a reply of the kernel's: its rights were tested before. A request has no
    descriptors: it carries its right into the kernel, whatever its target turns out to be.)
    """
    b, S = k.before, k.sorts.Slot
    destination = S.destination_slot(message)
    to_user = z3.And(z3.Not(b.empty(destination)), b.object(b.port(destination)) == OBJECT.OBJECT_NONE)
    described = b.layout(message) != k.sorts.no_descriptors
    return z3.And(k.leads_to_task(entry), z3.Or(S.is_reply_slot(place), z3.And(S.is_body_slot(place), described, to_user)))


REQUEST_KEPT = rests_on(
    manual=decided("The page mach_msg says that a no-senders request is cancelled. No kernel whose source we read does so (ipc_port_clear_receiver).")
)
"""Of a receive right that moves."""


@rule(
    "copy in a right",
    requires=_copy_in_requires,
    evidence=rests_on(
        "ipc/ipc_kmsg.c: ipc_kmsg_copyin_body; ipc/ipc_right.c: ipc_right_copyin",
        xnu="ipc/ipc_kmsg.c: ipc_kmsg_copyin_port_descriptor, ipc_kmsg_copyin_ool_ports_descriptor; ipc/ipc_right.c: ipc_right_copyin",
        manual=page("mach_msg"),
    ),
)
def copy_in(k: Context, space: Task, control: Name, name: Name, disposition: Int, message: Message, place: Slot) -> Iterator[Case]:
    """Carry one right from ``name`` in ``space`` to ``place`` of a message that is being built, as ``disposition``
    says.

    The space is the caller's own, or that of a task whose port the caller holds under the name ``control``. The names
    NULL and DEAD carry a null right and a dead right, in some kernels whatever the disposition
    (``ipc_kmsg_copyin_port_descriptor`` of XNU). A name whose port died is looked at. Source:
    ``ipc_right_copyin`` in ``ipc/ipc_right.c``.
    """
    # NAMES
    b = k.before
    entry = k.slot(name, space)
    kind, port, urefs = b.kind(entry), b.port(entry), b.urefs(entry)
    dead, dead_urefs = kind == KIND.DEAD_NAME, k.dead_urefs(entry)

    def carried(way: Disposition) -> Term:
        return disposition == int(way)

    # CASES
    unknown = z3.Not(k.is_disposition(disposition))
    if k.profile.null_fits_any_disposition:
        unknown = z3.And(unknown, z3.Not(k.reserved(name)))
    invalid = z3.Or(unknown, z3.And(z3.Not(k.reserved(name)), z3.Not(carriable(k, entry, disposition))))
    if k.profile.task_ports_stay:
        invalid = z3.Or(invalid, z3.And(z3.Not(k.reserved(name)), _is_immovable_send(k, entry, message, place)))
    yield k.fails(ReturnCode.MACH_SEND_INVALID_RIGHT, "the name has no right for this disposition", invalid)

    # RIGHTS
    def carry(after: After, kind: Term, port: Term) -> None:
        put(after, place, kind, port)
        after.at("form")[place] = received_form(disposition)

    def carry_nothing(after: After) -> None:
        carry(after, KIND.NONE, k.sorts.no_port)

    def carry_dead(after: After) -> None:
        carry(after, KIND.DEAD_NAME, k.sorts.no_port)

    def copy_dead(after: After) -> None:
        k.look_at(after, entry)
        carry_dead(after)

    def make(after: After) -> None:
        make_send(after, place, port)
        after.at("form")[place] = received_form(disposition)

    def make_once(after: After) -> None:
        after.add("sorights", port, 1)
        carry(after, KIND.SEND_ONCE, port)

    def move_receive(after: After) -> None:
        carry(after, KIND.RECEIVE, port)
        put(after, entry, z3.If(kind == KIND.SEND_RECEIVE, KIND.SEND, KIND.NONE), z3.If(kind == KIND.SEND_RECEIVE, port, k.sorts.no_port), urefs)
        after.at("known_as")[(space, port)] = z3.If(kind == KIND.SEND_RECEIVE, name, k.sorts.null)
        after.at("receiver")[port] = place
        leave_sets(after, port)
        after.at("mscount")[port] = z3.IntVal(0)
        after.at("seqno")[port] = z3.IntVal(0)
        leave_receiver(after, port)

    def copy(after: After) -> None:
        after.add("srights", port, 1)
        carry(after, KIND.SEND, port)

    def move_one(after: After) -> None:
        after.at("urefs")[entry] = urefs - 1
        copy(after)

    def move_last(after: After) -> None:
        carry(after, KIND.SEND, port)
        forget_name(after, space, name)

    def move_last_keeping_receive(after: After) -> None:
        carry(after, KIND.SEND, port)
        put(after, entry, KIND.RECEIVE, port, 0)

    def move_once(after: After) -> None:
        carry(after, KIND.SEND_ONCE, port)
        clear(after, entry)

    def move_dead(after: After) -> None:
        copy_dead(after)
        put(after, entry, z3.If(dead_urefs == 1, KIND.NONE, KIND.DEAD_NAME), k.sorts.no_port, dead_urefs - 1)

    yield k.continues("a null right is carried", name == k.sorts.null, carry_nothing)
    yield k.continues("the dead right is carried", name == k.sorts.dead, carry_dead)
    live, pegged = z3.Not(k.reserved(name)), z3.And(k.profile.pegged_urefs, k.is_pegged(entry))
    moves, takes_send = z3.And(live, z3.Or(carried(Disposition.MOVE_SEND), carried(Disposition.MOVE_SEND_ONCE))), carried(Disposition.MOVE_SEND)

    def unless_reserved(way: Disposition) -> Otherwise:
        return k.otherwise(z3.And(live, carried(way)), tested=carried(way))

    def left(meaning: Term, tested: Term) -> Otherwise:
        return k.otherwise(z3.And(moves, meaning), tested=tested)

    yield k.continues("MAKE_SEND makes a send right", unless_reserved(Disposition.MAKE_SEND), make)
    yield k.continues("MAKE_SEND_ONCE makes a send-once right", unless_reserved(Disposition.MAKE_SEND_ONCE), make_once)
    yield k.continues("MOVE_RECEIVE takes the receive right", unless_reserved(Disposition.MOVE_RECEIVE), move_receive, evidence=REQUEST_KEPT)
    copies = carried(Disposition.COPY_SEND)
    copied_dead = k.otherwise(z3.And(live, copies, dead), tested=z3.And(copies, dead))
    yield k.continues("COPY_SEND of a dead name carries a dead right", copied_dead, copy_dead)
    yield k.continues("COPY_SEND copies the send right", k.otherwise(z3.And(live, copies, z3.Not(dead)), tested=copies), copy)
    dead_pegged = z3.BoolVal(False)
    if k.profile.pegged_urefs:
        dead_pegged = z3.And(dead, dead_urefs == k.urefs_max)
        yield k.continues("a move takes no reference of a dead name that is pegged", left(dead_pegged, tested=dead_pegged), copy_dead)
    yield k.continues("a move takes one reference of a dead name", left(z3.And(dead, z3.Not(dead_pegged)), tested=dead), move_dead)
    if k.profile.pegged_urefs:
        send_pegged = z3.And(takes_send, k.is_pegged(entry))
        yield k.continues("MOVE_SEND copies, if the name is pegged", left(z3.And(send_pegged, z3.Not(dead)), tested=send_pegged), copy)
    one_of_several, last = z3.And(takes_send, urefs > 1), z3.And(takes_send, z3.Not(dead), urefs <= 1)
    several = left(z3.And(one_of_several, z3.Not(z3.Or(dead, pegged))), tested=one_of_several)
    yield k.continues("MOVE_SEND takes one of several references", several, move_one)
    alone = left(z3.And(last, kind == KIND.SEND), tested=z3.And(takes_send, kind == KIND.SEND))
    yield k.continues("MOVE_SEND takes the last reference", alone, move_last)
    beside = left(z3.And(last, kind == KIND.SEND_RECEIVE), tested=takes_send)
    yield k.continues("MOVE_SEND takes the last reference beside the receive right", beside, move_last_keeping_receive)
    once = carried(Disposition.MOVE_SEND_ONCE)
    yield k.continues("MOVE_SEND_ONCE takes the send-once right", left(z3.And(once, kind == KIND.SEND_ONCE), tested=once), move_once)


def _copy_out_requires(k: Context, message: Message, place: Slot) -> list[Term]:
    return [k.in_kernel(message), k.sorts.slots_of_message(place, message)]


@rule(
    "copy out a right",
    requires=_copy_out_requires,
    evidence=rests_on(
        "ipc/ipc_kmsg.c: ipc_kmsg_copyout_object; ipc/ipc_right.c: ipc_right_copyout",
        xnu="ipc/ipc_kmsg.c: ipc_kmsg_copyout_port; ipc/ipc_right.c: ipc_right_copyout",
        manual=page("mach_msg"),
    ),
)
def copy_out(k: Context, message: Message, place: Slot, *, new_name: Name) -> Iterator[Case]:
    """Put the right in ``place`` of a message that the caller receives into the caller's space.

    SEND and RECEIVE for one port share one name. The kernel chooses any free name as a new one. Source:
    ``ipc_right_copyout``.
    """
    # NAMES
    b = k.before
    kind, port = b.kind(place), b.port(place)
    known = b.known_as(k.caller, port)
    is_known = known != k.sorts.null
    entry = k.slot(known)
    sends, once, receives = kind == KIND.SEND, kind == KIND.SEND_ONCE, kind == KIND.RECEIVE
    joins, full = z3.And(sends, is_known, z3.Not(b.sends(entry))), b.urefs(entry) >= k.send_urefs_max

    # RIGHTS
    def fresh(after: After) -> None:
        after.assumptions += [b.empty(k.slot(new_name)), z3.Not(k.reserved(new_name))]

    def take_dead(after: After) -> None:
        clear(after, place)

    def add_reference(after: After) -> None:
        drop_held_send(after, place)
        after.at("urefs")[entry] = b.urefs(entry) + 1

    def drop(after: After) -> None:
        drop_held_send(after, place)

    def join_receive(after: After) -> None:
        clear(after, place)
        put(after, entry, KIND.SEND_RECEIVE, port, 1)

    def new_send(after: After) -> None:
        fresh(after)
        clear(after, place)
        put_name(after, k.caller, new_name, KIND.SEND, port, 1)

    def new_send_once(after: After) -> None:
        fresh(after)
        clear(after, place)
        put(after, k.slot(new_name), KIND.SEND_ONCE, port, 1)

    def receive_into(after: After, name: Term, kind: Term, urefs: Term | int) -> None:
        clear(after, place)
        put_name(after, k.caller, name, kind, port, urefs)
        after.at("receiver")[port] = k.slot(name)
        after.at("mscount")[port] = z3.IntVal(0)

    def join_send(after: After) -> None:
        receive_into(after, known, KIND.SEND_RECEIVE, b.urefs(entry))

    def new_receive(after: After) -> None:
        fresh(after)
        receive_into(after, new_name, KIND.RECEIVE, 0)

    # REPLY
    def into(title: str, when: Term | Otherwise, effect: Effect, name: Term) -> Case:
        return k.continues(title, when, effect, name=name)

    adds = k.otherwise(z3.And(sends, is_known, b.sends(entry), z3.Not(full)), tested=z3.And(sends, is_known))
    yield into("a null right is the name NULL", kind == KIND.NONE, nothing, k.sorts.null)
    yield into("a dead right is the name DEAD", kind == KIND.DEAD_NAME, take_dead, k.sorts.dead)
    yield into("a send right joins the receive right", joins, join_receive, known)
    yield into("a send right is dropped: its name has all references it can have", z3.And(sends, is_known, full), drop, known)
    yield into("a send right adds a user reference", adds, add_reference, known)
    yield into("a send right takes a new name", k.otherwise(z3.And(sends, z3.Not(is_known)), tested=sends), new_send, new_name)
    yield into("a send-once right takes a new name", once, new_send_once, new_name)
    yield into("a receive right joins the send right", z3.And(receives, is_known), join_send, known)
    yield into("a receive right takes a new name", k.otherwise(z3.And(receives, z3.Not(is_known)), tested=receives), new_receive, new_name)


def carries_nothing(k: Context, message: Message) -> list[Term]:
    """The message no longer carries anything."""
    return [k.in_kernel(message), k.carries_nothing_but(message), k.carries_no_memory(message)]


@rule("the message is done with", requires=carries_nothing, evidence=rests_on("ipc/ipc_kmsg.c: ipc_kmsg_copyout", manual=page("mach_msg")))
def finish(k: Context, message: Message) -> Iterator[Case]:
    """Free a message whose rights have all been copied out."""

    # RIGHTS
    def free(after: After) -> None:
        after.at("stage")[message] = STAGE.FREE

    yield k.continues("all rights are copied out", k.otherwise(), free)


def _is_in_kernel(k: Context, message: Message) -> list[Term]:
    return [k.in_kernel(message)]


@rule(
    DESTROY,
    requires=_is_in_kernel,
    evidence=rests_on(
        "ipc/ipc_kmsg.c: ipc_kmsg_clean, ipc_kmsg_clean_body",
        xnu="ipc/ipc_kmsg.c: ipc_kmsg_clean, ipc_kmsg_clean_header, ipc_kmsg_clean_descriptors",
        manual=page("mach_msg"),
    ),
)
def destroy(k: Context, message: Message) -> Iterator[Case]:
    """Destroy a message whose call failed after, or while, its rights were copied in: give up all that it carries."""

    # RIGHTS
    def give_up(after: After) -> None:
        release_message(after, message)
        after.at("stage")[message] = STAGE.FREE

    yield k.continues("all rights that the message carries are given up", k.otherwise(), give_up)
