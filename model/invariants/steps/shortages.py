"""Step properties of what there isn't enough of: memory, room, references, messages."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import TRAILER_SIZES
from sendright.mach.abi.rights import Notification, PortObject
from sendright.mach.kernel.profiles import Profile
from sendright.model.invariants.steps.locality import Touched
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import DELIVER, RESUMED_RECEIVE, RESUMED_SEND, TAKE
from sendright.model.language.sorts import KIND, Term
from sendright.model.language.step_property import forall, step_property
from sendright.model.language.transition import Transition

SENDS = (DELIVER, RESUMED_SEND)
RECEIVES = ("mach_msg_receive", RESUMED_RECEIVE)


def trailer_size(profile: Profile, asked: Term) -> Term:
    """Bytes of the requested trailer: with the elements that the receiver names, or all that the kernel knows."""
    if not profile.trailer_elements:
        return z3.IntVal(0)
    size = z3.IntVal(TRAILER_SIZES[profile.trailer_elements])
    for elements, bytes_ in TRAILER_SIZES.items():
        if elements <= profile.trailer_elements:
            size = z3.If(asked == elements, bytes_, size)
    return size


def _no_room(t: Touched, message: Term) -> Term:
    """The message comes by a send right, and the queue of its destination is full."""
    destination = t.S.destination_slot(message)
    port = t.b.port(destination)
    counted = t.b.msgcount(port) + t.b.reserved(port) if t.k.profile.room_is_given else t.b.msgcount(port)
    return z3.And(t.b.kind(destination) == KIND.SEND, counted >= t.b.qlimit(port))


def _too_large(t: Touched) -> Term:
    """The receiver has less room than the message and its trailer need."""
    k = t.k
    return z3.And(k["limit"] != -1, t.b.size(k["oldest"]) + trailer_size(k.profile, k["trailer"]) > k["limit"])


def _no_reference_left(t: Touched) -> Term:
    """The name has no room for the references that it would get."""
    k, b, [slot] = t.k, t.b, t.names()
    more = k["delta"] if t.has("delta") else z3.IntVal(1)
    return b.urefs(slot) + more > z3.If(b.sends(slot), k.send_urefs_max, k.urefs_max)


def _lacks(t: Touched) -> Term:
    """Memory is short; or one of the ledgers that the call names has less than it is to give or to pay."""
    k, b = t.k, t.b
    short = [z3.And(k["shortage"] > 0, k["out_of_memory"])] if t.has("shortage") else []
    if t.x.is_call(lambda call: call.targets_ledger):
        named = [each.name for each in t.x.call.arguments if each.object is PortObject.LEDGER] if t.x.call else []
        ledgers = [b.port(k.slot(k[name])) for name in named]

        def less(ledger: Term, than: Term) -> Term:
            return z3.And(b.ledger_limit(ledger) != -1, b.ledger_limit(ledger) - b.ledger_balance(ledger) < than)

        first, second, amount = ledgers[0], ledgers[1], k["transfer"]
        if t.x.rule == "ledger_create":
            short += [less(second, z3.IntVal(1)), less(first, amount + z3.If(first == second, 1, 0))]
        else:
            short += [z3.And(amount > 0, less(first, amount)), z3.And(amount < 0, less(second, -amount))]
    return z3.Or(*short)


def _no_page(t: Touched, page: Term) -> Term:
    """This page isn't free, if the kernel may choose; else the requested one isn't."""
    k, none = t.k, t.sorts.no_object
    within = z3.And(page >= 0, page < k.pages)
    full = z3.Implies(within, t.b.mapped(t.target, page) != none)
    return z3.If(k["anywhere"], full, t.b.mapped(t.target, k["address"]) != none)


LARGEST_TABLE = 91136
"""Slots of the largest table of dead-name requests (``ipc/ipc_table.c``)."""


_OF_MEMORY = (ReturnCode.KERN_RESOURCE_SHORTAGE, ReturnCode.EAGAIN, ReturnCode.ENOMEM)
"""The codes of calls that fail for lack of memory."""


@step_property(204, "a shortage is answered only if there is one")
def shortages(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A call fails for lack of memory only if memory is short, or a ledger that it names can't give or pay.

    It fails for lack of pages only if no page is free, for lack of names only if the chosen one is beyond the table,
    for lack of tables only if none is as large as requested, and for lack of references only if the name has no room
    for them. A send is handed back or waits only if the queue is full, and a receive times out or waits only if no
    message is there. A message is too large only if the receiver has no room for it and its trailer. What isn't short
    is granted: a message is queued only if there is room or it comes by a send-once right, and received only if it
    fits. Where room is given to senders that wait, such a sender's message is queued only if a place there is reserved
    for it.
    """
    t, k, b, code = Touched(v, x), x.k, x.before, x.case.code
    message = k["message"] if t.has("message") else b.waits_with(k.caller)
    handed_back = "handed_back" in x.case.outputs
    if code in _OF_MEMORY:
        yield "memory", _lacks(t)
    elif code is ReturnCode.KERN_NO_SPACE:
        if t.has("anywhere"):
            yield "pages", forall([v.i], _no_page(t, v.i))
        elif t.has("info"):
            yield "tables", k["info"](z3.IntVal(0)) > LARGEST_TABLE
        else:
            yield "names", v.sorts.number_of(k["name"]) > 256 * k.profile.name_index_max
    elif code is ReturnCode.KERN_UREFS_OVERFLOW:
        yield "references", _no_reference_left(t)
    elif x.rule in SENDS and (code is ReturnCode.MACH_SEND_IN_PROGRESS or handed_back):
        yield "room in the queue", _no_room(t, message)
    elif x.rule in RECEIVES and code in (ReturnCode.MACH_RCV_IN_PROGRESS, ReturnCode.MACH_RCV_TIMED_OUT):
        name = k["port"] if t.has("port") else b.waits_at(k.caller)
        yield "messages", forall([v.p], z3.Implies(z3.And(x.named_by(v.p, name), b.active(v.p)), b.msgcount(v.p) <= 0))
    elif x.rule == TAKE:
        yield "room for the message", _too_large(t) == z3.BoolVal(code in (ReturnCode.MACH_RCV_TOO_LARGE, k.profile.no_room_code))
    if x.rule in SENDS and x.after.changed("stage"):
        queued = z3.And(b.stage(v.m) != x.after.stage(v.m), x.after.queued_on(v.m, v.p), z3.Not(x.after.from_kernel(v.m)))
        reserved = k.profile.room_is_given and x.rule == RESUMED_SEND
        has_room = b.room(v.m) == v.p if reserved else z3.Not(_no_room(t, v.m))
        if x.rule == DELIVER:  # there was room when the header was tested
            has_room = z3.Or(has_room, k["always"])
        yield "room for what is queued", forall([v.m, v.p], z3.Implies(queued, has_room))
    if x.rule == "mach_reply_port" and code is ReturnCode.KERN_SUCCESS:
        nothing = x.case.outputs["port"] == v.sorts.null
        yield "a port", z3.Implies(nothing, z3.And(k["shortage"] > 0, k["out_of_memory"]))
    if x.rule == "mach_port_request_notification" and code is None:
        dead = z3.And(k["variant"] == int(Notification.DEAD_NAME), b.kind(t.names()[0]) == KIND.DEAD_NAME)
        told = z3.And(dead, b.kind(v.S.body_slot(k["message"], z3.IntVal(0))) == KIND.SEND_ONCE)
        yield "room for the notification's reference", z3.Implies(told, b.urefs(t.names()[0]) < k.urefs_max)
