"""Theorem 4, non-interference, by unwinding over the whole interface.

*Local respect*: a step changes nothing of what belongs to a task that its caller doesn't control, except through a
legal channel (``CHANNELS``). *Output consistency*: two states that look the same to a task give its call the same
answer, if the kernel chooses the same. *Step consistency*: they also look the same to it after the call. What a task
sees is written down field by field in ``SEEN`` (``sight.py``). This module states local respect and the channels,
``consistency.py`` the two others.

Together: the answers that a task gets, and what it has, depend on its own calls, on what the kernel chooses, and on
what others do to it through the legal channels.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import z3

from sendright.mach.abi.rights import PortObject
from sendright.mach.signatures import ArgumentType
from sendright.model.invariants.steps.locality import Touched
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import SUSPENSIONS_END, TAKE
from sendright.model.language.sorts import KIND, OBJECT, POSSIBLE, STAGE, Term
from sendright.model.language.state import FIELDS
from sendright.model.language.step_property import forall
from sendright.model.language.terms import Name, sort_of
from sendright.model.language.transition import GOES_ON_WITH_TASK, Transition


class Channel(msgspec.Struct, frozen=True):
    """A legal way in which a task's step reaches another task."""

    name: str
    words: str
    carries: str
    """What the other task sees."""
    needs: str
    """What the caller needs for it: what a policy takes away to close the channel."""


CHANNELS = (
    Channel(
        "message",
        "a message is queued on a port that the task receives from",
        "all that the message says and carries",
        "a send right or send-once right to the port",
    ),
    Channel(
        "room", "a queue to which the task sends fills or empties, or gets another limit", "whether a send is handed back", "a right to the same port"
    ),
    Channel(
        "rights",
        "rights to a port that the task receives from, or requests on them, come and go",
        "the port's counts (of requests, too), and no-senders",
        "a right to the port",
    ),
    Channel(
        "death", "a port to which the task has a right dies", "a dead name, or a send that fails", "the port's receive right, or its task's port"
    ),
    Channel(
        "notification",
        "the kernel sends a notification that the task requested",
        "the message, and one reference of a dead name",
        "as for a death or for rights",
    ),
    Channel(
        "resume",
        "the last right to the resume port of a suspended task goes",
        "that the task runs again",
        "the last send right to the task's resume port",
    ),
    Channel("memory", "a page that the task shares with another task is written", "the page's contents", "the port of a task that has the page"),
    Channel(
        "ledger",
        "a ledger to which the task has a right gives, gets back or pays",
        "its balance and limit",
        "a send right to the ledger, its child or its payer's payee",
    ),
    Channel("control", "a task whose port both have is changed", "all that the task has", "the task's port"),
    Channel("host", "one of the host's special ports is set", "the port", "the privileged host port"),
    Channel(
        "name",
        "a right that is received gets a name that the kernel chooses",
        "the name",
        "as for a message; the choice is any free name of the space",
    ),
    Channel(
        "process",
        "a process begins, sets its ids, executes an image or ends",
        "whether there is a process with the pid, whether it still runs an image, and whether the task may get its ports",
        "nothing: every process can ask for any pid (step invariant 223 says who gets a port)",
    ),
    Channel(
        "images",
        "a process forks, or executes an image",
        "the next pid version, and so how many forks and execs there were",
        "nothing: all processes share one counter",
    ),
    Channel(
        "parent",
        "a process ends",
        "its parent: which child it was, and its status; its children: that they are orphans",
        "nothing: the status has 8 bits",
    ),
    Channel(
        "session",
        "a process of root's in the task's audit session sets its audit user; or a session begins, or ends",
        "the audit user, by getaudit_addr and in later tokens; for a caller that is root, whether a session has another audit user",
        "to be root",
    ),
    Channel("shortage", "the kernel is out of memory", "the code", "nothing: memory is shared, and the kernel says when it is short"),
)
"""All of them. ``tests/model/invariants/test_channels.py`` has a witness for each."""


class Grasp:
    """What the caller of a step has authority over, by the rights that the step's arguments name."""

    def __init__(self, v: Variables, x: Transition) -> None:
        self.v, self.x, self.t = v, x, Touched(v, x)

    def rights(self) -> list[Term]:
        """The slots of the caller's rights that the call's arguments name, and the destination of its request."""
        k, S, parameters = self.x.k, self.v.S, self.x.k.rule.parameters
        call = self.x.call
        ports = {each.name for each in call.arguments if each.type is ArgumentType.PORT} if call is not None else {"control"}
        found = [k.slot(k[name]) for name, sort in parameters.items() if name in ports and sort == sort_of(Name)]
        if "message" in parameters:
            found.append(S.destination_slot(k["message"]))
        return found

    def controls(self, task: Term) -> Term:
        """The caller is the task, or names a send right to its port (or to a further one, if the call does with that),
        or goes on with its creation.
        """
        b = self.x.before
        by_right = [z3.And(b.sends(slot), self._is_port_of(b.port(slot), task)) for slot in self.rights()]
        mine = [task == self.x.half_made] if self.x.rule in GOES_ON_WITH_TASK else []
        return z3.Or(task == self.x.k.caller, *mine, *by_right)

    def _is_port_of(self, port: Term, task: Term) -> Term:
        """The port is the task's, or a further one of its that will do as the target of this call."""
        b = self.x.before
        further = [kind for kind in self.x.k.target_objects if kind is not PortObject.TASK]
        return z3.Or(port == b.task_port(task), *[port == b.flavour_port(task, OBJECT.of(kind)) for kind in further])

    def beyond(self, task: Term) -> Term:
        """The task lives, and the caller has no authority over it."""
        return z3.And(self.x.before.alive(task), z3.Not(self.controls(task)))


def _same(x: Transition, names: list[str], *point: Term) -> Term:
    return z3.And(*[x.after.fields[name](*point) == x.before.fields[name](*point) for name in names])


def _changed(x: Transition, *domain: str) -> list[str]:
    """The fields over this domain that the step updates. (Ghosts aren't seen by any task.)"""
    return [name for name, field in FIELDS.items() if field.domain == domain and not field.ghost and x.after.changed(name)]


PORTS_COUNTS = ("srights", "sorights", "msgcount", "reserved", "no_senders_due", "request_slots", "lost_sends")
"""What holders of rights to a port change: how many rights, messages and requests there are, and that the last sender
went."""
ROOM = ("room",)
"""What the receiver gives to a sender that waits: the channel "room"."""
LEDGERS = ("ledger_limit", "ledger_balance", "ledger_parent", "ledger_payer")
SLOTS = ("kind", "port", "urefs", "unlooked", "told", "had", "send_possible")
BOOKKEEPING = ("known_as",)
"""What the kernel finds again from other fields, and no task sees: invariant 4 says of what the slots are."""
FAMILY = ("parent_pid", "is_orphan")
"""What the end of a process changes of its children: the channel "parent"."""
SHARED = ("clock", "pid_versions")
"""Counters that all tasks share. Of the arrival numbers that ``clock`` gives, a task sees only the order in one queue
(step invariant 20). The pid versions are the channel "images".
"""


def local_respect(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A step changes nothing of what belongs to a task beyond the caller's authority, except through a channel."""
    g, t, S, sorts, b, a = Grasp(v, x), Touched(v, x), v.S, v.sorts, x.before, x.after
    place = b.receiver(v.p)
    theirs = z3.And(S.is_name_slot(place), g.beyond(S.space(place)))
    """The port's receive right is under a name of a task beyond the caller's authority."""

    if names := _changed(x, "Task"):
        kept = z3.Or(_same(x, names, v.t), _runs_again(t, names, v.t), _becomes_orphan(t, names, v.t))
        yield "tasks", forall([v.t], z3.Implies(g.beyond(v.t), kept))
    if names := _changed(x, "Task", "Place"):
        yield "exception ports", forall([v.t, v.w], z3.Implies(g.beyond(v.t), _same(x, names, v.t, v.w)))
    if names := _changed(x, "Task", "Int"):
        yield "memory", forall([v.t, v.i], z3.Implies(g.beyond(v.t), _same(x, names, v.t, v.i)))
    if names := _changed(x, "Object"):
        there = z3.And(v.o != sorts.no_object, b.mapped(v.t, v.i) == v.o, g.beyond(v.t))
        writes = _written(t, v.o) if x.is_call(lambda call: call.addresses_memory) else z3.BoolVal(False)
        yield "contents", forall([v.t, v.i, v.o], z3.Implies(there, z3.Or(_same(x, names, v.o), writes)))
    if names := [name for name in _changed(x, "Slot") if name in SLOTS]:
        owner = z3.If(S.is_name_slot(v.s), S.space(v.s), z3.If(S.is_place_slot(v.s), S.holder(v.s), S.requester(v.s)))
        of_task = z3.Or(S.is_name_slot(v.s), S.is_place_slot(v.s), S.is_request_slot(v.s))
        channels = z3.Or(t.died(v.s), _notified(t, v.s), _send_possible(t, v.s))
        yield "rights", forall([v.s], z3.Implies(z3.And(of_task, g.beyond(owner)), z3.Or(_same(x, names, v.s), channels)))
        for slot in (S.no_senders_slot(v.p), S.port_destroyed_slot(v.p)):
            kept = z3.Or(_same(x, names, slot), t.died(slot), t.dies(v.p), z3.And(x.k.rule.pending, a.empty(slot)))
            yield "requests for its ports", forall([v.p], z3.Implies(z3.And(b.active(v.p), theirs), kept))
        yield "host ports", forall([v.i], _host_port(g, t, x, names, v.i))
    if names := _changed(x, "Port"):
        kept = [name for name in names if name not in (*PORTS_COUNTS, *LEDGERS)]
        both = z3.And(b.active(v.p), a.active(v.p))
        if kept:
            yield "its ports", forall([v.p], z3.Implies(z3.And(both, theirs), _same(x, kept, v.p)))
        if ledgers := [name for name in names if name in LEDGERS]:
            yield "ledgers", forall([v.p], z3.Implies(both, z3.Or(_same(x, ledgers, v.p), _ledger_named(g, v.p))))
    if names := _changed(x, "Port", "Name"):
        yield "its port sets", forall([v.p, v.n], z3.Implies(z3.And(b.active(v.p), a.active(v.p), theirs), _same(x, names, v.p, v.n)))
    yield from _messages(v, x, g, t)


def _written(t: Touched, o: Term) -> Term:
    """The page that the call writes has this object: the caller controls a task that shares it."""
    addresses = [name for name in ("address", "dest_address") if t.has(name)]
    return z3.Or(*[o == t.b.mapped(t.target, t.k[name]) for name in addresses])


def _runs_again(t: Touched, changed: list[str], task: Term) -> Term:
    """The last right to the task's resume port has gone: its suspensions end, and nothing else of it changes."""
    if t.rule != SUSPENSIONS_END or changed != ["suspend_count"]:
        return z3.BoolVal(False)
    port = t.k["of"]
    return z3.And(t.b.object_task(port) == task, t.b.srights(port) == 0, t.a.suspend_count(task) == 0)


def _becomes_orphan(t: Touched, changed: list[str], task: Term) -> Term:
    """The parent of the task's process ends: the process is an orphan, and nothing else of it changes."""
    if t.rule != "exit":
        return z3.BoolVal(False)
    kept = [name for name in changed if name not in FAMILY]
    return z3.And(t.b.parent_pid(task) == t.b.pid(t.k.caller), _same(t.x, kept, task))


def _notified(t: Touched, slot: Term) -> Term:
    """The slot's dead-name request fires: it is used up, and the dead name has one more reference."""
    if not t.k.rule.pending:
        return z3.BoolVal(False)
    used = z3.And(t.S.is_request_slot(slot), t.a.empty(slot))
    one_more: Term = t.a.urefs(slot) == t.b.urefs(slot) + 1
    if t.k.profile.dead_names_are_lazy:  # at once, or when a call looks at the name
        one_more = z3.Or(one_more, z3.And(t.a.urefs(slot) == t.b.urefs(slot), t.k.is_unlooked(slot)))
    return z3.Or(used, z3.And(t.same(slot), t.b.kind(slot) == KIND.DEAD_NAME, one_more))


def _send_possible(t: Touched, slot: Term) -> Term:
    """A message is received from a port: the slot's armed send-possible request on a name for it is due, and fires."""
    if not t.k.profile.send_possible or not (t.rule == TAKE or t.k.rule.pending):
        return z3.BoolVal(False)
    b, a = t.b, t.a
    due = z3.And(b.send_possible(slot) == POSSIBLE.ARMED, a.send_possible(slot) == POSSIBLE.DUE, t.same(slot))
    fires = z3.And(b.send_possible(slot) == POSSIBLE.DUE, a.send_possible(slot) == POSSIBLE.FIRED, a.kind(slot) == KIND.DEAD_NAME)
    return z3.And(t.S.is_request_slot(slot), z3.Or(due, fires))


def _host_port(g: Grasp, t: Touched, x: Transition, names: list[str], number: Term) -> Term:
    slot, b = t.S.host_slot(number), x.before
    privileged = [z3.And(b.sends(right), b.object(b.port(right)) == OBJECT.of(PortObject.HOST_PRIV)) for right in g.rights()]
    return z3.Or(_same(x, names, slot), t.died(slot), *privileged)


def _ledger_named(g: Grasp, port: Term) -> Term:
    """The caller names a send right to this ledger, or to one whose limit or payment comes from it."""
    b = g.x.before
    named = [b.port(right) for right in g.rights()]
    return z3.Or(*[z3.Or(port == one, port == b.ledger_parent(one), port == b.ledger_payer(one)) for one in named])


def _messages(v: Variables, x: Transition, g: Grasp, t: Touched) -> Iterator[tuple[str, Term]]:
    """A message that a task beyond the caller's authority sends, waits with, holds or will receive stays as it is, and
    where it is, unless its queue dies or what it carries does.
    """
    b, a, S = x.before, x.after, v.S
    place = b.receiver(b.queue(v.m))
    in_hand = z3.And(z3.Or(b.stage(v.m) == STAGE.IN_KERNEL, b.stage(v.m) == STAGE.WAITING), g.beyond(b.owner(v.m)))
    queued = z3.And(b.stage(v.m) == STAGE.QUEUED, S.is_name_slot(place), g.beyond(S.space(place)), a.active(b.queue(v.m)))
    theirs = z3.Or(in_hand, queued)
    if names := [name for name in _changed(x, "Message") if name not in ROOM]:
        yield "messages", forall([v.m], z3.Implies(theirs, _same(x, names, v.m)))
    if names := _changed(x, "Message", "Int"):
        yield "memory in messages", forall([v.m, v.i], z3.Implies(theirs, _same(x, names, v.m, v.i)))
    if names := _changed(x, "Slot"):
        for what, slot, more in (
            ("destinations", S.destination_slot(v.m), []),
            ("reply rights", S.reply_slot(v.m), []),
            ("bodies", S.body_slot(v.m, v.i), [v.i]),
        ):
            yield f"{what} of messages", forall([v.m, *more], z3.Implies(theirs, z3.Or(_same(x, names, slot), t.died(slot))))
