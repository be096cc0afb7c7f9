"""Step properties of tasks: what a child gets, what calls on a task read and set, how a task waits and ends."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import REGISTERED_PLACES, HostPort, Place, PortObject
from sendright.mach.abi.tokens import TASK_AUDIT_TOKEN, TASK_SECURITY_TOKEN
from sendright.mach.kernel.profiles import HostSelf, LedgerRule
from sendright.mach.signatures.processes import PROCESS_MAKERS
from sendright.model.invariants.steps.locality import gives_resume_port, resume_port
from sendright.model.invariants.steps.processes import image_changes_ids
from sendright.model.language.actions import is_kernel_objects
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import (
    CREATION_RESUMED,
    EXEC_RESUMED,
    RESUMED_RECEIVE,
    SETTING_RESUMED,
    SUSPENSIONS_END,
)
from sendright.model.language.sorts import KIND, LIFE, OBJECT, PLACE, WAIT, Term
from sendright.model.language.state import exception_fields
from sendright.model.language.step_property import IN_PROGRESS, forall, step_property
from sendright.model.language.transition import SUSPENSION, Transition


@step_property(34, "a child has clones of its parent's ports and its own", of_whole_calls=True)
def child_rights(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A new task's space is empty. Its self place holds its own port, its ledger places the ledgers that it draws on,
    the others what its parent's hold.

    If the call sets the child's host port, that is one of the host's two. So is the host port of a new process's task.
    A task of XNU 11417 doesn't inherit its ports for debugging and for resources, nor a right to a kernel object's
    port where calls report such rights as null. A task that begins with a set-id image inherits only the exception
    ports that root has set.
    """
    b, a, S = x.before, x.after, v.S
    yield "an empty space", forall([v.t, v.n], z3.Implies(x.new_task(v.t), a.empty(S.name_slot(v.t, v.n))))
    yield "nothing in hand", forall([v.t], z3.Implies(x.new_task(v.t), a.empty(S.place_slot(v.t, PLACE.PLACE_IN_HAND))))
    if not x.creates:
        return
    own = {Place.KERNEL: a.task_port(v.t), Place.WIRED_LEDGER: a.wired(v.t), Place.PAGED_LEDGER: a.paged(v.t)}
    for place in Place:
        slot, source = S.place_slot(v.t, PLACE.of(place)), S.place_slot(x.parent, PLACE.of(place))
        if place not in x.k.profile.places:
            right = a.empty(slot)
        elif place is Place.HOST and (x.grants_host or x.rule in PROCESS_MAKERS):
            kinds = [z3.And(a.kind(slot) == KIND.SEND, a.object(a.port(slot)) == OBJECT.of(kind)) for kind in (PortObject.HOST, PortObject.HOST_PRIV)]
            right = z3.Or(*kinds)
        elif place in own:
            right = z3.And(a.kind(slot) == KIND.SEND, a.port(slot) == own[place])
        elif place in (Place.DEBUG_CONTROL, Place.RESOURCE_NOTIFY):
            right = a.empty(slot)
        else:
            right = z3.And(a.kind(slot) == b.kind(source), a.port(slot) == b.port(source))
            if x.k.profile.kernel_ports_kept_as_null and place not in (Place.HOST, *REGISTERED_PLACES):
                right = z3.If(is_kernel_objects(b, source), a.empty(slot), right)
            if x.rule == "posix_spawn" and place in x.k.profile.exception_places:
                taken_away = z3.And(image_changes_ids(x), z3.Not(b.set_by_root(x.parent, PLACE.of(place))))
                right = z3.If(taken_away, a.empty(slot), right)
        yield f"its {place.name.lower()} place", forall([v.t], z3.Implies(x.new_task(v.t), right))
    if x.k.profile.exception_places:
        places = [PLACE.of(place) for place in x.k.profile.exception_places]
        same = [a.fields[name](v.t, place) == b.fields[name](x.parent, place) for name in exception_fields(x.k.profile) for place in places]
        yield "its behaviours and flavours", forall([v.t], z3.Implies(x.new_task(v.t), z3.And(*same)))
    yield "its own port", forall([v.t], z3.Implies(x.new_task(v.t), b.port_life(a.task_port(v.t)) == LIFE.UNBORN))
    if x.k.profile.ledger_rule is not LedgerRule.NONE:
        for name, place, index in (("wired", Place.WIRED_LEDGER, 0), ("paged", Place.PAGED_LEDGER, 1)):
            drawn = z3.Or(a.fields[name](v.t) == b.fields[name](x.parent), *x.other_ledgers(a.fields[name](v.t), place, index))
            yield f"its {name} ledger", forall([v.t], z3.Implies(x.new_task(v.t), drawn))


@step_property(35, "a creation that fails makes no task", of_whole_calls=True)
def no_task_on_failure(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """If a call fails, it makes no task and no port. (Where suspensions are held by rights to resume ports, a caller of
    task_suspend without room for such a right has made the port.)
    """
    if x.case.code not in (None, ReturnCode.KERN_SUCCESS) and not x.stops and x.rule != EXEC_RESUMED:
        yield "no task", forall([v.t], z3.Not(x.new_task(v.t)))
        made = z3.And(x.before.port_life(v.p) == LIFE.UNBORN, x.after.port_life(v.p) != LIFE.UNBORN)
        own = z3.BoolVal(False)
        if gives_resume_port(x) and x.case.code is ReturnCode.KERN_RESOURCE_SHORTAGE:
            own = v.p == resume_port(x, x.after)
        yield "no port", forall([v.p], z3.Implies(made, own))


@step_property(41, "a terminated task never lives again", of_whole_calls=True)
def no_reactivation(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A terminated task stays terminated, no task becomes unmade, and only these tasks end: one that task_terminate
    names, the caller of exit, and the old task of an exec.

    Only task_suspend and task_resume on a task change its suspend count, by one. Where suspensions are held by rights
    to resume ports, they all end when the last right to the task's port has gone, and only then.
    """
    b, a = x.before.task_life, x.after.task_life
    yield "ended tasks", forall([v.t], z3.Implies(b(v.t) == LIFE.ENDED, a(v.t) == LIFE.ENDED))
    yield "live tasks", forall([v.t], z3.Implies(b(v.t) == LIFE.ALIVE, a(v.t) != LIFE.UNBORN))
    ended = z3.BoolVal(False)
    if x.ends_task:
        ended = v.t == x.ended_task
        yield "the one that was named", a(x.ended_task) == LIFE.ENDED
    yield "no other", forall([v.t], z3.Implies(z3.And(b(v.t) == LIFE.ALIVE, a(v.t) == LIFE.ENDED), ended))
    rise = x.after.suspend_count(v.t) - x.before.suspend_count(v.t)
    lives = z3.And(b(v.t) == LIFE.ALIVE, a(v.t) == LIFE.ALIVE)
    allowed = rise == 0
    if x.rule in SUSPENSION:
        named = v.t == x.k.task_behind(x.k["task"])
        allowed = z3.Or(rise == 0, z3.And(named, rise == SUSPENSION[x.rule]))
    elif x.rule == SUSPENSIONS_END:
        held = z3.Or(x.before.srights(x.k["of"]) != 0, v.t != x.before.object_task(x.k["of"]))
        allowed = z3.If(held, rise == 0, x.after.suspend_count(v.t) == 0)
    if x.of_whole_call and x.k.profile.resume_ports:
        port = x.after.flavour_port(v.t, OBJECT.of(PortObject.TASK_RESUME))
        gone = z3.And(port != v.sorts.no_port, x.after.srights(port) == 0)
        allowed = z3.Or(allowed, z3.And(gone, x.after.suspend_count(v.t) == 0))
    yield "suspensions", forall([v.t], z3.Implies(lives, allowed))
    new = z3.And(b(v.t) == LIFE.UNBORN, a(v.t) == LIFE.ALIVE)
    yield "new tasks run", forall([v.t], z3.Implies(new, x.after.suspend_count(v.t) == 0))


@step_property(109, "a call reads and sets only what its arguments name")
def named_task_and_place(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A call reads, hands out and keeps tokens and rights of the very task and place that its arguments name."""
    k, b, a, S = x.k, x.before, x.after, v.S
    if x.rule in ("mach_msg_receive", RESUMED_RECEIVE) and "source" in x.case.outputs:
        name = k["port"] if x.rule == "mach_msg_receive" else b.waits_at(k.caller)
        yield "the port to receive from", x.named_by(x.case.outputs["source"], name)
    if x.case.code is not ReturnCode.KERN_SUCCESS and not x.stops:
        return

    def copied(source: Term, slot: Term) -> Term:
        return z3.And(a.kind(slot) == b.kind(source), a.port(slot) == b.port(source))

    def given(source: Term, slot: Term, own: Term | bool) -> Term:
        """A copy; but where kernels give no right to a kernel object's port except its ``own``, nothing for such a
        right.
        """
        if not k.profile.kernel_ports_kept_as_null:
            return copied(source, slot)
        hidden = z3.And(b.sends(source), b.object(b.port(source)) != OBJECT.OBJECT_NONE, z3.Not(own))
        return z3.If(hidden, a.empty(slot), copied(source, slot))

    def place(task: Term, which: Place) -> Term:
        return S.place_slot(task, PLACE.of(which))

    def kept(slot: Term, name: Term) -> Term:
        return z3.And(a.kind(slot) == k.carried_kind(name), a.port(slot) == k.carried_port(name))

    registered = k.profile.registered_places
    if x.rule == "task_info":
        task, value = k.task_behind(k["task"]), x.case.outputs["value"]
        tokens = b.security(task) if value.sort() == v.sorts.SecurityToken else b.audit(task)
        flavour = TASK_SECURITY_TOKEN if value.sort() == v.sorts.SecurityToken else TASK_AUDIT_TOKEN
        yield "its token", z3.And(value == tokens, k["flavor"] == flavour)
    elif x.rule in ("mach_task_self", "mach_host_self"):
        if x.rule == "mach_task_self" or k.profile.host_self is HostSelf.SLOT:
            which = Place.KERNEL if x.rule == "mach_task_self" else Place.HOST
            yield "the caller's place", copied(place(k.caller, which), x.reply(0))
        else:
            yield "the host port", z3.And(a.kind(x.reply(0)) == KIND.SEND, a.port(x.reply(0)) == v.sorts.host_port)
    elif x.rule in ("task_get_special_port", "task_set_special_port"):
        for selector, which in k.profile.special_ports.items():
            held = place(k.task_behind(k["task"]), which)
            own = which in (Place.KERNEL, Place.HOST)
            done = given(held, x.reply(0), own) if x.rule == "task_get_special_port" else kept(held, k["port"])
            yield f"the {which.name.lower()} port", z3.Implies(k["which"] == selector, done)
            if x.stops:
                yield f"the {which.name.lower()} port that was there", z3.Implies(k["which"] == selector, copied(held, x.in_hand))
        for selector, kind in k.profile.flavour_ports.items() if x.rule == "task_get_special_port" else ():
            own_port = a.flavour_port(k.task_behind(k["task"]), OBJECT.of(kind))
            right = z3.And(a.kind(x.reply(0)) == KIND.SEND, a.port(x.reply(0)) == own_port)
            yield f"the {kind.name.lower()} port", z3.Implies(k["which"] == selector, right)
    elif x.rule == CREATION_RESUMED:
        lives = z3.And(a.kind(x.reply(0)) == KIND.SEND, a.port(x.reply(0)) == b.task_port(x.half_made))
        yield "the child's port", z3.If(b.alive(x.half_made), lives, a.kind(x.reply(0)) == KIND.DEAD_NAME)
    elif x.rule == "mach_ports_lookup":
        for index, which in enumerate(registered):
            yield f"registered port {index}", copied(place(k.task_behind(k["task"]), which), x.reply(index))
    elif x.rule == "mach_ports_register":
        for index, which in enumerate(registered):
            name = z3.If(index < k["ports_length"], k["ports"](index), v.sorts.null)
            yield f"registered port {index}", kept(place(k.task_behind(k["task"]), which), name)
    elif x.rule == "host_get_special_port":
        yield "the host's port", given(S.host_slot(k["which"]), x.reply(0), k["which"] <= int(HostPort.HOST_IO_MASTER))
    elif x.rule == "host_set_special_port":
        yield "the host's port", kept(S.host_slot(k["which"]), k["port"])
    elif x.is_call(lambda call: call.selects_exceptions):
        task, told = k.task_behind(k["task"]), x.case.outputs
        for number, which in enumerate(x.k.profile.exception_places, 1):
            held, selected = place(task, which), (k["exception_mask"] / z3.IntVal(1 << number)) % 2 == 1
            if told:
                reply = z3.If(told[f"told.{number}"], copied(held, x.reply(number - 1)), a.empty(x.reply(number - 1)))
                yield f"what is reported of exception {number}", z3.And(reply, z3.Implies(told[f"told.{number}"], selected))
            was = [fields.exception_behaviour(task, PLACE.of(which)) for fields in (b, a)]
            was += [fields.exception_flavour(task, PLACE.of(which)) for fields in (b, a)]
            same = z3.And(copied(held, held), was[0] == was[1], was[2] == was[3])
            done = same
            if x.rule != "task_get_exception_ports":
                handler = z3.And(a.kind(held) == k.handler_kind(k["new_port"]), a.port(held) == k.handler_port(k["new_port"]))
                new = z3.And(handler, was[1] == k["behavior"], was[3] == k["new_flavor"])
                done = z3.If(selected, z3.Or(new, same) if told else new, same)
            yield f"the port of exception {number}", done
    changed = z3.Or(a.kind(v.s) != b.kind(v.s), a.port(v.s) != b.port(v.s))
    if x.rule == "host_set_special_port":
        yield "no other host port", forall([v.s], z3.Implies(changed, v.s == S.host_slot(k["which"])))
    if x.rule in ("task_set_special_port", "mach_ports_register"):
        selected = (
            [z3.And(k["which"] == selector, S.place(v.s) == PLACE.of(which)) for selector, which in k.profile.special_ports.items()]
            if (x.rule == "task_set_special_port")
            else [S.place(v.s) == PLACE.of(which) for which in registered]
        )
        there = z3.And(S.is_place_slot(v.s), S.holder(v.s) == k.task_behind(k["task"]), z3.Or(*selected))
        yield "no other place", forall([v.s], z3.Implies(changed, z3.Or(there, v.s == x.in_hand) if x.stops else there))
    if x.rule == SETTING_RESUMED:
        yield "no place", forall([v.s], z3.Implies(changed, v.s == x.in_hand))


@step_property(124, "a task waits in its own call")
def own_call(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """Only a task's own call makes it begin to wait or go on; its end also ends the wait. The new task of an exec waits
    from its first moment, until its exec is over.

    A call that stops waits for its second step, and takes that once.
    """
    b, a = x.before, x.after
    its_own = z3.Or(v.t == x.k.caller, z3.Not(a.alive(v.t)))
    if x.rule == "execve":
        its_own = z3.Or(its_own, z3.And(x.new_task(v.t), a.wait(v.t) == WAIT.BEGINNING))
    elif x.rule == EXEC_RESUMED and x.ends_task:
        its_own = z3.Or(its_own, z3.And(v.t == x.half_made, a.wait(v.t) == WAIT.NOTHING))
    yield "whose it is", forall([v.t], z3.Implies(a.wait(v.t) != b.wait(v.t), its_own))
    if x.stops:
        yield "it stops", a.wait(x.k.caller) == x.stopped_in
    elif x.k.rule.resumes != "NOTHING" and x.case.code not in (*IN_PROGRESS, None):
        yield "it goes on", a.wait(x.k.caller) == WAIT.NOTHING
