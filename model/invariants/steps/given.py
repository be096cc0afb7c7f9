"""Step properties of what callers give: values that are stored, dispositions that fit."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.port_attributes import PortAttributes, PortPurpose
from sendright.mach.abi.rights import Disposition
from sendright.mach.signatures import ArgumentType, Signature
from sendright.model.invariants.steps.locality import Touched, purposes_given, request_of_trap
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import COPY_IN
from sendright.model.language.sorts import KIND, PURPOSE, Term
from sendright.model.language.state import FIELDS, State
from sendright.model.language.step_property import step_property
from sendright.model.language.transition import Transition

SENDS = (Disposition.MOVE_SEND, Disposition.COPY_SEND)
"""They carry a send right; the others but MOVE_SEND_ONCE carry, or make a right from, the receive right."""


LENDING = (PortAttributes.TEMPOWNER, PortAttributes.IMPORTANCE_RECEIVER, PortAttributes.DENAP_RECEIVER)
"""The flavours with which a port begins to lend importance."""


@step_property(210, "what a caller gives is stored")
def stored(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A call that succeeds stores each argument that is named like an attribute of a port: its make-send count,
    sequence number, queue limit, context, and what a guard forbids.

    The port is the one that is named, or the new one. A queue limit of -1 is the usual one. A guard is stored as the
    context. Without a guard nothing is forbidden. (A call that reads a port stores nothing.)
    """
    if x.call is None or x.case.code is not ReturnCode.KERN_SUCCESS:
        return
    t, k, a = Touched(v, x), x.k, x.after
    given = {each.name: each.type for each in x.call.arguments if t.has(each.name)}
    new = "new_port" in k.rule.choices
    port = k["new_port"] if new else x.before.port(t.names()[0]) if t.names() else None
    if port is None or (x.call.outputs and not new):
        return  # it reads
    guard = k["context_as_guard"] if t.has("context_as_guard") else None
    for name, type_ in given.items():
        field = name if name in FIELDS else f"is_{name}"
        if field not in FIELDS or FIELDS[field].domain != ("Port",):
            continue
        value = k[name]
        if type_ is ArgumentType.QUEUE_LIMIT:
            value = z3.If(value == -1, k.queue_limit, value)
        elif name in ("strict", "immovable") and guard is not None:
            value = z3.And(guard, value)
            value = z3.Or(k["exception"], value) if name == "immovable" else value
        elif field == "is_immovable":  # it stays
            value = z3.Or(x.before.is_immovable(port), value)
        yield f"the {name}", a.fields[field](port) == value
    for name, type_ in given.items():
        if type_ is ArgumentType.LIMITS:
            yield "the queue limit", z3.Implies(k["flavor"] == int(PortAttributes.LIMITS_INFO), a.qlimit(port) == k[name](z3.IntVal(0)))
    if "guard" in given and "strict" in given:
        yield "the guard", z3.And(a.context(port) == k["guard"], a.is_guarded(port))
    if "flavor" in given and "info" in given:
        donates = z3.Or(*[k["flavor"] == int(flavour) for flavour in LENDING])
        yield "who lends importance", z3.Implies(donates, a.is_donating(port))
        yield "a temporary owner", z3.Implies(k["flavor"] == int(PortAttributes.TEMPOWNER), a.has_temp_owner(port))
        if k.profile.has_guards:
            throttled = z3.And(k["info_length"] > 0, k["info"](z3.IntVal(0)) != 0)
            yield "whether it is throttled", z3.Implies(k["flavor"] == int(PortAttributes.SERVICE_THROTTLED), a.is_throttled(port) == throttled)
    if "new_guard" in given:
        yield "the new guard", a.context(port) == k["new_guard"]
    if guard is not None:
        yield "whether it is guarded", a.is_guarded(port) == guard
        for purpose, wanted in purposes_given(k).items():
            yield f"the purpose {purpose.name}", (a.purpose(port) == PURPOSE.of(purpose)) == wanted
    elif new and k.profile.has_guards:
        yield "no guard", z3.Implies(t.made(port), z3.Not(a.is_guarded(port)))


def _needs_reply_port(x: Transition, dest: Term, reply: Term) -> Term:
    """Both are rights to live ports: ``dest`` to one that needs a reply port, ``reply`` to one that is none."""
    b, live = x.before, z3.And(*[x.before.kind(slot) != KIND.DEAD_NAME for slot in (dest, reply)])
    enforces, replies = (b.purpose(b.port(slot)) == PURPOSE.of(each) for slot, each in ((dest, PortPurpose.ENFORCED), (reply, PortPurpose.REPLY)))
    return z3.And(live, enforces, z3.Not(replies))


def has_right(state: State, slot: Term, disposition: Term) -> Term:
    """The slot has what the disposition carries, or what it makes a right from. A dead name counts as the send or
    send-once right that it was.
    """
    kind = state.kind(slot)
    dead = kind == KIND.DEAD_NAME
    needed: dict[Disposition, Term] = {each: state.receives(slot) for each in Disposition if each is not Disposition.NONE}
    needed |= {each: z3.Or(state.sends(slot), dead) for each in SENDS}
    needed[Disposition.MOVE_SEND_ONCE] = z3.Or(kind == KIND.SEND_ONCE, dead)
    return z3.Or(*[z3.And(disposition == int(each), has) for each, has in needed.items()])


def _takes_unlooked(x: Transition, dest: Term) -> Term:
    """The destination was a send-once right. Its port has died, no call has looked at it, and no request has fired."""
    b = x.before
    if not x.k.profile.dead_names_are_lazy:
        return z3.BoolVal(False)
    was_once = z3.And(b.kind(dest) == KIND.DEAD_NAME, b.unlooked(dest) == KIND.SEND_ONCE, z3.Not(b.told(dest)))
    return z3.And(was_once, x.k["dest_disposition"] == Disposition.MOVE_SEND_ONCE)


def _of_header(x: Transition) -> Iterator[tuple[str, Term]]:
    """The two rights of a header, before any of them is copied in."""
    k, b = x.k, x.before
    dest, reply = k.slot(k["dest"]), k.slot(k["reply"])
    fits = has_right(b, reply, k["reply_disposition"])
    if x.case.code is ReturnCode.MACH_SEND_INVALID_REPLY:
        dead = b.kind(reply) == KIND.DEAD_NAME
        looked = z3.And(dead, z3.Not(k.is_unlooked(reply))) if k.profile.dead_names_are_lazy else dead
        stays = [looked] if k.profile.dead_reply_refused else []
        stays += [k.stays(reply)] if k.profile.immovable_objects else []
        stays += [_needs_reply_port(x, dest, reply)] if k.profile.has_guards else []
        yield "the reply right that is refused", z3.And(z3.Not(k.reserved(k["reply"])), z3.Or(z3.Not(fits), *stays))
    elif x.case.code is ReturnCode.MACH_SEND_INVALID_DEST:
        given = (k["dest_disposition"], k["reply_disposition"])
        once = z3.Or(*[each == int(Disposition.MOVE_SEND_ONCE) for each in given])
        moved_twice = z3.And(*[each == int(Disposition.MOVE_SEND) for each in given], b.urefs(dest) < 2)
        twice = z3.And(k["dest"] == k["reply"], z3.Or(once, moved_twice))
        dead = z3.And(b.kind(dest) == KIND.DEAD_NAME, z3.Not(_takes_unlooked(x, dest)))
        unfit = z3.Or(z3.Not(has_right(b, dest, k["dest_disposition"])), dead)
        yield "the destination that is refused", z3.Or(k.reserved(k["dest"]), unfit, twice)
    elif x.case.code is None:
        yield "the reply right", z3.Or(k.reserved(k["reply"]), fits)
        if k.profile.has_guards:
            yield "a reply port where one is needed", z3.Or(k.reserved(k["reply"]), z3.Not(_needs_reply_port(x, dest, reply)))
        alive = z3.Or(b.kind(dest) != KIND.DEAD_NAME, _takes_unlooked(x, dest))
        yield "the destination", z3.And(has_right(b, dest, k["dest_disposition"]), alive)


def _of_trap(x: Transition, call: Signature) -> Iterator[tuple[str, Term]]:
    """The right that a task gives to a call on itself, which is a trap and copies the right in itself.

    A notification request is one only if it gives a send-once right.
    """
    k, b, code = x.k, x.before, x.case.code
    assert call.target is not None, f"{call.name} is a trap, and has no target"
    arguments = {each.type: k[each.name] for each in call.arguments if each.name in k.constants}
    name, disposition = arguments[ArgumentType.RIGHT_NAME], arguments[ArgumentType.DISPOSITION]
    trapped, entry = k.is_own(k[call.target]), k.slot(name)
    if call.takes(ArgumentType.NOTIFICATION):
        tells = z3.Or(disposition == Disposition.MOVE_SEND_ONCE, disposition == Disposition.MAKE_SEND_ONCE)
        trapped = z3.And(trapped, tells, z3.Not(k.reserved(name)))
    there = z3.And(z3.Not(k.reserved(name)), has_right(b, entry, disposition))
    if code is None:
        yield "what a trap takes is there", z3.Implies(trapped, there)
    elif code is ReturnCode.KERN_INVALID_CAPABILITY:
        stays = z3.And(disposition == Disposition.MOVE_RECEIVE, b.receives(entry), b.is_immovable(b.port(entry)))
        in_place = z3.And(k["name"] == name, b.kind(entry) == KIND.DEAD_NAME) if "name" in k.constants else z3.BoolVal(False)
        yield "what a trap can't take", z3.And(trapped, z3.Or(stays, in_place))
    elif code in (ReturnCode.KERN_INVALID_NAME, ReturnCode.KERN_INVALID_RIGHT):
        yield "what a trap refuses isn't there", z3.And(trapped, z3.Not(there))


@step_property(211, "a right is refused only if it isn't there")
def refusals(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A right is copied in, or taken out of a task's space, if the name has it, and only then: a receive right for
    MOVE_RECEIVE and for what is made from it, a send right for MOVE_SEND and COPY_SEND, a send-once right for
    MOVE_SEND_ONCE. So it is with the two rights of a message's header, and with the right that a task gives to a call
    on itself where that is a trap.

    A name that was a send or send-once right and is dead now will do for that, and so does a reserved name. Some
    kernels also refuse rights that can't move, and replies to ports that aren't reply ports where the destination needs
    one. Where a port's death shows only when a call looks at the name, a
    send-once right that no call has looked at will do as destination.
    """
    k, code = x.k, x.case.code
    if x.rule == "mach_msg_send":
        yield from _of_header(x)
    trap = request_of_trap(x)
    if trap is not None:
        yield from _of_trap(x, trap)
    extracts = x.rule == "mach_port_extract_right"
    if not (x.rule == COPY_IN or (extracts and code in (None, ReturnCode.KERN_INVALID_RIGHT))):
        return
    t, b = Touched(v, x), x.before
    entry = k.slot(k["name"], t.target if extracts else k["space"])
    fits = z3.Or(has_right(b, entry, k["disposition"]), z3.And(x.rule == COPY_IN, k.reserved(k["name"])))
    exists = z3.And(*[k["disposition"] >= int(Disposition.MOVE_RECEIVE), k["disposition"] <= int(Disposition.MAKE_SEND_ONCE)])
    if k.profile.null_fits_any_disposition and x.rule == COPY_IN:
        exists = z3.Or(exists, k.reserved(k["name"]))
    if code is None:
        yield "what is carried is there", z3.And(exists, fits)
        return
    stays = [k.stays(entry)] if k.profile.immovable_objects else []
    if k.profile.has_guards:
        stays.append(z3.And(k["disposition"] == Disposition.MOVE_RECEIVE, b.receives(entry), b.is_immovable(b.port(entry))))
    yield "what is refused isn't there", z3.Or(z3.Not(exists), z3.Not(fits), *stays)
