"""Invariants of rights, names, requests and ports."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.port_attributes import PortPurpose
from sendright.mach.abi.rights import Place, PortObject
from sendright.mach.kernel.profiles import Profile
from sendright.model.invariants.known_breaks import is_broken
from sendright.model.language.actions import is_exception_place
from sendright.model.language.invariant import LIMITS, Variables, forall, invariant, named, variant
from sendright.model.language.sorts import KIND, LIFE, OBJECT, PLACE, PURPOSE, STAGE, WAIT, Term
from sendright.model.language.state import State


@invariant(1, "one receive right")
def one_receive_right(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Each active port has exactly one receive right: in one space entry, in one message, or in the kernel."""
    place = s.receiver(v.p)
    yield "an active port has a receive right", forall([v.p], z3.Implies(s.active(v.p), z3.And(s.receives(place), s.port(place) == v.p)))
    yield "it has no other", forall([v.s], z3.Implies(s.receives(v.s), s.receiver(s.port(v.s)) == v.s))


@invariant(2, "a dead port has nothing")
def dead_port(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A dead port has no receive right anywhere and no queue. (A step property says that it never lives again.)"""
    yield "no receive right", forall([v.s], z3.Implies(s.receives(v.s), s.active(s.port(v.s))))
    yield "no queue", forall([v.m], z3.Implies(s.stage(v.m) == STAGE.QUEUED, s.active(s.queue(v.m))))


@invariant(3, "a port is where its receive right is")
def receiver_is_entry(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A port's receive right is under a name exactly if that name has RECEIVE for the port."""
    slot = named(v)
    body = z3.And(s.receives(slot), s.port(slot) == v.p) == z3.And(s.active(v.p), s.receiver(v.p) == slot)
    yield "both directions", forall([v.t, v.n, v.p], body)


@invariant(4, "one name for SEND and RECEIVE")
def one_name(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """In one space at most one name carries SEND or RECEIVE for a port, and the space knows it by that name."""
    slot = named(v)
    holds = z3.Or(s.sends(slot), s.receives(slot))
    yield "the space knows the name of each right", forall([v.t, v.n], z3.Implies(holds, s.known_as(v.t, s.port(slot)) == v.n))
    known = v.S.name_slot(v.t, s.known_as(v.t, v.p))
    yield (
        "a known name has the right",
        forall(
            [v.t, v.p],
            z3.Implies(s.known_as(v.t, v.p) != v.sorts.null, z3.And(z3.Or(s.sends(known), s.receives(known)), s.port(known) == v.p)),
        ),
    )


@invariant(5, "send-once rights have names of their own")
def send_once_names(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A send-once entry has one user reference, and no entry uses the names NULL and DEAD.

    (A name is one slot: no entries share it.)
    """
    slot = named(v)
    yield "one reference", forall([v.t, v.n], z3.Implies(s.kind(slot) == KIND.SEND_ONCE, s.urefs(slot) == 1))
    yield "NULL and DEAD are unused", forall([v.t], z3.And(*[s.empty(v.S.name_slot(v.t, name)) for name in (v.sorts.null, v.sorts.dead)]))


@invariant(6, "slots hold only the kinds of right that belong there")
def kinds(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A message holds rights that can be carried. Requests are send-once rights or dead. The kernel's slots and limbo
    hold receive rights.

    (Of places and the host's special ports, see invariant 42.)
    """

    def within(slot: Term, *allowed: Term) -> Term:
        return z3.Or(*[s.kind(slot) == kind for kind in (KIND.NONE, *allowed)])

    S, destination = v.S, v.S.destination_slot(v.m)
    yield "destinations", forall([v.m], within(destination, KIND.SEND, KIND.SEND_ONCE, KIND.DEAD_NAME))
    yield "replies", forall([v.m], within(S.reply_slot(v.m), KIND.SEND, KIND.SEND_ONCE, KIND.DEAD_NAME))
    carried = (KIND.SEND, KIND.RECEIVE, KIND.SEND_ONCE, KIND.DEAD_NAME)
    yield "bodies", forall([v.m, v.i], within(S.body_slot(v.m, v.i), *carried))
    request, sends_once = S.request_slot(v.t, v.n), (KIND.SEND_ONCE, KIND.DEAD_NAME)
    yield "dead-name requests", forall([v.t, v.n], within(request, *sends_once))
    for slot in (S.no_senders_slot(v.p), S.port_destroyed_slot(v.p)):
        yield "requests of ports", forall([v.p], within(slot, *sends_once))
    limbo = S.limbo_slot(v.p)
    yield "limbo", forall([v.p], z3.And(within(limbo, KIND.RECEIVE), z3.Or(s.empty(limbo), s.port(limbo) == v.p)))
    kernel = S.kernel_slot(v.p)
    yield "kernel", forall([v.p], z3.And(within(kernel, KIND.RECEIVE), z3.Or(s.empty(kernel), s.port(kernel) == v.p)))


@invariant(7, "user references stay in range")
def user_references(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A send right has 1 to UREFS_MAX - 1 references (to UREFS_MAX where they are pegged), a dead name 1 to UREFS_MAX,
    a pure receive right and a port set none.
    """
    slot = named(v)
    urefs = s.urefs(slot)
    yield "send rights", forall([v.t, v.n], z3.Implies(s.sends(slot), z3.And(urefs >= 1, urefs <= LIMITS.urefs_max - 1)))
    dead = s.kind(slot) == KIND.DEAD_NAME
    yield "dead names", forall([v.t, v.n], z3.Implies(dead, z3.And(urefs >= 1, urefs <= LIMITS.urefs_max)))
    none = z3.Or(s.kind(slot) == KIND.RECEIVE, s.kind(slot) == KIND.PORT_SET, s.empty(slot))
    yield "the others", forall([v.t, v.n], z3.Implies(none, urefs == 0))


def pegs_references(profile: Profile) -> bool:
    """Whether the profile's kernel keeps user references that have reached their limit."""
    return profile.pegged_urefs


@variant(7, pegs_references)
def pegged_references(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A send right and a dead name have 1 to UREFS_MAX references, and are pegged at UREFS_MAX.

    A pure receive right and a port set have none.
    """
    slot = named(v)
    urefs = s.urefs(slot)
    counted = z3.Or(s.sends(slot), s.kind(slot) == KIND.DEAD_NAME)
    yield "send rights and dead names", forall([v.t, v.n], z3.Implies(counted, z3.And(urefs >= 1, urefs <= LIMITS.urefs_max)))
    none = z3.Or(s.kind(slot) == KIND.RECEIVE, s.kind(slot) == KIND.PORT_SET, s.empty(slot))
    yield "the others", forall([v.t, v.n], z3.Implies(none, urefs == 0))


@invariant(8, "send rights are counted")
def send_rights(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """The kernel's count of a port's send rights is the number of slots that hold one.

    A slot counts once, for any number of user references.
    """
    yield "the count", forall([v.p], z3.Implies(s.active(v.p), s.srights(v.p) == s.sending_slots(v.p)))


@variant(8, lambda profile: profile.kernel_reply_needs_room)
def send_rights_and_lost_ones(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """The kernel's count of a port's send rights is the number of slots that hold one, and of those that it has lost.

    A slot counts once, for any number of user references.
    """
    yield "the count", forall([v.p], z3.Implies(s.active(v.p), s.srights(v.p) == s.sending_slots(v.p) + s.lost_sends(v.p)))
    yield "what is lost", forall([v.p], z3.Implies(s.active(v.p), s.lost_sends(v.p) >= 0))


@invariant(9, "send-once rights are counted")
def send_once_rights(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """The kernel's count of a port's send-once rights is the number of slots that hold one."""
    yield "the count", forall([v.p], z3.Implies(s.active(v.p), s.sorights(v.p) == s.send_once_slots(v.p)))


@invariant(10, "no right to a dead port")
def rights_are_live(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A slot that holds a right holds it to an active port; a dead name, a port set and an empty slot denote no
    port.
    """
    nothing = z3.Or(s.empty(v.s), s.kind(v.s) == KIND.DEAD_NAME, s.kind(v.s) == KIND.PORT_SET)
    yield "rights", forall([v.s], z3.Implies(z3.Not(nothing), s.active(s.port(v.s))))


@invariant(17, "port sets contain receive rights of their space")
def members(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """The members of a port set are active ports whose receive rights are in the same space.

    Moved or destroyed rights are in no set.
    """
    S, receiver = v.S, s.receiver(v.p)
    inside = z3.And(s.active(v.p), S.is_name_slot(receiver), s.kind(S.name_slot(S.space(receiver), v.n)) == KIND.PORT_SET)
    yield "members", forall([v.p, v.n], z3.Implies(s.member(v.p, v.n), inside))


@invariant(18, "no receive right is on its way to itself")
def acyclic(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """The in-transit graph has no circle: a port whose receive right is in a queued or waiting message ranks below the
    message's destination.
    """
    carried, target = v.S.body_slot(v.m, v.i), s.port(v.S.destination_slot(v.m))
    goes = z3.And(s.on_its_way(v.m), s.kind(carried) == KIND.RECEIVE, target != v.sorts.no_port)
    yield "ranks rise", forall([v.m, v.i], z3.Implies(goes, s.transit_rank(s.port(carried)) < s.transit_rank(target)))


@invariant(25, "null and dead rights are inert")
def inert(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A dead name, a port set and an empty slot denote the null port, which is never made."""
    nothing = z3.Or(s.empty(v.s), s.kind(v.s) == KIND.DEAD_NAME, s.kind(v.s) == KIND.PORT_SET)
    yield "they denote the null port", forall([v.s], z3.Implies(nothing, s.port(v.s) == v.sorts.no_port))
    yield "the null port is never made", s.port_life(v.sorts.no_port) == LIFE.UNBORN


@invariant(11, "a dead-name request belongs to a live right")
def requests(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A port set has no dead-name request.

    (A request beside a free or dead name is about to fire. Other calls begin after that.) A dead name with a request
    has room for the reference that the notification adds (where references aren't pegged).
    """
    entry, request = named(v), v.S.request_slot(v.t, v.n)
    asked = z3.Not(s.empty(request))
    yield "no port sets", forall([v.t, v.n], z3.Implies(asked, s.kind(entry) != KIND.PORT_SET))
    room = s.urefs(entry) <= LIMITS.urefs_max - 1
    yield "room for one more reference", forall([v.t, v.n], z3.Implies(z3.And(asked, s.kind(entry) == KIND.DEAD_NAME), room))


@variant(11, pegs_references)
def requests_of_pegged_names(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A port set has no dead-name request. (A dead name needs no room for a reference: at the limit it is pegged.)"""
    yield "no port sets", forall([v.t, v.n], z3.Implies(s.kind(named(v)) == KIND.PORT_SET, s.empty(v.S.request_slot(v.t, v.n))))


@invariant(15, "no-senders is due only where it was requested")
def no_senders(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A no-senders notification is due only for an active port with a no-senders request."""
    due = s.no_senders_due(v.p) != 0
    waits = z3.And(s.active(v.p), z3.Not(s.empty(v.S.no_senders_slot(v.p))))
    yield "a due port has a request", forall([v.p], z3.Implies(due, waits))


@invariant(42, "a kernel-held slot holds null, dead or one send right")
def held(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Each place of a task (special, registered, exception) and each special port of the host holds nothing, a dead
    right, or one counted send right.

    (Its count is invariant 8, and that it has no user references is invariant 107.)
    """

    def one(slot: Term) -> Term:
        return z3.Or(s.empty(slot), s.kind(slot) == KIND.DEAD_NAME, s.kind(slot) == KIND.SEND)

    yield "what a place holds", forall([v.t, v.w], one(v.S.place_slot(v.t, v.w)))
    yield "what a host port is", forall([v.s], z3.Implies(v.S.is_host_slot(v.s), one(v.s)))


@invariant(105, "a receive right in transit has zero counts")
def in_transit(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """While a port's receive right is in a message or in limbo, its make-send count and sequence number are 0."""
    receiver = s.receiver(v.p)
    carried = z3.And(s.active(v.p), z3.Or(v.S.is_body_slot(receiver), v.S.is_limbo_slot(receiver)))
    yield "counts", forall([v.p], z3.Implies(carried, z3.And(s.mscount(v.p) == 0, s.seqno(v.p) == 0)))


@invariant(107, "only names have user references")
def urefs_outside_names(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Outside port name spaces no right has user references."""
    yield "elsewhere 0", forall([v.s], z3.Implies(z3.Not(v.S.is_name_slot(v.s)), s.urefs(v.s) == 0))


@invariant(109, "a dead port has no requests")
def dead_ports_requests(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """No request is kept for a port that isn't active, nor for one that stands for a kernel object."""
    asked = z3.Not(z3.And(s.empty(v.S.no_senders_slot(v.p)), s.empty(v.S.port_destroyed_slot(v.p))))
    yield "requests", forall([v.p], z3.Implies(asked, z3.And(s.active(v.p), s.object(v.p) == OBJECT.OBJECT_NONE)))


@invariant(108, "nothing leads to a port that is not yet made")
def unborn_ports(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """No slot holds a right to a port that isn't made yet, and no message waits there."""
    counts = z3.And(s.sending_slots(v.p) == 0, s.send_once_slots(v.p) == 0, s.queued_messages(v.p) == 0)
    yield "counts", forall([v.p], z3.Implies(s.port_life(v.p) == LIFE.UNBORN, counts))


@invariant(111, "a port is in one set at most", lambda profile: not profile.many_sets)
def one_set(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """No port is in two port sets."""
    yield "one set", forall([v.p, v.n, v.n2], z3.Implies(z3.And(s.member(v.p, v.n), s.member(v.p, v.n2)), v.n == v.n2))


@invariant(115, "the count of send rights is never too low", lambda profile: is_broken("invariant 8", profile))
def send_rights_at_least(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """The part of invariant 8 that holds where a kernel breaks it: the count is never too low, so no-senders
    notifications never come too early.
    """
    yield "the count", forall([v.p], z3.Implies(s.active(v.p), s.srights(v.p) >= s.sending_slots(v.p)))


FLAVOURS_THAT_STAY = (PortObject.TASK_INSPECT, PortObject.TASK_READ)
"""The further ports of tasks to which send rights are immovable, in kernels that have such ports."""


@invariant(118, "a right to a task's port is immovable", lambda profile: bool(profile.immovable_objects))
def task_ports_stay(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A send right to a task's port, of a kind that is immovable, is under a name or in the place KERNEL. It is in no
    message on its way, in no other place, and in no request.

    A message that the kernel is working on may have such a right for destination. It may carry one to a port of the
    kernel's, back to the caller, or into a call (such a request has no descriptors).
    """
    yield from _stays(v, s, PortObject.TASK, *FLAVOURS_THAT_STAY)


@variant(118, lambda profile: not profile.task_ports_stay)
def further_ports_stay(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A send right to a task's inspect or read port is under a name. It is in no message on its way, in no place of a
    task, and in no request.

    A message that the kernel is working on may have such a right for destination. It may carry one to a port of the
    kernel's, back to the caller, or into a call (such a request has no descriptors).
    """
    yield from _stays(v, s, *FLAVOURS_THAT_STAY)


def _stays(v: Variables, s: State, *kinds: PortObject) -> Iterator[tuple[str, Term]]:
    """Send rights to ports of these kinds are immovable."""

    def makes_immovable(slot: Term) -> Term:
        return z3.Or(*[s.object(s.port(slot)) == OBJECT.of(kind) for kind in kinds])

    S, message = v.S, v.sorts.message_of(v.s)
    held = z3.And(s.sends(v.s), makes_immovable(v.s))
    in_hand = z3.And(v.sorts.in_message(v.s), z3.Not(S.is_reply_slot(v.s)), s.stage(message) == STAGE.IN_KERNEL)
    at_home = z3.And(S.is_place_slot(v.s), S.place(v.s) == PLACE.of(Place.KERNEL))
    yield "where it is", forall([v.s], z3.Implies(held, z3.Or(S.is_name_slot(v.s), at_home, in_hand)))
    carried, destination = S.body_slot(v.m, v.i), S.destination_slot(v.m)
    carries = z3.And(s.sends(carried), makes_immovable(carried))
    to_user = z3.And(
        z3.Or(s.kind(destination) == KIND.SEND, s.kind(destination) == KIND.SEND_ONCE), s.object(s.port(destination)) == OBJECT.OBJECT_NONE
    )
    described = s.layout(v.m) != v.sorts.no_descriptors
    yield "to whom it goes", forall([v.m, v.i], z3.Implies(z3.And(carries, described), z3.Not(to_user)))


@invariant(120, "guards are of receive rights in spaces", lambda profile: profile.has_guards)
def guards(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A port whose receive right isn't under a name has no context and no temporary owner, and isn't guarded, strict or
    immovable.

    Only a guarded port is strict.
    """
    away = z3.And(s.active(v.p), z3.Not(v.S.is_name_slot(s.receiver(v.p))))
    none = z3.And(s.context(v.p) == 0, z3.Not(z3.Or(s.is_guarded(v.p), s.is_strict(v.p), s.is_immovable(v.p), s.has_temp_owner(v.p))))
    yield "no guard elsewhere", forall([v.p], z3.Implies(away, none))
    yield "strict ports are guarded", forall([v.p], z3.Implies(z3.And(s.active(v.p), s.is_strict(v.p)), s.is_guarded(v.p)))


@invariant(136, "only users' ports have a purpose", lambda profile: profile.has_guards)
def purposes(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A port that stands for a kernel object has no purpose, and isn't a service port. Only a service port is
    throttled.
    """
    of_kernel = z3.And(s.active(v.p), s.object(v.p) != OBJECT.OBJECT_NONE)
    none = z3.And(s.purpose(v.p) == PURPOSE.of(PortPurpose.NONE), z3.Not(s.is_service(v.p)))
    yield "kernel objects", forall([v.p], z3.Implies(of_kernel, none))
    yield "services are throttled", forall([v.p], z3.Implies(z3.And(s.active(v.p), s.is_throttled(v.p)), s.is_service(v.p)))


@invariant(127, "a name that no call has looked at was a send or send-once right", lambda profile: profile.dead_names_are_lazy)
def unlooked_names(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Only names are unlooked, and what is remembered of one is that it was a send right, or a send-once right."""
    was = z3.Or(s.unlooked(v.s) == KIND.SEND, s.unlooked(v.s) == KIND.SEND_ONCE)
    yield "what it was", forall([v.s], z3.Or(s.unlooked(v.s) == KIND.NONE, z3.And(v.S.is_name_slot(v.s), was)))


@invariant(130, "it is remembered which exception ports have died", lambda profile: profile.exception_types > 0)
def died_handlers(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Of an exception place that holds a dead right since its port has died, that port is remembered; of no other
    slot.
    """
    had = s.had(v.s)
    dead = z3.And(is_exception_place(s, v.s), s.kind(v.s) == KIND.DEAD_NAME, s.port_life(had) == LIFE.ENDED)
    yield "where", forall([v.s], z3.Or(had == v.sorts.no_port, dead))


@invariant(122, "only a stopped call holds a right in hand")
def in_hand(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A task's call holds a right that it took out of a place only while it is stopped."""
    idle = s.wait(v.t) != WAIT.SETTING
    yield "what is there", forall([v.t], z3.Implies(idle, s.empty(v.S.place_slot(v.t, PLACE.PLACE_IN_HAND))))
