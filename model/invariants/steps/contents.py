"""Step properties of what messages say: their sizes, their data, and what a receiver sees."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import PORT, natural_size, size_without_data
from sendright.mach.abi.rights import Notification
from sendright.model.invariants.steps.locality import FIRES, RESCUED, Touched
from sendright.model.invariants.steps.shortages import trailer_size
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import ANSWER, FIRES_POSSIBLE, TAKE
from sendright.model.language.sorts import KIND, STAGE, Term
from sendright.model.language.step_property import forall, step_property
from sendright.model.language.transition import Transition

WORD = natural_size(()) - size_without_data(())
"""Bytes of a message's one word of inline data."""
MIG_REPLY = 100
"""The kernel's answer has the request's id plus this (``MIG``'s convention)."""
SEQUENCE_NUMBER, SECURITY_TOKEN, AUDIT_TOKEN = 1, 2, 3
"""``MACH_RCV_TRAILER_SEQNO`` …: each element comes with those before it."""


def empty_size(parts: Term) -> Term:
    """Bytes of a message with so many descriptors, without inline data."""
    header, first, second = (size_without_data(layout) for layout in ((), (0,), (0, 0)))
    descriptor = second - first
    return z3.If(parts > 0, first - descriptor + descriptor * parts, header)


def _as_sent(t: Touched, m: Term) -> Term:
    """What the sender gave: the size that it says, or that of the whole message; the data, as far as the size goes."""
    k, a = t.k, t.a
    whole = empty_size(t.sorts.parts_of(k["layout"])) + WORD
    size = z3.If(k["size"] == -1, whole, k["size"])
    data = z3.If(size < whole, 0, k["data"])
    said = [a.id(m) == k["id"], a.layout(m) == k["layout"], a.body_count(m) == t.sorts.rights_of(k["layout"])]
    return z3.And(a.size(m) == size, a.data(m) == data, *said)


def _size(t: Touched) -> Iterator[tuple[str, Term]]:
    """A size is refused only if it isn't one: too small for the header or the descriptors, or not a whole number of
    words. No such size is accepted.
    """
    k, refused = t.k, t.x.case.code is ReturnCode.MACH_SEND_MSG_TOO_SMALL
    if not t.has("size"):
        yield "the size that is refused", t.b.size(k["message"]) < empty_size(t.sorts.parts_of(t.b.layout(k["message"])))
        return
    wrong = z3.And(k["size"] != -1, z3.Or(k["size"] < size_without_data(()), k["size"] % 4 != 0))
    if refused:
        short = z3.And(bool(k.profile.body_checked_first), k["size"] != -1, k["size"] < empty_size(t.sorts.parts_of(k["layout"])))
        yield "the size that is refused", z3.Or(wrong, short)
    elif t.x.case.code is None:
        yield "the size that is accepted", z3.Not(wrong)


def _told(t: Touched, m: Term, what: Notification, data: Term, carries_right: bool = False) -> Term:
    a = t.a
    layout = t.sorts.one_port if carries_right else t.sorts.no_descriptors
    size = natural_size((PORT,) if carries_right else ())
    shape = [a.layout(m) == layout, a.body_count(m) == int(carries_right), a.size(m) == size]
    return z3.And(a.id(m) == int(what), a.data(m) == data, *shape)


def _notifications(t: Touched, m: Term) -> Term:
    """A notification says which event it is for, and what that event reports."""
    kinds = [_told(t, m, Notification.SEND_ONCE, z3.IntVal(0)), _told(t, m, Notification.NO_SENDERS, t.a.data(m))]
    if t.rule == FIRES:
        number = t.sorts.number_of(t.k["name"])
        told_dead = z3.Or(_is_dead(t), t.b.died_first(t.answered))
        kinds = [z3.If(told_dead, _told(t, m, Notification.DEAD_NAME, number), _told(t, m, Notification.PORT_DELETED, number))]
    elif t.rule == FIRES_POSSIBLE:
        kinds = [_told(t, m, Notification.SEND_POSSIBLE, t.sorts.number_of(t.k["name"]))]
    elif t.rule == "mach_port_request_notification":
        dead = _told(t, m, Notification.DEAD_NAME, t.sorts.number_of(t.k["name"]))
        kinds = [z3.If(t.k["variant"] == int(Notification.DEAD_NAME), dead, kinds[1])]
        if t.k.profile.send_possible:
            possible = _told(t, m, Notification.SEND_POSSIBLE, t.sorts.number_of(t.k["name"]))
            told = z3.If(t.b.kind(t.names()[0]) == KIND.DEAD_NAME, dead, possible)
            kinds = [z3.If(t.k["variant"] == int(Notification.SEND_POSSIBLE), told, kinds[0])]
    elif t.rule == RESCUED:
        carried = t.S.body_slot(m, z3.IntVal(0))
        right = z3.And(t.a.kind(carried) == KIND.RECEIVE, t.a.port(carried) == t.k["of"])
        kinds.append(z3.And(right, _told(t, m, Notification.PORT_DESTROYED, z3.IntVal(0), carries_right=True)))
    return z3.Or(*kinds)


def _is_dead(t: Touched) -> Term:
    return t.b.kind(t.k.slot(t.k["name"], t.k["space"])) == KIND.DEAD_NAME


@step_property(206, "a message says what it is for")
def contents(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A task's message has the id, layout and size that its sender gives, and the data as far as the size goes. Without
    a size it is as long as its parts. Only a size that can't be one is refused.

    A notification has the size and the data of its event: nothing, the make-send count (step invariant 16), or the
    name. Port-destroyed carries the receive right. The kernel's answer has no parts, an id that is greater by 100, and
    the code. The answer says how large the requested trailer is, and which tokens are in it.
    """
    t, b, a, k = Touched(v, x), x.before, x.after, x.k
    if a.changed("stage"):
        notified = z3.And(x.newly_made(v.m), a.stage(v.m) == STAGE.QUEUED)
        if x.rule == "mach_msg_send":
            yield "what is sent", forall([v.m], z3.Implies(x.newly_made(v.m), _as_sent(t, v.m)))
        else:
            yield "what a notification says", forall([v.m], z3.Implies(notified, _notifications(t, v.m)))
    if x.rule == "mach_msg_send" or x.case.code is ReturnCode.MACH_SEND_MSG_TOO_SMALL:
        yield from _size(t)
    if x.rule == ANSWER and a.changed("stage"):
        m = k["message"]
        shape = [a.layout(m) == v.sorts.no_descriptors, a.body_count(m) == 0, a.size(m) == natural_size(())]
        said = z3.And(a.id(m) == b.id(m) + MIG_REPLY, a.data(m) == int(ReturnCode.MIG_BAD_ID), *shape)
        yield "the kernel's answer", z3.Implies(a.stage(m) == STAGE.QUEUED, said)
    if x.rule == TAKE and x.case.code is None:
        told, profile = x.case.outputs, k.profile
        known = z3.Or(*[k["trailer"] == elements for elements in range(profile.trailer_elements + 1) if elements in (0, 1, 2, 3, 4, 7)])
        elements = z3.If(known, k["trailer"], profile.trailer_elements)
        yield "the size of the trailer", told["trailer_size"] == trailer_size(profile, k["trailer"])
        for name, least, has in (
            ("security", SECURITY_TOKEN, profile.tokens_in_trailer),
            ("audit", AUDIT_TOKEN, profile.tokens_in_trailer and profile.audit_tokens),
        ):
            yield f"whether the {name} token is shown", told[f"tells_{name}_token"] == z3.And(elements >= least, has)
        hidden = z3.And(elements < SEQUENCE_NUMBER, bool(profile.trailer_elements))
        yield (
            "whether the sequence number is shown",
            (told["sequence_number"] == b.seqno(k["source"]))
            if not profile.trailer_elements
            else z3.If(hidden, told["sequence_number"] == -1, told["sequence_number"] == b.seqno(k["source"])),
        )
        yield "the form of the reply right", told["reply_disposition"] == b.form(v.S.reply_slot(k["oldest"]))
