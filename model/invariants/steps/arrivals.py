"""Step properties of what goes where: a right that is carried or kept is the one that was named, and a call that reads
tells what is there.
"""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import KERNEL_OBJECT_TYPES, Disposition, Notification, PortObject, Right
from sendright.model.invariants.steps.locality import ALLOCATORS, Touched, received_as
from sendright.model.language.actions import counted_messages
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import ANSWERING_RULES, ANY_RIGHT, COPY_IN, COPY_OUT, FIRES_POSSIBLE, LOOK_AT_NAME, LOOK_AT_RIGHT, LOOKS
from sendright.model.language.sorts import KIND, OBJECT, PLACE, POSSIBLE, Term
from sendright.model.language.step_property import forall, step_property
from sendright.model.language.transition import Transition

CARRIED_KINDS = {
    Disposition.MOVE_RECEIVE: KIND.RECEIVE,
    Disposition.MOVE_SEND: KIND.SEND,
    Disposition.MOVE_SEND_ONCE: KIND.SEND_ONCE,
    Disposition.COPY_SEND: KIND.SEND,
    Disposition.MAKE_SEND: KIND.SEND,
    Disposition.MAKE_SEND_ONCE: KIND.SEND_ONCE,
}
"""The kind of right that each disposition carries."""
ALLOCATED_KINDS = {Right.RECEIVE: KIND.RECEIVE, Right.PORT_SET: KIND.PORT_SET, Right.DEAD_NAME: KIND.DEAD_NAME}


def _copied_in(t: Touched) -> Iterator[tuple[str, Term]]:
    """The right in the message is the one under the name, of the kind that the disposition says."""
    k, b, a = t.k, t.b, t.a
    entry, place = k.slot(k["name"], k["space"]), k["place"]
    null = k["name"] == t.sorts.null
    dead = z3.Or(k["name"] == t.sorts.dead, z3.And(z3.Not(null), b.kind(entry) == KIND.DEAD_NAME))
    kinds = z3.And(*[z3.Implies(k["disposition"] == int(way), a.kind(place) == kind) for way, kind in CARRIED_KINDS.items()])
    live = z3.And(kinds, a.port(place) == b.port(entry))
    yield "what is carried", z3.If(null, a.empty(place), z3.If(dead, a.kind(place) == KIND.DEAD_NAME, live))


def _there(t: Touched, slot: Term, kind: Term, port: Term) -> Term:
    """The slot has a right of this kind to the port, maybe beside another one."""
    a = t.a
    has = z3.If(kind == KIND.SEND, a.sends(slot), z3.If(kind == KIND.RECEIVE, a.receives(slot), a.kind(slot) == kind))
    return z3.And(has, a.port(slot) == port)


def _copied_out(t: Touched) -> Iterator[tuple[str, Term]]:
    """The right in the message is under the name that the result gives, and no longer in the message."""
    k, b, place, name = t.k, t.b, t.k["place"], t.x.case.outputs["name"]
    kind = b.kind(place)
    live = _there(t, k.slot(name), kind, b.port(place))
    dead = z3.If(kind == KIND.NONE, name == t.sorts.null, name == t.sorts.dead)
    yield "what is copied out", z3.If(z3.Or(kind == KIND.NONE, kind == KIND.DEAD_NAME), dead, live)
    yield "its place in the message", t.a.empty(place)


def _inserted(t: Touched) -> Iterator[tuple[str, Term]]:
    carried = t.S.body_slot(t.k["message"], z3.IntVal(0))
    yield "what is inserted", _there(t, t.names()[0], t.b.kind(carried), t.b.port(carried))
    yield "its place in the message", t.a.empty(carried)


def _registered(t: Touched) -> Iterator[tuple[str, Term]]:
    """The given right is kept for the notification, or used for it if the event has happened; the old one goes back."""
    k, b, a, S = t.k, t.b, t.a, t.S
    entry = t.names()[0]
    carried, port = S.body_slot(k["message"], z3.IntVal(0)), b.port(entry)
    none_left = z3.And(b.srights(port) == 0, k["sync"] <= b.mscount(port))
    room = z3.Or(b.kind(entry) == KIND.SEND_ONCE, b.object(port) != OBJECT.OBJECT_NONE, counted_messages(b, port, k.profile) < b.qlimit(port))
    request = S.request_slot(t.target, k["name"])
    asked = {
        Notification.DEAD_NAME: (S.request_slot(t.target, k["name"]), b.kind(entry) == KIND.DEAD_NAME),
        Notification.NO_SENDERS: (S.no_senders_slot(port), none_left),
        Notification.PORT_DESTROYED: (S.port_destroyed_slot(port), z3.BoolVal(False)),
    }
    sent = z3.And(t.made_message(k["notification"]), a.queued_on(k["notification"], b.port(carried)))

    def swapped(one: Term, other: Term) -> Term:
        return z3.And(a.kind(one) == b.kind(other), a.port(one) == b.port(other))

    if k.profile.send_possible:
        asked[Notification.SEND_POSSIBLE] = request, z3.Or(b.kind(entry) == KIND.DEAD_NAME, z3.And(k["sync"] != 0, room))
    for event, (slot, happened) in asked.items():
        told = z3.And(happened, b.kind(carried) == KIND.SEND_ONCE)
        says = z3.IntVal(int(event))
        if event is Notification.SEND_POSSIBLE:  # a dead name can't be sent to any more
            says = z3.If(b.kind(entry) == KIND.DEAD_NAME, int(Notification.DEAD_NAME), says)
        at_once = z3.And(a.empty(slot), sent, a.id(k["notification"]) == says)
        kept = z3.If(told, at_once, z3.And(swapped(slot, carried), z3.Not(t.made_message(k["notification"]))))
        back = swapped(carried, slot)
        if k.profile.send_possible and event in (Notification.DEAD_NAME, Notification.SEND_POSSIBLE):
            back = z3.If(b.send_possible(slot) == POSSIBLE.FIRED, a.empty(carried), back)
        done = z3.And(kept, back)
        yield f"the request for {event.name.lower().replace('_', '-')}", z3.Implies(k["variant"] == int(event), done)


def _due(t: Touched) -> Iterator[tuple[str, Term]]:
    """A follow-up rule tells the requester what has happened, if the requester's port lives. (A receive right that
    would be carried in a circle isn't sent.)
    """
    k, b, a, request = t.k, t.b, t.a, t.answered
    if t.has("name"):
        dead = z3.Or(b.kind(k.slot(k["name"], k["space"])) == KIND.DEAD_NAME, b.died_first(request))
        event: Term = z3.If(dead, z3.IntVal(int(Notification.DEAD_NAME)), z3.IntVal(int(Notification.PORT_DELETED)))
        if t.rule == FIRES_POSSIBLE:
            event = z3.IntVal(int(Notification.SEND_POSSIBLE))
    elif t.has("reaches"):
        event = z3.IntVal(int(Notification.PORT_DESTROYED))
    else:
        event = z3.IntVal(int(Notification.NO_SENDERS))
    told = b.kind(request) == KIND.SEND_ONCE
    if t.has("reaches"):
        told = z3.And(told, z3.Not(k["reaches"](k["of"])))
    sent = z3.And(t.made_message(k["notification"]), a.queued_on(k["notification"], b.port(request)), a.id(k["notification"]) == event)
    yield "the requester gets a message", z3.Implies(told, sent)


def _renamed(t: Touched) -> Iterator[tuple[str, Term]]:
    k, b, a, S = t.k, t.b, t.a, t.S
    for what, make in (("entry", S.name_slot), ("dead-name request", S.request_slot)):
        old, new = make(t.target, k["old_name"]), make(t.target, k["new_name"])
        yield f"the {what}", z3.And(a.kind(new) == b.kind(old), a.port(new) == b.port(old), a.empty(old))


def _looked_at(t: Touched) -> Iterator[tuple[str, Term]]:
    """A call looks at its target's name in any case. It looks at a right in its request if the target and the two
    rights before it are copied in, and at a name in its target's space if the name was such a right, or for any right.
    """
    k, b, a = t.k, t.b, t.a
    looks, entry = z3.BoolVal(True), k.slot(k["name"])
    if t.rule == LOOK_AT_RIGHT:
        names = k["first"], k["second"]
        copied = [z3.Or(k.reserved(name), b.sends(k.slot(name)), b.kind(k.slot(name)) == KIND.DEAD_NAME) for name in names]
        looks = z3.And(b.sends(k.slot(k["control"])), *copied)
    elif t.rule == LOOK_AT_NAME:
        entry, right = k.slot(k["name"], k.task_behind(k["control"])), k["right"]
        was = [z3.And(right == int(of), b.unlooked(entry) == kind) for of, kind in ((Right.SEND, KIND.SEND), (Right.SEND_ONCE, KIND.SEND_ONCE))]
        looks = z3.And(k.object(k["control"], PortObject.TASK), z3.Or(right == ANY_RIGHT, right == int(Right.DEAD_NAME), *was))
    waits = z3.And(b.kind(entry) == KIND.DEAD_NAME, b.unlooked(entry) != KIND.NONE)
    yield "what a call looks at", z3.Implies(waits, a.unlooked(entry) == z3.If(looks, KIND.NONE, b.unlooked(entry)))


def _allocated(t: Touched) -> Iterator[tuple[str, Term]]:
    k, a, told = t.k, t.a, t.x.case.outputs
    name = next(told[each] for each in ("name", "port") if each in told)
    slot = k.slot(name, t.target)
    if t.has("right"):
        made = z3.And(*[z3.Implies(k["right"] == int(right), a.kind(slot) == kind) for right, kind in ALLOCATED_KINDS.items()])
        made = z3.And(made, z3.Implies(k["right"] == int(Right.RECEIVE), a.port(slot) == k["new_port"]))
    else:
        both = z3.If(k["insert_send"], KIND.SEND_RECEIVE, KIND.RECEIVE) if t.has("insert_send") else KIND.RECEIVE
        made = z3.Or(name == t.sorts.null, z3.And(a.kind(slot) == both, a.port(slot) == k["new_port"]))
    yield "what is allocated", made


_ARRIVALS = {
    COPY_IN: _copied_in,
    COPY_OUT: _copied_out,
    **dict.fromkeys(LOOKS, _looked_at),
    "mach_port_insert_right": _inserted,
    "mach_port_request_notification": _registered,
    "mach_port_rename": _renamed,
    **dict.fromkeys(ALLOCATORS, _allocated),
    **dict.fromkeys(ANSWERING_RULES, _due),
}


@step_property(207, "a right arrives as it was named")
def arrivals(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A message carries the right under the name that its sender gave, of the kind that the disposition says. The
    receiver gets that very right, under the name in the result. An inserted right is under the given name.

    A notification request keeps the given send-once right if its event is still to come. If it has happened, the
    request uses the right at once and keeps none. In both cases it gives back the old one. When the event comes, its
    requester gets a message if its port lives.

    A renamed right is the same under the new name. An allocation makes what was requested. A name at which a call looks
    is a dead name afterwards, if its port has died. A call looks at a right of its request only if it copies in those
    before it, and at a name in its target's space if the call is about the right that the name was.
    """
    if x.rule in _ARRIVALS and x.case.code in (None, ReturnCode.KERN_SUCCESS):
        yield from _ARRIVALS[x.rule](Touched(v, x))


def _told(t: Touched) -> Iterator[tuple[str, Term]]:
    """What each call that reads has to tell: for the names of its results their values."""
    k, b, told = t.k, t.b, t.x.case.outputs
    if t.rule in ("mach_port_get_refs", "mach_port_type"):
        [slot] = t.names()
        if t.rule == "mach_port_type":
            yield "type", z3.If(k["name"] == t.sorts.dead, told["type"] == KIND.DEAD_NAME, told["type"] == b.kind(slot))
            return
        has = {
            Right.SEND: b.sends(slot),
            Right.RECEIVE: b.receives(slot),
            Right.SEND_ONCE: b.kind(slot) == KIND.SEND_ONCE,
            Right.PORT_SET: b.kind(slot) == KIND.PORT_SET,
            Right.DEAD_NAME: b.kind(slot) == KIND.DEAD_NAME,
        }
        for right, there in has.items():
            count = b.urefs(slot) if right in (Right.SEND, Right.DEAD_NAME) else z3.IntVal(1)
            passes = z3.And(k.profile.reserved_names_pass, k.reserved(k["name"]))
            value = z3.If(passes, told["refs"] == 1, told["refs"] == z3.If(there, count, 0))
            yield right.name, z3.Implies(k["right"] == int(right), value)
    elif t.rule == "mach_port_get_attributes":
        port = b.port(t.names()[0])
        same = ("seqno", "mscount", "qlimit", "msgcount", "sorights")
        values = {f"info.{name}": b.fields[name](port) for name in same}
        if k.profile.room_is_given:
            values["info.msgcount"] = b.msgcount(port) + b.reserved(port)
        values["info.queue_limit"] = b.qlimit(port)
        requests = {"info.pdrequest": t.S.port_destroyed_slot(port), "info.nsrequest": t.S.no_senders_slot(port)}
        values |= {name: z3.If(b.empty(slot), 0, 1) for name, slot in requests.items()}
        values["info.srights"] = z3.If(b.srights(port) > 0, 1, 0)
        values["info.throttled"] = z3.If(b.is_throttled(port), 1, 0)
        values["info.sets_of"] = port
        yield from ((name, told[name] == value) for name, value in values.items() if name in told)
    elif t.rule == "mach_port_get_srights":
        yield "send rights", told["srights"] == b.srights(b.port(t.names()[0]))
    elif t.rule == "mach_port_get_context":
        port = b.port(t.names()[0])
        yield "context", told["context"] == z3.If(b.is_strict(port), 0, b.context(port))
    elif "object_type" in told:
        found = b.object(b.port(t.names()[0]))
        for kind, number in KERNEL_OBJECT_TYPES.items():
            if kind is not PortObject.NONE and (kind is not PortObject.DEVICE or k.profile.device_port_has_type):
                yield kind.name, (told["object_type"] == number) == (found == OBJECT.of(kind))
    elif "entries_of" in told or "count_of" in told:
        yield "entries", told.get("entries_of", told.get("count_of")) == t.target
    elif t.rule == "ledger_read":
        ledger = b.port(k.slot(k["ledger"]))
        yield "balance", told["balance"] == b.ledger_balance(ledger)
        yield "limit", told["limit"] == b.ledger_limit(ledger)
    elif t.rule == "mach_port_get_set_status":
        yield "members", told["members_of"] == t.names()[0]
    elif t.rule == "mach_port_names":
        yield "names", told["names_of"] == t.target
    elif t.x.is_call(lambda call: call.selects_exceptions) and told:
        yield from _told_groups(t)


def _told_groups(t: Touched) -> Iterator[tuple[str, Term]]:
    """A reply lists the selected types of exception in groups that go to one port with one behaviour and flavour: as
    many as the request has room for, or all if it doesn't say.
    """
    k, b, told = t.k, t.b, t.x.case.outputs
    has_count = k.profile.takes(t.rule, "count")
    places = {number: (t.target, PLACE.of(place)) for number, place in enumerate(k.profile.exception_places, 1)}
    numbers = range(1, len(places) + 1)
    selected = {number: (k["exception_mask"] / z3.IntVal(1 << number)) % 2 == 1 for number in numbers}

    keeps_ports = k.profile.exception_groups_by_port and "new_port" not in k.constants

    def alike(one: int, other: int) -> Term:
        """The type ``other`` is like the earlier type ``one``."""
        held = [t.S.place_slot(*places[number]) for number in (one, other)]
        same = [b.fields[name](held[0]) == b.fields[name](held[1]) for name in ("kind", "port")]
        same += [b.fields[name](*places[one]) == b.fields[name](*places[other]) for name in ("exception_behaviour", "exception_flavour")]
        had = b.had(held[0]) if keeps_ports else t.sorts.no_port
        return z3.And(*same, b.had(held[1]) == had)

    def is_listed_before(number: int, than: int) -> Term:
        """The type ``number`` is like a type before ``than``."""
        return z3.Or(*[z3.And(selected[first], alike(first, number)) for first in numbers if first < than])

    listed = z3.IntVal(0)
    for number in numbers:
        begins = z3.And(selected[number], z3.Not(is_listed_before(number, number)))
        later = [(other, z3.And(alike(number, other), z3.Not(is_listed_before(other, number)))) for other in numbers if other > number]
        bits = [z3.If(z3.And(selected[other], joins), 1 << other, 0) for other, joins in later]
        reported = [
            told[f"told.{number}"] == (z3.And(begins, listed < k["count"]) if has_count else begins),
            told[f"masks.{number}"] == z3.Sum(z3.IntVal(1 << number), *bits),
            told[f"behaviors.{number}"] == b.exception_behaviour(*places[number]),
            told[f"flavors.{number}"] == b.exception_flavour(*places[number]),
        ]
        yield f"exception {number}", z3.And(*reported)
        listed = listed + z3.If(begins, 1, 0)


@step_property(208, "a call that reads tells what is there")
def results(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """mach_port_get_refs tells the references of the right that was requested, mach_port_type the kind of the name,
    mach_port_get_attributes the words of the port, ledger_read the balance and limit. mach_port_get_srights tells the
    port's send rights, mach_port_get_context its context unless it is strict, mach_port_kobject which kernel object it
    is.

    mach_port_names, mach_port_space_info and mach_port_space_basic_info are about the names of their target, and
    mach_port_get_set_status lists the members of the set that is named.
    The exception calls tell the groups of types that are handled alike, each once, and what they have in common.
    mach_port_extract_right tells the form of its right. (For
    tokens and memory, see step invariants 109 and 110.)
    """
    if x.rule == "mach_port_extract_right" and "acquired" in x.case.outputs:
        yield "the form", received_as(x.k["disposition"], x.case.outputs["acquired"])
    if x.case.code is ReturnCode.KERN_SUCCESS:
        yield from _told(Touched(v, x))


@step_property(209, "the end of the last send right is noted")
def last_send_right(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """When a port's last send right goes, and a no-senders request is registered, the notification becomes due in that
    step, with the make-send count (which is 0 from when the receive right goes to its port-destroyed requester).

    (Step invariant 16 says that it becomes due only then, and what it reports.)
    """
    if not x.after.changed("srights"):
        return
    b, a = x.before, x.after
    goes = z3.And(b.active(v.p), a.active(v.p), b.srights(v.p) > 0, a.srights(v.p) == 0)
    registered = z3.Not(b.empty(v.S.no_senders_slot(v.p)))
    due = z3.Or(a.no_senders_due(v.p) == b.mscount(v.p) + 1, z3.And(v.S.is_limbo_slot(a.receiver(v.p)), a.no_senders_due(v.p) == 1))
    yield "it is due", forall([v.p], z3.Implies(z3.And(goes, registered), due))
