"""What holds of every step from one state to the next. The numbers are those of the fact base's invariants (semantics 12).

Some invariants speak of change: who may gain a right, what may alter a token. They are proved of each case of each rule, for any state in
which the state invariants hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import msgspec
import z3

from sendright.mach.codes import ReturnCode
from sendright.mach.descriptors import NO_PAGE
from sendright.mach.profiles import HostSelf, LedgerRule
from sendright.mach.rights import EXCEPTION_PLACES, Disposition, Inheritance, Notification, Place, PortObject
from sendright.mach.signatures import SIGNATURES, ArgumentType
from sendright.mach.tokens import TASK_AUDIT_TOKEN, TASK_SECURITY_TOKEN
from sendright.model.invariants import Variables, is_ledger
from sendright.model.rules import ANSWER, COPY_IN, DELIVER, DESTROY, DONE, HANDED_BACK, PAGE_IN, PAGE_OUT, RESUMED_RECEIVE, RESUMED_SEND, TAKE
from sendright.model.sorts import INHERITANCE, KIND, LIFE, OBJECT, PLACE, STAGE, Term
from sendright.model.state import FIELDS, State, sort_named
from sendright.model.transition import (
    EXCEPTION_CALLS,
    LEDGER_CALLS,
    MAKERS,
    NAMED_BY_CALLER,
    SUSPENSION,
    TASKS_MESSAGES,
    VM_CALLS,
    Transition,
)

IN_PROGRESS = (ReturnCode.MACH_SEND_IN_PROGRESS, ReturnCode.MACH_RCV_IN_PROGRESS)
NO_TESTS = (TAKE, DONE, HANDED_BACK, RESUMED_SEND, RESUMED_RECEIVE)
"""Rules whose codes don't say that a test failed."""

Clauses: TypeAlias = Callable[[Variables, Transition], Iterator[tuple[str, Term]]]


class StepProperty(msgspec.Struct, frozen=True):
    """A named property of steps."""

    number: int
    title: str
    about: str
    clauses: Clauses


STEP_PROPERTIES: dict[int, StepProperty] = {}


def step_property(number: int, title: str) -> Callable[[Clauses], Clauses]:
    """Declare a step property; its docstring says it in words."""

    def declare(clauses: Clauses) -> Clauses:
        assert number not in STEP_PROPERTIES, number
        STEP_PROPERTIES[number] = StepProperty(number, title, " ".join((clauses.__doc__ or "").split()), clauses)
        return clauses

    return declare


def forall(variables: list[Term], body: Term) -> Term:
    """``body`` for all ``variables``."""
    return z3.ForAll(variables, body)


@step_property(2, "what is dead stays dead")
def no_return(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A dead port never becomes active again, and what was made is never unmade."""
    b, a = x.before.port_life, x.after.port_life
    yield "dead ports", forall([v.p], z3.Implies(b(v.p) == LIFE.ENDED, a(v.p) == LIFE.ENDED))
    yield "active ports", forall([v.p], z3.Implies(b(v.p) == LIFE.ALIVE, a(v.p) != LIFE.UNBORN))


@step_property(7, "pegged references stay")
def pegged_references_stay(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """Where references are pegged, a name that has UREFS_MAX keeps them, whatever is added or taken; when its port dies it is a dead name with all.

    They are given up all at once: by who says how many, by mach_port_destroy, by the end of the task.
    """
    if not x.k.profile.pegged_urefs:
        return
    b, a, k = x.before, x.after, x.k
    slot = v.S.name_slot(v.t, v.n)
    given_up = z3.BoolVal(False)
    if x.rule == "mach_port_destroy":
        given_up = slot == k.slot(k.name, k.task_behind(k.task))
    elif x.rule in ("mach_port_mod_refs", "mach_port_destruct"):
        delta = k.delta if x.rule == "mach_port_mod_refs" else k.srdelta
        given_up = z3.And(slot == k.slot(k.name, k.task_behind(k.task)), delta == -k.urefs_max)
    elif x.rule == "task_terminate":
        given_up = v.t == k.task_behind(k.task)

    def pegged(s: State) -> Term:
        return z3.And(z3.Or(s.sends(slot), s.kind(slot) == KIND.DEAD_NAME), s.urefs(slot) == k.urefs_max)

    yield "until all are given up", forall([v.t, v.n], z3.Implies(pegged(b), z3.Or(pegged(a), given_up)))


@step_property(12, "send rights are made or copied")
def made_or_copied(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A port's send rights grow only when one is made from the receive right (or by the kernel), or one that exists is copied."""
    b, a = x.before, x.after
    grows = z3.And(b.active(v.p), a.srights(v.p) > b.srights(v.p))
    source = z3.Exists([v.s], z3.And(b.sends(v.s), b.port(v.s) == v.p))
    yield "growth", forall([v.p], z3.Implies(grows, z3.Or(a.mscount(v.p) > b.mscount(v.p), source)))


@step_property(13, "a send-once right yields one message")
def send_once(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """Send-once rights are made by MAKE_SEND_ONCE alone; while its port lives each ends as the destination of one received message."""
    b, a = x.before, x.after
    both = z3.And(b.active(v.p), a.active(v.p))
    made = z3.BoolVal(False)
    if x.rule == COPY_IN:
        entry = x.k.slot(x.k.name, x.k.space)
        made = z3.And(x.k.disposition == Disposition.MAKE_SEND_ONCE, b.receives(entry), b.port(entry) == v.p)
    yield "made", forall([v.p], z3.Implies(z3.And(both, a.sorights(v.p) > b.sorights(v.p)), made))
    received = z3.BoolVal(False)
    if x.rule == TAKE:
        destination = v.S.destination_slot(x.k.oldest)
        from_it = z3.And(x.receives_from(v.p), b.queue(x.k.oldest) == v.p)
        received = z3.And(from_it, b.kind(destination) == KIND.SEND_ONCE, x.taken(x.k.oldest))
    yield "ended", forall([v.p], z3.Implies(z3.And(both, a.sorights(v.p) < b.sorights(v.p)), received))
    one_more = z3.And(x.after.sorights(v.p) <= b.sorights(v.p) + 1, b.sorights(v.p) <= a.sorights(v.p) + 1)
    yield "one at a time", forall([v.p], z3.Implies(both, one_more))


@step_property(14, "the make-send count counts MAKE_SEND")
def make_send_count(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """The make-send count rises by one with each send right made, and is 0 after any move of the receive right; its holder may set it."""
    b, a = x.before, x.after
    both = z3.And(b.active(v.p), a.active(v.p))
    moved = x.moved(v.p)
    yield "a move resets it", forall([v.p], z3.Implies(z3.And(both, moved), a.mscount(v.p) == 0))
    rise = a.mscount(v.p) - b.mscount(v.p)
    if x.rule == COPY_IN:
        entry = x.k.slot(x.k.name, x.k.space)
        made = z3.And(x.k.disposition == Disposition.MAKE_SEND, z3.Not(x.k.reserved(x.k.name)), b.port(entry) == v.p)
        one = z3.BoolVal(x.case.code is None)
        expected = z3.If(z3.And(one, made), 1, 0)
        yield "by one for MAKE_SEND", forall([v.p], z3.Implies(z3.And(both, z3.Not(moved)), rise == expected))
    elif x.rule == "mach_port_set_mscount":
        set_ = z3.And(x.named_receive(v.p), a.mscount(v.p) == x.k.mscount)
        yield "set for the port that is named", forall([v.p], z3.Implies(both, z3.Or(rise == 0, set_)))
    elif x.rule in MAKERS:
        yield "by what the kernel makes", forall([v.p], z3.Implies(both, z3.And(rise >= 0, rise <= 2)))
    else:
        yield "else not at all", forall([v.p], z3.Implies(z3.And(both, z3.Not(moved)), rise == 0))


@step_property(16, "no-senders is told once for a registration")
def told_once(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """Who is told that a port has no send rights had a right registered for it, which is used up with that; it is told the make-send count of then.

    When the last send right goes that is noted, with the count of that instant; what is noted is told once. Who asks when there is none is told at
    once, and isn't registered. A port that dies tells it only if its last send right went before.
    """
    b, a, S = x.before, x.after, v.S
    slot = S.no_senders_slot(v.p)
    told = z3.And(x.newly_made(v.m), a.stage(v.m) == STAGE.QUEUED, a.from_kernel(v.m), a.id(v.m) == int(Notification.NO_SENDERS))
    if x.rule == "no senders are left":
        used = S.no_senders_slot(x.k.of)
        home = z3.And(v.m == x.k.notification, b.kind(used) == KIND.SEND_ONCE, a.queue(v.m) == b.port(used))
        yield "as it was noted", forall([v.m], z3.Implies(told, z3.And(home, a.data(v.m) == b.no_senders_due(x.k.of) - 1)))
        yield "once", z3.And(a.empty(used), a.no_senders_due(x.k.of) == 0)
    elif x.rule == "mach_port_request_notification":
        task = b.object_task(b.port(S.destination_slot(x.k.message)))
        port = b.port(S.name_slot(task, x.k.name))
        now = z3.And(v.m == x.k.notification, b.srights(port) == 0, a.data(v.m) == b.mscount(port), a.empty(S.no_senders_slot(port)))
        yield "at once", forall([v.m], z3.Implies(told, now))
    else:
        registered = z3.And(b.kind(slot) == KIND.SEND_ONCE, b.port(slot) == a.queue(v.m), a.empty(slot))
        last = z3.And(b.srights(v.p) > 0, z3.Not(a.active(v.p)), a.data(v.m) == b.mscount(v.p))
        yield "by a dying port", forall([v.m], z3.Implies(told, z3.Exists([v.p], z3.And(registered, last))))
    noted = z3.And(b.no_senders_due(v.p) == 0, a.no_senders_due(v.p) != 0)
    then = z3.And(a.no_senders_due(v.p) == b.mscount(v.p) + 1, z3.Not(b.empty(slot)))
    yield "what is noted", forall([v.p], z3.Implies(noted, then))
    if x.rule not in EXCEPTION_CALLS:  # several rights go and come there: that the last one is among them is a matter of counting
        yield "when it is noted", forall([v.p], z3.Implies(noted, b.srights(v.p) > 0))


@step_property(20, "messages are received in order")
def in_order(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """Messages queue up behind those that are there, and keep their places; a receive takes the first and counts the sequence number up.

    Who peeks is told what the message with that number is. The holder of the receive right may set that number.
    """
    b, a = x.before, x.after
    queued_before, queued_after = b.stage(v.m) == STAGE.QUEUED, a.stage(v.m) == STAGE.QUEUED
    behind = z3.And(b.clock() <= a.arrival(v.m), a.arrival(v.m) < a.clock())
    yield "the last is queued last", forall([v.m], z3.Implies(z3.And(queued_after, z3.Not(queued_before)), behind))
    stays = z3.And(a.arrival(v.m) == b.arrival(v.m), a.queue(v.m) == b.queue(v.m))
    yield "places are kept", forall([v.m], z3.Implies(z3.And(queued_after, queued_before), stays))
    received_from, number = z3.BoolVal(False), b.seqno(v.p)
    if x.rule == TAKE and "message" in x.case.outputs:
        port = b.queue(x.k.oldest)
        first = z3.And(x.receives_from(b.queue(v.m)), z3.Implies(b.queued_on(v.m2, b.queue(v.m)), b.arrival(v.m) <= b.arrival(v.m2)))
        yield "the first is taken", forall([v.m, v.m2], z3.Implies(x.taken(v.m), first))
        yield "one is taken", forall([v.m], x.taken(v.m) == (v.m == x.k.oldest))
        received_from = v.p == port
        if x.case.code is None:
            number_told = x.case.outputs["sequence_number"]
            asked = z3.BoolVal(True) if not x.k.profile.trailer_elements else x.k.trailer >= 1
            yield "its number", z3.If(asked, number_told == b.seqno(port), z3.Or(number_told == -1, number_told == b.seqno(port)))
            yield "its port", b.receiver(port) == x.k.slot(x.case.outputs["local"])
    else:
        yield "none is taken", forall([v.m], z3.Not(x.taken(v.m)))
    if x.rule == "mach_port_peek" and x.case.code is ReturnCode.KERN_SUCCESS:
        port = b.port(x.k.slot(x.k.name, x.k.task_behind(x.k.task)))
        told = x.case.outputs
        peeked = x.k.message_at(told["sequence_number"] - b.seqno(port))
        same = [told["id"] == b.id(peeked), told["size"] == b.size(peeked)]
        same += [told["security_token"] == b.sender_security(peeked), told["audit_token"] == b.sender_audit(peeked)]
        yield "what is peeked at", z3.And(b.queued_on(peeked, port), z3.Or(x.k.seqno == 0, told["sequence_number"] == x.k.seqno), *same)
        oldest = z3.Implies(z3.And(x.k.seqno == 0, b.queued_on(v.m, port)), b.arrival(peeked) <= b.arrival(v.m))
        yield "the first, if no number is given", forall([v.m], oldest)
    if x.rule == "mach_port_set_seqno" and x.case.code is ReturnCode.KERN_SUCCESS:
        number = z3.If(x.named_receive(v.p), x.k.seqno, number)
    place = a.receiver(v.p)
    carried_off = z3.And(place != b.receiver(v.p), z3.Or(v.S.is_body_slot(place), v.S.is_limbo_slot(place)))
    number = z3.If(received_from, number + 1, z3.If(carried_off, 0, number))
    yield "the next number", forall([v.p], z3.Implies(z3.And(b.active(v.p), a.active(v.p)), a.seqno(v.p) == number))


@step_property(22, "only connectivity begets connectivity")
def connectivity(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A space, place or message gains a right to a port only from where the caller could take it.

    That is: the port was just made; or the right was in the caller's hands, or in those of a task whose port the caller holds, or was registered
    there; or it is the host port or a ledger that such a task draws on, which the kernel gives out; or it is one of the host's special ports, and
    the caller holds the privileged host port. A send-once right that is given up goes home to its port; a receive right that would die, to
    who asked for it.
    """
    b, a, S = x.before, x.after, v.S
    gained, port = x.gained(v.s), a.port(v.s)
    fresh = b.port_life(port) == LIFE.UNBORN
    owner = z3.If(S.is_name_slot(v.s2), S.space(v.s2), z3.If(S.is_request_slot(v.s2), S.requester(v.s2), S.holder(v.s2)))
    of_task = z3.Or(S.is_name_slot(v.s2), S.is_place_slot(v.s2), S.is_request_slot(v.s2))
    watched = z3.If(S.is_no_senders_slot(v.s2), S.watched(v.s2), S.guarded(v.s2))
    of_port = z3.And(z3.Or(S.is_no_senders_slot(v.s2), S.is_port_destroyed_slot(v.s2)), S.is_name_slot(b.receiver(watched)))
    registered = z3.And(of_port, x.controls(S.space(b.receiver(watched))))
    hosts = z3.And(S.is_host_slot(v.s2), x.holds_host_priv)
    reachable = z3.Or(x.is_callers(v.s2), z3.And(of_task, x.controls(owner)), registered, hosts)
    taken = z3.Exists([v.s2], z3.And(x.right(b, v.s2), b.port(v.s2) == port, reachable))
    drawn = z3.Exists([v.u], z3.And(x.controls(v.u), z3.Or(port == b.wired(v.u), port == b.paged(v.u))))
    given = z3.Or(port == v.sorts.host_port, drawn)
    home = z3.And(S.is_destination_slot(v.s), a.kind(v.s) == KIND.SEND_ONCE, a.from_kernel(S.destined(v.s)))
    saved = z3.And(S.is_limbo_slot(v.s), S.rescued(v.s) == port)
    sent_home = z3.And(S.is_body_slot(v.s), a.from_kernel(S.carrying(v.s)), b.kind(S.limbo_slot(port)) == KIND.RECEIVE)
    yield "where it came from", forall([v.s], z3.Implies(gained, z3.Or(fresh, taken, given, home, saved, sent_home)))
    task = z3.If(S.is_name_slot(v.s), S.space(v.s), z3.If(S.is_place_slot(v.s), S.holder(v.s), S.requester(v.s)))
    into = z3.And(gained, z3.Or(S.is_name_slot(v.s), S.is_place_slot(v.s), S.is_request_slot(v.s)))
    yield "who may put it there", forall([v.s], z3.Implies(into, z3.Or(x.controls(task), x.new_task(task))))
    yield "who may make it a host port", forall([v.s], z3.Implies(z3.And(gained, S.is_host_slot(v.s)), x.holds_host_priv))


@step_property(24, "a kernel object is reached through a live right to its port")
def reached_by_right(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A call that wants a kernel object goes on only if it has a send right to a live port that stands for an object of that kind."""
    if x.rule not in SIGNATURES or x.case.code not in (None, ReturnCode.KERN_SUCCESS):
        return
    b, k = x.before, x.k
    for argument in SIGNATURES[x.rule].arguments:
        if argument.type is not ArgumentType.PORT or argument.object is None or not argument.required:
            continue
        carried = argument.name not in k.constants  # by the request, whose destination it is
        slot = v.S.destination_slot(k.message) if carried else k.slot(k.constants[argument.name])
        port = b.port(slot)
        yield argument.name, z3.And(b.sends(slot), b.active(port), b.object(port) == OBJECT.of(argument.object))


@step_property(27, "a call that fails changes nothing")
def failure_changes_nothing(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A call that fails one of its tests leaves everything as it was, until it has taken rights from its caller.

    What is done after that is to give these up: names and places lose nothing but rights to ports that die, and messages wait on where
    their port lives; no tokens, pages or counts change. (A message that comes back to its sender, or is received and doesn't fit, is no failed
    test; nor is what comes of a call that waited.)
    """
    b, a, S = x.before, x.after, v.S
    if x.case.code not in (None, ReturnCode.KERN_SUCCESS, *IN_PROGRESS) and x.rule not in NO_TESTS:
        for name, declaration in FIELDS.items():
            if a.fields[name] is not b.fields[name]:
                point = [z3.Const(f"x{index}", sort_named(v.sorts, part)) for index, part in enumerate(declaration.domain)]
                same = a.fields[name](*point) == b.fields[name](*point)
                yield name, forall(point, same) if point else same
    if x.rule != DESTROY:
        return
    kept = z3.And(a.kind(v.s) == b.kind(v.s), a.port(v.s) == b.port(v.s), a.urefs(v.s) == b.urefs(v.s))
    died = z3.And(a.kind(v.s) == KIND.DEAD_NAME, z3.Not(a.active(b.port(v.s))), a.urefs(v.s) == b.urefs(v.s))
    yield "names and places", forall([v.s], z3.Implies(z3.Or(S.is_name_slot(v.s), S.is_place_slot(v.s), S.is_host_slot(v.s)), z3.Or(kept, died)))
    stays = z3.And(a.stage(v.m) == b.stage(v.m), z3.Implies(a.stage(v.m) == STAGE.QUEUED, a.queue(v.m) == b.queue(v.m)))
    lost = z3.And(b.stage(v.m) == STAGE.QUEUED, z3.Not(a.active(b.queue(v.m))))
    others = z3.And(v.m != x.k.message, b.stage(v.m) != STAGE.FREE)
    yield "messages", forall([v.m], z3.Implies(others, z3.Or(stays, lost)))
    yield "pages", forall([v.t, v.i], a.mapped(v.t, v.i) == b.mapped(v.t, v.i))
    of_task = ("task_life", "security", "audit", "wait", "suspend_count")
    yield "tasks", forall([v.t], z3.And(*[a.fields[name](v.t) == b.fields[name](v.t) for name in of_task]))
    counts = z3.And(a.mscount(v.p) == b.mscount(v.p), a.seqno(v.p) == b.seqno(v.p), a.receiver(v.p) == b.receiver(v.p))
    carried = x.k.sorts.in_message(b.receiver(v.p))
    yield "ports", forall([v.p], z3.Implies(z3.And(b.active(v.p), a.active(v.p), z3.Not(carried)), counts))


@step_property(112, "a message arrives as it was sent")
def as_it_was_sent(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """What a message says, its layout and its size are the same from its making to its end, and its receiver is told them.

    While it is on its way it loses no right but to ports that die, and gains none; its memory stays in it, and contains what it did. (The kernel's
    answer to a message is that message, made anew.)
    """
    b, a, none = x.before, x.after, v.sorts.no_object
    said = ("id", "data", "layout", "size", "body_count")
    kept = z3.And(b.stage(v.m) != STAGE.FREE, a.stage(v.m) != STAGE.FREE)
    same = z3.And(*[a.fields[name](v.m) == b.fields[name](v.m) for name in said])
    anew = v.m == x.k.message if x.rule == ANSWER else z3.BoolVal(False)
    yield "what it says", forall([v.m], z3.Implies(kept, z3.Or(same, anew)))
    message = v.sorts.message_of(v.s)
    underway = z3.And(v.sorts.in_message(v.s), b.on_its_way(message), a.on_its_way(message))
    right = z3.And(a.kind(v.s) == b.kind(v.s), a.port(v.s) == b.port(v.s))
    died = z3.And(a.kind(v.s) == KIND.DEAD_NAME, z3.Not(a.active(b.port(v.s))))
    yield "its rights", forall([v.s], z3.Implies(underway, z3.Or(right, died)))
    pages = a.memory(v.m, v.i) == b.memory(v.m, v.i)
    if x.rule in (PAGE_IN, PAGE_OUT):
        pages = z3.Or(pages, z3.And(v.m == x.k.message, v.i == x.k.index))
    elif x.rule == DELIVER:
        pages = z3.Or(pages, z3.And(v.m == x.k.message, a.memory(v.m, v.i) == none))
    yield "its memory", forall([v.m, v.i], z3.Implies(kept, pages))
    carried = b.memory(v.m, v.i)
    contents = z3.Implies(carried != none, a.content(carried) == b.content(carried))
    yield "what that contains", forall([v.m, v.i], contents)
    if x.rule == TAKE:
        told = [x.case.outputs[name] == b.fields[name](v.m) for name in said if name in x.case.outputs]
        taken = z3.And(x.taken(v.m), v.m == x.k.oldest)
        yield "what the receiver is told", forall([v.m], z3.Implies(taken, z3.And(*told)))


@step_property(109, "a task is asked and answered for itself")
def told_of_the_target(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """What a call tells of a task, hands out of its places or keeps there is of the very task and place that were named."""
    k, b, a, S = x.k, x.before, x.after, v.S
    if x.rule in ("mach_msg_receive", RESUMED_RECEIVE) and "source" in x.case.outputs:
        name = k.port if x.rule == "mach_msg_receive" else b.waits_at(k.caller)
        yield "the port to receive from", x.named_by(x.case.outputs["source"], name)
    if x.case.code is not ReturnCode.KERN_SUCCESS:
        return

    def copied(source: Term, slot: Term) -> Term:
        return z3.And(a.kind(slot) == b.kind(source), a.port(slot) == b.port(source))

    def place(task: Term, which: Place) -> Term:
        return S.place_slot(task, PLACE.of(which))

    def kept(slot: Term, name: Term) -> Term:
        return z3.And(a.kind(slot) == k.carried_kind(name), a.port(slot) == k.carried_port(name))

    registered = k.profile.registered_places
    if x.rule == "task_info":
        task, value = k.task_behind(k.task), x.case.outputs["value"]
        tokens = b.security(task) if value.sort() == v.sorts.SecurityToken else b.audit(task)
        flavour = TASK_SECURITY_TOKEN if value.sort() == v.sorts.SecurityToken else TASK_AUDIT_TOKEN
        yield "its token", z3.And(value == tokens, k.flavor == flavour)
    elif x.rule in ("mach_task_self", "mach_host_self"):
        if x.rule == "mach_task_self" or k.profile.host_self is HostSelf.SLOT:
            which = Place.KERNEL if x.rule == "mach_task_self" else Place.HOST
            yield "the caller's place", copied(place(k.caller, which), x.reply(0))
        else:
            yield "the host port", z3.And(a.kind(x.reply(0)) == KIND.SEND, a.port(x.reply(0)) == v.sorts.host_port)
    elif x.rule in ("task_get_special_port", "task_set_special_port"):
        for selector, which in k.profile.special_ports.items():
            held = place(k.task_behind(k.task), which)
            done = copied(held, x.reply(0)) if x.rule == "task_get_special_port" else kept(held, k.port)
            yield f"the {which.name.lower()} port", z3.Implies(k.which == selector, done)
    elif x.rule == "mach_ports_lookup":
        for index, which in enumerate(registered):
            yield f"registered port {index}", copied(place(k.task_behind(k.task), which), x.reply(index))
    elif x.rule == "mach_ports_register":
        for index, which in enumerate(registered):
            name = z3.If(index < k.ports_length, k.ports(index), v.sorts.null)
            yield f"registered port {index}", kept(place(k.task_behind(k.task), which), name)
    elif x.rule == "host_get_special_port":
        yield "the host's port", copied(S.host_slot(k.which), x.reply(0))
    elif x.rule == "host_set_special_port":
        yield "the host's port", kept(S.host_slot(k.which), k.port)
    elif x.rule in EXCEPTION_CALLS:
        task, told = k.task_behind(k.task), x.case.outputs
        for number, which in enumerate(EXCEPTION_PLACES, 1):
            held, selected = place(task, which), (k.exception_mask / z3.IntVal(1 << number)) % 2 == 1
            if told:
                reply = z3.If(told[f"told.{number}"], copied(held, x.reply(number - 1)), a.empty(x.reply(number - 1)))
                yield f"what is told of exception {number}", z3.And(reply, z3.Implies(told[f"told.{number}"], selected))
            was = [fields.exception_behaviour(task, PLACE.of(which)) for fields in (b, a)]
            was += [fields.exception_flavour(task, PLACE.of(which)) for fields in (b, a)]
            same = z3.And(copied(held, held), was[0] == was[1], was[2] == was[3])
            done = same
            if x.rule != "task_get_exception_ports":
                new = z3.And(kept(held, k.new_port), was[1] == k.behavior, was[3] == k.new_flavor)
                done = z3.If(selected, z3.Or(new, same) if told else new, same)
            yield f"the port of exception {number}", done
    changed = z3.Or(a.kind(v.s) != b.kind(v.s), a.port(v.s) != b.port(v.s))
    if x.rule == "host_set_special_port":
        yield "no other host port", forall([v.s], z3.Implies(changed, v.s == S.host_slot(k.which)))
    if x.rule in ("task_set_special_port", "mach_ports_register"):
        selected = (
            [z3.And(k.which == selector, S.place(v.s) == PLACE.of(which)) for selector, which in k.profile.special_ports.items()]
            if (x.rule == "task_set_special_port")
            else [S.place(v.s) == PLACE.of(which) for which in registered]
        )
        there = z3.And(S.is_place_slot(v.s), S.holder(v.s) == k.task_behind(k.task), z3.Or(*selected))
        yield "no other place", forall([v.s], z3.Implies(changed, there))


@step_property(28, "another task's space changes through its port or by death")
def foreign_spaces(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """Without a right to a task's port a call leaves its space alone, except that rights to a port that dies become dead names.

    A dead name about which somebody asked gets one more reference with the notification.
    """
    b, a = x.before, x.after
    slot = v.S.name_slot(v.t, v.n)
    same = z3.And(a.kind(slot) == b.kind(slot), a.port(slot) == b.port(slot), a.urefs(slot) == b.urefs(slot))
    dead = z3.And(a.kind(slot) == KIND.DEAD_NAME, z3.Not(a.active(b.port(slot))), a.urefs(slot) == b.urefs(slot))
    told = z3.And(b.kind(slot) == KIND.DEAD_NAME, a.kind(slot) == KIND.DEAD_NAME, a.urefs(slot) == b.urefs(slot) + 1)
    asked = z3.Not(b.empty(v.S.request_slot(v.t, v.n)))
    notified = z3.And(told, asked, a.empty(v.S.request_slot(v.t, v.n))) if x.k.rule.pending else z3.BoolVal(False)
    yield "names", forall([v.t, v.n], z3.Or(x.controls(v.t), same, dead, notified))
    receiver = b.receiver(v.p)
    theirs = z3.And(b.active(v.p), v.S.is_name_slot(receiver), z3.Not(x.controls(v.S.space(receiver))))
    yield "port sets", forall([v.p, v.n], z3.Implies(theirs, z3.Or(a.member(v.p, v.n) == b.member(v.p, v.n), z3.Not(a.active(v.p)))))


@step_property(29, "tokens change by the token calls alone")
def tokens_change(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A living task's tokens change only in host_security_set_task_token, presented with the host security port, and both at once."""
    b, a = x.before, x.after
    changed = z3.Or(a.security(v.t) != b.security(v.t), a.audit(v.t) != b.audit(v.t))
    allowed = z3.BoolVal(False)
    if x.rule == "host_security_set_task_token":
        k = x.k
        allowed = z3.And(x.presents_security_port, v.t == k.task_behind(k.target_task), x.has_given_tokens(v.t))
        if x.case.code is ReturnCode.KERN_SUCCESS:
            yield "they are changed", x.has_given_tokens(k.task_behind(k.target_task))
        if not k.profile.audit_tokens:
            yield "no audit tokens", forall([v.t], a.audit(v.t) == b.audit(v.t))
    yield "who changes them", forall([v.t], z3.Implies(z3.And(b.alive(v.t), changed), allowed))


@step_property(30, "a child's tokens are its parent's or the given ones")
def tokens_at_creation(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A new task has its parent's tokens, unless it was made with explicit ones, by a caller who presented the host security port."""
    a, b = x.after, x.before
    if x.creates and x.rule == "task_create":
        same = z3.And(a.security(v.t) == b.security(x.parent), a.audit(v.t) == b.audit(x.parent))
        yield "the parent's", forall([v.t], z3.Implies(x.new_task(v.t), same))
    elif x.creates:
        yield "the given ones", forall([v.t], z3.Implies(x.new_task(v.t), x.has_given_tokens(v.t)))
        if not x.k.profile.audit_tokens:
            yield "the parent's audit token", forall([v.t], z3.Implies(x.new_task(v.t), a.audit(v.t) == b.audit(x.parent)))
        yield "by whom", forall([v.t], z3.Implies(x.new_task(v.t), x.presents_security_port))
    else:
        yield "nobody else makes tasks", forall([v.t], z3.Not(x.new_task(v.t)))


@step_property(31, "a message carries its sender's tokens")
def trailers(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A message that a task makes carries that task's tokens of this moment, and its receiver is told those.

    A task's message is never taken for one of the kernel's, which carry the kernel's tokens; except that the kernel's answer to a message is
    that message, made anew.
    """
    b, a = x.before, x.after
    kernels = z3.And(a.from_kernel(v.m), a.sender_security(v.m) == v.sorts.kernel_security_token, a.sender_audit(v.m) == v.sorts.kernel_audit_token)
    made = kernels
    if x.rule in TASKS_MESSAGES:
        tokens = z3.And(a.sender_security(v.m) == b.security(x.k.caller), a.sender_audit(v.m) == b.audit(x.k.caller))
        made = z3.And(z3.Not(a.from_kernel(v.m)), a.owner(v.m) == x.k.caller, tokens)
    yield "when it is made", forall([v.m], z3.Implies(x.newly_made(v.m), made))
    same = z3.And(
        a.sender_security(v.m) == b.sender_security(v.m), a.sender_audit(v.m) == b.sender_audit(v.m), a.from_kernel(v.m) == b.from_kernel(v.m)
    )
    if x.rule == ANSWER:
        same = z3.Or(same, z3.And(v.m == x.k.message, kernels))
    kept = z3.And(b.stage(v.m) != STAGE.FREE, a.stage(v.m) != STAGE.FREE)
    yield "ever after", forall([v.m], z3.Implies(kept, same))
    if x.rule == TAKE and x.case.code is None:
        told = x.case.outputs
        tokens = z3.And(told["security_token"] == b.sender_security(v.m), told["audit_token"] == b.sender_audit(v.m))
        yield "what the receiver is told", forall([v.m], z3.Implies(x.taken(v.m), tokens))


@step_property(33, "the privileged host port is a task's host port by explicit grant")
def privileged_host(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A task's host port becomes the privileged one only if the caller gave that port as the new host port, or the task's parent had it so."""
    b, a, S = x.before, x.after, v.S
    slot = S.place_slot(v.t, PLACE.of(Place.HOST))
    privileged = OBJECT.of(PortObject.HOST_PRIV)
    gained = z3.And(x.gained(slot), a.object(a.port(slot)) == privileged)
    presented = z3.BoolVal(False)
    if x.grants_host:
        given = x.k.slot(x.k.host)
        granted = x.new_task(v.t) if x.creates else v.t == x.k.task_behind(x.k.target_task)
        presented = z3.And(b.sends(given), b.port(given) == a.port(slot), granted)
    elif x.rule == "task_set_special_port":
        given = x.k.slot(x.k.port)
        presented = z3.And(b.sends(given), b.port(given) == a.port(slot), v.t == x.k.task_behind(x.k.task))
    inherited = z3.BoolVal(False)
    if x.creates and not x.grants_host:
        source = S.place_slot(x.parent, PLACE.of(Place.HOST))
        inherited = z3.And(x.new_task(v.t), b.kind(source) == KIND.SEND, b.port(source) == a.port(slot))
    yield "by grant", forall([v.t], z3.Implies(gained, z3.Or(presented, inherited)))


@step_property(34, "a child has clones of its parent's ports and its own")
def child_rights(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A new task's space is empty; its self place holds its own port, its ledger places what it draws on, the others what its parent's hold.

    Where the call that made it says which host port it has, that is one of the host's two.
    """
    b, a, S = x.before, x.after, v.S
    yield "an empty space", forall([v.t, v.n], z3.Implies(x.new_task(v.t), a.empty(S.name_slot(v.t, v.n))))
    if not x.creates:
        return
    own = {Place.KERNEL: a.task_port(v.t), Place.WIRED_LEDGER: a.wired(v.t), Place.PAGED_LEDGER: a.paged(v.t)}
    for place in Place:
        slot, source = S.place_slot(v.t, PLACE.of(place)), S.place_slot(x.parent, PLACE.of(place))
        if place not in x.k.profile.places:
            right = a.empty(slot)
        elif place is Place.HOST and x.grants_host:
            kinds = [z3.And(a.kind(slot) == KIND.SEND, a.object(a.port(slot)) == OBJECT.of(kind)) for kind in (PortObject.HOST, PortObject.HOST_PRIV)]
            right = z3.Or(*kinds)
        elif place in own:
            right = z3.And(a.kind(slot) == KIND.SEND, a.port(slot) == own[place])
        else:
            right = z3.And(a.kind(slot) == b.kind(source), a.port(slot) == b.port(source))
        yield f"its {place.name.lower()} place", forall([v.t], z3.Implies(x.new_task(v.t), right))
    if x.k.profile.exception_places:
        names, places = ("exception_behaviour", "exception_flavour"), [PLACE.of(place) for place in EXCEPTION_PLACES]
        same = [a.fields[name](v.t, place) == b.fields[name](x.parent, place) for name in names for place in places]
        yield "its behaviours and flavours", forall([v.t], z3.Implies(x.new_task(v.t), z3.And(*same)))
    yield "its own port", forall([v.t], z3.Implies(x.new_task(v.t), b.port_life(a.task_port(v.t)) == LIFE.UNBORN))
    if x.k.profile.ledger_rule is not LedgerRule.NONE:
        for name, place, index in (("wired", Place.WIRED_LEDGER, 0), ("paged", Place.PAGED_LEDGER, 1)):
            drawn = z3.Or(a.fields[name](v.t) == b.fields[name](x.parent), *x.other_ledgers(a.fields[name](v.t), place, index))
            yield f"its {name} ledger", forall([v.t], z3.Implies(x.new_task(v.t), drawn))


@step_property(35, "a creation that fails makes no task")
def no_task_on_failure(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """If a call fails no new task exists, and no new port either."""
    if x.case.code not in (None, ReturnCode.KERN_SUCCESS):
        yield "no task", forall([v.t], z3.Not(x.new_task(v.t)))
        made = z3.And(x.before.port_life(v.p) == LIFE.UNBORN, x.after.port_life(v.p) != LIFE.UNBORN)
        yield "no port", forall([v.p], z3.Not(made))


@step_property(36, "a child is never seen with other tokens than asked for")
def never_other_tokens(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """The step in which a task with explicit tokens comes to life is the step in which it has them: there is none between."""
    if x.rule == "host_security_create_task_token":
        asked = z3.And(x.has_given_tokens(v.t), x.presents_security_port)
        yield "from the first moment", forall([v.t], z3.Implies(x.new_task(v.t), asked))


@step_property(37, "limits are given, not made")
def conservation(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """What a finite ledger has and what it gave in all to its children are one sum, which only its own parent adds to or takes from.

    Finite ledgers stay finite. A new ledger has what its parent gave. No root begins or ends, and who is whose parent or payer never changes.
    Other calls than those on ledgers change nothing of them.
    """
    b, a, none = x.before, x.after, v.sorts.no_port
    kept = z3.And(is_ledger(b, v.p), is_ledger(a, v.p))
    made = z3.And(z3.Not(is_ledger(b, v.p)), is_ledger(a, v.p))
    had, has = b.ledger_limit(v.p) + b.given_limits(v.p), a.ledger_limit(v.p) + a.given_limits(v.p)
    given, parent = z3.IntVal(0), none
    if x.rule == "ledger_transfer" and x.case.code is ReturnCode.KERN_SUCCESS:
        given = z3.If(v.p == b.port(x.k.slot(x.k.child_ledger)), x.k.transfer, 0)
    yield "conserved", forall([v.p], z3.Implies(z3.And(kept, b.ledger_limit(v.p) != -1), has == had + given))
    yield "finite stays finite", forall([v.p], z3.Implies(kept, (b.ledger_limit(v.p) == -1) == (a.ledger_limit(v.p) == -1)))
    if x.rule == "ledger_create":
        parent = b.port(x.k.slot(x.k.parent_ledger))
        born = z3.And(has == x.k.transfer, a.ledger_balance(v.p) == 0, a.ledger_parent(v.p) == parent, parent != none)
        yield "a new ledger", forall([v.p], z3.Implies(made, born))
    else:
        yield "nobody else makes ledgers", forall([v.p], z3.Not(made))
    ends = z3.And(is_ledger(b, v.p), z3.Not(is_ledger(a, v.p)))
    ended = z3.BoolVal(False)
    if x.rule == "ledger_terminate":
        ended = z3.And(v.p == b.port(x.k.slot(x.k.ledger)), b.ledger_balance(v.p) == 0, b.ledger_parent(v.p) != none)
    yield "what ends", forall([v.p], z3.Implies(ends, ended))
    same = z3.And(a.ledger_parent(v.p) == b.ledger_parent(v.p), a.ledger_payer(v.p) == b.ledger_payer(v.p))
    if x.rule not in LEDGER_CALLS:
        same = z3.And(same, a.ledger_limit(v.p) == b.ledger_limit(v.p), a.ledger_balance(v.p) == b.ledger_balance(v.p))
    yield "what stays", forall([v.p], z3.Implies(kept, same))


@step_property(39, "memory is inherited as each region says")
def inheritance(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """SHARE: one object for both. COPY: an object of the child's own with the same contents. NONE, and where nothing is: nothing."""
    if not x.creates:
        return
    b, a, none = x.before, x.after, v.sorts.no_object
    theirs, child = b.mapped(x.parent, v.i), a.mapped(v.t, v.i)
    kind = b.inheritance(x.parent, v.i)
    inherits = z3.And(x.new_task(v.t), x.k.inherit_memory)
    there = z3.And(inherits, theirs != none)
    yield "SHARE", forall([v.t, v.i], z3.Implies(z3.And(there, kind == INHERITANCE.INHERIT_SHARE), child == theirs))
    own = z3.And(child != none, z3.Not(b.object_made(child)), a.object_made(child), a.content(child) == b.content(theirs))
    yield "COPY", forall([v.t, v.i], z3.Implies(z3.And(there, kind == INHERITANCE.INHERIT_COPY), own))
    yield "NONE", forall([v.t, v.i], z3.Implies(z3.And(there, kind == INHERITANCE.INHERIT_NONE), child == none))
    yield "holes", forall([v.t, v.i], z3.Implies(z3.And(inherits, theirs == none), child == none))
    yield "kept", forall([v.t, v.i], z3.Implies(z3.And(there, child != none), a.inheritance(v.t, v.i) == kind))
    other = a.mapped(v.t, v.j)
    copies = z3.And(inherits, child == other, child != none, z3.Not(b.object_made(child)))
    yield "each copy is its own", forall([v.t, v.i, v.j], z3.Implies(copies, v.i == v.j))


@step_property(110, "memory is its task's own")
def memory_isolation(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A living task's map changes by vm_allocate, which puts a new, zero-filled object at a free page, by vm_deallocate, by its end, and by messages.

    A message takes a copy of the sender's page, and that very copy goes to a free page of the receiver's. An object's contents change by vm_write
    or vm_copy to a page where it is mapped, and a page's inheritance by vm_inherit. What was made stays made.
    """
    b, a, none = x.before, x.after, v.sorts.no_object
    success = x.case.code is ReturnCode.KERN_SUCCESS
    lives = z3.And(b.alive(v.t), a.alive(v.t))
    target = x.k.task_behind(x.k.task) if x.rule in VM_CALLS else None
    mapped, written = z3.BoolVal(False), z3.BoolVal(False)
    kept = a.inheritance(v.t, v.i) == b.inheritance(v.t, v.i)
    if x.rule == "vm_allocate" and success:
        there, page = a.mapped(v.t, v.i), x.case.outputs["address"]
        new = z3.And(there != none, z3.Not(b.object_made(there)), a.object_made(there), a.content(there) == 0)
        mapped = z3.And(v.t == target, v.i == page, b.mapped(v.t, v.i) == none, new)
        kept = z3.Or(kept, z3.And(v.t == target, v.i == page, a.inheritance(v.t, v.i) == INHERITANCE.INHERIT_COPY))
        yield "what is allocated is there", z3.And(page >= 0, page < x.k.pages, a.mapped(target, page) != b.mapped(target, page))
        yield "where it was asked for", z3.Or(x.k.anywhere, page == x.k.address)
    elif x.rule == "vm_write" and success:
        there = b.mapped(target, x.k.address)
        written = z3.And(v.o == there, a.content(v.o) == x.k.value)
        yield "what is written is there", z3.And(there != none, a.content(there) == x.k.value)
    elif x.rule == "vm_copy" and success:
        source, there = b.mapped(target, x.k.source_address), b.mapped(target, x.k.dest_address)
        written = z3.And(v.o == there, a.content(v.o) == b.content(source))
        yield "what is copied is there", z3.And(source != none, there != none, a.content(there) == b.content(source))
    elif x.rule == "vm_deallocate" and success:
        mapped = z3.And(v.t == target, v.i == x.k.address)
        yield "what is given up is gone", a.mapped(target, x.k.address) == none
    elif x.rule == "vm_read" and success:
        there = b.mapped(target, x.k.address)
        yield "what is there is read", z3.And(there != none, x.case.outputs["value"] == b.content(there))
    elif x.rule == PAGE_IN and x.case.code is None:
        there, carried = b.mapped(x.k.caller, x.k.address), a.memory(x.k.message, x.k.index)
        new = z3.And(carried != none, z3.Not(b.object_made(carried)), a.object_made(carried), a.content(carried) == b.content(there))
        yield "what is sent is a copy", z3.And(there != none, new)
        mapped = z3.And(x.k.deallocate, v.t == x.k.caller, v.i == x.k.address, a.mapped(v.t, v.i) == none)
        yield "what is given up with it is gone", z3.Implies(x.k.deallocate, a.mapped(x.k.caller, x.k.address) == none)
    elif x.rule == PAGE_OUT:
        page, carried = x.case.outputs["page"], b.memory(x.k.message, x.k.index)
        here, got = z3.And(v.t == x.k.caller, v.i == page), a.mapped(x.k.caller, page)
        mapped = z3.And(here, b.mapped(v.t, v.i) == none, page != NO_PAGE, a.mapped(v.t, v.i) == carried)
        kept = z3.Or(kept, z3.And(here, page != NO_PAGE, a.inheritance(v.t, v.i) == INHERITANCE.INHERIT_COPY))
        whole = z3.And(page >= 0, page < x.k.pages, got == carried, a.content(got) == b.content(carried))
        yield "what is received is what was sent", z3.Or(page == NO_PAGE, whole)
        room = z3.And(v.i >= 0, v.i < x.k.pages, b.mapped(x.k.caller, v.i) == none)
        yield "it is lost only if there is no room", forall([v.i], z3.Implies(page == NO_PAGE, z3.Not(room)))
        yield "it is in the message no more", a.memory(x.k.message, x.k.index) == none
    elif x.rule == "vm_inherit" and success:
        asked = z3.Or(*[z3.And(x.k.inheritance == int(value), a.inheritance(v.t, v.i) == INHERITANCE.of(value)) for value in Inheritance])
        here = z3.And(v.t == target, v.i == x.k.address, b.mapped(v.t, v.i) != none)
        kept = z3.If(here, asked, kept)
    yield "maps", forall([v.t, v.i], z3.Implies(z3.And(lives, a.mapped(v.t, v.i) != b.mapped(v.t, v.i)), mapped))
    yield "contents", forall([v.o], z3.Implies(z3.And(b.object_made(v.o), a.content(v.o) != b.content(v.o)), written))
    yield "inheritance", forall([v.t, v.i], z3.Implies(lives, kept))
    yield "objects", forall([v.o], z3.Implies(b.object_made(v.o), a.object_made(v.o)))


@step_property(117, "a name that was asked for is the name that is given")
def asked_name(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """Who allocates a right under a name of its choice has it under that name, in the space that was asked for, and is told no other."""
    if x.rule not in NAMED_BY_CALLER or x.case.code is not ReturnCode.KERN_SUCCESS:
        return
    asked = x.k.named if x.rule == "mach_port_allocate_full" else z3.BoolVal(True)
    slot = x.k.slot(x.k.name, x.k.task_behind(x.k.task))
    there = z3.And(x.before.empty(slot), z3.Not(x.after.empty(slot)), x.case.outputs["name"] == x.k.name)
    yield "where it is", z3.Implies(asked, there)


@step_property(121, "a guard keeps the receive right for who knows it")
def guards_hold(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A guarded port lives, and keeps its guard, until somebody names its receive right and tells the guard; until the right is carried away; or
    until the task that has it ends.

    (mach_port_destroy tells the guard 0; so does who guards a port anew.) Only mach_port_guard guards a port that there is. An immovable receive
    right isn't carried: it goes only where it was asked for, when it would die.
    """
    if not x.k.profile.has_guards:
        return
    b, a, k = x.before, x.after, x.k
    words, told = ("context", "is_guarded", "is_strict"), z3.BoolVal(False)
    same = z3.And(*[a.fields[name](v.p) == b.fields[name](v.p) for name in words])
    if x.rule in ("mach_port_destruct", "mach_port_unguard"):
        told = z3.And(x.named_receive(v.p), k.guard == b.context(v.p))
    elif x.rule in ("mach_port_destroy", "mach_port_guard"):
        told = z3.And(x.named_receive(v.p), b.context(v.p) == 0)
    elif x.rule == COPY_IN:
        told = z3.And(k.disposition == Disposition.MOVE_RECEIVE, b.receiver(v.p) == k.slot(k.name, k.space))
    elif x.rule == "task_terminate":
        told = v.S.space(b.receiver(v.p)) == k.task_behind(k.task)
    guarded = z3.And(b.active(v.p), b.is_guarded(v.p))
    yield "who ends it", forall([v.p], z3.Implies(guarded, z3.Or(z3.And(a.active(v.p), same), told)))
    new = z3.And(b.active(v.p), z3.Not(b.is_guarded(v.p)), a.is_guarded(v.p))
    if x.rule == "mach_port_guard":
        yield "who makes it", forall([v.p], z3.Implies(new, z3.And(x.named_receive(v.p), a.context(v.p) == k.guard)))
    else:
        yield "who makes it", forall([v.p], z3.Not(new))
    both = z3.And(b.active(v.p), a.active(v.p))
    stays = z3.Or(z3.Not(x.moved(v.p)), v.S.is_limbo_slot(a.receiver(v.p)))
    yield "what is immovable isn't carried", forall([v.p], z3.Implies(z3.And(both, b.is_immovable(v.p)), stays))
    yield "and stays so", forall([v.p], z3.Implies(z3.And(both, z3.Not(x.moved(v.p))), a.is_immovable(v.p) == b.is_immovable(v.p)))


@step_property(40, "without inherit_memory the child's map is empty")
def empty_map(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """inherit_memory false: no page of the child is mapped, whatever the parent's attributes."""
    if x.creates:
        empty = x.after.mapped(v.t, v.i) == v.sorts.no_object
        yield "empty", forall([v.t, v.i], z3.Implies(z3.And(x.new_task(v.t), z3.Not(x.k.inherit_memory)), empty))


@step_property(41, "a terminated task never lives again")
def no_reactivation(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """What is terminated stays so, nobody becomes unmade, and nobody ends but the task that task_terminate names: it does.

    A task is suspended and resumed by holders of its port, once in a call.
    """
    b, a = x.before.task_life, x.after.task_life
    yield "ended tasks", forall([v.t], z3.Implies(b(v.t) == LIFE.ENDED, a(v.t) == LIFE.ENDED))
    yield "live tasks", forall([v.t], z3.Implies(b(v.t) == LIFE.ALIVE, a(v.t) != LIFE.UNBORN))
    ended = z3.BoolVal(False)
    if x.rule == "task_terminate" and x.case.code is ReturnCode.KERN_SUCCESS:
        target = x.k.task_behind(x.k.task)
        ended = v.t == target
        yield "the one that was named", a(target) == LIFE.ENDED
    yield "no other", forall([v.t], z3.Implies(z3.And(b(v.t) == LIFE.ALIVE, a(v.t) == LIFE.ENDED), ended))
    rise = x.after.suspend_count(v.t) - x.before.suspend_count(v.t)
    lives = z3.And(b(v.t) == LIFE.ALIVE, a(v.t) == LIFE.ALIVE)
    if x.rule in SUSPENSION:
        named = v.t == x.k.task_behind(x.k.task)
        yield "suspensions", forall([v.t], z3.Implies(lives, z3.Or(rise == 0, z3.And(named, rise == SUSPENSION[x.rule]))))
    else:
        yield "suspensions", forall([v.t], z3.Implies(lives, rise == 0))
    new = z3.And(b(v.t) == LIFE.UNBORN, a(v.t) == LIFE.ALIVE)
    yield "new tasks run", forall([v.t], z3.Implies(new, x.after.suspend_count(v.t) == 0))
