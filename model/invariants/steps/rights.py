"""Step properties of rights: how they are made, copied and moved, and from where a task may gain one."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Place, PortObject
from sendright.mach.signatures import SIGNATURES, ArgumentType
from sendright.mach.signatures.processes import PROCESS_MAKERS
from sendright.model.invariants.steps.locality import given_further_ports, gives_further_ports, holds_resume
from sendright.model.invariants.steps.processes import given_by_pid, given_by_token
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import (
    COPY_IN,
    CREATION_RESUMED,
    EXEC_RESUMED,
    TAKE,
)
from sendright.model.language.sorts import KIND, LIFE, OBJECT, PLACE, PROCESS, WAIT, Term
from sendright.model.language.state import State
from sendright.model.language.step_property import forall, step_property
from sendright.model.language.transition import FINDS_TASKS, MAKERS, SETS_TOKENS, Transition


@step_property(2, "dead ports stay dead", of_whole_calls=True)
def no_return(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A dead port never becomes active again, and an active port never becomes unmade."""
    b, a = x.before.port_life, x.after.port_life
    yield "dead ports", forall([v.p], z3.Implies(b(v.p) == LIFE.ENDED, a(v.p) == LIFE.ENDED))
    yield "active ports", forall([v.p], z3.Implies(b(v.p) == LIFE.ALIVE, a(v.p) != LIFE.UNBORN))


@step_property(7, "pegged references stay")
def pegged_references_stay(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """Where references are pegged, a name with UREFS_MAX references keeps them when references are added or taken, and
    when its port dies.

    They are given up only all at once: by a call that takes exactly UREFS_MAX, by mach_port_destroy, by the end of
    the task, or by task_resume of a task that isn't suspended, to whose resume port the name leads.
    """
    if not x.k.profile.pegged_urefs:
        return
    b, a, k = x.before, x.after, x.k
    slot = v.S.name_slot(v.t, v.n)
    given_up = z3.BoolVal(False)
    if x.rule == "mach_port_destroy":
        given_up = slot == k.slot(k["name"], k.task_behind(k["task"]))
    elif x.rule in ("mach_port_mod_refs", "mach_port_destruct"):
        delta = k["delta"] if x.rule == "mach_port_mod_refs" else k["srdelta"]
        given_up = z3.And(slot == k.slot(k["name"], k.task_behind(k["task"])), delta == -k.urefs_max)
    elif x.ends_task:
        given_up = v.t == x.ended_task
    elif x.rule == "task_resume" and x.case.code is k.profile.resume_at_zero_code:
        given_up = z3.And(holds_resume(x, b, slot), b.suspend_count(k.task_behind(k["task"])) == 0)

    def pegged(s: State) -> Term:
        return z3.And(z3.Or(s.sends(slot), s.kind(slot) == KIND.DEAD_NAME), s.urefs(slot) == k.urefs_max)

    yield "until all are given up", forall([v.t, v.n], z3.Implies(pegged(b), z3.Or(pegged(a), given_up)))


@step_property(12, "send rights are made or copied")
def made_or_copied(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A port's send rights grow only when one is made from the receive right (or by the kernel), or one that exists is
    copied.
    """
    b, a = x.before, x.after
    grows = z3.And(b.active(v.p), a.srights(v.p) > b.srights(v.p))
    source = z3.Exists([v.s], z3.And(b.sends(v.s), b.port(v.s) == v.p))
    yield "growth", forall([v.p], z3.Implies(grows, z3.Or(a.mscount(v.p) > b.mscount(v.p), source)))


@step_property(13, "a send-once right yields one message")
def send_once(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """Only MAKE_SEND_ONCE makes send-once rights.

    While its port lives, each ends as the destination of one received message. Where ``circular_rescue_is_silent``, a
    port-destroyed request may end without one when its port dies.
    """
    b, a = x.before, x.after
    both = z3.And(b.active(v.p), a.active(v.p))
    made = z3.BoolVal(False)
    if x.rule == COPY_IN:
        entry = x.k.slot(x.k["name"], x.k["space"])
        made = z3.And(x.k["disposition"] == Disposition.MAKE_SEND_ONCE, b.receives(entry), b.port(entry) == v.p)
    yield "made", forall([v.p], z3.Implies(z3.And(both, a.sorights(v.p) > b.sorights(v.p)), made))
    received = z3.BoolVal(False)
    if x.rule == TAKE:
        destination = v.S.destination_slot(x.k["oldest"])
        from_it = z3.And(x.receives_from(v.p), b.queue(x.k["oldest"]) == v.p)
        received = z3.And(from_it, b.kind(destination) == KIND.SEND_ONCE, x.taken(x.k["oldest"]))
    given_up = z3.BoolVal(False)
    if x.k.profile.circular_rescue_is_silent:
        request, guarded = v.S.port_destroyed_slot(v.q), z3.And(b.active(v.q), z3.Not(a.active(v.q)))
        given_up = z3.Exists([v.q], z3.And(b.kind(request) == KIND.SEND_ONCE, b.port(request) == v.p, guarded))
    yield "ended", forall([v.p], z3.Implies(z3.And(both, a.sorights(v.p) < b.sorights(v.p)), z3.Or(received, given_up)))
    yield "one more at a time", forall([v.p], z3.Implies(both, a.sorights(v.p) <= b.sorights(v.p) + 1))
    yield "one less at a time", forall([v.p], z3.Implies(both, z3.Or(b.sorights(v.p) <= a.sorights(v.p) + 1, given_up)))


@step_property(14, "the make-send count counts MAKE_SEND")
def make_send_count(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """The make-send count rises by one with each send right made, and is 0 after any move of the receive right; its
    holder may set it.
    """
    b, a = x.before, x.after
    both = z3.And(b.active(v.p), a.active(v.p))
    moved = x.moved(v.p)
    yield "a move resets it", forall([v.p], z3.Implies(z3.And(both, moved), a.mscount(v.p) == 0))
    rise = a.mscount(v.p) - b.mscount(v.p)
    if x.rule == COPY_IN:
        entry = x.k.slot(x.k["name"], x.k["space"])
        made = z3.And(x.k["disposition"] == Disposition.MAKE_SEND, z3.Not(x.k.reserved(x.k["name"])), b.port(entry) == v.p)
        one = z3.BoolVal(x.case.code is None)
        expected = z3.If(z3.And(one, made), 1, 0)
        yield "by one for MAKE_SEND", forall([v.p], z3.Implies(z3.And(both, z3.Not(moved)), rise == expected))
    elif x.rule == "mach_port_set_mscount":
        set_ = z3.And(x.named_receive(v.p), a.mscount(v.p) == x.k["mscount"])
        yield "set for the port that is named", forall([v.p], z3.Implies(both, z3.Or(rise == 0, set_)))
    elif x.rule in MAKERS and not x.ends_task:
        yield "by what the kernel makes", forall([v.p], z3.Implies(both, z3.And(rise >= 0, rise <= 2)))
    else:
        yield "else not at all", forall([v.p], z3.Implies(z3.And(both, z3.Not(moved)), rise == 0))


@step_property(22, "only connectivity begets connectivity")
def connectivity(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A space, place or message gains a right to a port only from where the caller could take it.

    That is: the port was just made. Or the caller, or a task whose port the caller holds, had the right or a
    registration of it. Or it is the host port, or a ledger that such a task draws on, which the kernel gives out. Or it
    is one of the host's special ports, and the caller holds the privileged host port. Or it is a further port of a
    task, of which the caller has a port. Or the caller may get it by the pid of the task's process (step invariant
    223); or it is the privileged host port, for a process that becomes root. A send-once right that is given up goes to
    its port, and a receive right that would die to the port-destroyed requester. A stopped creation has found the
    child's host port in one of these ways, and gives it and the child's port when it goes on.
    """
    b, a, S = x.before, x.after, v.S
    gained, port = x.gained(v.s), a.port(v.s)
    fresh = b.port_life(port) == LIFE.UNBORN
    owner = z3.If(S.is_name_slot(v.s2), S.space(v.s2), z3.If(S.is_request_slot(v.s2), S.requester(v.s2), S.holder(v.s2)))
    place = z3.And(S.is_place_slot(v.s2), S.place(v.s2) != PLACE.PLACE_IN_HAND)
    of_task = z3.Or(S.is_name_slot(v.s2), place, S.is_request_slot(v.s2))
    watched = z3.If(S.is_no_senders_slot(v.s2), S.watched(v.s2), S.guarded(v.s2))
    of_port = z3.And(z3.Or(S.is_no_senders_slot(v.s2), S.is_port_destroyed_slot(v.s2)), S.is_name_slot(b.receiver(watched)))
    registered = z3.And(of_port, x.controls(S.space(b.receiver(watched))))
    hosts = z3.And(S.is_host_slot(v.s2), x.holds_host_priv)
    reachable = z3.Or(x.is_callers(v.s2), z3.And(of_task, x.controls(owner)), registered, hosts)

    def taken(port: Term) -> Term:
        return z3.Exists([v.s2], z3.And(x.right(b, v.s2), b.port(v.s2) == port, reachable))

    drawn = z3.Exists([v.u], z3.And(x.controls(v.u), z3.Or(port == b.wired(v.u), port == b.paged(v.u))))
    given = z3.Or(port == v.sorts.host_port, drawn)
    if gives_further_ports(x) and x.rule not in FINDS_TASKS:
        task = b.object_task(port)
        further = z3.Or(*[z3.And(given, port == b.flavour_port(task, OBJECT.of(kind))) for kind, given in given_further_ports(x).items()])
        given = z3.Or(given, z3.And(further, x.has_port_of(task)))
    if x.rule in SETS_TOKENS:
        given = z3.Or(given, z3.And(port == v.sorts.host_priv_port, a.effective_user(x.k.caller) == 0))
    given = z3.Or(given, given_by_pid(x, port), given_by_token(x, port))
    if x.rule == CREATION_RESUMED:
        given = z3.Or(given, port == b.waits_host(x.k.caller), port == b.task_port(x.half_made))
    if x.rule in (*PROCESS_MAKERS, EXEC_RESUMED):
        root = z3.And(a.process(S.holder(v.s)) != PROCESS.NO_PROCESS, a.effective_user(S.holder(v.s)) == 0)
        given = z3.Or(given, z3.And(v.s == S.place_slot(S.holder(v.s), PLACE.of(Place.HOST)), root, port == v.sorts.host_priv_port))
    home = z3.And(S.is_destination_slot(v.s), a.kind(v.s) == KIND.SEND_ONCE, a.from_kernel(S.destined(v.s)))
    saved = z3.And(S.is_limbo_slot(v.s), S.rescued(v.s) == port)
    sent_home = z3.And(S.is_body_slot(v.s), a.from_kernel(S.carrying(v.s)), b.kind(S.limbo_slot(port)) == KIND.RECEIVE)
    yield "where it came from", forall([v.s], z3.Implies(gained, z3.Or(fresh, taken(port), given, home, saved, sent_home)))
    task = z3.If(S.is_name_slot(v.s), S.space(v.s), z3.If(S.is_place_slot(v.s), S.holder(v.s), S.requester(v.s)))
    into = z3.And(gained, z3.Or(S.is_name_slot(v.s), S.is_place_slot(v.s), S.is_request_slot(v.s)))
    yield "who may put it there", forall([v.s], z3.Implies(into, z3.Or(x.controls(task), x.new_task(task))))
    yield "who may make it a host port", forall([v.s], z3.Implies(z3.And(gained, S.is_host_slot(v.s)), x.holds_host_priv))
    if x.k.profile.tokens_in_two_steps:
        host = a.waits_host(v.t)
        found = z3.Or(host == v.sorts.host_port, taken(host)) if x.creates else z3.BoolVal(False)
        same = z3.And(b.wait(v.t) == WAIT.CREATING, host == b.waits_host(v.t))
        yield "what a creation will give", forall([v.t], z3.Implies(a.wait(v.t) == WAIT.CREATING, z3.Or(same, found)))


@step_property(24, "a kernel object is reached through a live right to its port")
def reached_by_right(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A call on a kernel object succeeds only with a send right to a live port that stands for an object of
    that kind.
    """
    if x.rule not in SIGNATURES or x.case.code not in (None, ReturnCode.KERN_SUCCESS):
        return
    b, k = x.before, x.k
    for argument in SIGNATURES[x.rule].arguments:
        if argument.type is not ArgumentType.PORT or argument.object is None or not argument.required:
            continue
        carried = argument.name not in k.constants  # by the request, whose destination it is
        slot = v.S.destination_slot(k["message"]) if carried else k.slot(k.constants[argument.name])
        port = b.port(slot)
        kinds = k.target_objects if argument.name == SIGNATURES[x.rule].target and argument.object is PortObject.TASK else (argument.object,)
        yield argument.name, z3.And(b.sends(slot), b.active(port), z3.Or(*[b.object(port) == OBJECT.of(kind) for kind in kinds]))


@step_property(28, "another task's space changes only through its port, or when a port dies")
def foreign_spaces(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """Without a right to a task's port a call leaves its space alone, except that rights to a port that dies become
    dead names.

    A dead name with a dead-name request gets one more reference when the notification is sent.
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


@step_property(117, "an allocation uses the requested name")
def requested_name(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A caller that allocates a right under a name of its choice gets it under that name in the target space, and the
    result is that name.
    """
    name = x.call.named_by_caller if x.call else ""
    if not name or x.case.code is not ReturnCode.KERN_SUCCESS:
        return
    asked = x.k["named"] if x.rule == "mach_port_allocate_full" else z3.BoolVal(True)
    slot = x.k.slot(x.k[name], x.k.task_behind(x.k["task"]))
    there = z3.And(x.before.empty(slot), z3.Not(x.after.empty(slot)), x.case.outputs[name] == x.k[name])
    yield "where it is", z3.Implies(asked, there)


GUARDING = ("mach_port_guard", "mach_port_guard_with_flags")
"""The calls that guard a port which has no context."""


@step_property(121, "a guarded receive right ends only by its guard")
def guards_hold(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A guarded port lives and keeps its guard until a call names its receive right and gives the guard, until the
    right is carried away, or until the task that has it ends. mach_port_set_context replaces the guard of a port that
    isn't strict, and the caller needn't know it.

    (mach_port_destroy gives the guard 0, and so do mach_port_guard and mach_port_guard_with_flags on a guarded port.)
    Only these two guard an existing port. An immovable receive right isn't carried: it goes only to the port-destroyed
    requester, when it would die. Only mach_port_guard_with_flags makes the right of an existing port immovable, with
    its flag.
    """
    if not x.k.profile.has_guards:
        return
    b, a, k = x.before, x.after, x.k
    words, told = ("context", "is_guarded", "is_strict"), z3.BoolVal(False)
    same = z3.And(*[a.fields[name](v.p) == b.fields[name](v.p) for name in words])
    if x.rule in ("mach_port_destruct", "mach_port_unguard"):
        told = z3.And(x.named_receive(v.p), k["guard"] == b.context(v.p))
    elif x.rule == "mach_port_swap_guard":
        told = z3.And(x.named_receive(v.p), k["old_guard"] == b.context(v.p), z3.Not(b.is_strict(v.p)), a.context(v.p) == k["new_guard"])
    elif x.rule == "mach_port_set_context":
        told = z3.And(x.named_receive(v.p), z3.Not(b.is_strict(v.p)))
    elif x.rule in ("mach_port_destroy", *GUARDING):
        told = z3.And(x.named_receive(v.p), b.context(v.p) == 0)
    elif x.rule == COPY_IN:
        told = z3.And(k["disposition"] == Disposition.MOVE_RECEIVE, b.receiver(v.p) == k.slot(k["name"], k["space"]))
    elif x.ends_task:
        told = v.S.space(b.receiver(v.p)) == x.ended_task
    guarded = z3.And(b.active(v.p), b.is_guarded(v.p))
    yield "who ends it", forall([v.p], z3.Implies(guarded, z3.Or(z3.And(a.active(v.p), same), told)))
    new = z3.And(b.active(v.p), z3.Not(b.is_guarded(v.p)), a.is_guarded(v.p))
    if x.rule in GUARDING:
        yield "who makes it", forall([v.p], z3.Implies(new, z3.And(x.named_receive(v.p), a.context(v.p) == k["guard"])))
    else:
        yield "who makes it", forall([v.p], z3.Not(new))
    both = z3.And(b.active(v.p), a.active(v.p))
    stays = z3.Or(z3.Not(x.moved(v.p)), v.S.is_limbo_slot(a.receiver(v.p)))
    yield "an immovable right isn't carried", forall([v.p], z3.Implies(z3.And(both, b.is_immovable(v.p)), stays))
    is_set = z3.BoolVal(False)
    if x.rule == "mach_port_guard_with_flags" and x.case.code is ReturnCode.KERN_SUCCESS:
        is_set = z3.And(x.named_receive(v.p), k["immovable"])
    kept = a.is_immovable(v.p) == z3.Or(b.is_immovable(v.p), is_set)
    yield "immovability stays", forall([v.p], z3.Implies(z3.And(both, z3.Not(x.moved(v.p))), kept))
